/* SPDX-License-Identifier: Apache-2.0 */
/* index/sink.h - where a segment is written to: a new file, or memory. One thread at a time. */
#ifndef FRESHET_SINK_H
#define FRESHET_SINK_H

#include "bytes.h"
#include "err.h"

struct sink {
	const char *path; /* borrowed; NULL: memory */
	int fd;
	struct buf *buf; /* borrowed; NULL: file */
	uint64_t at;     /* bytes so far */
	uint64_t begun;  /* up to here the kernel was asked to write to disk */
};

/* Creates the file, which must not exist. Returns 0 or -errno. */
int sink_open(struct sink *s, const char *path, struct err *err);
/* Appends to `buf`, which must be empty. */
void sink_open_buf(struct sink *s, struct buf *buf);
int sink_add(struct sink *s, struct slice bytes, struct err *err);
int sink_add_zeros(struct sink *s, uint64_t len, struct err *err);
/* Has the kernel begin to write all that is there, so that sink_sync() waits for less. A wish only. */
void sink_begin_sync(struct sink *s);
/* Overwrites bytes at the start. */
int sink_patch_start(struct sink *s, struct slice bytes, struct err *err);
/* All bytes so far, until sink_unmap. */
int sink_map(struct sink *s, struct slice *out, struct err *err);
void sink_unmap(struct sink *s, struct slice mapped);
int sink_sync(struct sink *s, struct err *err);
/* Closes; unlinks the file unless `keep`. */
void sink_close(struct sink *s, bool keep);

#endif
