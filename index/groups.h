/* SPDX-License-Identifier: Apache-2.0 */
/* index/groups.h - the distinct groups of a segment's rows, sorted, and which of them each row is in. */
#ifndef FRESHET_GROUPS_H
#define FRESHET_GROUPS_H

#include "entries.h"

/* Appends the section of groups of both runs of rows and sets *count. of_entry and of_history have room for a
 * number a row; a row without a group gets GROUP_NONE. Returns 0, -EOVERFLOW or -ENOMEM. */
int groups_add(const struct entry *entries, size_t entry_count, uint32_t *of_entry,
	const struct entry *history, size_t history_count, uint32_t *of_history, uint64_t *count,
	struct buf *out, struct err *err);

#endif
