/* SPDX-License-Identifier: Apache-2.0 */
/* fs/refresh.h - the thread that keeps the mount fresh: looks at the feed, has builds run, swaps snapshots in.
 *
 * It alone touches the catalog and the builder, and has the looker look at the feed. Requests take the current snapshot,
 * which never blocks, or leave a waiter that is answered after the next look, with a deadline. */
#ifndef FRESHET_REFRESH_H
#define FRESHET_REFRESH_H

#include "snapshot.h"
#include "store.h"

struct refresh; /* safe for several threads */

struct refresh_options {
	const struct state *state; /* borrowed, like all below */
	const struct config *cfg;
	struct store *store;
	const char *url;
	const char *feed_dir;            /* for inotify; NULL: not a local directory */
	const char *const *argv;         /* of the builder; NULL-terminated */
	const char *const *merge_argv;   /* of one that merges, beside builds */
	const char *const *publish_argv; /* of one that publishes to publish.dest, where that is set */
	const char *dest;                /* publish.dest, absolute; NULL: it is not set */
	bool follow; /* `store` is where another host publishes: argv is of one that fetches, and none is of use else */
	/* Called on the refresh thread after `now` was swapped in; both are valid during the call. */
	void (*published)(void *ctx, const struct snapshot *before, const struct snapshot *now);
	void *ctx;
};

/* Loads what is published now, without looking at the feed. */
int refresh_open(struct refresh **out, const struct refresh_options *opt, struct err *err);
int refresh_start(struct refresh *r, struct err *err); /* the thread */
/* Answers every waiter, stops a build in order, ends the threads. Later waiters are answered at once. Returns false where the feed does not
 * answer: then a thread stays in it, which uses the feed's store and the configuration for as long as the process is there. */
bool refresh_stop(struct refresh *r);
void refresh_free(struct refresh *r); /* after refresh_stop(); NULL is fine */

/* Does the thread still take its turns? Waits for one, so long at most. */
bool refresh_is_alive(struct refresh *r, int64_t patience);
struct snapshot *refresh_snapshot(struct refresh *r); /* with a reference */
/* What only the running mount knows: since when a build runs (TIME_NONE: none does), and what last went
 * wrong here ("" for nothing). */
void refresh_facts(struct refresh *r, int64_t *building_since, char error[ERR_MAX]);

/* Somebody waits for a publish without asking: for some time looks go on every `poll` as if they did. */
void refresh_await(struct refresh *r);

/* Embed one in a request that waits. */
struct refresh_waiter {
	struct refresh_waiter *next;
	int64_t arrived;
	void (*done)(struct refresh_waiter *w); /* on the refresh thread; must not block */
};
/* True when the current snapshot is fresh enough to answer with; else the request has to wait. */
bool refresh_is_fresh(struct refresh *r);
/* How long a name that points into the current snapshot may be kept by the kernel: what is left of `poll`, so
 * that no answer is older than that; TIME_FOREVER in eager mode, where a publish invalidates it. */
int64_t refresh_valid_for(struct refresh *r);
/* Calls w->done() once: after a look that began less than `poll` before now, and where that look has a build
 * run, after its end, or at the latest `wait` after the build began, or the look (a second at least), where the feed does not
 * answer. */
void refresh_wait(struct refresh *r, struct refresh_waiter *w);

#endif
