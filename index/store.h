/* SPDX-License-Identifier: Apache-2.0 */
/* index/store.h - the one interface to where a feed lies, and where generations are published to: drivers store_dir, store_mem and
 * store_s3.
 *
 * Paths are relative to the store's root, '/'-separated, without leading or trailing '/', any bytes but
 * NUL otherwise. Nothing follows a symbolic link out of the root; files that are neither regular nor
 * directories are not listed. Safe for several threads unless a driver says otherwise. */
#ifndef FRESHET_STORE_H
#define FRESHET_STORE_H

#include <stdatomic.h>

#include "bytes.h"
#include "config.h"

#define STORE_PATH_MAX 4096 /* a longer path is an error, never cut */

struct store_stat {
	uint64_t size;
	int64_t mtime,
		ctime; /* nanoseconds; on S3 both are Last-Modified, and the fraction of ctime's second tells versions (ETags) apart */
	bool is_dir;
};

/* One entry of a listing: `name` is the last component only. Return 0 to go on, else the listing ends
 * with that value. */
typedef int store_entry_fn(void *ctx, struct slice name, const struct store_stat *st);

/* What an object is made of: `bytes`, or where `fd` is not -1 the `size` bytes of that file, from its start. Borrowed. */
struct store_body {
	struct slice bytes;
	int fd;
	uint64_t size;
	/* May be NULL: what is put in several steps ends with -EINTR between them, and leaves nothing. */
	atomic_int *stop;
	const struct store *of; /* where it is put; store_put() sets it */
};
static inline struct store_body store_bytes(struct slice bytes)
{
	return (struct store_body){.bytes = bytes, .fd = -1, .size = bytes.len};
}
enum store_put { STORE_REPLACE, STORE_NEW /* only where there is nothing yet */ };

struct store;
struct store_file; /* an object opened for reading, whose identity (size, times) was fixed then */

struct store_ops {
	int (*list)(struct store *s, const char *dir, store_entry_fn *fn, void *ctx, struct err *err);
	int (*head)(struct store *s, const char *path, struct store_stat *out, struct err *err);
	int (*open)(struct store *s, const char *path, struct store_file **out, struct err *err);
	int64_t (*read)(struct store_file *f, uint64_t offset, void *to, size_t len, struct err *err);
	int (*stat)(struct store_file *f, struct store_stat *out, struct err *err);
	void (*close)(struct store_file *f);
	/* NULL where the driver cannot write. */
	int (*put)(struct store *s, const char *path, const struct store_body *body, enum store_put how,
		struct err *err);
	int (*remove)(struct store *s, const char *path, struct err *err);
	int (*is_exclusive)(struct store *s, struct err *err); /* NULL: it is */
	/* NULL: what was not finished has names, which list() tells. */
	int (*sweep)(struct store *s, const char *dir, int64_t before, struct err *err);
	int (*renew)(struct store *s, struct err *err); /* NULL: nothing is held */
	/* NULL: listing directory by directory is as good. */
	int (*survey)(
		struct store *s, const char *first, const char *last, struct store **out, struct err *err);
	void (*free)(struct store *s);
};
/* Drivers embed these as their first member. */
struct store {
	const struct store_ops *ops;
	char *url; /* owned; how users name it: messages start with it */
	void (*moved)(void);
};
struct store_file {
	struct store *store; /* borrowed */
	char *path;          /* owned; both are set and freed by store.c, drivers only look */
};

/* Opens what lies at `url`: a directory path or file://PATH, where PATH is taken as it is, or s3://BUCKET/PREFIX, reached as
 * section [s3] of `cfg` says (NULL: the defaults; borrowed for the call). Returns 0, or -ENOENT, -ENOTDIR, -EACCES …; -ENOTSUP for S3 in
 * a build without it. The directory is held open by descriptor: store_renew(). */
int store_open(struct store **out, const char *url, const struct config *cfg, struct err *err);
/* The same without a touch of what lies there: the first use opens it, or fails and leaves that to the next. For a feed that
 * is known to have been there, and may not answer now. */
int store_open_late(struct store **out, const char *url, const struct config *cfg, struct err *err);
/* For who holds a store for long, before each look: another directory may have taken the place of the one that is held open, by a rename or a
 * mount. Then that is held from here on. Returns 0, or -ENOENT …: nothing is there, and the old one is still held. */
int store_renew(struct store *s, struct err *err);
void store_free(struct store *s); /* NULL is fine; no store_file may be left */
DEFINE_FREEP(store)

/* Lists one directory ("" is the root), in bytewise order of names; the times of directories mean nothing. A
 * directory that is not there is -ENOENT, a root that was removed since the open too. A listing that breaks off half way is an error, never a shorter list (what was handed out
 * before is to be thrown away). */
int store_list(struct store *s, const char *dir, store_entry_fn *fn, void *ctx, struct err *err);
/* For who is going to list much at once: *out lists what lies at, below and between the paths `first` and `last` (bytewise; "" and "": all
 * there is), as it is now, without asking again. It may be `s` itself; give it back with store_survey_end(). */
int store_survey(struct store *s, const char *first, const char *last, struct store **out, struct err *err);
void store_survey_end(struct store *s, struct store *survey); /* NULL is fine */
/* Returns 0, or -ENOENT …. */
int store_head(struct store *s, const char *path, struct store_stat *out, struct err *err);
/* Opens a regular file: -ENOENT, -EISDIR (in S3 -ENOENT, too: to tell would take a listing), -EACCES, -ELOOP (a symbolic link), -ENOTSUP
 * (another kind of file) …. */
int store_open_file(struct store *s, const char *path, struct store_file **out, struct err *err);
/* Reads up to `len` bytes at `offset`. Returns the number read (short only at the end), or -errno. */
int64_t store_read(struct store_file *f, uint64_t offset, void *to, size_t len, struct err *err);
/* As the object is now, removed ones with a changed ctime: compare with what a listing said to find out that it changed. */
int store_stat_file(struct store_file *f, struct store_stat *out, struct err *err);
void store_close(struct store_file *f); /* NULL is fine */

/* Reads a whole object of at most `max` bytes; appends. -EFBIG above, else as store_open_file() and store_read(). */
int store_get(struct store *s, const char *path, size_t max, struct buf *out, struct err *err);
/* Makes an object, with the directories above it, durably and at once: nobody ever sees part of it, and after a failure there is what was
 * before. Returns 0; -EEXIST with STORE_NEW where there is one: of all who try at once, on any host, one gets 0 (if store_is_exclusive());
 * -ENOTSUP where the driver cannot write; -EIO …. */
int store_put(struct store *s, const char *path, const struct store_body *body, enum store_put how,
	struct err *err);
/* Returns 0 also where nothing is there. */
int store_remove(struct store *s, const char *path, struct err *err);
/* Does the store keep what STORE_NEW promises? 1, or 0: it overwrites; or -errno. Asks the store itself, once (it writes to it). */
int store_is_exclusive(struct store *s, struct err *err);
/* Removes what was begun below `dir` before that time, never finished, and has no name yet by which it could be removed. Returns 0 or -errno. */
int store_sweep(struct store *s, const char *dir, int64_t before, struct err *err);
/* Calls `moved` whenever the store has answered, and as often as some of a body is read to be sent: that nothing hangs. On whichever thread uses
 * the store. */
void store_watch(struct store *s, void (*moved)(void));

/* For drivers: up to `len` bytes of `body` from `at` on, which is within it. Returns how many, at least 1 where `len` is not 0; or -ESTALE
 * where the file has become shorter, or -errno. */
ssize_t store_body_read(const struct store_body *body, uint64_t at, void *to, size_t len);

/* Drivers. */
int store_dir_open(struct store **out, const char *path, struct err *err);
int store_dir_open_late(struct store **out, const char *path, struct err *err);
void store_dir_force_walk(struct store *s); /* for tests: do as on a kernel without openat2 */
int store_s3_open(struct store **out, const char *url, const struct config *cfg, bool late, struct err *err);
int store_mem_open(struct store **out, struct err *err); /* for tests: url "mem:" */
/* Adds or replaces a file of a memory store (parents come by themselves). */
int store_mem_put(struct store *s, const char *path, struct slice bytes, int64_t mtime);
int store_mem_remove(struct store *s, const char *path); /* -ENOENT when it is not there */
/* Lets the listing of `dir` fail with `code` after `after` entries (code 0 removes the fault). */
void store_mem_fail_list(struct store *s, const char *dir, unsigned after, int code);

#endif
