/* SPDX-License-Identifier: Apache-2.0 */
/* index/fold_touch.c - how far a change reaches. Before the decisions: the ids whose records count no more. After them: the
 * groups in which something changed, by way of attributes too, and their other entries. The indexes of groups and attributes in
 * the segments (postings of internal terms) make this cost what it finds. */
#include "fold_private.h"

#include "strsort.h"

/* Sorts slices and drops doubles. */
static int buf_distinct(struct buf *b, struct arena *arena, struct err *err)
{
	struct slice *s = (struct slice *)b->data, *sorted;
	size_t n = b->len / sizeof(*s), kept = 0;
	uint32_t *order;

	if (buf_error(b))
		return err_set(err, -ENOMEM, "out of memory for ids");
	if (n >= UINT32_MAX)
		return err_set(err, -EOVERFLOW, "%zu ids or groups are too many for one build", n);
	sorted = arena_alloc(arena, (n + 1) * sizeof(*sorted));
	order = arena_alloc(arena, (n + 1) * sizeof(*order));
	if (!sorted || !order || strsort(s, (uint32_t)n, order) < 0)
		return err_set(err, -ENOMEM, "no memory to sort %zu ids or groups", n);
	for (size_t i = 0; i < n; i++)
		sorted[i] = s[order[i]];
	for (size_t i = 0; i < n; i++)
		if (!i || !slice_eq(sorted[i], sorted[i - 1]))
			s[kept++] = sorted[i];
	b->len = kept * sizeof(*s);
	return 0;
}

static const struct decision *decisions_of(const struct folder *f, size_t *count)
{
	*count = f->decisions.len / sizeof(struct decision);
	return (const struct decision *)f->decisions.data;
}

/* ---- ids to decide anew ---- */

/* What differs from the parent for one of its segments. */
struct lapse {
	uint32_t left_before, left; /* sources below have left: in the parent, and now */
	struct undone before, now;
};

static bool source_lapses(const struct lapse *l, uint32_t source)
{
	return undone_has(&l->now, source) && !undone_has(&l->before, source);
}

/* Documents that leave are followed by nothing, unless an older partition's record could win by its version. */
static bool leaver_matters(const struct folder *f, const struct segment *s, struct slice id)
{
	return id_is_attribute(id) ? attribute_expires(s, id) : f->in->cfg->version != NULL;
}

static int again_entries(struct folder *f, size_t i, const struct lapse *l, struct err *err)
{
	const struct segment *s = f->in->parent->segments[i];
	const struct live_segment *live = &f->in->parent->live.segments[i];
	int r = 0;

	for (uint32_t n = 0; r == 0 && n < segment_info(s)->entries; n++) {
		uint32_t source = segment_source_of(s, n);
		bool leaves = source < l->left && source >= l->left_before && !live_is_superseded(live, n);
		struct slice id;

		if (!leaves && !source_lapses(l, source))
			continue;
		r = segment_id(s, n, &id, err);
		if (r == 0 && (source_lapses(l, source) || leaver_matters(f, s, id)))
			buf_add(&f->again, &id, sizeof(id));
	}
	return r;
}

static int again_history(struct folder *f, size_t i, const struct lapse *l, struct err *err)
{
	const struct segment *s = f->in->parent->segments[i];
	struct entry e;
	int r = 0;

	for (uint32_t n = 0; r == 0 && l->now.count && n < segment_info(s)->history; n++) {
		if (!source_lapses(l, segment_history_source_of(s, n)))
			continue;
		r = segment_history(s, n, &e, err);
		if (r == 0)
			buf_add(&f->again, &e.id, sizeof(e.id));
	}
	return r;
}

int fold_again(struct folder *f, struct err *err)
{
	const struct generation *g = f->in->parent;
	int r = 0;

	for (size_t i = 0; g && r == 0 && i < g->manifest.segment_count; i++) {
		int64_t before = g->manifest.horizon, old = g->manifest.segments[i].left;
		struct lapse l = {
			.left_before = segment_sources_until(g->segments[i], before > old ? before : old),
			.left = f->rows.left[i],
			.before = manifest_undone(&g->manifest.segments[i]),
			.now = rows_undone(&f->rows, i)};

		if (l.left <= l.left_before && l.now.count == l.before.count)
			continue;
		r = again_entries(f, i, &l, err);
		if (r == 0)
			r = again_history(f, i, &l, err);
		if (r < 0)
			return err_context(err, r, "segment %s", g->manifest.segments[i].name);
	}
	return buf_distinct(&f->again, &f->out->arena, err);
}

/* ---- groups ---- */

static void touch_group(struct folder *f, struct slice group)
{
	if (group.len)
		buf_add(&f->groups, &group, sizeof(group));
}

static const struct decision *decision_of(const struct folder *f, struct slice id)
{
	size_t low = 0, high;
	const struct decision *d = decisions_of(f, &high);

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = slice_cmp(d[mid].id, id);

		if (c == 0)
			return &d[mid];
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* Does the fold leave the parent's entry of that id as it is? */
static bool is_untouched(const struct folder *f, struct slice id)
{
	const struct decision *d = decision_of(f, id);

	return !d || (d->entry == NO_ENTRY && !d->gone);
}

static bool changes(const struct decision *d)
{
	return d->entry != NO_ENTRY || (d->gone && d->had);
}

static int old_row(const struct folder *f, const struct decision *d, struct parent_row *out, struct err *err)
{
	*out = (struct parent_row){.segment = d->old_segment, .n = d->old_entry};
	return rows_load(&f->rows, out, err);
}

/* The parent's entry goes for its age, and nothing comes in its place: the rest of its group need not be written for that. */
static bool only_leaves(const struct folder *f, const struct decision *d)
{
	return d->entry == NO_ENTRY && segment_source_of(f->in->parent->segments[d->old_segment],
					       d->old_entry) < f->rows.left[d->old_segment];
}

static int touch_document(struct folder *f, const struct decision *d, struct err *err)
{
	const struct entry *entries = (const struct entry *)f->entries.data;
	struct parent_row old;
	int r = 0;

	if (only_leaves(f, d))
		return 0;
	if (d->entry != NO_ENTRY)
		touch_group(f, entries[d->entry].group);
	if (d->had) {
		r = old_row(f, d, &old, err);
		if (r == 0)
			touch_group(f, old.entry.group);
	}
	return r;
}

/* Gets an entry of the parent that stays as it is. */
typedef int entry_fn(struct folder *f, const struct parent_row *row, struct err *err);

static int each_posting(
	struct folder *f, size_t i, const struct dict_term *term, entry_fn *fn, struct err *err)
{
	const struct live_segment *live = &f->in->parent->live.segments[i];
	struct postings p;
	int r = segment_postings(f->in->parent->segments[i], term, &p, err);

	while (r == 0 && (r = postings_next(&p, err)) == 1) {
		r = 0;
		for (unsigned k = 0; r == 0 && k < p.count; k++) {
			struct parent_row row = {.segment = i, .n = p.docs[k]};

			if (live_is_superseded(live, row.n))
				continue;
			r = rows_load(&f->rows, &row, err);
			if (r == 0 && rows_count(&f->rows, i, row.entry.id, row.entry.source) &&
				is_untouched(f, row.entry.id))
				r = fn(f, &row, err);
		}
		if (r < 0)
			return r;
	}
	return r;
}

/* Calls `fn` for the entries of one segment that have any of some internal terms, which are sorted: so the dictionary is walked one
 * way, and where nearly all its terms are asked for, nothing is searched. */
static int each_entry(struct folder *f, size_t i, enum term_class cls, const struct slice *texts,
	size_t count, entry_fn *fn, struct err *err)
{
	const struct dict *dict = segment_dict(f->in->parent->segments[i]);
	struct dict_cursor c;
	int at = 0, r = 0;

	for (size_t k = 0; r == 0 && k < count; k++) {
		struct slice key;

		buf_clear(&f->scratch);
		buf_add_byte(&f->scratch, cls);
		buf_add_slice(&f->scratch, texts[k]);
		key = buf_slice(&f->scratch);
		if (buf_error(&f->scratch))
			return err_set(err, -ENOMEM, "out of memory");
		at = k ? dict_seek_onward(&c, key, err) : dict_seek(dict, key, &c, err);
		if (at != 1)
			return at;
		if (slice_eq(c.term.key, key))
			r = each_posting(f, i, &c.term, fn, err);
	}
	return r;
}

static int each_entry_of(
	struct folder *f, enum term_class cls, const struct buf *texts, entry_fn *fn, struct err *err)
{
	const struct generation *g = f->in->parent;
	size_t count = texts->len / sizeof(struct slice);
	int r = 0;

	for (size_t i = 0; r == 0 && count && i < g->manifest.segment_count; i++) {
		r = each_entry(f, i, cls, (const struct slice *)texts->data, count, fn, err);
		if (r < 0)
			err_context(err, r, "segment %s", g->manifest.segments[i].name);
	}
	return r;
}

static int copy_entry(struct folder *f, const struct parent_row *row, struct err *err)
{
	buf_add(&f->copies, row, sizeof(*row));
	return buf_error(&f->copies) ? err_set(err, -ENOMEM, "out of memory for a group") : 0;
}

/* A document without a group is one by itself. */
static int touch_asker(struct folder *f, const struct parent_row *row, struct err *err)
{
	if (!row->entry.group.len)
		return copy_entry(f, row, err);
	touch_group(f, row->entry.group);
	return 0;
}

/* ---- attributes ---- */

/* What documents take of the attribute as it was, and as it will be. */
static int taken_of(
	struct folder *f, const struct decision *d, struct buf *old, struct buf *new, struct err *err)
{
	const struct entry *entries = (const struct entry *)f->entries.data;
	OWNED_BUF json = {0};
	struct parent_row row;
	int r = 0;

	if (d->had) {
		r = old_row(f, d, &row, err);
		if (r == 0 && row.entry.state == ENTRY_ATTRIBUTE)
			r = rows_record(&f->rows, &row, &json, err);
		if (r == 0)
			r = record_taken(f->parser, d->id, buf_slice(&json), old, err);
	}
	if (r == 0 && d->entry != NO_ENTRY && entries[d->entry].state == ENTRY_ATTRIBUTE)
		r = record_taken(f->parser, d->id, entries[d->entry].record, new, err);
	return r;
}

static int touch_attribute(struct folder *f, const struct decision *d, struct err *err)
{
	OWNED_BUF old = {0}, new = {0};
	struct slice asked;
	int r = f->parser ? taken_of(f, d, &old, &new, err) : 0;

	if (r < 0 || slice_eq(buf_slice(&old), buf_slice(&new)))
		return r;
	asked = slice_of(d->id.data + 1, d->id.len - 1);
	buf_add(&f->asked, &asked, sizeof(asked));
	return 0;
}

/* A document without a group may ask for two attributes that change. */
static int copies_distinct(struct folder *f)
{
	struct parent_row *rows = (struct parent_row *)f->copies.data;
	size_t n = f->copies.len / sizeof(*rows), kept = 0;
	struct slice *ids = arena_alloc(&f->out->arena, (n + 1) * sizeof(*ids));
	struct parent_row *sorted = arena_alloc(&f->out->arena, (n + 1) * sizeof(*sorted));
	uint32_t *order = arena_alloc(&f->out->arena, (n + 1) * sizeof(*order));

	if (!ids || !sorted || !order || n >= UINT32_MAX)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		ids[i] = rows[i].entry.id;
	if (strsort(ids, (uint32_t)n, order) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		sorted[i] = rows[order[i]];
	for (size_t i = 0; i < n; i++)
		if (!i || !slice_eq(sorted[i].entry.id, sorted[i - 1].entry.id))
			rows[kept++] = sorted[i];
	f->copies.len = kept * sizeof(*rows);
	return 0;
}

int fold_touch(struct folder *f, struct err *err)
{
	size_t count;
	const struct decision *d = decisions_of(f, &count);
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		if (!changes(&d[i]))
			continue;
		r = id_is_attribute(d[i].id) ? touch_attribute(f, &d[i], err) : touch_document(f, &d[i], err);
	}
	if (r == 0 && buf_error(&f->asked))
		r = err_set(err, -ENOMEM, "out of memory for attributes");
	if (r == 0)
		r = each_entry_of(f, TERM_ATTRIBUTE, &f->asked, touch_asker, err);
	if (r == 0)
		r = buf_distinct(&f->groups, &f->out->arena, err);
	if (r == 0)
		r = each_entry_of(f, TERM_GROUP, &f->groups, copy_entry, err);
	if (r == 0 && copies_distinct(f) < 0)
		r = err_set(err, -ENOMEM, "out of memory for groups");
	return r;
}
