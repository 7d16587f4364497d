/* SPDX-License-Identifier: Apache-2.0 */
/* index/rank.h - the best documents of a generation for a query, by BM25.
 *
 * A document that matches the query scores, over each word t of it that is not under a NOT, each counted once,
 *
 *     idf(t) * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / average))     idf(t) = ln(1 + (N - n + 0.5) / (n + 0.5))
 *
 * with tf its occurrences of t, length its words, N, n and average the number of live documents, of those with t, and
 * their mean length; k1 and b are the manifest's. So scores equal those of an index of the live documents built afresh.
 * Keywords and prefixes choose documents and score nothing. A score is rounded to RANK_SCALE parts, and order is by the
 * rounded one; equal ones come in order of id. */
#ifndef FRESHET_RANK_H
#define FRESHET_RANK_H

#include "query.h"

#define RANK_BEST 1000
#define RANK_SCALE 1000000 /* six decimals */

struct rank_counts {
	uint64_t
		scored; /* documents that were scored: the others were passed over, since no block of theirs could do */
};

/* Appends the `best` highest: score with six decimals, TAB, id, a line each. `counts` may be NULL. Returns 0, or as
 * query_check(). */
int rank_rows(const struct query *q, const struct generation *g, size_t best, struct buf *out,
	struct rank_counts *counts, struct err *err);

#endif
