/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/feed_sim.h - a feed that lives for months in no time: producers that are early, late or never there, files
 * that are added, rewritten and removed, some of which fail a build or kill it. */
#ifndef FRESHET_FEED_SIM_H
#define FRESHET_FEED_SIM_H

#include "feed.h"
#include "scratch.h"

#define START (1775001600 * TIME_SECOND) /* 2026-04-01 */
#define CADENCE (5 * TIME_MINUTE)
#define FILES 3u /* at most, in a partition */
#define NEVER TIME_FOREVER

struct sim_file {
	int64_t comes, goes, rewritten; /* NEVER */
	bool broken, deadly;            /* reading it fails, or kills the build, until it is rewritten */
};

struct sim_slice {
	struct sim_file files[FILES];
	int64_t marker; /* when it comes */
	char path[32];
};

struct feed_sim {
	struct sim_slice *slices;
	size_t count;
	uint64_t seed;
};

static const char *const sim_names[FILES] = {"a.jsonl", "b.jsonl", "c.jsonl"};

static inline int64_t sim_below(struct feed_sim *s, int64_t n)
{
	return (int64_t)(seed_next(&s->seed) >> 1) % n;
}

/* Most files come within seconds of the slice's end, some in it, some minutes or hours later, some never. */
static inline int64_t sim_lateness(struct feed_sim *s)
{
	switch (sim_below(s, 20)) {
	case 0:
		return NEVER;
	case 1:
	case 2:
		return sim_below(s, 8 * TIME_HOUR);
	case 3:
	case 4:
		return sim_below(s, 10 * TIME_MINUTE);
	case 5:
		return -sim_below(s, CADENCE);
	default:
		return sim_below(s, 5 * TIME_SECOND);
	}
}

static inline void sim_slice_make(struct feed_sim *s, size_t n)
{
	struct sim_slice *slice = &s->slices[n];
	int64_t end = START + (int64_t)(n + 1) * CADENCE;
	size_t files = 1 + (size_t)sim_below(s, FILES);

	snprintf(slice->path, sizeof(slice->path), "slice=%05zu", n);
	slice->marker = time_add(sim_lateness(s), end);
	for (size_t i = 0; i < FILES; i++) {
		struct sim_file *f = &slice->files[i];

		*f = (struct sim_file){.comes = NEVER, .goes = NEVER, .rewritten = NEVER};
		if (i >= files)
			continue;
		f->comes = time_add(sim_lateness(s), end);
		if (sim_below(s, 20) == 0)
			f->goes = time_add(f->comes, sim_below(s, 3 * TIME_HOUR));
		if (sim_below(s, 20) == 0)
			f->rewritten = time_add(f->comes, sim_below(s, 3 * TIME_HOUR));
		f->broken = sim_below(s, 200) == 0;
		f->deadly = sim_below(s, 400) == 0;
	}
}

static inline void feed_sim_make(struct feed_sim *s, size_t slices, uint64_t seed)
{
	*s = (struct feed_sim){.count = slices, .seed = seed};
	s->slices = calloc(slices, sizeof(*s->slices));
	if (!s->slices)
		abort();
	for (size_t n = 0; n < slices; n++)
		sim_slice_make(s, n);
}

static inline int64_t sim_ts(size_t n)
{
	return START + (int64_t)n * CADENCE;
}

static inline size_t sim_slice_of(int64_t ts)
{
	return ts < START ? 0 : (size_t)((ts - START) / CADENCE);
}

/* Which bytes a file holds: the time at which these came; 0 where it is not there. */
static inline int64_t sim_version(const struct sim_file *f, int64_t now)
{
	if (now < f->comes || now >= f->goes)
		return 0;
	return now >= f->rewritten ? f->rewritten : f->comes;
}

/* What a listing would find of a slice; false: no directory yet. */
static inline bool sim_slice_list(
	const struct feed_sim *s, size_t n, int64_t now, struct feed_partition *p, struct feed_file *files)
{
	const struct sim_slice *slice = &s->slices[n];
	bool there = now >= slice->marker;

	*p = (struct feed_partition){
		.ts = sim_ts(n), .path = slice_str(slice->path), .files = files, .oldest = TIME_NONE};
	p->has_marker = there;
	p->fingerprint = 1 + there;
	for (size_t i = 0; i < FILES; i++) {
		int64_t version = sim_version(&slice->files[i], now);

		there = there || now >= slice->files[i].comes;
		if (!version)
			continue;
		files[p->file_count++] = (struct feed_file){slice_str(sim_names[i]), 1, version, version};
		p->fingerprint = (p->fingerprint * 31 + i + 1) * UINT64_C(1000000007) + (uint64_t)version;
		if (p->oldest == TIME_NONE || version < p->oldest)
			p->oldest = version;
	}
	return there;
}

/* The partitions with a later timestamp than the horizon's, up to now. */
static inline void feed_sim_list(const struct feed_sim *s, int64_t horizon, int64_t now, struct listing *l)
{
	size_t n = horizon < START ? 0 : sim_slice_of(horizon) + 1, to = sim_slice_of(now) + 1;
	struct feed_file *files;

	*l = (struct listing){0};
	to = to > s->count ? s->count : to;
	n = n > to ? to : n;
	l->partitions = arena_alloc(&l->arena, (to - n + 1) * sizeof(l->partitions[0]));
	files = arena_alloc(&l->arena, (to - n + 1) * FILES * sizeof(files[0]));
	for (; n < to; n++, files += FILES)
		l->count += sim_slice_list(s, n, now, &l->partitions[l->count], files);
}

/* The next time at which anything about the files changes by itself. */
static inline int64_t feed_sim_next(const struct feed_sim *s, int64_t now)
{
	int64_t next = NEVER;
	size_t from = sim_slice_of(now), to = from + 2;

	from = from > 200 ? from - 200 : 0; /* nothing is later than 11 h + 5 min */
	for (size_t n = from; n < to && n < s->count; n++) {
		const struct sim_slice *slice = &s->slices[n];

		if (slice->marker > now && slice->marker < next)
			next = slice->marker;
		for (size_t i = 0; i < FILES; i++) {
			const struct sim_file *f = &slice->files[i];
			int64_t times[] = {f->comes, f->goes, f->rewritten};

			for (size_t k = 0; k < 3; k++)
				if (times[k] > now && times[k] < next)
					next = times[k];
		}
	}
	return next;
}

#endif
