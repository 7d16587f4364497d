/* SPDX-License-Identifier: Apache-2.0 */
/* parquet/column.h - a column of DuckDB's, with all that is in it, and its values as JSON. */
#ifndef FRESHET_PARQUET_COLUMN_H
#define FRESHET_PARQUET_COLUMN_H

#include "names.h"

struct column {
	duckdb_type type;
	duckdb_type stored;   /* of a decimal: what its digits lie in */
	unsigned scale;       /* of a decimal */
	enum names_unit unit; /* of a timestamp, in the file */
	const char *zone;     /* of a timestamp: "Z" or "" */
	char *key;            /* owned: "\"name\":" of a member; NULL: none */
	size_t key_len;
	struct column
		*below; /* owned: of a struct its members, of a list one, of a map the key and the value */
	size_t count;
	bool has_text_keys; /* of a map: it is an object */
	bool is_wrapped;    /* of a list: what is below is the one member of each element */
	/* Of the chunk that is looked at; borrowed from it. */
	const void *data;
	const uint64_t *valid; /* NULL: all are */
};

/* A column of that type, called as n->all[at] says. Returns 0, -EBADMSG (a type that has no JSON, or not all of it) or -ENOMEM;
 * `c` is to be released in any case. */
int column_init(
	struct column *c, duckdb_logical_type type, const struct names *n, size_t at, struct err *err);
void column_release(struct column *c); /* zero-initialised is fine */

/* From now on values are those of this vector, which is of the column's type. */
void column_point(struct column *c, duckdb_vector v);
/* Appends the value of a row; a member that has none ("null", NaN and infinities too) is left out. Returns whether
 * there was one. */
bool column_member(const struct column *c, idx_t row, bool first, struct buf *out);

#endif
