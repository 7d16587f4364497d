/* SPDX-License-Identifier: Apache-2.0 */
/* One raw buffer, one line buffer. Unpacked bytes are appended to the line buffer, lines are cut from its
 * front; what is left of a line moves to the front before more is unpacked. The line buffer never grows
 * beyond the longest line that is handed out whole. */
#include "reader.h"

#include <inttypes.h>

#include "compress.h"
#include "digest.h"

#define RAW_SIZE ((size_t)1 << 20)
#define LINES_SIZE ((size_t)1 << 20)

struct reader {
	struct store_file *file;  /* owned */
	const char *path;         /* borrowed; for errors */
	struct store_stat expect; /* what the listing said */
	struct unpack *unpack;    /* owned */
	struct xxh_stream *hash;  /* owned */
	char *raw;                /* owned; RAW_SIZE */
	size_t raw_at, raw_len;
	uint64_t raw_offset; /* read from the file so far */
	bool raw_ended, unpack_ended;
	struct buf lines; /* unpacked and not handed out: from `at` to lines.len */
	size_t at;
	uint64_t unpacked, number;
	bool skipping; /* the rest of a line that was too long */
};

/* The file must still be what the listing saw. */
static int reader_check(struct reader *r, struct err *err)
{
	struct store_stat now;
	int rc = store_stat_file(r->file, &now, err);

	if (rc < 0)
		return rc;
	if (now.size != r->expect.size || now.mtime != r->expect.mtime || now.ctime != r->expect.ctime)
		return err_set(err, -ESTALE,
			"changed while it was read (%" PRIu64 " bytes listed, %" PRIu64 " now)",
			r->expect.size, now.size);
	return 0;
}

int reader_open(struct reader **out, struct store *store, const char *path, enum feed_packing packing,
	const struct feed_file *expect, struct err *err)
{
	OWNED(reader) struct reader *r = calloc(1, sizeof(*r));
	int rc;

	*out = NULL;
	if (!r)
		return err_set(err, -ENOMEM, "out of memory");
	r->path = path;
	r->expect = (struct store_stat){.size = expect->size, .mtime = expect->mtime, .ctime = expect->ctime};
	r->raw = malloc(RAW_SIZE);
	r->hash = xxh_stream_new();
	if (!r->raw || !r->hash)
		return err_set(err, -ENOMEM, "out of memory");
	rc = store_open_file(store, path, &r->file, err);
	if (rc == -ENOENT) /* it was listed a moment ago */
		rc = err_set(err, -ESTALE, "%s: vanished before it was read", path);
	if (rc < 0)
		return rc;
	rc = reader_check(r, err);
	if (rc >= 0)
		rc = unpack_new(&r->unpack, packing, err);
	if (rc < 0)
		return err_context(err, rc, "%s", path);
	*out = steal(&r);
	return 0;
}

void reader_free(struct reader *r)
{
	if (!r)
		return;
	store_close(r->file);
	unpack_free(r->unpack);
	xxh_stream_free(r->hash);
	buf_release(&r->lines);
	free(r->raw);
	free(r);
}

static int raw_fill(struct reader *r, struct err *err)
{
	int64_t n = store_read(r->file, r->raw_offset, r->raw, RAW_SIZE, err);

	if (n < 0)
		return (int)n;
	xxh_stream_add(r->hash, slice_of(r->raw, (size_t)n));
	r->raw_at = 0;
	r->raw_len = (size_t)n;
	r->raw_offset += (uint64_t)n;
	r->raw_ended = n == 0;
	return 0;
}

static int ratio_check(const struct reader *r, struct err *err)
{
	if (r->unpacked > READER_FREE && r->unpacked / READER_RATIO_MAX > r->raw_offset)
		return err_set(err, -EBADMSG, "unpacks to more than %u times its %" PRIu64 " bytes",
			READER_RATIO_MAX, r->raw_offset);
	return 0;
}

/* Unpacks some more behind what is left. */
static int lines_fill(struct reader *r, struct err *err)
{
	size_t left = r->lines.len - r->at, in, room = LINES_SIZE;
	char *to;
	int rc;

	if (left)
		memmove(r->lines.data, r->lines.data + r->at, left);
	r->lines.len = left;
	r->at = 0;
	to = buf_reserve(&r->lines, room + RECORD_PADDING);
	if (!to)
		return err_set(err, -ENOMEM, "out of memory");
	if (r->raw_at == r->raw_len && !r->raw_ended) {
		rc = raw_fill(r, err);
		if (rc < 0)
			return rc;
	}
	in = r->raw_len - r->raw_at;
	rc = unpack_step(r->unpack, r->raw + r->raw_at, &in, to, &room, r->raw_ended, err);
	if (rc < 0)
		return rc;
	r->raw_at += in;
	r->lines.len += room;
	r->unpacked += room;
	r->unpack_ended = rc == 0;
	memset(r->lines.data + r->lines.len, 0, RECORD_PADDING);
	return ratio_check(r, err);
}

static bool is_blank(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] != ' ' && s.data[i] != '\t' && s.data[i] != '\r')
			return false;
	return true;
}

/* Finds the end of the line that starts at `at`: 1 (its length, and whether it is cut), 0 the end of the file. */
static int line_find(struct reader *r, size_t *len, bool *cut, struct err *err)
{
	size_t looked = 0;

	for (;;) {
		size_t left = r->lines.len - r->at;
		char *nl = left > looked ? memchr(r->lines.data + r->at + looked, '\n', left - looked) : NULL;
		int rc;

		*len = nl ? (size_t)(nl - (r->lines.data + r->at)) : left;
		*cut = !nl && (!r->unpack_ended || *len > RECORD_MAX);
		if (nl || *len > RECORD_MAX)
			return 1;
		if (r->unpack_ended)
			return left > 0;
		looked = left;
		rc = lines_fill(r, err);
		if (rc < 0)
			return rc;
	}
}

/* The next line or, when the last was too long, the next piece of it. */
static int line_take(struct reader *r, struct slice *text, bool *cut, struct err *err)
{
	size_t len;
	int rc = line_find(r, &len, cut, err);

	if (rc != 1)
		return rc;
	*text = slice_of(r->lines.data + r->at, len);
	r->at += len + !*cut;
	if (r->at > r->lines.len) /* the last line has no \n */
		r->at = r->lines.len;
	return 1;
}

int reader_next(struct reader *r, struct reader_line *line, struct err *err)
{
	struct slice text;
	bool cut;
	int rc;

	while ((rc = line_take(r, &text, &cut, err)) == 1) {
		bool rest = r->skipping;

		r->skipping = cut;
		if (rest)
			continue;
		r->number++;
		if (text.len && text.data[text.len - 1] == '\r')
			text.len--;
		if (!cut && is_blank(text))
			continue;
		line->too_long = text.len > RECORD_MAX;
		if (line->too_long)
			text.len = RECORD_MAX;
		line->text = text;
		line->number = r->number;
		return 1;
	}
	if (rc == 0)
		rc = reader_check(r, err);
	return rc < 0 ? err_context(err, rc, "%s", r->path) : rc;
}

void reader_hash(const struct reader *r, uint8_t out[FILE_HASH_BYTES])
{
	xxh_stream_get(r->hash, out);
}

uint64_t reader_raw_bytes(const struct reader *r)
{
	return r->raw_offset;
}
