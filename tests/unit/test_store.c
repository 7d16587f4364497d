/* SPDX-License-Identifier: Apache-2.0 */
/* Every case that both drivers can have runs on both; what only a directory can have comes after. */
#include "store.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "scratch.h"
#include "tap.h"
#include "timefmt.h"

#define TIME_A (1777889100 * TIME_SECOND + 123456789)

/* A feed to put files into, of the kind that the run is for. */
enum kind { KIND_MEM, KIND_DIR, KIND_DIR_WALK };
static enum kind kind;

struct feed {
	struct store *store;
	struct scratch dir; /* of a directory */
	const char *root;
};

static void feed_open(struct feed *f)
{
	struct err err = ERR_INIT;
	int r;

	*f = (struct feed){0};
	if (kind == KIND_MEM) {
		r = store_mem_open(&f->store, &err);
	} else {
		f->dir = scratch_make();
		f->root = f->dir.path;
		r = store_open(&f->store, f->root, NULL, &err);
	}
	if (r < 0) {
		printf("Bail out! %s\n", err.message);
		abort();
	}
	if (kind == KIND_DIR_WALK)
		store_dir_force_walk(f->store);
}

static void feed_close(struct feed *f)
{
	store_free(f->store);
	if (kind != KIND_MEM)
		scratch_remove(&f->dir);
}

static const char *full(const struct feed *f, const char *path)
{
	static char text[8192];

	snprintf(text, sizeof(text), "%s/%s", f->root, path);
	return text;
}

static void put(struct feed *f, const char *path, const char *bytes, int64_t mtime)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {mtime / TIME_SECOND, mtime % TIME_SECOND}};
	char *whole;
	FILE *out;

	if (kind == KIND_MEM) {
		check_int(store_mem_put(f->store, path, slice_str(bytes), mtime), 0);
		return;
	}
	whole = strdup(full(f, path));
	for (char *p = whole + strlen(f->root) + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		mkdir(whole, 0777);
	}
	out = fopen(whole, "w");
	check(out != NULL);
	if (out) {
		fputs(bytes, out);
		fclose(out);
		check_int(utimensat(AT_FDCWD, whole, times, 0), 0);
	}
	free(whole);
}

static void take_away(struct feed *f, const char *path)
{
	if (kind == KIND_MEM)
		check_int(store_mem_remove(f->store, path), 0);
	else
		check_int(remove(full(f, path)), 0);
}

/* A listing as text: names with '|' behind them, '/' between for directories. */
static int list_text(void *ctx, struct slice name, const struct store_stat *st)
{
	buf_add_slice(ctx, name);
	buf_add_str(ctx, st->is_dir ? "/|" : "|");
	return 0;
}

static void check_list(struct feed *f, const char *dir, const char *want)
{
	OWNED_BUF got = {0};
	struct err err = ERR_INIT;

	check_int(store_list(f->store, dir, list_text, &got, &err), 0);
	check_str(buf_cstr(&got), want);
}

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

static void check_content(struct feed *f, const char *path, const char *want)
{
	struct err err = ERR_INIT;
	OWNED_BUF got = {0};

	check_int(store_get(f->store, path, 1000, &got, &err), 0);
	check_str(buf_cstr(&got), want);
}

static int put_text(struct feed *f, const char *path, const char *text, enum store_put how, struct err *err)
{
	struct store_body body = store_bytes(slice_str(text));

	return store_put(f->store, path, &body, how, err);
}

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

static void a_new_object_takes_no_others_place(void)
{
	struct err err = ERR_INIT;
	struct feed f;

	feed_open(&f);
	check_int(store_is_exclusive(f.store, &err), 1);
	check_int(put_text(&f, "claims/1", "mine", STORE_NEW, &err), 0);
	check_int(put_text(&f, "claims/1", "yours", STORE_NEW, &err), -EEXIST);
	check_contains(err.message, "claims/1: ");
	check_content(&f, "claims/1", "mine");
	check_list(&f, "claims", "1|");
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

static void symbolic_links_are_neither_listed_nor_followed(void)
{
	struct err err = ERR_INIT;
	struct store_file *file;
	struct store_stat st;
	OWNED_BUF got = {0};
	struct feed f;

	feed_open(&f);
	put(&f, "dir/f", "x", TIME_A);
	check_int(symlink("/etc", full(&f, "out")), 0);
	check_int(symlink("/etc/passwd", full(&f, "passwd")), 0);
	check_int(symlink("dir", full(&f, "inner")), 0);
	check_int(symlink("../../..", full(&f, "dir/up")), 0);
	check_list(&f, "", "dir/|");
	check_list(&f, "dir", "f|");
	check_int(store_open_file(f.store, "passwd", &file, &err), -ELOOP);
	check_contains(err.message, "/passwd: ");
	check_int(store_open_file(f.store, "out/passwd", &file, &err), -ELOOP);
	check_int(store_open_file(f.store, "inner/f", &file, &err), -ELOOP);
	check_int(store_open_file(f.store, "dir/up/etc/passwd", &file, &err), -ELOOP);
	check_int(store_list(f.store, "out", list_text, &got, &err), -ELOOP);
	check_int(store_list(f.store, "inner", list_text, &got, &err), -ELOOP);
	check_int(store_head(f.store, "passwd", &st, &err), -ELOOP);
	feed_close(&f);
}

static void other_kinds_of_files_are_not_listed_and_do_not_block(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	struct err err = ERR_INIT;
	struct store_file *file;
	struct store_stat st;
	struct feed f;

	feed_open(&f);
	put(&f, "f.jsonl", "x", TIME_A);
	check_int(mkfifo(full(&f, "fifo.jsonl"), 0666), 0);
	snprintf(name.sun_path, sizeof(name.sun_path), "%s/%s", f.root, "sock.jsonl");
	check_int(bind(s, (struct sockaddr *)&name, sizeof(name)), 0);
	check_list(&f, "", "f.jsonl|");
	check_int(store_open_file(f.store, "fifo.jsonl", &file, &err), -ENOTSUP);
	check_contains(err.message, "/fifo.jsonl: is neither a regular file");
	check_int(store_open_file(f.store, "sock.jsonl", &file, &err), -ENOTSUP);
	check_int(store_head(f.store, "fifo.jsonl", &st, &err), -ENOTSUP);
	close(s);
	feed_close(&f);
}

struct vanish {
	struct feed *feed;
	int left;
};

static int remove_b(void *ctx, struct slice name, const struct store_stat *st)
{
	struct vanish *v = ctx;

	v->left++;
	if (slice_eq(name, slice_str("a"))) {
		take_away(v->feed, "b/f");
		take_away(v->feed, "b");
	}
	return 0;
}

static void a_directory_that_vanishes_during_a_listing_is_enoent_after_it(void)
{
	struct vanish v;
	OWNED_BUF got = {0};
	struct feed f;

	feed_open(&f);
	put(&f, "a/f", "x", TIME_A);
	put(&f, "b/f", "x", TIME_A);
	v = (struct vanish){&f, 0};
	check_int(store_list(f.store, "", remove_b, &v, NULL), 0);
	check_int(v.left, 2);
	check_int(store_list(f.store, "b", list_text, &got, NULL), -ENOENT);
	feed_close(&f);
}

static void a_root_that_was_removed_is_an_error_and_no_empty_feed(void)
{
	struct err err = ERR_INIT;
	OWNED_BUF got = {0};
	struct feed f;

	feed_open(&f);
	check_int(rmdir(f.root), 0);
	check_int(store_list(f.store, "", list_text, &got, &err), -ENOENT);
	check_contains(err.message, f.root);
	store_free(f.store);
}

static void what_takes_the_place_of_a_removed_root_is_the_feed(void)
{
	struct feed f;

	feed_open(&f);
	check_int(rmdir(f.root), 0);
	check_int(mkdir(f.root, 0777), 0);
	put(&f, "new", "x", TIME_A);
	check_list(&f, "", "new|");
	feed_close(&f);
}

static void a_late_store_opens_its_root_when_it_is_used_and_tries_again(void)
{
	OWNED(store) struct store *late = NULL;
	struct store_file *file;
	struct store_stat st;
	struct err err = ERR_INIT;
	OWNED_BUF path = {0}, got = {0};
	struct feed f;

	feed_open(&f);
	buf_addf(&path, "%s/later", f.root);
	check_int(store_open_late(&late, buf_cstr(&path), NULL, &err), 0);
	check_int(store_head(late, "tmp", &st, &err), -ENOENT); /* which the root of the host has */
	check_contains(err.message, "cannot open the directory");
	check_int(store_open_file(late, "etc/passwd", &file, NULL), -ENOENT);
	check_int(store_list(late, "", list_text, &got, NULL), -ENOENT);
	put(&f, "later/a", "x", TIME_A);
	check_int(store_head(late, "a", &st, &err), 0);
	check_int(st.size, 1);
	feed_close(&f);
}

static void a_root_that_was_moved_is_still_held(void)
{
	struct feed f;
	char moved[160];

	feed_open(&f);
	put(&f, "f", "x", TIME_A);
	snprintf(moved, sizeof(moved), "%s.moved", f.root);
	check_int(rename(f.root, moved), 0);
	check_list(&f, "", "f|");
	check_int(rename(moved, f.root), 0);
	feed_close(&f);
}

static void what_takes_the_place_of_a_moved_root_counts_from_the_next_look(void)
{
	struct err err = ERR_INIT;
	struct feed f;
	char moved[160], old[170];

	feed_open(&f);
	put(&f, "old", "x", TIME_A);
	check_int(store_renew(f.store, &err), 0);
	check_list(&f, "", "old|");
	snprintf(moved, sizeof(moved), "%s.moved", f.root);
	check_int(rename(f.root, moved), 0);
	check_int(store_renew(f.store, &err), -ENOENT);
	check_contains(err.message, f.root);
	check_int(mkdir(f.root, 0777), 0);
	put(&f, "new", "x", TIME_A);
	check_list(&f, "", "old|");
	check_int(store_renew(f.store, &err), 0);
	check_list(&f, "", "new|");
	snprintf(old, sizeof(old), "%s/old", moved);
	check_int(unlink(old), 0);
	check_int(rmdir(moved), 0);
	feed_close(&f);
}

static bool no_links;

/* In place of the C library's: some file systems have none. */
int linkat(int from, const char *path, int to, const char *name, int flags)
{
	if (no_links) {
		errno = EPERM;
		return -1;
	}
	return (int)syscall(SYS_linkat, from, path, to, name, flags);
}

static void where_there_are_no_links_a_new_object_takes_no_others_place_either(void)
{
	no_links = true;
	a_new_object_takes_no_others_place();
	no_links = false;
}

/* Of another host it may be on its way, with the number of this process. */
static void what_another_is_writing_is_left_alone(void)
{
	OWNED_BUF want = {0};
	struct feed f;
	char name[64];

	feed_open(&f);
	for (unsigned i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), ".freshet-put-%d-%02u", (int)getpid(), i);
		put(&f, name, "half", TIME_A);
		buf_addf(&want, "%s|", name);
	}
	check_int(put_text(&f, "x", "x", STORE_REPLACE, NULL), 0);
	buf_add_str(&want, "x|");
	check_list(&f, "", buf_cstr(&want));
	feed_close(&f);
}

static void what_may_not_be_read_says_so(void)
{
	struct err err = ERR_INIT;
	struct store *other;
	struct store_file *file;
	OWNED_BUF got = {0};
	struct feed f;

	if (geteuid() == 0 && seteuid(65534) < 0)
		return;
	feed_open(&f);
	put(&f, "secret", "x", TIME_A);
	put(&f, "closed/f", "x", TIME_A);
	check_int(chmod(full(&f, "secret"), 0), 0);
	check_int(chmod(full(&f, "closed"), 0), 0);
	check_int(store_open_file(f.store, "secret", &file, &err), -EACCES);
	check_contains(err.message, "/secret: cannot open: Permission denied");
	check_int(store_list(f.store, "closed", list_text, &got, &err), -EACCES);
	check_contains(err.message, "/closed: ");
	check_int(chmod(full(&f, "closed"), 0777), 0);
	check_int(chmod(f.root, 0), 0);
	check_int(store_open(&other, f.root, NULL, &err), -EACCES);
	check_contains(err.message, f.root);
	check_int(chmod(f.root, 0777), 0);
	feed_close(&f);
	if (getuid() == 0)
		check_int(seteuid(0), 0);
}

static void a_path_that_leads_out_is_not_written(void)
{
	struct err err = ERR_INIT;
	struct feed f;

	feed_open(&f);
	check_int(put_text(&f, "../x", "x", STORE_REPLACE, &err), -EINVAL);
	check_int(put_text(&f, "", "x", STORE_REPLACE, &err), -EISDIR);
	check_int(store_remove(f.store, "a/../../x", &err), -EINVAL);
	check_int(symlink("/tmp", full(&f, "link")), 0);
	check_int(put_text(&f, "link/freshet-should-not-be-there", "x", STORE_REPLACE, &err), -ELOOP);
	feed_close(&f);
}

static void run_on_directories(void)
{
	RUN(symbolic_links_are_neither_listed_nor_followed);
	RUN(other_kinds_of_files_are_not_listed_and_do_not_block);
	RUN(a_directory_that_vanishes_during_a_listing_is_enoent_after_it);
	RUN(a_root_that_was_removed_is_an_error_and_no_empty_feed);
	RUN(what_takes_the_place_of_a_removed_root_is_the_feed);
	RUN(a_late_store_opens_its_root_when_it_is_used_and_tries_again);
	RUN(a_root_that_was_moved_is_still_held);
	RUN(what_takes_the_place_of_a_moved_root_counts_from_the_next_look);
	RUN(where_there_are_no_links_a_new_object_takes_no_others_place_either);
	RUN(what_another_is_writing_is_left_alone);
	RUN(what_may_not_be_read_says_so);
	RUN(a_path_that_leads_out_is_not_written);
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
	run_on_directories();
	kind = KIND_DIR_WALK;
	run_on_each_kind();
	run_on_directories();
	RUN(a_missing_feed_says_what_to_do);
	RUN(urls_of_other_kinds_are_refused);
	RUN(a_faulty_listing_breaks_off_with_an_error);
	RUN(a_memory_store_has_no_file_where_a_directory_is);
	return tap_done();
}
