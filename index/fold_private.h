/* SPDX-License-Identifier: Apache-2.0 */
/* index/fold_private.h - a fold at work: for fold.c, fold_touch.c and fold_sources.c. */
#ifndef FRESHET_FOLD_PRIVATE_H
#define FRESHET_FOLD_PRIVATE_H

#include "fold.h"
#include "rows.h"

/* What becomes of an id of which there are new records, or whose old ones count no more. */
struct decision {
	struct slice id;
	size_t entry; /* in folder.entries; NO_ENTRY: none is written */
	bool had;     /* the parent has an entry, `old` */
	bool gone;    /* there is no entry any more: all records of it have left or were undone */
	size_t old_segment;
	uint32_t old_entry;
};
#define NO_ENTRY SIZE_MAX

struct folder {
	const struct fold_input *in;
	struct fold_output *out;
	struct rows rows;             /* of the parent */
	struct record_parser *parser; /* owned; NULL where there are no attributes */
	uint32_t *order;              /* owned; new records by id, then order */
	struct buf again;             /* struct slice: ids of the parent to decide anew, sorted, each once */
	struct buf decisions;         /* struct decision, by id; only with a parent */
	struct buf entries;           /* struct entry: what is written, by id in the end */
	struct buf asked;             /* struct slice: attributes that changed, as documents ask for them */
	struct buf groups;            /* struct slice: touched groups */
	struct buf copies;            /* struct parent_row: what is written again because its group is */
	/* Sources of the parent that rows were taken over from; by segment and source, their place there + 1. */
	struct source *taken; /* owned */
	size_t taken_count, taken_cap;
	uint32_t **taken_at; /* owned */
	struct buf scratch;
};

/* fold_touch.c: which ids have to be decided anew (into `again`), and, once all is decided, which entries of the parent go
 * into the new segment besides (into `copies`). */
int fold_again(struct folder *f, struct err *err);
int fold_touch(struct folder *f, struct err *err);

/* fold_sources.c */
/* The number of the source of a row of the parent, among all: after the new ones. */
int source_take(struct folder *f, const struct parent_row *row, uint32_t *out);
/* Keeps the sources that entries and history name, each once, in order, and gives the rows their new numbers. */
int fold_sources(struct folder *f, struct err *err);
void taken_release(struct folder *f);

#endif
