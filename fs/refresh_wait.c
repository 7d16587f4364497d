/* SPDX-License-Identifier: Apache-2.0 */
/* fs/refresh_wait.c - requests that wait for a look, or for the build that it starts; each no longer than it may. */
#include "log.h"
#include "refresh_private.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define LOOK_MIN TIME_SECOND
/* Longer than notify.c lets anybody poll without asking anew. */
#define AWAIT_MAX (60 * TIME_SECOND)
#define AWAIT_GAP (100 * INT64_C(1000000)) /* nobody asks as often as poll = 0s would look */

#define SLOW (TIME_SECOND / 10) /* worth a line */

void refresh_answer(struct refresh_waiter *w)
{
	struct refresh_waiter *next;
	int64_t now = time_monotonic();

	for (; w; w = next) {
		next = w->next;
		if (now - w->arrived >= SLOW)
			log_line(LOG_DEBUG, "slow: a lookup waited %.3f s for something fresher",
				(double)(now - w->arrived) / (double)TIME_SECOND);
		w->done(w);
	}
}

void refresh_answer_building(struct refresh *r)
{
	struct refresh_waiter *w;

	pthread_mutex_lock(&r->lock);
	w = r->building;
	r->building = NULL;
	r->build_deadline = TIME_NONE;
	pthread_mutex_unlock(&r->lock);
	refresh_answer(w);
}

void refresh_looked(struct refresh *r, int64_t began)
{
	struct refresh_waiter **p, *w, *ready = NULL;
	bool build;

	pthread_mutex_lock(&r->lock);
	r->looked = began;
	r->starting &= r->building_since != TIME_NONE;
	build = r->build_deadline != TIME_NONE && time_monotonic() < r->build_deadline;
	for (p = &r->waiting; (w = *p);) {
		if (time_add(began, r->opt.cfg->poll) < w->arrived) {
			p = &w->next;
			continue;
		}
		*p = w->next;
		if (build) {
			w->next = r->building;
			r->building = w;
		} else {
			w->next = ready;
			ready = w;
		}
	}
	pthread_mutex_unlock(&r->lock);
	refresh_answer(ready);
}

/* A short `wait` is for builds: a look takes some milliseconds unless something is wrong. */
static int64_t look_patience(const struct refresh *r)
{
	return r->opt.cfg->wait > LOOK_MIN ? r->opt.cfg->wait : LOOK_MIN;
}

int64_t refresh_look_deadline(const struct refresh *r)
{
	return time_add(r->look_began, look_patience(r));
}

/* Who waits for a feed that does not answer gets what there is. */
static void answer_late(struct refresh *r)
{
	struct refresh_waiter *w;
	char text[ERR_MAX], time[TIME_TEXT_MAX];

	pthread_mutex_lock(&r->lock);
	w = r->waiting;
	r->waiting = NULL;
	r->starting = false;
	snprintf(text, sizeof(text), "%s: has not answered for more than %s", r->opt.url,
		duration_text(look_patience(r), time));
	pthread_mutex_unlock(&r->lock);
	if (refresh_set_error(r, r->look_error, text))
		log_line(LOG_WARNING, "%s", text);
	refresh_answer(w);
}

void refresh_expire(struct refresh *r)
{
	int64_t now = time_monotonic();
	bool build_late, look_late;

	pthread_mutex_lock(&r->lock);
	build_late = r->building && now >= r->build_deadline;
	look_late =
		(r->waiting || r->starting) && r->look_began != TIME_NONE && now >= refresh_look_deadline(r);
	pthread_mutex_unlock(&r->lock);
	if (build_late)
		refresh_answer_building(r);
	if (look_late)
		answer_late(r);
}

void refresh_wake(struct refresh *r)
{
	uint64_t one = 1;

	/* It can only fail when the counter is full, and then the thread wakes anyway. */
	if (write(r->wakefd, &one, sizeof(one)) < 0)
		return;
}

bool refresh_is_alive(struct refresh *r, int64_t patience)
{
	int64_t until = time_add(time_monotonic(), patience);
	struct timespec t = {.tv_sec = until / TIME_SECOND, .tv_nsec = until % TIME_SECOND};
	uint64_t before;
	bool alive;

	pthread_mutex_lock(&r->lock);
	before = r->turns;
	refresh_wake(r);
	while (r->turns == before && !r->stop &&
		pthread_cond_clockwait(&r->turned, &r->lock, CLOCK_MONOTONIC, &t) != ETIMEDOUT)
		;
	alive = r->turns != before || r->stop;
	pthread_mutex_unlock(&r->lock);
	return alive;
}

static bool is_fresh(struct refresh *r, int64_t now)
{
	if (mode_of(r) == REFRESH_EAGER || r->stop)
		return true;
	/* After a restart the last generation is there before anything is asked of the feed. */
	if (r->starting && r->now->generation)
		return true;
	if (r->build_deadline != TIME_NONE && now < r->build_deadline)
		return false;
	if (r->look_began != TIME_NONE && now >= refresh_look_deadline(r))
		return true; /* the feed does not answer: there is nothing fresher to be had */
	return r->looked != TIME_NONE && now - r->looked < r->opt.cfg->poll;
}

bool refresh_is_fresh(struct refresh *r)
{
	bool fresh;

	pthread_mutex_lock(&r->lock);
	fresh = is_fresh(r, time_monotonic());
	pthread_mutex_unlock(&r->lock);
	return fresh;
}

void refresh_await(struct refresh *r)
{
	int64_t now = time_monotonic();
	bool sleeps;

	if (mode_of(r) == REFRESH_EAGER)
		return;
	pthread_mutex_lock(&r->lock);
	sleeps = r->awaited_till == TIME_NONE || r->awaited_till <= now;
	r->awaited_till = now + AWAIT_MAX;
	pthread_mutex_unlock(&r->lock);
	if (sleeps)
		refresh_wake(r);
}

int64_t refresh_awaited_look(const struct refresh *r)
{
	int64_t gap = r->opt.cfg->poll > AWAIT_GAP ? r->opt.cfg->poll : AWAIT_GAP;

	if (r->awaited_till == TIME_NONE || r->awaited_till <= time_monotonic())
		return TIME_FOREVER;
	return r->looked == TIME_NONE ? 0 : time_add(r->looked, gap);
}

int64_t refresh_valid_for(struct refresh *r)
{
	int64_t left;

	if (mode_of(r) == REFRESH_EAGER)
		return TIME_FOREVER;
	pthread_mutex_lock(&r->lock);
	left = r->looked == TIME_NONE ? 0 : time_add(r->looked, r->opt.cfg->poll) - time_monotonic();
	pthread_mutex_unlock(&r->lock);
	return left > 0 ? left : 0;
}

void refresh_wait(struct refresh *r, struct refresh_waiter *w)
{
	bool stopped;

	w->arrived = time_monotonic();
	pthread_mutex_lock(&r->lock);
	stopped = r->stop;
	if (!stopped) {
		w->next = r->waiting;
		r->waiting = w;
	}
	pthread_mutex_unlock(&r->lock);
	if (stopped)
		w->done(w);
	else
		refresh_wake(r);
}
