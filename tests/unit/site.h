/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/site.h - a directory feed and a state directory, and ticks over them, for the test_build*.c beside it. */
#ifndef FRESHET_SITE_H
#define FRESHET_SITE_H

#include "build.h"
#include "scratch.h"
#include "tap.h"
#include "timefmt.h"
#include "view.h"

#define DAY "dt=2026-05-04/hour=10/minute="
#define AT(minute) (INT64_C(1777888800) * TIME_SECOND + (minute)*TIME_MINUTE)

/* A feed and a state directory, gone with the case. */
struct site {
	struct scratch dir;
	char feed[200];
	struct state *state;
	struct catalog *catalog;
	struct store *store;
	struct config *cfg;
	struct build_result res;
	struct err err;
	int64_t now;
};

static inline void site_set(struct site *s, const char *assignment)
{
	struct err err = ERR_INIT;

	if (config_set(s->cfg, assignment, &err) < 0)
		tap_fail("%s", err.message);
}

static inline void site_state(struct site *s, const char *name)
{
	char path[200];

	catalog_free(s->catalog);
	state_free(s->state);
	snprintf(path, sizeof(path), "%s/%s", s->dir.path, name);
	s->catalog = NULL;
	s->state = NULL;
	check_int(state_open(&s->state, path, true, &s->err), 0);
	check_int(state_lock(s->state, 0, &s->err), 0);
	check_int(catalog_open(&s->catalog, s->state, true, &s->err), 0);
}

static inline void site_init(struct site *s)
{
	memset(s, 0, sizeof(*s));
	s->dir = scratch_make();
	snprintf(s->feed, sizeof(s->feed), "%s/feed", s->dir.path);
	mkdir(s->feed, 0777);
	site_state(s, "state");
	check_int(store_open(&s->store, s->feed, NULL, &s->err), 0);
	check_int(config_new(&s->cfg, &s->err), 0);
	site_set(s, "feed.quiet=0s");
	site_set(s, "build.threads=1");
	s->now = AT(40);
}

static inline void site_release(struct site *s)
{
	build_result_release(&s->res);
	catalog_free(s->catalog);
	state_free(s->state);
	store_free(s->store);
	config_free(s->cfg);
	scratch_remove(&s->dir);
}
#define SITE __attribute__((cleanup(site_release))) struct site

static inline void put_bytes(struct site *s, const char *path, const void *data, size_t len)
{
	char dir[400], *p;

	snprintf(dir, sizeof(dir), "%s/%s", s->feed, path);
	for (p = dir + strlen(s->feed) + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		mkdir(dir, 0777);
		*p = '/';
	}
	scratch_put(s->feed, path, data, len);
}

static inline void put(struct site *s, const char *path, const char *text)
{
	put_bytes(s, path, text, strlen(text));
}

static inline int tick_as(struct site *s, bool force)
{
	struct build_options opt = {.now = s->now, .force = force};

	build_result_release(&s->res);
	s->err = ERR_INIT;
	return build_tick(s->state, s->catalog, s->store, s->cfg, &opt, &s->res, &s->err);
}

static inline int tick(struct site *s)
{
	return tick_as(s, false);
}

static inline struct generation *current(struct site *s)
{
	struct catalog_current c;
	struct generation *g = NULL;

	check_int(catalog_current(s->catalog, &c, &s->err), 0);
	check_int(generation_open(&g, s->state, c.number, &s->err), 0);
	return g;
}

/* The ids of a term in the current generation. */
static inline void check_term(struct site *s, const char *term, const char *want)
{
	OWNED(generation) struct generation *g = current(s);
	OWNED_BUF key = {0};
	OWNED_BUF ids = {0};

	check_int(view_term_key(slice_str(term), &key), 1);
	check(view_term_ids(g, buf_slice(&key), &ids, &s->err) >= 0);
	check_str(buf_cstr(&ids), want);
}

static inline void check_row(struct site *s, int64_t ts, enum partition_state state, const char *reason)
{
	struct arena arena = {0};
	struct row *rows;
	size_t n, i;

	check_int(catalog_rows(s->catalog, TIME_NONE, true, &arena, &rows, &n, &s->err), 0);
	for (i = 0; i < n && rows[i].ts != ts; i++)
		continue;
	if (i == n) {
		tap_fail("no row");
	} else {
		check_str(partition_state_name(rows[i].state), partition_state_name(state));
		check_slice(rows[i].reason, reason);
	}
	arena_release(&arena);
}

static inline void fill(struct buf *b, int good, int bad)
{
	int i;

	for (i = 0; i < good; i++)
		buf_addf(b, "{\"id\":\"%d\",\"title\":\"cup\"}\n", i);
	for (i = 0; i < bad; i++)
		buf_add_str(b, "{\n");
}

/* Does something to the feed between listing and reading. */
struct meddler {
	struct site *site;
	void (*meddle)(struct site *s);
};

static inline void meddle(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
	struct meddler *m = ctx;

	if (!strcmp(phase, "reading") && !total)
		m->meddle(m->site);
}

static inline int meddled_tick(struct site *s, void (*fn)(struct site *s))
{
	struct meddler m = {s, fn};
	struct build_progress progress = {meddle, &m};
	struct build_options opt = {.now = s->now, .progress = &progress};

	build_result_release(&s->res);
	return build_tick(s->state, s->catalog, s->store, s->cfg, &opt, &s->res, &s->err);
}

#endif
