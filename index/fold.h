/* SPDX-License-Identifier: Apache-2.0 */
/* index/fold.h - new records over a published generation: who wins, who lost, what the new segment holds. */
#ifndef FRESHET_FOLD_H
#define FRESHET_FOLD_H

#include "record.h"
#include "view.h"

struct fold_input {
	const struct generation *parent; /* NULL: none */
	int64_t horizon; /* of the new watermark; TIME_NONE: none. What the parent holds at or before it has left. */
	const struct source *sources; /* by (ts, file); record.source indexes it */
	size_t source_count;
	struct record *records; /* in any order */
	size_t record_count;
};
struct fold_output { /* everything in `arena` or borrowed from the input */
	struct source *
		sources; /* those of the winners and losers that are written: also of winners taken over from the parent */
	size_t source_count;
	struct entry *entries; /* by id: input of segment_write */
	size_t entry_count;
	struct entry *history; /* new records that lost, by id and order */
	size_t history_count;
	struct arena arena;
};
/* For each id with new records the newest in the order of section 6 wins, among them and the parent's entry for that id. If the parent's wins
 * and the new ones do not name the id in a newer partition, there is no new entry; if they do, the entry is written again with
 * `named` moved. */
int fold(const struct fold_input *in, struct fold_output *out, struct err *err);
void fold_release(struct fold_output *f);

#endif
