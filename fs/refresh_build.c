/* SPDX-License-Identifier: Apache-2.0 */
/* fs/refresh_build.c - when a build or a merge is started, and what its end means. */
#include "log.h"
#include "refresh_private.h"

#include "merge.h"
#include "upload.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define BACKOFF_MIN TIME_SECOND
#define BACKOFF_MAX (60 * TIME_SECOND)
#define BUSY_MIN (TIME_SECOND / 50)

static void back_off(struct refresh *r)
{
	r->backoff = r->backoff ? r->backoff * 2 : BACKOFF_MIN;
	if (r->backoff > BACKOFF_MAX)
		r->backoff = BACKOFF_MAX;
	r->no_build_till = time_monotonic() + r->backoff;
}

int refresh_start_build(struct refresh *r, struct err *err)
{
	int64_t now = time_monotonic();
	int rc = builder_start(&r->builder, r->opt.argv, err);

	if (rc < 0) {
		back_off(r);
		return rc;
	}
	log_line(LOG_DEBUG, "build: started as process %d", (int)r->builder.pid);
	r->built_on = r->now->serial;
	pthread_mutex_lock(&r->lock);
	r->build_deadline = time_add(now, r->opt.cfg->wait);
	r->building_since = time_now();
	pthread_mutex_unlock(&r->lock);
	return 0;
}

static void explain_end(
	const struct refresh *r, const struct builder *b, const char *what, int status, char text[ERR_MAX])
{
	const char *said = b->last_line;
	char time[TIME_TEXT_MAX];

	if (b->stalled)
		snprintf(text, ERR_MAX, "%s: killed, since nothing in it moved for %s%s%.900s", what,
			duration_text(r->opt.cfg->stall_timeout, time), *said ? ": " : "", said);
	else if (WIFSIGNALED(status))
		snprintf(text, ERR_MAX, "%s: ended by signal %d (%s)%s%.900s", what, WTERMSIG(status),
			strsignal(WTERMSIG(status)), *said ? ": " : "", said);
	else if (*said)
		snprintf(text, ERR_MAX, "%s", said);
	else
		snprintf(text, ERR_MAX, "%s: exit status %d", what, WEXITSTATUS(status));
}

/* What the process said itself is in the log already. */
static void log_end(const struct builder *b, const char *what, int status, const char *text)
{
	if (b->stalled || WIFSIGNALED(status))
		log_line(LOG_ERR, "%s", text);
	else
		log_line(LOG_DEBUG, "%s: ended with exit status %d", what, WEXITSTATUS(status));
}

/* Starts merging where there are too many segments. Nobody waits for it. */
static void start_merge(struct refresh *r)
{
	struct snapshot *now = refresh_snapshot(r);
	size_t from, to;

	if (now && now->generation && !r->opt.follow && !builder_runs(&r->merger) &&
		time_monotonic() >= r->no_merge_till && mode_of(r) != REFRESH_MANUAL && !now->status.paused &&
		merge_pick(&now->generation->manifest, r->opt.cfg, &from, &to) &&
		builder_start(&r->merger, r->opt.merge_argv, NULL) < 0)
		r->merger = BUILDER_INIT;
	snapshot_unref(now);
}

/* ---- publishing to a store ---- */

static bool publishes(const struct refresh *r)
{
	return r->opt.cfg->dest && !r->opt.follow && mode_of(r) != REFRESH_MANUAL;
}

int64_t refresh_publish_at(const struct refresh *r)
{
	if (!publishes(r) || builder_runs(&r->publisher) || r->publish_seen == r->now->serial)
		return TIME_FOREVER;
	return r->no_publish_till;
}

static void back_off_publishing(struct refresh *r)
{
	r->publish_backoff = r->publish_backoff ? r->publish_backoff * 2 : BACKOFF_MIN;
	if (r->publish_backoff > BACKOFF_MAX)
		r->publish_backoff = BACKOFF_MAX;
	r->no_publish_till = time_monotonic() + r->publish_backoff;
}

/* What the store holds is asked of the catalog only: the store may not answer. 1 also where there is no catalog, or not any more. */
static int is_published(const struct refresh *r, struct err *err)
{
	return r->published.from.catalog ? upload_is_done(r->published.from.catalog, r->opt.dest, err) : 1;
}

void refresh_publish(struct refresh *r)
{
	struct err err = ERR_INIT;
	int rc;

	if (time_monotonic() < refresh_publish_at(r))
		return;
	rc = is_published(r, &err);
	if (rc == 1) {
		r->publish_seen = r->now->serial;
		return;
	}
	if (rc == 0)
		rc = builder_start(&r->publisher, r->opt.publish_argv, &err);
	if (rc < 0) {
		refresh_set_error(r, r->publish_error, err.message);
		back_off_publishing(r);
	}
}

void refresh_publish_ended(struct refresh *r, int status)
{
	struct err err = ERR_INIT;
	char text[ERR_MAX] = "";

	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		explain_end(r, &r->publisher, "publishing", status, text);
		back_off_publishing(r);
	} else if (is_published(r, NULL) == 1) {
		r->publish_backoff = 0;
		r->no_publish_till = 0;
	} else {
		back_off_publishing(r); /* another process is at it */
	}
	log_end(&r->publisher, "publishing", status, text);
	refresh_set_error(r, r->publish_error, text);
	/* What it noted in the catalog. */
	if (refresh_take_in(r, &err) < 0)
		refresh_set_error(r, r->look_error, err.message);
}

/* ---- merging ---- */

/* Nothing but more segments comes of a merge that fails; the next build after a while asks again. */
void refresh_merge_ended(struct refresh *r, int status)
{
	struct err err = ERR_INIT;
	char text[ERR_MAX] = "";

	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		explain_end(r, &r->merger, "merge", status, text);
		r->no_merge_till = time_monotonic() + BACKOFF_MAX;
	}
	log_end(&r->merger, "merge", status, text);
	refresh_set_error(r, r->merge_error, text);
	if (refresh_take_in(r, &err) < 0)
		refresh_set_error(r, r->look_error, err.message);
}

/* Did the build end well, and leave something? One that finds nothing to do, or fails as the one before, as where the configuration was
 * edited after the mount read it, shall not be followed by the next at once. */
static bool has_moved(const struct refresh *r, int code)
{
	return (code == 0 || code == 65) && r->now->serial != r->built_on;
}

/* Exit 65 says that partitions failed and the rest is published; 75 that another builder is at work: a merge only for its
 * last step, so the first try comes soon. */
void refresh_build_ended(struct refresh *r, int status)
{
	struct err err = ERR_INIT;
	char text[ERR_MAX] = "";
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	if (refresh_take_in(r, &err) < 0)
		refresh_set_error(r, r->look_error, err.message);
	r->busy = code == 75 ? (r->busy ? r->busy * 2 : BUSY_MIN) : 0;
	if (r->busy > BACKOFF_MIN)
		r->busy = BACKOFF_MIN;
	if (code == 75)
		r->no_build_till = time_monotonic() + r->busy;
	else if (has_moved(r, code))
		r->backoff = 0;
	else
		back_off(r);
	if (code != 0 && code != 75)
		explain_end(r, &r->builder, "build", status, text);
	log_end(&r->builder, "build", status, text);
	pthread_mutex_lock(&r->lock);
	r->building_since = TIME_NONE;
	r->starting = false;
	if (code == 75)
		r->looked = TIME_NONE; /* somebody is about to publish what that look found due */
	pthread_mutex_unlock(&r->lock);
	refresh_set_error(r, r->build_error, text);
	refresh_answer_building(r);
	if (has_moved(r, code))
		start_merge(r);
	/* What became due while it ran. */
	if (mode_of(r) == REFRESH_EAGER)
		r->next_look = 0;
}

/* When what runs is to be killed. Waiting for another builder is no stall. */
int64_t refresh_stalls_at(const struct refresh *r, const struct builder *b)
{
	return builder_stalls_at(b, time_add(r->opt.cfg->stall_timeout, r->opt.cfg->lock_wait));
}
