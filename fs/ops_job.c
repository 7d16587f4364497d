/* SPDX-License-Identifier: Apache-2.0 */
#include "ops_private.h"

struct job *job_new(fuse_req_t req, struct node *node, const char *name)
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

void job_free(struct job *job)
{
	ops_forget(job->ops, job->node->ino, 1);
	free(job);
}

/* With a signal: the kernel tells of it, and waits for the answer all the same. */
static bool job_given_up(struct work *w)
{
	return fuse_req_interrupted(JOB_OF(w, work)->req);
}

void job_late(struct work *w)
{
	fuse_reply_err(JOB_OF(w, work)->req, job_given_up(w) ? EINTR : ETIMEDOUT);
}

void job_to_worker(struct job *job, void (*run)(struct work *w))
{
	bool is_mirror = job->node->kind == NODE_MIRROR_DIR || job->node->kind == NODE_MIRROR_FILE;
	bool is_feed = is_mirror && job->node->place == MIRROR_PARTITIONS;

	job->work.run = run;
	job->work.given_up = job_given_up;
	if (!job->work.late)
		job->work.late = job_late;
	workers_submit(is_feed ? job->ops->feed_workers : job->ops->workers, &job->work);
}
