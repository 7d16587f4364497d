/* SPDX-License-Identifier: Apache-2.0 */
/* index/records.h - stored records: zstd blocks of some 96 KiB, and an index of the blocks.
 * Format: docs/format.md, "Records". */
#ifndef FRESHET_RECORDS_H
#define FRESHET_RECORDS_H

#include "columns.h"
#include "compress.h"

#define RECORDS_INDEX_ROW 20

/* A row of the index. */
struct records_block {
	uint32_t first, end; /* rows whose records it holds */
	uint32_t raw_len, packed_len;
	uint64_t offset; /* in the section of records */
};

/* Borrows the sections it was opened on; immutable. */
struct records {
	struct slice index, data;
	uint32_t block_count;
	const struct columns *columns; /* borrowed: they know the lengths */
};
int records_open(struct records *r, struct slice index, struct slice data, const struct columns *columns,
	struct err *err);
/* `b` must be below block_count. Checks the row by itself. */
int records_block(const struct records *r, uint32_t b, struct records_block *out, struct err *err);

/* Where blocks are unpacked; keeps the last one, so records read in order cost one unpacking a block. One
 * thread at a time. */
struct records_scratch;
struct records_scratch *records_scratch_new(void); /* NULL when memory is out */
void records_scratch_free(struct records_scratch *s);
DEFINE_FREEP(records_scratch)
/* The record of row `n`, below columns->count; *out is valid until the next call with this scratch. Returns
 * 0, -EBADMSG or -ENOMEM. */
int records_get(
	const struct records *r, struct records_scratch *s, uint32_t n, struct slice *out, struct err *err);

#endif
