/* SPDX-License-Identifier: Apache-2.0 */
/* One loop: look when it is time to, then sleep in poll() until a waiter, an inotify event, the builder or a
 * deadline wakes it. A look is: did another publish (STATE/current, the catalog's version); then, unless the
 * mode is manual or a build runs already, list and plan, and start a build when something is due. */
#include "log.h"
#include "refresh_private.h"
#include "thread.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Eager: events come in bursts, and a look is not free. */
#define EAGER_GAP (10 * INT64_C(1000000))
/* Eager: a look that no event asked for, since inotify does not see what other machines do. */
#define EAGER_IDLE_MAX (60 * TIME_SECOND)
#define LOOKS_IN_A_ROW 4

bool refresh_set_error(struct refresh *r, char error[ERR_MAX], const char *text)
{
	bool is_new;

	pthread_mutex_lock(&r->lock);
	is_new = strcmp(error, text) != 0;
	snprintf(error, ERR_MAX, "%s", text);
	pthread_mutex_unlock(&r->lock);
	return is_new && *text;
}

static void set_look_error(struct refresh *r, const char *text)
{
	if (refresh_set_error(r, r->look_error, text))
		log_line(LOG_WARNING, "%s", text);
}

/* --- what is published --- */

static void log_taken_in(const struct snapshot *before, const struct snapshot *now)
{
	char watermark[TIME_TEXT_MAX];

	if (!before || before->status.generation == now->status.generation)
		return;
	log_line(LOG_INFO, "generation %" PRIu64 " is served, watermark %s", now->status.generation,
		time_text(now->status.watermark, watermark));
}

int refresh_take_in(struct refresh *r, struct err *err)
{
	struct snapshot *before = r->now, *next = NULL;
	bool reopened;
	int rc = published_look(&r->published, before, &next, &reopened, err);

	if (reopened && r->watch)
		watch_state(r->watch, r->opt.state->dir, NULL); /* which may be another directory now */
	if (rc <= 0)
		return rc;
	pthread_mutex_lock(&r->lock);
	r->now = next;
	pthread_mutex_unlock(&r->lock);
	log_taken_in(before, next);
	if (before && r->opt.published)
		r->opt.published(r->opt.ctx, before, next);
	snapshot_unref(before);
	return 1;
}

/* --- looks --- */

static int watch_what_was_listed(struct refresh *r, const struct listing *listing)
{
	int added;

	if (!r->watch || !r->opt.feed_dir)
		return 0;
	added = watch_listing(r->watch, r->opt.feed_dir, listing, NULL);
	r->watch_works = added >= 0;
	return added > 0 ? added : 0;
}

/* A build that died between the catalog and `current` has published what no mount can see: the next one
 * mends that first, so one is due. */
static int current_lags(struct refresh *r, bool *lags, struct err *err)
{
	const struct generation *g = r->now->generation;
	struct catalog_current known;
	int rc = catalog_current(r->published.from.catalog, &known, err);

	*lags = rc == 0 && known.number &&
		(!g || known.number > g->manifest.number ||
			strcmp(catalog_index(r->published.from.catalog), g->manifest.index) != 0);
	return rc;
}

/* Eager: when to look though nobody asks; at the latest, since something may have happened in a feed that is being looked at. */
static void schedule(struct refresh *r, int64_t next_due)
{
	int64_t now = time_monotonic(), idle = EAGER_IDLE_MAX, wall = time_now();

	if (mode_of(r) != REFRESH_EAGER)
		return;
	if (r->opt.cfg->cadence < idle)
		idle = r->opt.cfg->cadence;
	if (!r->watch_works)
		idle = r->opt.cfg->poll > EAGER_GAP ? r->opt.cfg->poll : EAGER_GAP;
	if (next_due != TIME_FOREVER && next_due - wall < idle)
		idle = next_due > wall ? next_due - wall : 0;
	if (idle < EAGER_GAP)
		idle = EAGER_GAP;
	if (now + idle < r->next_look)
		r->next_look = now + idle;
	if (r->no_build_till > now && r->no_build_till < r->next_look)
		r->next_look = r->no_build_till;
}

/* Starts a build where one is due, or where `current` lags. */
static int build_if_due(struct refresh *r, bool due, struct err *err)
{
	int rc = due || !r->published.from.catalog ? 0 : current_lags(r, &due, err);

	if (rc < 0)
		return rc;
	return due && time_monotonic() >= r->no_build_till ? refresh_start_build(r, err) : 0;
}

static double seconds_since(int64_t began)
{
	return (double)(time_monotonic() - began) / (double)TIME_SECOND;
}

static void look_ended(struct refresh *r, int64_t began, int rc, const struct err *err)
{
	set_look_error(r, rc < 0 ? err->message : "");
	log_line(LOG_DEBUG, "looked at the feed for %.3f s", seconds_since(began));
	pthread_mutex_lock(&r->lock);
	r->look_began = TIME_NONE;
	pthread_mutex_unlock(&r->lock);
	refresh_looked(r, began);
}

static int begin_sight(struct refresh *r, int64_t began, struct err *err)
{
	int rc = looker_begin(r->looker, r->opt.cfg, r->published.from.catalog, err);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&r->lock);
	r->look_began = began;
	pthread_mutex_unlock(&r->lock);
	return 1;
}

/* Nothing was ever built here, and so a build finds out all; who follows makes the catalog with what it fetches first. */
static int look_first(struct refresh *r, int64_t began, struct err *err)
{
	if (r->opt.follow)
		return begin_sight(r, began, err);
	return began >= r->no_build_till ? refresh_start_build(r, err) : 0;
}

/* Goes on until the feed has to be waited for (1), or to its end: 0 or -errno. */
static int look_on(struct refresh *r, int64_t began, struct err *err)
{
	int rc = refresh_take_in(r, err);

	if (rc < 0 || mode_of(r) == REFRESH_MANUAL || builder_runs(&r->builder))
		return rc < 0 ? rc : 0;
	r->looks = 1;
	r->next_taking = time_monotonic() + TIME_SECOND;
	if (!r->published.from.catalog)
		return look_first(r, began, err);
	/* Paused: nothing is due but mending what a rollback that died left behind. */
	if (r->now->status.paused && !r->opt.follow)
		return build_if_due(r, false, err);
	return begin_sight(r, began, err);
}

static void look(struct refresh *r)
{
	struct err err = ERR_INIT;
	int64_t began = time_monotonic();
	int rc;

	r->next_look = TIME_FOREVER;
	schedule(r, TIME_FOREVER);
	rc = look_on(r, began, &err);
	if (rc <= 0)
		look_ended(r, began, rc, &err);
}

/* What the feed showed. Something may have happened where nothing was watched yet: then once more. */
static int take_sight(struct refresh *r, const struct sight *sight, struct err *err)
{
	bool due = sight->newer || sight->plan.to_index || sight->plan.to_note;

	if (sight->code < 0) {
		*err = sight->err;
		return sight->code;
	}
	if (watch_what_was_listed(r, &sight->listing) > 0 && !due && r->looks++ < LOOKS_IN_A_ROW)
		return begin_sight(r, r->look_began, err);
	schedule(r, sight->plan.next_due);
	return builder_runs(&r->builder) ? 0 : build_if_due(r, due, err);
}

static void sight_ended(struct refresh *r)
{
	const struct sight *sight = r->looker ? looker_take(r->looker) : NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!sight)
		return;
	rc = take_sight(r, sight, &err);
	if (rc <= 0)
		look_ended(r, r->look_began, rc, &err);
}

/* --- the loop --- */

static bool want_look(struct refresh *r)
{
	int64_t now = time_monotonic();
	bool want;

	if (r->looker && looker_is_busy(r->looker))
		return false;
	pthread_mutex_lock(&r->lock);
	want = r->waiting || now >= refresh_awaited_look(r);
	pthread_mutex_unlock(&r->lock);
	return want || now >= r->next_look;
}

static int sleep_ms(struct refresh *r)
{
	bool busy = r->looker && looker_is_busy(r->looker);
	const struct builder *processes[] = {&r->builder, &r->merger, &r->publisher};
	int64_t until = TIME_FOREVER, left;

	for (size_t i = 0; i < sizeof(processes) / sizeof(processes[0]); i++)
		if (refresh_stalls_at(r, processes[i]) < until)
			until = refresh_stalls_at(r, processes[i]);
	if (refresh_publish_at(r) < until)
		until = refresh_publish_at(r);
	if (!busy && r->next_look < until)
		until = r->next_look;
	if (busy && r->next_taking < until)
		until = r->next_taking;
	pthread_mutex_lock(&r->lock);
	if (!busy && refresh_awaited_look(r) < until)
		until = refresh_awaited_look(r);
	if (r->building && r->build_deadline < until)
		until = r->build_deadline;
	if ((r->waiting || r->starting) && busy && refresh_look_deadline(r) < until)
		until = refresh_look_deadline(r);
	pthread_mutex_unlock(&r->lock);
	if (until == TIME_FOREVER)
		return -1;
	left = until - time_monotonic();
	if (left <= 0)
		return 0;
	left = (left + 999999) / 1000000;
	return left > INT_MAX ? INT_MAX : (int)left;
}

static void take_watch(struct refresh *r)
{
	unsigned kinds = r->watch ? watch_drain(r->watch) : 0;
	int64_t soon = time_monotonic() + EAGER_GAP;

	if (kinds && soon < r->next_look)
		r->next_look = kinds & WATCH_STATE ? 0 : soon;
}

/* At each turn of the loop. */
static bool stopping(struct refresh *r)
{
	bool stop;

	pthread_mutex_lock(&r->lock);
	r->turns++;
	pthread_cond_broadcast(&r->turned);
	stop = r->stop;
	pthread_mutex_unlock(&r->lock);
	return stop;
}

/* While the feed is looked at, which may take for ever, others may publish. */
static void keep_up(struct refresh *r)
{
	struct err err = ERR_INIT;

	if (!r->looker || !looker_is_busy(r->looker) || time_monotonic() < r->next_taking)
		return;
	if (refresh_take_in(r, &err) < 0)
		set_look_error(r, err.message);
	r->next_taking = time_monotonic() + TIME_SECOND;
}

static void kill_stalled(struct refresh *r, struct builder *b)
{
	if (time_monotonic() >= refresh_stalls_at(r, b))
		builder_kill(b);
}

static void *run(void *arg)
{
	struct refresh *r = arg;
	struct pollfd fds[3 + 3 * BUILDER_FDS];
	uint64_t ignored;
	int status, n;

	while (!stopping(r)) {
		if (want_look(r))
			look(r);
		refresh_expire(r);
		keep_up(r);
		refresh_publish(r);
		fds[0] = (struct pollfd){.fd = r->wakefd, .events = POLLIN};
		fds[1] = (struct pollfd){.fd = r->watch ? watch_fd(r->watch) : -1, .events = POLLIN};
		fds[2] = (struct pollfd){.fd = r->looker ? looker_fd(r->looker) : -1, .events = POLLIN};
		n = 3 + builder_pollfds(&r->builder, fds + 3);
		n += builder_pollfds(&r->merger, fds + n);
		n += builder_pollfds(&r->publisher, fds + n);
		if (poll(fds, (nfds_t)n, sleep_ms(r)) < 0)
			continue;
		if (fds[0].revents && read(r->wakefd, &ignored, sizeof(ignored)) < 0)
			continue;
		take_watch(r);
		sight_ended(r);
		if (builder_check(&r->builder, &status))
			refresh_build_ended(r, status);
		if (builder_check(&r->merger, &status))
			refresh_merge_ended(r, status);
		if (builder_check(&r->publisher, &status))
			refresh_publish_ended(r, status);
		kill_stalled(r, &r->builder);
		kill_stalled(r, &r->merger);
		kill_stalled(r, &r->publisher);
	}
	refresh_answer_building(r);
	builder_stop(&r->builder);
	builder_stop(&r->merger);
	builder_stop(&r->publisher);
	return NULL;
}

/* --- for everyone --- */

static void open_watch(struct refresh *r)
{
	if (mode_of(r) != REFRESH_EAGER || watch_open(&r->watch, NULL) < 0)
		return;
	r->watch_works = r->opt.feed_dir && watch_state(r->watch, r->opt.state->dir, NULL) == 0;
}

int refresh_open(struct refresh **out, const struct refresh_options *opt, struct err *err)
{
	struct refresh *r = calloc(1, sizeof(*r));
	int rc;

	*out = NULL;
	if (!r)
		return err_set(err, -ENOMEM, "out of memory");
	r->opt = *opt;
	r->builder = r->merger = r->publisher = BUILDER_INIT;
	published_init(&r->published, &(struct snapshot_source){.state = opt->state,
					      .cfg = opt->cfg,
					      .dest = opt->follow ? NULL : opt->dest,
					      .follow = opt->follow,
					      .url = opt->url});
	r->looked = r->look_began = r->build_deadline = r->building_since = r->awaited_till = TIME_NONE;
	r->next_look = opt->cfg->refresh == REFRESH_MANUAL ? TIME_FOREVER : 0;
	r->starting = opt->cfg->refresh != REFRESH_MANUAL;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->turned, NULL);
	r->wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->wakefd < 0)
		rc = err_sys(err, -errno, "eventfd");
	else
		rc = refresh_take_in(r, err);
	if (rc < 0) {
		refresh_free(r);
		return rc;
	}
	*out = r;
	return 0;
}

int refresh_start(struct refresh *r, struct err *err)
{
	int rc;

	open_watch(r);
	if (mode_of(r) != REFRESH_MANUAL) {
		rc = looker_start(&r->looker, r->opt.store, r->opt.follow, err);
		if (rc < 0)
			return rc;
	}
	rc = thread_start(&r->thread, "freshet-refresh", run, r);
	if (rc < 0)
		return err_sys(err, rc, "starting a thread");
	r->started = true;
	return 0;
}

bool refresh_stop(struct refresh *r)
{
	struct refresh_waiter *w;
	bool ended;

	pthread_mutex_lock(&r->lock);
	r->stop = true;
	w = r->waiting;
	r->waiting = NULL;
	pthread_mutex_unlock(&r->lock);
	refresh_answer(w);
	if (r->started) {
		refresh_wake(r);
		pthread_join(r->thread, NULL);
		r->started = false;
	}
	ended = looker_stop(r->looker);
	r->looker = NULL;
	return ended;
}

void refresh_free(struct refresh *r)
{
	if (!r)
		return;
	snapshot_unref(r->now);
	published_release(&r->published);
	watch_free(r->watch);
	if (r->wakefd >= 0)
		close(r->wakefd);
	pthread_cond_destroy(&r->turned);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

struct snapshot *refresh_snapshot(struct refresh *r)
{
	struct snapshot *s;

	pthread_mutex_lock(&r->lock);
	s = snapshot_ref(r->now);
	pthread_mutex_unlock(&r->lock);
	return s;
}

void refresh_facts(struct refresh *r, int64_t *building_since, char error[ERR_MAX])
{
	pthread_mutex_lock(&r->lock);
	*building_since = r->building_since;
	memcpy(error,
		*r->look_error    ? r->look_error
		: *r->build_error ? r->build_error
		: *r->merge_error ? r->merge_error
				  : r->publish_error,
		ERR_MAX);
	pthread_mutex_unlock(&r->lock);
}
