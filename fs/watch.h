/* SPDX-License-Identifier: Apache-2.0 */
/* fs/watch.h - inotify on the directories that the last listing looked into, and on `current`.
 *
 * A watch only says "look again"; what there is to see, the listing says. */
#ifndef FRESHET_WATCH_H
#define FRESHET_WATCH_H

#include "feed.h"

struct watch;

int watch_open(struct watch **out, struct err *err);
void watch_free(struct watch *w); /* NULL is fine */
int watch_fd(const struct watch *w);
/* Tells when STATE/current is replaced. */
int watch_state(struct watch *w, const char *state_dir, struct err *err);
/* Watches every directory of `listing` under `root`, and no other any more: a feed's partitions come and leave the
 * window for ever, and the system's watches are few. Returns how many were not watched before (then something
 * may have happened there since the listing: list again), or -errno: -ENOSPC when the system's limit of
 * watches is reached; then those of the last listing stay. */
int watch_listing(struct watch *w, const char *root, const struct listing *listing, struct err *err);
/* Takes in all events: which kinds there were. */
#define WATCH_FEED 1u
#define WATCH_STATE 2u
unsigned watch_drain(struct watch *w);

#endif
