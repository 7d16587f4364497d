/* SPDX-License-Identifier: Apache-2.0 */
/* The rows are those of examples/feed-debian, the columns the fields that its freshet.ini indexes.
 *
 * bench_fts5 build FEED.jsonl DB  - insert the rows, parsed before the clock starts, into an FTS5 table and
 *                                   optimise it to one segment; prints seconds inserting, seconds optimising, rows.
 * bench_fts5 ids DB QUERY REPEAT  - the ids for QUERY, one a line into memory; prints the median seconds and the count.
 * bench_fts5 rank DB QUERY REPEAT - the same of the best 1,000 by bm25().
 * No journal, no sync, one transaction, default page cache of 256 MiB: as fast as FTS5 goes. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sqlite3.h>
#include <yyjson.h>

struct row {
	char *id, *text, *keyword;
};

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void must(int ok, const char *what, sqlite3 *db)
{
	if (ok)
		return;
	fprintf(stderr, "bench_fts5: %s: %s\n", what, db ? sqlite3_errmsg(db) : "failed");
	exit(70);
}

static void run(sqlite3 *db, const char *sql)
{
	must(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, sql, db);
}

/* A field's strings (one, or those of an array) with blanks between. */
static char *field_text(yyjson_val *doc, const char *const *names)
{
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	for (; f && *names; names++) {
		yyjson_val *v = yyjson_obj_get(doc, *names), *e;
		size_t i, n;

		if (yyjson_is_str(v))
			fprintf(f, "%s ", yyjson_get_str(v));
		else if (yyjson_is_arr(v))
			yyjson_arr_foreach(v, i, n, e) if (yyjson_is_str(e))
				fprintf(f, "%s ", yyjson_get_str(e));
	}
	must(f && !fclose(f), "memory", NULL);
	return out;
}

static struct row *load(const char *path, size_t *count)
{
	static const char *const id[] = {"package", NULL}, *const text[] = {"summary", "description", NULL},
				 *const keyword[] = {"section", "priority", "architecture", "tag", "depends",
					 "maintainer", NULL};
	FILE *f = fopen(path, "r");
	struct row *rows = NULL;
	char *line = NULL;
	size_t cap = 0, room = 0;
	ssize_t n;

	must(f != NULL, path, NULL);
	for (*count = 0; (n = getline(&line, &cap, f)) > 0; (*count)++) {
		yyjson_doc *doc = yyjson_read(line, (size_t)n, 0);
		yyjson_val *root = yyjson_doc_get_root(doc);

		if (*count == room) {
			room = room ? room * 2 : 65536;
			rows = realloc(rows, room * sizeof(*rows));
			must(rows != NULL, "memory", NULL);
		}
		rows[*count] =
			(struct row){field_text(root, id), field_text(root, text), field_text(root, keyword)};
		yyjson_doc_free(doc);
	}
	fclose(f);
	free(line);
	return rows;
}

static int build(const char *feed, const char *path)
{
	size_t count;
	struct row *rows = load(feed, &count);
	sqlite3_stmt *insert;
	sqlite3 *db;
	double start, inserted;

	must(sqlite3_open(path, &db) == SQLITE_OK, path, db);
	start = now_s();
	run(db, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-262144;"
		"CREATE VIRTUAL TABLE doc USING fts5(id UNINDEXED, text, keyword); BEGIN");
	must(sqlite3_prepare_v2(db, "INSERT INTO doc VALUES (?, ?, ?)", -1, &insert, NULL) == SQLITE_OK,
		"insert", db);
	for (size_t i = 0; i < count; i++) {
		sqlite3_bind_text(insert, 1, rows[i].id, -1, SQLITE_STATIC);
		sqlite3_bind_text(insert, 2, rows[i].text, -1, SQLITE_STATIC);
		sqlite3_bind_text(insert, 3, rows[i].keyword, -1, SQLITE_STATIC);
		must(sqlite3_step(insert) == SQLITE_DONE, "insert", db);
		sqlite3_reset(insert);
	}
	sqlite3_finalize(insert);
	run(db, "COMMIT");
	inserted = now_s();
	run(db, "INSERT INTO doc(doc) VALUES ('optimize')");
	must(sqlite3_close(db) == SQLITE_OK, "close", db);
	printf("%.6f %.6f %zu\n", inserted - start, now_s() - inserted, count);
	return 0;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int ids(const char *path, const char *query, const char *sql, int repeat)
{
	double *times = calloc((size_t)repeat, sizeof(*times));
	size_t cap = 64 << 20, rows = 0;
	char *out = malloc(cap);
	sqlite3_stmt *select;
	sqlite3 *db;

	must(times && out, "memory", NULL);
	must(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK, path, db);
	run(db, "PRAGMA cache_size=-262144; PRAGMA mmap_size=1073741824");
	must(sqlite3_prepare_v2(db, sql, -1, &select, NULL) == SQLITE_OK, "select", db);
	for (int r = 0; r < repeat; r++) {
		double start = now_s();
		size_t len = 0;

		rows = 0;
		sqlite3_bind_text(select, 1, query, -1, SQLITE_STATIC);
		while (sqlite3_step(select) == SQLITE_ROW && len < cap - 65536) {
			size_t n = (size_t)sqlite3_column_bytes(select, 0);

			memcpy(out + len, sqlite3_column_text(select, 0), n);
			len += n;
			out[len++] = '\n';
			rows++;
		}
		sqlite3_reset(select);
		times[r] = now_s() - start;
	}
	sqlite3_finalize(select);
	sqlite3_close(db);
	qsort(times, (size_t)repeat, sizeof(*times), by_value);
	printf("%.9f %zu\n", times[repeat / 2], rows);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "build"))
		return build(argv[2], argv[3]);
	if (argc == 5 && !strcmp(argv[1], "ids") && atoi(argv[4]) > 0)
		return ids(argv[2], argv[3], "SELECT id FROM doc WHERE doc MATCH ?", atoi(argv[4]));
	if (argc == 5 && !strcmp(argv[1], "rank") && atoi(argv[4]) > 0)
		return ids(argv[2], argv[3], "SELECT id FROM doc WHERE doc MATCH ? ORDER BY rank LIMIT 1000",
			atoi(argv[4]));
	fprintf(stderr, "usage: bench_fts5 build FEED.jsonl DB | ids|rank DB QUERY REPEAT\n");
	return 64;
}
