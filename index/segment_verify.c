/* SPDX-License-Identifier: Apache-2.0 */
#include "segment_verify.h"

#include "digest.h"
#include "record.h"
#include "segment_private.h"

int segment_verify_checksums(const struct segment *s, struct err *err)
{
	for (unsigned i = 0; i < s->header.section_count; i++) {
		const struct section *sec = &s->header.sections[i];
		uint64_t sum = xxh64(slice_of(s->bytes.data + sec->offset, sec->length));

		if (sum != sec->checksum)
			return err_set(err, -EBADMSG,
				"%s: checksum of section %u (%s) is %016llx, should be %016llx", s->name,
				sec->kind, section_name(sec->kind), (unsigned long long)sum,
				(unsigned long long)sec->checksum);
	}
	return 0;
}

/* Rows: entries and history have the same shape. */

struct rows {
	const struct segment *s;
	const struct columns *columns;
	const struct records *records;
	const char *what;
};

static int verify_source_order(const struct segment *s, struct err *err)
{
	struct source before = {0}, now;

	for (uint32_t i = 0; i < s->header.info.sources; i++) {
		int r = segment_source(s, i, &now, err);

		if (r < 0)
			return r;
		if (i &&
			(before.ts > now.ts || (before.ts == now.ts && slice_cmp(before.file, now.file) > 0)))
			return err_set(err, -EBADMSG, "source %u is not behind the one before it", i);
		before = now;
	}
	return 0;
}

static int verify_groups(const struct segment *s, struct err *err)
{
	struct slice before = {0}, now;

	for (uint64_t i = 0; i < s->groups.count; i++) {
		int r = strtab_get(&s->groups, i, &now, err);

		if (r < 0)
			return err_context(err, r, "group %llu", (unsigned long long)i);
		if (slice_cmp(before, now) >= 0)
			return err_set(err, -EBADMSG, "group %llu is not behind the one before it",
				(unsigned long long)i);
		before = now;
	}
	return 0;
}

static int verify_row(
	const struct rows *rows, uint32_t n, struct entry *e, const struct entry *before, struct err *err)
{
	bool history = rows->columns == &rows->s->history;
	struct source source, source_before;
	int c, r = columns_entry(rows->columns, n, e, err);

	if (r < 0)
		return r;
	if (!e->id.len || memchr(e->id.data, '\n', e->id.len))
		return err_set(err, -EBADMSG, "row %u: id is empty or has a line feed", n);
	if (e->state != ENTRY_DELETED && id_is_attribute(e->id) != (e->state == ENTRY_ATTRIBUTE))
		return err_set(err, -EBADMSG, "row %u: state %u is not that of its id", n, e->state);
	c = n ? slice_cmp(before->id, e->id) : -1;
	if (c > 0 || (c == 0 && !history))
		return err_set(err, -EBADMSG, "row %u: id is not behind the one before it", n);
	if (c)
		return 0;
	r = segment_source(rows->s, e->source, &source, err);
	if (r == 0)
		r = segment_source(rows->s, before->source, &source_before, err);
	if (r == 0 && entry_order(before, &source_before, e, &source) > 0)
		r = err_set(err, -EBADMSG, "row %u: older than the one before it", n);
	return r;
}

static int verify_rows(const struct rows *rows, uint64_t states[ENTRY_STATES], struct err *err)
{
	struct entry before = {0}, now;
	int r = 0;

	for (uint32_t n = 0; r == 0 && n < rows->columns->count; n++) {
		r = verify_row(rows, n, &now, &before, err);
		if (r == 0)
			states[now.state]++;
		before = now;
	}
	return r < 0 ? err_context(err, r, "%s", rows->what) : 0;
}

/* Blocks lie behind each other in the section of records, the history's behind the entries'. */
static int verify_block(
	const struct rows *rows, uint32_t b, uint64_t *at, struct records_scratch *scratch, struct err *err)
{
	struct records_block block;
	struct slice last;
	uint64_t raw = 0;
	int r = records_block(rows->records, b, &block, err);

	if (r < 0)
		return r;
	if (block.offset != *at)
		return err_set(err, -EBADMSG, "block %u lies at %llu, not %llu", b,
			(unsigned long long)block.offset, (unsigned long long)*at);
	*at += block.packed_len;
	for (uint32_t n = block.first; n < block.end; n++)
		raw += columns_record_len(rows->columns, n);
	if (raw != block.raw_len)
		return err_set(err, -EBADMSG, "block %u: %u bytes, its records have %llu", b, block.raw_len,
			(unsigned long long)raw);
	return records_get(rows->records, scratch, block.end - 1, &last, err);
}

static int verify_records(
	const struct rows *rows, uint64_t *at, struct records_scratch *scratch, struct err *err)
{
	int r = 0;

	for (uint32_t b = 0; r == 0 && b < rows->records->block_count; b++)
		r = verify_block(rows, b, at, scratch, err);
	return r < 0 ? err_context(err, r, "records of %s", rows->what) : 0;
}

static int verify_all_rows(const struct segment *s, struct err *err)
{
	const struct segment_info *info = &s->header.info;
	struct rows entries = {s, &s->entries, &s->records, "entries"};
	struct rows history = {s, &s->history, &s->history_records, "history"};
	OWNED(records_scratch) struct records_scratch *scratch = records_scratch_new();
	uint64_t states[ENTRY_STATES] = {0}, ignored[ENTRY_STATES] = {0}, at = 0;
	int r = scratch ? verify_rows(&entries, states, err) : err_set(err, -ENOMEM, "out of memory");

	if (r == 0)
		r = verify_rows(&history, ignored, err);
	if (r == 0)
		r = verify_records(&entries, &at, scratch, err);
	if (r == 0)
		r = verify_records(&history, &at, scratch, err);
	if (r < 0)
		return r;
	if (at != s->records.data.len)
		return err_set(err, -EBADMSG, "blocks of records end at %llu of %zu bytes",
			(unsigned long long)at, s->records.data.len);
	if (states[ENTRY_LIVE] != info->live || states[ENTRY_HIDDEN] != info->hidden ||
		states[ENTRY_ATTRIBUTE] != info->attributes)
		return err_set(err, -EBADMSG,
			"%llu live and %llu hidden entries, %llu attributes; statistics say %llu, %llu and %llu",
			(unsigned long long)states[ENTRY_LIVE], (unsigned long long)states[ENTRY_HIDDEN],
			(unsigned long long)states[ENTRY_ATTRIBUTE], (unsigned long long)info->live,
			(unsigned long long)info->hidden, (unsigned long long)info->attributes);
	return 0;
}

/* Terms */

struct terms {
	const struct segment *s;
	struct postings postings;
	uint32_t *lengths; /* owned; words of each entry as counted from postings */
	struct buf pairs;  /* ranking data as they should be */
	uint64_t ranked;
	uint64_t postings_count, postings_end, grouped; /* grouped: postings of groups */
};

/* Internal terms lead to hidden documents too. */
static bool may_have(enum entry_state state, char cls)
{
	return state == ENTRY_LIVE || (state == ENTRY_HIDDEN && term_class_is_internal(cls));
}

static int verify_posting(
	struct terms *t, uint32_t doc, uint32_t tf, char cls, uint64_t *ids_bytes, struct err *err)
{
	struct slice id;
	int r = segment_id(t->s, doc, &id, err);

	if (r < 0)
		return r;
	if (!may_have(segment_state(t->s, doc), cls))
		return err_set(err, -EBADMSG, "document %u is not live", doc);
	*ids_bytes += id.len + 1;
	if (cls == TERM_WORD && __builtin_add_overflow(t->lengths[doc], tf, &t->lengths[doc]))
		return err_set(err, -EBADMSG, "document %u has over 2^32 - 1 words", doc);
	return 0;
}

/* Which lists have ranking data is fixed; what they say is made again here. */
static int verify_ranked(
	struct terms *t, const struct dict_term *term, bool word, struct ranking_list *list, struct err *err)
{
	int r = ranking_find(&t->s->ranking, term->offset, term->df, list, err);

	if (r < 0)
		return r;
	if (!word || term->df <= POSTINGS_BLOCK)
		return 0;
	t->ranked++;
	return r ? 1 : err_set(err, -EBADMSG, "no ranking data");
}

static int verify_ranking_block(
	struct terms *t, const struct ranking_list *list, uint32_t block, struct err *err)
{
	const struct postings *p = &t->postings;
	struct slice bytes;
	int r = ranking_block(list, block, &bytes, err);

	buf_clear(&t->pairs);
	ranking_block_encode(p->docs, p->tfs, p->count, t->s->lengths, &t->pairs);
	if (buf_error(&t->pairs))
		return err_set(err, -ENOMEM, "out of memory");
	if (r == 0 && !slice_eq(bytes, buf_slice(&t->pairs)))
		r = err_set(err, -EBADMSG, "ranking data of block %u are not those of its postings", block);
	return r;
}

static int verify_group_of(struct terms *t, uint32_t doc, struct slice group, struct err *err)
{
	struct entry e;
	int r = columns_entry(&t->s->entries, doc, &e, err);

	if (r == 0 && !slice_eq(e.group, group))
		return err_set(
			err, -EBADMSG, "document %u is not in group %.*s", doc, (int)group.len, group.data);
	t->grouped++;
	return r;
}

static int verify_term(struct terms *t, const struct dict_term *term, struct err *err)
{
	struct postings *p = &t->postings;
	char cls = term->key.data[0];
	uint64_t ids_bytes = 0;
	struct ranking_list list;
	uint32_t block = 0;
	bool ranked = false;
	int r = segment_postings(t->s, term, p, err), more;

	if (r < 0)
		return r;
	if (!term_class_is_known(cls))
		return err_set(err, -EBADMSG, "a term of class 0x%02x", (uint8_t)cls);
	if (!term->is_inline && term->offset != t->postings_end)
		return err_set(err, -EBADMSG, "postings at %llu, not %llu", (unsigned long long)term->offset,
			(unsigned long long)t->postings_end);
	t->postings_end += term->length;
	t->postings_count += term->df;
	if (!term->is_inline) {
		r = verify_ranked(t, term, cls == TERM_WORD, &list, err);
		if (r < 0)
			return r;
		ranked = r;
	}
	while ((more = postings_next(p, err)) == 1) {
		r = postings_tfs(p, err);
		for (unsigned i = 0; r == 0 && i < p->count; i++)
			r = verify_posting(t, p->docs[i], p->tfs[i], cls, &ids_bytes, err);
		if (r == 0 && ranked)
			r = verify_ranking_block(t, &list, block++, err);
		for (unsigned i = 0; r == 0 && cls == TERM_GROUP && i < p->count; i++)
			r = verify_group_of(
				t, p->docs[i], slice_of(term->key.data + 1, term->key.len - 1), err);
		if (r < 0)
			return r;
	}
	if (more == 0 && ids_bytes != term->ids_bytes)
		return err_set(err, -EBADMSG, "ids of %llu bytes, the dictionary says %llu",
			(unsigned long long)ids_bytes, (unsigned long long)term->ids_bytes);
	return more;
}

static int verify_terms(struct terms *t, struct err *err)
{
	struct dict_cursor c;
	int r = dict_seek_ordinal(&t->s->dict, 0, &c, err);

	while (r == 1) {
		r = verify_term(t, &c.term, err);
		if (r < 0)
			return err_context(err, r, "term %llu", (unsigned long long)c.ordinal);
		r = dict_next(&c, err);
	}
	if (r == 0 && t->s->dict.count && cursor_left(&c.in))
		r = err_set(err, -EBADMSG, "bytes behind the last term");
	return r;
}

static int verify_totals(const struct terms *t, struct err *err)
{
	const struct segment_info *info = &t->s->header.info;
	uint64_t total = 0, grouped = 0;

	for (uint32_t n = 0; n < info->entries; n++) {
		grouped += may_have(segment_state(t->s, n), TERM_GROUP) &&
			   get_le32(t->s->entries.group + (uint64_t)n * 4) != GROUP_NONE;
		if (segment_length(t->s, n) != t->lengths[n])
			return err_set(err, -EBADMSG, "document %u has %u words, its length says %u", n,
				t->lengths[n], segment_length(t->s, n));
		total += t->lengths[n];
	}
	if (total != info->total_length || t->postings_count != info->postings)
		return err_set(err, -EBADMSG, "%llu words and %llu postings, statistics say %llu and %llu",
			(unsigned long long)total, (unsigned long long)t->postings_count,
			(unsigned long long)info->total_length, (unsigned long long)info->postings);
	if (t->ranked != t->s->ranking.count)
		return err_set(err, -EBADMSG, "ranking data of %llu lists, %llu should have some",
			(unsigned long long)t->s->ranking.count, (unsigned long long)t->ranked);
	if (grouped != t->grouped)
		return err_set(err, -EBADMSG, "%llu documents are in groups, their terms have %llu",
			(unsigned long long)grouped, (unsigned long long)t->grouped);
	if (t->postings_end != t->s->postings.len)
		return err_set(err, -EBADMSG, "postings end at %llu of %zu bytes",
			(unsigned long long)t->postings_end, t->s->postings.len);
	return 0;
}

static int verify_all_terms(const struct segment *s, struct err *err)
{
	struct terms t = {.s = s, .lengths = calloc(s->header.info.entries + 1, sizeof(*t.lengths))};
	int r = t.lengths ? verify_terms(&t, err) : err_set(err, -ENOMEM, "out of memory");

	if (r == 0)
		r = verify_totals(&t, err);
	free(t.lengths);
	buf_release(&t.pairs);
	return r;
}

static int verify_rules(const struct segment *s, struct err *err)
{
	struct segment_rule rule;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < s->header.info.rules; i++) {
		r = segment_rule(s, i, &rule, err);
		if (r == 0 && (!rule.name.len || !rule.on.len || (s->rule_flags[i] & ~1)))
			r = err_set(err, -EBADMSG,
				"attributes: rule %u has no name, no field, or a reserved bit", i);
	}
	return r;
}

static int verify_padding(const struct segment *s, struct err *err)
{
	for (unsigned i = 0; i < s->header.section_count; i++) {
		const struct section *sec = &s->header.sections[i];

		for (uint64_t at = sec->logical; at < sec->length; at++)
			if (s->bytes.data[sec->offset + at])
				return err_set(err, -EBADMSG, "padding of section %u (%s) is not zero",
					sec->kind, section_name(sec->kind));
	}
	return 0;
}

int segment_verify_structure(const struct segment *s, struct err *err)
{
	int r = verify_padding(s, err);

	if (r == 0)
		r = verify_source_order(s, err);
	if (r == 0)
		r = verify_groups(s, err);
	if (r == 0)
		r = verify_rules(s, err);
	if (r == 0)
		r = verify_all_rows(s, err);
	if (r == 0)
		r = verify_all_terms(s, err);
	return r < 0 ? err_context(err, r, "%s", s->name) : 0;
}
