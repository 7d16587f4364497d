/* SPDX-License-Identifier: Apache-2.0 */
/* index/walk.h - all rows of some neighbouring segments of a generation, id by id, in order: what merging, folding again and a
 * new base start from. Records are read in order, each block once. */
#ifndef FRESHET_WALK_H
#define FRESHET_WALK_H

#include "rows.h"

struct walk;
/* Segments [from, to) of rows->g. Borrows `rows`. */
int walk_open(struct walk **out, const struct rows *rows, size_t from, size_t to, struct err *err);
/* The rows of the next id, entries and history, from the oldest segment to the newest, in a segment the entry first. Valid until the
 * next call. Returns 1, 0 at the end, or -errno. */
int walk_next(struct walk *w, const struct parent_row **rows, size_t *count, struct err *err);
/* The record of one of them; valid until the next call of this, or of walk_next(). RECORD_PADDING bytes can be read behind it. */
int walk_record(struct walk *w, const struct parent_row *row, struct slice *out, struct err *err);
void walk_free(struct walk *w); /* NULL is fine */
DEFINE_FREEP(walk)

#endif
