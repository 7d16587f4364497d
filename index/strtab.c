/* SPDX-License-Identifier: Apache-2.0 */
#include "strtab.h"

int strtab_open(struct strtab *t, struct slice in, uint64_t count, struct err *err)
{
	struct cursor c = cursor_of(in);

	t->count = count;
	t->offsets = cursor_bytes(&c, (count + 1) * 4).data;
	t->text_len = cursor_left(&c);
	t->text = cursor_bytes(&c, t->text_len).data;
	if (!cursor_ok(&c))
		return err_set(err, -EBADMSG, "%zu bytes are too few for %llu strings", in.len,
			(unsigned long long)count);
	if (get_le32(t->offsets) != 0 || get_le32(t->offsets + count * 4) != t->text_len)
		return err_set(err, -EBADMSG, "strings are not the %llu bytes of their text",
			(unsigned long long)t->text_len);
	return 0;
}

int strtab_get_checked(const struct strtab *t, uint64_t n, struct slice *out, struct err *err)
{
	uint32_t start = get_le32(t->offsets + n * 4), end = get_le32(t->offsets + n * 4 + 4);

	*out = slice_of(NULL, 0);
	if (start > end || end > t->text_len)
		return err_set(err, -EBADMSG, "string %llu lies at %u to %u of %llu bytes",
			(unsigned long long)n, start, end, (unsigned long long)t->text_len);
	*out = slice_of(t->text + start, end - start);
	return 0;
}

int strtab_add(struct buf *out, const struct slice *s, uint64_t count, struct err *err)
{
	uint64_t at = 0;

	for (uint64_t i = 0; i < count; i++) {
		buf_add_le32(out, (uint32_t)at);
		at += s[i].len;
		if (at > UINT32_MAX)
			return err_set(err, -EOVERFLOW, "more than 4 GiB of text in %llu strings",
				(unsigned long long)count);
	}
	buf_add_le32(out, (uint32_t)at);
	for (uint64_t i = 0; i < count; i++)
		buf_add_slice(out, s[i]);
	if (buf_error(out))
		return err_set(err, -ENOMEM, "out of memory for %llu strings", (unsigned long long)count);
	return 0;
}
