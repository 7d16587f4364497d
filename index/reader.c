/* SPDX-License-Identifier: Apache-2.0 */
/* index/reader.c - one buffer holds what was unpacked and is not handed out yet; a line is found in it with
 * memchr and never copied. It grows only for a line that does not fit, up to LINE_ROOM. */
#include "reader.h"

#include <inttypes.h>
#include <unistd.h>

#include "compress.h"
#include "digest.h"
#include "parquet.h"
#include "spool.h"

#define BUFFER_START ((size_t)256 << 10)
#define LINE_ROOM ((size_t)RECORD_MAX + 2) /* the longest line with its \r\n */
#define RAW_CHUNK ((size_t)256 << 10)

struct reader {
	struct reader_input in;
	struct store_file *file; /* owned */
	struct unpack *unpack;   /* owned; NULL: plain */
	struct parquet *rows;    /* owned; NULL: no Parquet, or not begun yet */
	struct xxh_stream *hash; /* owned; of the raw bytes */
	struct store_stat expect;
	char *data; /* owned: cap bytes and RECORD_PADDING */
	size_t cap;
	size_t pos, end; /* what is in `data` and not handed out */
	size_t searched; /* from pos on, without a newline */
	char *raw;       /* owned; packed bytes */
	size_t raw_pos, raw_end;
	uint64_t raw_read, raw_used, unpacked;
	uint64_t line;
	bool raw_over, over; /* no more raw bytes; no more lines */
	bool skipping;       /* the rest of a line that was handed out cut */
	int failed;          /* -errno that every later call gets */
};

static bool is_as_expected(const struct reader *r, const struct store_stat *st)
{
	return st->size == r->expect.size && st->mtime == r->expect.mtime && st->ctime == r->expect.ctime;
}

/* Returns 0 while the file is what the listing said, else -ESTALE or -errno. */
static int reader_compare(struct reader *r, struct err *err)
{
	struct store_stat st;
	int code = store_stat_file(r->file, &st, err);

	if (code < 0)
		return code;
	if (!is_as_expected(r, &st))
		return err_set(err, -ESTALE, "changed since it was listed");
	return 0;
}

static bool has_raw(const struct reader *r)
{
	return r->in.packing != PACKING_NONE || r->in.format == FORMAT_PARQUET;
}

static int reader_init(struct reader *r, const struct reader_input *in, struct err *err)
{
	const struct feed_file *expect = in->expect;

	r->in = *in;
	r->in.path = NULL;
	r->in.expect = NULL;
	r->expect = (struct store_stat){.size = expect->size, .mtime = expect->mtime, .ctime = expect->ctime};
	r->cap = BUFFER_START;
	r->data = malloc(r->cap + RECORD_PADDING);
	r->hash = xxh_stream_new();
	if (has_raw(r))
		r->raw = malloc(RAW_CHUNK);
	if (!r->data || !r->hash || (has_raw(r) && !r->raw))
		return err_set(err, -ENOMEM, "out of memory");
	if (in->format == FORMAT_PARQUET && !in->spool)
		return err_set(err, -ENOTSUP, "Parquet cannot be read without a directory for a copy of it");
	return in->packing == PACKING_NONE ? 0 : unpack_new(&r->unpack, in->packing, err);
}

int reader_open(struct reader **out, const struct reader_input *in, struct err *err)
{
	OWNED(reader) struct reader *r = calloc(1, sizeof(*r));
	int code = r ? reader_init(r, in, err) : err_set(err, -ENOMEM, "out of memory");

	*out = NULL;
	if (code == 0)
		code = store_open_file(in->store, in->path, &r->file, err);
	if (code == 0)
		code = reader_compare(r, err);
	if (code == 0)
		*out = steal(&r);
	return code;
}

void reader_free(struct reader *r)
{
	if (!r)
		return;
	store_close(r->file);
	unpack_free(r->unpack);
	parquet_free(r->rows);
	xxh_stream_free(r->hash);
	free(r->data);
	free(r->raw);
	free(r);
}

/* Reads raw bytes and hashes them. Returns how many, 0 at the end, or -errno. */
static int64_t raw_fill(struct reader *r, char *to, size_t len, struct err *err)
{
	int64_t n;

	if (r->raw_over)
		return 0;
	n = store_read(r->file, r->raw_read, to, len, err);
	if (n < 0)
		return n;
	if (n == 0)
		r->raw_over = true;
	xxh_stream_add(r->hash, slice_of(to, (size_t)n));
	r->raw_read += (uint64_t)n;
	if (r->raw_read > r->expect.size)
		return err_set(err, -ESTALE, "has grown over its %" PRIu64 " bytes while it was read",
			r->expect.size);
	return n;
}

/* At the end of the bytes. */
static int reader_finish(struct reader *r, struct err *err)
{
	int code = reader_compare(r, err);

	if (code < 0)
		return code;
	if (r->raw_read != r->expect.size)
		return err_set(
			err, -ESTALE, "%" PRIu64 " bytes were read of %" PRIu64, r->raw_read, r->expect.size);
	return 0;
}

/* However little was packed, what comes out of it has its bounds. */
static int check_ratio(const struct reader *r, uint64_t packed, struct err *err)
{
	unsigned most = r->in.format == FORMAT_PARQUET ? READER_ROWS_RATIO_MAX : READER_RATIO_MAX;

	if (r->unpacked <= READER_FREE || r->unpacked / most <= packed)
		return 0;
	return err_set(err, -EBADMSG,
		"%" PRIu64 " bytes unpack to %" PRIu64 " and more, over %u times as many", packed,
		r->unpacked, most);
}

/* Unpacks into the free end of the buffer. Returns 0 or -errno; sets `over` at the end. */
static int unpack_fill(struct reader *r, struct err *err)
{
	size_t in_len, out_len;
	int more;

	if (r->raw_pos == r->raw_end && !r->raw_over) {
		int64_t n = raw_fill(r, r->raw, RAW_CHUNK, err);

		if (n < 0)
			return (int)n;
		r->raw_pos = 0;
		r->raw_end = (size_t)n;
	}
	in_len = r->raw_end - r->raw_pos;
	out_len = r->cap - r->end;
	more = unpack_step(
		r->unpack, r->raw + r->raw_pos, &in_len, r->data + r->end, &out_len, r->raw_over, err);
	if (more < 0)
		return err_context(err, more, "at byte %" PRIu64, r->raw_used);
	r->raw_pos += in_len;
	r->raw_used += in_len;
	r->end += out_len;
	r->unpacked += out_len;
	r->over = more == 0;
	return check_ratio(r, r->raw_used, err);
}

static int plain_fill(struct reader *r, struct err *err)
{
	int64_t n = raw_fill(r, r->data + r->end, r->cap - r->end, err);

	if (n < 0)
		return (int)n;
	r->end += (size_t)n;
	r->over = n == 0;
	return 0;
}

/* Copies the whole file, and starts the helper on the copy. */
static int rows_begin(struct reader *r, struct err *err)
{
	struct parquet_input in = {.cfg = r->in.cfg, .stop = r->in.stop, .fd = spool_open(r->in.spool, err)};
	int code = in.fd < 0 ? in.fd : 0;
	int64_t n = 1;

	while (code == 0 && n > 0) {
		if (r->in.stop && *r->in.stop)
			code = err_set(err, -EINTR, "stopped while reading");
		else
			n = raw_fill(r, r->raw, RAW_CHUNK, err);
		if (code == 0)
			code = n < 0 ? (int)n : spool_add(in.fd, slice_of(r->raw, (size_t)n), err);
	}
	/* What was cut short or has changed is not the helper's to judge. */
	if (code == 0)
		code = reader_finish(r, err);
	if (code == 0)
		code = spool_rewind(in.fd, err);
	if (code == 0)
		code = parquet_open(&r->rows, &in, err);
	if (in.fd >= 0)
		close(in.fd);
	return code;
}

static int rows_fill(struct reader *r, struct err *err)
{
	int code = r->rows ? 0 : rows_begin(r, err);
	int64_t n = code;

	if (code == 0)
		n = parquet_read(r->rows, r->data + r->end, r->cap - r->end, err);
	if (n < 0)
		return (int)n;
	r->end += (size_t)n;
	r->unpacked += (uint64_t)n;
	r->over = n == 0;
	return check_ratio(r, r->raw_read, err);
}

/* Makes room at the end of the buffer: by moving what is left to the front, then by growing. */
static int reader_make_room(struct reader *r, struct err *err)
{
	size_t cap = r->cap * 2 < LINE_ROOM ? r->cap * 2 : LINE_ROOM;
	char *data;

	if (r->pos) {
		memmove(r->data, r->data + r->pos, r->end - r->pos);
		r->end -= r->pos;
		r->pos = 0;
	}
	if (r->end < r->cap)
		return 0;
	data = realloc(r->data, cap + RECORD_PADDING);
	if (!data)
		return err_set(err, -ENOMEM, "out of memory");
	r->data = data;
	r->cap = cap;
	return 0;
}

static int reader_fill(struct reader *r, struct err *err)
{
	int code = r->end < r->cap ? 0 : reader_make_room(r, err);

	if (code == 0)
		code = r->in.format == FORMAT_PARQUET ? rows_fill(r, err)
		       : r->unpack                    ? unpack_fill(r, err)
						      : plain_fill(r, err);
	if (code == 0)
		memset(r->data + r->end, 0, RECORD_PADDING);
	return code;
}

/* Finds the next newline, or what has to do for one: the end, or LINE_ROOM bytes without. Returns 1 with
 * the length up to it and in `skip` how much to pass over, 0 at the end, or -errno. */
static int line_find(struct reader *r, size_t *len, size_t *skip, struct err *err)
{
	for (;;) {
		const char *from = r->data + r->pos + r->searched;
		const char *nl = memchr(from, '\n', r->end - r->pos - r->searched);
		int code;

		if (nl) {
			*len = (size_t)(nl - r->data) - r->pos;
			*skip = *len + 1;
			return 1;
		}
		*len = *skip = r->searched = r->end - r->pos;
		if (r->over || *len >= LINE_ROOM)
			return *len > 0;
		code = reader_fill(r, err);
		if (code < 0)
			return code;
	}
}

/* Passes over what follows a cut line. Returns 0 or -errno. */
static int rest_skip(struct reader *r, struct err *err)
{
	while (r->skipping) {
		size_t len, skip;
		int code = line_find(r, &len, &skip, err);

		if (code < 0)
			return code;
		r->skipping = code > 0 && skip == len && !r->over;
		r->pos += skip;
		r->searched = 0;
	}
	return 0;
}

static bool is_blank(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] != ' ' && s.data[i] != '\t' && s.data[i] != '\r')
			return false;
	return true;
}

/* The next line that is not blank: 1, 0 at the end, or -errno. */
static int line_next(struct reader *r, struct reader_line *line, struct err *err)
{
	size_t len, skip;
	int code;

	do {
		code = rest_skip(r, err);
		if (!code)
			code = line_find(r, &len, &skip, err);
		if (code <= 0)
			return code;
		r->skipping = skip == len && !r->over;
		*line = (struct reader_line){slice_of(r->data + r->pos, len), ++r->line, r->skipping};
		r->pos += skip;
		r->searched = 0;
		if (len && line->text.data[len - 1] == '\r')
			line->text.len--;
		if (r->line == 1 && slice_starts(line->text, slice_str("\xEF\xBB\xBF")))
			line->text =
				slice_of(line->text.data + 3, line->text.len - 3); /* a byte order mark */
		if (line->text.len > RECORD_MAX) {
			line->text.len = RECORD_MAX;
			line->too_long = true;
		}
	} while (!line->too_long && is_blank(line->text));
	return 1;
}

int reader_next(struct reader *r, struct reader_line *line, struct err *err)
{
	int code;

	if (r->failed)
		return err_set(err, r->failed, "an earlier read failed");
	code = line_next(r, line, err);
	if (code == 0)
		code = reader_finish(r, err);
	else if (code == -EBADMSG && reader_compare(r, NULL) == -ESTALE)
		code = err_set(err, -ESTALE, "changed while it was read");
	if (code < 0)
		r->failed = code;
	return code;
}

void reader_hash(const struct reader *r, uint8_t out[FILE_HASH_BYTES])
{
	xxh_stream_get(r->hash, out);
}

uint64_t reader_raw_bytes(const struct reader *r)
{
	return r->raw_read;
}
