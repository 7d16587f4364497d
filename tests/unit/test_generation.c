/* SPDX-License-Identifier: Apache-2.0 */
#include "generation.h"
#include "memory_generation.h"
#include "published.h"

static const char sample[] =
	"{\n  \"format\": \"freshet manifest\",\n  \"version\": 1,\n"
	"  \"index\": \"01234567-89ab-4def-8123-456789abcdef\",\n  \"number\": 7,\n"
	"  \"kind\": \"build\",\n  \"parent\": 5,\n"
	"  \"parent_sha256\": \"0000000900000000000000000000000000000000000000000000000000000000\",\n"
	"  \"watermark\": \"2026-05-04T10:00:00Z\",\n  \"horizon\": \"2026-05-04T04:59:59.500000000Z\",\n"
	"  \"base_at\": null,\n  \"published\": \"2026-05-04T10:00:01Z\",\n  \"config_hash\": \"00112233445566778899aabbccddeeff\",\n"
	"  \"k1\": 1200,\n  \"b\": 750,\n"
	"  \"documents\": 7,\n  \"live_bytes\": 77,\n"
	"  \"live_sha256\": \"0000000000000000000000000000000000000000000000000000000000000000\",\n"
	"  \"segments\": [\n    {\n      \"name\": \"000102030405060708090a0b0c0d0e0f\",\n"
	"      \"sha256\": \"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\",\n"
	"      \"bytes\": 1234,\n      \"entries\": 10,\n      \"documents\": 7,\n      \"superseded\": 2,\n"
	"      \"first\": \"2026-05-04T09:00:00Z\",\n      \"last\": \"2026-05-04T10:00:00Z\",\n"
	"      \"base\": false,\n      \"undone\": [3, 8],\n      \"left\": null\n    }\n  ]\n}\n";

static void a_manifest_has_one_text(void)
{
	struct manifest m;
	OWNED_BUF text = {0};
	struct err err = ERR_INIT;

	check_int(manifest_decode(slice_str(sample), &m, &err), 0);
	check(m.number == 7 && m.parent == 5 && m.parent_sha256[3] == 9 && m.segment_count == 1);
	check_int(m.watermark, P_T0);
	check_int(m.horizon, P_T0 - 5 * TIME_HOUR - TIME_SECOND / 2);
	check(m.base_at == TIME_NONE && !m.segments[0].base);
	check(m.segments[0].undone_count == 2 && m.segments[0].undone[1] == 8);
	check(m.segments[0].entries == 10 && m.segments[0].first == P_T0 - TIME_HOUR);
	manifest_encode(&m, &text);
	check_slice(buf_slice(&text), sample);
	manifest_release(&m);
}

/* The sample with one text in the place of another. */
static void decode_changed(const char *from, const char *to, int code, const char *why)
{
	const char *at = strstr(sample, from);
	OWNED_BUF text = {0};
	struct manifest m;
	struct err err = ERR_INIT;

	check(at != NULL);
	buf_add(&text, sample, (size_t)(at - sample));
	buf_add_str(&text, to);
	buf_add_str(&text, at + strlen(from));
	check_int(manifest_decode(buf_slice(&text), &m, &err), code);
	check_contains(err.message, why);
	if (!code)
		manifest_release(&m);
}

static void manifests_that_break_a_rule_are_refused(void)
{
	decode_changed("\"version\": 1", "\"version\": 2", -ENOTSUP, "newer freshet");
	decode_changed("[3, 8]", "[8, 3]", -EBADMSG, "undone");
	decode_changed("[3, 8]", "[3, 3]", -EBADMSG, "undone");
	decode_changed("[3, 8]", "[3, 4294967295]", -EBADMSG, "undone");
	decode_changed("\"base\": false", "\"base\": 0", -EBADMSG, "base");
	decode_changed("\"base_at\": null", "\"base_at\": 3", -EBADMSG, "base_at");
	decode_changed("freshet manifest", "something else", -EBADMSG, "format");
	decode_changed("\"number\": 7", "\"number\": 0", -EBADMSG, "number");
	decode_changed("\"number\": 7", "\"number\": -7", -EBADMSG, "number");
	decode_changed("\"number\": 7,", "", -EBADMSG, "number");
	decode_changed("\"parent\": 5", "\"parent\": 7", -EBADMSG, "parent");
	decode_changed("\"parent\": 5", "\"parent\": null", -EBADMSG, "parent");
	decode_changed("01234567-", "01234567/", -EBADMSG, "index");
	decode_changed("10:00:00Z\",\n  \"h", "10:00:61Z\",\n  \"h", -EBADMSG, "watermark");
	decode_changed("10:00:00Z\",\n  \"h", "10:00:00+00:00\",\n  \"h", -EBADMSG, "watermark");
	decode_changed("04:59:59.500000000Z", "04:59:59.5Z", -EBADMSG, "horizon");
	decode_changed("00112233", "0011223G", -EBADMSG, "config_hash");
	decode_changed("\"documents\": 7,\n  \"live", "\"documents\": 8,\n  \"live", -EBADMSG, "sum");
	decode_changed("\"name\": \"00", "\"name\": \"10", -EBADMSG, "name");
	decode_changed("\"name\": \"00", "\"name\": \"..", -EBADMSG, "name");
	decode_changed("\"superseded\": 2", "\"superseded\": 4", -EBADMSG, "counts");
	decode_changed("\"entries\": 10", "\"entries\": 4294967295", -EBADMSG, "counts");
	decode_changed("T09:00:00Z", "T11:00:00Z", -EBADMSG, "first");
	decode_changed("\"segments\": [", "\"segments\": [[],", -EBADMSG, "segment 0");
	decode_changed("\"segments\"", "\"segment\"", -EBADMSG, "segments");
	decode_changed("]\n}\n", "]\n}\n}", -EBADMSG, "JSON");
	decode_changed(sample, "", -EBADMSG, "JSON");
	decode_changed(sample, "[]", -EBADMSG, "format");
}

static void members_that_are_not_known_are_ignored(void)
{
	decode_changed("\"number\": 7", "\"epoch\": {\"x\": [1]}, \"number\": 7", 0, "");
}

static void current_names_one_manifest(void)
{
	SITE s = site_open();
	uint8_t sum[SHA256_BYTES] = {1, 2, 3}, got[SHA256_BYTES];
	struct err err = ERR_INIT;
	uint64_t number;

	check_int(current_read(s.state, &number, got, &err), 0);
	check_int(current_write(s.state, 42, sum, &err), 0);
	check_int(current_read(s.state, &number, got, &err), 1);
	check(number == 42 && !memcmp(sum, got, sizeof(sum)));
	scratch_put(s.dir.path, "tmp/current", "left by a dead writer", 21);
	check_int(current_write(s.state, UINT64_MAX, sum, &err), 0);
	check_int(current_read(s.state, &number, got, &err), 1);
	check(number == UINT64_MAX);
	check_int(scratch_count(s.dir.path, "tmp"), 0);
}

static void a_damaged_current_is_an_error(void)
{
	SITE s = site_open();
	static const char *const bad[] = {"", "\n", "7", "7 \n", "x",
		"0 0102030000000000000000000000000000000000000000000000000000000000\n",
		"07 0102030000000000000000000000000000000000000000000000000000000000\n",
		"18446744073709551616 0102030000000000000000000000000000000000000000000000000000000000\n",
		"7 010203000000000000000000000000000000000000000000000000000000000\n",
		"7 010203000000000000000000000000000000000000000000000000000000000G\n",
		"7 0102030000000000000000000000000000000000000000000000000000000000",
		"7 0102030000000000000000000000000000000000000000000000000000000000\n\n",
		"7\t0102030000000000000000000000000000000000000000000000000000000000\n"};
	uint8_t sum[SHA256_BYTES];
	struct err err = ERR_INIT;
	uint64_t number;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		scratch_put(s.dir.path, "current", bad[i], strlen(bad[i]));
		check_int(current_read(s.state, &number, sum, &err), -EBADMSG);
	}
}

static void an_open_generation_outlives_its_files(void)
{
	SITE s = site_open();
	const struct doc one[] = {{"a", "x"}, {"b", "x"}};
	struct generation *g;
	struct slice id;
	struct err err = ERR_INIT;
	char path[256];

	site_publish(&s, one, 2, P_T0, TIME_NONE);
	g = generation_ref(s.now);
	snprintf(path, sizeof(path), "%s/segments/%s.seg", s.dir.path, g->manifest.segments[0].name);
	check_int(unlink(path), 0);
	generation_unref(s.now);
	s.now = NULL;
	check_int(segment_id(g->segments[0], 1, &id, &err), 0);
	check_slice(id, "b");
	generation_unref(g);
	generation_unref(NULL);
	check_int(generation_open(&g, s.state, 1, &err), -ENOENT);
	check(!g);
	check_int(generation_open(&g, s.state, 2, &err), -ENOENT);
	check_contains(err.message, "not kept");
}

/* Adds `by` to the byte at `at` (from the end when negative) of a file. */
static void change_byte(const char *dir, const char *name, long at, int by)
{
	char path[256];
	FILE *f;
	int c;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r+b");
	fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
	c = fgetc(f);
	fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
	fputc(c + by, f);
	fclose(f);
}

static void files_that_do_not_fit_each_other_are_refused(void)
{
	SITE s = site_open();
	const struct doc one[] = {{"a", "x"}, {"b", "x"}};
	struct generation *g;
	struct err err = ERR_INIT;
	char name[128], path[256];

	site_publish(&s, one, 2, P_T0, TIME_NONE);
	snprintf(name, sizeof(name), "segments/%s.seg", s.now->manifest.segments[0].name);
	change_byte(s.dir.path, "generations/1.live", 20, 1);
	check_int(generation_open(&g, s.state, 1, &err), -EBADMSG);
	check_contains(err.message, "1.live");
	change_byte(s.dir.path, "generations/1.live", 20, -1);
	check_int(generation_open(&g, s.state, 1, &err), 0);
	generation_unref(g);
	change_byte(s.dir.path, "generations/1.json", 2, 1);
	check_int(generation_open(&g, s.state, 1, &err), -EBADMSG);
	change_byte(s.dir.path, "generations/1.json", 2, -1);
	snprintf(path, sizeof(path), "%s/%s", s.dir.path, name);
	check_int(truncate(path, (off_t)s.now->manifest.segments[0].bytes + 8), 0);
	check(generation_open(&g, s.state, 1, &err) == -EBADMSG && !g);
	check_int(truncate(path, 10), 0);
	check(generation_open(&g, s.state, 1, &err) == -EBADMSG && !g);
	scratch_put(s.dir.path, "generations/2.json", s.now->manifest_bytes.data, s.now->manifest_bytes.len);
	check_int(generation_open(&g, s.state, 2, &err), -EBADMSG);
	check_contains(err.message, "says that it is generation 1");
}

/* ---- parts ---- */

static void check_count(struct generation *g, size_t i, uint64_t superseded, uint64_t documents)
{
	check_int(g->live.segments[i].superseded, superseded);
	check_int(g->manifest.segments[i].superseded, superseded);
	check_int(g->live.segments[i].documents, documents);
	check_int(g->manifest.segments[i].documents, documents);
}

static void a_part_is_what_its_segments_alone_would_be(void)
{
	SITE s = site_open();
	const struct doc one[] = {{"a", "x"}, {"b", "x"}, {"c", "x"}}, two[] = {{"a", "y"}, {"b", NULL}},
			 three[] = {{"c", "z"}, {"d", "z"}};
	OWNED(generation) struct generation *all = NULL;
	OWNED(generation) struct generation *part = NULL;
	OWNED(generation) struct generation *none = NULL;
	struct err err = ERR_INIT;
	struct slice id;

	site_publish(&s, one, 3, P_T0, TIME_NONE);
	site_publish(&s, two, 2, P_T0 + P_CADENCE, TIME_NONE);
	site_publish(&s, three, 2, P_T0 + 2 * P_CADENCE, TIME_NONE);
	check_int(s.now->manifest.documents, 3);
	check_int(generation_part(&all, s.now, (bool[]){true, true, true}, TIME_NONE, &err), 0);
	check_int(all->manifest.documents, 3);
	check_count(all, 0, 3, 0);
	check_int(generation_part(&part, s.now, (bool[]){true, false, true}, TIME_NONE, &err), 0);
	check_int(part->manifest.segment_count, 2);
	check_int(part->live.count, 2);
	check_count(part, 0, 1, 2);
	check_count(part, 1, 0, 2);
	check_int(part->manifest.documents, 4);
	check_int(part->manifest.number, 3);
	/* The whole lives for as long as its part. */
	generation_unref(s.now);
	s.now = NULL;
	check_int(segment_id(part->segments[1], 1, &id, &err), 0);
	check_slice(id, "d");
	check_int(generation_part(&none, part, (bool[]){false, false}, TIME_NONE, &err), 0);
	check_int(none->manifest.segment_count, 0);
	check_int(none->manifest.documents, 0);
	check_str(err.message, "");
}

static void a_part_has_its_own_horizon_and_the_wholes_undone_files(void)
{
	MEMORY m;
	static const struct memory_row one[] = {{"a", 1}, {"b", 2}}, two[] = {{"a", 3}, {"c", 3, "z"}};
	OWNED(generation) struct generation *part = NULL;
	OWNED(generation) struct generation *inside = NULL;
	struct err err = ERR_INIT;

	memory_init(&m);
	memory_add(&m, one, 2, NULL, 0);
	memory_add(&m, two, 2, NULL, 0);
	memory_undo(&m, 1, 1);
	memory_derive(&m, 1);
	check_int(generation_part(&part, m.g, (bool[]){false, true}, TIME_NONE, &err), 0);
	check_count(part, 0, 1, 1);
	check(live_is_superseded(&part->live.segments[0], 1));
	check_int(part->manifest.segments[0].undone_count, 1);
	check(part->manifest.segments[0].undone != m.g->manifest.segments[1].undone);
	check_int(generation_part(&inside, m.g, (bool[]){true, false}, TIME_NONE, &err), 0);
	check_count(inside, 0, 0, 2);
	generation_unref(steal(&inside));
	check_int(generation_part(&inside, m.g, (bool[]){true, false}, 1, &err), 0);
	check_count(inside, 0, 1, 1);
	check_str(err.message, "");
}

int main(void)
{
	RUN(a_manifest_has_one_text);
	RUN(manifests_that_break_a_rule_are_refused);
	RUN(members_that_are_not_known_are_ignored);
	RUN(current_names_one_manifest);
	RUN(a_damaged_current_is_an_error);
	RUN(an_open_generation_outlives_its_files);
	RUN(files_that_do_not_fit_each_other_are_refused);
	RUN(a_part_is_what_its_segments_alone_would_be);
	RUN(a_part_has_its_own_horizon_and_the_wholes_undone_files);
	return tap_done();
}
