/* SPDX-License-Identifier: Apache-2.0 */
/* index/catalog.c - catalog.db.
 *
 * Instants are INTEGER nanoseconds since 1970, NULL where there is none; paths are BLOBs, since a feed's
 * names may be any bytes. 64-bit unsigned numbers are stored as the signed ones of the same bits.
 *
 * Readers open read-only and need the -wal and -shm files that belong to WAL: SQLite makes them where it may
 * write. In a read-only directory where nobody else has the catalog open there are none, and reading is
 * refused: opening it as immutable would go wrong silently when the directory is writable elsewhere. */
#include "catalog.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sql.h"
#include "timefmt.h"

#define APPLICATION_ID 0x46524348 /* "FRCH" */
#define SCHEMA_VERSION 2          /* 1 was that of freshet 0.x */
#define VALUE_MAX (16u << 20)     /* of `meta` */

/* Partitions of which something is in the index, or may still come. */
#define UNSETTLED "state NOT IN ('skipped', 'expired')"

#define PAST_COLUMNS                                                                                         \
	"ts INTEGER NOT NULL, path BLOB, state TEXT, reason TEXT, files INTEGER, bytes INTEGER,"             \
	" records INTEGER, rejected INTEGER, arrived INTEGER, detected INTEGER, published INTEGER,"          \
	" of_generation INTEGER, fingerprint INTEGER, retry_at INTEGER, failures INTEGER, attempts INTEGER," \
	" has_content INTEGER"

/* The whole schema. `head` has one row: the last number handed out, and the current generation. */
static const char schema[] =
	"CREATE TABLE meta (key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE partitions ("
	" ts INTEGER PRIMARY KEY NOT NULL, path BLOB NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,"
	" files INTEGER NOT NULL, bytes INTEGER NOT NULL, records INTEGER NOT NULL, rejected INTEGER NOT NULL,"
	" arrived INTEGER, detected INTEGER, published INTEGER, generation INTEGER NOT NULL,"
	" fingerprint INTEGER NOT NULL, retry_at INTEGER, failures INTEGER NOT NULL, attempts INTEGER NOT NULL,"
	" has_content INTEGER NOT NULL) STRICT;"
	"CREATE INDEX unsettled ON partitions (ts) WHERE " UNSETTLED ";"
	"CREATE TABLE files ("
	" ts INTEGER NOT NULL REFERENCES partitions(ts) ON DELETE CASCADE, path BLOB NOT NULL,"
	" size INTEGER NOT NULL, mtime INTEGER, ctime INTEGER, hash BLOB NOT NULL,"
	" records INTEGER NOT NULL, rejected INTEGER NOT NULL, PRIMARY KEY (ts, path)) STRICT, WITHOUT ROWID;"
	/* Rows as they were before a generation changed them, for rollbacks; `there` 0: there was none. */
	"CREATE TABLE past (generation INTEGER NOT NULL, there INTEGER NOT NULL, " PAST_COLUMNS ","
	" PRIMARY KEY (ts, generation)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE past_files ("
	" generation INTEGER NOT NULL, ts INTEGER NOT NULL, path BLOB NOT NULL,"
	" size INTEGER NOT NULL, mtime INTEGER, ctime INTEGER, hash BLOB NOT NULL,"
	" records INTEGER NOT NULL, rejected INTEGER NOT NULL, PRIMARY KEY (ts, generation, path)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE generations ("
	" number INTEGER PRIMARY KEY NOT NULL, parent INTEGER NOT NULL, watermark INTEGER NOT NULL,"
	" published INTEGER NOT NULL, sha256 BLOB NOT NULL, base_at INTEGER, merged INTEGER NOT NULL) STRICT;"
	"CREATE TABLE head ("
	" one INTEGER PRIMARY KEY NOT NULL CHECK (one = 1), taken INTEGER NOT NULL,"
	" current INTEGER REFERENCES generations(number)) STRICT;"
	"INSERT INTO head VALUES (1, 0, NULL);";

enum query {
	Q_META_GET,
	Q_META_SET,
	Q_VERSION,
	Q_CURRENT,
	Q_ROWS,
	Q_FILES,
	Q_ROW_PUT,
	Q_FILES_DROP,
	Q_FILE_PUT,
	Q_TAKE,
	Q_TAKEN,
	Q_GENERATION_PUT,
	Q_CURRENT_SET,
	Q_GENERATIONS,
	Q_GENERATION_DROP,
	Q_PAST_PUT,
	Q_PAST_PUT_NONE,
	Q_PAST_FILES_PUT,
	Q_PAST,
	Q_PAST_FILES,
	Q_PAST_DROP,
	Q_PAST_FILES_DROP,
	Q_RAISE,
	Q_ROW_DROP,
};

#define ROW_COLUMNS                                                                                           \
	"ts, path, state, reason, files, bytes, records, rejected, arrived, detected, published, generation," \
	" fingerprint, retry_at, failures, attempts, has_content"

static const char *const queries[SQL_QUERIES_MAX] = {
	[Q_META_GET] = "SELECT value FROM meta WHERE key = ?1",
	[Q_META_SET] =
		"INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
	[Q_VERSION] = "PRAGMA data_version",
	[Q_CURRENT] =
		"SELECT g.number, g.watermark, g.published, g.sha256, g.base_at FROM head JOIN generations g"
		" ON g.number = head.current",
	/* The lower bound that ?1 NULL stands for is below every timestamp. */
	[Q_ROWS] = "SELECT " ROW_COLUMNS " FROM partitions WHERE ts > ifnull(?1, -9223372036854775808)"
		   " UNION ALL SELECT " ROW_COLUMNS " FROM partitions WHERE ts <= ?1 AND " UNSETTLED
		   " ORDER BY ts",
	[Q_FILES] =
		"SELECT path, size, mtime, ctime, records, rejected, hash FROM files WHERE ts = ?1 ORDER BY path",
	[Q_ROW_PUT] =
		"INSERT INTO partitions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,"
		" ?16, ?17)"
		" ON CONFLICT (ts) DO UPDATE SET path = excluded.path, state = excluded.state,"
		" reason = excluded.reason, files = excluded.files, bytes = excluded.bytes,"
		" records = excluded.records, rejected = excluded.rejected, arrived = excluded.arrived,"
		" detected = excluded.detected, published = excluded.published,"
		" generation = excluded.generation, fingerprint = excluded.fingerprint,"
		" retry_at = excluded.retry_at, failures = excluded.failures, attempts = excluded.attempts,"
		" has_content = excluded.has_content",
	[Q_FILES_DROP] = "DELETE FROM files WHERE ts = ?1",
	[Q_FILE_PUT] = "INSERT INTO files VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[Q_TAKE] = "UPDATE head SET taken = taken + 1",
	[Q_TAKEN] = "SELECT taken FROM head",
	[Q_GENERATION_PUT] = "INSERT INTO generations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[Q_CURRENT_SET] = "UPDATE head SET current = ?1",
	[Q_GENERATIONS] = "SELECT number, watermark, published, merged FROM generations ORDER BY number DESC",
	[Q_GENERATION_DROP] =
		"DELETE FROM generations WHERE number = ?1 AND number IS NOT (SELECT current FROM head)",
	[Q_PAST_PUT] =
		"INSERT OR IGNORE INTO past SELECT ?1, 1, " ROW_COLUMNS " FROM partitions WHERE ts = ?2",
	[Q_PAST_PUT_NONE] = "INSERT OR IGNORE INTO past (generation, there, ts) VALUES (?1, 0, ?2)",
	[Q_PAST_FILES_PUT] = "INSERT OR IGNORE INTO past_files SELECT ?1, * FROM files WHERE ts = ?2",
	/* Of columns beside a min(), SQLite gives those of the row that has it. */
	[Q_PAST] =
		"SELECT ts, path, state, reason, files, bytes, records, rejected, arrived, detected, published,"
		" of_generation, fingerprint, retry_at, failures, attempts, has_content, there, min(generation)"
		" FROM past WHERE generation > ?1 GROUP BY ts ORDER BY ts",
	[Q_PAST_FILES] = "SELECT path, size, mtime, ctime, records, rejected, hash FROM past_files"
			 " WHERE ts = ?1 AND generation = ?2 ORDER BY path",
	[Q_PAST_DROP] = "DELETE FROM past WHERE generation <= (SELECT min(number) FROM generations)",
	[Q_PAST_FILES_DROP] =
		"DELETE FROM past_files WHERE generation <= (SELECT min(number) FROM generations)",
	[Q_RAISE] = "UPDATE head SET taken = max(taken, ?1)",
	[Q_ROW_DROP] = "DELETE FROM partitions WHERE ts = ?1",
};

struct catalog {
	struct sql *sql; /* owned */
	char index[UUID_TEXT];
};

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

/* ---- opening ---- */

/* Whose file is it? Returns 0 when it is ours, or -errno. */
static int identify(struct catalog *c, struct err *err)
{
	const char *path = sql_path(c->sql);
	int64_t id = 0, version = 0;
	int r = sql_number(c->sql, "PRAGMA application_id", &id, err);

	if (!r)
		r = sql_number(c->sql, "PRAGMA user_version", &version, err);
	if (r)
		return r;
	if (id != APPLICATION_ID)
		return err_set(err, -ENOTSUP,
			"%s: an SQLite database of another program (application id %" PRId64 ")", path, id);
	if (version > SCHEMA_VERSION)
		return err_set(err, -ENOTSUP,
			"%s: version %" PRId64 ", written by a newer freshet; this one knows version %d",
			path, version, SCHEMA_VERSION);
	if (version == 1)
		return err_set(err, -ENOTSUP,
			"%s: written by freshet 0.x, which this version cannot go on from: build anew, into another "
			"--state or after removing this one",
			path);
	if (version != SCHEMA_VERSION)
		return err_set(err, -EBADMSG, "%s: damaged (version %" PRId64 ")", path, version);
	return 0;
}

static int create_in_transaction(struct catalog *c, struct err *err)
{
	char pragmas[96], uuid[UUID_TEXT];
	int r = uuid_new(uuid, err);

	if (!r)
		r = sql_exec(c->sql, schema, err);
	if (!r)
		r = catalog_set(c, "index", slice_str(uuid), err);
	snprintf(pragmas, sizeof(pragmas), "PRAGMA application_id = %d; PRAGMA user_version = %d",
		APPLICATION_ID, SCHEMA_VERSION);
	return r ? r : sql_exec(c->sql, pragmas, err);
}

static int create_at(const char *path, struct err *err)
{
	struct catalog c = {0};
	int r = sql_open(&c.sql, path, true, queries, err);

	if (!r)
		r = sql_begin(c.sql, true, err);
	if (!r)
		r = sql_finish(c.sql, create_in_transaction(&c, err), err);
	if (!r)
		r = sql_exec(c.sql, "PRAGMA journal_mode = WAL", err);
	sql_free(c.sql);
	return r ? r : sync_path(path, err);
}

/* Removes a database and what SQLite may have left beside it. */
static int remove_database(const char *path, struct err *err)
{
	static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		OWNED_STR char *name = NULL;

		if (asprintf(&name, "%s%s", path, suffixes[i]) < 0) {
			name = NULL;
			return no_memory(err);
		}
		if (unlink(name) < 0 && errno != ENOENT)
			return err_sys(err, -errno, "%s: cannot be removed", name);
	}
	return 0;
}

/* Makes the catalog under another name and renames it: killed half way, SQLite would leave a journal that
 * readers, who open first, may not play back. What a removed catalog left behind goes first, or SQLite would
 * play its log into the new one. */
static int create(const struct state *state, const char *path, struct err *err)
{
	OWNED_STR char *made = state_path(state, "tmp/catalog.db");
	int r = made ? remove_database(made, err) : no_memory(err);

	if (!r)
		r = remove_database(path, err);
	if (r)
		return r;
	r = create_at(made, err);
	if (!r && rename(made, path) < 0)
		r = err_sys(err, -errno, "%s: cannot be renamed to %s", made, path);
	return r ? r : sync_path(state->dir, err);
}

int catalog_read_index(struct catalog *c, struct err *err)
{
	OWNED_BUF uuid = {0};
	int r = catalog_get(c, "index", &uuid, err);

	if (r < 0)
		return r;
	if (uuid.len != UUID_TEXT - 1)
		return err_set(err, -EBADMSG, "%s: damaged (no index UUID)", sql_path(c->sql));
	memcpy(c->index, uuid.data, uuid.len);
	return 0;
}

/* An empty file is as none: SQLite would take it for an empty database. */
static int is_there(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(err, -errno, "%s", path);
	return st.st_size > 0;
}

int catalog_open(struct catalog **out, const struct state *state, bool writer, struct err *err)
{
	OWNED(catalog) struct catalog *c = calloc(1, sizeof(*c));
	OWNED_STR char *path = state_path(state, "catalog.db");
	int r;

	*out = NULL;
	if (!c || !path)
		return no_memory(err);
	r = is_there(path, err);
	if (!r)
		r = writer ? create(state, path, err)
			   : err_set(err, -ENOENT, "%s: not there, or empty: nothing was built here yet",
				     path);
	if (r < 0)
		return r;
	r = sql_open(&c->sql, path, writer, queries, err);
	if (!r)
		r = identify(c, err);
	if (!r)
		r = catalog_read_index(c, err);
	if (r < 0)
		return r;
	*out = steal(&c);
	return 0;
}

void catalog_free(struct catalog *c)
{
	if (!c)
		return;
	sql_free(c->sql);
	free(c);
}

/* ---- small texts, version, current ---- */

const char *catalog_index(const struct catalog *c)
{
	return c->index;
}

int catalog_get(struct catalog *c, const char *key, struct buf *out, struct err *err)
{
	struct sqlite3_stmt *s;
	int r = sql_query(c->sql, Q_META_GET, &s, err);

	if (r)
		return r;
	sql_bind_text(s, 1, slice_str(key));
	r = sql_step(c->sql, s, err);
	if (r <= 0)
		return r;
	buf_add_slice(out, sql_bytes(s, 0));
	sql_done(s);
	return buf_error(out) ? no_memory(err) : 1;
}

int catalog_set(struct catalog *c, const char *key, struct slice value, struct err *err)
{
	struct sqlite3_stmt *s;
	int r;

	if (value.len > VALUE_MAX)
		return err_set(
			err, -EFBIG, "%s: \"%s\" of %zu bytes is too long", sql_path(c->sql), key, value.len);
	r = sql_query(c->sql, Q_META_SET, &s, err);
	if (r)
		return r;
	sql_bind_text(s, 1, slice_str(key));
	sql_bind_blob(s, 2, value);
	return sql_step(c->sql, s, err);
}

int catalog_version(struct catalog *c, uint64_t *out, struct err *err)
{
	return sql_run_number(c->sql, Q_VERSION, out, err);
}

int catalog_current(struct catalog *c, struct catalog_current *out, struct err *err)
{
	struct sqlite3_stmt *s;
	int r = sql_query(c->sql, Q_CURRENT, &s, err);
	bool whole;

	*out = (struct catalog_current){.watermark = TIME_NONE, .base_at = TIME_NONE, .published = TIME_NONE};
	if (!r)
		r = sql_step(c->sql, s, err);
	if (r <= 0)
		return r;
	out->number = sql_u64(s, 0);
	out->watermark = sql_time(s, 1);
	out->published = sql_time(s, 2);
	whole = sql_exactly(s, 3, out->sha256, SHA256_BYTES);
	out->base_at = sql_time(s, 4);
	sql_done(s);
	if (!whole)
		return err_set(err, -EBADMSG, "%s: damaged (checksum of generation %" PRIu64 ")",
			sql_path(c->sql), out->number);
	return 0;
}

int current_generation(const struct state *state, struct catalog *c, struct generation **out, struct err *err)
{
	struct catalog_current current = {0};
	int r = catalog_current(c, &current, err);

	*out = NULL;
	if (r == 0 && current.number)
		r = generation_open(out, state, current.number, err);
	if (r == -ENOENT)
		return err_context(err, -EBADMSG, "%s: the current generation is not there", state->dir);
	return r;
}

/* ---- rows ---- */

/* Each takes one row of its query into `to`: 0, -ENOMEM or -EBADMSG. */
typedef int take_fn(struct sqlite3_stmt *s, struct arena *arena, void *to);

static int take_file(struct sqlite3_stmt *s, struct arena *arena, void *to)
{
	struct file_row *f = to;

	*f = (struct file_row){.path = arena_dup(arena, sql_bytes(s, 0)),
		.size = sql_u64(s, 1),
		.mtime = sql_time(s, 2),
		.ctime = sql_time(s, 3),
		.records = sql_u64(s, 4),
		.rejected = sql_u64(s, 5)};
	if (!f->path.data)
		return -ENOMEM;
	return sql_exactly(s, 6, f->hash, FILE_HASH_BYTES) ? 0 : -EBADMSG;
}

static int take_row(struct sqlite3_stmt *s, struct arena *arena, void *to)
{
	struct slice state = arena_dup(arena, sql_bytes(s, 2));
	struct row *row = to;

	*row = (struct row){.ts = sql_time(s, 0),
		.path = arena_dup(arena, sql_bytes(s, 1)),
		.reason = arena_dup(arena, sql_bytes(s, 3)),
		.files = sql_u64(s, 4),
		.bytes = sql_u64(s, 5),
		.records = sql_u64(s, 6),
		.rejected = sql_u64(s, 7),
		.arrived = sql_time(s, 8),
		.detected = sql_time(s, 9),
		.published = sql_time(s, 10),
		.generation = sql_u64(s, 11),
		.fingerprint = sql_u64(s, 12),
		.retry_at = sql_time(s, 13),
		.failures = (uint32_t)sql_u64(s, 14),
		.attempts = (uint32_t)sql_u64(s, 15),
		.has_content = sql_u64(s, 16) != 0};
	if (!state.data || !row->path.data || !row->reason.data)
		return -ENOMEM;
	return partition_state_parse(state.data, &row->state) ? 0 : -EBADMSG;
}

static int take_generation(struct sqlite3_stmt *s, struct arena *arena, void *to)
{
	*(struct catalog_generation *)to = (struct catalog_generation){
		sql_u64(s, 0), sql_time(s, 1), sql_time(s, 2), sql_u64(s, 3) != 0};
	return 0;
}

/* All rows of a query whose values are bound, as an array in `arena`. */
static int take_all(struct catalog *c, struct sqlite3_stmt *s, take_fn *take, size_t size,
	struct arena *arena, void **out, size_t *count, struct err *err)
{
	OWNED_BUF rows = {0};
	int r;

	while ((r = sql_step(c->sql, s, err)) == 1) {
		char *to = buf_reserve(&rows, size);
		int taken = to ? take(s, arena, to) : -ENOMEM;

		if (taken < 0) {
			sql_done(s);
			return err_set(err, taken, "%s: %s", sql_path(c->sql),
				taken == -ENOMEM ? "out of memory" : "damaged (a row that cannot be)");
		}
		rows.len += size;
	}
	if (r < 0 || !rows.len)
		return r;
	*out = arena_alloc(arena, rows.len);
	if (!*out)
		return no_memory(err);
	memcpy(*out, rows.data, rows.len);
	*count = rows.len / size;
	return 0;
}

static int rows_in_transaction(struct catalog *c, int64_t from, bool files, struct arena *arena,
	struct row **rows, size_t *count, struct err *err)
{
	struct sqlite3_stmt *s;
	void *array = NULL;
	int r = sql_query(c->sql, Q_ROWS, &s, err);

	if (r)
		return r;
	sql_bind_time(s, 1, from);
	r = take_all(c, s, take_row, sizeof(struct row), arena, &array, count, err);
	*rows = array;
	if (!r && files)
		r = sql_query(c->sql, Q_FILES, &s, err);
	for (size_t i = 0; files && !r && i < *count; i++) {
		struct row *row = &(*rows)[i];

		array = NULL;
		sql_bind_time(s, 1, row->ts);
		r = take_all(c, s, take_file, sizeof(struct file_row), arena, &array, &row->read_count, err);
		row->read = array;
	}
	return r;
}

int catalog_rows(struct catalog *c, int64_t from, bool files, struct arena *arena, struct row **rows,
	size_t *count, struct err *err)
{
	int r;

	*rows = NULL;
	*count = 0;
	r = sql_begin(c->sql, false, err);
	return r ? r : sql_finish(c->sql, rows_in_transaction(c, from, files, arena, rows, count, err), err);
}

static int take_past(struct sqlite3_stmt *s, struct arena *arena, void *to)
{
	struct catalog_past *past = to;

	*past = (struct catalog_past){
		.generation = sql_u64(s, 18), .there = sql_u64(s, 17) != 0, .row = {.ts = sql_time(s, 0)}};
	return past->there ? take_row(s, arena, &past->row) : 0;
}

static int past_in_transaction(struct catalog *c, uint64_t number, struct arena *arena,
	struct catalog_past **past, size_t *count, struct err *err)
{
	struct sqlite3_stmt *s;
	void *array = NULL;
	int r = sql_query(c->sql, Q_PAST, &s, err);

	if (r)
		return r;
	sql_bind_u64(s, 1, number);
	r = take_all(c, s, take_past, sizeof(**past), arena, &array, count, err);
	*past = array;
	if (!r)
		r = sql_query(c->sql, Q_PAST_FILES, &s, err);
	for (size_t i = 0; !r && i < *count; i++) {
		struct row *row = &(*past)[i].row;

		array = NULL;
		sql_bind_time(s, 1, row->ts);
		sql_bind_u64(s, 2, (*past)[i].generation);
		r = take_all(c, s, take_file, sizeof(struct file_row), arena, &array, &row->read_count, err);
		row->read = array;
	}
	return r;
}

int catalog_past(struct catalog *c, uint64_t number, struct arena *arena, struct catalog_past **past,
	size_t *count, struct err *err)
{
	int r;

	*past = NULL;
	*count = 0;
	r = sql_begin(c->sql, false, err);
	return r ? r : sql_finish(c->sql, past_in_transaction(c, number, arena, past, count, err), err);
}

int catalog_paused(struct catalog *c, uint64_t *since, struct err *err)
{
	OWNED_BUF text = {0};
	int r = catalog_get(c, CATALOG_PAUSED, &text, err);

	*since = 0;
	if (r <= 0)
		return r;
	*since = strtoull(buf_cstr(&text), NULL, 10);
	return *since != 0;
}

static int put_file(struct catalog *c, int64_t ts, const struct file_row *f, struct err *err)
{
	struct sqlite3_stmt *s;
	int r = sql_query(c->sql, Q_FILE_PUT, &s, err);

	if (r)
		return r;
	sql_bind_time(s, 1, ts);
	sql_bind_blob(s, 2, f->path);
	sql_bind_u64(s, 3, f->size);
	sql_bind_time(s, 4, f->mtime);
	sql_bind_time(s, 5, f->ctime);
	sql_bind_blob(s, 6, slice_of(f->hash, sizeof(f->hash)));
	sql_bind_u64(s, 7, f->records);
	sql_bind_u64(s, 8, f->rejected);
	return sql_step(c->sql, s, err);
}

static int put_row(struct catalog *c, const struct row *row, struct err *err)
{
	struct sqlite3_stmt *s;
	int r = sql_query(c->sql, Q_ROW_PUT, &s, err);

	if (r)
		return r;
	sql_bind_time(s, 1, row->ts);
	sql_bind_blob(s, 2, row->path);
	sql_bind_text(s, 3, slice_str(partition_state_name(row->state)));
	sql_bind_text(s, 4, row->reason);
	sql_bind_u64(s, 5, row->files);
	sql_bind_u64(s, 6, row->bytes);
	sql_bind_u64(s, 7, row->records);
	sql_bind_u64(s, 8, row->rejected);
	sql_bind_time(s, 9, row->arrived);
	sql_bind_time(s, 10, row->detected);
	sql_bind_time(s, 11, row->published);
	sql_bind_u64(s, 12, row->generation);
	sql_bind_u64(s, 13, row->fingerprint);
	sql_bind_time(s, 14, row->retry_at);
	sql_bind_u64(s, 15, row->failures);
	sql_bind_u64(s, 16, row->attempts);
	sql_bind_u64(s, 17, row->has_content);
	return sql_step(c->sql, s, err);
}

static int put_rows(struct catalog *c, const struct row *rows, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		struct sqlite3_stmt *s;
		int r = put_row(c, &rows[i], err);

		if (!r)
			r = sql_query(c->sql, Q_FILES_DROP, &s, err);
		if (r)
			return r;
		sql_bind_time(s, 1, rows[i].ts);
		r = sql_step(c->sql, s, err);
		for (size_t k = 0; !r && k < rows[i].read_count; k++)
			r = put_file(c, rows[i].ts, &rows[i].read[k], err);
		if (r)
			return r;
	}
	return 0;
}

/* Keeps a row as it is for a rollback to a generation before `number`, which changes it. */
static int keep_past(struct catalog *c, uint64_t number, int64_t ts, struct err *err)
{
	static const enum query puts[] = {Q_PAST_PUT, Q_PAST_PUT_NONE, Q_PAST_FILES_PUT};
	struct sqlite3_stmt *s;
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(puts) / sizeof(puts[0]); i++) {
		r = sql_query(c->sql, puts[i], &s, err);
		if (r)
			return r;
		sql_bind_u64(s, 1, number);
		sql_bind_time(s, 2, ts);
		r = sql_step(c->sql, s, err);
	}
	return r;
}

int catalog_note(struct catalog *c, const struct row *rows, size_t count, struct err *err)
{
	int r = sql_begin(c->sql, true, err);

	return r ? r : sql_finish(c->sql, put_rows(c, rows, count, err), err);
}

/* ---- generations ---- */

int catalog_take_number(struct catalog *c, uint64_t *out, struct err *err)
{
	int r = sql_begin(c->sql, true, err);

	if (r)
		return r;
	r = sql_run(c->sql, Q_TAKE, err);
	if (!r)
		r = sql_run_number(c->sql, Q_TAKEN, out, err);
	return sql_finish(c->sql, r, err);
}

int catalog_raise_number(struct catalog *c, uint64_t number, struct err *err)
{
	struct sqlite3_stmt *s;
	int r = sql_query(c->sql, Q_RAISE, &s, err);

	if (r)
		return r;
	sql_bind_u64(s, 1, number);
	return sql_step(c->sql, s, err);
}

static int publish_check(struct catalog *c, const struct manifest *m, struct err *err)
{
	struct catalog_current now;
	uint64_t taken;
	int r = catalog_current(c, &now, err);

	if (!r)
		r = sql_run_number(c->sql, Q_TAKEN, &taken, err);
	if (r)
		return r;
	if (now.number != m->parent ||
		(now.number && memcmp(now.sha256, m->parent_sha256, SHA256_BYTES) != 0))
		return err_set(err, -ESTALE,
			"generation %" PRIu64 " was built on %" PRIu64 ", but %" PRIu64 " is current by now",
			m->number, m->parent, now.number);
	if (m->watermark == TIME_NONE ||
		(now.number && m->watermark < now.watermark && m->kind != MANIFEST_ROLLBACK))
		return err_set(
			err, -ESTALE, "generation %" PRIu64 " would move the watermark back", m->number);
	if (m->number > taken || m->number <= now.number)
		return err_set(err, -ESTALE,
			"generation %" PRIu64 " bears a number that was not taken for it", m->number);
	return 0;
}

static int pause_builds(struct catalog *c, uint64_t number, struct err *err)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	return catalog_set(c, CATALOG_PAUSED, slice_str(text), err);
}

/* The generation's row, and that it is current. */
static int put_current(
	struct catalog *c, const struct manifest *m, const uint8_t sha256[SHA256_BYTES], struct err *err)
{
	struct sqlite3_stmt *s;
	int r = sql_query(c->sql, Q_GENERATION_PUT, &s, err);

	if (r)
		return r;
	sql_bind_u64(s, 1, m->number);
	sql_bind_u64(s, 2, m->parent);
	sql_bind_time(s, 3, m->watermark);
	sql_bind_time(s, 4, m->published);
	sql_bind_blob(s, 5, slice_of(sha256, SHA256_BYTES));
	sql_bind_time(s, 6, m->base_at);
	sql_bind_u64(s, 7, m->kind == MANIFEST_MERGE);
	r = sql_step(c->sql, s, err);
	if (!r)
		r = sql_query(c->sql, Q_CURRENT_SET, &s, err);
	if (r)
		return r;
	sql_bind_u64(s, 1, m->number);
	return sql_step(c->sql, s, err);
}

static int publish_in_transaction(struct catalog *c, const struct manifest *m,
	const uint8_t sha256[SHA256_BYTES], const struct row *rows, size_t row_count, struct err *err)
{
	int r = publish_check(c, m, err);

	for (size_t i = 0; !r && i < row_count; i++)
		r = keep_past(c, m->number, rows[i].ts, err);
	if (!r)
		r = put_rows(c, rows, row_count, err);
	if (!r && m->kind == MANIFEST_ROLLBACK)
		r = pause_builds(c, m->number, err);
	return r ? r : put_current(c, m, sha256, err);
}

int catalog_publish(struct catalog *c, const struct manifest *m, const uint8_t sha256[SHA256_BYTES],
	const struct row *rows, size_t row_count, struct err *err)
{
	int r = sql_begin(c->sql, true, err);

	return r ? r : sql_finish(c->sql, publish_in_transaction(c, m, sha256, rows, row_count, err), err);
}

/* ---- what another host published ---- */

static int adopt_check(struct catalog *c, const struct catalog_adoption *a, struct err *err)
{
	const struct manifest *m = a->manifest;
	struct catalog_current now;
	int r = catalog_current(c, &now, err);

	if (r)
		return r;
	if (now.number && strcmp(m->index, c->index) != 0)
		return err_set(err, -ENOTSUP,
			"it is of index %s, but generation %" PRIu64
			" of index %s is here: use another --state",
			m->index, now.number, c->index);
	if (m->number <= now.number)
		return err_set(err, -ESTALE, "generation %" PRIu64 " is not above %" PRIu64 ", which is here",
			m->number, now.number);
	return 0;
}

static int drop_row(struct catalog *c, int64_t ts, struct err *err)
{
	static const enum query drops[] = {Q_FILES_DROP, Q_ROW_DROP};
	struct sqlite3_stmt *s;
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(drops) / sizeof(drops[0]); i++) {
		r = sql_query(c->sql, drops[i], &s, err);
		if (r)
			return r;
		sql_bind_time(s, 1, ts);
		r = sql_step(c->sql, s, err);
	}
	return r;
}

static int adopt_rows(struct catalog *c, const struct catalog_adoption *a, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->row_count; i++)
		r = keep_past(c, a->manifest->number, a->rows[i].ts, err);
	for (size_t i = 0; r == 0 && i < a->gone_count; i++) {
		r = keep_past(c, a->manifest->number, a->gone[i], err);
		if (r == 0)
			r = drop_row(c, a->gone[i], err);
	}
	return r ? r : put_rows(c, a->rows, a->row_count, err);
}

static int set_texts(struct catalog *c, const struct catalog_adoption *a, struct err *err)
{
	char paused[24] = "";
	int r = catalog_set(c, "index", slice_str(a->manifest->index), err);

	if (a->paused)
		snprintf(paused, sizeof(paused), "%" PRIu64, a->paused);
	if (r == 0)
		r = catalog_set(c, CATALOG_PAUSED, slice_str(paused), err);
	if (r == 0)
		r = catalog_set(c, CATALOG_FOLLOWED, a->followed, err);
	if (r == 0)
		r = catalog_set(c, CATALOG_ROWLESS, slice_str(a->config.data ? "" : "1"), err);
	return r == 0 && a->config.data ? catalog_set(c, "config", a->config, err) : r;
}

static int adopt_in_transaction(struct catalog *c, const struct catalog_adoption *a, struct err *err)
{
	int r = adopt_check(c, a, err);

	if (r == 0)
		r = adopt_rows(c, a, err);
	if (r == 0)
		r = set_texts(c, a, err);
	if (r == 0)
		r = catalog_raise_number(c, a->manifest->number, err);
	return r ? r : put_current(c, a->manifest, a->sha256, err);
}

int catalog_adopt(struct catalog *c, const struct catalog_adoption *a, struct err *err)
{
	int r = sql_begin(c->sql, true, err);

	if (r == 0)
		r = sql_finish(c->sql, adopt_in_transaction(c, a, err), err);
	if (r == 0)
		memcpy(c->index, a->manifest->index, UUID_TEXT);
	return r;
}

int catalog_generations(struct catalog *c, struct arena *arena, struct catalog_generation **out,
	size_t *count, struct err *err)
{
	struct sqlite3_stmt *s;
	void *array = NULL;
	int r;

	*out = NULL;
	*count = 0;
	r = sql_query(c->sql, Q_GENERATIONS, &s, err);
	if (!r)
		r = take_all(c, s, take_generation, sizeof(**out), arena, &array, count, err);
	*out = array;
	return r;
}

static int drop_in_transaction(struct catalog *c, const uint64_t *numbers, size_t count, struct err *err)
{
	struct sqlite3_stmt *s;
	int r = sql_query(c->sql, Q_GENERATION_DROP, &s, err);

	for (size_t i = 0; !r && i < count; i++) {
		sql_bind_u64(s, 1, numbers[i]);
		r = sql_step(c->sql, s, err);
	}
	if (!r)
		r = sql_run(c->sql, Q_PAST_DROP, err);
	return r ? r : sql_run(c->sql, Q_PAST_FILES_DROP, err);
}

int catalog_drop_generations(struct catalog *c, const uint64_t *numbers, size_t count, struct err *err)
{
	int r = sql_begin(c->sql, true, err);

	return r ? r : sql_finish(c->sql, drop_in_transaction(c, numbers, count, err), err);
}
