/* SPDX-License-Identifier: Apache-2.0 */
#include "ops_private.h"
#include "log.h"
#include "readahead.h"
#include "xattr.h"

#include <poll.h>
#include <sys/statvfs.h>

/* What "for ever" is in the seconds that libfuse wants: longer than a kernel stays up. */
#define SECONDS_FOREVER 1e9

double ops_seconds(int64_t t)
{
	return t == TREE_FOREVER ? SECONDS_FOREVER : (double)t / (double)TIME_SECOND;
}

void ops_failed(fuse_req_t req, int code, const struct err *err)
{
	if (code != -ENOENT && code != -ESTALE && code != -ENOTDIR && code != -E2BIG && *err->message)
		log_line(LOG_ERR, "%s", err->message);
	fuse_reply_err(req, code == -EBADMSG ? EIO : -code);
}

void ops_forget(struct ops *ops, fuse_ino_t ino, uint64_t n)
{
	if (inode_forget(ops->tree.inodes, ino, n))
		render_drop(ops->tree.render, ino);
}

/* Without these, the kernel asks no more, keeps pages and listings, and no file handle exists. */
static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	ops_count(req, REQUEST_OPEN);
	fuse_reply_err(req, ENOSYS);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct tree *t = &ops_of(req)->tree;
	OWNED(snapshot) struct snapshot *s = refresh_snapshot(t->refresh);
	struct statvfs st = {.f_bsize = 4096, .f_frsize = 4096, .f_namemax = 255, .f_flag = ST_RDONLY};

	ops_count(req, REQUEST_STATFS);
	st.f_blocks = (s->status.segment_bytes + 4095) / 4096;
	st.f_files = s->status.documents;
	fuse_reply_statfs(req, &st);
}

/* As sysfs has it: always readable; once a newer generation is published also POLLPRI, and POLLERR, which wakes everybody. */
static void op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct fuse_pollhandle *handle)
{
	struct ops *ops = ops_of(req);
	struct node *n = inode_find(ops->tree.inodes, ino);
	unsigned events = POLLIN | POLLRDNORM;

	ops_count(req, REQUEST_POLL);
	if (!n || !tree_is_awaited(n)) {
		if (handle)
			fuse_pollhandle_destroy(handle);
		fuse_reply_poll(req, events | POLLOUT | POLLWRNORM); /* as of every regular file */
		return;
	}
	/* Before what is published is looked at, lest a publish fall in between. */
	if (handle) {
		notify_poll(ops->notify, handle);
		refresh_await(ops->tree.refresh);
	}
	if (tree_is_outdated(&ops->tree, n))
		events |= POLLPRI | POLLERR;
	fuse_reply_poll(req, events);
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
	int r;

	ops_count(req, REQUEST_XATTR);
	/* `ls -l` asks for a label and for access lists of each file, until one answers that there is no such thing. */
	if (strncmp(name, "user.", 5) != 0) {
		fuse_reply_err(req, EOPNOTSUPP);
		return;
	}
	r = n ? xattr_get(&ops_of(req)->tree, n, name, &value, &err) : -ESTALE;
	if (r < 0)
		ops_failed(req, r, &err);
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

	ops_count(req, REQUEST_XATTR);
	if (r < 0)
		ops_failed(req, r, &err);
	else
		reply_sized(req, buf_slice(&list), size);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	conn->max_readahead = READAHEAD_BYTES;
	conn->max_write = READAHEAD_REQUEST; /* libfuse makes the limit of all requests of it */
	/* A listing alone looks nothing up: the kernel asks for attributes where somebody looks at the entries, too. */
	conn->want |= conn->capable & (FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO);
	/* Listings of directories that do change are dropped by their time. */
	conn->want |= conn->capable & FUSE_CAP_AUTO_INVAL_DATA;
	conn->want |= conn->capable & (FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
	/* Else lookups in one directory wait for one another. libfuse before 3.17 does not pass it on. */
	conn->want |= conn->capable & FUSE_CAP_PARALLEL_DIROPS;
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
	.readdirplus = op_readdirplus,
	.statfs = op_statfs,
	.poll = op_poll,
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
