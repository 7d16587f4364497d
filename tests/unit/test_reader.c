/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <zstd.h>

#include "digest.h"
#include "gzip.h"
#include "reader.h"
#include "tap.h"

/* A memory store with the one file "f", and what a listing says of it. */
struct world {
	struct store *store;
	struct feed_file listed;
};

static void world_put(struct world *w, struct slice bytes, int64_t mtime)
{
	check_int(store_mem_put(w->store, "f", bytes, mtime), 0);
}

static void world_list(struct world *w)
{
	struct store_stat st;

	check_int(store_head(w->store, "f", &st, NULL), 0);
	w->listed = (struct feed_file){slice_str("f"), st.size, st.mtime, st.ctime};
}

static struct world world_of(struct slice bytes)
{
	struct world w = {0};

	check_int(store_mem_open(&w.store, NULL), 0);
	world_put(&w, bytes, 1000);
	world_list(&w);
	return w;
}

static void add_zstd(struct buf *out, struct slice in)
{
	size_t bound = ZSTD_compressBound(in.len);

	buf_reserve(out, bound);
	out->len += ZSTD_compress(out->data + out->len, bound, in.data, in.len, 3);
}

static int world_open(const struct world *w, enum feed_packing packing, struct reader **r, struct err *err)
{
	struct reader_input in = {.store = w->store,
		.path = "f",
		.format = FORMAT_JSONL,
		.packing = packing,
		.expect = &w->listed};

	return reader_open(r, &in, err);
}

/* Reads all lines as "NUMBER:TEXT|" (cut ones as "NUMBER!LENGTH|"). Returns 0 or -errno. */
static int read_world(struct world *w, enum feed_packing packing, struct buf *out, struct err *err)
{
	OWNED(reader) struct reader *r = NULL;
	struct reader_line line;
	unsigned padding = 0;
	int code = world_open(w, packing, &r, err);

	buf_clear(out);
	if (code < 0)
		return code;
	while ((code = reader_next(r, &line, err)) > 0) {
		for (size_t i = 0; i < RECORD_PADDING; i++)
			padding += (uint8_t)line.text.data[line.text.len + i];
		if (line.too_long)
			buf_addf(out, "%" PRIu64 "!%zu|", line.number, line.text.len);
		else
			buf_addf(out, "%" PRIu64 ":%.*s|", line.number, (int)line.text.len, line.text.data);
	}
	if (code == 0) {
		check_int(reader_next(r, &line, err), 0);
		check_int(reader_raw_bytes(r), w->listed.size);
	} else {
		check_int(reader_next(r, &line, NULL), code);
	}
	(void)padding; /* summed to have the bytes read */
	return code;
}

static int read_lines(enum feed_packing packing, struct slice bytes, struct buf *out, struct err *err)
{
	struct world w = world_of(bytes);
	int code = read_world(&w, packing, out, err);

	store_free(w.store);
	return code;
}

#define check_lines(text, want)                                                           \
	do {                                                                              \
		OWNED_BUF out_ = {0};                                                     \
		OWNED_BUF packed_ = {0};                                                  \
		struct slice text_ = slice_of(text, sizeof(text) - 1);                    \
		check_int(read_lines(PACKING_NONE, text_, &out_, NULL), 0);               \
		check_str(buf_cstr(&out_), want);                                         \
		add_zstd(&packed_, text_);                                                \
		check_int(read_lines(PACKING_ZSTD, buf_slice(&packed_), &out_, NULL), 0); \
		check_str(buf_cstr(&out_), want);                                         \
		buf_clear(&packed_);                                                      \
		add_gzip(&packed_, text_);                                                \
		check_int(read_lines(PACKING_GZIP, buf_slice(&packed_), &out_, NULL), 0); \
		check_str(buf_cstr(&out_), want);                                         \
	} while (0)

static void lines_end_with_newline_carriage_return_or_the_file(void)
{
	check_lines("", "");
	check_lines("a\nb\n", "1:a|2:b|");
	check_lines("a\r\nb", "1:a|2:b|");
	check_lines("a\rb\n", "1:a\rb|");
	check_lines("a\r", "1:a|");
}

static void blank_lines_are_counted_but_not_given(void)
{
	check_lines("\n\n a\n \t \r\n\r\nb\n\n", "3: a|6:b|");
	check_lines("\n", "");
	check_lines("  ", "");
}

static void a_byte_order_mark_is_dropped_at_the_start_only(void)
{
	check_lines("\xEF\xBB\xBF{}\n{}\n", "1:{}|2:{}|");
	check_lines("\xEF\xBB\xBF\n{}\n", "2:{}|");
	check_lines("{}\n\xEF\xBB\xBF{}\n", "1:{}|2:\xEF\xBB\xBF{}|");
}

static void bytes_of_nul_stay_in_the_line(void)
{
	struct world w = world_of(slice_of("a\0b\nc", 5));
	OWNED(reader) struct reader *r = NULL;
	struct reader_line line;

	check_int(world_open(&w, PACKING_NONE, &r, NULL), 0);
	check_int(reader_next(r, &line, NULL), 1);
	check_int(line.text.len, 3);
	check(!memcmp(line.text.data, "a\0b", 3));
	check_int(reader_next(r, &line, NULL), 1);
	check_int(line.text.len, 1);
	reader_free(steal(&r));
	store_free(w.store);
}

static void many_lines_of_all_lengths_come_whole(void)
{
	OWNED_BUF text = {0};
	OWNED_BUF packed = {0};
	uint8_t want[16], got[16];

	for (int i = 0; i < 3000; i++)
		buf_addf(&text, "%d:%0*d\n", i, i * 7919 % 4001, 7);
	for (int packing = PACKING_NONE; packing <= PACKING_GZIP; packing++) {
		OWNED(reader) struct reader *r = NULL;
		struct reader_line line;
		struct world w;
		uint64_t n = 0;
		size_t at = 0;

		buf_clear(&packed);
		if (packing == PACKING_NONE)
			buf_add_slice(&packed, buf_slice(&text));
		else
			(packing == PACKING_ZSTD ? add_zstd : add_gzip)(&packed, buf_slice(&text));
		w = world_of(buf_slice(&packed));
		check_int(world_open(&w, packing, &r, NULL), 0);
		while (reader_next(r, &line, NULL) == 1) {
			check_int(line.number, ++n);
			check(!memcmp(line.text.data, text.data + at, line.text.len));
			at += line.text.len + 1;
		}
		check_int(n, 3000);
		check_int(at, text.len);
		reader_hash(r, got);
		xxh128(buf_slice(&packed), want);
		check(!memcmp(got, want, 16));
		reader_free(steal(&r));
		store_free(w.store);
	}
}

/* "first", a line of `len` bytes, `end`, "last". */
static void long_line(struct buf *b, size_t len, const char *end)
{
	buf_clear(b);
	buf_add_str(b, "first\n");
	memset(buf_reserve(b, len), 'x', len);
	b->len += len;
	buf_add_str(b, end);
	buf_add_str(b, "last");
}

static void a_line_over_the_limit_is_cut_and_the_rest_skipped(void)
{
	static const size_t lens[] = {RECORD_MAX + 1, RECORD_MAX + 2, RECORD_MAX + 3, 2 * RECORD_MAX + 4,
		2 * RECORD_MAX + 5, 100 << 20};
	OWNED_BUF text = {0};
	OWNED_BUF packed = {0};
	OWNED_BUF out = {0};

	for (size_t i = 0; i < 6; i++) {
		for (int crlf = 0; crlf < 2 - (i == 5); crlf++) {
			long_line(&text, lens[i], crlf ? "\r\n" : "\n");
			check_int(read_lines(PACKING_NONE, buf_slice(&text), &out, NULL), 0);
			check_str(buf_cstr(&out), "1:first|2!8388608|3:last|");
		}
	}
	add_zstd(&packed, slice_of(text.data, text.len));
	check_int(read_lines(PACKING_ZSTD, buf_slice(&packed), &out, NULL), -EBADMSG); /* a bomb as well */
	long_line(&text, 20 << 20, "\n");
	buf_clear(&packed);
	add_zstd(&packed, buf_slice(&text));
	check_int(read_lines(PACKING_ZSTD, buf_slice(&packed), &out, NULL), 0);
	check_str(buf_cstr(&out), "1:first|2!8388608|3:last|");
}

static void a_line_at_the_limit_is_whole(void)
{
	OWNED_BUF text = {0};
	OWNED_BUF out = {0};

	for (int crlf = 0; crlf < 2; crlf++) {
		long_line(&text, RECORD_MAX, crlf ? "\r\n" : "\n");
		check_int(read_lines(PACKING_NONE, buf_slice(&text), &out, NULL), 0);
		check(!strchr(buf_cstr(&out), '!'));
		check_int(out.len, strlen("1:first|2:|3:last|") + RECORD_MAX);
	}
}

static void a_long_last_line_without_newline_ends_the_file(void)
{
	OWNED_BUF text = {0};
	OWNED_BUF out = {0};

	for (size_t len = RECORD_MAX - 1; len <= RECORD_MAX + 4; len++) {
		buf_clear(&text);
		memset(buf_reserve(&text, len), 'x', len);
		text.len = len;
		check_int(read_lines(PACKING_NONE, buf_slice(&text), &out, NULL), 0);
		check_int(strchr(buf_cstr(&out), '!') != NULL, len > RECORD_MAX);
	}
}

static void a_cut_line_with_a_byte_order_mark_is_still_cut(void)
{
	OWNED_BUF text = {0};
	OWNED_BUF out = {0};

	buf_add_str(&text, "\xEF\xBB\xBF");
	memset(buf_reserve(&text, RECORD_MAX + 100), 'x', RECORD_MAX + 100);
	text.len += RECORD_MAX + 100;
	check_int(read_lines(PACKING_NONE, buf_slice(&text), &out, NULL), 0);
	check_contains(buf_cstr(&out), "1!");
}

static void a_truncated_or_damaged_file_is_refused(void)
{
	OWNED_BUF text = {0};
	OWNED_BUF packed = {0};
	OWNED_BUF out = {0};
	struct err err = ERR_INIT;

	for (int i = 0; i < 1000; i++)
		buf_addf(&text, "line %d\n", i);
	for (int packing = PACKING_ZSTD; packing <= PACKING_GZIP; packing++) {
		buf_clear(&packed);
		(packing == PACKING_ZSTD ? add_zstd : add_gzip)(&packed, buf_slice(&text));
		for (size_t len = 0; len < packed.len; len += 37)
			check_int(read_lines(packing, slice_of(packed.data, len), &out, &err), -EBADMSG);
		check_contains(err.message, "at byte ");
		buf_add_str(&packed, "garbage");
		check_int(read_lines(packing, buf_slice(&packed), &out, &err), -EBADMSG);
		check_int(read_lines(packing, buf_slice(&text), &out, &err), -EBADMSG);
	}
}

static void a_bomb_is_refused_once_it_is_large(void)
{
	OWNED_BUF text = {0};
	OWNED_BUF packed = {0};
	OWNED_BUF out = {0};
	struct err err = ERR_INIT;

	memset(buf_reserve(&text, READER_FREE), '\n', READER_FREE);
	text.len = READER_FREE;
	add_zstd(&packed, buf_slice(&text));
	check_int(read_lines(PACKING_ZSTD, buf_slice(&packed), &out, &err), 0);
	add_zstd(&packed, slice_str("x"));
	check_int(read_lines(PACKING_ZSTD, buf_slice(&packed), &out, &err), -EBADMSG);
	check_contains(err.message, "over 1000 times");
}

static void a_file_that_is_not_as_listed_is_stale(void)
{
	struct world w = world_of(slice_str("a\n"));
	OWNED_BUF out = {0};
	struct err err = ERR_INIT;

	world_put(&w, slice_str("ab\n"), 1000);
	check_int(read_world(&w, PACKING_NONE, &out, &err), -ESTALE);
	world_list(&w);
	check_int(read_world(&w, PACKING_NONE, &out, NULL), 0);
	world_put(&w, slice_str("ab\n"), 2000);
	check_int(read_world(&w, PACKING_NONE, &out, NULL), -ESTALE);
	check_contains(err.message, "changed");
	check_int(store_mem_remove(w.store, "f"), 0);
	check_int(read_world(&w, PACKING_NONE, &out, NULL), -ENOENT);
	store_free(w.store);
}

/* Opens "a\n" in some packing, puts `later` in its place, and reads to the end. */
static int change_while_read(enum feed_packing packing, struct slice first, struct slice later, int64_t mtime)
{
	struct world w = world_of(first);
	OWNED(reader) struct reader *r = NULL;
	struct reader_line line;
	int code;

	check_int(world_open(&w, packing, &r, NULL), 0);
	world_put(&w, later, mtime);
	do
		code = reader_next(r, &line, NULL);
	while (code > 0);
	reader_free(steal(&r));
	store_free(w.store);
	return code;
}

static void a_file_that_changes_while_it_is_read_is_stale(void)
{
	OWNED_BUF packed = {0};

	add_gzip(&packed, slice_str("a\n"));
	check_int(change_while_read(PACKING_NONE, slice_str("a\n"), slice_str("b\n"), 2000), -ESTALE);
	check_int(change_while_read(PACKING_NONE, slice_str("a\n"), slice_str("a\nb\n"), 1000), -ESTALE);
	check_int(change_while_read(PACKING_NONE, slice_str("a\n"), slice_str(""), 1000), -ESTALE);
	/* Not -EBADMSG: the file is not broken, only new. */
	check_int(change_while_read(PACKING_GZIP, buf_slice(&packed), slice_str("junk"), 2000), -ESTALE);
	check_int(
		change_while_read(PACKING_GZIP, buf_slice(&packed), slice_of(packed.data, 9), 2000), -ESTALE);
}

int main(void)
{
	RUN(lines_end_with_newline_carriage_return_or_the_file);
	RUN(blank_lines_are_counted_but_not_given);
	RUN(a_byte_order_mark_is_dropped_at_the_start_only);
	RUN(bytes_of_nul_stay_in_the_line);
	RUN(many_lines_of_all_lengths_come_whole);
	RUN(a_line_over_the_limit_is_cut_and_the_rest_skipped);
	RUN(a_line_at_the_limit_is_whole);
	RUN(a_long_last_line_without_newline_ends_the_file);
	RUN(a_cut_line_with_a_byte_order_mark_is_still_cut);
	RUN(a_truncated_or_damaged_file_is_refused);
	RUN(a_bomb_is_refused_once_it_is_large);
	RUN(a_file_that_is_not_as_listed_is_stale);
	RUN(a_file_that_changes_while_it_is_read_is_stale);
	return tap_done();
}
