/* SPDX-License-Identifier: Apache-2.0 */
/* index/verify_deep.c - the index of a run of entries made again, and laid beside what the segment has of them. */
#include "verify_deep.h"

#include "analysis.h"
#include "analyst.h"
#include "reader.h"
#include "record.h"
#include "records.h"
#include "view.h"

#define RUN_BYTES (UINT64_C(64) << 20) /* of records */

struct deep {
	const struct verify_deep_input *in;
	const struct segment *s;
	const struct live_segment *live;
	struct analysts analysts;
	struct record_parser *parser;    /* owned; for the keys of records */
	struct arena arena;              /* what it finds, of one record */
	struct records_scratch *scratch; /* owned */
	struct buf record;
	struct invert *again; /* owned; of the run */
	uint32_t from, to;    /* the run */
	struct postings postings;
	struct buf docs, tfs; /* of a term: what the segment has of the run */
};

static bool shows(const struct deep *d, uint32_t n)
{
	return !live_is_superseded(d->live, n);
}

/* ---- the entries ---- */

static int entry_differs(const struct deep *d, uint32_t n, struct err *err, const char *what)
{
	struct slice id = slice_str("");

	segment_id(d->s, n, &id, NULL);
	return err_set(
		err, -EBADMSG, "entry %u (%.*s): %s", n, (int)(id.len < 100 ? id.len : 100), id.data, what);
}

static int analyse(struct deep *d, uint32_t n, const struct entry *e, struct err *err)
{
	uint32_t length = 0;
	int r;

	invert_begin(d->again, n);
	analysis_add_group(d->again, e->group);
	r = analyst_analyse(d->analysts.ctxs[0], buf_slice(&d->record), d->again, err);
	if (r == 0)
		invert_end(d->again);
	else if (r == 1)
		invert_hide(d->again);
	else
		invert_abandon(d->again);
	if (r == -EBADMSG)
		return entry_differs(d, n, err, "its record is none of a document");
	if (r < 0)
		return r;
	if (r == 0)
		length = invert_length(d->again);
	if ((r == 1) != (e->state == ENTRY_HIDDEN))
		return entry_differs(d, n, err,
			r == 1 ? "is live, its record says hidden" : "is hidden, its record says live");
	return length == segment_length(d->s, n)
		       ? 0
		       : entry_differs(d, n, err, "its length is not that of its record");
}

/* Id, version and group by themselves: the terms say nothing of the first two, and follow the last. */
static int check_keys(struct deep *d, uint32_t n, const struct entry *e, struct err *err)
{
	bool document = e->state == ENTRY_LIVE || e->state == ENTRY_HIDDEN;
	struct record record;
	int r;

	arena_release(&d->arena);
	r = record_parse(d->parser, buf_slice(&d->record), e->id, &d->arena, &record, NULL);
	if (r < 0)
		return err_set(err, r, "out of memory for a record");
	if (r == 1 || !slice_eq(record.id, e->id))
		return entry_differs(d, n, err, "its record has another id");
	if (record.deleted != (e->state == ENTRY_DELETED))
		return entry_differs(d, n, err, "its record says otherwise whether it is deleted");
	if (!slice_eq(record.version, e->version))
		return entry_differs(d, n, err, "its record has another version");
	return !document || slice_eq(record.group, e->group)
		       ? 0
		       : entry_differs(d, n, err, "its record has another group");
}

/* `bytes` grows by the record. */
static int read_entry(struct deep *d, uint32_t n, uint64_t *bytes, struct err *err)
{
	struct entry e;
	struct slice record;
	int r = segment_entry(d->s, n, &e, err);

	if (r < 0)
		return r;
	r = segment_row_record(d->s, false, n, d->scratch, &record, err);
	if (r < 0)
		return r;
	*bytes += record.len;
	buf_clear(&d->record);
	buf_add_slice(&d->record, record);
	if (!buf_reserve(&d->record, RECORD_PADDING))
		return err_set(err, -ENOMEM, "out of memory for a record of %zu bytes", record.len);
	memset(d->record.data + d->record.len, 0, RECORD_PADDING);
	if (!record.len && e.state == ENTRY_DELETED)
		return 0;
	r = check_keys(d, n, &e, err);
	return r < 0 || (e.state != ENTRY_LIVE && e.state != ENTRY_HIDDEN) ? r : analyse(d, n, &e, err);
}

/* Takes as many entries as one run may have, from d->from on. */
static int read_run(struct deep *d, struct err *err)
{
	uint64_t bytes = 0, entries = segment_info(d->s)->entries;
	int r = 0;

	invert_free(d->again);
	d->again = invert_new();
	if (!d->again)
		return err_set(err, -ENOMEM, "out of memory for postings");
	for (d->to = d->from; r == 0 && d->to < entries && bytes < RUN_BYTES; d->to++)
		if (shows(d, d->to))
			r = read_entry(d, d->to, &bytes, err);
	return r == 0 ? invert_finish(d->again, err) : r;
}

/* ---- the terms ---- */

static int term_differs(struct slice key, struct err *err, const char *what)
{
	size_t len = key.len - 1 < 100 ? key.len - 1 : 100;

	return err_set(err, -EBADMSG, "term %c %.*s: %s", key.data[0], (int)len, key.data + 1, what);
}

/* What the segment has of a term in this run, and shows. */
static int gather(struct deep *d, const struct dict_term *term, struct err *err)
{
	struct postings *p = &d->postings;
	int r = segment_postings(d->s, term, p, err);

	buf_clear(&d->docs);
	buf_clear(&d->tfs);
	if (r == 0)
		r = postings_seek(p, d->from, err);
	for (; r == 1 && p->docs[0] < d->to; r = postings_next(p, err)) {
		r = postings_tfs(p, err);
		if (r < 0)
			return r;
		for (unsigned i = 0; i < p->count; i++) {
			if (p->docs[i] < d->from || p->docs[i] >= d->to || !shows(d, p->docs[i]))
				continue;
			buf_add(&d->docs, &p->docs[i], sizeof(p->docs[i]));
			buf_add(&d->tfs, &p->tfs[i], sizeof(p->tfs[i]));
		}
	}
	if (buf_error(&d->docs) || buf_error(&d->tfs))
		return err_set(err, -ENOMEM, "out of memory for postings");
	return r < 0 ? r : 0;
}

static int compare_term(struct deep *d, const struct inverted_term *want, struct err *err)
{
	size_t n = (size_t)want->df * sizeof(uint32_t);

	if (d->docs.len != n || memcmp(d->docs.data, want->docs, n) != 0)
		return term_differs(want->key, err, "its documents are not those whose records have it");
	if (memcmp(d->tfs.data, want->tfs, n) != 0)
		return term_differs(want->key, err, "its frequencies are not those of the records");
	return 0;
}

/* One term of the dictionary; *at counts the terms that were made again. */
static int compare_next(struct deep *d, const struct dict_term *term, uint64_t *at, struct err *err)
{
	struct inverted_term want;
	int r = gather(d, term, err), c = 1;

	if (r < 0 || !d->docs.len)
		return r;
	if (*at < invert_count(d->again)) {
		want = invert_term(d->again, *at);
		c = slice_cmp(want.key, term->key);
	}
	if (c > 0)
		return term_differs(term->key, err, "no record of its documents has it");
	if (c < 0)
		return term_differs(want.key, err, "records have it, but it is not in the segment");
	(*at)++;
	return compare_term(d, &want, err);
}

static int compare_run(struct deep *d, struct err *err)
{
	struct dict_cursor c;
	uint64_t at = 0;
	int r = dict_seek_ordinal(segment_dict(d->s), 0, &c, err);

	while (r == 1) {
		r = compare_next(d, &c.term, &at, err);
		if (r == 0 && d->in->stop && *d->in->stop)
			r = err_set(err, -EINTR, "stopped while verifying");
		if (r == 0)
			r = dict_next(&c, err);
	}
	if (r == 0 && at < invert_count(d->again))
		r = term_differs(
			invert_term(d->again, at).key, err, "records have it, but it is not in the segment");
	return r;
}

/* ---- the segment ---- */

static int check_rules(const struct deep *d, struct err *err)
{
	if (config_has_hash(d->in->cfg, segment_info(d->s)->config_hash))
		return 0;
	return err_set(err, -EINVAL,
		"was written by other rules than the configuration's: name the one that it was built with (--config)");
}

int verify_deep(const struct verify_deep_input *in, struct err *err)
{
	struct deep d = {.in = in,
		.s = in->g->segments[in->segment],
		.live = &in->g->live.segments[in->segment],
		.scratch = records_scratch_new()};
	int r = d.scratch ? check_rules(&d, err) : err_set(err, -ENOMEM, "out of memory");

	if (r == 0)
		r = analysts_init(&d.analysts, in->cfg, 1, view_attribute, in->g, in->stop, err);
	if (r == 0)
		r = record_parser_new(&d.parser, in->cfg, err);
	for (; r == 0 && d.from < segment_info(d.s)->entries; d.from = d.to) {
		r = read_run(&d, err);
		if (r == 0)
			r = compare_run(&d, err);
	}
	analysts_release(&d.analysts);
	record_parser_free(d.parser);
	arena_release(&d.arena);
	records_scratch_free(d.scratch);
	invert_free(d.again);
	buf_release(&d.record);
	buf_release(&d.docs);
	buf_release(&d.tfs);
	return r < 0 ? err_context(err, r, "segment %s", in->g->manifest.segments[in->segment].name) : 0;
}
