/* SPDX-License-Identifier: Apache-2.0 */
/* The reader's side of Parquet, with scripts in the place of the helper: whatever that does, good or bad, is one of these. What the true
 * one does is in tests/mount/test_parquet.py. */
#include "parquet.h"

#include <dirent.h>
#include <errno.h>
#include <sys/wait.h>

#include "digest.h"
#include "reader.h"
#include "scratch.h"
#include "tap.h"

static struct scratch place;

/* From now on the helper does this. */
static void helper_does(const char *script)
{
	char path[256];
	OWNED_BUF text = {0};

	buf_addf(&text, "#!/bin/sh\n%s\n", script);
	snprintf(path, sizeof(path), "%s/helper", place.path);
	unlink(path);
	scratch_put(place.path, "helper", text.data, text.len);
	check_int(chmod(path, 0755), 0);
	setenv("FRESHET_PARQUET", path, 1);
}

/* A file in a memory store that is read as Parquet. */
struct world {
	struct store *store;
	struct feed_file listed;
	struct config *cfg;
	atomic_int stop;
	struct reader *reader;
};

static void world_begin(struct world *w, struct slice bytes)
{
	struct reader_input in = {
		.path = "f", .format = FORMAT_PARQUET, .spool = place.path, .stop = &w->stop};
	struct store_stat st;

	*w = (struct world){0};
	check_int(store_mem_open(&w->store, NULL), 0);
	check_int(store_mem_put(w->store, "f", bytes, 1000), 0);
	check_int(store_head(w->store, "f", &st, NULL), 0);
	check_int(config_new(&w->cfg, NULL), 0);
	w->listed = (struct feed_file){slice_str("f"), st.size, st.mtime, st.ctime};
	in.store = w->store;
	in.expect = &w->listed;
	in.cfg = w->cfg;
	check_int(reader_open(&w->reader, &in, NULL), 0);
}

static int open_descriptors(void)
{
	return scratch_count("/proc/self", "fd");
}

/* No process is left, and nothing in the directory but the helper. */
static void world_end(struct world *w)
{
	reader_free(w->reader);
	store_free(w->store);
	config_free(w->cfg);
	check_int(waitpid(-1, NULL, WNOHANG), -1);
	check_int(errno, ECHILD);
	check_int(scratch_count(place.path, "."), 1);
}

/* Reads all lines as "NUMBER:TEXT|". */
static int read_all(struct world *w, struct buf *out, struct err *err)
{
	struct reader_line line;
	int code;

	while ((code = reader_next(w->reader, &line, err)) > 0)
		buf_addf(out, "%" PRIu64 ":%.*s|", line.number, (int)line.text.len, line.text.data);
	check_int(reader_next(w->reader, &line, NULL), code);
	return code;
}

static int read_as(const char *script, const char *bytes, struct buf *out, struct err *err)
{
	int before = open_descriptors(), code;
	struct world w;

	helper_does(script);
	world_begin(&w, slice_str(bytes));
	code = read_all(&w, out, err);
	world_end(&w);
	check_int(open_descriptors(), before);
	return code;
}

#define check_read(script, code, want)                                      \
	do {                                                                \
		OWNED_BUF rows_ = {0};                                      \
		struct err err_ = ERR_INIT;                                 \
		check_int(read_as(script, "bytes\n", &rows_, &err_), code); \
		if (code)                                                   \
			check_contains(err_.message, want);                 \
		else                                                        \
			check_str(buf_cstr(&rows_), want);                  \
	} while (0)

static void each_line_of_the_helper_is_a_row(void)
{
	check_read("exec cat", 0, "1:bytes|");
	check_read("cat >/dev/null; printf '{}\\n{\"a\":1}\\n'", 0, "1:{}|2:{\"a\":1}|");
	check_read("exit 0", 0, "");
	check_read("printf '{}'", 0, "1:{}|");
}

static void the_hash_is_of_the_files_own_bytes(void)
{
	uint8_t want[FILE_HASH_BYTES], got[FILE_HASH_BYTES];
	OWNED_BUF bytes = {0}, out = {0};
	struct world w;

	memset(buf_reserve(&bytes, 3000000), 'x', 3000000);
	bytes.len = 3000000;
	xxh128(buf_slice(&bytes), want);
	helper_does("wc -c");
	world_begin(&w, buf_slice(&bytes));
	check_int(read_all(&w, &out, NULL), 0);
	check_str(buf_cstr(&out), "1:3000000|");
	check_int(reader_raw_bytes(w.reader), 3000000);
	reader_hash(w.reader, got);
	check(!memcmp(got, want, sizeof(got)));
	world_end(&w);
}

static void a_damaged_file_is_told_in_the_helpers_words(void)
{
	check_read("echo 'row group 3: no zstd frame' >&2; exit 65", -EBADMSG, "row group 3: no zstd frame");
	check_read("echo '{}'; echo 'row group 3' >&2; exit 65", -EBADMSG, "row group 3");
	check_read("exit 65", -EBADMSG, "without a word");
}

static void the_helper_gets_no_credentials(void)
{
	OWNED_BUF out = {0};
	struct err err = ERR_INIT;
	struct world w;

	setenv("AWS_SECRET_ACCESS_KEY", "S-SECRET", 1);
	helper_does("cat >/dev/null; env | sed 's/.*/\"&\"/'");
	world_begin(&w, slice_str("bytes"));
	check_int(read_all(&w, &out, &err), 0);
	check_contains(buf_cstr(&out), "PATH=");
	check(!strstr(buf_cstr(&out), "S-SECRET") && !strstr(buf_cstr(&out), "AWS_"));
	world_end(&w);
	unsetenv("AWS_SECRET_ACCESS_KEY");
}

static void a_helper_that_cannot_run_is_not_the_files_doing(void)
{
	check_read("echo 'what it is' >&2; exit 1", -EIO, "(exit 1): what it is");
	check_read(
		"echo 'error while loading shared libraries' >&2; exit 127", -EIO, "(exit 127): error while");
	check_read("exit 64", -EIO, "(exit 64): without a word");
}

static void a_helper_that_dies_is_the_files_doing_unless_somebody_killed_it(void)
{
	check_read("kill -SEGV $$", -EBADMSG, "crashed over it (signal 11)");
	check_read("echo 'terminate called' >&2; kill -ABRT $$", -EBADMSG, "(signal 6): terminate called");
	check_read("kill -KILL $$", -EIO, "was killed (signal 9)");
	check_read("kill -TERM $$", -EIO, "was killed (signal 15)");
	check_read("echo 'no memory' >&2; exit 71", -EIO, "no memory");
	check_read("echo 'no Parquet in it' >&2; exit 69", -ENOTSUP, "no Parquet in it");
}

static void without_a_helper_it_says_what_to_do(void)
{
	OWNED_BUF out = {0};
	struct err err = ERR_INIT;
	struct world w;

	helper_does("exit 0");
	setenv("FRESHET_PARQUET", "/nonexistent/helper", 1);
	world_begin(&w, slice_str("bytes"));
	check_int(read_all(&w, &out, &err), -ENOTSUP);
	check_contains(err.message, "there is no /nonexistent/helper; build freshet with DuckDB");
	world_end(&w);
	helper_does("exit 0");
	world_begin(&w, slice_str("bytes"));
	setenv("FRESHET_PARQUET", "/", 1);
	check_int(read_all(&w, &out, &err), -ENOTSUP);
	check_contains(err.message, "/ cannot be run: Permission denied");
	world_end(&w);
}

static void a_flood_of_words_stops_nothing(void)
{
	check_read("head -c 3000000 /dev/zero | tr '\\0' w >&2; echo '{}'", 0, "1:{}|");
	check_read("head -c 3000000 /dev/zero | tr '\\0' w >&2; exit 65", -EBADMSG, "wwwwwwwwwwwwwwwwwww");
}

static void a_few_bytes_that_give_rows_without_end_are_refused(void)
{
	struct err err = ERR_INIT;
	struct world w;
	struct reader_line line;
	int code;

	helper_does(
		"exec yes '{\"a\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}'");
	world_begin(&w, slice_str("bytes"));
	while ((code = reader_next(w.reader, &line, &err)) > 0)
		;
	check_int(code, -EBADMSG);
	check_contains(err.message, "over 5000 times as many");
	world_end(&w);
}

static void a_reader_that_is_let_go_early_takes_the_helper_with_it(void)
{
	struct reader_line line;
	struct world w;

	helper_does("echo '{}'; exec yes '{}'");
	world_begin(&w, slice_str("bytes"));
	check_int(reader_next(w.reader, &line, NULL), 1);
	world_end(&w);
	helper_does("echo '{}'; exec tail -f /dev/null");
	world_begin(&w, slice_str("bytes"));
	check_int(reader_next(w.reader, &line, NULL), 1);
	world_end(&w);
}

static void a_stop_is_heard_while_the_helper_is_silent(void)
{
	struct reader_line line;
	struct err err = ERR_INIT;
	struct world w;

	helper_does("echo '{}'; exec tail -f /dev/null");
	world_begin(&w, slice_str("bytes"));
	check_int(reader_next(w.reader, &line, NULL), 1);
	w.stop = 1;
	check_int(reader_next(w.reader, &line, &err), -EINTR);
	check_contains(err.message, "stopped");
	world_end(&w);
	/* Nor does it matter that it has closed its pipes. */
	helper_does("echo '{}'; exec tail -f /dev/null >/dev/null 2>&1");
	world_begin(&w, slice_str("bytes"));
	check_int(reader_next(w.reader, &line, NULL), 1);
	w.stop = 1;
	check_int(reader_next(w.reader, &line, NULL), -EINTR);
	world_end(&w);
}

static void a_file_that_changes_never_gets_to_the_helper(void)
{
	OWNED_BUF out = {0};
	struct world w;

	helper_does("echo '{}'");
	world_begin(&w, slice_str("bytes"));
	check_int(store_mem_put(w.store, "f", slice_str("other"), 2000), 0);
	check_int(read_all(&w, &out, NULL), -ESTALE);
	check_int(out.len, 0);
	world_end(&w);
}

static void the_helper_gets_its_limit_and_the_columns(void)
{
	OWNED_BUF out = {0};
	struct world w;

	check_read("echo \"$@\"", 0, "1:1073741824|");
	helper_does("for a; do echo \"[$a]\"; done");
	world_begin(&w, slice_str("bytes"));
	check_int(config_set(w.cfg, "document.text=- a", NULL), 0);
	check_int(config_set(w.cfg, "build.memory=64MiB", NULL), 0);
	check_int(config_set(w.cfg, "feed.columns=configured", NULL), 0);
	check_int(read_all(&w, &out, NULL), 0);
	check_str(buf_cstr(&out), "1:[67108864]|2:[--]|3:[- a]|4:[id]|5:[op]|");
	world_end(&w);
}

static void it_tells_its_version(void)
{
	OWNED_BUF out = {0}, none = {0};
	struct err err = ERR_INIT;

	helper_does("test \"$*\" = --version && echo 'freshet-parquet 1, DuckDB v2'");
	check_int(parquet_version(&out, NULL), 0);
	check_str(buf_cstr(&out), "freshet-parquet 1, DuckDB v2");
	helper_does("echo 'no libduckdb.so' >&2; exit 127");
	check_int(parquet_version(&none, &err), -ENOTSUP);
	check_contains(err.message, "freshet-parquet does not run: ");
	check_contains(err.message, "no libduckdb.so");
}

int main(void)
{
	place = scratch_make();
	RUN(each_line_of_the_helper_is_a_row);
	RUN(the_hash_is_of_the_files_own_bytes);
	RUN(a_damaged_file_is_told_in_the_helpers_words);
	RUN(the_helper_gets_no_credentials);
	RUN(a_helper_that_cannot_run_is_not_the_files_doing);
	RUN(a_helper_that_dies_is_the_files_doing_unless_somebody_killed_it);
	RUN(without_a_helper_it_says_what_to_do);
	RUN(a_flood_of_words_stops_nothing);
	RUN(a_few_bytes_that_give_rows_without_end_are_refused);
	RUN(a_reader_that_is_let_go_early_takes_the_helper_with_it);
	RUN(a_stop_is_heard_while_the_helper_is_silent);
	RUN(a_file_that_changes_never_gets_to_the_helper);
	RUN(the_helper_gets_its_limit_and_the_columns);
	RUN(it_tells_its_version);
	scratch_remove(&place);
	return tap_done();
}
