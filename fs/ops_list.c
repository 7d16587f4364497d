/* SPDX-License-Identifier: Apache-2.0 */
/* Listings, and listings with attributes (readdirplus), which the kernel asks for when somebody looks at the entries too: `ls -l`. Each entry
 * of these counts as a lookup, and is one where that is cheap; else it comes without attributes, and is looked up when it is looked at. */
#include "ops_private.h"

#define READDIR_MAX (1u << 20) /* bytes of one answer, whatever the kernel asks for */

struct page {
	fuse_req_t req;
	struct node *dir;
	bool plus;
	char *bytes; /* owned */
	size_t size, used;
	struct buf looked_up; /* owned: the numbers of the inodes in it */
};

/* An entry's inode is unknown until it is looked up; libfuse's own number for that. */
#define INO_UNKNOWN 0xffffffff

static bool fill_plain(struct page *p, const char *name, const struct stat *st, uint64_t next)
{
	size_t left = p->size - p->used;
	size_t need = fuse_add_direntry(p->req, p->bytes + p->used, left, name, st, (off_t)next);

	if (need > left)
		return false;
	p->used += need;
	return true;
}

/* Without attributes where they cannot be had: the kernel then asks for them where somebody does. */
static void look_up(struct page *p, const char *name, struct fuse_entry_param *e)
{
	struct ops *ops = ops_of(p->req);
	struct err err = ERR_INIT;
	struct tree_entry entry;

	if (!tree_lists_nodes(p->dir) || !strcmp(name, ".") || !strcmp(name, "..") ||
		tree_lookup(&ops->tree, p->dir, name, &entry, &err) != 1)
		return;
	buf_add(&p->looked_up, &entry.node->ino, sizeof(entry.node->ino));
	if (p->looked_up.failed) {
		ops_forget(ops, entry.node->ino, 1);
	} else {
		inode_told(ops->tree.inodes, p->dir, entry.node, name);
		ops_entry(&ops->tree, &entry, e);
	}
}

static bool fill_plus(struct page *p, const char *name, const struct stat *st, uint64_t next)
{
	struct fuse_entry_param e = {.attr = *st};
	size_t left = p->size - p->used;
	size_t need = fuse_add_direntry_plus(p->req, NULL, 0, name, NULL, 0);

	if (need > left)
		return false;
	look_up(p, name, &e);
	fuse_add_direntry_plus(p->req, p->bytes + p->used, left, name, &e, (off_t)next);
	p->used += need;
	return true;
}

static bool fill_page(void *ctx, const char *name, bool is_dir, uint64_t next)
{
	struct page *p = ctx;
	struct stat st = {.st_ino = INO_UNKNOWN, .st_mode = is_dir ? S_IFDIR : S_IFREG};

	return p->plus ? fill_plus(p, name, &st, next) : fill_plain(p, name, &st, next);
}

/* Returns 0 or -ENOMEM. */
static int page_init(struct page *p, fuse_req_t req, struct node *dir, size_t size, bool plus)
{
	*p = (struct page){
		.req = req, .dir = dir, .plus = plus, .size = size < READDIR_MAX ? size : READDIR_MAX};
	p->bytes = malloc(p->size);
	return p->bytes ? 0 : -ENOMEM;
}

/* What the kernel was not told of, it does not forget. */
static void page_forget(struct ops *ops, struct page *p)
{
	uint64_t ino;

	for (size_t at = 0; at + sizeof(ino) <= p->looked_up.len; at += sizeof(ino)) {
		memcpy(&ino, p->looked_up.data + at, sizeof(ino));
		ops_forget(ops, ino, 1);
	}
}

static void page_reply(struct page *p, int r, const struct err *err)
{
	struct ops *ops = ops_of(p->req);

	if (r < 0)
		ops_failed(p->req, r, err);
	if (r < 0 || fuse_reply_buf(p->req, p->bytes, p->used) < 0)
		page_forget(ops, p);
}

static void page_release(struct page *p)
{
	free(p->bytes);
	buf_release(&p->looked_up);
}

static void list_on_worker(struct job *job, bool plus)
{
	struct err err = ERR_INIT;
	struct page p;
	int r = page_init(&p, job->req, job->node, job->size, plus);

	if (r == 0)
		r = tree_list_slow(&job->ops->tree, job->node, job->offset, fill_page, &p, &err);
	if (work_claim(&job->work))
		page_reply(&p, r, &err);
	page_release(&p);
	job_free(job);
}

static void readdir_on_worker(struct work *w)
{
	list_on_worker(JOB_OF(w, work), false);
}

static void readdirplus_on_worker(struct work *w)
{
	list_on_worker(JOB_OF(w, work), true);
}

static void list_later(fuse_req_t req, struct node *dir, uint64_t offset, size_t size, bool plus)
{
	struct job *job = job_new(req, dir, "");

	if (!job)
		return;
	job->offset = offset;
	job->size = size;
	job_to_worker(job, plus ? readdirplus_on_worker : readdir_on_worker);
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, bool plus)
{
	struct node *dir = inode_find(inodes_of(req), ino);
	struct err err = ERR_INIT;
	struct page p;
	int r;

	if (!dir || off < 0) {
		fuse_reply_err(req, dir ? EINVAL : ESTALE);
		return;
	}
	r = page_init(&p, req, dir, size, plus);
	if (r == 0)
		r = tree_list(&ops_of(req)->tree, dir, (uint64_t)off, fill_page, &p, &err);
	if (r == TREE_SLOW)
		list_later(req, dir, (uint64_t)off, size, plus);
	else
		page_reply(&p, r, &err);
	page_release(&p);
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	ops_count(req, REQUEST_READDIR);
	list(req, ino, size, off, false);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	ops_count(req, REQUEST_READDIRPLUS);
	list(req, ino, size, off, true);
}
