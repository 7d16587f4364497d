/* SPDX-License-Identifier: Apache-2.0 */
/* fs/refresh_private.h - the refresh thread's parts: refresh.c (what is published, looks, the loop), refresh_build.c (builds and merges,
 * as processes) and refresh_wait.c (those who wait). */
#ifndef FRESHET_REFRESH_PRIVATE_H
#define FRESHET_REFRESH_PRIVATE_H

#include "builder.h"
#include "looker.h"
#include "published.h"
#include "refresh.h"
#include "watch.h"

#include <pthread.h>

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
	int64_t look_began;              /* monotonic; TIME_NONE: the feed is not being looked at */
	int64_t build_deadline;      /* monotonic: until then lookups wait for the build; TIME_NONE: none */
	int64_t building_since;      /* wall clock */
	char look_error[ERR_MAX];    /* of the last look; "" when it went well */
	char build_error[ERR_MAX];   /* likewise of the last build */
	char merge_error[ERR_MAX];   /* and of the last merge */
	char publish_error[ERR_MAX]; /* and of the last publishing to a store */
	int64_t awaited_till;        /* monotonic: somebody waits for a publish until then; TIME_NONE */
	bool starting;               /* until the first look has ended, and the build that it started */
	bool stop;
	uint64_t turns; /* of the loop, with `turned`; … to here */
	pthread_cond_t turned;

	/* The refresh thread's own. */
	struct published published;
	struct looker *looker; /* NULL: `manual` needs none */
	unsigned looks;        /* at the feed, one right after the other */
	int64_t next_taking;   /* monotonic: while it looks, when to see next what others published */
	struct builder builder, merger, publisher;
	uint64_t built_on;   /* the serial of the snapshot when the last build began */
	struct watch *watch; /* eager only; NULL: cannot be had, then it polls */
	bool watch_works;
	int64_t next_look; /* monotonic; eager, or a retry: look then though nobody asks; TIME_FOREVER */
	int64_t no_build_till, no_merge_till; /* monotonic */
	int64_t backoff;
	uint64_t publish_seen;   /* the serial of the snapshot that is known to be published; 0: none */
	int64_t no_publish_till; /* monotonic */
	int64_t publish_backoff;
	int64_t busy; /* how long the last build that found another builder at work waits; 0: it did not */
};

static inline enum refresh_mode mode_of(const struct refresh *r)
{
	return r->opt.cfg->refresh;
}
/* True when that went wrong which had not before: time for a line in the log. */
bool refresh_set_error(struct refresh *r, char error[ERR_MAX], const char *text);

/* Takes in what anyone published or noted since the last time. Returns 1 when there was something, 0, or -errno: then it is
 * tried again at the next look. */
int refresh_take_in(struct refresh *r, struct err *err);

/* Builds and merges. */
int refresh_start_build(struct refresh *r, struct err *err);
void refresh_build_ended(struct refresh *r, int status);
void refresh_merge_ended(struct refresh *r, int status);
/* Has what is served published, where builds publish and it is not yet. */
void refresh_publish(struct refresh *r);
void refresh_publish_ended(struct refresh *r, int status);
/* When (monotonic) to try that again; TIME_FOREVER. */
int64_t refresh_publish_at(const struct refresh *r);
/* When (monotonic) what runs is to be killed, since nothing moves in it; TIME_FOREVER. */
int64_t refresh_stalls_at(const struct refresh *r, const struct builder *b);

/* Those who wait. */
void refresh_wake(struct refresh *r);
void refresh_answer(struct refresh_waiter *w); /* all of a list */
void refresh_answer_building(struct refresh *r);
/* A look that began at `began` has ended: those whom it satisfies are answered, or wait for the build. */
void refresh_looked(struct refresh *r, int64_t began);
/* Until then lookups wait for the look that goes on. With the lock. */
int64_t refresh_look_deadline(const struct refresh *r);
/* When (monotonic) to look since a publish is waited for; TIME_FOREVER. With the lock. */
int64_t refresh_awaited_look(const struct refresh *r);
/* Answers those whose time is over. */
void refresh_expire(struct refresh *r);

#endif
