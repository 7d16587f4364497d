/* SPDX-License-Identifier: Apache-2.0 */
#include "row_chunks.h"
#include "scratch.h"
#include "tap.h"

#define T0 (INT64_C(1777888800) * TIME_SECOND)

static struct file_row files[2] = {
	{.path = {"a\nb.jsonl", 9}, .size = 7, .mtime = T0, .ctime = TIME_NONE, .records = 3, .rejected = 1},
	{.path = {"c%41\xff", 5}, .size = UINT64_MAX, .mtime = -5, .ctime = T0 + 1},
};
static struct row rows[2] = {
	{.ts = T0,
		.path = {"dt=1\t2", 6},
		.state = PART_PUBLISHED,
		.reason = {"", 0},
		.files = 2,
		.bytes = 10,
		.arrived = T0,
		.detected = T0 + 1,
		.published = T0 + 2,
		.generation = 9,
		.fingerprint = UINT64_MAX,
		.retry_at = TIME_NONE,
		.has_content = true,
		.read = files,
		.read_count = 2},
	{.ts = T0 + TIME_MINUTE,
		.path = {"x", 1},
		.state = PART_FAILED,
		.reason = {"a%b", 3},
		.arrived = TIME_NONE,
		.detected = TIME_NONE,
		.published = TIME_NONE,
		.retry_at = T0,
		.failures = 3,
		.attempts = 2},
};

static void what_is_written_reads_back_the_same(void)
{
	struct arena arena = {0};
	OWNED_BUF text = {0};
	OWNED_BUF again = {0};
	struct err err = ERR_INIT;
	struct row *got;
	size_t count;

	row_text_encode(rows, 2, &text);
	check_int(row_text_decode(buf_slice(&text), &arena, &got, &count, &err), 0);
	check_str(err.message, "");
	check_int(count, 2);
	check_int(got[0].read_count, 2);
	check_slice(got[0].path, "dt=1\t2");
	check_slice(got[0].read[0].path, "a\nb.jsonl");
	check_slice(got[0].read[1].path, "c%41\xff");
	check_int(got[0].read[1].mtime, -5);
	check(got[0].read[0].ctime == TIME_NONE);
	check_int(got[1].state, PART_FAILED);
	check_slice(got[1].reason, "a%b");
	check_int(got[1].failures, 3);
	row_text_encode(got, count, &again);
	check(slice_eq(buf_slice(&text), buf_slice(&again)));
	arena_release(&arena);
}

static void check_refused(const char *text, int code, const char *why)
{
	struct arena arena = {0};
	struct err err = ERR_INIT;
	struct row *got;
	size_t count;

	check_int(row_text_decode(slice_str(text), &arena, &got, &count, &err), code);
	check_contains(err.message, why);
	check(!got && !count);
	arena_release(&arena);
}

#define HEAD "freshet rows 1\n"
#define ROW(ts, path) "P\t" ts "\topen\t0\t0\t0\t0\t-\t-\t-\t0\t0\t-\t0\t0\t0\t\t" path "\n"
#define FILE_OF(path) "F\t1\t-\t-\t00000000000000000000000000000000\t0\t0\t" path "\n"

static void bytes_that_cannot_be_are_refused(void)
{
	check_refused("", -EBADMSG, "no rows");
	check_refused("freshet rows 2\n", -ENOTSUP, "newer");
	check_refused(HEAD "P", -EBADMSG, "does not end");
	check_refused(HEAD "Q\t1\n", -EBADMSG, "line 2");
	check_refused(HEAD "\n", -EBADMSG, "line 2");
	check_refused(HEAD "P\t1\n", -EBADMSG, "line 2");
	check_refused(HEAD ROW("1", "a") ROW("1", "b"), -EBADMSG, "line 3");
	check_refused(HEAD ROW("-", "a"), -EBADMSG, "line 2");
	check_refused(HEAD ROW("1", ""), -EBADMSG, "line 2");
	check_refused(HEAD ROW("1", "a%00"), -EBADMSG, "line 2");
	check_refused(HEAD ROW("1", "a%0"), -EBADMSG, "line 2");
	check_refused(HEAD ROW("1", "a%41"), -EBADMSG, "spelling");
	check_refused(HEAD ROW("01", "a"), -EBADMSG, "spelling");
	check_refused(HEAD ROW("-0", "a"), -EBADMSG, "spelling");
	check_refused(HEAD ROW("9223372036854775808", "a"), -EBADMSG, "line 2");
	check_refused(HEAD "P\t1\tnone\t0\t0\t0\t0\t-\t-\t-\t0\t0\t-\t0\t0\t0\t\ta\n", -EBADMSG, "line 2");
	check_refused(
		HEAD "P\t1\topen\t0\t0\t0\t0\t-\t-\t-\t0\t0\t-\t4294967296\t0\t0\t\ta\n", -EBADMSG, "line 2");
	check_refused(HEAD "P\t1\topen\t0\t0\t0\t0\t-\t-\t-\t0\t0\t-\t0\t0\t2\t\ta\n", -EBADMSG, "line 2");
	check_refused(HEAD FILE_OF("x"), -EBADMSG, "line 2");
	check_refused(HEAD ROW("1", "a") FILE_OF("b") FILE_OF("a"), -EBADMSG, "line 4");
	check_refused(HEAD ROW("1", "a\tmore"), -EBADMSG, "line 2");
}

static void every_byte_that_changes_is_seen(void)
{
	struct arena arena = {0};
	OWNED_BUF text = {0};
	struct row *got;
	size_t count;

	row_text_encode(rows, 2, &text);
	for (size_t i = 0; i < text.len; i++) {
		OWNED_BUF again = {0};

		text.data[i] ^= 0x10;
		if (row_text_decode(buf_slice(&text), &arena, &got, &count, NULL) == 0) {
			row_text_encode(got, count, &again);
			check(slice_eq(buf_slice(&text), buf_slice(&again)));
		}
		text.data[i] ^= 0x10;
		arena_release(&arena);
	}
}

static void rows_are_cut_at_the_same_times_whatever_comes_later(void)
{
	struct row many[3000];
	struct edition_rows *some, *all;
	OWNED_BUF text = {0};
	size_t some_count, all_count;

	for (size_t i = 0; i < 3000; i++)
		many[i] = (struct row){.ts = T0 + (int64_t)i * TIME_MINUTE, .path = {"p", 1}};
	check_int(row_chunks_cut(many, 2000, TIME_MINUTE, &some, &some_count), 0);
	check_int(row_chunks_cut(many, 3000, TIME_MINUTE, &all, &all_count), 0);
	check(all_count > some_count && some_count >= 2000 / ROW_CHUNK_SLOTS);
	for (size_t i = 0, next = 0, from, to; i < all_count; i++, next = to) {
		struct edition_part a = {0}, b = {0};
		size_t first, end;

		row_chunk_span(many, 3000, all, all_count, i, &from, &to);
		check_int(from, next);
		check(to > from && to - from <= ROW_CHUNK_SLOTS && all[i].from <= many[from].ts);
		if (i + 1 >= some_count)
			continue;
		check_int(some[i].from, all[i].from);
		row_chunk_span(many, 2000, some, some_count, i, &first, &end);
		check_int(row_chunk_text(many + from, to - from, &text, &a, NULL), 0);
		check_int(row_chunk_text(many + first, end - first, &text, &b, NULL), 0);
		check(!memcmp(a.sha256, b.sha256, SHA256_BYTES));
	}
	free(some);
	free(all);
	check_int(row_chunks_cut(NULL, 0, TIME_MINUTE, &some, &some_count), 0);
	check_int(some_count, 0);
	free(some);
}

int main(void)
{
	RUN(what_is_written_reads_back_the_same);
	RUN(bytes_that_cannot_be_are_refused);
	RUN(every_byte_that_changes_is_seen);
	RUN(rows_are_cut_at_the_same_times_whatever_comes_later);
	return tap_done();
}
