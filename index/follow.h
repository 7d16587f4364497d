/* SPDX-License-Identifier: Apache-2.0 */
/* index/follow.h - takes over what another host published: out of a store (edition.h), or out of a directory that `rsync` fills from a mount's
 * segments/.
 *
 * A follower holds a generation whole before it serves it, and never goes back: it moves only to a higher number of the same
 * index, in no lower epoch. */
#ifndef FRESHET_FOLLOW_H
#define FRESHET_FOLLOW_H

#include <stdatomic.h>

#include "edition.h"

/* What is here already. */
struct follow_known {
	uint64_t epoch;        /* that the current generation came of, from that place; 0: unknown */
	uint64_t number;       /* the current generation's; 0: none */
	char index[UUID_TEXT]; /* "" where there is none */
};
/* `catalog` may be NULL: nothing is here. `url`: of where it is followed from. Returns 0 or -errno. */
int follow_known_get(struct catalog *catalog, const char *url, struct follow_known *out, struct err *err);

/* What is offered. */
struct follow_offer {
	bool newer; /* than what is known: the rest holds for that */
	bool flat;  /* a directory as rsync fills it */
	uint64_t epoch, number;
	struct edition_ref ref; /* of a store */
	struct buf manifest;    /* of a flat directory; owned */
};
/* A look at a store, with a few small requests. Returns 0; -ENOTSUP where another index is there; -ESTALE where what is there would go back;
 * -EBADMSG; or what the store says. */
int follow_look(
	struct store *store, const struct follow_known *known, struct follow_offer *out, struct err *err);
void follow_offer_release(struct follow_offer *o); /* zero-initialised is fine */

struct follow_input {
	struct state *state;     /* the writer's lock held, no build begun */
	struct catalog *catalog; /* a writer */
	struct store *store;
	const struct config *cfg;
	atomic_int *stop; /* may be NULL */
	void (*progress)(void *ctx, uint64_t done,
		uint64_t total); /* bytes of segments, from any thread; may be NULL */
	void *progress_ctx;
};
struct follow_result {
	uint64_t generation; /* that is current now, by this call; 0: there was nothing newer */
	uint64_t epoch;
	uint64_t segments, bytes; /* fetched */
	int64_t watermark;        /* of what is current; TIME_NONE: nothing is */
};
/* One look, and what it finds is fetched, checked and made current. Returns 0; -EBUSY where a directory is being filled just now; else as
 * follow_look() and fetch_segments(). After an error what was current still is, and what was fetched is not fetched again. */
int follow_tick(const struct follow_input *in, struct follow_result *out, struct err *err);

#endif
