/* SPDX-License-Identifier: Apache-2.0 */
#include "bytes.h"

#include <stdarg.h>
#include <stdio.h>

void buf_release(struct buf *b)
{
	free(b->data);
	*b = (struct buf){0};
}

char *buf_reserve(struct buf *b, size_t more)
{
	size_t need, cap;
	char *data;

	if (b->failed)
		return NULL;
	if (__builtin_add_overflow(b->len, more, &need) || need > SIZE_MAX / 2)
		goto failed;
	if (need > b->cap) {
		cap = b->cap ? b->cap * 2 : 64;
		if (cap < need)
			cap = need;
		data = realloc(b->data, cap);
		if (!data)
			goto failed;
		b->data = data;
		b->cap = cap;
	}
	return b->data + b->len;
failed:
	b->failed = true;
	return NULL;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	char *to = len ? buf_reserve(b, len) : NULL;

	if (!to)
		return;
	memcpy(to, data, len);
	b->len += len;
}

void buf_add_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char *to;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	to = n >= 0 ? buf_reserve(b, (size_t)n + 1) : NULL;
	if (!to)
		return;
	va_start(ap, fmt);
	vsnprintf(to, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

void buf_add_le32(struct buf *b, uint32_t v)
{
	char raw[4];

	put_le32(raw, v);
	buf_add(b, raw, sizeof(raw));
}

void buf_add_le64(struct buf *b, uint64_t v)
{
	char raw[8];

	put_le64(raw, v);
	buf_add(b, raw, sizeof(raw));
}

void buf_add_varint(struct buf *b, uint64_t v)
{
	char raw[10];
	size_t n = 0;

	while (v >= 0x80) {
		raw[n++] = (char)(v | 0x80);
		v >>= 7;
	}
	raw[n++] = (char)v;
	buf_add(b, raw, n);
}

const char *buf_cstr(struct buf *b)
{
	char *to = buf_reserve(b, 1);

	if (!to)
		return "";
	*to = 0;
	return b->data;
}

struct slice cursor_bytes(struct cursor *c, uint64_t len)
{
	struct slice s = {(const char *)c->p, (size_t)len};

	if (c->bad || len > cursor_left(c)) {
		c->bad = true;
		return (struct slice){NULL, 0};
	}
	if (len) /* nothing may be added to NULL, not even 0 */
		c->p += len;
	return s;
}

uint8_t cursor_u8(struct cursor *c)
{
	struct slice s = cursor_bytes(c, 1);

	return s.len ? (uint8_t)s.data[0] : 0;
}

uint16_t cursor_le16(struct cursor *c)
{
	struct slice s = cursor_bytes(c, 2);

	return s.len ? get_le16(s.data) : 0;
}

uint32_t cursor_le32(struct cursor *c)
{
	struct slice s = cursor_bytes(c, 4);

	return s.len ? get_le32(s.data) : 0;
}

uint64_t cursor_le64(struct cursor *c)
{
	struct slice s = cursor_bytes(c, 8);

	return s.len ? get_le64(s.data) : 0;
}

uint64_t cursor_varint(struct cursor *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t b = cursor_u8(c);

		if (c->bad || (shift == 63 && b > 1))
			break;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80)
			return v;
	}
	c->bad = true;
	return 0;
}
