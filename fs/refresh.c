/* SPDX-License-Identifier: Apache-2.0 */
/* One loop: look when it is time to, then sleep in poll() until a waiter, an inotify event, the builder or a
 * deadline wakes it. A look is: did another publish (STATE/current, the catalog's version); then, unless the
 * mode is manual or a build runs already, list and plan, and start a build when something is due. */
#include "refresh.h"
#include "build.h"
#include "builder.h"
#include "merge.h"
#include "stamp.h"
#include "thread.h"
#include "watch.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKOFF_MIN TIME_SECOND
#define BACKOFF_MAX (60 * TIME_SECOND)
#define BUSY_MIN (TIME_SECOND / 50)
/* Eager: events come in bursts, and a look is not free. */
#define EAGER_GAP (10 * INT64_C(1000000))
/* Eager: a look that no event asked for, since inotify does not see what other machines do. */
#define EAGER_IDLE_MAX (60 * TIME_SECOND)
#define LOOKS_IN_A_ROW 4

struct refresh {
	struct refresh_options opt;
	pthread_t thread;
	bool started;
	int wakefd;

	pthread_mutex_t lock; /* from here … */
	struct snapshot *now;
	struct refresh_waiter *waiting;  /* for a look */
	struct refresh_waiter *building; /* for the build that their look started */
	int64_t looked;                  /* monotonic: start of the last look; TIME_NONE: none yet */
	int64_t build_deadline;    /* monotonic: until then lookups wait for the build; TIME_NONE: none */
	int64_t building_since;    /* wall clock */
	char look_error[ERR_MAX];  /* of the last look; "" when it went well */
	char build_error[ERR_MAX]; /* likewise of the last build */
	bool stop;                 /* … to here */

	/* The refresh thread's own. */
	struct catalog *catalog; /* NULL: there is none yet */
	struct stamp catalog_stamp;
	uint64_t catalog_version;
	struct stamp stamp; /* of `current` */
	struct builder builder, merger;
	struct watch *watch; /* eager only; NULL: cannot be had, then it polls */
	bool watch_works;
	int64_t next_look;     /* monotonic; eager, or a retry: look then though nobody asks; TIME_FOREVER */
	int64_t no_build_till; /* monotonic */
	int64_t backoff;
	int64_t busy; /* how long the last build that found another builder at work waits; 0: it did not */
};

static enum refresh_mode mode_of(const struct refresh *r)
{
	return r->opt.cfg->refresh;
}

static void set_error(struct refresh *r, char error[ERR_MAX], const char *text)
{
	pthread_mutex_lock(&r->lock);
	snprintf(error, ERR_MAX, "%s", text);
	pthread_mutex_unlock(&r->lock);
}

/* --- what is published --- */

static bool current_changed(struct refresh *r)
{
	struct stamp now = stamp_take(r->opt.state, "current");
	bool changed = !stamp_equal(&now, &r->stamp);

	r->stamp = now;
	return changed;
}

/* Where the state directory was emptied, the catalog that is open lies nowhere any more. Its stamp is taken before
 * it is opened: what takes its place meanwhile is then seen at the next look. */
static int open_catalog(struct refresh *r, bool *another, struct err *err)
{
	struct stamp now = stamp_take(r->opt.state, "catalog.db");
	int rc;

	*another = r->catalog && !stamp_same_file(&now, &r->catalog_stamp);
	if (*another) {
		catalog_free(r->catalog);
		r->catalog = NULL;
		r->catalog_version = UINT64_MAX;
	}
	if (r->catalog)
		return 0;
	r->catalog_stamp = now;
	rc = catalog_open(&r->catalog, r->opt.state, false, err);
	if (rc == 0 && r->watch)
		watch_state(r->watch, r->opt.state->dir, NULL); /* which may be another directory now */
	return rc == -ENOENT ? 0 : rc;
}

static int load(struct refresh *r, struct err *err)
{
	struct snapshot_source from = {r->opt.state, r->catalog, r->opt.cfg, r->opt.url};
	struct snapshot *before = r->now, *next;
	int rc = snapshot_load(&next, &from, before, err);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&r->lock);
	r->now = next;
	pthread_mutex_unlock(&r->lock);
	if (before && r->opt.published)
		r->opt.published(r->opt.ctx, before, next);
	snapshot_unref(before);
	return 0;
}

/* Takes in what anyone published or noted since the last time. A failure is tried again at the next look. */
static int take_in(struct refresh *r, struct err *err)
{
	struct stamp stamp = r->stamp;
	uint64_t version = 0;
	bool changed, another;
	int rc = open_catalog(r, &another, err);

	if (rc == 0 && r->catalog)
		rc = catalog_version(r->catalog, &version, err);
	if (rc < 0)
		return rc;
	/* Remembered before loading: what changes meanwhile is then seen as a change at the next look. */
	changed = current_changed(r) || another || version != r->catalog_version || !r->now;
	if (!changed)
		return 0;
	rc = load(r, err);
	if (rc < 0)
		r->stamp = stamp;
	else
		r->catalog_version = version;
	return rc;
}

/* --- waiters --- */

static void answer(struct refresh_waiter *w)
{
	struct refresh_waiter *next;

	for (; w; w = next) {
		next = w->next;
		w->done(w);
	}
}

static void answer_building(struct refresh *r)
{
	struct refresh_waiter *w;

	pthread_mutex_lock(&r->lock);
	w = r->building;
	r->building = NULL;
	r->build_deadline = TIME_NONE;
	pthread_mutex_unlock(&r->lock);
	answer(w);
}

/* A look that began at `began` has ended: those whom it satisfies are answered, or wait for the build. */
static void looked(struct refresh *r, int64_t began)
{
	struct refresh_waiter **p, *w, *ready = NULL;
	bool build;

	pthread_mutex_lock(&r->lock);
	r->looked = began;
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
	answer(ready);
}

/* --- builds --- */

static void back_off(struct refresh *r)
{
	r->backoff = r->backoff ? r->backoff * 2 : BACKOFF_MIN;
	if (r->backoff > BACKOFF_MAX)
		r->backoff = BACKOFF_MAX;
	r->no_build_till = time_monotonic() + r->backoff;
}

static int start_build(struct refresh *r, struct err *err)
{
	int64_t now = time_monotonic();
	int rc = builder_start(&r->builder, r->opt.argv, err);

	if (rc < 0) {
		back_off(r);
		return rc;
	}
	pthread_mutex_lock(&r->lock);
	r->build_deadline = time_add(now, r->opt.cfg->wait);
	r->building_since = time_now();
	pthread_mutex_unlock(&r->lock);
	return 0;
}

static void explain_end(struct refresh *r, int status, char text[ERR_MAX])
{
	const char *said = r->builder.last_line;
	char time[TIME_TEXT_MAX];

	if (r->builder.stalled)
		snprintf(text, ERR_MAX, "build: killed, since nothing in it moved for %s%s%.900s",
			duration_text(r->opt.cfg->stall_timeout, time), *said ? ": " : "", said);
	else if (WIFSIGNALED(status))
		snprintf(text, ERR_MAX, "build: ended by signal %d (%s)%s%.900s", WTERMSIG(status),
			strsignal(WTERMSIG(status)), *said ? ": " : "", said);
	else if (*said)
		snprintf(text, ERR_MAX, "%s", said);
	else
		snprintf(text, ERR_MAX, "build: exit status %d", WEXITSTATUS(status));
}

/* Starts merging where there are too many segments. Nobody waits for it. */
static void start_merge(struct refresh *r)
{
	struct snapshot *now = refresh_snapshot(r);
	size_t from, to;

	if (now && now->generation && !builder_runs(&r->merger) && mode_of(r) != REFRESH_MANUAL &&
		!now->paused && merge_pick(&now->generation->manifest, r->opt.cfg, &from, &to) &&
		builder_start(&r->merger, r->opt.merge_argv, NULL) < 0)
		r->merger = BUILDER_INIT;
	snapshot_unref(now);
}

static void merge_ended(struct refresh *r)
{
	struct err err = ERR_INIT;

	/* What it said went to the log; the next build asks again. */
	if (take_in(r, &err) < 0)
		set_error(r, r->look_error, err.message);
}

/* Exit 65 says that partitions failed and the rest is published; 75 that another builder is at work: a merge only for its
 * last step, so the first try comes soon. */
static void build_ended(struct refresh *r, int status)
{
	struct err err = ERR_INIT;
	char text[ERR_MAX] = "";
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	r->busy = code == 75 ? (r->busy ? r->busy * 2 : BUSY_MIN) : 0;
	if (r->busy > BACKOFF_MIN)
		r->busy = BACKOFF_MIN;
	if (code == 75)
		r->no_build_till = time_monotonic() + r->busy;
	else if (code != 0 && code != 65)
		back_off(r);
	else
		r->backoff = 0;
	if (code != 0 && code != 75)
		explain_end(r, status, text);
	pthread_mutex_lock(&r->lock);
	r->building_since = TIME_NONE;
	pthread_mutex_unlock(&r->lock);
	set_error(r, r->build_error, text);
	if (take_in(r, &err) < 0)
		set_error(r, r->look_error, err.message);
	answer_building(r);
	if (code == 0 || code == 65)
		start_merge(r);
	/* What became due while it ran. */
	if (mode_of(r) == REFRESH_EAGER)
		r->next_look = 0;
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

/* Lists and plans. *due: a build is; *again: something may have happened unwatched, so list once more. */
static int look_at_feed(struct refresh *r, bool *due, bool *again, int64_t *next_due, struct err *err)
{
	struct listing listing = {0};
	struct arena arena = {0};
	struct plan plan = {0};
	int rc = build_look(r->catalog, r->opt.store, r->opt.cfg, time_now(), &plan, &listing, &arena, err);

	if (rc == 0) {
		*due = plan.to_index || plan.to_note;
		*next_due = plan.next_due;
		*again = watch_what_was_listed(r, &listing) > 0;
	}
	plan_release(&plan);
	listing_release(&listing);
	arena_release(&arena);
	return rc;
}

/* A build that died between the catalog and `current` has published what no mount can see: the next one
 * mends that first, so one is due. */
static int current_lags(struct refresh *r, bool *lags, struct err *err)
{
	const struct generation *g = r->now->generation;
	struct catalog_current known;
	int rc = catalog_current(r->catalog, &known, err);

	*lags = rc == 0 && known.number &&
		(!g || known.number > g->manifest.number ||
			strcmp(catalog_index(r->catalog), g->manifest.index) != 0);
	return rc;
}

/* Eager: when to look though nobody asks. */
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
	r->next_look = now + idle;
	if (r->no_build_till > now && r->no_build_till < r->next_look)
		r->next_look = r->no_build_till;
}

static int look_and_build(struct refresh *r, struct err *err)
{
	int64_t next_due = TIME_FOREVER;
	bool due = false, again;
	int rc;

	if (!r->catalog)
		return start_build(r, err);
	/* Paused: nothing is due but mending what a rollback that died left behind. */
	for (int i = 0; i < LOOKS_IN_A_ROW && !r->now->paused; i++) {
		again = false;
		rc = look_at_feed(r, &due, &again, &next_due, err);
		if (rc < 0)
			return rc;
		if (due || !again)
			break;
	}
	schedule(r, next_due);
	rc = due ? 0 : current_lags(r, &due, err);
	if (rc < 0)
		return rc;
	return due && time_monotonic() >= r->no_build_till ? start_build(r, err) : 0;
}

static void look(struct refresh *r)
{
	struct err err = ERR_INIT;
	int64_t began = time_monotonic();
	int rc;

	r->next_look = TIME_FOREVER;
	schedule(r, TIME_FOREVER);
	rc = take_in(r, &err);
	if (rc == 0 && mode_of(r) != REFRESH_MANUAL && !builder_runs(&r->builder) &&
		(r->catalog || began >= r->no_build_till))
		rc = look_and_build(r, &err);
	set_error(r, r->look_error, rc < 0 ? err.message : "");
	looked(r, began);
}

/* --- the loop --- */

static bool want_look(struct refresh *r)
{
	bool want;

	pthread_mutex_lock(&r->lock);
	want = r->waiting != NULL;
	pthread_mutex_unlock(&r->lock);
	return want || time_monotonic() >= r->next_look;
}

/* When the build that runs is to be killed. Waiting for another builder is no stall. */
static int64_t stalls_at(const struct refresh *r)
{
	return builder_stalls_at(&r->builder, time_add(r->opt.cfg->stall_timeout, r->opt.cfg->lock_wait));
}

static int sleep_ms(struct refresh *r)
{
	int64_t until = r->next_look < stalls_at(r) ? r->next_look : stalls_at(r), left;

	pthread_mutex_lock(&r->lock);
	if (r->building && r->build_deadline < until)
		until = r->build_deadline;
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

static void expire(struct refresh *r)
{
	bool late;

	pthread_mutex_lock(&r->lock);
	late = r->building && time_monotonic() >= r->build_deadline;
	pthread_mutex_unlock(&r->lock);
	if (late)
		answer_building(r);
}

static bool stopping(struct refresh *r)
{
	bool stop;

	pthread_mutex_lock(&r->lock);
	stop = r->stop;
	pthread_mutex_unlock(&r->lock);
	return stop;
}

static void *run(void *arg)
{
	struct refresh *r = arg;
	struct pollfd fds[2 + 2 * BUILDER_FDS];
	uint64_t ignored;
	int status, n;

	while (!stopping(r)) {
		if (want_look(r))
			look(r);
		expire(r);
		fds[0] = (struct pollfd){.fd = r->wakefd, .events = POLLIN};
		fds[1] = (struct pollfd){.fd = r->watch ? watch_fd(r->watch) : -1, .events = POLLIN};
		n = 2 + builder_pollfds(&r->builder, fds + 2);
		n += builder_pollfds(&r->merger, fds + n);
		if (poll(fds, (nfds_t)n, sleep_ms(r)) < 0)
			continue;
		if (fds[0].revents && read(r->wakefd, &ignored, sizeof(ignored)) < 0)
			continue;
		take_watch(r);
		if (builder_check(&r->builder, &status))
			build_ended(r, status);
		else if (time_monotonic() >= stalls_at(r))
			builder_kill(&r->builder);
		if (builder_check(&r->merger, &status))
			merge_ended(r);
	}
	answer_building(r);
	builder_stop(&r->builder);
	builder_stop(&r->merger);
	return NULL;
}

static void wake(struct refresh *r)
{
	uint64_t one = 1;

	/* It can only fail when the counter is full, and then the thread wakes anyway. */
	if (write(r->wakefd, &one, sizeof(one)) < 0)
		return;
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
	r->builder = r->merger = BUILDER_INIT;
	r->looked = r->build_deadline = r->building_since = TIME_NONE;
	r->next_look = opt->cfg->refresh == REFRESH_EAGER ? 0 : TIME_FOREVER;
	pthread_mutex_init(&r->lock, NULL);
	r->wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->wakefd < 0)
		rc = err_sys(err, -errno, "eventfd");
	else
		rc = take_in(r, err);
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
	rc = thread_start(&r->thread, "freshet-refresh", run, r);
	if (rc < 0)
		return err_sys(err, rc, "starting a thread");
	r->started = true;
	return 0;
}

void refresh_stop(struct refresh *r)
{
	struct refresh_waiter *w;

	pthread_mutex_lock(&r->lock);
	r->stop = true;
	w = r->waiting;
	r->waiting = NULL;
	pthread_mutex_unlock(&r->lock);
	answer(w);
	if (!r->started)
		return;
	wake(r);
	pthread_join(r->thread, NULL);
	r->started = false;
}

void refresh_free(struct refresh *r)
{
	if (!r)
		return;
	snapshot_unref(r->now);
	catalog_free(r->catalog);
	watch_free(r->watch);
	if (r->wakefd >= 0)
		close(r->wakefd);
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
	memcpy(error, *r->look_error ? r->look_error : r->build_error, ERR_MAX);
	pthread_mutex_unlock(&r->lock);
}

static bool is_fresh(struct refresh *r, int64_t now)
{
	if (mode_of(r) == REFRESH_EAGER || r->stop)
		return true;
	if (r->build_deadline != TIME_NONE && now < r->build_deadline)
		return false;
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
		wake(r);
}
