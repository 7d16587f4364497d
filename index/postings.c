/* SPDX-License-Identifier: Apache-2.0 */
/* A list is its skip rows (8 bytes a block, when there is more than one block), then its blocks:
 *
 *   offset size field
 *        0    1 codec        0: 128 postings; 1: fewer, the last block only
 *        1    1 doc_width    0..32
 *        2    1 tf_width     0..32
 *        3    * gaps         document number minus the one before it minus 1
 *        *    * frequencies  minus 1
 *
 * Codec 0 packs both as bitpack.h says, codec 1 bit by bit, low bits first, to the next whole byte. */
#include "postings.h"

#include "bitpack.h"

enum codec { CODEC_PACKED = 0, CODEC_SHORT = 1 };

#define BLOCK_HEAD 3
#define SKIP_ROW 8
/* Gaps so narrow cannot add up to 2^32 in one block, so one wrap is seen in the last number. */
#define NARROW_WIDTH 24

static size_t short_bytes(unsigned count, unsigned width)
{
	return ((size_t)count * width + 7) / 8;
}

static void short_pack(const uint32_t *in, unsigned count, unsigned width, uint8_t *out)
{
	uint64_t acc = 0;
	unsigned held = 0;

	for (unsigned i = 0; i < count; i++) {
		acc |= (uint64_t)in[i] << held;
		for (held += width; held >= 8; held -= 8) {
			*out++ = (uint8_t)acc;
			acc >>= 8;
		}
	}
	if (held)
		*out = (uint8_t)acc;
}

static void short_unpack(struct slice in, unsigned count, unsigned width, uint32_t *out)
{
	const uint8_t *p = (const uint8_t *)in.data;
	uint64_t mask = (UINT64_C(1) << width) - 1, bit = 0;
	uint8_t tail[16] = {0};
	size_t body = in.len >= 8 ? in.len - 7 : 0; /* offsets below it have 8 bytes to load */

	memcpy(tail, p + body, in.len - body);
	for (unsigned i = 0; i < count; i++, bit += width) {
		const uint8_t *from = bit / 8 < body ? p + bit / 8 : tail + (bit / 8 - body);

		out[i] = (uint32_t)(get_le64(from) >> bit % 8 & mask);
	}
}

static unsigned widest(const uint32_t *in, unsigned count)
{
	uint32_t all = 0;

	for (unsigned i = 0; i < count; i++)
		all |= in[i];
	return all ? 32 - (unsigned)__builtin_clz(all) : 0;
}

/* Appends a block and returns its last document. */
static uint32_t block_encode(
	const uint32_t *docs, const uint32_t *tfs, unsigned count, uint32_t before, struct buf *out)
{
	uint32_t gaps[POSTINGS_BLOCK], freqs[POSTINGS_BLOCK];
	unsigned doc_width, tf_width;
	uint8_t *to;

	for (unsigned i = 0; i < count; i++) {
		gaps[i] = docs[i] - before - 1;
		freqs[i] = tfs[i] - 1;
		before = docs[i];
	}
	doc_width = widest(gaps, count);
	tf_width = widest(freqs, count);
	to = (uint8_t *)buf_reserve(out, BLOCK_HEAD + bitpack_bytes(doc_width) + bitpack_bytes(tf_width));
	if (!to)
		return before;
	to[0] = count == POSTINGS_BLOCK ? CODEC_PACKED : CODEC_SHORT;
	to[1] = (uint8_t)doc_width;
	to[2] = (uint8_t)tf_width;
	to += BLOCK_HEAD;
	if (count == POSTINGS_BLOCK) {
		bitpack_pack(gaps, doc_width, to);
		bitpack_pack(freqs, tf_width, to + bitpack_bytes(doc_width));
		out->len += BLOCK_HEAD + bitpack_bytes(doc_width) + bitpack_bytes(tf_width);
	} else {
		short_pack(gaps, count, doc_width, to);
		short_pack(freqs, count, tf_width, to + short_bytes(count, doc_width));
		out->len += BLOCK_HEAD + short_bytes(count, doc_width) + short_bytes(count, tf_width);
	}
	return before;
}

static uint64_t block_count(uint32_t n)
{
	return ((uint64_t)n + POSTINGS_BLOCK - 1) / POSTINGS_BLOCK;
}

void postings_encode(const uint32_t *docs, const uint32_t *tfs, uint32_t n, struct buf *out)
{
	uint64_t blocks = block_count(n);
	size_t skips = out->len, skips_len = blocks > 1 ? (size_t)blocks * SKIP_ROW : 0;
	uint32_t before = UINT32_MAX; /* one less than 0 */

	if (!buf_reserve(out, skips_len + 1))
		return;
	out->len += skips_len;
	for (uint64_t b = 0; b < blocks; b++) {
		uint64_t at = b * POSTINGS_BLOCK;
		unsigned count = n - at < POSTINGS_BLOCK ? (unsigned)(n - at) : POSTINGS_BLOCK;

		before = block_encode(docs + at, tfs + at, count, before, out);
		if (out->failed || !skips_len)
			continue;
		put_le32(out->data + skips + b * SKIP_ROW, before);
		put_le32(out->data + skips + b * SKIP_ROW + 4, (uint32_t)(out->len - skips - skips_len));
	}
}

void postings_init(struct postings *p, struct slice bytes, uint32_t df, uint32_t doc_limit)
{
	p->count = 0;
	p->in = cursor_of(bytes);
	p->block = 0;
	p->block_count = (uint32_t)block_count(df);
	p->skips = cursor_bytes(&p->in, p->block_count > 1 ? (uint64_t)p->block_count * SKIP_ROW : 0);
	p->blocks = slice_of(p->in.p, cursor_left(&p->in));
	p->left = df;
	p->last = UINT32_MAX;
	p->doc_limit = doc_limit;
	p->started = p->single = false;
	p->tf_packed = slice_of(NULL, 0);
	p->tf_width = 0;
}

void postings_init_single(struct postings *p, uint32_t doc, uint32_t tf)
{
	postings_init(p, slice_of(NULL, 0), 1, UINT32_MAX);
	p->single = true;
	p->docs[0] = doc;
	p->tfs[0] = tf;
}

/* Turns gaps into numbers; false when they pass 2^32. */
static bool sum_short(struct postings *p)
{
	uint64_t doc = p->started ? (uint64_t)p->last + 1 : 0;

	for (unsigned i = 0; i < p->count; i++) {
		doc += p->docs[i];
		if (doc > UINT32_MAX)
			return false;
		p->docs[i] = (uint32_t)doc++;
	}
	return true;
}

static bool docs_decode(struct postings *p, struct slice packed, unsigned width)
{
	if (p->count < POSTINGS_BLOCK || width > NARROW_WIDTH) {
		if (p->count < POSTINGS_BLOCK)
			short_unpack(packed, p->count, width, p->docs);
		else
			bitpack_unpack(packed.data, width, p->docs);
		return sum_short(p);
	}
	bitpack_unpack_sum(packed.data, width, p->last, p->docs);
	return !p->started || p->docs[POSTINGS_BLOCK - 1] > p->last;
}

static uint32_t skip_last(const struct postings *p, uint32_t block)
{
	return get_le32(p->skips.data + (uint64_t)block * SKIP_ROW);
}

static uint32_t skip_end(const struct postings *p, uint32_t block)
{
	return get_le32(p->skips.data + (uint64_t)block * SKIP_ROW + 4);
}

/* Of the block before the next one. */
static int skip_check(struct postings *p, struct err *err)
{
	uint32_t last = skip_last(p, p->block - 1), end = skip_end(p, p->block - 1);
	uint64_t used = (uint64_t)((const char *)p->in.p - p->blocks.data);

	if (last != p->last || end != used)
		return err_set(err, -EBADMSG,
			"skip data says document %u and byte %u, the block has %u and %llu", last, end,
			p->last, (unsigned long long)used);
	return 0;
}

static int block_decode(struct postings *p, struct err *err)
{
	unsigned codec = cursor_u8(&p->in), doc_width = cursor_u8(&p->in), tf_width = cursor_u8(&p->in);
	bool full = p->count == POSTINGS_BLOCK;
	struct slice packed;

	if (!cursor_ok(&p->in))
		return err_set(err, -EBADMSG, "postings end early, %u to go", p->left);
	if (codec != (full ? CODEC_PACKED : CODEC_SHORT))
		return err_set(err, -EBADMSG, "codec %u in a block of %u postings", codec, p->count);
	if (doc_width > 32 || tf_width > 32)
		return err_set(err, -EBADMSG, "postings %u and %u bits wide", doc_width, tf_width);
	packed = cursor_bytes(&p->in, full ? bitpack_bytes(doc_width) : short_bytes(p->count, doc_width));
	p->tf_packed = cursor_bytes(&p->in, full ? bitpack_bytes(tf_width) : short_bytes(p->count, tf_width));
	p->tf_width = tf_width;
	if (!cursor_ok(&p->in))
		return err_set(err, -EBADMSG, "postings end early, %u to go", p->left);
	if (!docs_decode(p, packed, doc_width) || p->docs[p->count - 1] >= p->doc_limit)
		return err_set(err, -EBADMSG, "document number past %u in postings", p->doc_limit);
	return 0;
}

int postings_next(struct postings *p, struct err *err)
{
	int r = 0;

	p->count = p->left < POSTINGS_BLOCK ? p->left : POSTINGS_BLOCK;
	if (!p->count)
		return cursor_ok(&p->in) && !cursor_left(&p->in)
			       ? 0
			       : err_set(err, -EBADMSG, "%zu bytes behind postings", cursor_left(&p->in));
	if (!p->single)
		r = block_decode(p, err);
	if (r < 0)
		return r;
	p->last = p->docs[p->count - 1];
	p->left -= p->count;
	p->started = true;
	p->block++;
	if (p->skips.len)
		r = skip_check(p, err);
	return r < 0 ? r : 1;
}

/* The first block from `block` on whose skip row reaches `doc`; block_count when none does. */
static uint32_t skip_gallop(const struct postings *p, uint32_t block, uint32_t doc)
{
	uint64_t low = block, step = 1, high = block;

	while (high < p->block_count && skip_last(p, (uint32_t)high) < doc) {
		low = high + 1;
		high += step;
		step *= 2;
	}
	if (high > p->block_count)
		high = p->block_count;
	while (low < high) {
		uint64_t mid = low + (high - low) / 2;

		if (skip_last(p, (uint32_t)mid) < doc)
			low = mid + 1;
		else
			high = mid;
	}
	return (uint32_t)low;
}

/* Makes `block`, behind the current one, the next. */
static int skip_to(struct postings *p, uint32_t block, struct err *err)
{
	uint32_t end = skip_end(p, block - 1);

	if (end > p->blocks.len)
		return err_set(err, -EBADMSG, "skip data says byte %u of %zu", end, p->blocks.len);
	p->in = cursor_of(slice_of(p->blocks.data + end, p->blocks.len - end));
	p->last = skip_last(p, block - 1);
	p->left -= (block - p->block) * POSTINGS_BLOCK;
	p->block = block;
	p->started = true;
	return 0;
}

int postings_seek(struct postings *p, uint32_t doc, struct err *err)
{
	uint32_t block;
	int r;

	if (p->count && p->docs[p->count - 1] >= doc)
		return 1;
	if (p->skips.len && p->block < p->block_count) {
		block = skip_gallop(p, p->block, doc);
		if (block == p->block_count) {
			p->count = p->left = 0;
			p->block = block;
			return 0;
		}
		r = block > p->block ? skip_to(p, block, err) : 0;
		if (r < 0)
			return r;
	} else if (p->skips.len) {
		return p->count = 0;
	}
	r = postings_next(p, err);
	if (r == 1 && p->docs[p->count - 1] < doc) /* of a list of one block */
		return p->count = 0;
	return r;
}

int postings_peek(const struct postings *p, uint32_t doc, uint32_t *block, uint32_t *last)
{
	*block = 0;
	*last = UINT32_MAX;
	if (!p->skips.len)
		return 1;
	*block = skip_gallop(p, p->count ? p->block - 1 : p->block, doc);
	if (*block == p->block_count)
		return 0;
	*last = skip_last(p, *block);
	return 1;
}

int postings_tfs(struct postings *p, struct err *err)
{
	if (p->single)
		return 0;
	if (p->count == POSTINGS_BLOCK)
		bitpack_unpack(p->tf_packed.data, p->tf_width, p->tfs);
	else
		short_unpack(p->tf_packed, p->count, p->tf_width, p->tfs);
	for (unsigned i = 0; i < p->count; i++)
		if (++p->tfs[i] == 0)
			return err_set(err, -EBADMSG, "term frequency over 2^32 - 1");
	return 0;
}
