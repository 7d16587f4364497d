/* SPDX-License-Identifier: Apache-2.0 */
/* fs/passthrough.h - segment files that the kernel reads from the state directory itself, with no request for their bytes.
 *
 * That takes an `open` whose answer names the file to read from, and the mount's own connection gets none: its `open` was once
 * answered with ENOSYS. So the segments of the current generation have a connection of their own: a file system
 * with that one directory, mounted over generations/N/segments and segments/. A publish takes the one over segments/
 * away, as it points that name elsewhere; whoever has a file of it open, or stands in it, keeps it, and what nobody
 * holds any more, the kernel ends.
 *
 * Passthrough: Linux 6.9 (Documentation/filesystems/fuse/fuse-passthrough.rst), libfuse 3.17, CAP_SYS_ADMIN. */
#ifndef FRESHET_PASSTHROUGH_H
#define FRESHET_PASSTHROUGH_H

#include "err.h"
#include "generation.h"

struct fuse_session;
struct ops;
struct passthrough;

struct passthrough_options {
	struct fuse_session *se; /* the mount's own, as all that follows; it outlives the passthrough */
	const struct ops *ops;
	const char *mountpoint; /* absolute */
	bool allow_other;
};
/* Starts the thread that mounts. Returns 0, also where this build, kernel or user cannot (passthrough_word() says why, and
 * nothing is mounted), or -errno. */
int passthrough_start(struct passthrough **out, const struct passthrough_options *opt);
/* `g` is current now: takes down what lies over segments/, and mounts those of `g`. Never blocks. NULL is fine. */
void passthrough_show(struct passthrough *p, struct generation *g);
/* Ends the thread. Requests of the mount must be answered meanwhile, or fail. NULL is fine. */
void passthrough_stop(struct passthrough *p);
/* Ends the connections, and frees: after passthrough_stop(), once the mount is down. NULL is fine. */
void passthrough_free(struct passthrough *p);
/* "on", or "off" and why; NULL: nobody asked for it. */
void passthrough_word(struct passthrough *p, char out[ERR_MAX]);

#endif
