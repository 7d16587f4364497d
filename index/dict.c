/* SPDX-License-Identifier: Apache-2.0 */
/* The section:
 *
 *   offset size field
 *        0    8 count       of terms
 *        8  8*b block_at    where each block starts, counted from the first block
 *        *    8 blocks_len  length of all blocks, so that block_at has an end for each start
 *        *    * blocks      DICT_BLOCK terms each, the last one fewer
 *
 * A block is the varint offset of its first term's postings, then its terms:
 *
 *   shared    varint  bytes of the key that are those of the term before; left out for a block's first
 *   rest_len  varint  > 0
 *   rest      bytes   of the key
 *   df        varint  > 0
 *   ids_bytes varint
 *   length    varint  of its postings; when df is 1: doc, varint, and tf, varint, in its place
 *
 * `shared` is as long as it can be, so order shows in the first byte of `rest`. */
#include "dict.h"

#define COUNT_BYTES 8

static size_t shared_len(struct slice a, struct slice b)
{
	size_t n = a.len < b.len ? a.len : b.len, i = 0;

	while (i < n && a.data[i] == b.data[i])
		i++;
	return i;
}

/* The fields of one term are put together here, since an append for each would cost more than all the rest. */
struct fields {
	char bytes[DICT_KEY_MAX + 7 * 10];
	size_t len;
};

static void put_varint(struct fields *f, uint64_t v)
{
	while (v >= 0x80) {
		f->bytes[f->len++] = (char)(v | 0x80);
		v >>= 7;
	}
	f->bytes[f->len++] = (char)v;
}

void dict_add(struct dict_writer *w, const struct dict_term *t)
{
	struct fields f;
	size_t shared = 0;

	f.len = 0;
	if (w->count++ % DICT_BLOCK == 0) {
		buf_add_le64(&w->index, w->blocks.len);
		put_varint(&f, t->offset);
	} else {
		shared = shared_len(slice_of(w->last_key, w->last_len), t->key);
		put_varint(&f, shared);
	}
	put_varint(&f, t->key.len - shared);
	memcpy(f.bytes + f.len, t->key.data + shared, t->key.len - shared);
	f.len += t->key.len - shared;
	put_varint(&f, t->df);
	put_varint(&f, t->ids_bytes);
	if (t->df == 1) {
		put_varint(&f, t->doc);
		put_varint(&f, t->tf);
	} else {
		put_varint(&f, t->length);
	}
	buf_add(&w->blocks, f.bytes, f.len);
	memcpy(w->last_key + shared, t->key.data + shared, t->key.len - shared);
	w->last_len = t->key.len;
}

void dict_finish(struct dict_writer *w, struct buf *out)
{
	buf_add_le64(out, w->count);
	buf_add_slice(out, buf_slice(&w->index));
	buf_add_le64(out, w->blocks.len);
	buf_add_slice(out, buf_slice(&w->blocks));
	if (w->blocks.failed || w->index.failed)
		out->failed = true;
}

void dict_writer_release(struct dict_writer *w)
{
	buf_release(&w->blocks);
	buf_release(&w->index);
	*w = (struct dict_writer){0};
}

int dict_open(
	struct dict *d, struct slice section, uint32_t doc_limit, uint64_t postings_len, struct err *err)
{
	struct cursor c = cursor_of(section);
	uint64_t count = cursor_le64(&c);

	*d = (struct dict){.count = count, .doc_limit = doc_limit, .postings_len = postings_len};
	if (count > UINT32_MAX)
		return err_set(err, -EBADMSG, "%llu terms, more than 2^32 - 1", (unsigned long long)count);
	d->block_count = (count + DICT_BLOCK - 1) / DICT_BLOCK;
	d->index = cursor_bytes(&c, (d->block_count + 1) * 8);
	d->blocks = cursor_bytes(&c, cursor_left(&c));
	if (!cursor_ok(&c))
		return err_set(err, -EBADMSG, "%zu bytes are too few for %llu terms", section.len,
			(unsigned long long)count);
	if (get_le64(d->index.data + d->block_count * 8) != d->blocks.len)
		return err_set(err, -EBADMSG, "blocks of terms do not end where the section does, at %zu",
			d->blocks.len);
	return 0;
}

/* Reads the first key of a block without its other fields. */
static int block_enter(const struct dict *d, uint64_t block, struct cursor *in, uint64_t *postings_at,
	struct cursor *at_key, struct err *err)
{
	uint64_t start = get_le64(d->index.data + block * 8), end = get_le64(d->index.data + block * 8 + 8);

	if (start > end || end > d->blocks.len)
		return err_set(err, -EBADMSG, "block of terms %llu lies at %llu to %llu of %zu bytes",
			(unsigned long long)block, (unsigned long long)start, (unsigned long long)end,
			d->blocks.len);
	*in = cursor_of(slice_of(d->blocks.data + start, end - start));
	*postings_at = cursor_varint(in);
	*at_key = *in;
	return 0;
}

static int block_first_key(const struct dict *d, uint64_t block, struct slice *key, struct err *err)
{
	struct cursor in, at_key;
	uint64_t postings_at;
	int r = block_enter(d, block, &in, &postings_at, &at_key, err);

	if (r < 0)
		return r;
	*key = cursor_bytes(&at_key, cursor_varint(&at_key));
	if (!cursor_ok(&at_key))
		return err_set(err, -EBADMSG, "block of terms %llu ends early", (unsigned long long)block);
	return 0;
}

static int bad_term(const struct dict_cursor *c, struct err *err, const char *what)
{
	return err_set(err, -EBADMSG, "term %llu: %s", (unsigned long long)c->ordinal, what);
}

static int term_key(struct dict_cursor *c, bool first, struct err *err)
{
	uint64_t shared = first ? 0 : cursor_varint(&c->in), rest_len = cursor_varint(&c->in);
	struct slice rest = cursor_bytes(&c->in, rest_len);

	if (!cursor_ok(&c->in) || !rest_len)
		return bad_term(c, err, "its block ends early");
	if (shared > c->key_len || rest_len > DICT_KEY_MAX - shared)
		return bad_term(c, err, "key longer than it may be");
	if (!first && shared < c->key_len && (uint8_t)rest.data[0] <= (uint8_t)c->key[shared])
		return bad_term(c, err, "not behind the term before it");
	memcpy(c->key + shared, rest.data, rest.len);
	c->key_len = shared + rest.len;
	return 0;
}

static int term_values(struct dict_cursor *c, struct err *err)
{
	const struct dict *d = c->dict;
	uint64_t df = cursor_varint(&c->in), ids_bytes = cursor_varint(&c->in);
	uint64_t a = cursor_varint(&c->in), tf = df == 1 ? cursor_varint(&c->in) : 1;

	if (!cursor_ok(&c->in))
		return bad_term(c, err, "its block ends early");
	if (!df || df > d->doc_limit)
		return bad_term(c, err, "document frequency out of bounds");
	c->term = (struct dict_term){.key = {c->key, c->key_len},
		.df = (uint32_t)df,
		.ids_bytes = ids_bytes,
		.is_inline = df == 1};
	if (df == 1) {
		if (a >= d->doc_limit || !tf || tf > UINT32_MAX)
			return bad_term(c, err, "posting out of bounds");
		c->term.doc = (uint32_t)a;
		c->term.tf = (uint32_t)tf;
		return 0;
	}
	if (c->postings_at > d->postings_len || a > d->postings_len - c->postings_at)
		return bad_term(c, err, "postings out of bounds");
	c->term.offset = c->postings_at;
	c->term.length = a;
	c->postings_at += a;
	return 0;
}

/* Reads the term c->ordinal, at which c->in stands. */
static int term_read(struct dict_cursor *c, bool first, struct err *err)
{
	int r = term_key(c, first, err);

	if (r == 0)
		r = term_values(c, err);
	return r < 0 ? r : 1;
}

static int cursor_enter(struct dict_cursor *c, uint64_t block, struct err *err)
{
	struct cursor at_key;
	int r;

	r = block_enter(c->dict, block, &c->in, &c->postings_at, &at_key, err);
	if (r < 0)
		return r;
	c->ordinal = block * DICT_BLOCK;
	return term_read(c, true, err);
}

/* The last block whose first key is <= `key`; 0 when none is. */
static int find_block(const struct dict *d, struct slice key, uint64_t *block, struct err *err)
{
	uint64_t low = 0, high = d->block_count;

	while (high - low > 1) {
		uint64_t mid = low + (high - low) / 2;
		struct slice first;
		int r = block_first_key(d, mid, &first, err);

		if (r < 0)
			return r;
		if (slice_cmp(first, key) <= 0)
			low = mid;
		else
			high = mid;
	}
	*block = low;
	return 0;
}

int dict_seek(const struct dict *d, struct slice key, struct dict_cursor *c, struct err *err)
{
	uint64_t block;
	int r;

	c->dict = d;
	c->ordinal = 0;
	if (!d->count)
		return 0;
	r = find_block(d, key, &block, err);
	if (r == 0)
		r = cursor_enter(c, block, err);
	while (r == 1 && slice_cmp(c->term.key, key) < 0)
		r = dict_next(c, err);
	return r;
}

int dict_find(const struct dict *d, struct slice key, struct dict_cursor *c, struct err *err)
{
	int r = dict_seek(d, key, c, err);

	return r == 1 ? slice_eq(c->term.key, key) : r;
}

int dict_seek_ordinal(const struct dict *d, uint64_t ordinal, struct dict_cursor *c, struct err *err)
{
	int r;

	c->dict = d;
	c->ordinal = ordinal;
	if (ordinal >= d->count)
		return 0;
	r = cursor_enter(c, ordinal / DICT_BLOCK, err);
	while (r == 1 && c->ordinal < ordinal)
		r = dict_next(c, err);
	return r;
}

static int next_block(struct dict_cursor *c, struct err *err)
{
	char before[DICT_KEY_MAX];
	size_t before_len = c->key_len;
	int r;

	if (cursor_left(&c->in))
		return bad_term(c, err, "bytes behind it in its block");
	memcpy(before, c->key, before_len);
	r = cursor_enter(c, c->ordinal / DICT_BLOCK, err);
	if (r == 1 && slice_cmp(c->term.key, slice_of(before, before_len)) <= 0)
		return bad_term(c, err, "not behind the term before it");
	return r;
}

int dict_next(struct dict_cursor *c, struct err *err)
{
	if (c->ordinal + 1 >= c->dict->count)
		return 0;
	c->ordinal++;
	return c->ordinal % DICT_BLOCK ? term_read(c, false, err) : next_block(c, err);
}

int dict_seek_onward(struct dict_cursor *c, struct slice key, struct err *err)
{
	const struct dict *d = c->dict;

	for (unsigned step = 0; step < 2 * DICT_BLOCK; step++) {
		int r;

		if (slice_cmp(c->term.key, key) >= 0)
			return 1;
		r = dict_next(c, err);
		if (r != 1)
			return r;
	}
	return slice_cmp(c->term.key, key) >= 0 ? 1 : dict_seek(d, key, c, err);
}
