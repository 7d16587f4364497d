/* SPDX-License-Identifier: Apache-2.0 */
/* A list is its skip rows (8 bytes a block, when there is more than one block), then its blocks:
 *
 *   offset size field
 *        0    1 doc_width, codec  0..32 in the low 6 bits, codec above
 *        1    1 tf_width          0..32
 *        2    2 exceptions        codecs 2 and 3: of gaps, of frequencies
 *        *    * gaps              document number minus the one before it minus 1
 *        *    * frequencies       minus 1
 *        *    * exceptions        of gaps, then of frequencies
 *
 * Codecs 0 and 2 are of 128 postings, packed as bitpack.h says; 1 and 3 of fewer, the last block only, packed bit by bit,
 * low bits first, to the next whole byte. Exceptions (codecs 2 and 3) are the integers that are wider than the width,
 * which is the one that makes the block smallest: where there are some, a byte, how wide what does not fit is; a byte each, its
 * position; what does not fit, packed bit by bit. */
#include "postings.h"

#include "bitpack.h"

#define CODEC_SHORT 1u /* bits of the codec */
#define CODEC_PATCHED 2u
#define CODEC_SHIFT 6
#define WIDTH_MASK 0x3fu

#define BLOCK_HEAD 2
#define PATCHED_HEAD 2 /* more */
#define SKIP_ROW 8
/* Gaps so narrow cannot add up to 2^31 and 128 in one block, and patches that add up to less than 2^31 do not take them over
 * 2^32: so one wrap is seen in the last number. */
#define NARROW_WIDTH 24
#define PATCH_SUM_MAX (UINT32_C(1) << 30)

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

static size_t packed_bytes(unsigned count, unsigned width)
{
	return count == POSTINGS_BLOCK ? bitpack_bytes(width) : short_bytes(count, width);
}

static void packed_add(const uint32_t *in, unsigned count, unsigned width, uint8_t *out)
{
	if (count == POSTINGS_BLOCK)
		bitpack_pack(in, width, out);
	else
		short_pack(in, count, width, out);
}

static unsigned bits_of(uint32_t v)
{
	return v ? 32 - (unsigned)__builtin_clz(v) : 0;
}

/* How integers are packed: plain, to the widest; or patched, to the width that takes fewest bytes. */
struct shape {
	unsigned widest, width, exceptions;
	size_t plain_bytes, bytes; /* patched: with the price of the exceptions, no less than they take */
};

static struct shape shape_of(const uint32_t *in, unsigned count)
{
	uint8_t of_width[33] = {0};
	struct shape s = {0};
	unsigned above = 0,
		 price = count == POSTINGS_BLOCK ? 2 : 1; /* bytes; one is for the time that it takes */

	for (unsigned i = 0; i < count; i++)
		of_width[bits_of(in[i])]++;
	for (s.widest = 32; s.widest && !of_width[s.widest];)
		s.widest--;
	s.width = s.widest;
	s.bytes = s.plain_bytes = packed_bytes(count, s.widest);
	for (unsigned w = s.widest; w-- > 0;) {
		size_t bytes;

		above += of_width[w + 1];
		bytes = packed_bytes(count, w) + 1 + above * price + short_bytes(above, s.widest - w);
		if (bytes < s.bytes) {
			s.bytes = bytes;
			s.width = w;
			s.exceptions = above;
		}
	}
	return s;
}

/* Writes the exceptions and leaves in `in` what fits. Returns where they end. */
static uint8_t *exceptions_add(uint32_t *in, unsigned count, const struct shape *s, uint8_t *to)
{
	uint32_t excess[POSTINGS_BLOCK];
	uint8_t *positions = to + 1;
	unsigned n = 0;

	if (!s->exceptions)
		return to;
	*to = (uint8_t)(s->widest - s->width);
	for (unsigned i = 0; i < count; i++) {
		if (bits_of(in[i]) <= s->width)
			continue;
		positions[n] = (uint8_t)i;
		excess[n++] = in[i] >> s->width;
	}
	short_pack(excess, n, s->widest - s->width, positions + n);
	return positions + n + short_bytes(n, s->widest - s->width);
}

static void mask_to(uint32_t *v, unsigned count, unsigned width)
{
	for (unsigned i = 0; width < 32 && i < count; i++)
		v[i] &= (1u << width) - 1;
}

static uint8_t *plain_add(uint32_t *gaps, const struct shape *g, uint32_t *freqs, const struct shape *f,
	unsigned count, uint8_t *to)
{
	to[0] = (uint8_t)(g->widest | (count < POSTINGS_BLOCK ? CODEC_SHORT : 0) << CODEC_SHIFT);
	to[1] = (uint8_t)f->widest;
	to += BLOCK_HEAD;
	packed_add(gaps, count, g->widest, to);
	packed_add(freqs, count, f->widest, to + g->plain_bytes);
	return to + g->plain_bytes + f->plain_bytes;
}

static uint8_t *patched_add(uint32_t *gaps, const struct shape *g, uint32_t *freqs, const struct shape *f,
	unsigned count, uint8_t *to)
{
	size_t gaps_bytes = packed_bytes(count, g->width), freqs_bytes = packed_bytes(count, f->width);
	unsigned codec = CODEC_PATCHED | (count < POSTINGS_BLOCK ? CODEC_SHORT : 0);
	uint8_t *end;

	to[0] = (uint8_t)(g->width | codec << CODEC_SHIFT);
	to[1] = (uint8_t)f->width;
	to[2] = (uint8_t)g->exceptions;
	to[3] = (uint8_t)f->exceptions;
	to += BLOCK_HEAD + PATCHED_HEAD;
	end = exceptions_add(gaps, count, g, to + gaps_bytes + freqs_bytes);
	end = exceptions_add(freqs, count, f, end);
	mask_to(gaps, count, g->width);
	mask_to(freqs, count, f->width);
	packed_add(gaps, count, g->width, to);
	packed_add(freqs, count, f->width, to + gaps_bytes);
	return end;
}

/* Appends a block and returns its last document. */
static uint32_t block_encode(
	const uint32_t *docs, const uint32_t *tfs, unsigned count, uint32_t before, struct buf *out)
{
	uint32_t gaps[POSTINGS_BLOCK], freqs[POSTINGS_BLOCK];
	struct shape g, f;
	uint8_t *to, *end;

	for (unsigned i = 0; i < count; i++) {
		gaps[i] = docs[i] - before - 1;
		freqs[i] = tfs[i] - 1;
		before = docs[i];
	}
	g = shape_of(gaps, count);
	f = shape_of(freqs, count);
	to = (uint8_t *)buf_reserve(out, BLOCK_HEAD + g.plain_bytes + f.plain_bytes);
	if (!to)
		return before;
	if (g.bytes + f.bytes + PATCHED_HEAD < g.plain_bytes + f.plain_bytes)
		end = patched_add(gaps, &g, freqs, &f, count, to);
	else
		end = plain_add(gaps, &g, freqs, &f, count, to);
	out->len += (size_t)(end - to);
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
	p->tf_run = (struct postings_run){0};
	p->patch_ready = false;
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

static void unpack(const struct postings_run *run, unsigned count, uint32_t *out)
{
	if (count == POSTINGS_BLOCK)
		bitpack_unpack(run->packed.data, run->width, out);
	else
		short_unpack(run->packed, count, run->width, out);
}

/* What each exception adds, which fits into 32 bits. `readable` bytes lie from the first on. */
static void exceptions_unpack(const struct postings_run *run, size_t readable, uint32_t *add)
{
	const uint8_t *from = (const uint8_t *)run->excess.data;
	uint32_t mask = (uint32_t)((UINT64_C(1) << run->excess_width) - 1), bit = 0;
	unsigned n = (unsigned)run->positions.len;

	if (readable < run->excess.len + 8) {
		short_unpack(run->excess, n, run->excess_width, add);
		for (unsigned i = 0; i < n; i++)
			add[i] <<= run->width;
		return;
	}
	for (unsigned i = 0; i < n; i++, bit += run->excess_width)
		add[i] = ((uint32_t)(get_le64(from + bit / 8) >> bit % 8) & mask) << run->width;
}

static void patch(const struct postings_run *run, uint32_t *out)
{
	const uint8_t *at = (const uint8_t *)run->positions.data;
	uint32_t add[POSTINGS_BLOCK];

	if (!run->positions.len)
		return;
	exceptions_unpack(run, 0, add);
	for (size_t i = 0; i < run->positions.len; i++)
		out[at[i]] += add[i];
}

/* A whole block with exceptions, by SIMD; false: it has to go the careful way. */
static bool docs_patched(struct postings *p, const struct postings_run *run)
{
	const uint8_t *at = (const uint8_t *)run->positions.data;
	uint32_t add[POSTINGS_BLOCK];
	uint64_t sum = 0;

	exceptions_unpack(run, (size_t)((const char *)p->in.end - run->excess.data), add);
	for (size_t i = 0; i < run->positions.len; i++)
		sum += add[i];
	if (sum > PATCH_SUM_MAX)
		return false;
	if (!p->patch_ready)
		memset(p->patch, 0, sizeof(p->patch));
	p->patch_ready = true;
	for (size_t i = 0; i < run->positions.len; i++)
		p->patch[at[i]] = add[i];
	bitpack_unpack_sum_patched(run->packed.data, run->width, p->last, p->patch, p->docs);
	for (size_t i = 0; i < run->positions.len; i++)
		p->patch[at[i]] = 0;
	return true;
}

static bool docs_decode(struct postings *p, const struct postings_run *run)
{
	bool patched = run->positions.len != 0,
	     fast = p->count == POSTINGS_BLOCK && run->width <= NARROW_WIDTH;

	if (fast && !patched)
		bitpack_unpack_sum(run->packed.data, run->width, p->last, p->docs);
	else if (!fast || !docs_patched(p, run)) {
		unpack(run, p->count, p->docs);
		patch(run, p->docs);
		return sum_short(p);
	}
	return !p->started || p->docs[POSTINGS_BLOCK - 1] > p->last;
}

/* Takes the exceptions of a run off the block. */
static int exceptions_read(struct postings *p, struct postings_run *run, unsigned exceptions, struct err *err)
{
	const uint8_t *at;
	int before = -1;

	run->excess_width = 0;
	run->positions = run->excess = slice_of(NULL, 0);
	if (!exceptions)
		return 0;
	run->excess_width = cursor_u8(&p->in);
	run->positions = cursor_bytes(&p->in, exceptions);
	if (!cursor_ok(&p->in))
		return err_set(err, -EBADMSG, "postings end early, %u to go", p->left);
	if (!run->excess_width || run->excess_width > 32 - run->width)
		return err_set(
			err, -EBADMSG, "exceptions %u bits wider than %u", run->excess_width, run->width);
	run->excess = cursor_bytes(&p->in, short_bytes(exceptions, run->excess_width));
	if (!cursor_ok(&p->in))
		return err_set(err, -EBADMSG, "postings end early, %u to go", p->left);
	at = (const uint8_t *)run->positions.data;
	for (unsigned i = 0; i < exceptions; before = at[i++])
		if (at[i] >= p->count || at[i] <= before)
			return err_set(err, -EBADMSG, "exception at %u of %u postings, behind %d", at[i],
				p->count, before);
	return 0;
}

static int block_decode(struct postings *p, struct err *err)
{
	unsigned head = cursor_u8(&p->in), tf_width = cursor_u8(&p->in), codec = head >> CODEC_SHIFT;
	bool patched = codec & CODEC_PATCHED, is_short = codec & CODEC_SHORT;
	unsigned doc_exceptions = patched ? cursor_u8(&p->in) : 0,
		 tf_exceptions = patched ? cursor_u8(&p->in) : 0;
	struct postings_run run = {.width = head & WIDTH_MASK};
	int r;

	if (!cursor_ok(&p->in))
		return err_set(err, -EBADMSG, "postings end early, %u to go", p->left);
	if (is_short != (p->count < POSTINGS_BLOCK))
		return err_set(err, -EBADMSG, "codec %u in a block of %u postings", codec, p->count);
	if (run.width > 32 || tf_width > 32)
		return err_set(err, -EBADMSG, "postings %u and %u bits wide", run.width, tf_width);
	if (doc_exceptions > p->count || tf_exceptions > p->count)
		return err_set(err, -EBADMSG, "%u and %u exceptions in %u postings", doc_exceptions,
			tf_exceptions, p->count);
	run.packed = cursor_bytes(&p->in, packed_bytes(p->count, run.width));
	p->tf_run.width = tf_width;
	p->tf_run.packed = cursor_bytes(&p->in, packed_bytes(p->count, tf_width));
	r = exceptions_read(p, &run, doc_exceptions, err);
	if (r == 0)
		r = exceptions_read(p, &p->tf_run, tf_exceptions, err);
	if (r < 0)
		return r;
	if (!cursor_ok(&p->in))
		return err_set(err, -EBADMSG, "postings end early, %u to go", p->left);
	if (!docs_decode(p, &run) || p->docs[p->count - 1] >= p->doc_limit)
		return err_set(err, -EBADMSG, "document number past %u in postings", p->doc_limit);
	return 0;
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
	unpack(&p->tf_run, p->count, p->tfs);
	patch(&p->tf_run, p->tfs);
	for (unsigned i = 0; i < p->count; i++)
		if (++p->tfs[i] == 0)
			return err_set(err, -EBADMSG, "term frequency over 2^32 - 1");
	return 0;
}
