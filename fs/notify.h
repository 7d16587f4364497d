/* SPDX-License-Identifier: Apache-2.0 */
/* fs/notify.h - tells the kernel which names point elsewhere now, and wakes who waits in poll() for that.
 *
 * From a thread of its own: the kernel takes the directory's lock for it, and a lookup that waits for an answer
 * holds that lock, so a thread that answers requests must never send one. */
#ifndef FRESHET_NOTIFY_H
#define FRESHET_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct fuse_pollhandle;
struct fuse_session;
struct notify;

/* `published` is called on the thread, and sends by itself. Returns 0 or -errno. */
int notify_start(struct notify **out, struct fuse_session *se, void (*published)(void *ctx), void *ctx);
/* Queues one invalidation; never blocks. When memory is out the name is kept until it expires. */
void notify_entry(struct notify *n, uint64_t parent, const char *name);
/* The same for an inode's attributes: its pages stay, its listing is compared with its time again. */
void notify_attributes(struct notify *n, uint64_t ino);
/* Has published() called before anything that is queued: once for several calls before that, since publishes may come faster than
 * the kernel takes notice. */
void notify_publish(struct notify *n);
/* Takes the handle of somebody who waits, and wakes them at the next notify_pollers(), or sooner: then the kernel asks again. */
void notify_poll(struct notify *n, struct fuse_pollhandle *handle);
bool notify_is_polled(struct notify *n);
/* Wakes all who wait, after what is queued. */
void notify_pollers(struct notify *n);
/* Ends the thread; what is queued is dropped, and what comes after it. Requests must still be answered meanwhile. NULL is fine. */
void notify_stop(struct notify *n);
void notify_free(
	struct notify *n); /* after notify_stop(), when no request is answered any more; NULL is fine */

#endif
