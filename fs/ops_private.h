/* SPDX-License-Identifier: Apache-2.0 */
/* fs/ops_private.h - the kernel's requests, by what they are about: ops_lookup.c (names and attributes), ops_read.c, ops_list.c,
 * ops_refuse.c (whatever would write), ops.c (the rest, and their table); ops_job.c takes those that are answered elsewhere. */
#ifndef FRESHET_OPS_PRIVATE_H
#define FRESHET_OPS_PRIVATE_H

#define FUSE_USE_VERSION 314
#include "ops.h"

#include <fuse_lowlevel.h>

static inline struct ops *ops_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static inline struct inode_table *inodes_of(fuse_req_t req)
{
	return ops_of(req)->tree.inodes;
}

static inline void ops_count(fuse_req_t req, enum request_kind kind)
{
	requests_add(ops_of(req)->tree.requests, kind, 1);
}

/* A time to live as libfuse wants it. */
double ops_seconds(int64_t t);
/* The one place where an error becomes a reply. What the user did needs no line in the log, damage does. */
void ops_failed(fuse_req_t req, int code, const struct err *err);
/* What the kernel is told of a name that is there. */
void ops_entry(struct tree *t, const struct tree_entry *entry, struct fuse_entry_param *out);
/* Takes `n` lookups back. */
void ops_forget(struct ops *ops, fuse_ino_t ino, uint64_t n);

/* A request that is answered elsewhere than where it came in. */
struct job {
	struct work work;
	struct refresh_waiter waiter;
	struct ops *ops;
	fuse_req_t req;    /* until it is answered */
	struct node *node; /* held: the request may be answered, being late, while a worker is at it */
	size_t size;
	uint64_t offset;
	char name[]; /* of a lookup */
};
#define JOB_OF(ptr, member) ((struct job *)((char *)(ptr)-offsetof(struct job, member)))

/* NULL: out of memory, and replied so. */
struct job *job_new(fuse_req_t req, struct node *node, const char *name);
void job_free(struct job *job);
/* `work.late` is job_late() where it is not set. */
void job_to_worker(struct job *job, void (*run)(struct work *w));
void job_late(struct work *w); /* ETIMEDOUT, or EINTR */

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup);
void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets);
void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi);
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void op_remove(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name);
void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent, const char *newname,
	unsigned flags);
void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname);
void op_write(
	fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off, struct fuse_file_info *fi);
void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi);
void op_fallocate(
	fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length, struct fuse_file_info *fi);
void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags);

#endif
