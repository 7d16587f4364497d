/* SPDX-License-Identifier: Apache-2.0 */
/* index/tick_fold.c - from what was read to a segment: which records are new, which are undone, what they are folded over. */
#include "tick.h"

#include "outcome.h"

int64_t tick_leaving(const struct tick *t)
{
	return t->base_at == TIME_NONE ? t->horizon : TIME_NONE;
}

bool tick_is_dropped(const struct tick *t, size_t segment)
{
	return t->refolds ||
	       (outcome_has_replaced(&t->plan, &t->intake) && !t->parent->manifest.segments[segment].base);
}

static size_t record_total(const struct intake *in)
{
	size_t total = 0;

	for (size_t i = 0; i < in->file_count; i++)
		for (const struct intake_batch *b = in->files[i].batches; b; b = b->next)
			total += b->count;
	return total;
}

static void gather_file(struct tick *t, struct intake_file *f)
{
	for (struct intake_batch *b = f->batches; b; b = b->next) {
		memcpy(t->records + t->record_count, b->records, b->count * sizeof(*b->records));
		t->record_count += b->count;
		free(b->records);
		b->records = NULL;
	}
}

/* The records of the partitions that did not fail, as one array; those of files that are as before are in the index. */
static int gather_records(struct tick *t, struct err *err)
{
	const struct intake *in = &t->intake;
	size_t total = record_total(in), i, k;

	t->sources = arena_alloc(&t->arena, (in->file_count + 1) * sizeof(*t->sources));
	t->records = arena_alloc(&t->arena, (total + 1) * sizeof(*t->records));
	if (!t->sources || !t->records)
		return err_set(err, -ENOMEM, "no memory for %zu records", total);
	for (i = 0; i < in->file_count; i++) {
		const struct intake_file *f = &in->files[i];

		t->sources[i] = (struct source){
			.ts = f->item->ts, .partition = f->item->seen->path, .file = f->seen->path};
		memcpy(t->sources[i].hash, f->hash, sizeof(f->hash));
	}
	for (i = 0; i < in->partition_count; i++) {
		const struct intake_partition *p = &in->partitions[i];

		for (k = p->first; !p->code && k < p->first + p->count; k++)
			if (!in->files[k].same || !p->item->has_content)
				gather_file(t, &in->files[k]);
	}
	return 0;
}

static void add_undone(const struct intake_partition *p, const struct file_row *was, struct buf *out)
{
	struct source source = {.ts = p->item->ts, .partition = p->item->row->path, .file = was->path};

	memcpy(source.hash, was->hash, sizeof(source.hash));
	buf_add(out, &source, sizeof(source));
}

/* The files whose records count no more: rewritten and vanished ones of partitions that did not fail. Those of a partition that had
 * expired too, and comes back by a longer window: what else has left, its attributes had stayed. */
static int gather_undone(struct tick *t, struct err *err)
{
	OWNED_BUF sources = {0};

	for (size_t i = 0; i < t->intake.partition_count; i++) {
		const struct intake_partition *p = &t->intake.partitions[i];

		if (p->code)
			continue;
		for (size_t k = p->first; k < p->first + p->count; k++)
			if (t->intake.files[k].was && !t->intake.files[k].same)
				add_undone(p, t->intake.files[k].was, &sources);
		for (size_t k = 0; k < p->vanished_count; k++)
			add_undone(p, p->vanished[k], &sources);
	}
	if (buf_error(&sources))
		return err_set(err, -ENOMEM, "out of memory");
	return undo_init(&t->undo, t->parent, (const struct source *)sources.data,
		sources.len / sizeof(struct source), err);
}

/* Everything again: the base into new segments, the deltas into the new records. */
static int refold(struct tick *t, struct err *err)
{
	struct records_of_build all = {t->sources, t->intake.file_count, t->records, t->record_count};
	struct refold_input in = {.state = t->state,
		.cfg = t->cfg,
		.rows = &t->rows,
		.horizon = tick_leaving(t),
		.stop = t->opt->stop,
		.progress = meter_report,
		.progress_ctx = &t->meter};
	const struct manifest *m = &t->parent->manifest;
	int r = rows_init(&t->rows, t->parent, m->horizon, t->undo.fresh ? t->undo.list : NULL, err);

	meter_phase(&t->meter, "folding everything again");
	in.base = manifest_base_count(m);
	if (r == 0)
		r = refold_base(&in, &t->pieces, &t->under, err);
	if (r == 0 && !outcome_has_replaced(&t->plan, &t->intake))
		r = refold_deltas(&in, &all, &t->recalled, &t->arena, err);
	t->sources = all.sources;
	t->source_count = all.source_count;
	t->records = all.records;
	t->record_count = all.record_count;
	return r;
}

static int choose_under(struct tick *t, struct err *err)
{
	size_t n = t->parent ? t->parent->manifest.segment_count : 0;
	bool *keep;
	int r;

	t->source_count = t->intake.file_count;
	if (t->refolds)
		return refold(t, err);
	if (!t->parent)
		return 0;
	if (!outcome_has_replaced(&t->plan, &t->intake)) {
		t->under = generation_ref(t->parent);
		return 0;
	}
	keep = calloc(n + 1, sizeof(*keep));
	if (!keep)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		keep[i] = !tick_is_dropped(t, i);
	r = generation_part(&t->under, t->parent, keep, tick_leaving(t), err);
	free(keep);
	return r;
}

static int fold_records(struct tick *t, struct err *err)
{
	struct fold_input *in = &t->fold_in;
	int r;

	meter_phase(&t->meter, "folding");
	r = gather_records(t, err);
	if (r == 0)
		r = gather_undone(t, err);
	if (r == 0)
		r = choose_under(t, err);
	if (r < 0)
		return r;
	*in = (struct fold_input){.cfg = t->cfg,
		.parent = t->under,
		.horizon = tick_leaving(t),
		.undone = t->under == t->parent && t->undo.fresh ? t->undo.list : NULL,
		.sources = t->sources,
		.source_count = t->source_count,
		.records = t->records,
		.record_count = t->record_count};
	return fold(in, &t->fold, err);
}

static int write_segment(struct tick *t, struct err *err)
{
	struct compose_input in = {.state = t->state,
		.cfg = t->cfg,
		.file = SEGMENT_FILE,
		.stop = t->opt->stop,
		.progress = meter_report,
		.progress_ctx = &t->meter};
	int r;

	meter_phase(&t->meter, "writing");
	r = compose_fold(&in, &t->fold_in, &t->fold, &t->segment, err);
	if (r < 0)
		return r;
	t->has_segment = true;
	t->out->segment_bytes = t->segment.bytes;
	return 0;
}

int tick_fold(struct tick *t, struct err *err)
{
	int r = fold_records(t, err);

	return r == 0 && t->fold.entry_count + t->fold.history_count ? write_segment(t, err) : r;
}
