/* SPDX-License-Identifier: Apache-2.0 */
#include <sqlite3.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catalog.h"
#include "scratch.h"
#include "tap.h"
#include "timefmt.h"

#define T0 (INT64_C(1777888800) * TIME_SECOND)

static struct state *make_state(const struct scratch *s)
{
	struct state *state = NULL;
	struct err err = ERR_INIT;

	if (state_open(&state, s->path, true, &err))
		tap_fail("%s", err.message);
	return state;
}

static struct catalog *open_catalog(const struct state *s, bool writer)
{
	struct catalog *c = NULL;
	struct err err = ERR_INIT;

	if (catalog_open(&c, s, writer, &err))
		tap_fail("%s", err.message);
	return c;
}

static struct row sample_row(int64_t ts, struct file_row *files, size_t count)
{
	return (struct row){.ts = ts,
		.path = slice_of("dt=\xff/\t", 5),
		.state = PART_PUBLISHED,
		.reason = slice_str("late"),
		.files = 2,
		.bytes = UINT64_MAX,
		.records = 7,
		.rejected = 1,
		.arrived = TIME_NONE,
		.detected = ts + 1,
		.published = ts + 2,
		.generation = 3,
		.fingerprint = UINT64_C(0x8000000000000001),
		.retry_at = TIME_NONE,
		.failures = 4,
		.attempts = 2,
		.has_content = true,
		.read = files,
		.read_count = count};
}

static struct manifest sample_manifest(uint64_t number, uint64_t parent, int64_t watermark)
{
	struct manifest m = {
		.number = number, .parent = parent, .watermark = watermark, .published = watermark};

	memset(m.parent_sha256, (int)parent, SHA256_BYTES);
	return m;
}

/* Publishes with a checksum that is the number over and over. */
static int publish_sample(struct catalog *c, uint64_t number, uint64_t parent, int64_t watermark,
	struct row *rows, size_t count)
{
	struct manifest m = sample_manifest(number, parent, watermark);
	uint8_t sum[SHA256_BYTES];
	struct err err = ERR_INIT;

	memset(sum, (int)number, sizeof(sum));
	return catalog_publish(c, &m, sum, rows, count, &err);
}

static void a_new_catalog_has_a_uuid_that_stays(void)
{
	SCRATCH dir = scratch_make();
	OWNED(state) struct state *s = make_state(&dir);
	struct catalog *c = open_catalog(s, true);
	char uuid[UUID_TEXT];

	snprintf(uuid, sizeof(uuid), "%s", catalog_index(c));
	check_int(strlen(uuid), 36);
	check(uuid[14] == '4');
	catalog_free(c);
	c = open_catalog(s, true);
	check_str(catalog_index(c), uuid);
	catalog_free(c);
	c = open_catalog(s, false);
	check_str(catalog_index(c), uuid);
	catalog_free(c);
}

static void a_reader_needs_a_catalog(void)
{
	SCRATCH dir = scratch_make();
	OWNED(state) struct state *s = make_state(&dir);
	struct catalog *c;
	struct err err = ERR_INIT;

	check_int(catalog_open(&c, s, false, &err), -ENOENT);
	check(!c);
	scratch_put(dir.path, "catalog.db", "", 0);
	check_int(catalog_open(&c, s, false, &err), -ENOENT);
	check_contains(err.message, "catalog.db");
}

/* Found by kills of whole builds: a journal was left that readers could not play back. */
static void a_catalog_whose_making_was_killed_is_made_anew(void)
{
	uint64_t seed = seed_take(1795440782);

	for (int i = 0; i < 60; i++) {
		SCRATCH dir = scratch_make();
		OWNED(state) struct state *s = make_state(&dir);
		struct itimerval timer = {.it_value.tv_usec = 1 + (long)seed_below(&seed, 20000)};
		struct catalog *c = NULL;
		struct err err = ERR_INIT;
		pid_t child = fork();
		int status, r;

		if (!child) {
			setitimer(ITIMER_REAL, &timer, NULL); /* SIGALRM ends the process */
			_exit(catalog_open(&c, s, true, NULL) ? 1 : 0);
		}
		waitpid(child, &status, 0);
		r = catalog_open(&c, s, false, &err);
		if (r && r != -ENOENT)
			tap_fail("%s", err.message);
		catalog_free(c);
		catalog_free(open_catalog(s, true));
		catalog_free(open_catalog(s, false));
	}
}

static void small_texts_are_kept_by_name(void)
{
	SCRATCH dir = scratch_make();
	OWNED(state) struct state *s = make_state(&dir);
	OWNED(catalog) struct catalog *c = open_catalog(s, true);
	OWNED_BUF text = {0};
	struct err err = ERR_INIT;

	check_int(catalog_get(c, "config", &text, &err), 0);
	check_int(catalog_set(c, "config", slice_of("a\0b", 3), &err), 0);
	check_int(catalog_get(c, "config", &text, &err), 1);
	check_int(text.len, 3);
	check_int(catalog_set(c, "config", slice_of(NULL, 0), &err), 0);
	buf_clear(&text);
	check_int(catalog_get(c, "config", &text, &err), 1);
	check_int(text.len, 0);
}

static void check_row(const struct row *got, const struct row *want)
{
	check_int(got->ts, want->ts);
	check(slice_eq(got->path, want->path));
	check(slice_eq(got->reason, want->reason));
	check_int(got->state, want->state);
	check(got->files == want->files && got->bytes == want->bytes && got->records == want->records);
	check_int(got->rejected, want->rejected);
	check(got->arrived == want->arrived && got->detected == want->detected);
	check(got->published == want->published && got->generation == want->generation);
	check(got->fingerprint == want->fingerprint && got->retry_at == want->retry_at);
	check_int(got->failures, want->failures);
	check_int(got->attempts, want->attempts);
	check_int(got->has_content, want->has_content);
	check_int(got->read_count, want->read_count);
	for (size_t i = 0; i < want->read_count && i < got->read_count; i++) {
		check(slice_eq(got->read[i].path, want->read[i].path));
		check(got->read[i].size == want->read[i].size && got->read[i].mtime == want->read[i].mtime);
		check(got->read[i].ctime == want->read[i].ctime &&
			got->read[i].records == want->read[i].records);
		check(!memcmp(got->read[i].hash, want->read[i].hash, FILE_HASH_BYTES));
		check_int(got->read[i].rejected, want->read[i].rejected);
	}
}

static void rows_come_back_as_they_were_noted(void)
{
	SCRATCH dir = scratch_make();
	OWNED(state) struct state *s = make_state(&dir);
	OWNED(catalog) struct catalog *c = open_catalog(s, true);
	struct file_row files[2] = {
		{.path = slice_of("a\xfe.jsonl", 8), .size = 9, .mtime = -5, .ctime = 6, .records = 7},
		{.path = slice_str("b.jsonl"), .size = UINT64_MAX, .hash = {1, 2, 3}, .rejected = 8}};
	struct row rows[2] = {sample_row(T0, files, 2), sample_row(T0 + TIME_MINUTE, NULL, 0)}, *got;
	struct arena arena = {0};
	struct err err = ERR_INIT;
	size_t count;

	rows[1].path = slice_str("other");
	rows[1].reason = slice_of(NULL, 0);
	rows[1].retry_at = TIME_FOREVER;
	check_int(catalog_note(c, rows, 2, &err), 0);
	check_int(catalog_rows(c, TIME_NONE, true, &arena, &got, &count, &err), 0);
	check_int(count, 2);
	check_row(&got[0], &rows[0]);
	check_row(&got[1], &rows[1]);
	rows[0].state = PART_EXPIRED;
	rows[1].state = PART_SKIPPED;
	check_int(catalog_note(c, rows, 2, &err), 0);
	check_int(catalog_rows(c, T0, true, &arena, &got, &count, &err), 0);
	check_int(count, 1);
	check_row(&got[0], &rows[1]);
	check_int(catalog_rows(c, T0 + TIME_MINUTE, true, &arena, &got, &count, &err), 0);
	check_int(count, 0);
	rows[0].state = PART_FAILED;
	rows[0].read_count = 1;
	check_int(catalog_note(c, rows, 1, &err), 0);
	check_int(catalog_rows(c, TIME_NONE, true, &arena, &got, &count, &err), 0);
	check_int(count, 2);
	check_row(&got[0], &rows[0]);
	check_int(catalog_rows(c, TIME_NONE, false, &arena, &got, &count, &err), 0);
	check_int(got[0].read_count, 0);
	arena_release(&arena);
}

static void the_log_of_a_removed_catalog_is_not_played_into_a_new_one(void)
{
	SCRATCH dir = scratch_make();
	OWNED(state) struct state *s = make_state(&dir);
	OWNED_STR char *db = state_path(s, "catalog.db");
	OWNED_STR char *wal = state_path(s, "catalog.db-wal");
	OWNED_BUF log = {0};
	OWNED_BUF key = {0};
	struct catalog *c = open_catalog(s, true);
	struct err err = ERR_INIT;
	char index[UUID_TEXT];

	snprintf(index, sizeof(index), "%s", catalog_index(c));
	check_int(catalog_set(c, "url", slice_str("of the removed one"), &err), 0);
	check_int(read_file(wal, 1 << 20, &log, &err), 0);
	catalog_free(c);
	check_int(unlink(db), 0);
	check_int(write_file(wal, buf_slice(&log), &err), 0);
	c = open_catalog(s, true);
	check(c && strcmp(catalog_index(c), index) != 0);
	check_int(catalog_get(c, "url", &key, &err), 0);
	check_int(catalog_set(c, "url", slice_str("mine"), &err), 0);
	catalog_free(c);
}

static void rows_before_the_start_come_too_until_they_are_settled(void)
{
	static const enum partition_state states[] = {PART_PUBLISHED, PART_EXPIRED, PART_FAILED, PART_SKIPPED,
		PART_OPEN, PART_COMPLETE, PART_EXPIRED, PART_PUBLISHED};
	static const int64_t want[] = {0, 2, 4, 5, 6, 7}; /* minutes */
	SCRATCH dir = scratch_make();
	OWNED(state) struct state *s = make_state(&dir);
	OWNED(catalog) struct catalog *c = open_catalog(s, true);
	struct row rows[8], *got;
	struct arena arena = {0};
	struct err err = ERR_INIT;
	size_t count;

	for (int i = 0; i < 8; i++) {
		rows[i] = sample_row(T0 + i * TIME_MINUTE, NULL, 0);
		rows[i].state = states[i];
	}
	check_int(catalog_note(c, rows, 8, &err), 0);
	check_int(catalog_rows(c, T0 + 5 * TIME_MINUTE, true, &arena, &got, &count, &err), 0);
	check_int(count, 6);
	for (size_t i = 0; i < count && i < 6; i++)
		check_int(got[i].ts, T0 + want[i] * TIME_MINUTE);
	arena_release(&arena);
}

static void a_note_that_fails_changes_nothing(void)
{
	SCRATCH dir = scratch_make();
	OWNED(state) struct state *s = make_state(&dir);
	OWNED(catalog) struct catalog *c = open_catalog(s, true);
	struct file_row twice[2] = {{.path = slice_str("a")}, {.path = slice_str("a")}};
	struct row rows[2] = {sample_row(T0, NULL, 0), sample_row(T0 + 1, twice, 2)}, *got;
	struct arena arena = {0};
	struct err err = ERR_INIT;
	size_t count;

	check(catalog_note(c, rows, 2, &err) < 0);
	check_int(catalog_rows(c, TIME_NONE, true, &arena, &got, &count, &err), 0);
	check_int(count, 0);
	check_int(catalog_note(c, rows, 1, &err), 0);
	arena_release(&arena);
}

static void numbers_are_never_handed_out_twice(void)
{
	SCRATCH dir = scratch_make();
	OWNED(state) struct state *s = make_state(&dir);
	struct catalog *c = open_catalog(s, true);
	struct err err = ERR_INIT;
	uint64_t n;

	check_int(catalog_take_number(c, &n, &err), 0);
	check_int(n, 1);
	catalog_free(c);
	c = open_catalog(s, true);
	check_int(catalog_take_number(c, &n, &err), 0);
	check_int(n, 2);
	catalog_free(c);
}

static void a_publish_moves_rows_watermark_and_generation_together(void)
{
	SCRATCH dir = scratch_make();
	OWNED(state) struct state *s = make_state(&dir);
	OWNED(catalog) struct catalog *c = open_catalog(s, true);
	struct catalog_generation *g;
	struct catalog_current now;
	struct row row = sample_row(T0, NULL, 0), *got;
	struct arena arena = {0};
	struct err err = ERR_INIT;
	uint64_t n;
	size_t count;

	check_int(catalog_current(c, &now, &err), 0);
	check(now.number == 0 && now.watermark == TIME_NONE);
	catalog_take_number(c, &n, &err);
	catalog_take_number(c, &n, &err);
	check_int(publish_sample(c, 1, 0, T0, &row, 1), 0);
	check_int(catalog_current(c, &now, &err), 0);
	check(now.number == 1 && now.watermark == T0 && now.published == T0 && now.sha256[31] == 1);
	check_int(publish_sample(c, 2, 1, T0, NULL, 0), 0);
	check_int(catalog_generations(c, &arena, &g, &count, &err), 0);
	check_int(count, 2);
	check(g[0].number == 2 && g[1].number == 1 && g[1].watermark == T0);
	check_int(catalog_rows(c, TIME_NONE, false, &arena, &got, &count, &err), 0);
	check_int(count, 1);
	arena_release(&arena);
}

static void a_publish_on_another_parent_or_backwards_is_refused_whole(void)
{
	SCRATCH dir = scratch_make();
	OWNED(state) struct state *s = make_state(&dir);
	OWNED(catalog) struct catalog *c = open_catalog(s, true);
	struct row row = sample_row(T0, NULL, 0), *got;
	struct manifest m = sample_manifest(3, 1, T0);
	struct arena arena = {0};
	struct catalog_current now;
	struct err err = ERR_INIT;
	uint64_t n;
	size_t count;

	for (int i = 0; i < 3; i++)
		catalog_take_number(c, &n, &err);
	check_int(publish_sample(c, 4, 0, T0, &row, 1), -ESTALE);
	check_int(publish_sample(c, 1, 0, TIME_NONE, &row, 1), -ESTALE);
	check_int(publish_sample(c, 2, 1, T0, &row, 1), -ESTALE);
	check_int(publish_sample(c, 1, 0, T0, NULL, 0), 0);
	check_int(publish_sample(c, 1, 1, T0, &row, 1), -ESTALE);
	check_int(publish_sample(c, 2, 0, T0, &row, 1), -ESTALE);
	check_int(publish_sample(c, 2, 1, T0 - 1, &row, 1), -ESTALE);
	m.parent_sha256[0]++;
	check_int(catalog_publish(c, &m, m.parent_sha256, &row, 1, &err), -ESTALE);
	check_int(catalog_current(c, &now, &err), 0);
	check_int(now.number, 1);
	check_int(catalog_rows(c, TIME_NONE, false, &arena, &got, &count, &err), 0);
	check_int(count, 0);
	arena_release(&arena);
}

static void the_current_generation_cannot_be_dropped(void)
{
	SCRATCH dir = scratch_make();
	OWNED(state) struct state *s = make_state(&dir);
	OWNED(catalog) struct catalog *c = open_catalog(s, true);
	uint64_t n, both[2] = {1, 2};
	struct catalog_generation *g;
	struct arena arena = {0};
	struct err err = ERR_INIT;
	size_t count;

	for (int i = 0; i < 2; i++)
		catalog_take_number(c, &n, &err);
	check_int(publish_sample(c, 1, 0, T0, NULL, 0), 0);
	check_int(publish_sample(c, 2, 1, T0, NULL, 0), 0);
	check_int(catalog_drop_generations(c, both, 2, &err), 0);
	check_int(catalog_generations(c, &arena, &g, &count, &err), 0);
	check_int(count, 1);
	check_int(g[0].number, 2);
	arena_release(&arena);
}

static void a_reader_sees_commits_of_another_process(void)
{
	SCRATCH dir = scratch_make();
	OWNED(state) struct state *s = make_state(&dir);
	struct catalog *c;
	struct err err = ERR_INIT;
	uint64_t before, after;
	struct catalog_current now;
	int status;
	pid_t child;

	catalog_free(open_catalog(s, true)); /* the last writer removes the -wal and -shm files */
	c = open_catalog(s, false);
	check_int(catalog_version(c, &before, &err), 0);
	check_int(catalog_version(c, &after, &err), 0);
	check(before == after);
	child = fork();
	if (child == 0) {
		struct catalog *w = NULL;
		uint64_t n;

		_exit(catalog_open(&w, s, true, NULL) || catalog_take_number(w, &n, NULL) ||
			publish_sample(w, n, 0, T0, NULL, 0));
	}
	check(waitpid(child, &status, 0) == child && status == 0);
	check_int(catalog_version(c, &after, &err), 0);
	check(before != after);
	check_int(catalog_current(c, &now, &err), 0);
	check_int(now.number, 1);
	check(catalog_set(c, "x", slice_str("y"), &err) < 0);
	catalog_free(c);
}

static void run_sql(const char *dir, const char *sql)
{
	char path[256];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/catalog.db", dir);
	if (sqlite3_open(path, &db) || sqlite3_exec(db, sql, NULL, NULL, NULL))
		tap_fail("%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

static void foreign_and_newer_databases_are_refused_untouched(void)
{
	SCRATCH dir = scratch_make();
	OWNED(state) struct state *s = make_state(&dir);
	struct catalog *c;
	struct err err = ERR_INIT;

	run_sql(dir.path, "CREATE TABLE bookmarks (url TEXT)");
	check_int(catalog_open(&c, s, true, &err), -ENOTSUP);
	check_contains(err.message, "another program");
	check_int(catalog_open(&c, s, false, &err), -ENOTSUP);
	check(!scratch_has(dir.path, "catalog.db-wal"));
	unlinkat(s->dirfd, "catalog.db", 0);
	catalog_free(open_catalog(s, true));
	run_sql(dir.path, "PRAGMA user_version = 1");
	check_int(catalog_open(&c, s, true, &err), -ENOTSUP);
	check_contains(err.message, "build anew");
	run_sql(dir.path, "PRAGMA user_version = 3");
	check_int(catalog_open(&c, s, true, &err), -ENOTSUP);
	check_contains(err.message, "newer freshet");
}

static void damaged_files_give_one_clear_error(void)
{
	SCRATCH dir = scratch_make();
	OWNED(state) struct state *s = make_state(&dir);
	struct catalog *c;
	struct err err = ERR_INIT;
	char path[256];
	int fd;

	scratch_put(dir.path, "catalog.db", "this is no database at all, however long one looks at it", 56);
	check_int(catalog_open(&c, s, true, &err), -EBADMSG);
	check_contains(err.message, "damaged");
	snprintf(path, sizeof(path), "%s/catalog.db", dir.path);
	unlink(path);
	catalog_free(open_catalog(s, true));
	run_sql(dir.path, "DROP TABLE meta");
	check_int(catalog_open(&c, s, true, &err), -EBADMSG);
	unlink(path);
	catalog_free(open_catalog(s, true));
	fd = open(path, O_WRONLY);
	check(pwrite(fd, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16, 100) == 16);
	close(fd);
	check_int(catalog_open(&c, s, false, &err), -EBADMSG);
	check(!c);
}

int main(void)
{
	RUN(a_new_catalog_has_a_uuid_that_stays);
	RUN(a_reader_needs_a_catalog);
	RUN(a_catalog_whose_making_was_killed_is_made_anew);
	RUN(small_texts_are_kept_by_name);
	RUN(rows_come_back_as_they_were_noted);
	RUN(the_log_of_a_removed_catalog_is_not_played_into_a_new_one);
	RUN(rows_before_the_start_come_too_until_they_are_settled);
	RUN(a_note_that_fails_changes_nothing);
	RUN(numbers_are_never_handed_out_twice);
	RUN(a_publish_moves_rows_watermark_and_generation_together);
	RUN(a_publish_on_another_parent_or_backwards_is_refused_whole);
	RUN(the_current_generation_cannot_be_dropped);
	RUN(a_reader_sees_commits_of_another_process);
	RUN(foreign_and_newer_databases_are_refused_untouched);
	RUN(damaged_files_give_one_clear_error);
	return tap_done();
}
