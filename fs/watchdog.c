/* SPDX-License-Identifier: Apache-2.0 */
#include "watchdog.h"
#include "log.h"
#include "thread.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define STATUS_EVERY (10 * TIME_SECOND) /* its age grows though nothing happens */
#define PER_WATCHDOG 3                  /* signs of life within the time that is allowed */

struct watchdog {
	struct watchdog_options opt;
	int64_t pause;
	pthread_t thread;
	pthread_mutex_t lock; /* the two below */
	pthread_cond_t change;
	bool stop, woken;
};

/* Whatever is asked of a file may be in the kernel's caches; the file system's own numbers never are. */
static bool mount_answers(const struct watchdog *w)
{
	struct statvfs st;

	return statvfs(w->opt.mountpoint, &st) == 0;
}

static void add_status(const struct watchdog *w, struct buf *lines)
{
	OWNED(snapshot) struct snapshot *s = refresh_snapshot(w->opt.refresh);
	char watermark[TIME_TEXT_MAX], error[ERR_MAX];
	int64_t building_since, age = status_age(&s->status, time_now());

	refresh_facts(w->opt.refresh, &building_since, error);
	if (age == TIME_NONE)
		buf_add_str(lines, "STATUS=nothing is published yet");
	else
		buf_addf(lines, "STATUS=generation %" PRIu64 ", watermark %s, age %" PRId64 " s",
			s->status.generation, time_text(s->status.watermark, watermark), age / TIME_SECOND);
	if (building_since != TIME_NONE)
		buf_add_str(lines, ", building");
	if (s->status.paused)
		buf_add_str(lines, ", builds are paused");
	if (!*error)
		snprintf(error, sizeof(error), "%s", s->status.last_error);
	error[strcspn(error, "\n")] = 0;
	if (*error)
		buf_addf(lines, "; %s", error);
	buf_add_byte(lines, '\n');
}

static void say(const struct watchdog *w, const char *first)
{
	OWNED_BUF lines = {0};

	if (!service_is_managed(w->opt.service))
		return;
	buf_add_str(&lines, first);
	add_status(w, &lines);
	if (!buf_error(&lines))
		service_tell(w->opt.service, buf_cstr(&lines));
}

/* Sleeps until it is time for another round; false: it is over. */
static bool wait_for_round(struct watchdog *w)
{
	int64_t until = time_add(time_monotonic(), w->pause);
	struct timespec t = {.tv_sec = until / TIME_SECOND, .tv_nsec = until % TIME_SECOND};
	bool go_on;

	pthread_mutex_lock(&w->lock);
	while (!w->stop && !w->woken &&
		pthread_cond_clockwait(&w->change, &w->lock, CLOCK_MONOTONIC, &t) != ETIMEDOUT)
		;
	w->woken = false;
	go_on = !w->stop;
	pthread_mutex_unlock(&w->lock);
	return go_on;
}

static void make_round(struct watchdog *w)
{
	if (!mount_answers(w)) {
		log_line(LOG_ERR, "%s: does not answer: %s", w->opt.mountpoint, strerror(errno));
		return;
	}
	if (!refresh_is_alive(w->opt.refresh, w->pause)) {
		log_line(
			LOG_ERR, "what is published is not followed any more: the thread that does it hangs");
		return;
	}
	say(w, w->opt.service->watchdog ? "WATCHDOG=1\n" : "");
}

static void *watch(void *arg)
{
	struct watchdog *w = arg;

	if (unshare(CLONE_FILES) < 0 || close(w->opt.fuse_fd) < 0) {
		log_line(LOG_ERR, "watchdog: %s", strerror(errno));
		return NULL;
	}
	if (!mount_answers(w)) {
		log_line(LOG_ERR, "%s: does not answer: %s", w->opt.mountpoint, strerror(errno));
		return NULL;
	}
	w->opt.ready(w->opt.ctx);
	say(w, "READY=1\n");
	while (service_is_managed(w->opt.service) && wait_for_round(w))
		make_round(w);
	return NULL;
}

int watchdog_start(struct watchdog **out, const struct watchdog_options *opt)
{
	struct watchdog *w = calloc(1, sizeof(*w));
	int r;

	*out = NULL;
	if (!w)
		return -ENOMEM;
	w->opt = *opt;
	w->pause = STATUS_EVERY;
	if (opt->service->watchdog && opt->service->watchdog / PER_WATCHDOG < w->pause)
		w->pause = opt->service->watchdog / PER_WATCHDOG;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->change, NULL);
	r = thread_start(&w->thread, "freshet-watch", watch, w);
	if (r < 0) {
		free(w);
		return r;
	}
	*out = w;
	return 0;
}

static void change(struct watchdog *w, bool stop)
{
	pthread_mutex_lock(&w->lock);
	w->stop |= stop;
	w->woken = true;
	pthread_cond_signal(&w->change);
	pthread_mutex_unlock(&w->lock);
}

void watchdog_wake(struct watchdog *w)
{
	if (w)
		change(w, false);
}

bool watchdog_stop(struct watchdog *w)
{
	if (!w)
		return true;
	change(w, true);
	if (!thread_join_soon(w->thread))
		return false;
	pthread_cond_destroy(&w->change);
	pthread_mutex_destroy(&w->lock);
	free(w);
	return true;
}
