/* SPDX-License-Identifier: Apache-2.0 */
/* index/parquet.h - the rows of a Parquet file as lines of JSON, one object a row, from the helper program freshet-parquet.
 *
 * The helper is a process of its own, so that a hostile file can at worst end that. It is $FRESHET_PARQUET, else freshet-parquet beside
 * this executable, else where this build was configured to install it. Several at once are fine; each stands for one file. */
#ifndef FRESHET_PARQUET_H
#define FRESHET_PARQUET_H

#include <stdatomic.h>
#include <sys/types.h>

#include "config.h"

/* For so long without a byte, or half of build.stall_timeout, the helper is taken for hanging. */
#define PARQUET_SILENCE (5 * TIME_MINUTE)

struct parquet_input {
	int fd; /* the file: regular, open for reading; borrowed for parquet_open() */
	const struct config *
		cfg; /* build.memory, and with feed.columns = configured which columns; borrowed for parquet_open() */
	atomic_int *stop; /* may be NULL; borrowed until parquet_free() */
};

struct parquet;
/* Starts the helper. Returns 0; -ENOTSUP (there is none, or it cannot be run); or -errno. */
int parquet_open(struct parquet **out, const struct parquet_input *in, struct err *err);
/* Reads on. Returns how many bytes, at least 1; 0 behind the last row, once the helper has ended well; -EBADMSG (the file is damaged, needs
 * more memory than allowed, or made the helper crash or hang), -EIO (the helper was killed from outside, or the system failed it: the file
 * may be fine), -ENOTSUP (the helper's DuckDB is not good enough), -EINTR (stopped). After 0 or an error the same again. */
int64_t parquet_read(struct parquet *p, void *to, size_t len, struct err *err);
/* Ends the helper, at whatever it is. NULL is fine. */
void parquet_free(struct parquet *p);
DEFINE_FREEP(parquet)

/* What the helper calls itself ("freshet-parquet 0.1.0, DuckDB v1.5.6"), appended. Returns 0, or -ENOTSUP: there is none that runs. */
int parquet_version(struct buf *out, struct err *err);

#endif
