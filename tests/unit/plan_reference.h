/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/plan_reference.h - what a tick must decide, said a second time and without haste: by looking at every slice
 * of a simulated feed as it is, with docs/semantics.md at hand and none of the planner's code. */
#ifndef FRESHET_PLAN_REFERENCE_H
#define FRESHET_PLAN_REFERENCE_H

#include "feed_sim.h"
#include "row.h"

/* What is remembered of a slice. */
struct ref_slice {
	bool known, content, had_files;
	enum partition_state state;
	const char *reason;
	uint64_t print;     /* of the listing that this was decided on */
	int64_t has[FILES]; /* which bytes of each file were last indexed; 0: none */
	int64_t retry_at;   /* TIME_NONE */
	unsigned failures, deaths;
};

/* What is to become of it in this tick. */
struct ref_want {
	bool present, seen, covered, suspect, index, left, replaced;
	bool wants; /* to be indexed, were it for itself alone */
	bool read[FILES], vanished[FILES];
	enum partition_state state;
	const char *reason;
	uint64_t print, listing; /* the row's after this tick, and what is listed */
	int64_t now[FILES];
};

struct reference {
	const struct feed_sim *feed;
	const struct config *cfg;
	struct ref_slice *slices;
	struct ref_want *wants;
	int64_t watermark, base_at;
	size_t low, high; /* those that matter: all before and behind are settled or unknown */
	/* of a tick */
	int64_t now, moved;
	bool more, replaces;
};

static void ref_make(struct reference *r, const struct feed_sim *feed, const struct config *cfg)
{
	*r = (struct reference){.feed = feed, .cfg = cfg, .watermark = TIME_NONE, .base_at = TIME_NONE};
	r->slices = calloc(feed->count, sizeof(*r->slices));
	r->wants = calloc(feed->count, sizeof(*r->wants));
	if (!r->slices || !r->wants)
		abort();
}

static int64_t ref_horizon(const struct reference *r, int64_t watermark)
{
	int64_t covered = r->base_at == TIME_NONE ? TIME_FOREVER : r->base_at - CADENCE;
	int64_t window = watermark == TIME_NONE           ? TIME_FOREVER
			 : r->cfg->window == TIME_FOREVER ? TIME_NONE
							  : watermark - r->cfg->window;
	int64_t horizon = covered < window ? covered : window;

	return horizon == TIME_FOREVER ? TIME_NONE : horizon;
}

static void ref_set(struct ref_want *w, enum partition_state state, const char *reason)
{
	w->state = state;
	w->reason = reason;
}

static void ref_keep(struct ref_want *w, const struct ref_slice *s)
{
	enum partition_state state = s->state;

	if (state == PART_BUILDING)
		state = s->content ? PART_PUBLISHED : PART_COMPLETE;
	ref_set(w, state, s->reason);
	w->print = s->print;
}

/* May the files that are marked be read? The reason, or NULL. */
static const char *ref_not_ready(
	const struct reference *r, size_t n, const struct ref_want *w, const bool files[FILES])
{
	int64_t end = sim_ts(n) + CADENCE;
	bool clock = r->cfg->complete != COMPLETE_MARKER, marker = r->cfg->complete != COMPLETE_RATE;
	bool any = false;

	if (r->now < end)
		return "not ended";
	if (clock && r->now < end + r->cfg->settle)
		return "settling";
	for (size_t i = 0; i < FILES; i++)
		any = any || files[i];
	if (clock && !any)
		return "no files";
	for (size_t i = 0; clock && i < FILES; i++)
		if (files[i] && r->now - w->now[i] < r->cfg->quiet)
			return "quiet";
	return marker && r->now < r->feed->slices[n].marker ? "no marker" : NULL;
}

/* The slice by itself. */
static void ref_judge(struct reference *r, size_t n)
{
	const struct ref_slice *s = &r->slices[n];
	struct ref_want *w = &r->wants[n];
	struct feed_file files[FILES];
	struct feed_partition p;
	bool same, listed[FILES], differs = false, lost = false, any_listed = false, any_had = false;
	int64_t horizon = ref_horizon(r, r->watermark);
	const char *why;

	*w = (struct ref_want){0};
	w->seen = sim_slice_list(r->feed, n, r->now, &p, files) && sim_ts(n) <= r->now &&
		  (horizon == TIME_NONE || sim_ts(n) > horizon);
	w->present = w->seen || s->known;
	if (!w->present)
		return;
	w->print = w->listing = w->seen ? p.fingerprint : 0;
	same = s->known && w->seen && s->print == p.fingerprint;
	w->suspect = same && s->deaths >= 2;
	w->covered = r->base_at != TIME_NONE && sim_ts(n) + CADENCE <= r->base_at;
	for (size_t i = 0; i < FILES; i++) {
		w->now[i] = w->seen ? sim_version(&r->feed->slices[n].files[i], r->now) : 0;
		listed[i] = w->now[i] != 0;
		w->read[i] = listed[i] && (!s->content || w->now[i] != s->has[i]);
		w->vanished[i] = !listed[i] && s->has[i];
		differs = differs || w->read[i];
		lost = lost || w->vanished[i];
		any_listed = any_listed || listed[i];
		any_had = any_had || s->has[i];
	}
	if (w->covered) {
		if (s->known && s->state == PART_EXPIRED) {
			ref_keep(w, s);
			return;
		}
		ref_set(w, s->content ? PART_EXPIRED : PART_SKIPPED, "covered");
		if (!w->seen || s->content || (s->known && s->state == PART_SKIPPED))
			w->print = s->print;
	} else if (same && s->state == PART_BUILDING && s->deaths >= 3) {
		ref_set(w, PART_FAILED, "crashed");
	} else if (same && s->state == PART_FAILED && (s->retry_at == TIME_NONE || r->now < s->retry_at)) {
		ref_keep(w, s);
	} else if (!w->seen && (sim_ts(n) > r->now || s->state == PART_SKIPPED || s->state == PART_EXPIRED)) {
		ref_keep(w, s);
	} else if (s->content && !any_listed && (any_had || !w->seen)) {
		ref_set(w, PART_PUBLISHED, "gone");
	} else if (s->content && !differs && !lost) {
		ref_set(w, PART_PUBLISHED, "");
	} else if (s->content) {
		w->wants = !differs || !ref_not_ready(r, n, w, w->read);
		ref_keep(w, s);
	} else if (!w->seen) {
		ref_set(w, PART_OPEN, "no files");
	} else {
		why = ref_not_ready(r, n, w, listed);
		w->wants = !why;
		ref_set(w, why ? PART_OPEN : PART_COMPLETE, why ? why : "");
	}
}

/* Does it want to be indexed, and lie inside? `new`: such of which nothing is in the index, or the others. */
static bool ref_is(const struct reference *r, size_t n, bool new, int64_t horizon)
{
	return r->wants[n].present && r->wants[n].wants && r->slices[n].content != new &&
	       (horizon == TIME_NONE || sim_ts(n) > horizon);
}

static void ref_take(struct reference *r, size_t n)
{
	struct ref_want *w = &r->wants[n];

	w->index = true;
	w->print = w->listing;
	ref_set(w, PART_PUBLISHED, "");
	if (!r->slices[n].content && sim_ts(n) > r->moved)
		r->moved = sim_ts(n);
}

/* Those at which no build died, or else the first of the others. */
static void ref_take_all(struct reference *r, bool new, int64_t horizon)
{
	size_t suspects = 0, others = 0;

	for (size_t n = r->low; n < r->high; n++)
		if (ref_is(r, n, false, horizon) || (new &&ref_is(r, n, true, horizon)))
			*(r->wants[n].suspect ? &suspects : &others) += 1;
	r->more = others ? suspects > 0 : suspects > 1;
	for (size_t n = r->low, taken = 0; n < r->high; n++)
		if ((ref_is(r, n, false, horizon) || (new &&ref_is(r, n, true, horizon))) &&
			(others ? !r->wants[n].suspect : !taken++))
			ref_take(r, n);
}

/* The next in replay's order that is not taken; the number of slices where there is none or it has to wait. */
static size_t ref_next(const struct reference *r, int64_t horizon)
{
	int64_t reached = r->moved, ts;
	size_t n, slot;

	for (n = r->low; n < r->high; n++)
		if (ref_is(r, n, false, horizon) && !r->wants[n].index)
			return n;
	for (n = r->low; n < r->high; n++)
		if (ref_is(r, n, true, horizon) && !r->wants[n].index)
			break;
	if (n >= r->high)
		return r->feed->count;
	if (r->base_at != TIME_NONE && r->base_at - CADENCE > reached)
		reached = r->base_at - CADENCE;
	for (slot = r->low; slot < n && reached == TIME_NONE && !r->wants[slot].present; slot++)
		continue; /* before the first one seen there is no gap */
	for (; slot < n; slot++) {
		const struct ref_slice *s = &r->slices[slot];

		ts = sim_ts(slot);
		if (ts <= reached || s->content || s->state == PART_EXPIRED || s->state == PART_SKIPPED)
			continue;
		if (r->now < ts + CADENCE + r->cfg->gap_timeout)
			return r->feed->count;
	}
	return n;
}

static void ref_choose(struct reference *r)
{
	int64_t aim = r->watermark;
	size_t next;

	r->moved = r->watermark;
	r->more = r->replaces = false;
	for (size_t n = r->low; n < r->high; n++)
		if (ref_is(r, n, true, TIME_NONE) && sim_ts(n) > aim)
			aim = sim_ts(n);
	switch (r->cfg->policy) {
	case POLICY_LATEST:
		ref_take_all(r, true, ref_horizon(r, aim));
		break;
	case POLICY_NEWEST:
		r->replaces = aim > r->watermark;
		if (r->replaces)
			ref_take(r, sim_slice_of(aim));
		else
			ref_take_all(r, false, ref_horizon(r, aim));
		break;
	case POLICY_REPLAY:
		next = ref_next(r, ref_horizon(r, r->watermark));
		if (next < r->feed->count) {
			ref_take(r, next);
			r->more = ref_next(r, ref_horizon(r, r->moved)) < r->feed->count;
		}
		break;
	}
}

/* What is not indexed: replaced, passed over, left behind, or as it was judged. */
static void ref_settle(struct reference *r, size_t n, int64_t newest)
{
	const struct ref_slice *s = &r->slices[n];
	struct ref_want *w = &r->wants[n];
	int64_t ts = sim_ts(n), horizon = ref_horizon(r, r->moved);
	int64_t overlap = r->cfg->overlap < 0 ? r->cfg->window : r->cfg->overlap;
	bool is_done = s->known && (s->state == PART_SKIPPED || s->state == PART_EXPIRED);
	bool is_outside = horizon != TIME_NONE && ts <= horizon;
	bool is_overlapped = ts > time_add(newest, -overlap);

	if (w->index || w->covered)
		return;
	if (r->cfg->policy == POLICY_NEWEST && ts < newest && !is_done) {
		w->replaced = r->replaces;
		if (s->content && r->replaces) {
			ref_set(w, PART_EXPIRED, "replaced");
		} else if (!s->content && (w->wants || w->state == PART_FAILED) &&
			   (is_overlapped || !is_outside)) {
			ref_set(w, PART_SKIPPED, is_overlapped ? "superseded" : "uncovered");
		} else {
			w->replaced = false;
		}
		if (w->state == PART_EXPIRED || w->state == PART_SKIPPED) {
			w->print = w->seen ? w->print : s->print;
			return;
		}
	}
	if (is_done && (is_outside || (r->cfg->policy == POLICY_NEWEST && ts < newest))) {
		ref_keep(w, s);
	} else if (is_outside) {
		bool any = w->now[0] || w->now[1] || w->now[2];

		w->left = true;
		if (s->content)
			ref_set(w, PART_EXPIRED, "");
		else if (w->state == PART_FAILED || (s->known && s->state == PART_FAILED) ||
			 (s->had_files && !any))
			ref_set(w, PART_SKIPPED, "uncovered");
		else
			ref_set(w, PART_SKIPPED, "old");
		w->print = w->seen ? w->print : s->print;
	}
}

/* Fills in `wants` for what is seen or known now. */
static void ref_tick(struct reference *r, int64_t now)
{
	size_t to = sim_slice_of(now) + 1;

	r->now = now;
	r->high = to > r->high ? to : r->high;
	r->high = r->high > r->feed->count ? r->feed->count : r->high;
	for (size_t n = r->low; n < r->high; n++)
		ref_judge(r, n);
	ref_choose(r);
	for (size_t n = r->low; n < r->high; n++)
		if (r->wants[n].present)
			ref_settle(r, n, r->replaces ? r->moved : r->watermark);
}

/* The row of a slice that was looked at, before it is known what became of it. */
static struct ref_slice *ref_row(struct reference *r, size_t n)
{
	struct ref_slice *s = &r->slices[n];
	const struct ref_want *w = &r->wants[n];

	if (s->print != w->print) {
		s->failures = s->deaths = 0;
		s->retry_at = TIME_NONE;
	}
	if (!s->known)
		s->retry_at = TIME_NONE;
	s->known = true;
	s->print = w->print;
	s->state = w->state;
	s->reason = w->reason;
	s->had_files = s->had_files || w->now[0] || w->now[1] || w->now[2];
	return s;
}

static int64_t ref_backoff(unsigned failures)
{
	int64_t wait = 10 * TIME_SECOND;

	for (unsigned i = 1; i < failures && wait < 10 * TIME_MINUTE; i++)
		wait *= 2;
	return wait < 10 * TIME_MINUTE ? wait : 10 * TIME_MINUTE;
}

/* The build has read the slice: with success (NULL), or with this reason. */
static void ref_indexed(struct reference *r, size_t n, const char *failed, bool retry)
{
	struct ref_slice *s = ref_row(r, n);

	s->deaths = 0;
	s->retry_at = TIME_NONE;
	if (failed) {
		ref_set(&r->wants[n], PART_FAILED, failed);
		s->state = PART_FAILED;
		s->reason = failed;
		s->failures++;
		if (retry)
			s->retry_at = r->now + ref_backoff(s->failures);
		return;
	}
	s->failures = 0;
	s->content = true;
	memcpy(s->has, r->wants[n].now, sizeof(s->has));
	if (sim_ts(n) > r->watermark)
		r->watermark = sim_ts(n);
}

/* Everything else is noted, where it has come to hold: the horizon has passed it, or it was replaced. */
static void ref_noted(struct reference *r, bool replaced)
{
	int64_t horizon = ref_horizon(r, r->watermark);

	for (size_t n = r->low; n < r->high; n++) {
		const struct ref_want *w = &r->wants[n];
		enum partition_state before = r->slices[n].state;
		struct ref_slice *s;

		if (!w->present || w->index || (w->replaced && !replaced) ||
			(w->left && (horizon == TIME_NONE || sim_ts(n) > horizon)))
			continue;
		s = ref_row(r, n);
		if (s->state == PART_EXPIRED)
			s->content = false;
		if (s->state == PART_FAILED && before == PART_BUILDING) {
			s->failures = s->deaths - 2;
			s->retry_at = r->now + ref_backoff(s->failures);
		}
	}
	while (r->low < r->high && sim_ts(r->low) <= horizon &&
		(!r->slices[r->low].known || r->slices[r->low].state == PART_SKIPPED ||
			r->slices[r->low].state == PART_EXPIRED))
		r->low++;
}

/* The build died while it read. */
static void ref_died(struct reference *r)
{
	for (size_t n = r->low; n < r->high; n++) {
		if (!r->wants[n].present || !r->wants[n].index)
			continue;
		ref_row(r, n)->deaths++;
		r->slices[n].state = PART_BUILDING;
	}
}

/* The build stopped in order. */
static void ref_stopped(struct reference *r)
{
	for (size_t n = r->low; n < r->high; n++) {
		struct ref_slice *s = &r->slices[n];
		bool is_new = !s->known;

		if (!r->wants[n].present || !r->wants[n].index)
			continue;
		if (is_new)
			ref_row(r, n);
		if (is_new || s->state == PART_BUILDING)
			s->state = s->content ? PART_PUBLISHED : PART_COMPLETE;
	}
}

#endif
