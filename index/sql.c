/* SPDX-License-Identifier: Apache-2.0 */
/* index/sql.c - the only file that includes SQLite's header. */
#include "sql.h"

#include <inttypes.h>
#include <sqlite3.h>

#include "timefmt.h"

#define BUSY_MS 10000
#define VALUE_MAX (64 << 20)

struct sql {
	sqlite3 *db;                             /* owned */
	char *path;                              /* owned; for errors */
	const char *const *queries;              /* static */
	sqlite3_stmt *prepared[SQL_QUERIES_MAX]; /* owned; made when first used */
};

static int fail(const struct sql *q, int rc, struct err *err)
{
	const char *why = q->db ? sqlite3_errmsg(q->db) : sqlite3_errstr(rc);

	switch (rc & 0xFF) {
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
	case SQLITE_ERROR: /* our own texts are right: a table is missing or has another shape */
	case SQLITE_MISMATCH:
		return err_set(err, -EBADMSG,
			"%s: damaged (%s); put a copy back, or remove the state and build anew", q->path,
			why);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(err, -EBUSY, "%s: in use by another process (%s)", q->path, why);
	case SQLITE_FULL:
		return err_set(err, -ENOSPC, "%s: disk full", q->path);
	case SQLITE_NOMEM:
		return err_set(err, -ENOMEM, "%s: out of memory", q->path);
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return err_set(err, -EACCES, "%s: not writable (%s)", q->path, why);
	case SQLITE_CANTOPEN:
		return err_set(err, -EACCES,
			"%s: cannot be opened (%s); SQLite keeps a -wal and a -shm file beside it and must be able to "
			"make them",
			q->path, why);
	default:
		return err_set(err, -EIO, "%s: %s", q->path, why);
	}
}

static int connect_db(struct sql *q, bool writer, struct err *err)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, rc;

	flags |= writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
	rc = sqlite3_open_v2(q->path, &q->db, flags, NULL);
	if (rc != SQLITE_OK)
		return fail(q, rc, err);
	sqlite3_extended_result_codes(q->db, 1);
	sqlite3_busy_timeout(q->db, BUSY_MS);
	sqlite3_db_config(q->db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
	sqlite3_limit(q->db, SQLITE_LIMIT_LENGTH, VALUE_MAX);
	return sql_exec(
		q, "PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL", err);
}

int sql_open(struct sql **out, const char *path, bool writer, const char *const *queries, struct err *err)
{
	OWNED(sql) struct sql *q = calloc(1, sizeof(*q));
	int r;

	*out = NULL;
	if (!q || !(q->path = strdup(path)))
		return err_set(err, -ENOMEM, "out of memory");
	q->queries = queries;
	r = connect_db(q, writer, err);
	if (r)
		return r;
	*out = steal(&q);
	return 0;
}

void sql_free(struct sql *q)
{
	if (!q)
		return;
	for (size_t i = 0; i < SQL_QUERIES_MAX; i++)
		sqlite3_finalize(q->prepared[i]);
	sqlite3_close(q->db);
	free(q->path);
	free(q);
}

const char *sql_path(const struct sql *q)
{
	return q->path;
}

int sql_exec(struct sql *q, const char *text, struct err *err)
{
	int rc = sqlite3_exec(q->db, text, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : fail(q, rc, err);
}

int sql_number(struct sql *q, const char *text, int64_t *out, struct err *err)
{
	sqlite3_stmt *s;
	int rc = sqlite3_prepare_v2(q->db, text, -1, &s, NULL);

	if (rc != SQLITE_OK)
		return fail(q, rc, err);
	rc = sqlite3_step(s);
	*out = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	rc = sqlite3_finalize(s);
	return rc == SQLITE_OK ? 0 : fail(q, rc, err);
}

int sql_query(struct sql *q, unsigned query, struct sqlite3_stmt **out, struct err *err)
{
	sqlite3_stmt **s = &q->prepared[query];

	*out = NULL;
	if (!*s) {
		int rc = sqlite3_prepare_v3(q->db, q->queries[query], -1, SQLITE_PREPARE_PERSISTENT, s, NULL);

		if (rc != SQLITE_OK)
			return fail(q, rc, err);
	}
	*out = *s;
	return 0;
}

void sql_done(struct sqlite3_stmt *s)
{
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
}

int sql_step(struct sql *q, struct sqlite3_stmt *s, struct err *err)
{
	int rc = sqlite3_step(s), r;

	if (rc == SQLITE_ROW)
		return 1;
	r = rc == SQLITE_DONE ? 0 : fail(q, rc, err);
	sql_done(s);
	return r;
}

int sql_run(struct sql *q, unsigned query, struct err *err)
{
	sqlite3_stmt *s;
	int r = sql_query(q, query, &s, err);

	return r ? r : sql_step(q, s, err);
}

int sql_run_number(struct sql *q, unsigned query, uint64_t *out, struct err *err)
{
	sqlite3_stmt *s;
	int r = sql_query(q, query, &s, err);

	if (!r)
		r = sql_step(q, s, err);
	if (r <= 0)
		return r ? r : err_set(err, -EBADMSG, "%s: damaged (a row is missing)", q->path);
	*out = sql_u64(s, 0);
	sql_done(s);
	return 0;
}

int sql_begin(struct sql *q, bool write, struct err *err)
{
	return sql_exec(q, write ? "BEGIN IMMEDIATE" : "BEGIN", err);
}

int sql_finish(struct sql *q, int r, struct err *err)
{
	if (r == 0)
		r = sql_exec(q, "COMMIT", err);
	/* A full disk may have rolled back by itself: then there is nothing left to undo. */
	if (r < 0 && !sqlite3_get_autocommit(q->db))
		sqlite3_exec(q->db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

void sql_bind_u64(struct sqlite3_stmt *s, int i, uint64_t v)
{
	sqlite3_bind_int64(s, i, (int64_t)v);
}

void sql_bind_time(struct sqlite3_stmt *s, int i, int64_t t)
{
	if (t == TIME_NONE)
		sqlite3_bind_null(s, i);
	else
		sqlite3_bind_int64(s, i, t);
}

void sql_bind_blob(struct sqlite3_stmt *s, int i, struct slice v)
{
	/* A NULL pointer would bind NULL. */
	sqlite3_bind_blob64(s, i, v.len ? v.data : "", v.len, SQLITE_STATIC);
}

void sql_bind_text(struct sqlite3_stmt *s, int i, struct slice v)
{
	sqlite3_bind_text64(s, i, v.len ? v.data : "", v.len, SQLITE_STATIC, SQLITE_UTF8);
}

uint64_t sql_u64(struct sqlite3_stmt *s, int i)
{
	return (uint64_t)sqlite3_column_int64(s, i);
}

int64_t sql_time(struct sqlite3_stmt *s, int i)
{
	return sqlite3_column_type(s, i) == SQLITE_NULL ? TIME_NONE : sqlite3_column_int64(s, i);
}

struct slice sql_bytes(struct sqlite3_stmt *s, int i)
{
	const void *data = sqlite3_column_blob(s, i);

	return slice_of(data, data ? (size_t)sqlite3_column_bytes(s, i) : 0);
}

bool sql_exactly(struct sqlite3_stmt *s, int i, void *out, size_t len)
{
	struct slice b = sql_bytes(s, i);

	if (b.len != len)
		return false;
	memcpy(out, b.data, len);
	return true;
}
