/* SPDX-License-Identifier: Apache-2.0 */
/* index/row_chunks.h - a catalog's rows cut into pieces of time, each of which an edition names by its content: so what a publish sends, and a
 * follower fetches, is the pieces that changed, however long the feed is. */
#ifndef FRESHET_ROW_CHUNKS_H
#define FRESHET_ROW_CHUNKS_H

#include "edition.h"

#define ROW_CHUNK_SLOTS 512 /* of the cadence: what a piece is long */

/* The rows [*first, *end) of `rows`, by ts, that piece i of `list` is to have. */
void row_chunk_span(const struct row *rows, size_t row_count, const struct edition_rows *list, size_t count,
	size_t i, size_t *first, size_t *end);
/* Their text, and what names it. Replaces what is in `text`. Returns 0, -ENOMEM, -EFBIG …. */
int row_chunk_text(
	const struct row *rows, size_t count, struct buf *text, struct edition_part *part, struct err *err);
/* Cuts `rows` into pieces: *out is owned by the caller, its `from` are set and nothing else. Returns 0 or -ENOMEM. */
int row_chunks_cut(
	const struct row *rows, size_t row_count, int64_t cadence, struct edition_rows **out, size_t *count);

#endif
