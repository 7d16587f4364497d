/* SPDX-License-Identifier: Apache-2.0 */
/* The section:
 *
 *   offset   size field
 *        0      8 count    lists, those of words in more than one block
 *        8    8*n offsets  where each list's postings start in their section; ascending
 *        *  8*n+8 starts   where each list's data start, counted from the end of these; then where the last ends
 *        *      * data     of each list: 4 bytes a block, where its pairs end, counted from the end of these; the pairs
 *
 * A pair is two varints: term frequency and length, each minus that of the pair before it in its block. */
#include "ranking.h"

#define SMALL 16 /* frequencies below it, nearly all, need no sorting */

/* Adds (tf, length) to `n` pairs with other frequencies, ascending by tf. */
static unsigned pair_insert(struct ranking_pair *pairs, unsigned n, struct ranking_pair p)
{
	unsigned at = n;

	while (at && pairs[at - 1].tf >= p.tf)
		at--;
	if (at < n && pairs[at].tf == p.tf) {
		if (p.length < pairs[at].length)
			pairs[at].length = p.length;
		return n;
	}
	memmove(pairs + at + 1, pairs + at, (n - at) * sizeof(*pairs));
	pairs[at] = p;
	return n + 1;
}

/* Fills `pairs` with one for each frequency, ascending, with the smallest length. */
static unsigned pairs_collect(const uint32_t *docs, const uint32_t *tfs, unsigned n, const char *lengths,
	struct ranking_pair pairs[POSTINGS_BLOCK + SMALL])
{
	uint32_t least[SMALL];
	struct ranking_pair large[POSTINGS_BLOCK];
	unsigned larger = 0, count = 0;

	memset(least, 0xff, sizeof(least));
	for (unsigned i = 0; i < n; i++) {
		uint32_t length = get_le32(lengths + (uint64_t)docs[i] * 4);

		if (tfs[i] >= SMALL)
			larger = pair_insert(large, larger, (struct ranking_pair){tfs[i], length});
		else if (length < least[tfs[i]])
			least[tfs[i]] = length;
	}
	for (uint32_t tf = 1; tf < SMALL; tf++)
		if (least[tf] != UINT32_MAX)
			pairs[count++] = (struct ranking_pair){tf, least[tf]};
	memcpy(pairs + count, large, larger * sizeof(*large));
	return count + larger;
}

void ranking_block_encode(
	const uint32_t *docs, const uint32_t *tfs, unsigned n, const char *lengths, struct buf *out)
{
	struct ranking_pair pairs[POSTINGS_BLOCK + SMALL], before = {0};
	unsigned count = pairs_collect(docs, tfs, n, lengths, pairs), first = count;
	uint32_t least = UINT32_MAX;

	/* From the highest frequency down only shorter documents count; those kept are put together at the end. */
	for (unsigned i = count; i-- > 0;)
		if (pairs[i].length < least) {
			least = pairs[i].length;
			pairs[--first] = pairs[i];
		}
	for (; first < count; first++) {
		buf_add_varint(out, pairs[first].tf - before.tf);
		buf_add_varint(out, pairs[first].length - before.length);
		before = pairs[first];
	}
}

void ranking_add(struct ranking_writer *w, uint64_t postings_at, const uint32_t *docs, const uint32_t *tfs,
	uint32_t n, const char *lengths)
{
	uint32_t blocks = (uint32_t)(((uint64_t)n + POSTINGS_BLOCK - 1) / POSTINGS_BLOCK);
	size_t ends = w->data.len, base = ends + (size_t)blocks * 4;

	buf_add_le64(&w->offsets, postings_at);
	buf_add_le64(&w->starts, ends);
	if (!buf_reserve(&w->data, (size_t)blocks * 4))
		return;
	w->data.len = base;
	for (uint32_t b = 0; b < blocks; b++) {
		uint32_t at = b * POSTINGS_BLOCK;
		unsigned count = n - at < POSTINGS_BLOCK ? n - at : POSTINGS_BLOCK;

		ranking_block_encode(docs + at, tfs + at, count, lengths, &w->data);
		if (!w->data.failed)
			put_le32(w->data.data + ends + (size_t)b * 4, (uint32_t)(w->data.len - base));
	}
}

void ranking_finish(struct ranking_writer *w, struct buf *out)
{
	buf_add_le64(out, w->offsets.len / 8);
	buf_add_slice(out, buf_slice(&w->offsets));
	buf_add_slice(out, buf_slice(&w->starts));
	buf_add_le64(out, w->data.len);
	buf_add_slice(out, buf_slice(&w->data));
	out->failed |= w->offsets.failed || w->starts.failed || w->data.failed;
}

void ranking_writer_release(struct ranking_writer *w)
{
	buf_release(&w->offsets);
	buf_release(&w->starts);
	buf_release(&w->data);
}

int ranking_open(struct ranking *r, struct slice section, struct err *err)
{
	struct cursor c = cursor_of(section);

	r->count = cursor_le64(&c);
	if (r->count > section.len / 16)
		return err_set(err, -EBADMSG, "%zu bytes are too few for %llu lists", section.len,
			(unsigned long long)r->count);
	r->offsets = cursor_bytes(&c, r->count * 8);
	r->starts = cursor_bytes(&c, r->count * 8 + 8);
	r->data = cursor_bytes(&c, cursor_left(&c));
	if (!cursor_ok(&c) || get_le64(r->starts.data + r->count * 8) != r->data.len)
		return err_set(err, -EBADMSG, "lists do not end where the section does");
	return 0;
}

int ranking_find(
	const struct ranking *r, uint64_t postings_at, uint32_t df, struct ranking_list *out, struct err *err)
{
	uint64_t low = 0, high = r->count, start, end;
	struct cursor c;

	while (low < high) {
		uint64_t mid = low + (high - low) / 2;

		if (get_le64(r->offsets.data + mid * 8) < postings_at)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == r->count || get_le64(r->offsets.data + low * 8) != postings_at)
		return 0;
	start = get_le64(r->starts.data + low * 8);
	end = get_le64(r->starts.data + low * 8 + 8);
	if (start > end || end > r->data.len)
		return err_set(err, -EBADMSG, "ranking data at %llu to %llu of %zu bytes",
			(unsigned long long)start, (unsigned long long)end, r->data.len);
	c = cursor_of(slice_of(r->data.data + start, end - start));
	out->blocks = (uint32_t)(((uint64_t)df + POSTINGS_BLOCK - 1) / POSTINGS_BLOCK);
	out->ends = cursor_bytes(&c, (uint64_t)out->blocks * 4);
	out->data = cursor_bytes(&c, cursor_left(&c));
	if (!cursor_ok(&c))
		return err_set(err, -EBADMSG, "ranking data: too few bytes for %u blocks", out->blocks);
	return 1;
}

int ranking_block(const struct ranking_list *l, uint32_t b, struct slice *out, struct err *err)
{
	uint32_t start = b ? get_le32(l->ends.data + (uint64_t)b * 4 - 4) : 0;
	uint32_t end = get_le32(l->ends.data + (uint64_t)b * 4);

	if (start > end || end > l->data.len)
		return err_set(err, -EBADMSG, "ranking data of block %u at %u to %u of %zu bytes", b, start,
			end, l->data.len);
	*out = slice_of(l->data.data + start, end - start);
	return 0;
}

int ranking_pair_next(struct cursor *in, struct ranking_pair *p, struct err *err)
{
	uint64_t tf, length;

	if (!cursor_left(in))
		return 0;
	tf = cursor_varint(in);
	length = cursor_varint(in);
	if (!cursor_ok(in) || tf > UINT32_MAX - p->tf || length > UINT32_MAX - p->length)
		return err_set(err, -EBADMSG, "ranking data: a pair out of bounds");
	*p = (struct ranking_pair){p->tf + (uint32_t)tf, p->length + (uint32_t)length};
	return 1;
}
