/* SPDX-License-Identifier: Apache-2.0 */
/* One line a thing, first its kind, then fields parted by blanks; text in double quotes with bytes that do not
 * print, quotes and backslashes as \xXX. */
#include <inttypes.h>

#include "digest.h"
#include "segment_private.h"
#include "segment_verify.h"
#include "timefmt.h"

static const char *const state_names[] = {"live", "hidden", "deleted", "attribute"};

static void put_text(FILE *out, const char *label, struct slice s)
{
	fprintf(out, " %s\"", label);
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = (uint8_t)s.data[i];

		if (c < 0x20 || c == 0x7f || c == '"' || c == '\\')
			fprintf(out, "\\x%02x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

/* For bytes that are no text: versions are order-preserving keys. */
static void put_hex(FILE *out, const char *label, struct slice s)
{
	fprintf(out, " %s", label);
	for (size_t i = 0; i < s.len; i++)
		fprintf(out, "%02x", (uint8_t)s.data[i]);
}

static void dump_header(const struct segment *s, FILE *out)
{
	const struct segment_info *info = &s->header.info;
	char hex[33], first[TIME_TEXT_MAX], last[TIME_TEXT_MAX];

	fprintf(out, "format %u.%u\n", info->major, info->minor);
	fprintf(out, "versions %.*s\n", (int)info->versions.len, info->versions.data);
	fprintf(out, "config %s\n", hex_text(info->config_hash, sizeof(info->config_hash), hex));
	fprintf(out, "shard %u of %u%s\n", info->shard, info->shards, info->base ? ", of a base" : "");
	fprintf(out, "partitions %s to %s\n", time_text(info->first, first), time_text(info->last, last));
	fprintf(out,
		"entries %" PRIu64 ": %" PRIu64 " live, %" PRIu64 " hidden, %" PRIu64 " deleted, %" PRIu64
		" attributes\n",
		info->entries, info->live, info->hidden, info->deleted, info->attributes);
	fprintf(out, "history %" PRIu64 "\n", info->history);
	fprintf(out, "terms %" PRIu64 ", postings %" PRIu64 ", words %" PRIu64 "\n", info->terms,
		info->postings, info->total_length);
}

static void dump_sections(const struct segment *s, FILE *out)
{
	for (unsigned i = 0; i < s->header.section_count; i++) {
		const struct section *sec = &s->header.sections[i];

		fprintf(out,
			"section %u %s: version %u, flags %u, %" PRIu64 " bytes at %" PRIu64
			", padded to %" PRIu64 ", checksum %016" PRIx64 "\n",
			sec->kind, section_name(sec->kind), sec->version, sec->flags, sec->logical,
			sec->offset, sec->length, sec->checksum);
	}
}

static int dump_sources(const struct segment *s, FILE *out, struct err *err)
{
	struct source source;
	char hex[33], ts[TIME_TEXT_MAX];

	for (uint32_t i = 0; i < s->header.info.sources; i++) {
		int r = segment_source(s, i, &source, err);

		if (r < 0)
			return r;
		fprintf(out, "source %u %s %s", i, time_text(source.ts, ts),
			hex_text(source.hash, sizeof(source.hash), hex));
		put_text(out, "", source.partition);
		put_text(out, "", source.file);
		fputc('\n', out);
	}
	return 0;
}

static int dump_rules(const struct segment *s, FILE *out, struct err *err)
{
	struct segment_rule rule;

	for (uint32_t i = 0; i < s->header.info.rules; i++) {
		int r = segment_rule(s, i, &rule, err);

		if (r < 0)
			return r;
		fprintf(out, "attribute");
		put_text(out, "", rule.name);
		put_text(out, "on ", rule.on);
		fprintf(out, "%s\n", rule.expires ? " expires" : "");
	}
	return 0;
}

static int dump_row(const struct columns *columns, const struct records *records,
	struct records_scratch *scratch, const char *what, uint32_t n, FILE *out, struct err *err)
{
	struct slice record;
	struct entry e;
	int r = columns_entry(columns, n, &e, err);

	if (r == 0)
		r = records_get(records, scratch, n, &record, err);
	if (r < 0)
		return err_context(err, r, "%s", what);
	fprintf(out, "%s %u %s", what, n, state_names[e.state]);
	put_text(out, "id ", e.id);
	if (e.group.len)
		put_text(out, "group ", e.group);
	if (e.version.len)
		put_hex(out, "version ", e.version);
	fprintf(out, " source %u line %" PRIu64, e.source, e.line);
	put_text(out, "record ", record);
	return 0;
}

static int dump_rows(const struct segment *s, FILE *out, struct err *err)
{
	OWNED(records_scratch) struct records_scratch *scratch = records_scratch_new();
	int r = scratch ? 0 : err_set(err, -ENOMEM, "out of memory");

	for (uint32_t n = 0; r == 0 && n < s->entries.count; n++) {
		r = dump_row(&s->entries, &s->records, scratch, "entry", n, out, err);
		if (r == 0)
			fprintf(out, " length %u\n", segment_length(s, n));
	}
	for (uint32_t n = 0; r == 0 && n < s->history.count; n++) {
		r = dump_row(&s->history, &s->history_records, scratch, "history", n, out, err);
		if (r == 0)
			fputc('\n', out);
	}
	return r;
}

static int dump_postings(const struct segment *s, const struct dict_term *t, FILE *out, struct err *err)
{
	struct postings p;
	int r = segment_postings(s, t, &p, err);

	if (r < 0)
		return r;
	while ((r = postings_next(&p, err)) == 1) {
		r = postings_tfs(&p, err);
		if (r < 0)
			return r;
		for (unsigned i = 0; i < p.count; i++)
			fprintf(out, " %u:%u", p.docs[i], p.tfs[i]);
	}
	return r;
}

static int dump_terms(const struct segment *s, FILE *out, struct err *err)
{
	struct dict_cursor c;
	int r = dict_seek_ordinal(&s->dict, 0, &c, err);

	while (r == 1) {
		fprintf(out, "term");
		put_text(out, "", c.term.key);
		fprintf(out, " df %u ids_bytes %" PRIu64 " %s", c.term.df, c.term.ids_bytes,
			c.term.is_inline ? "inline" : "postings");
		r = dump_postings(s, &c.term, out, err);
		fputc('\n', out);
		if (r < 0)
			return err_context(err, r, "term %" PRIu64, c.ordinal);
		r = dict_next(&c, err);
	}
	return r;
}

int segment_dump(const struct segment *s, FILE *out, struct err *err)
{
	int r;

	dump_header(s, out);
	dump_sections(s, out);
	r = dump_sources(s, out, err);
	if (r == 0)
		r = dump_rules(s, out, err);
	if (r == 0)
		r = dump_rows(s, out, err);
	if (r == 0)
		r = dump_terms(s, out, err);
	if (r < 0)
		return err_context(err, r, "%s", s->name);
	return ferror(out) ? err_set(err, -EIO, "%s: writing the dump failed", s->name) : 0;
}
