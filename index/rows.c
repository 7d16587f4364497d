/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include "record.h"
#include "view.h"

int rows_init(struct rows *r, const struct generation *g, int64_t horizon, const struct undone *undone,
	struct err *err)
{
	size_t count = g ? g->manifest.segment_count : 0;

	*r = (struct rows){.g = g, .undone = undone, .left = calloc(count + 1, sizeof(*r->left))};
	if (!r->left)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		int64_t left = g->manifest.segments[i].left;

		r->left[i] = segment_sources_until(g->segments[i], horizon > left ? horizon : left);
	}
	return 0;
}

void rows_release(struct rows *r)
{
	free(r->left);
	*r = (struct rows){0};
}

struct undone rows_undone(const struct rows *r, size_t segment)
{
	return r->undone ? r->undone[segment] : manifest_undone(&r->g->manifest.segments[segment]);
}

bool rows_count(const struct rows *r, size_t segment, struct slice id, uint32_t source)
{
	struct undone undone = rows_undone(r, segment);

	if (source < r->left[segment] &&
		(!id_is_attribute(id) || attribute_expires(r->g->segments[segment], id)))
		return false;
	return !undone.count || !undone_has(&undone, source);
}

int rows_load(const struct rows *r, struct parent_row *out, struct err *err)
{
	const struct segment *s = r->g->segments[out->segment];
	int code = out->history ? segment_history(s, out->n, &out->entry, err)
				: segment_entry(s, out->n, &out->entry, err);

	if (code == 0)
		code = segment_source(s, out->entry.source, &out->source, err);
	return code;
}

int rows_standing(const struct rows *r, struct slice id, struct parent_row *out, struct err *err)
{
	struct view_doc doc;
	int code = r->g ? view_find(r->g, id, &doc, err) : 0;

	if (code <= 0)
		return code;
	*out = (struct parent_row){.segment = doc.segment, .n = doc.entry};
	code = rows_load(r, out, err);
	return code < 0 ? code : 1;
}

/* Takes a row for the newest so far where it is. */
static int consider(const struct rows *r, size_t segment, uint32_t n, bool history, struct parent_row *best,
	bool *any, struct err *err)
{
	struct parent_row row = {.segment = segment, .n = n, .history = history};
	int c, code = rows_load(r, &row, err);

	if (code < 0 || !rows_count(r, segment, row.entry.id, row.entry.source))
		return code;
	c = *any ? entry_order(&best->entry, &best->source, &row.entry, &row.source) : -1;
	/* Of copies of one record the entry in the newest segment is the one that shows. */
	if (c < 0 || (c == 0 && !history))
		*best = row;
	*any = true;
	return 0;
}

static int consider_history(const struct rows *r, size_t segment, struct slice id, struct parent_row *best,
	bool *any, struct err *err)
{
	const struct segment *s = r->g->segments[segment];
	uint64_t end = segment_info(s)->history;
	struct entry e;
	uint32_t n;
	int code = segment_history_find(s, id, &n, err);

	if (code <= 0)
		return code;
	for (code = 0; code == 0 && n < end; n++) {
		code = segment_history(s, n, &e, err);
		if (code < 0 || !slice_eq(e.id, id))
			break;
		code = consider(r, segment, n, true, best, any, err);
	}
	return code;
}

int rows_newest(const struct rows *r, struct slice id, struct parent_row *out, struct err *err)
{
	bool any = false;

	for (size_t i = 0; r->g && i < r->g->manifest.segment_count; i++) {
		uint32_t n;
		int code = segment_find(r->g->segments[i], id, &n, err);

		if (code == 1)
			code = consider(r, i, n, false, out, &any, err);
		if (code == 0)
			code = consider_history(r, i, id, out, &any, err);
		if (code < 0)
			return code;
	}
	return any;
}

int rows_record(const struct rows *r, const struct parent_row *row, struct buf *out, struct err *err)
{
	const struct segment *s = r->g->segments[row->segment];

	return row->history ? segment_history_record(s, row->n, out, err)
			    : segment_record(s, row->n, out, err);
}
