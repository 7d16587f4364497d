/* SPDX-License-Identifier: Apache-2.0 */
/* index/analysis.h - the terms of a segment's entries, found by several threads: each analyses and inverts a run
 * of the entries by itself. */
#ifndef FRESHET_ANALYSIS_H
#define FRESHET_ANALYSIS_H

#include "segment_write.h"
#include "term_merge.h"

struct analysis;
typedef void analysed_fn(
	void *ctx, uint64_t bytes); /* so many more bytes of records are analysed; any thread */

/* Gives the term of a document's group, where it has one. */
void analysis_add_group(struct invert *v, struct slice group);
/* Analyses the entries of `in` (borrowed until analysis_free()) in as many threads as it has contexts for, sets the
 * state of hidden ones, and puts the length of each into `lengths`, four bytes an entry. Returns 0 or -errno. */
int analysis_new(struct analysis **out, const struct segment_input *in, char *lengths, analysed_fn *analysed,
	void *analysed_ctx, struct err *err);
void analysis_free(struct analysis *a);
DEFINE_FREEP(analysis)
/* Fills in how many entries are live, hidden and deleted, and how many words they have. */
void analysis_count(const struct analysis *a, struct segment_info *info);
/* Adds the inverters to `to`, which borrows them. */
void analysis_terms(const struct analysis *a, struct term_merge *to);

#endif
