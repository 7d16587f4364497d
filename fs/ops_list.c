/* SPDX-License-Identifier: Apache-2.0 */
#include "ops_private.h"

#define READDIR_MAX (1u << 20) /* bytes of one answer, whatever the kernel asks for */

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
		ops_failed(p->req, r, err);
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
	job_to_worker(job, readdir_on_worker);
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct node *dir = inode_find(inodes_of(req), ino);
	struct err err = ERR_INIT;
	struct page p;
	int r;

	ops_count(req, REQUEST_READDIR);
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
