/* SPDX-License-Identifier: Apache-2.0 */
/* fs/worker.h - a few threads for requests that touch the feed, open files or take long, so that the threads which answer the kernel never
 * block on any of it. Where all hang, those who wait are answered late, and by another thread. */
#ifndef FRESHET_WORKER_H
#define FRESHET_WORKER_H

#include <stdbool.h>
#include <stdint.h>

/* Embed one in each job. `run` owns the job from then on, and asks work_claim() before it answers. */
struct work {
	struct work *next;
	void (*run)(struct work *w);
	/* Answers in its place when the time is over, and frees nothing: `run` still has the job, or will have it. */
	void (*late)(struct work *w);
	/* Does nobody wait for the answer any more? Then it is late at once. Asked now and then, until it is answered. */
	bool (*given_up)(struct work *w);
	/* workers' own: */
	struct workers *of;
	struct work *later;
	int64_t deadline;
	bool answered;
};
struct workers;

/* `timeout`: nanoseconds from submission to `late`, and a tenth of it while others are late; TIME_FOREVER: never, nor are they asked whether they
 * are given up. Returns 0 or -errno. */
int workers_start(struct workers **out, unsigned threads, int64_t timeout);
void workers_submit(struct workers *p, struct work *w);
/* May the work be answered? False: it was already, being late. Asked once. */
bool work_claim(struct work *w);
/* Runs what is queued, then ends the threads. Returns false where one hangs: it stays for as long as the process, and so does all that
 * it uses. NULL is fine. */
bool workers_stop(struct workers *p);

#endif
