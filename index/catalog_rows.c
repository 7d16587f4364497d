/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog_private.h"

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

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

int catalog_take_all(struct catalog *c, struct sqlite3_stmt *s, catalog_take_fn *take, size_t size,
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
	r = catalog_take_all(c, s, take_row, sizeof(struct row), arena, &array, count, err);
	*rows = array;
	if (!r && files)
		r = sql_query(c->sql, Q_FILES, &s, err);
	for (size_t i = 0; files && !r && i < *count; i++) {
		struct row *row = &(*rows)[i];

		array = NULL;
		sql_bind_time(s, 1, row->ts);
		r = catalog_take_all(
			c, s, take_file, sizeof(struct file_row), arena, &array, &row->read_count, err);
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
	r = catalog_take_all(c, s, take_past, sizeof(**past), arena, &array, count, err);
	*past = array;
	if (!r)
		r = sql_query(c->sql, Q_PAST_FILES, &s, err);
	for (size_t i = 0; !r && i < *count; i++) {
		struct row *row = &(*past)[i].row;

		array = NULL;
		sql_bind_time(s, 1, row->ts);
		sql_bind_u64(s, 2, (*past)[i].generation);
		r = catalog_take_all(
			c, s, take_file, sizeof(struct file_row), arena, &array, &row->read_count, err);
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

int catalog_refuse_rowless(struct catalog *c, const char *dir, struct err *err)
{
	OWNED_BUF text = {0};
	int r = catalog_get(c, CATALOG_ROWLESS, &text, err);

	if (r < 0 || !text.len)
		return r < 0 ? r : 0;
	return err_set(err, -ENOTSUP,
		"%s: follows a directory that rsync fills, in which there are no rows of partitions: nothing can be built on "
		"that, nor published. A state that follows what `freshet publish` wrote can do both",
		dir);
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

int catalog_put_rows(struct catalog *c, const struct row *rows, size_t count, struct err *err)
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

int catalog_keep_past(struct catalog *c, uint64_t number, int64_t ts, struct err *err)
{
	static const enum catalog_query puts[] = {Q_PAST_PUT, Q_PAST_PUT_NONE, Q_PAST_FILES_PUT};
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

	return r ? r : sql_finish(c->sql, catalog_put_rows(c, rows, count, err), err);
}
