/* SPDX-License-Identifier: Apache-2.0 */
/* What only a directory can have, with openat2() and without. */
#include "feed_case.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

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

static void run_all(void)
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

int main(void)
{
	kind = KIND_DIR;
	run_all();
	kind = KIND_DIR_WALK;
	run_all();
	return tap_done();
}
