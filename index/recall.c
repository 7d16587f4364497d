/* SPDX-License-Identifier: Apache-2.0 */
#include "recall.h"

#include <inttypes.h>

#include "reader.h"
#include "records.h"
#include "timefmt.h"

struct recaller {
	const struct recall_input *in;
	struct recall *out;
	struct record_parser *parser;       /* owned; NULL: nothing is read anew */
	struct records_scratch *scratch[2]; /* owned; for entries, for history */
	struct buf records;                 /* struct record */
	struct buf judged;                  /* struct judged */
	struct buf line, id;
	uint32_t **
		map; /* in the arena; of each segment, its sources' numbers in out->sources, UINT32_MAX: not wanted */
};

struct judged {
	uint64_t line;
	uint32_t source;
	bool refused;
};

static int by_place(const void *va, const void *vb)
{
	const struct record *a = va, *b = vb;

	if (a->source != b->source)
		return a->source < b->source ? -1 : 1;
	return (a->line > b->line) - (a->line < b->line);
}

static int by_judged_place(const void *va, const void *vb)
{
	const struct judged *a = va, *b = vb;

	if (a->source != b->source)
		return a->source < b->source ? -1 : 1;
	return (a->line > b->line) - (a->line < b->line);
}

static const struct segment *segment_at(const struct recaller *r, size_t i)
{
	return r->in->rows->g->segments[i];
}

static int list_sources(struct recaller *r, size_t i, struct buf *all, struct err *err)
{
	struct undone undone = rows_undone(r->in->rows, i);
	struct source source;
	int code = 0;

	for (uint32_t k = 0; code == 0 && k < segment_info(segment_at(r, i))->sources; k++) {
		code = segment_source(segment_at(r, i), k, &source, err);
		if (code == 0 && !undone_has(&undone, k) &&
			(r->in->after == TIME_NONE || source.ts > r->in->after))
			buf_add(all, &source, sizeof(source));
	}
	return code;
}

static int map_sources(struct recaller *r, size_t i, struct err *err)
{
	uint64_t n = segment_info(segment_at(r, i))->sources;
	uint32_t *map = arena_alloc(&r->out->arena, (n + 1) * sizeof(*map));
	struct source source;

	if (!map)
		return err_set(err, -ENOMEM, "out of memory for %llu sources", (unsigned long long)n);
	for (uint32_t k = 0; k < n; k++) {
		const struct source *at;
		int code = segment_source(segment_at(r, i), k, &source, err);

		if (code < 0)
			return code;
		at = sources_find(r->out->sources, r->out->source_count, &source);
		map[k] = at ? (uint32_t)(at - r->out->sources) : UINT32_MAX;
	}
	r->map[i - r->in->from] = map;
	return 0;
}

static int recall_sources(struct recaller *r, struct err *err)
{
	struct recall *out = r->out;
	OWNED_BUF all = {0};
	int code = 0;

	r->map = arena_alloc(&out->arena, (r->in->to - r->in->from + 1) * sizeof(*r->map));
	for (size_t i = r->in->from; code == 0 && i < r->in->to; i++)
		code = list_sources(r, i, &all, err);
	out->sources = arena_alloc(&out->arena, all.len + sizeof(*out->sources));
	if (buf_error(&all) || !out->sources || !r->map)
		return err_set(err, -ENOMEM, "out of memory for sources");
	if (all.len)
		memcpy(out->sources, all.data, all.len);
	out->source_count = sources_distinct(out->sources, all.len / sizeof(*out->sources));
	for (size_t i = r->in->from; code == 0 && i < r->in->to; i++)
		code = map_sources(r, i, err);
	return code;
}

/* The record as the feed had it. Returns 0, 1 refused with the reason in `why`, or -errno. */
static int read_anew(struct recaller *r, const struct parent_row *row, struct slice json, struct record *to,
	struct err *why, struct err *err)
{
	struct slice fallback = {0};

	buf_clear(&r->line);
	buf_add_slice(&r->line, json);
	if (!buf_reserve(&r->line, RECORD_PADDING))
		return err_set(err, -ENOMEM, "out of memory");
	memset(r->line.data + r->line.len, 0, RECORD_PADDING);
	if (!r->in->cfg->id) {
		buf_clear(&r->id);
		buf_add_slice(&r->id, row->source.partition);
		buf_add_byte(&r->id, '/');
		buf_add_slice(&r->id, row->source.file);
		buf_addf(&r->id, ":%" PRIu64, row->entry.line);
		if (buf_error(&r->id))
			return err_set(err, -ENOMEM, "out of memory");
		fallback = buf_slice(&r->id);
	}
	return record_parse(r->parser, buf_slice(&r->line), fallback, &r->out->arena, to, why);
}

/* The record as it stands; what it is called lies in the segment. */
static int take_as_is(struct recaller *r, const struct parent_row *row, struct slice json, struct record *to,
	struct err *err)
{
	char *copy = arena_alloc(&r->out->arena, json.len + RECORD_PADDING);

	if (!copy)
		return err_set(err, -ENOMEM, "no memory for a record of %zu bytes", json.len);
	if (json.len)
		memcpy(copy, json.data, json.len);
	memset(copy + json.len, 0, RECORD_PADDING);
	*to = (struct record){.id = row->entry.id,
		.group = row->entry.group,
		.version = row->entry.version,
		.json = slice_of(copy, json.len),
		.deleted = row->entry.state == ENTRY_DELETED};
	return 0;
}

/* Of a partition behind a horizon that was, or is to come? */
static bool is_past(const struct recaller *r, const struct parent_row *row)
{
	const struct manifest *m = &r->in->rows->g->manifest;
	int64_t ts = row->source.ts;

	return ts <= r->in->horizon || ts <= m->horizon || ts <= m->segments[row->segment].left;
}

/* By what it is called now: a document that became an attribute holds, and the other way round it leaves, or had left before a longer
 * window. */
static bool has_left(const struct recaller *r, const struct parent_row *row, const struct record *record)
{
	if (!r->in->cfg || !is_past(r, row))
		return false;
	return !id_is_attribute(record->id) || config_expires(r->in->cfg, record->id);
}

static int judge(struct recaller *r, const struct parent_row *row, uint32_t source, const struct err *why)
{
	struct judged judged = {.line = row->entry.line, .source = source, .refused = why != NULL};
	OWNED_BUF text = {0};

	buf_add(&r->judged, &judged, sizeof(judged));
	if (!why || r->out->first_refused.len)
		return buf_error(&r->judged);
	buf_add_slice(&text, row->source.partition);
	buf_add_byte(&text, '/');
	buf_add_slice(&text, row->source.file);
	buf_addf(&text, ":%" PRIu64 ": %s", row->entry.line, why->message);
	r->out->first_refused = arena_dup(&r->out->arena, buf_slice(&text));
	return buf_error(&text) || !r->out->first_refused.data ? -ENOMEM : buf_error(&r->judged);
}

static int recall_row(struct recaller *r, struct parent_row *row, struct err *err)
{
	const struct segment *s = segment_at(r, row->segment);
	struct err why = ERR_INIT;
	struct record record;
	struct slice json;
	uint32_t source;
	int code = rows_load(r->in->rows, row, err);

	if (code < 0)
		return code;
	source = r->map[row->segment - r->in->from][row->entry.source];
	if (source == UINT32_MAX || !rows_count(r->in->rows, row->segment, row->entry.id, row->entry.source))
		return 0;
	code = segment_row_record(s, row->history, row->n, r->scratch[row->history], &json, err);
	if (code == 0)
		code = r->parser ? read_anew(r, row, json, &record, &why, err)
				 : take_as_is(r, row, json, &record, err);
	if (code >= 0 && r->in->judge && !is_past(r, row) && judge(r, row, source, code ? &why : NULL))
		return err_set(err, -ENOMEM, "out of memory for records");
	if (code == 1) /* refused by the new rules */
		return 0;
	if (code < 0 || has_left(r, row, &record))
		return code;
	record.source = source;
	record.line = row->entry.line;
	buf_add(&r->records, &record, sizeof(record));
	return buf_error(&r->records) ? err_set(err, -ENOMEM, "out of memory for records") : 0;
}

static int recall_segment(struct recaller *r, size_t i, struct err *err)
{
	const struct segment_info *info = segment_info(segment_at(r, i));
	int code = 0;

	for (int history = 0; history < 2; history++) {
		uint64_t n = history ? info->history : info->entries;

		records_scratch_free(r->scratch[history]);
		r->scratch[history] = records_scratch_new();
		if (!r->scratch[history])
			return err_set(err, -ENOMEM, "out of memory");
		for (uint32_t k = 0; code == 0 && k < n; k++) {
			struct parent_row row = {.segment = i, .n = k, .history = history};

			code = recall_row(r, &row, err);
			if (code == 0 && r->in->stop && *r->in->stop)
				code = err_set(err, -EINTR, "stopped while reading segments");
		}
	}
	return code;
}

/* Copies of one record stand side by side once they are sorted. */
static int distinct_records(struct recaller *r, struct err *err)
{
	struct recall *out = r->out;
	const struct record *all = (const struct record *)r->records.data;
	size_t n = r->records.len / sizeof(*all);

	out->records = arena_alloc(&out->arena, (n + 1) * sizeof(*out->records));
	if (!out->records)
		return err_set(err, -ENOMEM, "out of memory for %zu records", n);
	if (n)
		qsort(r->records.data, n, sizeof(*all), by_place);
	for (size_t i = 0; i < n; i++)
		if (!i || by_place(&all[i - 1], &all[i]))
			out->records[out->count++] = all[i];
	return 0;
}

static void count_judged(struct recaller *r)
{
	struct judged *all = (struct judged *)r->judged.data;
	size_t n = r->judged.len / sizeof(*all);

	if (n)
		qsort(all, n, sizeof(*all), by_judged_place);
	for (size_t i = 0; i < n; i++) {
		bool is_copy = i && !by_judged_place(&all[i - 1], &all[i]);

		r->out->judged += !is_copy;
		r->out->refused += !is_copy && all[i].refused;
	}
}

int recall(const struct recall_input *in, struct recall *out, struct err *err)
{
	struct recaller r = {.in = in, .out = out};
	int code;

	*out = (struct recall){0};
	code = in->cfg ? record_parser_new(&r.parser, in->cfg, err) : 0;
	if (code == 0)
		code = recall_sources(&r, err);
	for (size_t i = in->from; code == 0 && i < in->to; i++)
		code = recall_segment(&r, i, err);
	if (code == 0)
		code = distinct_records(&r, err);
	count_judged(&r);
	record_parser_free(r.parser);
	records_scratch_free(r.scratch[0]);
	records_scratch_free(r.scratch[1]);
	buf_release(&r.records);
	buf_release(&r.judged);
	buf_release(&r.line);
	buf_release(&r.id);
	return code;
}

void recall_release(struct recall *r)
{
	arena_release(&r->arena);
	*r = (struct recall){0};
}
