/* SPDX-License-Identifier: Apache-2.0 */
/* index/fold.c - each id is decided by itself: its new records against the one entry that the parent has for it, or, where that one
 * counts no more, against all that the parent still has of it. Then the groups that this touches are completed
 * (fold_touch.c). The result depends on the set of records only, not on how they were read or split over threads. */
#include "fold_private.h"

#include "reader.h"
#include "strsort.h"

static int by_order(const void *a, const void *b, void *ctx)
{
	const struct record *records = ctx;

	return record_order(&records[*(const uint32_t *)a], &records[*(const uint32_t *)b]);
}

/* By id; decide() puts the few records of one id in order. */
static int sort_records(struct folder *f, struct err *err)
{
	size_t n = f->in->record_count;
	struct slice *ids;
	int r;

	if (n > UINT32_MAX - 1)
		return err_set(err, -EOVERFLOW, "%zu records in one build; at most %u can be folded at once",
			n, UINT32_MAX - 1);
	ids = malloc((n ? n : 1) * sizeof(*ids));
	f->order = malloc((n ? n : 1) * sizeof(*f->order));
	if (!ids || !f->order) {
		free(ids);
		return err_set(err, -ENOMEM, "no memory to sort %zu records", n);
	}
	for (size_t i = 0; i < n; i++)
		ids[i] = f->in->records[i].id;
	r = strsort(ids, (uint32_t)n, f->order);
	free(ids);
	return r < 0 ? err_set(err, r, "no memory to sort %zu records", n) : 0;
}

static const struct record *nth(const struct folder *f, size_t i)
{
	return &f->in->records[f->order[i]];
}

static struct entry entry_of(const struct record *r)
{
	return (struct entry){
		.id = r->id,
		.group = r->group,
		.version = r->version,
		.state = r->deleted               ? ENTRY_DELETED
			 : id_is_attribute(r->id) ? ENTRY_ATTRIBUTE
						  : ENTRY_LIVE,
		.source = r->source,
		.line = r->line,
		.record = r->json,
	};
}

/* Takes a row of the parent for an entry of the new segment. */
static int take_over(struct folder *f, const struct parent_row *row, struct entry *to, struct err *err)
{
	char *copy;
	int r;

	*to = row->entry;
	/* Whether it is hidden is worked out again from the record. */
	if (to->state == ENTRY_HIDDEN)
		to->state = ENTRY_LIVE;
	r = source_take(f, row, &to->source);
	if (r < 0)
		return err_set(err, r, "no memory for sources");
	buf_clear(&f->scratch);
	r = rows_record(&f->rows, row, &f->scratch, err);
	if (r < 0)
		return err_context(err, r, "%s.seg", f->in->parent->manifest.segments[row->segment].name);
	copy = arena_alloc(&f->out->arena, f->scratch.len + RECORD_PADDING);
	if (!copy || buf_error(&f->scratch))
		return err_set(err, -ENOMEM, "no memory for a record of %zu bytes", f->scratch.len);
	if (f->scratch.len)
		memcpy(copy, f->scratch.data, f->scratch.len);
	memset(copy + f->scratch.len, 0, RECORD_PADDING);
	to->record = slice_of(copy, f->scratch.len);
	return 0;
}

static size_t put_entry(struct folder *f, const struct entry *e)
{
	buf_add(&f->entries, e, sizeof(*e));
	return f->entries.len / sizeof(*e) - 1;
}

/* The parent's side of a decision: what of it still counts, if anything. */
static int rival(struct folder *f, struct decision *d, bool again, struct parent_row *out, struct err *err)
{
	int r = rows_standing(&f->rows, d->id, out, err);

	d->had = r == 1;
	d->old_segment = out->segment;
	d->old_entry = out->n;
	if (r < 0 || !again)
		return r;
	return rows_newest(&f->rows, d->id, out, err);
}

static bool is_old_entry(const struct decision *d, const struct parent_row *row)
{
	return d->had && !row->history && row->segment == d->old_segment && row->n == d->old_entry;
}

static void put_history(struct folder *f, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		f->out->history[f->out->history_count++] = entry_of(nth(f, i));
}

/* Decides one id, of which the new records are the run [from, to); `again`: the parent's entry may count no more. */
static int decide(struct folder *f, struct slice id, size_t from, size_t to, bool again, struct err *err)
{
	struct decision d = {.id = id, .entry = NO_ENTRY};
	struct parent_row old = {0};
	struct entry newest = {0};
	bool parent_wins = false;
	int there = f->in->parent ? rival(f, &d, again, &old, err) : 0;

	if (there < 0)
		return there;
	if (to - from > 1)
		qsort_r(f->order + from, to - from, sizeof(*f->order), by_order, f->in->records);
	if (to > from) {
		newest = entry_of(nth(f, to - 1));
		parent_wins = there && entry_order(&old.entry, &old.source, &newest,
					       &f->in->sources[newest.source]) > 0;
	} else {
		parent_wins = there;
	}
	put_history(f, from, parent_wins || to == from ? to : to - 1);
	if (parent_wins && !is_old_entry(&d, &old)) {
		int r = take_over(f, &old, &newest, err);

		if (r < 0)
			return r;
		d.entry = put_entry(f, &newest);
	} else if (!parent_wins && to > from) {
		d.entry = put_entry(f, &newest);
	}
	d.gone = !there && to == from;
	if (f->in->parent)
		buf_add(&f->decisions, &d, sizeof(d));
	return f->decisions.failed || f->entries.failed ? err_set(err, -ENOMEM, "out of memory") : 0;
}

/* Walks the ids of new records and those to decide anew side by side. */
static int decide_all(struct folder *f, struct err *err)
{
	const struct slice *again = (const struct slice *)f->again.data;
	size_t n = f->in->record_count, m = f->again.len / sizeof(*again), from = 0, k = 0;
	int r = 0;

	while (r == 0 && (from < n || k < m)) {
		int c = from == n ? 1 : k == m ? -1 : slice_cmp(nth(f, from)->id, again[k]);
		struct slice id = c <= 0 ? nth(f, from)->id : again[k];
		size_t to = from;

		while (c <= 0 && to < n && slice_eq(nth(f, to)->id, id))
			to++;
		r = decide(f, id, from, to, c >= 0, err);
		from = to;
		k += c >= 0;
	}
	return r;
}

/* Everything that is written, by id. */
static int finish_entries(struct folder *f, struct err *err)
{
	const struct parent_row *copies = (const struct parent_row *)f->copies.data;
	size_t copied = f->copies.len / sizeof(*copies), decided = f->entries.len / sizeof(struct entry), n;
	struct fold_output *out = f->out;
	const struct entry *a;
	struct entry e;
	size_t i = 0, k = decided;
	int r = 0;

	for (size_t c = 0; r == 0 && c < copied; c++) {
		r = take_over(f, &copies[c], &e, err);
		if (r == 0)
			put_entry(f, &e);
	}
	n = decided + copied;
	out->entries = arena_alloc(&out->arena, (n + 1) * sizeof(*out->entries));
	if (r == 0 && (buf_error(&f->entries) || !out->entries))
		r = err_set(err, -ENOMEM, "no memory for %zu entries", n);
	if (r < 0)
		return r;
	a = (const struct entry *)f->entries.data; /* two sorted runs */
	while (i < decided || k < n) {
		bool first = k == n || (i < decided && slice_cmp(a[i].id, a[k].id) < 0);

		out->entries[out->entry_count++] = a[first ? i++ : k++];
	}
	return 0;
}

static void folder_release(struct folder *f)
{
	taken_release(f);
	rows_release(&f->rows);
	record_parser_free(f->parser);
	free(f->order);
	buf_release(&f->again);
	buf_release(&f->decisions);
	buf_release(&f->entries);
	buf_release(&f->asked);
	buf_release(&f->groups);
	buf_release(&f->copies);
	buf_release(&f->scratch);
}

int fold(const struct fold_input *in, struct fold_output *out, struct err *err)
{
	struct folder f = {.in = in, .out = out};
	int r;

	*out = (struct fold_output){0};
	out->history = arena_alloc(&out->arena, (in->record_count + 1) * sizeof(*out->history));
	r = out->history ? rows_init(&f.rows, in->parent, in->horizon, in->undone, err)
			 : err_set(err, -ENOMEM, "no memory for %zu records", in->record_count);
	if (r == 0 && in->parent && in->cfg->attribute_count)
		r = record_parser_new(&f.parser, in->cfg, err);
	if (r == 0)
		r = sort_records(&f, err);
	if (r == 0)
		r = fold_again(&f, err);
	if (r == 0)
		r = decide_all(&f, err);
	if (r == 0)
		r = fold_touch(&f, err);
	if (r == 0)
		r = finish_entries(&f, err);
	if (r == 0)
		r = fold_sources(&f, err);
	folder_release(&f);
	if (r < 0)
		fold_release(out);
	return r;
}

void fold_release(struct fold_output *f)
{
	arena_release(&f->arena);
	*f = (struct fold_output){0};
}

/* ---- attributes for the documents ---- */

struct fold_attributes fold_attributes(const struct fold_input *in, const struct fold_output *out)
{
	struct fold_attributes a = {
		.entries = out->entries, .parent = in->parent, .horizon = in->horizon, .undone = in->undone};

	while (a.count < out->entry_count && id_is_attribute(out->entries[a.count].id))
		a.count++;
	return a;
}

static const struct entry *fresh_attribute(const struct fold_attributes *a, struct slice id)
{
	size_t low = 0, high = a->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = slice_cmp(a->entries[mid].id, id);

		if (c == 0)
			return &a->entries[mid];
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

int fold_attribute(void *ctx, struct slice id, struct buf *json, struct err *err)
{
	const struct fold_attributes *a = ctx;
	const struct entry *e = fresh_attribute(a, id);
	struct rows rows = {.g = a->parent, .undone = a->undone};
	struct parent_row row;
	int r;

	if (e) {
		if (e->state == ENTRY_ATTRIBUTE)
			buf_add_slice(json, e->record);
		return buf_error(json) ? err_set(err, -ENOMEM, "out of memory") : e->state == ENTRY_ATTRIBUTE;
	}
	r = rows_standing(&rows, id, &row, err);
	if (r <= 0 || row.entry.state != ENTRY_ATTRIBUTE)
		return r < 0 ? r : 0;
	/* What left or was undone, with nothing in its place, is no more. */
	if (row.source.ts <= a->horizon && a->horizon != TIME_NONE &&
		attribute_expires(a->parent->segments[row.segment], id))
		return 0;
	if (a->undone && undone_has(&a->undone[row.segment], row.entry.source))
		return 0;
	r = rows_record(&rows, &row, json, err);
	return r < 0 ? r : 1;
}
