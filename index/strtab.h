/* SPDX-License-Identifier: Apache-2.0 */
/* index/strtab.h - many strings of a segment: n + 1 offsets of 32 bits, then their text. */
#ifndef FRESHET_STRTAB_H
#define FRESHET_STRTAB_H

#include "bytes.h"
#include "err.h"

/* Borrows the bytes it was opened on; immutable. */
struct strtab {
	const char *offsets, *text;
	uint64_t count, text_len;
};

/* Takes `count` strings from the start of `in`; all of `in` must be theirs. Checks lengths, and offsets where
 * they are used. Returns 0 or -EBADMSG. */
int strtab_open(struct strtab *t, struct slice in, uint64_t count, struct err *err);
/* Appends such a table. Returns 0, -EOVERFLOW over 4 GiB of text, or -ENOMEM. */
int strtab_add(struct buf *out, const struct slice *s, uint64_t count, struct err *err);
/* String `n` < count. Returns 0 or -EBADMSG. */
int strtab_get_checked(const struct strtab *t, uint64_t n, struct slice *out, struct err *err);
static inline int strtab_get(const struct strtab *t, uint64_t n, struct slice *out, struct err *err)
{
	uint32_t start = get_le32(t->offsets + n * 4), end = get_le32(t->offsets + n * 4 + 4);

	*out = (struct slice){t->text + start, end - start};
	return start <= end && end <= t->text_len ? 0 : strtab_get_checked(t, n, out, err);
}

#endif
