/* SPDX-License-Identifier: Apache-2.0 */
/* index/catalog.c - catalog.db.
 *
 * Instants are INTEGER nanoseconds since 1970, NULL where there is none; paths are BLOBs, since a feed's
 * names may be any bytes. 64-bit unsigned numbers are stored as the signed ones of the same bits.
 *
 * Readers open read-only and need the -wal and -shm files that belong to WAL: SQLite makes them where it may
 * write. In a read-only directory where nobody else has the catalog open there are none, and reading is
 * refused: opening it as immutable would go wrong silently when the directory is writable elsewhere. */
#include "catalog_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

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
	[Q_GENERATION_HAS] = "SELECT 1 FROM generations WHERE number = ?1 AND sha256 = ?2",
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
