/* SPDX-License-Identifier: Apache-2.0 */
/* index/rows.h - all rows that a generation has of one id, entries and history, and which of them still count under the horizon and
 * the undone files of the generation to come. */
#ifndef FRESHET_ROWS_H
#define FRESHET_ROWS_H

#include "generation.h"

/* One row of a parent. */
struct parent_row {
	size_t segment;
	uint32_t n;
	bool history;
	struct entry entry; /* without record */
	struct source source;
};

/* A generation seen from the one that will follow it. */
struct rows {
	const struct generation *g;  /* borrowed; NULL: none, then nothing is found */
	const struct undone *undone; /* borrowed; of each segment; NULL: as in g */
	uint32_t *left;              /* owned; of each segment: sources below have left */
};
int rows_init(struct rows *r, const struct generation *g, int64_t horizon, const struct undone *undone,
	struct err *err);
void rows_release(struct rows *r);

/* Does a row of that segment, id and source still count? */
bool rows_count(const struct rows *r, size_t segment, struct slice id, uint32_t source);
struct undone rows_undone(const struct rows *r, size_t segment);
/* The one entry of the parent for an id, whether it still counts or not: 1, 0 none, or -errno. */
int rows_standing(const struct rows *r, struct slice id, struct parent_row *out, struct err *err);
/* The newest row of an id that still counts, wherever it is: 1, 0 none, or -errno. */
int rows_newest(const struct rows *r, struct slice id, struct parent_row *out, struct err *err);
/* Fills all of `out` from its segment, n and history. */
int rows_load(const struct rows *r, struct parent_row *out, struct err *err);
/* Appends its stored record. */
int rows_record(const struct rows *r, const struct parent_row *row, struct buf *out, struct err *err);

#endif
