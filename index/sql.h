/* SPDX-License-Identifier: Apache-2.0 */
/* index/sql.h - SQLite in freshet's manners: prepared once, -errno and struct err, no value left bound.
 *
 * One connection is for one thread at a time. Damaged and foreign files give -EBADMSG, a lock that another
 * process keeps -EBUSY, a full disk -ENOSPC, a place that cannot be written -EACCES. */
#ifndef FRESHET_SQL_H
#define FRESHET_SQL_H

#include "bytes.h"
#include "err.h"

struct sql;
struct sqlite3_stmt;
#define SQL_QUERIES_MAX 32

/* `queries` (static, at most SQL_QUERIES_MAX) are prepared when first used. A writer creates the file. */
int sql_open(struct sql **out, const char *path, bool writer, const char *const *queries, struct err *err);
void sql_free(struct sql *q); /* NULL is fine */
DEFINE_FREEP(sql)
const char *sql_path(const struct sql *q);

int sql_exec(struct sql *q, const char *text, struct err *err);
/* The first column of the first row; 0 without a row. */
int sql_number(struct sql *q, const char *text, int64_t *out, struct err *err);

/* A query to bind values to; what they point to must outlive the steps. */
int sql_query(struct sql *q, unsigned query, struct sqlite3_stmt **out, struct err *err);
/* Returns 1 a row, 0 the end, or -errno; after the last two the query is ready to be used again. */
int sql_step(struct sql *q, struct sqlite3_stmt *s, struct err *err);
/* Leaves a query before its end. */
void sql_done(struct sqlite3_stmt *s);
/* A query without values. */
int sql_run(struct sql *q, unsigned query, struct err *err);
/* The same for one that gives one number; -EBADMSG when it gives no row. */
int sql_run_number(struct sql *q, unsigned query, uint64_t *out, struct err *err);

/* A transaction: sql_begin(), the work, then sql_finish() with what it came to: 0 commits, else all of it is undone.
 * Returns what the whole came to. */
int sql_begin(struct sql *q, bool write, struct err *err);
int sql_finish(struct sql *q, int r, struct err *err);

/* Values count from 1, columns from 0. TIME_NONE is NULL; unsigned numbers keep their 64 bits. */
void sql_bind_u64(struct sqlite3_stmt *s, int i, uint64_t v);
void sql_bind_time(struct sqlite3_stmt *s, int i, int64_t t);
void sql_bind_blob(struct sqlite3_stmt *s, int i, struct slice v);
void sql_bind_text(struct sqlite3_stmt *s, int i, struct slice v);
uint64_t sql_u64(struct sqlite3_stmt *s, int i);
int64_t sql_time(struct sqlite3_stmt *s, int i);
struct slice sql_bytes(struct sqlite3_stmt *s, int i);                  /* until the next step */
bool sql_exactly(struct sqlite3_stmt *s, int i, void *out, size_t len); /* false: not `len` bytes */

#endif
