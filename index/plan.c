/* SPDX-License-Identifier: Apache-2.0 */
/* Three passes. The first judges each partition by itself, as if it were inside the horizon (verdict.c): is there
 * something to index? The second lets the policy choose from these, which gives the new watermark and with it
 * the horizon. The third decides what becomes of those that were not chosen or lie outside. */
#include "plan.h"

#include "name.h"
#include "verdict.h"

#define NOWHERE SIZE_MAX

struct planner {
	const struct plan_input *in;
	struct plan *out;
	struct verdict *verdicts; /* one an item */
	int64_t newest; /* policy `newest`: never-indexed partitions before this one are passed over */
};

int64_t plan_horizon(const struct config *cfg, int64_t watermark, int64_t base_at)
{
	int64_t covered = base_at == TIME_NONE ? TIME_NONE : time_add(base_at, -cfg->cadence);
	int64_t horizon;

	if (watermark == TIME_NONE)
		return covered;
	horizon = cfg->window == TIME_FOREVER ? TIME_NONE : time_add(watermark, -cfg->window);
	return covered != TIME_NONE && covered < horizon ? covered : horizon;
}

static int64_t horizon_of(const struct planner *p, int64_t watermark)
{
	return plan_horizon(p->in->cfg, watermark, p->in->base_at);
}

static bool is_inside(int64_t ts, int64_t horizon)
{
	return horizon == TIME_NONE || ts > horizon;
}

static void due_at(struct plan *out, int64_t now, int64_t t)
{
	if (t > now && t < out->next_due)
		out->next_due = t;
}

/* ---- the policies: which of the items that want to be indexed are ---- */

static bool is_new(const struct planner *p, size_t i)
{
	return p->verdicts[i].wants && !p->out->items[i].has_content;
}

static bool is_change(const struct planner *p, size_t i)
{
	return p->verdicts[i].wants && p->out->items[i].has_content;
}

static void take(struct planner *p, size_t i)
{
	struct plan_item *item = &p->out->items[i];

	item->action = PLAN_INDEX;
	if (!item->has_content && item->ts > p->out->watermark)
		p->out->watermark = item->ts;
}

/* The watermark, were all that want to be indexed indexed: what it leaves behind is not worth reading. */
static int64_t aim(const struct planner *p)
{
	int64_t watermark = p->in->watermark;

	for (size_t i = 0; i < p->out->count; i++)
		if (is_new(p, i) && p->out->items[i].ts > watermark)
			watermark = p->out->items[i].ts;
	return watermark;
}

/* Takes all that `wants` says inside the horizon, save those at which builds died; of these the oldest, alone, when
 * there is nothing else: they shall not hold up the others. */
static void take_all(struct planner *p, bool (*wants)(const struct planner *p, size_t i), int64_t horizon)
{
	size_t suspect = NOWHERE, suspects = 0, taken = 0;

	for (size_t i = 0; i < p->out->count; i++) {
		if (!wants(p, i) || !is_inside(p->out->items[i].ts, horizon))
			continue;
		if (p->verdicts[i].is_suspect) {
			suspect = suspects++ ? suspect : i;
		} else {
			take(p, i);
			taken++;
		}
	}
	if (suspects && !taken)
		take(p, suspect);
	p->out->more = suspects > (taken ? 0 : 1);
}

static bool is_wanted(const struct planner *p, size_t i)
{
	return p->verdicts[i].wants;
}

static void choose_latest(struct planner *p)
{
	take_all(p, is_wanted, horizon_of(p, aim(p)));
}

static void choose_newest(struct planner *p)
{
	int64_t aimed = aim(p);

	p->newest = aimed;
	if (aimed == p->in->watermark) {
		take_all(p, is_change, horizon_of(p, aimed));
		return;
	}
	p->out->replaces = true;
	for (size_t i = 0; i < p->out->count; i++)
		if (is_new(p, i) && p->out->items[i].ts == aimed)
			take(p, i);
}

/* Nothing is to be waited for in its slot: it has had its turn. */
static bool has_passed(const struct planner *p, size_t i)
{
	const struct plan_item *item = &p->out->items[i];
	const struct row *row = item->row;

	return item->has_content || p->verdicts[i].is_covered ||
	       (row && (row->state == PART_EXPIRED || row->state == PART_SKIPPED));
}

/* Policy `replay`: when the gap before a complete partition ends, where all up to `reached` has had its turn; TIME_NONE: there
 * is none. The last slot of the gap is the last one to be given up, so no other matters. */
static int64_t gap_ends(const struct planner *p, size_t i, int64_t reached)
{
	const struct plan_item *items = p->out->items;
	const struct config *cfg = p->in->cfg;
	int64_t slot = time_slot(items[i].ts, cfg->cadence) - 1, begins;

	for (size_t k = i; k-- > 0;) {
		int64_t s = time_slot(items[k].ts, cfg->cadence);

		if (s < slot)
			break;
		if (s == slot && has_passed(p, k))
			slot--;
	}
	begins = reached == TIME_NONE ? time_slot(items[0].ts, cfg->cadence)
				      : time_slot(reached, cfg->cadence) + 1;
	return slot < begins ? TIME_NONE : time_add((slot + 1) * cfg->cadence, cfg->gap_timeout);
}

/* Policy `replay`: the next in line: changes of what is indexed, then what is not, each oldest first. */
static size_t next_in_line(const struct planner *p, int64_t horizon)
{
	static bool (*const turns[])(const struct planner *p, size_t i) = {is_change, is_new};

	for (size_t t = 0; t < 2; t++)
		for (size_t i = 0; i < p->out->count; i++)
			if (turns[t](p, i) && p->out->items[i].action == PLAN_KEEP &&
				is_inside(p->out->items[i].ts, horizon))
				return i;
	return NOWHERE;
}

/* May the next in line have its turn? If time alone can bring it, it is noted when. */
static bool may_pass(struct planner *p, size_t i)
{
	int64_t covered = plan_horizon(p->in->cfg, TIME_NONE, p->in->base_at), ends = TIME_NONE;
	int64_t reached = covered > p->out->watermark ? covered : p->out->watermark;

	if (is_new(p, i) && p->out->items[i].ts > reached)
		ends = gap_ends(p, i, reached);
	if (ends == TIME_NONE || ends <= p->in->now)
		return true;
	due_at(p->out, p->in->now, ends);
	return false;
}

static void choose_replay(struct planner *p)
{
	int64_t horizon = horizon_of(p, p->in->watermark);
	size_t next = next_in_line(p, horizon);

	if (next == NOWHERE || !may_pass(p, next))
		return;
	take(p, next);
	next = next_in_line(p, horizon_of(p, p->out->watermark));
	p->out->more = next != NOWHERE && may_pass(p, next);
}

/* All that want to be indexed wait, but for those that the policy takes. */
static void choose(struct planner *p)
{
	for (size_t i = 0; i < p->out->count; i++)
		p->out->items[i].action = PLAN_KEEP;
	switch (p->in->cfg->policy) {
	case POLICY_LATEST:
		choose_latest(p);
		break;
	case POLICY_NEWEST:
		choose_newest(p);
		break;
	case POLICY_REPLAY:
		choose_replay(p);
		break;
	}
}

/* ---- what becomes of the others ---- */

static int64_t overlap_of(const struct config *cfg)
{
	return cfg->overlap < 0 ? cfg->window : cfg->overlap;
}

/* Policy `newest`: what is before the newest one is replaced by it, or was never to be indexed. Returns whether this says
 * what becomes of the item. */
static bool pass_over(
	const struct planner *p, struct plan_item *item, const struct verdict *v, int64_t horizon)
{
	const struct row *row = item->row;
	/* What was `old` is judged again where a longer window has reached it. */
	bool was_old =
		v->wants && row && row->state == PART_SKIPPED && slice_eq(row->reason, slice_str(ROW_OLD));
	bool is_done = row && (row->state == PART_EXPIRED || row->state == PART_SKIPPED) && !was_old;
	bool is_overlapped = item->ts > time_add(p->newest, -overlap_of(p->in->cfg));

	if (p->newest == TIME_NONE || item->ts >= p->newest || is_done)
		return false;
	if (item->has_content) {
		if (!p->out->replaces)
			return false;
		verdict_note(item, PART_EXPIRED, ROW_REPLACED);
	} else {
		if (!v->wants && item->state != PART_FAILED)
			return false;
		if (!is_overlapped && !is_inside(item->ts, horizon))
			return false;
		verdict_note(item, PART_SKIPPED, is_overlapped ? ROW_SUPERSEDED : ROW_UNCOVERED);
	}
	item->is_replaced = p->out->replaces;
	if (!item->seen)
		item->fingerprint = row->fingerprint;
	return true;
}

static bool differs(const struct plan_item *item)
{
	const struct row *row = item->row;

	return !row || item->state != row->state || item->fingerprint != row->fingerprint ||
	       !slice_eq(slice_str(item->reason), row->reason);
}

static bool is_settled(const struct plan_item *item)
{
	return item->row && (item->row->state == PART_EXPIRED || item->row->state == PART_SKIPPED);
}

/* What an item becomes that is not indexed now. */
static int settle_other(struct planner *p, struct plan_item *item, const struct verdict *v, int64_t horizon)
{
	struct arena *arena = &p->out->arena;

	if (v->is_covered)
		return 0;
	if (p->in->cfg->policy == POLICY_NEWEST) {
		if (pass_over(p, item, v, horizon))
			return 0;
		if (is_settled(item) && item->ts < p->newest)
			return verdict_keep(arena, item);
	}
	if (!is_inside(item->ts, horizon)) {
		item->is_left = true;
		return verdict_leave(arena, item, is_inside(item->ts, horizon_of(p, p->in->watermark)));
	}
	due_at(p->out, p->in->now, v->due);
	return v->wants ? verdict_wait(arena, item) : 0;
}

static bool is_covered_change(const struct plan_item *item, const struct verdict *v)
{
	const struct feed_partition *seen = item->seen;

	return v->is_covered && item->row && seen && seen->file_count &&
	       seen->fingerprint != item->row->fingerprint;
}

/* The third pass. */
static int settle_item(struct planner *p, struct plan_item *item, const struct verdict *v, int64_t horizon)
{
	int r = 0;

	if (item->action != PLAN_INDEX)
		r = settle_other(p, item, v, horizon);
	if (item->action != PLAN_INDEX && r == 0 && differs(item))
		item->action = PLAN_NOTE;
	p->out->to_index += item->action == PLAN_INDEX;
	p->out->to_note += item->action == PLAN_NOTE;
	p->out->covered_changes += is_covered_change(item, v);
	return r;
}

/* When the next slice can be complete: a feed that tells nothing must be looked at then. */
static int64_t next_slice(const struct planner *p)
{
	const struct config *cfg = p->in->cfg;
	int64_t settle = cfg->complete == COMPLETE_MARKER ? 0 : cfg->settle % cfg->cadence;
	int64_t past = (p->in->now - settle) % cfg->cadence;

	return time_add(p->in->now, cfg->cadence - (past < 0 ? past + cfg->cadence : past));
}

/* One item for each timestamp in the rows or the listing, in order. */
static int merge_items(struct planner *p)
{
	const struct plan_input *in = p->in;
	size_t most = in->row_count + in->listing->count, i = 0, k = 0;
	struct plan *out = p->out;

	out->items = arena_alloc(&out->arena, (most + 1) * sizeof(out->items[0]));
	p->verdicts = arena_alloc(&out->arena, (most + 1) * sizeof(p->verdicts[0]));
	if (!out->items || !p->verdicts)
		return -ENOMEM;
	while (i < in->row_count || k < in->listing->count) {
		const struct row *row = i < in->row_count ? &in->rows[i] : NULL;
		const struct feed_partition *seen =
			k < in->listing->count ? &in->listing->partitions[k] : NULL;

		if (row && seen && row->ts != seen->ts) {
			if (row->ts < seen->ts)
				seen = NULL;
			else
				row = NULL;
		}
		out->items[out->count++] = (struct plan_item){
			.ts = row ? row->ts : seen->ts,
			.action = PLAN_KEEP,
			.reason = "",
			.seen = seen,
			.row = row,
		};
		i += row != NULL;
		k += seen != NULL;
	}
	return 0;
}

static int plan_fill(struct planner *p)
{
	struct plan *out = p->out;
	int64_t horizon;
	int r = merge_items(p);

	for (size_t i = 0; r == 0 && i < out->count; i++)
		r = verdict_make(p->in, &out->arena, &out->items[i], &p->verdicts[i]);
	if (r < 0)
		return r;
	choose(p);
	horizon = horizon_of(p, out->watermark);
	for (size_t i = 0; r == 0 && i < out->count; i++)
		r = settle_item(p, &out->items[i], &p->verdicts[i], horizon);
	due_at(out, p->in->now, next_slice(p));
	if (out->more)
		out->next_due = p->in->now;
	return r;
}

int plan_make(const struct plan_input *in, struct plan *out, struct err *err)
{
	struct planner p = {.in = in, .out = out, .newest = TIME_NONE};
	int r;

	*out = (struct plan){.watermark = in->watermark, .next_due = TIME_FOREVER};
	r = plan_fill(&p);
	if (r < 0) {
		plan_release(out);
		return err_set(err, r, "out of memory while planning %zu partitions",
			in->row_count + in->listing->count);
	}
	return 0;
}

void plan_release(struct plan *p)
{
	arena_release(&p->arena);
	*p = (struct plan){.watermark = TIME_NONE, .next_due = TIME_FOREVER};
}

void plan_print(const struct plan *p, struct buf *out)
{
	char text[TIME_TEXT_MAX];

	for (size_t i = 0; i < p->count; i++) {
		const struct plan_item *item = &p->items[i];

		if (item->action == PLAN_KEEP)
			continue;
		buf_add_str(out, item->action == PLAN_INDEX ? "index\t" : "note\t");
		name_print(item->seen ? item->seen->path : item->row->path, out);
		buf_addf(out, "\t%s\t%s\t%zu files", partition_state_name(item->state), item->reason,
			item->action == PLAN_INDEX ? item->read_count
			: item->seen               ? item->seen->file_count
						   : 0);
		if (item->vanished_count)
			buf_addf(out, ", %zu vanished", item->vanished_count);
		buf_add_byte(out, '\n');
	}
	if (p->covered_changes)
		buf_addf(out, "covered_changes\t%zu\n", p->covered_changes);
	buf_addf(out, "watermark\t%s\n", time_text(p->watermark, text));
	buf_addf(out, "next_due\t%s\n", p->next_due == TIME_FOREVER ? "never" : time_text(p->next_due, text));
}
