/* SPDX-License-Identifier: Apache-2.0 */
#include "edition.h"
#include "scratch.h"
#include "tap.h"

#define INDEX "0c2da129-2f05-4d27-88a5-912b1dccb870"
#define OTHER "1c2da129-2f05-4d27-88a5-912b1dccb870"
#define T0 (INT64_C(1777888800) * TIME_SECOND)

static struct edition_ref ref_of(uint64_t epoch, uint64_t number)
{
	struct edition_ref r = {.epoch = epoch, .number = number, .bytes = 100};

	memset(r.sha256, (int)number, sizeof(r.sha256));
	return r;
}

static struct edition sample(struct edition_rows *rows, size_t count)
{
	struct edition e = {.index = INDEX,
		.epoch = 3,
		.number = 1003,
		.watermark = T0,
		.paused = 4,
		.manifest = {.bytes = 10, .sha256 = {1}},
		.live = {.bytes = 20, .sha256 = {2}},
		.rows = rows,
		.row_count = count,
		.config = (char *)(uintptr_t) "[feed]\ncadence = 5m\n"};

	return e;
}

static void an_edition_reads_back_the_same(void)
{
	struct edition_rows rows[2] = {
		{.from = T0, .part = {.bytes = 5}}, {.from = T0 + 1, .part = {.bytes = 6}}};
	struct edition e = sample(rows, 2), got;
	OWNED_BUF bytes = {0};
	OWNED_BUF again = {0};
	struct err err = ERR_INIT;

	edition_encode(&e, &bytes);
	check_int(edition_decode(buf_slice(&bytes), &got, &err), 0);
	check_str(err.message, "");
	check_str(got.config, e.config);
	check_int(got.row_count, 2);
	check_int(got.rows[1].from, T0 + 1);
	check_int(got.paused, 4);
	edition_encode(&got, &again);
	check(slice_eq(buf_slice(&bytes), buf_slice(&again)));
	edition_release(&got);
}

/* Replaces `from` in the bytes of a sample, and expects that member to be named. */
static void check_bad(const char *from, const char *to, int code, const char *why)
{
	struct edition_rows rows[2] = {{.from = T0}, {.from = T0 + TIME_SECOND}};
	struct edition e = sample(rows, 2), got;
	OWNED_BUF bytes = {0};
	OWNED_BUF changed = {0};
	struct err err = ERR_INIT;
	const char *at;

	edition_encode(&e, &bytes);
	at = strstr(buf_cstr(&bytes), from);
	check(at);
	if (!at)
		return;
	buf_add(&changed, bytes.data, (size_t)(at - bytes.data));
	buf_add_str(&changed, to);
	buf_add_str(&changed, at + strlen(from));
	check_int(edition_decode(buf_slice(&changed), &got, &err), code);
	check_contains(err.message, why);
	check(!got.rows && !got.config);
}

static void an_edition_that_cannot_be_is_refused(void)
{
	check_bad("freshet edition", "freshet pointer", -EBADMSG, "format");
	check_bad("\"version\": 1", "\"version\": 2", -ENOTSUP, "newer");
	check_bad(INDEX, "0C2DA129-2f05-4d27-88a5-912b1dccb870", -EBADMSG, "index");
	check_bad("\"epoch\": 3", "\"epoch\": 0", -EBADMSG, "epoch");
	check_bad("\"number\": 1003", "\"number\": -1", -EBADMSG, "number");
	check_bad("\"number\": 1003", "\"number\": 18446744073709551615", -EBADMSG, "number");
	check_bad("\"watermark\": \"", "\"watermark\": \"x", -EBADMSG, "watermark");
	check_bad("[feed]", "\\u0000", -EBADMSG, "config");
	check_bad("\"bytes\": 10", "\"bytes\": 67108865", -EBADMSG, "manifest");
	check_bad("\"bytes\": 20", "\"bytes\": 17179869185", -EBADMSG, "live");
	check_bad("\"rows\": [", "\"rows\": {}, \"x\": [", -EBADMSG, "rows");
	check_bad("\"bytes\": 0, ", "\"bytes\": 67108865, ", -EBADMSG, "rows 0");
	check_bad("\"from\": \"2026-05-04T10:00:00Z\"", "\"from\": \"2026-05-04T10:00:01Z\"", -EBADMSG,
		"rows 1");
	check_bad("}\n", "", -EBADMSG, "not JSON");
}

static struct claim claim_of(uint64_t epoch, const struct edition_ref *over)
{
	struct claim c = {.index = INDEX, .epoch = epoch, .owner = OTHER, .by = "who\"\\\x7f@here", .at = T0};

	if (over)
		c.over = *over;
	return c;
}

static void claims_and_pointers_read_back_the_same(void)
{
	struct edition_ref over = ref_of(2, 7), got_ref;
	struct claim c = claim_of(3, &over), got;
	char index[UUID_TEXT];
	OWNED_BUF claim = {0};
	OWNED_BUF pointer = {0};
	struct err err = ERR_INIT;

	claim_encode(&c, &claim);
	check_int(claim_decode(buf_slice(&claim), &got, &err), 0);
	check_str(err.message, "");
	check_str(got.by, c.by);
	check(edition_ref_is(&got.over, &over));
	pointer_encode(INDEX, &over, &pointer);
	check_int(pointer_decode(buf_slice(&pointer), index, &got_ref, &err), 0);
	check_str(index, INDEX);
	check(edition_ref_is(&got_ref, &over));
	check_int(pointer_decode(buf_slice(&claim), index, &got_ref, &err), -EBADMSG);
	check_int(claim_decode(buf_slice(&pointer), &got, &err), -EBADMSG);
}

static void a_claim_is_never_over_its_own_epoch(void)
{
	struct edition_ref over = ref_of(3, 7);
	struct claim c = claim_of(3, &over), got;
	OWNED_BUF bytes = {0};
	struct err err = ERR_INIT;

	claim_encode(&c, &bytes);
	check_int(claim_decode(buf_slice(&bytes), &got, &err), -EBADMSG);
	check_contains(err.message, "over");
}

/* ---- finding ---- */

static void put(struct store *s, const char *path, const struct buf *bytes)
{
	check_int(store_mem_put(s, path, buf_slice(bytes), T0), 0);
}

static void put_claim(struct store *s, uint64_t epoch, const struct edition_ref *over)
{
	struct claim c = claim_of(epoch, over);
	char path[EDITION_PATH_MAX];
	OWNED_BUF bytes = {0};

	claim_encode(&c, &bytes);
	put(s, claim_path(epoch, path), &bytes);
}

static void put_pointer(struct store *s, const char *index, uint64_t epoch, const struct edition_ref *ref)
{
	char path[EDITION_PATH_MAX];
	OWNED_BUF bytes = {0};

	pointer_encode(index, ref, &bytes);
	put(s, pointer_path(epoch, path), &bytes);
}

static struct published_now look(struct store *s, uint64_t known)
{
	struct published_now now;
	struct err err = ERR_INIT;

	if (edition_look(s, known, &now, &err) < 0)
		tap_fail("%s", err.message);
	return now;
}

static void only_the_highest_claim_counts(void)
{
	OWNED(store) struct store *s = NULL;
	struct edition_ref one = ref_of(1, 5), late = ref_of(1, 6), two = ref_of(2, 1005);
	struct published_now now;

	check_int(store_mem_open(&s, NULL), 0);
	check_int(look(s, 0).epoch, 0);
	put_claim(s, 1, NULL);
	now = look(s, 0);
	check(now.epoch == 1 && !now.has_pointer && !now.newest.number);
	put_pointer(s, INDEX, 1, &one);
	now = look(s, 1);
	check(now.has_pointer && edition_ref_is(&now.newest, &one));
	put_claim(s, 2, &one);
	put_pointer(s, INDEX, 1, &late);
	for (uint64_t known = 0; known < 3; known++) {
		now = look(s, known);
		check(now.epoch == 2 && !now.has_pointer && edition_ref_is(&now.newest, &one));
	}
	/* But for who owns it. */
	check_int(edition_look_before(s, &now, NULL), 0);
	check(!now.has_pointer && edition_ref_is(&now.newest, &late));
	put_pointer(s, INDEX, 2, &two);
	now = look(s, 0);
	check(now.has_pointer && edition_ref_is(&now.newest, &two));
}

static void a_directory_without_a_claim_is_no_epoch(void)
{
	OWNED(store) struct store *s = NULL;
	struct edition_ref one = ref_of(1, 5);
	struct published_now now;
	struct err err = ERR_INIT;

	check_int(store_mem_open(&s, NULL), 0);
	put_claim(s, 1, NULL);
	put_pointer(s, INDEX, 1, &one);
	put_pointer(s, INDEX, 2, &one); /* a pointer alone */
	check_int(look(s, 0).epoch, 1);
	check_int(look(s, 7).epoch, 1); /* known once, and there no more */
	put_pointer(s, INDEX, 900000000000, &one);
	check_int(edition_look(s, 0, &now, &err), -EBADMSG);
	check_contains(err.message, "900000000000");
}

static void a_pointer_of_another_epoch_or_index_is_refused(void)
{
	OWNED(store) struct store *s = NULL;
	struct edition_ref two = ref_of(2, 5), one = ref_of(1, 5);
	struct published_now now;
	struct err err = ERR_INIT;

	check_int(store_mem_open(&s, NULL), 0);
	put_claim(s, 1, NULL);
	put_pointer(s, INDEX, 1, &two);
	check_int(edition_look(s, 0, &now, &err), -EBADMSG);
	check_contains(err.message, "mem:/epochs/1/current.json: is of epoch 2");
	put_pointer(s, OTHER, 1, &one);
	check_int(edition_look(s, 0, &now, &err), -EBADMSG);
	check_contains(err.message, "of index " OTHER);
}

static void what_is_a_hosts_own_is_no_part_of_the_configuration(void)
{
	OWNED_BUF out = {0};
	OWNED_BUF again = {0};

	edition_config(
		slice_str(
			"[feed]\nurl = /a\n\tb\ncadence = 5m\n[build]\nkeep = 8\n[document]\ntext = a,\n\tb\n[publish]\n"
			"dest = x\n[s3]\nendpoint = y\n[attribute.url]\nwhen = a:b\n[mount]\npoll = 1s\n[index]\nb = 0.75"),
		&out);
	check_str(buf_cstr(&out),
		"[feed]\ncadence = 5m\n[document]\ntext = a,\n\tb\n[attribute.url]\nwhen = a:b\n[index]\nb = 0.75");
	edition_config(buf_slice(&out), &again);
	check_str(buf_cstr(&again), buf_cstr(&out));
}

int main(void)
{
	RUN(an_edition_reads_back_the_same);
	RUN(an_edition_that_cannot_be_is_refused);
	RUN(claims_and_pointers_read_back_the_same);
	RUN(a_claim_is_never_over_its_own_epoch);
	RUN(only_the_highest_claim_counts);
	RUN(a_directory_without_a_claim_is_no_epoch);
	RUN(a_pointer_of_another_epoch_or_index_is_refused);
	RUN(what_is_a_hosts_own_is_no_part_of_the_configuration);
	return tap_done();
}
