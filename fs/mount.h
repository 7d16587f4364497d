/* SPDX-License-Identifier: Apache-2.0 */
/* fs/mount.h - the life of a mount: session, threads, signals, and an orderly end. */
#ifndef FRESHET_MOUNT_H
#define FRESHET_MOUNT_H

#include "config.h"
#include "service.h"
#include "state.h"
#include "store.h"

struct mount_options {
	const char *mountpoint; /* absolute, resolved */
	const char *url;        /* of the feed, as the state knows it */
	const struct state *state;
	const struct config *cfg;
	struct store *store;
	const char *const *builder_argv; /* NULL-terminated */
	const char *const *merger_argv;
	const char *const *publisher_argv;
	const char *dest; /* publish.dest, absolute; NULL: it is not set */
	bool follow; /* `url` is where another host publishes: the builder fetches, and there is no feed */
	/* Comma-separated options for the kernel beyond those that every mount of ours has; may be "". */
	const char *kernel_options;
	/* Whom to tell how things stand; NULL: nobody, since the mount goes to the background. */
	const struct service *service;
	int log_level; /* of log.h; SIGRTMIN+22 makes it LOG_DEBUG, SIGRTMIN+23 this again */
	/* Called with a service once the mount answers, on a thread of its own; without one as soon as the file system is
	 * mounted and every thread but the serving ones runs. */
	void (*ready)(void *ctx);
	void *ctx;
};

/* Mounts, serves until SIGTERM, SIGINT, SIGHUP or an unmount, and takes everything down. No thread may run
 * yet. Returns 0, or -errno when it could not mount. */
int mount_run(const struct mount_options *opt, struct err *err);

#endif
