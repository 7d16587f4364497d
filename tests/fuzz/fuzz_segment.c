/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a segment. The checksum of the front is put right first, and those of the sections are not
 * asked, so that every decoder behind them is reached. */
#include "digest.h"
#include "join.h"
#include "live.h"
#include "segment_format.h"
#include "segment_verify.h"

static void reseal(char *bytes, size_t len)
{
	uint64_t table;

	if (len < SEGMENT_HEADER || get_le32(bytes + 12) > SEGMENT_SECTIONS_MAX)
		return;
	table = SEGMENT_HEADER + (uint64_t)get_le32(bytes + 12) * SEGMENT_TABLE_ROW;
	if (table + 8 <= len)
		put_le64(bytes + table, xxh64(slice_of(bytes, table)));
}

/* The record of an entry as an attribute of every document that asks for one. */
static int find(void *ctx, struct slice id, struct buf *json, struct err *err)
{
	struct segment *s = ctx;

	return segment_info(s)->entries && segment_record(s, 0, json, err) == 0;
}

static void read_rules(struct segment *s, struct buf *out)
{
	OWNED_BUF record = {0};
	struct segment_rule rule;

	for (uint32_t n = 0; n < segment_info(s)->rules; n++)
		segment_rule(s, n, &rule, NULL);
	for (uint32_t n = 0; n < segment_info(s)->entries && n < 8; n++) {
		buf_clear(&record);
		if (segment_record(s, n, &record, NULL) == 0)
			join_record(s, buf_slice(&record), find, s, out, NULL);
		buf_clear(out);
	}
}

static void read_rows(struct segment *s, struct buf *out)
{
	const struct segment_info *info = segment_info(s);
	struct source source;
	struct entry e;
	uint32_t at;

	for (uint32_t n = 0; n < info->entries && n < 64; n++) {
		segment_add_ids(s, &n, 1, out, NULL);
		segment_state(s, n);
		segment_source_of(s, n);
		segment_length(s, n);
		segment_group_of(s, n);
		segment_record(s, n, out, NULL);
		if (segment_entry(s, n, &e, NULL) == 0) {
			if (n < 4)
				segment_group_entries(s, e.group, out, NULL);
			segment_find(s, e.id, &at, NULL);
			segment_history_find(s, e.id, &at, NULL);
			attribute_expires(s, e.id);
		}
		buf_clear(out);
	}
	for (uint32_t n = 0; n < info->history && n < 64; n++) {
		segment_history(s, n, &e, NULL);
		segment_history_source_of(s, n);
		segment_history_record(s, n, out, NULL);
		buf_clear(out);
	}
	for (uint32_t n = 0; n < info->sources && n < 64; n++)
		if (segment_source(s, n, &source, NULL) == 0)
			segment_sources_until(s, source.ts);
}

static void read_terms(struct segment *s, struct buf *out)
{
	const struct dict *d = segment_dict(s);
	struct dict_cursor c, found;
	struct postings p;
	int r;

	for (r = dict_seek_ordinal(d, 0, &c, NULL); r == 1; r = dict_next(&c, NULL)) {
		dict_find(d, c.term.key, &found, NULL);
		dict_seek_ordinal(d, c.ordinal, &found, NULL);
		if (segment_postings(s, &c.term, &p, NULL) < 0)
			continue;
		while (postings_next(&p, NULL) == 1) {
			postings_tfs(&p, NULL);
			segment_add_ids(s, p.docs, p.count, out, NULL);
		}
		buf_clear(out);
		if (segment_postings(s, &c.term, &p, NULL) < 0)
			continue;
		for (uint32_t to = 0; postings_seek(&p, to, NULL) == 1; to = p.docs[p.count - 1] + 100)
			if (p.docs[p.count - 1] < to)
				abort();
	}
	for (r = dict_seek_ordinal(d, 0, &c, NULL); r == 1; r = dict_next(&c, NULL)) {
		struct ranking_list list;
		struct slice block;

		if (segment_ranking(s, &c.term, &list, NULL) != 1)
			continue;
		for (uint32_t b = 0; b < list.blocks && ranking_block(&list, b, &block, NULL) == 0; b++) {
			struct ranking_pair pair = {0};
			struct cursor in = cursor_of(block);

			while (ranking_pair_next(&in, &pair, NULL) == 1)
				;
		}
	}
	dict_seek(d, slice_str("wm"), &c, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OWNED(segment) struct segment *s = NULL;
	OWNED_BUF out = {0};
	struct err err = ERR_INIT;
	char *bytes = malloc(size + 1);
	FILE *null;

	memcpy(bytes, data, size);
	reseal(bytes, size);
	if (segment_open_bytes(&s, slice_of(bytes, size), "fuzz", &err) == 0) {
		null = fopen("/dev/null", "w");
		segment_verify_checksums(s, &err);
		segment_verify_structure(s, &err);
		segment_dump(s, null, &err);
		fclose(null);
		read_rows(s, &out);
		read_rules(s, &out);
		read_terms(s, &out);
	}
	segment_free(steal(&s));
	free(bytes);
	return 0;
}
