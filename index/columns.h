/* SPDX-License-Identifier: Apache-2.0 */
/* index/columns.h - the rows of a segment as columns: its entries, and the same once more for its history.
 * Format: docs/format.md, "Columns". */
#ifndef FRESHET_COLUMNS_H
#define FRESHET_COLUMNS_H

#include "entries.h"
#include "strtab.h"

/* Borrows the sections it was opened on; immutable. */
struct columns {
	uint64_t count;
	struct strtab ids; /* each with a line feed behind it */
	const char *line, *group, *source, *record_len, *state;
	struct strtab versions;
	const struct strtab *groups; /* borrowed; shared by both */
	uint64_t sources;
};
int columns_open(struct columns *c, struct slice ids, struct slice columns, uint64_t count,
	const struct strtab *groups, uint64_t sources, struct err *err);
/* `n` must be below count. Each returns 0 or -EBADMSG. */
int columns_id(const struct columns *c, uint32_t n, struct slice *id, struct err *err);
int columns_entry(const struct columns *c, uint32_t n, struct entry *out, struct err *err);
static inline uint32_t columns_record_len(const struct columns *c, uint32_t n)
{
	return get_le32(c->record_len + (uint64_t)n * 4);
}

/* Append the sections. `group_of[i]` is the number of entry i's group. Returns 0, -EOVERFLOW over 4 GiB of
 * ids or versions, or -ENOMEM. */
int columns_add_ids(const struct entry *entries, uint64_t count, struct buf *out, struct err *err);
int columns_add(const struct entry *entries, uint64_t count, const uint32_t *group_of, struct buf *out,
	struct err *err);

#endif
