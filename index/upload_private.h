/* SPDX-License-Identifier: Apache-2.0 */
/* index/upload_private.h - the parts of publishing to a store: upload.c (the order of steps), upload_epoch.c (whose turn it is) and
 * upload_gc.c (what goes). */
#ifndef FRESHET_UPLOAD_PRIVATE_H
#define FRESHET_UPLOAD_PRIVATE_H

#include "presence.h"
#include "upload.h"

/* What the state remembers of publishing to one place. */
struct upload_record {
	uint64_t epoch;          /* the state's own; 0: none yet */
	struct edition_ref last; /* that it published */
	struct edition_ref next; /* that it was about to point to, and may have */
	const char *url;         /* where; borrowed */
};
/* Borrows `url`. Zeros where it remembers nothing. */
int upload_record_get(struct catalog *c, const char *url, struct upload_record *out, struct err *err);
int upload_record_set(struct catalog *c, const struct upload_record *r, struct err *err);

struct upload {
	const struct upload_input *in;
	struct upload_result *out;
	struct catalog *catalog; /* owned */
	struct upload_record record;
	char owner[UUID_TEXT];
	struct published_now there; /* as it was at the start, or after a claim */
	bool ours;                  /* the newest epoch is this state's */
	bool full;                  /* there was no space, and what may go went */
	struct generation *g;       /* a reference: what is published */
	struct arena arena;
	struct row *rows;
	size_t row_count;
	struct edition edition;
	struct edition_ref ref; /* of it */
	struct presence segments, texts;
};

/* Looks at the store: may this state publish, or take over? Sets `there` and `ours`. Returns 0, or as upload_run(). */
int upload_look(struct upload *u, struct err *err);
/* Before anything is written for a claim: 0, or -EINVAL where the store could not tell who was first, and nobody said that there is one writer. */
int upload_check_exclusive(struct upload *u, struct err *err);
/* Of the generation that was loaded: may it follow what is published there by another? It must not be older, before the claim nor after it; then it gets a
 * number above all that may have been published there, and is to be loaded again (1). Returns 0, 1, -ESTALE …. */
int upload_check_turn(struct upload *u, struct err *err);
/* Claims the next epoch, where none is this state's and upload_check_exclusive() said 0, for a state that is not older than what is there by then.
 * Returns 0, -EBUSY where another was faster …. */
int upload_claim(struct upload *u, struct err *err);
/* Right before the pointer is written, or something removed: 0; 1 where the builder before has published meanwhile, who may have been newer, so
 * that upload_check_turn() has to judge anew; -EBUSY where the epoch is over, or a copy of this state has published. */
int upload_still_ours(struct upload *u, struct err *err);

/* Removes what is let go: some at once, or where `full` all of it. */
int upload_gc(struct upload *u, struct err *err);

#endif
