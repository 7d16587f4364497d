/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "segment_sample.h"
#include "tap.h"

static struct sample sample;

static struct segment *write_and_open(struct sample *s, struct buf *bytes)
{
	struct segment_output out = {0};
	struct segment *seg = NULL;
	struct err err = ERR_INIT;

	buf_clear(bytes);
	check_int(segment_write_bytes(&s->in, bytes, &out, &err), 0);
	check_int(segment_open_bytes(&seg, buf_slice(bytes), "sample", &err), 0);
	check_int(out.bytes, bytes->len);
	check_str(err.message, "");
	return seg;
}

static void rows_read_back(void)
{
	OWNED_BUF bytes = {0}, record = {0};
	OWNED(segment) struct segment *seg = NULL;
	struct err err = ERR_INIT;

	sample_small(&sample);
	seg = write_and_open(&sample, &bytes);
	if (!seg)
		return;
	check_int(segment_verify_checksums(seg, &err), 0);
	check_int(segment_verify_structure(seg, &err), 0);
	check_str(err.message, "");
	check_int(segment_info(seg)->live, 3);
	check_int(segment_info(seg)->hidden, 1);
	check_int(segment_info(seg)->deleted, 2);
	for (uint32_t i = 0; i < sample.in.entry_count; i++) {
		const struct entry *want = &sample.entries[i];
		struct entry got;
		uint32_t n = 99;

		check_int(segment_entry(seg, i, &got, &err), 0);
		check(slice_eq(got.id, want->id) && slice_eq(got.group, want->group));
		check(slice_eq(got.version, want->version));
		check(got.state == want->state && got.source == want->source);
		check(got.line == want->line && got.named == want->named);
		buf_clear(&record);
		check_int(segment_record(seg, i, &record, &err), 0);
		check(slice_eq(buf_slice(&record), want->record));
		check_int(segment_find(seg, want->id, &n, &err), 1);
		check_int(n, i);
	}
	sample_release(&sample);
}

int main(void)
{
	RUN(rows_read_back);
	return tap_done();
}
