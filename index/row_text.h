/* SPDX-License-Identifier: Apache-2.0 */
/* index/row_text.h - rows of partitions as text: what a published generation carries of the catalog (docs/format.md, "Partition
 * rows"). Nothing is lost, and equal rows give equal bytes: so whoever has the same rows can tell from a hash. */
#ifndef FRESHET_ROW_TEXT_H
#define FRESHET_ROW_TEXT_H

#include "err.h"
#include "row.h"

#define ROW_TEXT_MAX (64u << 20) /* bytes of one such text */

/* Appends the text of rows, by ts, with their files. */
void row_text_encode(const struct row *rows, size_t count, struct buf *out);
/* Untrusted bytes. What is read lies in `arena`. Returns 0, -ENOMEM, or -EBADMSG where the bytes are not those that row_text_encode()
 * makes of the rows that they name; -ENOTSUP: a newer version. */
int row_text_decode(
	struct slice bytes, struct arena *arena, struct row **rows, size_t *count, struct err *err);

#endif
