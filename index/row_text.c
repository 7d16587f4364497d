/* SPDX-License-Identifier: Apache-2.0 */
/* A line a partition, and behind it one for each file that was read of it; columns between tabs. The reader takes columns one by one and
 * then writes what it has read again: only the very same bytes are taken, so a text has one spelling. */
#include "row_text.h"

#include <inttypes.h>

#include "digest.h"
#include "err.h"
#include "name.h"
#include "timefmt.h"

#define HEAD "freshet rows 1\n"
#define HEAD_ANY "freshet rows "

static void add_time(int64_t t, struct buf *out)
{
	if (t == TIME_NONE)
		buf_add_str(out, "\t-");
	else
		buf_addf(out, "\t%" PRId64, t);
}

static void add_file(const struct file_row *f, struct buf *out)
{
	char hex[2 * FILE_HASH_BYTES + 1];

	buf_addf(out, "F\t%" PRIu64, f->size);
	add_time(f->mtime, out);
	add_time(f->ctime, out);
	buf_addf(out, "\t%s\t%" PRIu64 "\t%" PRIu64 "\t", hex_text(f->hash, FILE_HASH_BYTES, hex), f->records,
		f->rejected);
	name_print(f->path, out);
	buf_add_byte(out, '\n');
}

static void add_row(const struct row *r, struct buf *out)
{
	buf_addf(out, "P\t%" PRId64 "\t%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64, r->ts,
		partition_state_name(r->state), r->files, r->bytes, r->records, r->rejected);
	add_time(r->arrived, out);
	add_time(r->detected, out);
	add_time(r->published, out);
	buf_addf(out, "\t%" PRIu64 "\t%" PRIu64, r->generation, r->fingerprint);
	add_time(r->retry_at, out);
	buf_addf(out, "\t%" PRIu32 "\t%" PRIu32 "\t%d\t", r->failures, r->attempts, r->has_content);
	name_print(r->reason, out);
	buf_add_byte(out, '\t');
	name_print(r->path, out);
	buf_add_byte(out, '\n');
	for (size_t i = 0; i < r->read_count; i++)
		add_file(&r->read[i], out);
}

void row_text_encode(const struct row *rows, size_t count, struct buf *out)
{
	buf_add_str(out, HEAD);
	for (size_t i = 0; i < count; i++)
		add_row(&rows[i], out);
}

/* ---- reading ---- */

/* One line: columns are taken from the left. */
struct line {
	struct slice rest;
	struct arena *arena;
	bool bad;     /* a column is missing or cannot be */
	bool no_room; /* memory is out */
};

static struct slice take(struct line *l)
{
	const char *tab = l->rest.len ? memchr(l->rest.data, '\t', l->rest.len) : NULL;
	struct slice column = slice_of(l->rest.data, tab ? (size_t)(tab - l->rest.data) : l->rest.len);

	l->bad |= !l->rest.data;
	l->rest = tab ? slice_of(tab + 1, l->rest.len - column.len - 1) : slice_of(NULL, 0);
	return column;
}

static uint64_t take_number(struct line *l, uint64_t max)
{
	struct slice s = take(l);
	uint64_t n = 0;

	l->bad |= !s.len;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9' || __builtin_mul_overflow(n, 10u, &n) ||
			__builtin_add_overflow(n, (unsigned)(s.data[i] - '0'), &n))
			l->bad = true;
	}
	l->bad |= n > max;
	return n;
}

/* An instant; below 1970 nothing can be that a feed or a file system names, but a file's times. */
static int64_t take_time(struct line *l)
{
	bool none = l->rest.len && l->rest.data[0] == '-';
	int64_t t;

	if (none && (l->rest.len == 1 || l->rest.data[1] == '\t')) {
		take(l);
		return TIME_NONE;
	}
	if (none)
		l->rest = slice_of(l->rest.data + 1, l->rest.len - 1);
	t = (int64_t)take_number(l, INT64_MAX);
	return none ? -t : t;
}

static unsigned hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? (unsigned)(c - '0')
	       : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
				      : 16;
}

/* What name_print() wrote; never longer than that. */
static struct slice take_text(struct line *l)
{
	struct slice s = arena_dup(l->arena, take(l));
	char *to = (char *)(uintptr_t)s.data;
	size_t n = 0;

	l->no_room |= !s.data;
	for (size_t i = 0; s.data && i < s.len; n++) {
		if (s.data[i] != '%') {
			to[n] = s.data[i++];
			continue;
		}
		if (i + 2 >= s.len || hex_digit(s.data[i + 1]) > 15 || hex_digit(s.data[i + 2]) > 15) {
			l->bad = true;
			break;
		}
		to[n] = (char)(hex_digit(s.data[i + 1]) * 16 + hex_digit(s.data[i + 2]));
		i += 3;
	}
	return slice_of(s.data ? s.data : "", n);
}

static struct file_row take_file(struct line *l)
{
	struct file_row f = {
		.size = take_number(l, UINT64_MAX), .mtime = take_time(l), .ctime = take_time(l)};

	if (!hex_parse(take(l), f.hash, FILE_HASH_BYTES))
		l->bad = true;
	f.records = take_number(l, UINT64_MAX);
	f.rejected = take_number(l, UINT64_MAX);
	f.path = take_text(l);
	l->bad |= !f.path.len || memchr(f.path.data, 0, f.path.len);
	return f;
}

static enum partition_state take_state(struct line *l)
{
	struct slice s = arena_dup(l->arena, take(l));
	enum partition_state state = PART_OPEN;

	l->no_room |= !s.data;
	if (s.data && !partition_state_parse(s.data, &state))
		l->bad = true;
	return state;
}

static struct row take_row(struct line *l)
{
	struct row r = {.ts = take_time(l), .state = take_state(l)};

	r.files = take_number(l, UINT64_MAX);
	r.bytes = take_number(l, UINT64_MAX);
	r.records = take_number(l, UINT64_MAX);
	r.rejected = take_number(l, UINT64_MAX);
	r.arrived = take_time(l);
	r.detected = take_time(l);
	r.published = take_time(l);
	r.generation = take_number(l, UINT64_MAX);
	r.fingerprint = take_number(l, UINT64_MAX);
	r.retry_at = take_time(l);
	r.failures = (uint32_t)take_number(l, UINT32_MAX);
	r.attempts = (uint32_t)take_number(l, UINT32_MAX);
	r.has_content = take_number(l, 1) != 0;
	r.reason = take_text(l);
	r.path = take_text(l);
	l->bad |= r.ts == TIME_NONE || !r.path.len || memchr(r.path.data, 0, r.path.len);
	return r;
}

/* What is read so far: rows without their files, and all files. */
struct reading {
	struct buf rows, files; /* struct row, struct file_row */
};

/* Rows go up by ts, files of one by path. */
static void add_read(struct reading *got, struct line *l, bool is_row)
{
	struct row *rows = (struct row *)(void *)got->rows.data, row;
	struct file_row *files = (struct file_row *)(void *)got->files.data, file;
	size_t n = got->rows.len / sizeof(row), k = got->files.len / sizeof(file);

	if (is_row) {
		row = take_row(l);
		l->bad |= n && row.ts <= rows[n - 1].ts;
		buf_add(&got->rows, &row, sizeof(row));
		return;
	}
	file = take_file(l);
	l->bad |= !n || (rows[n - 1].read_count && slice_cmp(files[k - 1].path, file.path) >= 0);
	if (!l->bad)
		rows[n - 1].read_count++;
	buf_add(&got->files, &file, sizeof(file));
}

static int read_lines(struct reading *got, struct slice text, struct arena *arena, struct err *err)
{
	for (size_t number = 2; text.len; number++) {
		const char *end = memchr(text.data, '\n', text.len);
		struct line l = {.arena = arena};
		struct slice kind;

		if (!end)
			return err_set(err, -EBADMSG, "line %zu does not end", number);
		l.rest = slice_of(text.data, (size_t)(end - text.data));
		text = slice_of(end + 1, text.len - l.rest.len - 1);
		kind = take(&l);
		if (!slice_eq(kind, slice_str("P")) && !slice_eq(kind, slice_str("F")))
			return err_set(
				err, -EBADMSG, "line %zu is neither of a partition nor of a file", number);
		add_read(got, &l, kind.data[0] == 'P');
		if (l.no_room || got->rows.failed || got->files.failed)
			return err_set(err, -ENOMEM, "out of memory");
		if (l.bad || l.rest.data)
			return err_set(err, -EBADMSG, "line %zu cannot be", number);
	}
	return 0;
}

/* Into the arena, each row with its files. */
static int hand_out(
	struct reading *got, struct arena *arena, struct row **rows, size_t *count, struct err *err)
{
	struct file_row *files = arena_alloc(arena, got->files.len + 1);
	struct row *list = arena_alloc(arena, got->rows.len + 1);

	if (!files || !list)
		return err_set(err, -ENOMEM, "out of memory");
	if (got->files.len)
		memcpy(files, got->files.data, got->files.len);
	if (got->rows.len)
		memcpy(list, got->rows.data, got->rows.len);
	*count = got->rows.len / sizeof(*list);
	for (size_t i = 0; i < *count; i++) {
		list[i].read = files;
		files += list[i].read_count;
	}
	*rows = list;
	return 0;
}

int row_text_decode(
	struct slice bytes, struct arena *arena, struct row **rows, size_t *count, struct err *err)
{
	struct reading got = {0};
	OWNED_BUF again = {0};
	int r;

	*rows = NULL;
	*count = 0;
	if (bytes.len > ROW_TEXT_MAX)
		return err_set(err, -EBADMSG, "%zu bytes are too many for rows", bytes.len);
	if (!slice_starts(bytes, slice_str(HEAD)))
		return slice_starts(bytes, slice_str(HEAD_ANY))
			       ? err_set(err, -ENOTSUP, "rows that were written by a newer freshet")
			       : err_set(err, -EBADMSG, "these are no rows of partitions");
	r = read_lines(&got, slice_of(bytes.data + strlen(HEAD), bytes.len - strlen(HEAD)), arena, err);
	if (r == 0)
		r = hand_out(&got, arena, rows, count, err);
	if (r == 0)
		row_text_encode(*rows, *count, &again);
	if (r == 0 && buf_error(&again))
		r = err_set(err, -ENOMEM, "out of memory");
	if (r == 0 && !slice_eq(buf_slice(&again), bytes))
		r = err_set(err, -EBADMSG, "rows in a spelling that nobody writes");
	buf_release(&got.rows);
	buf_release(&got.files);
	if (r < 0) {
		*rows = NULL;
		*count = 0;
	}
	return r;
}
