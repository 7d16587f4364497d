/* SPDX-License-Identifier: Apache-2.0 */
/* All threads analyse first. Then the others, if any, compress and write the records, while this one makes the
 * rest of the sections in memory; those are written behind the records. The front comes last, when all is known. */
#include "segment_write.h"

#include <stdatomic.h>
#include <stdio.h>

#include "analysis.h"
#include "groups.h"
#include "packing.h"
#include "record.h"
#include "segment_format.h"
#include "term_merge.h"
#include "text.h"

struct writer {
	const struct segment_input *in;
	struct segment_header header;
	struct sink sink;
	struct packing *packing;   /* owned */
	struct analysis *analysis; /* owned */
	struct ranking_writer ranking;
	struct buf sections[SECTION_KINDS + 1];
	uint32_t *group_of, *history_group_of; /* owned */
	char versions[SEGMENT_VERSIONS_MAX + 1];
	_Atomic uint64_t done;
	uint64_t total;
};

static void writer_release(struct writer *w)
{
	packing_free(w->packing);
	analysis_free(w->analysis);
	for (unsigned i = 0; i <= SECTION_KINDS; i++)
		buf_release(&w->sections[i]);
	ranking_writer_release(&w->ranking);
	free(w->group_of);
	free(w->history_group_of);
}

static void report(void *ctx, uint64_t bytes)
{
	struct writer *w = ctx;
	uint64_t done = atomic_fetch_add(&w->done, bytes) + bytes;

	if (w->in->progress)
		w->in->progress(w->in->progress_ctx, done, w->total);
}

/* Input */

static int check_row(const struct segment_input *in, const struct entry *e, struct err *err)
{
	if (!e->id.len || e->id.len > UINT16_MAX || memchr(e->id.data, '\n', e->id.len))
		return err_set(err, -EINVAL, "id of %zu bytes, or with a line feed", e->id.len);
	if (e->source >= in->source_count)
		return err_set(err, -EINVAL, "source %u of %zu", e->source, in->source_count);
	if (e->record.len > RECORDS_LEN_MAX)
		return err_set(
			err, -EOVERFLOW, "record of %zu bytes, more than %u", e->record.len, RECORDS_LEN_MAX);
	return 0;
}

static int check_rows(const struct segment_input *in, const struct entry *rows, size_t n, bool unique,
	uint64_t *record_bytes, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		int r = check_row(in, &rows[i], err);
		int c = i ? slice_cmp(rows[i - 1].id, rows[i].id) : -1;

		if (r == 0 && (unique ? c >= 0 : c > 0))
			r = err_set(err, -EINVAL, "not behind the one before it");
		if (r < 0)
			return err_context(err, r, "entry %zu (%.*s)", i,
				(int)(rows[i].id.len < 100 ? rows[i].id.len : 100), rows[i].id.data);
		*record_bytes += rows[i].record.len;
	}
	return 0;
}

static int check_input(struct writer *w, struct err *err)
{
	const struct segment_input *in = w->in;
	uint64_t entries = 0, history = 0;
	int r;

	if (in->entry_count >= UINT32_MAX || in->history_count >= UINT32_MAX ||
		in->source_count >= UINT32_MAX)
		return err_set(err, -EOVERFLOW, "%zu entries, %zu in history are too many for one segment",
			in->entry_count, in->history_count);
	for (size_t i = 1; i < in->source_count; i++) {
		const struct source *a = &in->sources[i - 1], *b = &in->sources[i];

		if (a->ts > b->ts || (a->ts == b->ts && slice_cmp(a->file, b->file) > 0))
			return err_set(err, -EINVAL, "source %zu is not behind the one before it", i);
	}
	r = check_rows(in, in->entries, in->entry_count, true, &entries, err);
	if (r == 0)
		r = check_rows(in, in->history, in->history_count, false, &history, err);
	w->total = 2 * entries + history; /* records are analysed, and packed */
	return r;
}

/* Terms */

static int analyse(struct writer *w, struct err *err)
{
	struct segment_info *info = &w->header.info;
	struct buf *lengths = &w->sections[SECTION_LENGTHS];
	uint64_t bytes = (uint64_t)w->in->entry_count * 4;
	int r;

	if (!buf_reserve(lengths, bytes + SEGMENT_PAD))
		return err_set(err, -ENOMEM, "out of memory for lengths");
	lengths->len = bytes;
	r = analysis_new(&w->analysis, w->in, lengths->data, report, w, err);
	if (r == 0)
		analysis_count(w->analysis, info);
	return r;
}

static uint64_t ids_bytes(const struct inverted_term *t, const char *id_offsets)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < t->df; i++) {
		const char *at = id_offsets + (uint64_t)t->docs[i] * 4;

		bytes += get_le32(at + 4) - get_le32(at);
	}
	return bytes;
}

/* Only words are ranked. */
static bool is_ranked(const struct inverted_term *t)
{
	return t->df > POSTINGS_BLOCK && t->key.data[0] == TERM_WORD;
}

static int add_term(
	struct writer *w, struct dict_writer *dict, const struct inverted_term *t, struct err *err)
{
	struct buf *postings = &w->sections[SECTION_POSTINGS];
	struct dict_term term = {.key = t->key, .df = t->df, .offset = postings->len};

	term.ids_bytes = ids_bytes(t, w->sections[SECTION_IDS].data);
	if (t->df == 1) {
		term.doc = t->docs[0];
		term.tf = t->tfs[0];
	} else {
		postings_encode(t->docs, t->tfs, t->df, postings);
		term.length = postings->len - term.offset;
	}
	if (is_ranked(t))
		ranking_add(
			&w->ranking, term.offset, t->docs, t->tfs, t->df, w->sections[SECTION_LENGTHS].data);
	if (t->key.len > DICT_KEY_MAX || term.length > UINT32_MAX)
		return err_set(err, -EOVERFLOW, "term of %zu bytes, %llu bytes of postings", t->key.len,
			(unsigned long long)term.length);
	dict_add(dict, &term);
	w->header.info.terms++;
	w->header.info.postings += t->df;
	return 0;
}

static int add_terms(struct writer *w, struct err *err)
{
	struct dict_writer dict = {0};
	struct term_merge merge = {0};
	struct inverted_term t;
	int r;

	analysis_terms(w->analysis, &merge);
	while ((r = term_merge_next(&merge, &t)) == 1) {
		r = add_term(w, &dict, &t, err);
		if (r < 0)
			break;
	}
	if (r == -ENOMEM)
		err_set(err, r, "out of memory for postings");
	dict_finish(&dict, &w->sections[SECTION_DICTIONARY]);
	ranking_finish(&w->ranking, &w->sections[SECTION_RANKING]);
	dict_writer_release(&dict);
	term_merge_release(&merge);
	return r;
}

/* Other sections */

static int add_groups(struct writer *w, struct err *err)
{
	const struct segment_input *in = w->in;

	w->group_of = malloc((in->entry_count + 1) * sizeof(*w->group_of));
	w->history_group_of = malloc((in->history_count + 1) * sizeof(*w->history_group_of));
	if (!w->group_of || !w->history_group_of)
		return err_set(err, -ENOMEM, "out of memory for groups");
	return groups_add(in->entries, in->entry_count, w->group_of, in->history, in->history_count,
		w->history_group_of, &w->header.groups, &w->sections[SECTION_GROUPS], err);
}

static int add_sources(struct writer *w, struct err *err)
{
	const struct segment_input *in = w->in;
	struct buf *out = &w->sections[SECTION_SOURCES];
	OWNED_BUF names = {0};

	for (size_t i = 0; i < in->source_count; i++) {
		const struct source *s = &in->sources[i];
		struct slice pair[2] = {s->partition, s->file};

		buf_add_le64(out, (uint64_t)s->ts);
		buf_add(out, s->hash, sizeof(s->hash));
		buf_add(&names, pair, sizeof(pair));
	}
	if (names.failed)
		return err_set(err, -ENOMEM, "out of memory for %zu sources", in->source_count);
	return strtab_add(out, (const struct slice *)names.data, in->source_count * 2, err);
}

static int add_columns(struct writer *w, struct err *err)
{
	const struct segment_input *in = w->in;
	struct buf *s = w->sections;
	int r = columns_add(in->entries, in->entry_count, w->group_of, &s[SECTION_COLUMNS], err);

	if (r == 0)
		r = columns_add_ids(in->history, in->history_count, &s[SECTION_HISTORY_IDS], err);
	if (r == 0)
		r = columns_add(in->history, in->history_count, w->history_group_of,
			&s[SECTION_HISTORY_COLUMNS], err);
	return r;
}

static int add_rules(struct writer *w, struct err *err)
{
	const struct segment_input *in = w->in;
	struct buf *out = &w->sections[SECTION_ATTRIBUTES];
	struct slice names[RULES_MAX * 2];

	if (in->rule_count > RULES_MAX)
		return err_set(err, -EINVAL, "%u rules of attributes, at most %u", in->rule_count, RULES_MAX);
	buf_add_le32(out, in->rule_count);
	for (uint32_t i = 0; i < in->rule_count; i++) {
		buf_add_byte(out, in->rules[i].expires);
		names[i * 2] = in->rules[i].name;
		names[i * 2 + 1] = in->rules[i].on;
	}
	return strtab_add(out, names, (uint64_t)in->rule_count * 2, err);
}

static void add_statistics(struct writer *w)
{
	const struct segment_info *info = &w->header.info;
	struct buf *out = &w->sections[SECTION_STATISTICS];

	buf_add_le64(out, info->live);
	buf_add_le64(out, info->hidden);
	buf_add_le64(out, info->deleted);
	buf_add_le64(out, info->attributes);
	buf_add_le64(out, info->terms);
	buf_add_le64(out, info->postings);
	buf_add_le64(out, info->total_length);
}

/* Everything but the records, in memory. */
static int make_sections(struct writer *w, struct err *err)
{
	const struct segment_input *in = w->in;
	int r = columns_add_ids(in->entries, in->entry_count, &w->sections[SECTION_IDS], err);

	if (r == 0)
		r = add_terms(w, err);
	if (r == 0)
		r = add_groups(w, err);
	if (r == 0)
		r = add_sources(w, err);
	if (r == 0)
		r = add_columns(w, err);
	if (r == 0)
		r = add_rules(w, err);
	if (r == 0)
		add_statistics(w);
	return r;
}

/* File */

static void header_init(struct writer *w)
{
	const struct segment_input *in = w->in;
	struct segment_info *info = &w->header.info;
	int n = snprintf(w->versions, sizeof(w->versions), "freshet " FRESHET_VERSION ", zstd %s, %s",
		packer_version(), text_version());

	info->major = SEGMENT_MAJOR;
	info->minor = SEGMENT_MINOR;
	memcpy(info->config_hash, in->config_hash, sizeof(info->config_hash));
	info->base = in->base;
	info->shards = 1;
	info->first = in->first;
	info->last = in->last;
	info->entries = in->entry_count;
	info->history = in->history_count;
	info->sources = in->source_count;
	info->rules = in->rule_count;
	info->versions =
		slice_of(w->versions, n < (int)SEGMENT_VERSIONS_MAX ? (size_t)n : SEGMENT_VERSIONS_MAX);
	w->header.section_count = SECTION_KINDS;
}

static struct section *section_row(struct writer *w, uint32_t kind)
{
	struct section *s = &w->header.sections[kind - 1];

	s->kind = kind;
	s->version = SECTION_VERSION;
	s->flags = SECTION_MUST;
	return s;
}

static int put_section(struct writer *w, uint32_t kind, struct err *err)
{
	struct section *s = section_row(w, kind);
	struct buf *b = &w->sections[kind];
	uint64_t pad = section_stored_bytes(b->len) - b->len;
	char *to = buf_reserve(b, pad);

	if (!to)
		return err_set(err, -ENOMEM, "out of memory for section %s", section_name(kind));
	s->logical = b->len;
	memset(to, 0, pad);
	b->len += pad;
	s->offset = w->sink.at;
	s->length = b->len;
	s->checksum = xxh64(buf_slice(b));
	return sink_add(&w->sink, buf_slice(b), err);
}

/* The records are in the file already. */
static int end_records(struct writer *w, struct err *err)
{
	struct section *s = section_row(w, SECTION_RECORDS);

	s->offset = segment_front_bytes(w->header.section_count);
	s->logical = w->sink.at - s->offset;
	s->length = section_stored_bytes(s->logical);
	packing_add_index(w->packing, false, &w->sections[SECTION_RECORD_INDEX]);
	packing_add_index(w->packing, true, &w->sections[SECTION_HISTORY_RECORD_INDEX]);
	return sink_add_zeros(&w->sink, s->length - s->logical, err);
}

static int put_front(struct writer *w, struct slice mapped, struct err *err)
{
	struct section *s = &w->header.sections[SECTION_RECORDS - 1];
	OWNED_BUF front = {0};

	s->checksum = xxh64(slice_of(mapped.data + s->offset, s->length));
	w->header.info.file_bytes = w->sink.at;
	segment_header_encode(&w->header, &front);
	if (front.failed)
		return err_set(err, -ENOMEM, "out of memory for the header");
	return sink_patch_start(&w->sink, buf_slice(&front), err);
}

static int finish_file(struct writer *w, struct segment_output *out, struct err *err)
{
	struct slice mapped = {0};
	int r = sink_map(&w->sink, &mapped, err);

	if (r == 0)
		r = put_front(w, mapped, err);
	sink_begin_sync(&w->sink);
	if (r == 0 && sha256(mapped, out->sha256) < 0)
		r = err_set(err, -EIO, "SHA-256 failed");
	sink_unmap(&w->sink, mapped);
	out->bytes = w->sink.at;
	out->info = w->header.info;
	out->info.versions = slice_of(NULL, 0);
	return r < 0 ? r : sink_sync(&w->sink, err);
}

static int write_all(struct writer *w, struct segment_output *out, struct err *err)
{
	const struct segment_input *in = w->in;
	int r = check_input(w, err);

	header_init(w);
	if (r == 0)
		r = sink_add_zeros(&w->sink, segment_front_bytes(w->header.section_count), err);
	if (r == 0)
		r = analyse(w, err);
	if (r == 0)
		r = packing_new(&w->packing, in->entries, in->entry_count, in->history, in->history_count,
			&w->sink, in->threads > 1 ? in->threads - 1 : 0, report, w, err);
	if (r == 0)
		r = make_sections(w, err);
	if (r == 0)
		r = packing_finish(w->packing, err);
	if (r == 0)
		r = end_records(w, err);
	for (uint32_t kind = SECTION_RECORDS + 1; r == 0 && kind <= SECTION_KINDS; kind++)
		r = put_section(w, kind, err);
	return r < 0 ? r : finish_file(w, out, err);
}

int segment_write(
	const char *path, const struct segment_input *in, struct segment_output *out, struct err *err)
{
	struct writer w = {.in = in};
	int r = sink_open(&w.sink, path, err);

	if (r < 0)
		return r;
	r = write_all(&w, out, err);
	writer_release(&w);
	sink_close(&w.sink, r == 0);
	return r < 0 ? err_context(err, r, "writing segment %s", path) : 0;
}

int segment_write_bytes(
	const struct segment_input *in, struct buf *out, struct segment_output *result, struct err *err)
{
	struct writer w = {.in = in};
	int r;

	sink_open_buf(&w.sink, out);
	r = write_all(&w, result, err);
	writer_release(&w);
	return r < 0 ? err_context(err, r, "writing segment") : 0;
}
