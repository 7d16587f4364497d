/* SPDX-License-Identifier: Apache-2.0 */
/* fs/watchdog.h - a thread that uses the mount as anybody would, and tells the service manager that it answers.
 *
 * A sign of life is sent only after two answers: of the threads that serve, to a request through the mount that the
 * kernel cannot answer by itself; and of the refresh thread, which whoever looks up a live name waits for. A feed that
 * does not answer is no reason to keep silent: a restart would not mend it, and what is published is served.
 *
 * A request to a mount that hangs cannot be taken back, and would keep a process that waits for itself from ending:
 * its own descriptor of /dev/fuse would stay open. So the thread has a descriptor table of its own, without it. */
#ifndef FRESHET_WATCHDOG_H
#define FRESHET_WATCHDOG_H

#include "refresh.h"
#include "service.h"

struct watchdog;

struct watchdog_options {
	const char *mountpoint; /* borrowed, as all below */
	struct refresh *refresh;
	const struct service *service;
	int fuse_fd; /* the connection */
	/* Called once, on the thread, as soon as the mount answers. */
	void (*ready)(void *ctx);
	void *ctx;
};

/* Before the refresh thread, which wakes it. Returns 0 or -errno. */
int watchdog_start(struct watchdog **out, const struct watchdog_options *opt);
/* Something is published: the status line is out of date. NULL is fine. */
void watchdog_wake(struct watchdog *w);
/* After the refresh thread has ended, and while requests are still answered or the connection is gone. Returns false where the thread waits for the mount
 * for ever; then it stays, with what it uses. NULL is fine. */
bool watchdog_stop(struct watchdog *w);

#endif
