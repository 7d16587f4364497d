/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"
#include "log.h"
#include "thread.h"
#include "timefmt.h"

#include <stdlib.h>

/* Once one was late, the next get so much less time, until one is not: in some directories they come one by one. */
#define IMPATIENCE 10
#define SLOW (TIME_SECOND / 10)    /* worth a line */
#define ASK_GAP (TIME_SECOND / 10) /* between two questions whether the answer is still waited for */

struct workers {
	pthread_mutex_t lock; /* everything below but `timeout` and `threads` */
	pthread_cond_t more, sooner;
	struct work *first, **last;  /* queued */
	struct work *open, **latest; /* not answered, in the order of their deadlines */
	bool stopping, over;
	bool hangs; /* the last that was answered was late */
	int64_t timeout;
	unsigned count;
	pthread_t clock;
	bool has_clock;
	pthread_t threads[];
};

static void log_slow(int64_t took)
{
	if (took >= SLOW)
		log_line(LOG_DEBUG, "slow: a request took a worker %.3f s",
			(double)took / (double)TIME_SECOND);
}

static void *work_on(void *arg)
{
	struct workers *p = arg;
	struct work *w;
	int64_t began;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!p->first && !p->stopping)
			pthread_cond_wait(&p->more, &p->lock);
		w = p->first;
		if (!w)
			break;
		p->first = w->next;
		if (!p->first)
			p->last = &p->first;
		pthread_mutex_unlock(&p->lock);
		began = time_monotonic();
		w->run(w);
		log_slow(time_monotonic() - began);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void open_remove(struct workers *p, struct work *w)
{
	struct work **at = &p->open;

	while (*at != w)
		at = &(*at)->later;
	*at = w->later;
	if (!*at)
		p->latest = at;
}

/* In the order of deadlines: nearly always at the end. */
static void open_add(struct workers *p, struct work *w)
{
	struct work **at = p->latest;

	if (p->hangs)
		for (at = &p->open; *at && (*at)->deadline <= w->deadline;)
			at = &(*at)->later;
	if (at == &p->open)
		pthread_cond_signal(&p->sooner);
	w->later = *at;
	*at = w;
	if (!w->later)
		p->latest = &w->later;
}

static void wait_until(struct workers *p, int64_t deadline)
{
	struct timespec t = {.tv_sec = deadline / TIME_SECOND, .tv_nsec = deadline % TIME_SECOND};

	pthread_cond_clockwait(&p->sooner, &p->lock, CLOCK_MONOTONIC, &t);
}

/* The oldest is the first to be late, but for those that are given up. */
static struct work *find_late(struct workers *p, int64_t now)
{
	struct work *w = p->open;

	if (w && now >= w->deadline) {
		p->hangs = true;
		return w;
	}
	while (w && !w->given_up(w))
		w = w->later;
	return w;
}

static void *watch_clock(void *arg)
{
	struct workers *p = arg;
	struct work *w;
	int64_t now;

	pthread_mutex_lock(&p->lock);
	while (!p->over) {
		now = time_monotonic();
		w = find_late(p, now);
		if (w) {
			open_remove(p, w);
			w->answered = true;
			w->late(w); /* with the lock, so that the job is there until it has answered */
		} else if (p->open) {
			now = time_add(now, ASK_GAP);
			wait_until(p, now < p->open->deadline ? now : p->open->deadline);
		} else {
			pthread_cond_wait(&p->sooner, &p->lock);
		}
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

int workers_start(struct workers **out, unsigned threads, int64_t timeout)
{
	struct workers *p = calloc(1, sizeof(*p) + threads * sizeof(p->threads[0]));
	int r = 0;

	*out = NULL;
	if (!p)
		return -ENOMEM;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	pthread_cond_init(&p->sooner, NULL);
	p->last = &p->first;
	p->latest = &p->open;
	p->timeout = timeout;
	if (timeout != TIME_FOREVER) {
		r = thread_start(&p->clock, "freshet-late", watch_clock, p);
		p->has_clock = r == 0;
	}
	while (r == 0 && p->count < threads) {
		r = thread_start(&p->threads[p->count], "freshet-worker", work_on, p);
		if (r == 0)
			p->count++;
	}
	if (r < 0) {
		workers_stop(p);
		return r;
	}
	*out = p;
	return 0;
}

void workers_submit(struct workers *p, struct work *w)
{
	w->next = w->later = NULL;
	w->of = p;
	w->answered = false;
	pthread_mutex_lock(&p->lock);
	*p->last = w;
	p->last = &w->next;
	if (p->has_clock) {
		w->deadline = time_add(time_monotonic(), p->hangs ? p->timeout / IMPATIENCE : p->timeout);
		open_add(p, w);
	}
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
}

bool work_claim(struct work *w)
{
	struct workers *p = w->of;
	bool claimed;

	pthread_mutex_lock(&p->lock);
	claimed = !w->answered;
	p->hangs &= !claimed;
	if (claimed && p->has_clock)
		open_remove(p, w);
	w->answered = true;
	pthread_mutex_unlock(&p->lock);
	return claimed;
}

static void stop_clock(struct workers *p)
{
	if (!p->has_clock)
		return;
	pthread_mutex_lock(&p->lock);
	p->over = true;
	pthread_cond_signal(&p->sooner);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->clock, NULL);
}

bool workers_stop(struct workers *p)
{
	bool ended = true;

	if (!p)
		return true;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->more);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->count; i++)
		ended &= p->has_clock ? thread_join_soon(p->threads[i]) : !pthread_join(p->threads[i], NULL);
	stop_clock(p);
	if (!ended)
		return false;
	pthread_cond_destroy(&p->more);
	pthread_cond_destroy(&p->sooner);
	pthread_mutex_destroy(&p->lock);
	free(p);
	return true;
}
