/* SPDX-License-Identifier: Apache-2.0 */
/* parquet/table.h - the rows of a Parquet file as lines of JSON. */
#ifndef FRESHET_PARQUET_TABLE_H
#define FRESHET_PARQUET_TABLE_H

#include "bytes.h"
#include "err.h"

struct table_input {
	const char *path;     /* of the file; nothing else is opened */
	uint64_t memory;      /* bytes: what DuckDB may take */
	char *const *columns; /* those that are wanted, others are not read; NULL: all */
	size_t column_count;
};

/* Gets text: whole lines, one a row, in the order of the file. Returns 0, or -errno to end the reading. */
typedef int text_fn(void *ctx, struct slice text, struct err *err);

/* Returns 0 at the end of all rows; -EBADMSG (damaged, needs more memory, or has a type that cannot be read); -ENOTSUP (this DuckDB);
 * -ENOMEM; or what `fn` returned. */
int table_print(const struct table_input *in, text_fn *fn, void *ctx, struct err *err);

#endif
