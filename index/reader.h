/* SPDX-License-Identifier: Apache-2.0 */
/* index/reader.h - one data file of the feed as lines: plain, zstd or gzip, or the rows of a Parquet file, any size, bounded memory.
 *
 * A line ends with \n (a \r before it is dropped; the last line needs no \n); empty and blank lines are
 * counted but not handed out. A byte order mark at the start of the file is dropped. A line over RECORD_MAX
 * is handed out cut with `too_long` set (the caller refuses it), the rest of it is skipped. A compressed
 * file that ends early or is damaged is -EBADMSG; one whose frames ask for a window over 8 MiB, or
 * whose output is over READER_RATIO_MAX (READER_ROWS_RATIO_MAX) times its input past READER_FREE bytes, too.
 *
 * A Parquet file is copied whole into an unnamed file when the first line is asked for, and hashed on the way; the helper program
 * (parquet.h) makes a line of each row of the copy. What is wrong with such a file is told as for the others, in DuckDB's words. */
#ifndef FRESHET_READER_H
#define FRESHET_READER_H

#include <stdatomic.h>

#include "feed.h"
#include "row.h"

#define RECORD_MAX (8u << 20)
#define READER_RATIO_MAX 1000u
#define READER_ROWS_RATIO_MAX 5000u /* of Parquet, whose rows repeat names and what is constant */
#define READER_FREE (UINT64_C(64) << 20)

struct reader;
struct reader_line {
	struct slice text; /* valid until the next call; RECORD_PADDING readable bytes behind it */
	uint64_t number;   /* from 1 */
	bool too_long;
};
#define RECORD_PADDING 64

/* What is read; borrowed until reader_free(), path and expect for reader_open() only. The file must still have the size and times in
 * `expect`. */
struct reader_input {
	struct store *store;
	const char *path;
	enum feed_format format; /* not FORMAT_NONE */
	enum feed_packing packing;
	const struct feed_file *expect;
	/* For Parquet: */
	const struct config *cfg;
	const char *spool; /* a directory for the copy; NULL: Parquet is refused */
	atomic_int *stop;  /* may be NULL */
};
/* Returns 0, -ESTALE (the file is not as expected), -ENOENT ... */
int reader_open(struct reader **out, const struct reader_input *in, struct err *err);
/* Returns 1 and a line, 0 at the end, or -EBADMSG, -EIO, -ESTALE (the file changed meanwhile; checked at the end), and for Parquet what
 * parquet_open() and parquet_read() return. */
int reader_next(struct reader *r, struct reader_line *line, struct err *err);
/* After the end: hash of the raw bytes. */
void reader_hash(const struct reader *r, uint8_t out[FILE_HASH_BYTES]);
uint64_t reader_raw_bytes(const struct reader *r); /* raw bytes read so far, for progress */
void reader_free(struct reader *r);                /* NULL is fine */
DEFINE_FREEP(reader)

#endif
