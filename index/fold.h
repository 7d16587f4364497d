/* SPDX-License-Identifier: Apache-2.0 */
/* index/fold.h - new records over a published generation: who wins, who lost, what the new segment holds.
 *
 * The records of an index are those of all its segments, entries and history alike, and the new ones, without those of files that
 * were undone and, of what expires, without those of partitions that have left. Of each id the newest in the order of section 6
 * wins. A group in which something changes is written whole. */
#ifndef FRESHET_FOLD_H
#define FRESHET_FOLD_H

#include "record.h"
#include "view.h"

struct fold_input {
	const struct config *cfg;
	const struct generation *parent; /* NULL: none */
	/* Of the new generation: documents of partitions at or before it have left, attributes that expire too; TIME_NONE: nothing
	 * leaves. */
	int64_t horizon;
	const struct undone *
		undone; /* of each of the parent's segments, what the parent has undone too; NULL: as in the parent */
	const struct source *sources; /* by (ts, file); record.source indexes it */
	size_t source_count;
	struct record *records; /* in any order */
	size_t record_count;
};
struct fold_output { /* everything in `arena` or borrowed from the input */
	struct source
		*sources; /* those of the rows that are written: also of rows taken over from the parent */
	size_t source_count;
	struct entry *entries; /* by id: input of segment_write */
	size_t entry_count;
	struct entry *history; /* new records that lost, by id and order */
	size_t history_count;
	struct arena arena;
};
/* Returns 0, or -errno. An id whose winner stays where it is gets no new entry, unless its group is written. */
int fold(const struct fold_input *in, struct fold_output *out, struct err *err);
void fold_release(struct fold_output *f);

/* Finds attributes as they are in the generation that a fold makes: among its new entries, else in its parent. Made by
 * fold_attributes(), borrows both. */
struct fold_attributes {
	const struct entry *entries; /* by id */
	size_t count;
	const struct generation *parent;
	int64_t horizon;
	const struct undone *undone;
};
struct fold_attributes fold_attributes(const struct fold_input *in, const struct fold_output *out);
/* An attribute_fn (record.h); `ctx` is a struct fold_attributes. Any number of threads. */
int fold_attribute(void *ctx, struct slice id, struct buf *json, struct err *err);

#endif
