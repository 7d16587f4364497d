/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* The order counts: once access is off, no setting may turn anything on again. */
static const char *const settings[] = {
	"SET preserve_insertion_order = true",
	"SET temp_directory = ''", /* what does not fit into memory fails */
	"SET autoinstall_known_extensions = false",
	"SET autoload_known_extensions = false",
	"SET enable_geoparquet_conversion = false", /* geometries are the bytes that the file has */
	"SET parquet_metadata_cache = true",
};

/* DuckDB says more than a line, and the path that it was given helps nobody. */
static int refused(struct err *err, const char *message)
{
	static const char path[] = "/proc/self/fd/0";
	OWNED_BUF text = {0};
	size_t len;
	const char *at;

	if (!message)
		message = "DuckDB does not say why";
	len = strcspn(message, "\n");
	while ((at = memmem(message, len, path, strlen(path))) && at >= message + 2) {
		size_t past = (size_t)(at - message) + strlen(path) + 1;

		buf_add(&text, message, (size_t)(at - message) - 2); /* a blank and a quote */
		len = past < len ? len - past : 0;
		message += past;
	}
	buf_add(&text, message, len);
	return err_set(err, -EBADMSG, "%s", buf_cstr(&text));
}

static int set(struct session *s, struct err *err, const char *sql)
{
	int r = query_run(s->db, NULL, NULL, err, "%s", sql);

	return r == -EBADMSG ? err_context(err, -ENOTSUP, "DuckDB %s", duckdb_library_version()) : r;
}

static int set_all(struct session *s, const char *path, uint64_t memory, struct err *err)
{
	char sql[256];
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(settings) / sizeof(settings[0]); i++)
		r = set(s, err, settings[i]);
	snprintf(sql, sizeof(sql), "SET memory_limit = '%" PRIu64 "KiB'", memory >> 10);
	if (r == 0)
		r = set(s, err, sql);
	snprintf(sql, sizeof(sql), "SET allowed_paths = ['%s']", path);
	if (r == 0)
		r = set(s, err, sql);
	if (r == 0)
		r = set(s, err, "SET enable_external_access = false");
	return r == 0 ? set(s, err, "SET lock_configuration = true") : r;
}

/* With one thread from the start: by default it begins one for each processor. */
static int open_base(struct session *s, struct err *err)
{
	duckdb_config config = NULL;
	char *why = NULL;
	bool opened = duckdb_create_config(&config) == DuckDBSuccess &&
		      duckdb_set_config(config, "threads", "1") == DuckDBSuccess &&
		      duckdb_open_ext(NULL, &s->base, config, &why) == DuckDBSuccess;
	int r = opened ? 0 : err_set(err, -ENOMEM, "DuckDB cannot start: %s", why ? why : "out of memory");

	duckdb_free(why);
	duckdb_destroy_config(&config);
	return r;
}

int session_open(struct session *s, const char *path, uint64_t memory, struct err *err)
{
	int r;

	*s = (struct session){0};
	r = open_base(s, err);
	if (r < 0)
		return r;
	if (duckdb_connect(s->base, &s->db) != DuckDBSuccess)
		r = err_set(err, -ENOMEM, "DuckDB cannot start: out of memory");
	else
		r = set_all(s, path, memory, err);
	if (r < 0)
		session_close(s);
	return r;
}

void session_close(struct session *s)
{
	duckdb_disconnect(&s->db);
	duckdb_close(&s->base);
	*s = (struct session){0};
}

static int chunks_take(duckdb_result *result, chunk_fn *fn, void *ctx, struct err *err)
{
	duckdb_data_chunk chunk;
	int r = 0;

	while (r == 0 && (chunk = duckdb_fetch_chunk(*result))) {
		r = fn ? fn(ctx, chunk, err) : 0;
		duckdb_destroy_data_chunk(&chunk);
	}
	/* The end of the rows looks like an error in the middle of them. */
	if (r == 0 && duckdb_result_error(result) && *duckdb_result_error(result))
		r = refused(err, duckdb_result_error(result));
	return r;
}

static int statement_run(duckdb_prepared_statement statement, chunk_fn *fn, void *ctx, struct err *err)
{
	duckdb_pending_result pending = NULL;
	duckdb_result result = {0};
	int r;

	if (duckdb_pending_prepared_streaming(statement, &pending) != DuckDBSuccess) {
		r = refused(err, duckdb_pending_error(pending));
	} else if (duckdb_execute_pending(pending, &result) != DuckDBSuccess) {
		r = refused(err, duckdb_result_error(&result));
		duckdb_destroy_result(&result);
	} else {
		r = chunks_take(&result, fn, ctx, err);
		duckdb_destroy_result(&result);
	}
	duckdb_destroy_pending(&pending);
	return r;
}

int query_run(duckdb_connection db, chunk_fn *fn, void *ctx, struct err *err, const char *fmt, ...)
{
	duckdb_prepared_statement statement = NULL;
	OWNED_STR char *sql = NULL;
	va_list args;
	int r;

	va_start(args, fmt);
	r = vasprintf(&sql, fmt, args);
	va_end(args);
	if (r < 0) {
		sql = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	if (duckdb_prepare(db, sql, &statement) != DuckDBSuccess)
		r = refused(err, duckdb_prepare_error(statement));
	else
		r = statement_run(statement, fn, ctx, err);
	duckdb_destroy_prepare(&statement);
	return r;
}

struct slice query_string(duckdb_vector v, idx_t row)
{
	duckdb_string_t *s = &((duckdb_string_t *)duckdb_vector_get_data(v))[row];

	return slice_of(duckdb_string_t_data(s), duckdb_string_t_length(*s));
}
