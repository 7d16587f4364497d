/* SPDX-License-Identifier: Apache-2.0 */
#include "ops_private.h"
#include "name.h"

void ops_entry(struct tree *t, const struct tree_entry *entry, struct fuse_entry_param *out)
{
	*out = (struct fuse_entry_param){.ino = entry->node->ino, .entry_timeout = ops_seconds(entry->valid)};
	out->attr_timeout = ops_seconds(tree_attr(t, entry->node, &out->attr));
	if (tree_attr_is_slow(entry->node))
		out->attr_timeout = 0; /* the kernel asks for them at once, which goes to a worker */
}

static void reply_entry(fuse_req_t req, struct node *parent, const char *name, int r,
	const struct tree_entry *entry, const struct err *err)
{
	struct fuse_entry_param e = {0};

	if (r < 0) {
		ops_failed(req, r, err);
		return;
	}
	if (r == 0) {
		/* Number 0 is the kernel's word for a name that is known not to be there. */
		e.entry_timeout = ops_seconds(entry->valid);
		if (entry->valid)
			fuse_reply_entry(req, &e);
		else
			fuse_reply_err(req, ENOENT);
		return;
	}
	ops_entry(&ops_of(req)->tree, entry, &e);
	inode_told(inodes_of(req), parent, entry->node, name);
	if (fuse_reply_entry(req, &e) < 0)
		ops_forget(ops_of(req), e.ino, 1);
}

static void lookup_on_worker(struct work *w)
{
	struct job *job = JOB_OF(w, work);
	struct err err = ERR_INIT;
	struct tree_entry entry;
	int r = tree_lookup_slow(&job->ops->tree, job->node, job->name, &entry, &err);

	if (work_claim(w))
		reply_entry(job->req, job->node, job->name, r, &entry, &err);
	else if (r == 1)
		ops_forget(job->ops, entry.node->ino, 1);
	job_free(job);
}

static void lookup_now(fuse_req_t req, struct node *parent, const char *name)
{
	struct err err = ERR_INIT;
	struct tree_entry entry;
	struct job *job;
	int r = tree_lookup(&ops_of(req)->tree, parent, name, &entry, &err);

	if (r != TREE_SLOW) {
		reply_entry(req, parent, name, r, &entry, &err);
		return;
	}
	job = job_new(req, parent, name);
	if (job)
		job_to_worker(job, lookup_on_worker);
}

static void lookup_after_look(struct refresh_waiter *w)
{
	struct job *job = JOB_OF(w, waiter);

	lookup_now(job->req, job->node, job->name);
	job_free(job);
}

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct refresh *refresh = ops_of(req)->tree.refresh;
	struct node *dir = inode_find(inodes_of(req), parent);
	struct job *job;

	ops_count(req, REQUEST_LOOKUP);
	if (!dir) {
		fuse_reply_err(req, ESTALE);
		return;
	}
	if (strlen(name) > NAME_MAX_BYTES) { /* which the kernel leaves to us up to 1,024 */
		fuse_reply_err(req, ENAMETOOLONG);
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

void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	ops_count(req, REQUEST_FORGET);
	ops_forget(ops_of(req), ino, nlookup);
	fuse_reply_none(req);
}

void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++) {
		ops_count(req, REQUEST_FORGET);
		ops_forget(ops_of(req), forgets[i].ino, forgets[i].nlookup);
	}
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
			ops_failed(job->req, r, &err);
		else
			fuse_reply_attr(job->req, &st, ops_seconds(valid));
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
		job_late(w);
	else
		fuse_reply_attr(job->req, &st, 0);
}

static void getattr_now(fuse_req_t req, struct node *n)
{
	struct stat st;
	int64_t valid = tree_attr(&ops_of(req)->tree, n, &st);

	fuse_reply_attr(req, &st, ops_seconds(valid));
}

static void getattr_after_look(struct refresh_waiter *w)
{
	struct job *job = JOB_OF(w, waiter);

	getattr_now(job->req, job->node);
	job_free(job);
}

void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct refresh *refresh = ops_of(req)->tree.refresh;
	struct node *n = inode_find(inodes_of(req), ino);
	struct job *job;
	bool slow, wait;

	ops_count(req, REQUEST_GETATTR);
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
		job_to_worker(job, getattr_on_worker);
		return;
	}
	job->waiter.done = getattr_after_look;
	refresh_wait(refresh, &job->waiter);
}
