/* SPDX-License-Identifier: Apache-2.0 */
/* fs/worker.h - a few threads for requests that touch the feed or open files, so that the threads which
 * answer the kernel never block on either. */
#ifndef FRESHET_WORKER_H
#define FRESHET_WORKER_H

/* Embed one in each job; `run` owns the job from then on. */
struct work {
	struct work *next;
	void (*run)(struct work *w);
};
struct workers;

int workers_start(struct workers **out, unsigned threads); /* 0 or -errno */
void workers_submit(struct workers *p, struct work *w);
/* Runs what is queued, then ends the threads. NULL is fine. */
void workers_stop(struct workers *p);

#endif
