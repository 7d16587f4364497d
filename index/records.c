/* SPDX-License-Identifier: Apache-2.0 */
/* A row of the index:
 *
 *   offset size field
 *        0    4 first       row of the first record in it
 *        4    4 raw_len     bytes of its records
 *        8    4 packed_len  0 when raw_len is
 *       12    8 offset      in the section of records */
#include "records.h"

#include "segment_format.h"

struct records_scratch {
	struct packer *packer; /* owned */
	struct buf raw;
	const struct records *of; /* whose block is unpacked in `raw`; NULL: none */
	struct records_block block;
};

int records_open(struct records *r, struct slice index, struct slice data, const struct columns *columns,
	struct err *err)
{
	uint64_t blocks = index.len / RECORDS_INDEX_ROW;

	*r = (struct records){.index = index, .data = data, .columns = columns};
	if (index.len % RECORDS_INDEX_ROW)
		return err_set(err, -EBADMSG, "%zu bytes are no whole number of rows", index.len);
	if (blocks > columns->count || (columns->count && !blocks))
		return err_set(err, -EBADMSG, "%llu blocks for %llu records", (unsigned long long)blocks,
			(unsigned long long)columns->count);
	if (blocks && get_le32(index.data) != 0)
		return err_set(err, -EBADMSG, "first block starts with record %u", get_le32(index.data));
	r->block_count = (uint32_t)blocks;
	return 0;
}

static uint32_t block_first(const struct records *r, uint32_t b)
{
	return b < r->block_count ? get_le32(r->index.data + (uint64_t)b * RECORDS_INDEX_ROW)
				  : (uint32_t)r->columns->count;
}

int records_block(const struct records *r, uint32_t b, struct records_block *out, struct err *err)
{
	const char *row = r->index.data + (uint64_t)b * RECORDS_INDEX_ROW;

	*out = (struct records_block){.first = block_first(r, b),
		.end = block_first(r, b + 1),
		.raw_len = get_le32(row + 4),
		.packed_len = get_le32(row + 8),
		.offset = get_le64(row + 12)};
	if (out->first >= out->end || out->end > r->columns->count ||
		out->end - out->first > RECORDS_BLOCK_ENTRIES)
		return err_set(err, -EBADMSG, "block %u holds records %u to %u of %llu", b, out->first,
			out->end, (unsigned long long)r->columns->count);
	if (out->raw_len > RECORDS_RAW_MAX || !out->raw_len != !out->packed_len)
		return err_set(err, -EBADMSG, "block %u: %u bytes in %u", b, out->raw_len, out->packed_len);
	if (out->offset > r->data.len || out->packed_len > r->data.len - out->offset)
		return err_set(err, -EBADMSG, "block %u: %u bytes at %llu of %zu", b, out->packed_len,
			(unsigned long long)out->offset, r->data.len);
	return 0;
}

struct records_scratch *records_scratch_new(void)
{
	struct records_scratch *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->packer = packer_new();
	if (!s->packer) {
		free(s);
		return NULL;
	}
	return s;
}

void records_scratch_free(struct records_scratch *s)
{
	if (!s)
		return;
	packer_free(s->packer);
	buf_release(&s->raw);
	free(s);
}

static uint32_t find_block(const struct records *r, uint32_t n)
{
	uint32_t low = 0, high = r->block_count;

	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;

		if (block_first(r, mid) <= n)
			low = mid;
		else
			high = mid;
	}
	return low;
}

static int unpack_block(const struct records *r, struct records_scratch *s, uint32_t n, struct err *err)
{
	uint32_t b = find_block(r, n);
	struct records_block block;
	int ret = records_block(r, b, &block, err);

	s->of = NULL;
	if (ret < 0)
		return ret;
	if (n < block.first || n >= block.end)
		return err_set(err, -EBADMSG, "block %u holds records %u to %u, not %u", b, block.first,
			block.end, n);
	buf_clear(&s->raw);
	if (!buf_reserve(&s->raw, block.raw_len + 1))
		return err_set(err, -ENOMEM, "out of memory for %u bytes of records", block.raw_len);
	if (block.raw_len)
		ret = packer_unpack(s->packer, slice_of(r->data.data + block.offset, block.packed_len),
			s->raw.data, block.raw_len, err);
	if (ret < 0)
		return err_context(err, ret, "block %u", b);
	s->raw.len = block.raw_len;
	s->block = block;
	s->of = r;
	return 0;
}

int records_get(
	const struct records *r, struct records_scratch *s, uint32_t n, struct slice *out, struct err *err)
{
	uint64_t at = 0, len = columns_record_len(r->columns, n);
	int ret = 0;

	if (s->of != r || n < s->block.first || n >= s->block.end)
		ret = unpack_block(r, s, n, err);
	if (ret < 0)
		return err_context(err, ret, "record %u", n);
	for (uint32_t i = s->block.first; i < n; i++)
		at += columns_record_len(r->columns, i);
	if (at + len > s->raw.len)
		return err_set(err, -EBADMSG, "record %u: %llu bytes at %llu of a block of %zu", n,
			(unsigned long long)len, (unsigned long long)at, s->raw.len);
	*out = slice_of(s->raw.data + at, len);
	return 0;
}
