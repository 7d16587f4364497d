/* SPDX-License-Identifier: Apache-2.0 */
/* Every case that both drivers can have runs on both; what only a directory can have is in test_store_dir.c. */
#include "feed_case.h"

static void listings_are_sorted_bytewise_and_one_level_deep(void)
{
	struct feed f;

	feed_open(&f);
	check_list(&f, "", "");
	put(&f, "b/deep/er.jsonl", "x", TIME_A);
	put(&f, "a-b/x", "x", TIME_A);
	put(&f, "a/x", "x", TIME_A);
	put(&f, "a.txt", "x", TIME_A);
	put(&f, "Z", "x", TIME_A);
	check_list(&f, "", "Z|a/|a-b/|a.txt|b/|");
	check_list(&f, "b", "deep/|");
	check_list(&f, "b/deep", "er.jsonl|");
	feed_close(&f);
}

static void names_may_hold_any_byte(void)
{
	static const char *const names[] = {
		"\x01", " lead", "%2F", "a b", "line\nbreak", "q\"uote", "\xff\xfe"};
	OWNED_BUF want = {0};
	struct feed f;

	feed_open(&f);
	for (size_t i = sizeof(names) / sizeof(names[0]); i-- > 0;)
		put(&f, names[i], names[i], TIME_A);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		buf_addf(&want, "%s|", names[i]);
	check_list(&f, "", buf_cstr(&want));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct store_file *file;
		char got[16] = "";

		check_int(store_open_file(f.store, names[i], &file, NULL), 0);
		check_int(store_read(file, 0, got, sizeof(got) - 1, NULL), (intmax_t)strlen(names[i]));
		check_str(got, names[i]);
		store_close(file);
	}
	feed_close(&f);
}

static void times_keep_their_nanoseconds(void)
{
	struct store_stat st;
	struct feed f;

	feed_open(&f);
	put(&f, "dir/file", "12345", TIME_A);
	check_int(store_head(f.store, "dir/file", &st, NULL), 0);
	check_int(st.mtime, TIME_A);
	check_int(st.size, 5);
	check(!st.is_dir);
	check(kind == KIND_MEM ? st.ctime == TIME_A : st.ctime > TIME_A);
	check_int(store_head(f.store, "dir", &st, NULL), 0);
	check(st.is_dir);
	feed_close(&f);
}

static void what_is_not_there_is_enoent_with_url_and_path(void)
{
	struct err err = ERR_INIT;
	struct store_file *file;
	struct store_stat st;
	OWNED_BUF got = {0};
	struct feed f;

	feed_open(&f);
	put(&f, "there", "x", TIME_A);
	check_int(store_list(f.store, "no/such dir", list_text, &got, &err), -ENOENT);
	check_contains(err.message, f.store->url);
	check_contains(err.message, "/no/such dir: ");
	check_contains(err.message, "No such file");
	check_int(store_head(f.store, "line\nbreak", &st, &err), -ENOENT);
	check_contains(err.message, "/line%0Abreak: ");
	check_int(store_open_file(f.store, "gone.jsonl", &file, &err), -ENOENT);
	check(file == NULL);
	check_contains(err.message, "/gone.jsonl: ");
	check_int(store_list(f.store, "there", list_text, &got, &err), -ENOTDIR);
	check_int(store_open_file(f.store, "there/below", &file, &err), -ENOTDIR);
	feed_close(&f);
}

static void a_long_path_leaves_room_for_the_reason(void)
{
	char path[STORE_PATH_MAX + 1];
	struct err err = ERR_INIT;
	struct store_stat st;
	struct feed f;

	feed_open(&f);
	for (size_t i = 0; i < sizeof(path); i++)
		path[i] = i % 100 == 99 ? '/' : 'p';
	path[STORE_PATH_MAX] = '\0';
	check_int(store_head(f.store, path, &st, &err), -ENAMETOOLONG);
	check_contains(err.message, "4096 bytes is too long");
	path[STORE_PATH_MAX - 2] = '\0';
	check_int(store_head(f.store, path, &st, &err), -ENOENT);
	check_contains(err.message, "[...]");
	check_contains(err.message, "No such file");
	feed_close(&f);
}

static void paths_that_are_none_are_refused(void)
{
	static const char *const bad[] = {"/etc", "a/", "a//b", "..", ".", "a/../b", "a/.", "./a"};
	static const char *const good[] = {"...", "a/..b", ".a", "a."};
	struct store_file *file;
	struct store_stat st;
	OWNED_BUF got = {0};
	struct feed f;

	feed_open(&f);
	put(&f, "a/b", "x", TIME_A);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		check_int(store_head(f.store, bad[i], &st, NULL), -EINVAL);
		check_int(store_list(f.store, bad[i], list_text, &got, NULL), -EINVAL);
		check_int(store_open_file(f.store, bad[i], &file, NULL), -EINVAL);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		check_int(store_head(f.store, good[i], &st, NULL), -ENOENT);
	feed_close(&f);
}

static void reads_give_ranges_and_stop_at_the_end(void)
{
	struct store_file *file;
	char got[16] = "";
	struct feed f;

	feed_open(&f);
	put(&f, "f", "0123456789", TIME_A);
	check_int(store_open_file(f.store, "f", &file, NULL), 0);
	check_int(store_read(file, 2, got, 3, NULL), 3);
	check_str(got, "234");
	check_int(store_read(file, 8, got, sizeof(got), NULL), 2);
	check_int(store_read(file, 10, got, sizeof(got), NULL), 0);
	check_int(store_read(file, UINT64_C(1) << 40, got, sizeof(got), NULL), 0);
	check_int(store_read(file, UINT64_MAX, got, sizeof(got), NULL), -EINVAL);
	store_close(file);
	feed_close(&f);
}

static void an_open_file_tells_that_it_was_rewritten_or_removed(void)
{
	struct store_stat before, after;
	struct store_file *file;
	char got[16] = "";
	struct feed f;

	feed_open(&f);
	put(&f, "f", "first", TIME_A);
	check_int(store_open_file(f.store, "f", &file, NULL), 0);
	check_int(store_stat_file(file, &before, NULL), 0);
	put(&f, "f", "second", TIME_A + 1);
	check_int(store_stat_file(file, &after, NULL), 0);
	check_int(after.size, 6);
	check_int(after.mtime, TIME_A + 1);
	take_away(&f, "f");
	check_int(store_read(file, 0, got, sizeof(got), NULL), 6);
	check_str(got, "second");
	check_int(store_head(f.store, "f", &after, NULL), -ENOENT);
	store_close(file);
	feed_close(&f);
}

static void a_directory_is_no_file(void)
{
	struct err err = ERR_INIT;
	struct store_file *file;
	struct feed f;

	feed_open(&f);
	put(&f, "dir/f", "x", TIME_A);
	check_int(store_open_file(f.store, "dir", &file, &err), -EISDIR);
	check_contains(err.message, "/dir: is a directory");
	check_int(store_open_file(f.store, "", &file, &err), -EISDIR);
	feed_close(&f);
}

static int stop_at_b(void *ctx, struct slice name, const struct store_stat *st)
{
	++*(int *)ctx;
	return slice_eq(name, slice_str("b")) ? -ENOENT : 0;
}

static void a_callback_ends_a_listing_with_its_own_value(void)
{
	struct err err = ERR_INIT;
	struct feed f;
	int seen = 0;

	feed_open(&f);
	put(&f, "a", "x", TIME_A);
	put(&f, "b", "x", TIME_A);
	put(&f, "c", "x", TIME_A);
	err_set(&err, -ENOENT, "mine");
	check_int(store_list(f.store, "", stop_at_b, &seen, &err), -ENOENT);
	check_int(seen, 2);
	check_str(err.message, "mine");
	feed_close(&f);
}

/* ---- writing ---- */

static void an_object_is_put_replaced_and_removed(void)
{
	struct err err = ERR_INIT;
	struct feed f;

	feed_open(&f);
	check_int(put_text(&f, "a/b/c", "one", STORE_REPLACE, &err), 0);
	check_content(&f, "a/b/c", "one");
	check_int(put_text(&f, "a/b/c", "two", STORE_REPLACE, &err), 0);
	check_content(&f, "a/b/c", "two");
	check_list(&f, "a/b", "c|");
	check_int(store_remove(f.store, "a/b/c", &err), 0);
	check_int(store_remove(f.store, "a/b/c", &err), 0);
	check_int(store_remove(f.store, "x/y/z", &err), 0);
	check_int(store_head(f.store, "a/b/c", &(struct store_stat){0}, &err), -ENOENT);
	feed_close(&f);
}

static void a_file_is_put_from_its_start(void)
{
	struct scratch dir = scratch_make();
	struct err err = ERR_INIT;
	struct store_body body = {.size = 3 << 20};
	OWNED_BUF bytes = {0}, got = {0};
	struct feed f;

	feed_open(&f);
	for (size_t i = 0; bytes.len < body.size; i++)
		buf_addf(&bytes, "%zu,", i);
	body.fd = open(dir.path, O_RDWR | O_TMPFILE, 0600);
	check(write(body.fd, bytes.data, bytes.len) == (ssize_t)bytes.len);
	check_int(store_put(f.store, "big", &body, STORE_NEW, &err), 0);
	check_int(store_get(f.store, "big", body.size - 1, &got, &err), -EFBIG);
	buf_clear(&got);
	check_int(store_get(f.store, "big", body.size, &got, &err), 0);
	check_int(got.len, body.size);
	check(!memcmp(got.data, bytes.data, body.size));
	close(body.fd);
	scratch_remove(&dir);
	feed_close(&f);
}

static void run_on_each_kind(void)
{
	RUN(listings_are_sorted_bytewise_and_one_level_deep);
	RUN(names_may_hold_any_byte);
	RUN(times_keep_their_nanoseconds);
	RUN(what_is_not_there_is_enoent_with_url_and_path);
	RUN(a_long_path_leaves_room_for_the_reason);
	RUN(paths_that_are_none_are_refused);
	RUN(reads_give_ranges_and_stop_at_the_end);
	RUN(an_open_file_tells_that_it_was_rewritten_or_removed);
	RUN(a_directory_is_no_file);
	RUN(a_callback_ends_a_listing_with_its_own_value);
	RUN(an_object_is_put_replaced_and_removed);
	RUN(a_new_object_takes_no_others_place);
	RUN(a_file_is_put_from_its_start);
}

static void a_missing_feed_says_what_to_do(void)
{
	struct err err = ERR_INIT;
	struct store *s;

	check_int(store_open(&s, "/nonexistent/feed", NULL, &err), -ENOENT);
	check(s == NULL);
	check_contains(err.message, "/nonexistent/feed: there is no such directory");
	check_contains(err.message, "make it");
	check_int(store_open(&s, "file:///nonexistent/feed", NULL, &err), -ENOENT);
	check_contains(err.message, "/nonexistent/feed: there is no such directory");
}

static void urls_of_other_kinds_are_refused(void)
{
	static const struct {
		const char *url;
		int code;
		const char *why;
	} cases[] = {
		{"s3://b/prefix", -EINVAL, "b is no name of a bucket"},
		{"s3://bucket/a//b", -EINVAL, "a component of the prefix is empty"},
		{"ftp://host/dir", -EINVAL, "unknown kind of url"},
		{"", -EINVAL, "empty"},
		{"/dev/null", -ENOTDIR, "is no directory"},
		{"./no://scheme", -ENOENT, "no such directory"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_INIT;
		struct store *s;

		check_int(store_open(&s, cases[i].url, NULL, &err), cases[i].code);
		check_contains(err.message, cases[i].why);
	}
}

static void a_faulty_listing_breaks_off_with_an_error(void)
{
	struct err err = ERR_INIT;
	OWNED_BUF got = {0};
	struct feed f;

	kind = KIND_MEM;
	feed_open(&f);
	put(&f, "d/a", "x", TIME_A);
	put(&f, "d/b", "x", TIME_A);
	store_mem_fail_list(f.store, "d", 1, -EIO);
	check_int(store_list(f.store, "d", list_text, &got, &err), -EIO);
	check_str(buf_cstr(&got), "a|");
	check_contains(err.message, "mem:/d: listing broke off");
	store_mem_fail_list(f.store, "d", 99, -EACCES);
	buf_clear(&got);
	check_int(store_list(f.store, "d", list_text, &got, &err), -EACCES);
	check_str(buf_cstr(&got), "a|b|");
	check_list(&f, "", "d/|");
	store_mem_fail_list(f.store, "d", 0, 0);
	check_list(&f, "d", "a|b|");
	feed_close(&f);
}

static void a_memory_store_has_no_file_where_a_directory_is(void)
{
	struct feed f;

	kind = KIND_MEM;
	feed_open(&f);
	put(&f, "a/b", "x", TIME_A);
	check_int(store_mem_put(f.store, "a", slice_str("x"), TIME_A), -EISDIR);
	check_int(store_mem_put(f.store, "a/b/c", slice_str("x"), TIME_A), -ENOTDIR);
	check_int(store_mem_put(f.store, "a/bc", slice_str("x"), TIME_A), 0);
	check_int(store_mem_remove(f.store, "a/c"), -ENOENT);
	feed_close(&f);
}

int main(void)
{
	kind = KIND_MEM;
	run_on_each_kind();
	kind = KIND_DIR;
	run_on_each_kind();
	kind = KIND_DIR_WALK;
	run_on_each_kind();
	RUN(a_missing_feed_says_what_to_do);
	RUN(urls_of_other_kinds_are_refused);
	RUN(a_faulty_listing_breaks_off_with_an_error);
	RUN(a_memory_store_has_no_file_where_a_directory_is);
	return tap_done();
}
