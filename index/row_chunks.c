/* SPDX-License-Identifier: Apache-2.0 */
#include "row_chunks.h"

/* The first row at or after `ts`. */
static size_t row_at(const struct row *rows, size_t count, int64_t ts)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (rows[mid].ts < ts)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void row_chunk_span(const struct row *rows, size_t row_count, const struct edition_rows *list, size_t count,
	size_t i, size_t *first, size_t *end)
{
	*first = row_at(rows, row_count, list[i].from);
	*end = i + 1 < count ? row_at(rows, row_count, list[i + 1].from) : row_count;
}

int row_chunk_text(
	const struct row *rows, size_t count, struct buf *text, struct edition_part *part, struct err *err)
{
	buf_clear(text);
	row_text_encode(rows, count, text);
	if (buf_error(text))
		return err_set(err, -ENOMEM, "out of memory");
	if (text->len > ROW_TEXT_MAX)
		return err_set(err, -EFBIG,
			"%zu partitions with their files are too many for one text of %u bytes", count,
			ROW_TEXT_MAX);
	part->bytes = text->len;
	return sha256(buf_slice(text), part->sha256) < 0
		       ? err_set(err, -EIO, "SHA-256 is not to be had from libcrypto")
		       : 0;
}

int row_chunks_cut(
	const struct row *rows, size_t row_count, int64_t cadence, struct edition_rows **out, size_t *count)
{
	/* Durations are far below 2^63 / 512. */
	int64_t length = cadence < INT64_MAX / ROW_CHUNK_SLOTS ? cadence * ROW_CHUNK_SLOTS : INT64_MAX;
	OWNED_BUF list = {0};

	for (size_t i = 0, n = 0; i < row_count; i++) {
		int64_t from = time_slot(rows[i].ts, length) * length;
		struct edition_rows piece = {.from = from};

		if (n && ((struct edition_rows *)(void *)list.data)[n - 1].from == from)
			continue;
		buf_add(&list, &piece, sizeof(piece));
		n++;
		if (list.failed)
			return -ENOMEM;
	}
	*count = list.len / sizeof(**out);
	*out = (struct edition_rows *)(void *)steal(&list.data);
	return 0;
}
