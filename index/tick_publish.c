/* SPDX-License-Identifier: Apache-2.0 */
/* index/tick_publish.c - how a tick ends: rows, rejects and segments into a generation, or only noted. */
#include "tick.h"

#include "name.h"
#include "outcome.h"
#include "publish.h"

static struct outcome_input outcome_of(const struct tick *t, uint64_t generation)
{
	return (struct outcome_input){.plan = &t->plan,
		.intake = &t->intake,
		.generation = generation,
		.horizon = t->horizon,
		.plan_now = t->plan_now,
		.began = t->began};
}

bool tick_content_leaves(const struct tick *t)
{
	struct outcome_input in = outcome_of(t, 0);

	for (size_t i = 0; i < t->plan.count; i++) {
		const struct plan_item *item = &t->plan.items[i];

		if (item->action == PLAN_NOTE && item->state == PART_EXPIRED && outcome_holds(&in, item))
			return true;
	}
	return false;
}

void tick_note_failure(struct tick *t, struct slice path, const char *reason)
{
	t->out->failed++;
	name_print(path, &t->out->failed_text);
	buf_addf(&t->out->failed_text, ": %s\n", reason);
}

/* What was refused of a partition's files: of those that were read, and, of those that are there no more, nothing. Where a change of it
 * fails, the last good records stay, and with them what was refused beside them. */
static void gather_rejects_of(struct tick *t, const struct intake_partition *p)
{
	struct slice path = p->item->seen->path;

	if (p->code && p->item->has_content)
		return;
	for (size_t i = p->first; i < p->first + p->count; i++) {
		struct intake_file *f = &t->intake.files[i];

		/* A file that is clean now takes back what was refused of it before. */
		if (f->rejects.count || !f->code)
			t->rejects[t->reject_count++] = (struct reject_file){
				.partition = path, .file = f->seen->path, .text = reject_text(&f->rejects)};
	}
	for (size_t i = 0; !p->code && i < p->vanished_count; i++)
		t->rejects[t->reject_count++] =
			(struct reject_file){.partition = path, .file = p->vanished[i]->path};
}

int tick_gather_rejects(struct tick *t, struct err *err)
{
	size_t room = t->intake.file_count + 1, i;

	for (i = 0; i < t->intake.partition_count; i++)
		room += t->intake.partitions[i].vanished_count;
	t->rejects = arena_alloc(&t->arena, room * sizeof(*t->rejects));
	if (!t->rejects)
		return err_set(err, -ENOMEM, "out of memory");
	for (i = 0; i < t->intake.partition_count; i++)
		gather_rejects_of(t, &t->intake.partitions[i]);
	return 0;
}

static int make_rows(struct tick *t, uint64_t generation, struct row **rows, size_t *count, struct err *err)
{
	struct outcome_input in = outcome_of(t, generation);
	int r = outcome_rows(&in, &t->arena, rows, count, err);

	t->out->uncovered = 0;
	for (size_t i = 0; r == 0 && i < *count; i++) {
		const struct row *row = &(*rows)[i];

		t->out->uncovered += row_is_uncovered(row);
		if (row->state == PART_FAILED && slice_eq(row->reason, slice_str(PLAN_CRASHED)))
			tick_note_failure(t, row->path, PLAN_CRASHED);
	}
	return r;
}

/* The base, where it was written anew, under all, and what was folded over all. */
static struct publish_segment *fresh_segments(struct tick *t, size_t *count)
{
	const struct base_piece *pieces = (const struct base_piece *)t->pieces.data;
	size_t n = t->pieces.len / sizeof(*pieces);
	struct publish_segment *list = arena_alloc(&t->arena, (n + 1) * sizeof(*list));

	for (size_t i = 0; list && i < n; i++)
		list[i] = (struct publish_segment){
			.file = pieces[i].file, .output = &pieces[i].output, .base = true};
	if (list)
		list[n] = (struct publish_segment){.file = SEGMENT_FILE,
			.output = &t->segment,
			.at = t->parent ? t->parent->manifest.segment_count : 0};
	*count = n + t->has_segment;
	return list;
}

int tick_publish(struct tick *t, struct err *err)
{
	struct publish_input in = {.state = t->state,
		.catalog = t->catalog,
		.parent = t->parent,
		.watermark = t->watermark,
		.horizon = tick_leaving(t),
		.base_at = t->base_at,
		.undone = t->fold_in.undone,
		.rejects = t->rejects,
		.reject_count = t->reject_count};
	size_t old = t->parent ? t->parent->manifest.segment_count : 0;
	bool *dropped = arena_alloc(&t->arena, old + 1);
	struct row *rows;
	int r;

	meter_phase(&t->meter, "publishing");
	in.dropped = dropped;
	in.segments = fresh_segments(t, &in.segment_count);
	r = dropped && in.segments ? catalog_take_number(t->catalog, &in.number, err)
				   : err_set(err, -ENOMEM, "out of memory");
	if (r == 0)
		r = make_rows(t, in.number, &rows, &in.row_count, err);
	if (r < 0)
		return r;
	in.rows = rows;
	in.now = time_now();
	in.k1 = t->cfg->k1;
	in.b = t->cfg->b;
	config_hash(t->cfg, in.config_hash);
	for (size_t i = 0; i < old; i++)
		dropped[i] = tick_is_dropped(t, i);
	r = publish(&in, &t->out->documents, err);
	if (r < 0)
		return r;
	t->out->generation = in.number;
	t->out->watermark = t->watermark;
	return 0;
}

int tick_note(struct tick *t, struct err *err)
{
	struct row *rows;
	size_t count;
	int r = 0;

	if (t->reject_count)
		r = reject_files_put(t->state, t->rejects, t->reject_count, err);
	if (r == 0)
		r = make_rows(t, 0, &rows, &count, err);
	if (r == 0 && count)
		r = catalog_note(t->catalog, rows, count, err);
	return r;
}
