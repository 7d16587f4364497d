/* SPDX-License-Identifier: Apache-2.0 */
/* fs/looker.h - looks at the feed on a thread of its own, since a feed may be slow, or not answer at all: whoever waits for the mount must not
 * wait for that. One look at a time; all calls come from one thread. */
#ifndef FRESHET_LOOKER_H
#define FRESHET_LOOKER_H

#include "follow.h"
#include "look.h"

struct looker;

/* What a look has found. */
struct sight {
	int code; /* 0, or -errno with the reason in `err`: then there is nothing else */
	struct err err;
	bool newer; /* of what another host publishes: something newer is there. Then there is nothing else */
	struct listing listing;
	struct plan plan;
};

/* `follow`: `store` is no feed, but where another host publishes. */
int looker_start(struct looker **out, struct store *store, bool follow, struct err *err);
int looker_fd(const struct looker *l); /* readable when a look has ended */
bool looker_is_busy(const struct looker *l);
/* Reads what the catalog has of it (NULL: there is none, for who follows), and has the thread look. Returns 0 or -errno: then no look has begun. */
int looker_begin(struct looker *l, const struct config *cfg, struct catalog *catalog, struct err *err);
/* What the look has found, until the next one begins; NULL: it has not ended. */
const struct sight *looker_take(struct looker *l);
/* Ends the thread. Returns false where the feed does not answer: the thread, and all that it uses, stays for as long as
 * the process. NULL is fine. */
bool looker_stop(struct looker *l);

#endif
