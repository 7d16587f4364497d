/* SPDX-License-Identifier: Apache-2.0 */
#define FUSE_USE_VERSION 314
#include "ops.h"
#include "log.h"
#include "readahead.h"
#include "xattr.h"

#include <fuse_lowlevel.h>
#include <sys/statvfs.h>

#define READDIR_MAX (1u << 20) /* bytes of one answer, whatever the kernel asks for */
#define READ_MAX (4u << 20)
/* What "for ever" is in the seconds that libfuse wants: longer than a kernel stays up. */
#define SECONDS_FOREVER 1e9

static struct ops *ops_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static struct inode_table *inodes_of(fuse_req_t req)
{
	return ops_of(req)->tree.inodes;
}

static double seconds(int64_t t)
{
	return t == TREE_FOREVER ? SECONDS_FOREVER : (double)t / (double)TIME_SECOND;
}

/* The one place where an error becomes a reply. What the user did needs no line in the log, damage does. */
static void reply_failed(fuse_req_t req, int code, const struct err *err)
{
	if (code != -ENOENT && code != -ESTALE && code != -ENOTDIR && code != -E2BIG && *err->message)
		log_line(LOG_ERR, "%s", err->message);
	fuse_reply_err(req, code == -EBADMSG ? EIO : -code);
}

static void forget(struct ops *ops, fuse_ino_t ino, uint64_t n)
{
	if (inode_forget(ops->tree.inodes, ino, n))
		render_drop(ops->tree.render, ino);
}

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
static struct job *job_new(fuse_req_t req, struct node *node, const char *name)
{
	struct job *job = malloc(sizeof(*job) + strlen(name) + 1);

	if (!job) {
		fuse_reply_err(req, ENOMEM);
		return NULL;
	}
	*job = (struct job){.ops = ops_of(req), .req = req, .node = node};
	strcpy(job->name, name);
	inode_hold(job->ops->tree.inodes, node);
	return job;
}

static void job_free(struct job *job)
{
	forget(job->ops, job->node->ino, 1);
	free(job);
}

static void late(struct work *w)
{
	fuse_reply_err(JOB_OF(w, work)->req, ETIMEDOUT);
}

static void to_worker(struct job *job, void (*run)(struct work *w))
{
	bool is_mirror = job->node->kind == NODE_MIRROR_DIR || job->node->kind == NODE_MIRROR_FILE;
	bool is_feed = is_mirror && job->node->place == MIRROR_PARTITIONS;

	job->work.run = run;
	if (!job->work.late)
		job->work.late = late;
	workers_submit(is_feed ? job->ops->feed_workers : job->ops->workers, &job->work);
}

/* --- lookup and attributes --- */

static void reply_entry(fuse_req_t req, int r, const struct tree_entry *entry, const struct err *err)
{
	struct tree *t = &ops_of(req)->tree;
	struct fuse_entry_param e = {0};

	if (r < 0) {
		reply_failed(req, r, err);
		return;
	}
	e.entry_timeout = seconds(entry->valid);
	if (r == 0) {
		/* Number 0 is the kernel's word for a name that is known not to be there. */
		if (entry->valid)
			fuse_reply_entry(req, &e);
		else
			fuse_reply_err(req, ENOENT);
		return;
	}
	e.ino = entry->node->ino;
	e.attr_timeout = seconds(tree_attr(t, entry->node, &e.attr));
	if (tree_attr_is_slow(entry->node))
		e.attr_timeout = 0; /* the kernel asks for them at once, which goes to a worker */
	if (fuse_reply_entry(req, &e) < 0)
		forget(ops_of(req), e.ino, 1);
}

static void lookup_on_worker(struct work *w)
{
	struct job *job = JOB_OF(w, work);
	struct err err = ERR_INIT;
	struct tree_entry entry;
	int r = tree_lookup_slow(&job->ops->tree, job->node, job->name, &entry, &err);

	if (work_claim(w))
		reply_entry(job->req, r, &entry, &err);
	else if (r == 1)
		forget(job->ops, entry.node->ino, 1);
	job_free(job);
}

static void lookup_now(fuse_req_t req, struct node *parent, const char *name)
{
	struct err err = ERR_INIT;
	struct tree_entry entry;
	struct job *job;
	int r = tree_lookup(&ops_of(req)->tree, parent, name, &entry, &err);

	if (r != TREE_SLOW) {
		reply_entry(req, r, &entry, &err);
		return;
	}
	job = job_new(req, parent, name);
	if (job)
		to_worker(job, lookup_on_worker);
}

static void lookup_after_look(struct refresh_waiter *w)
{
	struct job *job = JOB_OF(w, waiter);

	lookup_now(job->req, job->node, job->name);
	job_free(job);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct refresh *refresh = ops_of(req)->tree.refresh;
	struct node *dir = inode_find(inodes_of(req), parent);
	struct job *job;

	if (!dir) {
		fuse_reply_err(req, ESTALE);
		return;
	}
	if (!tree_is_live(dir, name) || refresh_is_fresh(refresh)) {
		lookup_now(req, dir, name);
		return;
	}
	job = job_new(req, dir, name);
	if (!job)
		return;
	job->waiter.done = lookup_after_look;
	refresh_wait(refresh, &job->waiter);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	forget(ops_of(req), ino, nlookup);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		forget(ops_of(req), forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static void getattr_on_worker(struct work *w)
{
	struct job *job = JOB_OF(w, work);
	struct err err = ERR_INIT;
	struct stat st;
	int64_t valid;
	int r = tree_attr_slow(&job->ops->tree, job->node, &st, &valid, &err);

	if (work_claim(w)) {
		if (r < 0)
			reply_failed(job->req, r, &err);
		else
			fuse_reply_attr(job->req, &st, seconds(valid));
	}
	job_free(job);
}

/* A mirror's root is there, whatever its feed does: `ls -l` of the mount shows it without its time. */
static void getattr_late(struct work *w)
{
	struct job *job = JOB_OF(w, work);
	struct stat st;

	tree_attr(&job->ops->tree, job->node, &st);
	if (job->node->text_len)
		late(w);
	else
		fuse_reply_attr(job->req, &st, 0);
}

static void getattr_now(fuse_req_t req, struct node *n)
{
	struct stat st;
	int64_t valid = tree_attr(&ops_of(req)->tree, n, &st);

	fuse_reply_attr(req, &st, seconds(valid));
}

static void getattr_after_look(struct refresh_waiter *w)
{
	struct job *job = JOB_OF(w, waiter);

	getattr_now(job->req, job->node);
	job_free(job);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct refresh *refresh = ops_of(req)->tree.refresh;
	struct node *n = inode_find(inodes_of(req), ino);
	struct job *job;
	bool slow, wait;

	if (!n) {
		fuse_reply_err(req, ESTALE);
		return;
	}
	slow = tree_attr_is_slow(n);
	/* Its time tells the kernel whether its listing still holds. */
	wait = n->kind == NODE_GENERATIONS && !refresh_is_fresh(refresh);
	if (!slow && !wait) {
		getattr_now(req, n);
		return;
	}
	job = job_new(req, n, "");
	if (!job)
		return;
	if (slow) {
		job->work.late = getattr_late;
		to_worker(job, getattr_on_worker);
		return;
	}
	job->waiter.done = getattr_after_look;
	refresh_wait(refresh, &job->waiter);
}

/* --- reading --- */

/* Without these, the kernel asks no more, keeps pages and listings, and no file handle exists. */
static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	fuse_reply_err(req, ENOSYS);
}

static void reply_part(fuse_req_t req, struct slice bytes, uint64_t offset, size_t size)
{
	if (offset >= bytes.len)
		fuse_reply_buf(req, NULL, 0);
	else
		fuse_reply_buf(req, bytes.data + offset,
			bytes.len - offset < size ? bytes.len - (size_t)offset : size);
}

/* A descriptor's bytes go to the kernel without passing through ours where it can splice them. */
static void reply_fd(fuse_req_t req, const struct node *n, uint64_t offset, size_t size)
{
	struct fuse_bufvec bytes = FUSE_BUFVEC_INIT(size);
	struct stat st;

	if (offset >= n->size) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	/* Cut short by somebody, it would look like the end of the file. */
	if (fstat(n->fd, &st) < 0 || st.st_size < (off_t)n->size) {
		fuse_reply_err(req, EIO);
		return;
	}
	if (n->size - offset < size)
		bytes.buf[0].size = (size_t)(n->size - offset);
	bytes.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	bytes.buf[0].fd = n->fd;
	bytes.buf[0].pos = (off_t)offset;
	fuse_reply_data(req, &bytes, 0);
}

/* The bytes are the node's. Once the kernel has the reply the reader may close, and the kernel forget the node, before the
 * reply has returned here: so it is held. */
static void read_plain(fuse_req_t req, struct node *n, struct slice bytes, uint64_t offset, size_t size)
{
	struct ops *ops = ops_of(req);
	uint64_t ino = n->ino;

	inode_hold(ops->tree.inodes, n);
	reply_part(req, bytes, offset, size);
	forget(ops, ino, 1);
}

static void read_on_worker(struct work *w)
{
	struct job *job = JOB_OF(w, work);
	const struct tree *t = &job->ops->tree;
	struct err err = ERR_INIT;
	OWNED_BUF bytes = {0};
	int r = mirror_read(&t->mirrors[job->node->place], job->node, job->offset, job->size, &bytes, &err);

	if (work_claim(w)) {
		if (r < 0)
			reply_failed(job->req, r, &err);
		else
			fuse_reply_buf(job->req, bytes.data, bytes.len);
	}
	job_free(job);
}

static void read_later(fuse_req_t req, struct node *n, uint64_t offset, size_t size)
{
	struct job *job = job_new(req, n, "");

	if (!job)
		return;
	job->offset = offset;
	job->size = size < READ_MAX ? size : READ_MAX;
	to_worker(job, read_on_worker);
}

static void read_rendered(fuse_req_t req, const struct node *n, uint64_t offset, size_t size)
{
	struct render *render = ops_of(req)->tree.render;
	struct err err = ERR_INIT;
	struct loan loan;
	int r = render_lend(render, n, offset == 0 && size >= n->size, &loan, &err);

	if (r < 0)
		reply_failed(req, r, &err);
	else
		reply_part(req, loan.bytes, offset, size);
	render_return(render, &loan);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct node *n = inode_find(inodes_of(req), ino);
	struct slice plain;

	if (!n)
		fuse_reply_err(req, ESTALE);
	else if (node_is_dir(n))
		fuse_reply_err(req, EISDIR);
	else if (off < 0)
		fuse_reply_err(req, EINVAL);
	else if (n->kind == NODE_SEGMENT)
		reply_fd(req, n, (uint64_t)off, size);
	else if (n->kind == NODE_MIRROR_FILE)
		read_later(req, n, (uint64_t)off, size);
	else if (render_plain(n, &plain))
		read_plain(req, n, plain, (uint64_t)off, size);
	else
		read_rendered(req, n, (uint64_t)off, size);
}

/* --- listing --- */

struct page {
	fuse_req_t req;
	char *bytes; /* owned */
	size_t size, used;
};

/* An entry's inode is unknown until it is looked up; libfuse's own number for that. */
#define INO_UNKNOWN 0xffffffff

static bool fill_page(void *ctx, const char *name, bool is_dir, uint64_t next)
{
	struct page *p = ctx;
	struct stat st = {.st_ino = INO_UNKNOWN, .st_mode = is_dir ? S_IFDIR : S_IFREG};
	size_t need =
		fuse_add_direntry(p->req, p->bytes + p->used, p->size - p->used, name, &st, (off_t)next);

	if (need > p->size - p->used)
		return false;
	p->used += need;
	return true;
}

/* NULL bytes: replied already. */
static struct page page_new(fuse_req_t req, size_t size)
{
	struct page p = {.req = req, .size = size < READDIR_MAX ? size : READDIR_MAX};

	p.bytes = malloc(p.size);
	if (!p.bytes)
		fuse_reply_err(req, ENOMEM);
	return p;
}

static void reply_page(struct page *p, int r, const struct err *err)
{
	if (r < 0)
		reply_failed(p->req, r, err);
	else
		fuse_reply_buf(p->req, p->bytes, p->used);
}

static void readdir_on_worker(struct work *w)
{
	struct job *job = JOB_OF(w, work);
	struct err err = ERR_INIT;
	struct page p = {.req = job->req, .size = job->size < READDIR_MAX ? job->size : READDIR_MAX};
	int r;

	p.bytes = malloc(p.size);
	r = p.bytes ? tree_list_slow(&job->ops->tree, job->node, job->offset, fill_page, &p, &err) : -ENOMEM;
	if (work_claim(w))
		reply_page(&p, r, &err);
	free(p.bytes);
	job_free(job);
}

static void readdir_later(fuse_req_t req, struct node *dir, uint64_t offset, size_t size)
{
	struct job *job = job_new(req, dir, "");

	if (!job)
		return;
	job->offset = offset;
	job->size = size;
	to_worker(job, readdir_on_worker);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct node *dir = inode_find(inodes_of(req), ino);
	struct err err = ERR_INIT;
	struct page p;
	int r;

	if (!dir || off < 0) {
		fuse_reply_err(req, dir ? EINVAL : ESTALE);
		return;
	}
	p = page_new(req, size);
	if (!p.bytes)
		return;
	r = tree_list(&ops_of(req)->tree, dir, (uint64_t)off, fill_page, &p, &err);
	if (r == TREE_SLOW)
		readdir_later(req, dir, (uint64_t)off, size);
	else
		reply_page(&p, r, &err);
	free(p.bytes);
}

/* --- the rest --- */

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct tree *t = &ops_of(req)->tree;
	OWNED(snapshot) struct snapshot *s = refresh_snapshot(t->refresh);
	struct statvfs st = {.f_bsize = 4096, .f_frsize = 4096, .f_namemax = 255, .f_flag = ST_RDONLY};

	st.f_blocks = (s->status.segment_bytes + 4095) / 4096;
	st.f_files = s->status.documents;
	fuse_reply_statfs(req, &st);
}

/* `size` 0 asks how long the answer is. */
static void reply_sized(fuse_req_t req, struct slice value, size_t size)
{
	if (size == 0)
		fuse_reply_xattr(req, value.len);
	else if (value.len > size)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, value.data, value.len);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct node *n = inode_find(inodes_of(req), ino);
	struct err err = ERR_INIT;
	OWNED_BUF value = {0};
	int r = n ? xattr_get(&ops_of(req)->tree, n, name, &value, &err) : -ESTALE;

	if (r < 0)
		reply_failed(req, r, &err);
	else if (r == 0)
		fuse_reply_err(req, ENODATA);
	else
		reply_sized(req, buf_slice(&value), size);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct node *n = inode_find(inodes_of(req), ino);
	struct err err = ERR_INIT;
	OWNED_BUF list = {0};
	int r = n ? xattr_list(&ops_of(req)->tree, n, &list, &err) : -ESTALE;

	if (r < 0)
		reply_failed(req, r, &err);
	else
		reply_sized(req, buf_slice(&list), size);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	conn->max_readahead = READAHEAD_BYTES;
	conn->max_write = READAHEAD_REQUEST; /* libfuse makes the limit of all requests of it */
	/* A listing of a million terms must not look each of them up. */
	conn->want &= ~(unsigned)(FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO);
	/* Listings of directories that do change are dropped by their time. */
	conn->want |= conn->capable & FUSE_CAP_AUTO_INVAL_DATA;
	conn->want |= conn->capable & (FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
	/* Else lookups in one directory wait for one another. libfuse before 3.17 does not pass it on. */
	conn->want |= conn->capable & FUSE_CAP_PARALLEL_DIROPS;
}

/* The mount is read-only, so the kernel refuses these itself, until somebody remounts it. */
static void op_setattr(
	fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
	fuse_reply_err(req, EROFS);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	fuse_reply_err(req, EROFS);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	fuse_reply_err(req, EROFS);
}

static void op_remove(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(req, EROFS);
}

static void op_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(req, EROFS);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
	const char *newname, unsigned flags)
{
	fuse_reply_err(req, EROFS);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname)
{
	fuse_reply_err(req, EROFS);
}

static void op_write(
	fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
	fuse_reply_err(req, EROFS);
}

static void op_create(
	fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	fuse_reply_err(req, EROFS);
}

static void op_fallocate(
	fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length, struct fuse_file_info *fi)
{
	fuse_reply_err(req, EROFS);
}

static void op_setxattr(
	fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
	fuse_reply_err(req, EROFS);
}

const struct fuse_lowlevel_ops ops_table = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.open = op_open,
	.read = op_read,
	.opendir = op_open,
	.readdir = op_readdir,
	.statfs = op_statfs,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.setattr = op_setattr,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_remove,
	.rmdir = op_remove,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.write = op_write,
	.create = op_create,
	.fallocate = op_fallocate,
	.setxattr = op_setxattr,
	.removexattr = op_remove,
};
