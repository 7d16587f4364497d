/* SPDX-License-Identifier: Apache-2.0 */
/* index/source.h - files that records come from, as a sorted set: their numbers in it are the order of age. */
#ifndef FRESHET_SOURCE_H
#define FRESHET_SOURCE_H

#include "entries.h"

/* By (ts, file, partition, hash): the order of files that fold() wants; 0: the same bytes in the same place. */
int source_cmp(const struct source *a, const struct source *b);
/* Sorts `list` and leaves each file once. Returns how many are left. */
size_t sources_distinct(struct source *list, size_t count);
/* Where in a sorted set `s` is; NULL: nowhere. */
const struct source *sources_find(const struct source *list, size_t count, const struct source *s);

#endif
