/* SPDX-License-Identifier: Apache-2.0 */
#include "ops_private.h"

#define READ_MAX (4u << 20)

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
	ops_forget(ops, ino, 1);
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
			ops_failed(job->req, r, &err);
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
	job_to_worker(job, read_on_worker);
}

static void read_rendered(fuse_req_t req, const struct node *n, uint64_t offset, size_t size)
{
	struct render *render = ops_of(req)->tree.render;
	struct err err = ERR_INIT;
	struct loan loan;
	int r = render_lend(render, n, offset == 0 && size >= n->size, &loan, &err);

	if (r < 0)
		ops_failed(req, r, &err);
	else
		reply_part(req, loan.bytes, offset, size);
	render_return(render, &loan);
}

void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct node *n = inode_find(inodes_of(req), ino);
	struct slice plain;

	ops_count(req, REQUEST_READ);
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
