/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"
#include "thread.h"

#include <stdbool.h>
#include <stdlib.h>

struct workers {
	pthread_mutex_t lock; /* everything below but `threads` */
	pthread_cond_t more;
	struct work *first, **last;
	bool stopping;
	unsigned count;
	pthread_t threads[];
};

static void *work_on(void *arg)
{
	struct workers *p = arg;
	struct work *w;

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
		w->run(w);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

int workers_start(struct workers **out, unsigned threads)
{
	struct workers *p = calloc(1, sizeof(*p) + threads * sizeof(p->threads[0]));
	int r = 0;

	*out = NULL;
	if (!p)
		return -ENOMEM;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	p->last = &p->first;
	while (r == 0 && p->count < threads) {
		r = thread_start(&p->threads[p->count], "freshet-feed", work_on, p);
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
	w->next = NULL;
	pthread_mutex_lock(&p->lock);
	*p->last = w;
	p->last = &w->next;
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
}

void workers_stop(struct workers *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->more);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->count; i++)
		pthread_join(p->threads[i], NULL);
	pthread_cond_destroy(&p->more);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
