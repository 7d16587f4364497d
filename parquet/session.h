/* SPDX-License-Identifier: Apache-2.0 */
/* parquet/session.h - DuckDB opened for one file and nothing else, and the results of a query chunk by chunk. */
#ifndef FRESHET_PARQUET_SESSION_H
#define FRESHET_PARQUET_SESSION_H

#include <duckdb.h>

#include "bytes.h"
#include "err.h"

/* A database in memory that may read the file at `path`, where no quote may be, and nothing else: no other file, no network, no
 * extension that is not built in. */
struct session {
	duckdb_database base;
	duckdb_connection db;
};
/* `memory` in bytes; one thread, so rows come in the file's order. Returns 0, -ENOTSUP (this DuckDB has no Parquet built in, or lacks
 * a setting) or -ENOMEM. */
int session_open(struct session *s, const char *path, uint64_t memory, struct err *err);
void session_close(struct session *s); /* zero-initialised is fine */

/* Gets each chunk of a result, in order. Returns 0, or -errno to end the query. */
typedef int chunk_fn(void *ctx, duckdb_data_chunk chunk, struct err *err);
/* Runs a query, whose text is made as printf() does, in bounded memory. `fn` may be NULL. Returns 0; -EBADMSG (DuckDB
 * refuses it: the file is damaged, or needs more memory); -ENOMEM; or what `fn` returned. */
int query_run(duckdb_connection db, chunk_fn *fn, void *ctx, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* A string or blob of a vector, valid as long as its chunk. */
struct slice query_string(duckdb_vector v, idx_t row);

#endif
