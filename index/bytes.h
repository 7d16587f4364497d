/* SPDX-License-Identifier: Apache-2.0 */
/* index/bytes.h - runs of bytes: borrowed slices, growing buffers, checked cursors, little-endian.
 *
 * Every multi-byte integer on disk is little-endian and goes through get_le* and put_le*; file bytes
 * are never overlaid with structs. */
#ifndef FRESHET_BYTES_H
#define FRESHET_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Cleanup for variables of the pointer types that have noun_freep(). Initialise where declared. */
#define OWNED(noun) __attribute__((cleanup(noun##_freep)))
/* Takes the value out of an OWNED variable and leaves NULL. */
#define steal(pp)                          \
	({                                 \
		__auto_type pp_ = (pp);    \
		__auto_type taken_ = *pp_; \
		*pp_ = NULL;               \
		taken_;                    \
	})
/* Defines noun_freep() for OWNED(noun). */
#define DEFINE_FREEP(noun)                               \
	static inline void noun##_freep(struct noun **p) \
	{                                                \
		noun##_free(*p);                         \
	}

/* A borrowed run of bytes: not NUL-terminated, may hold any byte; data may be NULL when len is 0. */
struct slice {
	const char *data;
	size_t len;
};

static inline struct slice slice_of(const void *data, size_t len)
{
	return (struct slice){data, len};
}
static inline struct slice slice_str(const char *s)
{
	return (struct slice){s, strlen(s)};
}
/* memcmp order, shorter first: the order of ids, terms and paths everywhere in freshet. */
static inline int slice_cmp(struct slice a, struct slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n ? memcmp(a.data, b.data, n) : 0;

	return c ? c : (a.len > b.len) - (a.len < b.len);
}
static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (!a.len || !memcmp(a.data, b.data, a.len));
}
static inline bool slice_starts(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len && (!prefix.len || !memcmp(s.data, prefix.data, prefix.len));
}
/* Has the processor fetch the first `max` bytes. */
static inline void slice_prefetch(struct slice s, size_t max)
{
	for (size_t i = 0; i < s.len && i < max; i += 64)
		__builtin_prefetch(s.data + i);
}

static inline uint16_t get_le16(const void *p)
{
	const uint8_t *b = p;

	return (uint16_t)(b[0] | b[1] << 8);
}
static inline uint32_t get_le32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap32(v);
#endif
	return v;
}
static inline uint64_t get_le64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}
static inline void put_le16(void *p, uint16_t v)
{
	uint8_t *b = p;

	b[0] = (uint8_t)v;
	b[1] = (uint8_t)(v >> 8);
}
static inline void put_le32(void *p, uint32_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap32(v);
#endif
	memcpy(p, &v, 4);
}
static inline void put_le64(void *p, uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	memcpy(p, &v, 8);
}

/* A growing buffer. Zero-initialised is empty. A failed allocation sticks (`failed`), later appends do
 * nothing, and the caller checks buf_error() once at the end. */
struct buf {
	char *data; /* owned */
	size_t len, cap;
	bool failed;
};

void buf_release(struct buf *b); /* frees; the buffer is empty again and usable */
/* Makes room for `more` bytes past len and returns where they go, or NULL (failed is set). */
char *buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_add_str(struct buf *b, const char *s);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline void buf_add_slice(struct buf *b, struct slice s)
{
	buf_add(b, s.data, s.len);
}
static inline void buf_add_byte(struct buf *b, int c)
{
	char ch = (char)c;

	buf_add(b, &ch, 1);
}
void buf_add_le32(struct buf *b, uint32_t v);
void buf_add_le64(struct buf *b, uint64_t v);
void buf_add_varint(struct buf *b, uint64_t v); /* LEB128: 7 bits a byte, low first, at most 10 bytes */
/* A terminating NUL that len does not count; returns data ("" when failed). */
const char *buf_cstr(struct buf *b);
static inline int buf_error(const struct buf *b)
{
	return b->failed ? -12 /* ENOMEM */ : 0;
}
static inline struct slice buf_slice(const struct buf *b)
{
	return (struct slice){b->data, b->len};
}
static inline void buf_clear(struct buf *b)
{
	b->len = 0;
}

/* A bounds-checked reader of untrusted bytes. A read past the end sets `bad`, yields zeros (empty
 * slices) and sticks; check cursor_ok() before using what was read. */
struct cursor {
	const uint8_t *p, *end;
	bool bad;
};

static inline struct cursor cursor_of(struct slice s)
{
	const uint8_t *p = (const uint8_t *)s.data;

	return (struct cursor){p, p ? p + s.len : p, false};
}
static inline bool cursor_ok(const struct cursor *c)
{
	return !c->bad;
}
static inline size_t cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->p);
}
struct slice cursor_bytes(struct cursor *c, uint64_t len);
uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_le16(struct cursor *c);
uint32_t cursor_le32(struct cursor *c);
uint64_t cursor_le64(struct cursor *c);
uint64_t cursor_varint(struct cursor *c); /* more than 10 bytes or above 64 bits is bad */

static inline void charp_freep(char **p)
{
	free(*p);
}
static inline void buf_releasep(struct buf *b)
{
	buf_release(b);
}
/* struct buf as a scoped local: OWNED_BUF b = {0}; */
#define OWNED_BUF __attribute__((cleanup(buf_releasep))) struct buf
/* A malloc()ed string: OWNED_STR char *s = NULL; */
#define OWNED_STR __attribute__((cleanup(charp_freep)))

#endif
