/* SPDX-License-Identifier: Apache-2.0 */
/* index/state.h - the state directory: where things lie in it, and who may write.
 *
 *     catalog.db  segments/NAME.seg  generations/N.json  generations/N.live  current
 *     rejects/PARTITION/FILE.tsv  tmp/BUILD/  lock  base.lock  merge.lock  publish.lock
 *     fetch/NAME.part (of a follower: segments that are not whole yet) */
#ifndef FRESHET_STATE_H
#define FRESHET_STATE_H

#include "bytes.h"
#include "err.h"

struct state {
	char *dir;   /* owned, absolute */
	int dirfd;   /* owned */
	int lockfd;  /* owned; -1: no lock held */
	char *build; /* owned; "tmp/BUILD" while a build runs, else NULL */
	int buildfd; /* the lock on that directory */
};

/* Opens (with `create`: makes what is missing, parents too). Returns 0, or -ENOENT (no state there: says
 * what makes one), -EACCES, -ENOTDIR, -ENOTSUP (a directory with foreign things in it and no catalog). */
int state_open(struct state **out, const char *dir, bool create, struct err *err);
void state_free(struct state *s); /* releases what is held; NULL is fine */
DEFINE_FREEP(state)
/* DIR where --state is not given: $XDG_STATE_HOME/freshet/NAME-HASH of the feed's absolute url. malloc()ed. */
char *state_default_dir(const char *url);
/* DIR/`fmt…`, malloc()ed. NULL when memory is out. */
char *state_path(const struct state *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The writer's lock. Waits up to `wait` nanoseconds. Returns 0, or -EBUSY naming the holder's pid and
 * since when. Gone with the process. */
int state_lock(struct state *s, int64_t wait, struct err *err);
void state_unlock(struct state *s); /* nothing where it is not held */
/* A lock for work that goes on beside builds and takes the writer's only for its last step: "base.lock", "merge.lock" or
 * "publish.lock". Returns
 * 0 and a descriptor to close, or -EBUSY at once. */
int state_lock_side(struct state *s, const char *name, int *fd, struct err *err);
/* Makes tmp/BUILD and locks it. */
int state_build_begin(struct state *s, struct err *err);
void state_build_end(struct state *s); /* removes tmp/BUILD and all in it */
/* Writes STATE/tmp/BUILD/`name`, durably; renames STATE/tmp/BUILD/`from` to STATE/`to`. Return 0 or -errno. */
int state_temp_write(const struct state *state, const char *name, struct slice bytes, struct err *err);
int state_temp_move(const struct state *state, const char *from, const char *to, struct err *err);
/* Removes every tmp/BUILD whose lock nobody holds. Returns how many, or -errno. */
int state_sweep(struct state *s, struct err *err);

/* fsync of a file or directory by path; -EIO … A failed fsync is never retried on the same file. */
int sync_path(const char *path, struct err *err);
/* mkdir -p with fsync of each new directory's parent. */
int make_dirs(const char *path, struct err *err);
/* Reads a whole file of at most `max` bytes. -EFBIG above. */
int read_file(const char *path, size_t max, struct buf *out, struct err *err);
/* Writes, fsyncs and closes a file that must not exist yet. */
int write_file(const char *path, struct slice bytes, struct err *err);

#endif
