/* SPDX-License-Identifier: Apache-2.0 */
/* parquet/names.h - the schema of a Parquet file as the file has it.
 *
 * DuckDB's own names of columns and members are not those of the file where two differ in case only, or where one is empty; its
 * types do not tell a decimal that it cannot hold from a double; and it passes over what a file says by LogicalType alone of most types
 * (Source: parquet.thrift, SchemaElement). So names come from here, and what a column is said to be. */
#ifndef FRESHET_PARQUET_NAMES_H
#define FRESHET_PARQUET_NAMES_H

#include <duckdb.h>

#include "bytes.h"
#include "err.h"

#define NAMES_MAX 100000u      /* columns and members of one file */
#define NAMES_NESTING_MAX 100u /* in each other */
#define DECIMAL_DIGITS_MAX 38u /* of a decimal that DuckDB reads exactly */

enum names_unit { UNIT_OTHER, UNIT_MILLIS, UNIT_NANOS }; /* of a timestamp */
struct name {
	struct slice text; /* of valid UTF-8 */
	bool is_list, is_map, is_repeated;
	unsigned digits;   /* of a decimal; 0: it is none */
	duckdb_type wants; /* what it is said to be; DUCKDB_TYPE_INVALID: nothing that DuckDB might not see */
	enum names_unit unit;
	bool is_utc;  /* a timestamp */
	size_t count; /* children, which stand one behind the other, each with its own children behind it */
	size_t after; /* the place behind the last of what is below it */
};

/* Depth first, the root at 0. Zero-initialised is empty. */
struct names {
	struct name *all; /* owned */
	size_t count;
	struct buf text; /* what the names point into */
	uint64_t rows;   /* of the file, as its footer says */
};

/* Reads the schema of the file at `path`, a Parquet file. Returns 0, -EBADMSG or -ENOMEM; then *out is empty. */
int names_read(struct names *out, duckdb_connection db, const char *path, struct err *err);
void names_release(struct names *n);

/* The `i`th child of the name at `at`, which has more than `i` children. */
size_t names_child(const struct names *n, size_t at, size_t i);

#endif
