/* SPDX-License-Identifier: Apache-2.0 */
#include "live.h"
#include "memory_generation.h"
#include "published.h"

/* ---- the file ---- */

static struct live sample(struct live_segment *segments, uint8_t *bits)
{
	memset(bits, 0, 16);
	bits[0] = 5;
	bits[8] = 2;
	segments[0] = (struct live_segment){.name = "00112233445566778899aabbccddeeff",
		.entries = 66,
		.superseded = 3,
		.documents = 60,
		.bits = bits};
	segments[1] = (struct live_segment){
		.name = "ffeeddccbbaa99887766554433221100", .entries = 3, .documents = 2};
	return (struct live){segments, 2};
}

static void a_live_set_comes_back_as_it_was_written(void)
{
	struct live_segment segments[2];
	uint8_t bits[16];
	struct live l = sample(segments, bits), got;
	OWNED_BUF bytes = {0};
	OWNED_BUF again = {0};
	struct err err = ERR_INIT;

	live_encode(&l, &bytes);
	check_int(bytes.len, 16 + 2 * 40 + 16 + 8);
	check_int(live_decode(buf_slice(&bytes), &got, &err), 0);
	check_int(got.count, 2);
	check_str(got.segments[0].name, segments[0].name);
	check(live_is_superseded(&got.segments[0], 0) && !live_is_superseded(&got.segments[0], 1));
	check(live_is_superseded(&got.segments[0], 65) && !got.segments[1].bits);
	check_int(got.segments[1].documents, 2);
	live_encode(&got, &again);
	check(slice_eq(buf_slice(&bytes), buf_slice(&again)));
	live_release(&got);
	check(!got.segments && !got.count);
}

/* Changes one byte, mends the checksum, and wants the message. */
static void refuse(size_t at, uint8_t value, int code, const char *why)
{
	struct live_segment segments[2];
	uint8_t bits[16];
	struct live l = sample(segments, bits), got;
	OWNED_BUF bytes = {0};
	struct err err = ERR_INIT;

	live_encode(&l, &bytes);
	bytes.data[at] = (char)value;
	put_le64(bytes.data + bytes.len - 8, xxh64(slice_of(bytes.data, bytes.len - 8)));
	check_int(live_decode(buf_slice(&bytes), &got, &err), code);
	check_contains(err.message, why);
	check(!got.segments);
}

static void bytes_that_break_a_rule_are_refused(void)
{
	refuse(0, 'X', -EBADMSG, "magic");
	refuse(8, 2, -ENOTSUP, "version 2");
	refuse(12, 200, -EBADMSG, "too many");
	refuse(12, 3, -EBADMSG, "too many");
	refuse(96, 1, -EBADMSG, "ends early");
	refuse(12, 1, -EBADMSG, "too many");
	refuse(32, 2, -EBADMSG, "cannot be");    /* fewer entries than superseded */
	refuse(38, 1, -EBADMSG, "cannot be");    /* entries over 2^32 */
	refuse(40, 4, -EBADMSG, "bits");         /* superseded is not what the bitmap has */
	refuse(48, 64, -EBADMSG, "cannot be");   /* documents over what is left */
	refuse(56 + 8, 4 | 2, -EBADMSG, "bits"); /* a bit at or above entries */
	refuse(56 + 15, 0x80, -EBADMSG, "bits");
}

static void every_flipped_bit_and_every_cut_is_noticed(void)
{
	struct live_segment segments[2];
	uint8_t bits[16];
	struct live l = sample(segments, bits), got;
	OWNED_BUF bytes = {0};
	struct err err = ERR_INIT;

	live_encode(&l, &bytes);
	for (size_t i = 0; i < 8 * bytes.len; i++) {
		bytes.data[i / 8] ^= (char)(1 << i % 8);
		check(live_decode(buf_slice(&bytes), &got, &err) < 0);
		bytes.data[i / 8] ^= (char)(1 << i % 8);
	}
	for (size_t i = 0; i < bytes.len; i++)
		check(live_decode(slice_of(bytes.data, i), &got, &err) < 0);
}

/* ---- deriving ---- */

static void the_newest_segment_with_an_id_supersedes_the_others(void)
{
	SITE s = site_open();
	const struct doc one[] = {{"a", "x"}, {"b", "x"}, {"c", "hide"}, {"d", "x"}};
	const struct doc two[] = {{"b", "y"}, {"c", NULL}, {"e", "y"}};

	site_publish(&s, one, 4, P_T0, TIME_NONE);
	check(!s.now->live.segments[0].bits);
	check_int(s.now->live.segments[0].documents, 3);
	site_publish(&s, two, 3, P_T0 + P_CADENCE, TIME_NONE);
	check_int(s.now->live.count, 2);
	check_int(s.now->live.segments[0].superseded, 2);
	check_int(s.now->live.segments[0].documents, 2);
	check_int(s.now->live.segments[0].bits[0], 1 << 1 | 1 << 2);
	check_int(s.now->live.segments[1].superseded, 0);
	check_int(s.now->live.segments[1].documents, 2);
}

static void an_entry_leaves_with_its_partition(void)
{
	SITE s = site_open();
	const struct doc one[] = {{"a", "x"}, {"b", "x", P_T0 + P_CADENCE}, {"c", "x"}};

	site_publish(&s, one, 3, P_T0, TIME_NONE);
	site_publish(&s, NULL, 0, P_T0, P_T0 - 1);
	check_int(s.now->manifest.documents, 3);
	site_publish(&s, NULL, 0, P_T0 + P_CADENCE, P_T0);
	check_int(s.now->manifest.documents, 1);
	check_int(s.now->live.segments[0].bits[0], 1 << 0 | 1 << 2);
	site_publish(&s, NULL, 0, P_T0 + 2 * P_CADENCE, P_T0 + P_CADENCE);
	check_int(s.now->manifest.documents, 0);
	check_int(s.now->manifest.segment_count, 0);
}

static void check_from_scratch(const struct generation *g, int64_t horizon)
{
	const char *names[64];
	struct undone undone[64];
	struct live_input in = {.segments = g->segments,
		.names = names,
		.undone = undone,
		.count = g->manifest.segment_count,
		.horizon = horizon};
	struct live l;
	OWNED_BUF bytes = {0};
	struct err err = ERR_INIT;

	for (size_t i = 0; i < g->manifest.segment_count; i++) {
		names[i] = g->manifest.segments[i].name;
		undone[i] = manifest_undone(&g->manifest.segments[i]);
	}
	check_int(live_derive(&in, &l, &err), 0);
	live_encode(&l, &bytes);
	check(slice_eq(buf_slice(&bytes), buf_slice(&g->live_bytes)));
	live_release(&l);
}

static void deriving_step_by_step_is_deriving_from_scratch(void)
{
	uint64_t seed = seed_take(20261123);

	for (int round = 0; round < 8; round++) {
		SITE s = site_open();
		struct arena arena = {0};
		struct doc docs[600];
		int64_t window = round % 2 ? TIME_FOREVER : 4 * P_CADENCE;

		for (int step = 0; step < 12; step++) {
			int64_t ts = P_T0 + step * P_CADENCE;
			int64_t horizon = window == TIME_FOREVER ? TIME_NONE : ts - window;
			size_t count = random_docs(&seed, 600, 1 + seed_below(&seed, 60), docs, &arena);

			site_publish(&s, docs, count, ts, horizon);
			check_from_scratch(s.now, horizon);
		}
		check(s.now->manifest.segment_count <= (window == TIME_FOREVER ? 12 : 4));
		arena_release(&arena);
	}
}

static void check_superseded(const struct memory *m, size_t segment, uint64_t bits)
{
	const struct live_segment *s = &m->g->live.segments[segment];
	uint64_t got = 0, documents = segment_info(m->g->segments[segment])->live;

	for (uint32_t n = 0; n < s->entries; n++) {
		if (!live_is_superseded(s, n))
			continue;
		got |= UINT64_C(1) << n;
		documents -= segment_state(m->g->segments[segment], n) == ENTRY_LIVE;
	}
	check_int(got, bits);
	check_int(s->superseded, __builtin_popcountll(bits));
	check_int(s->documents, documents);
}

static void undone_entries_supersede_and_show_no_more(void)
{
	static const struct memory_row one[] = {{"a", 1}, {"b", 1, "z"}, {"c", 1}};
	static const struct memory_row two[] = {{"a", 2}, {"d", 2, "z"}, {"e", 1}};
	MEMORY m;

	memory_init(&m);
	memory_add(&m, one, 3, NULL, 0);
	memory_add(&m, two, 3, NULL, 0);
	memory_undo(&m, 0, 1);
	memory_undo(&m, 1, 1);
	memory_derive(&m, TIME_NONE);
	/* The older "a" does not come back by itself: the fold writes it anew. */
	check_superseded(&m, 0, 1 << 0 | 1 << 1);
	check_superseded(&m, 1, 1 << 0);
	memory_derive(&m, 1);
	check_superseded(&m, 0, 7);
	check_superseded(&m, 1, 1 << 0 | 1 << 2);
	memory_undo(&m, 1, 2);
	memory_derive(&m, TIME_NONE);
	check_superseded(&m, 1, 1 << 0 | 1 << 1);
}

static void an_attribute_stays_behind_the_horizon_unless_it_expires(void)
{
	static const struct memory_row rows[] = {{CAMPAIGN("c"), 1, .state = ENTRY_ATTRIBUTE},
		{CAMPAIGN("gone"), 1, .state = ENTRY_DELETED}, {SHOP("s"), 1, .state = ENTRY_ATTRIBUTE},
		{SHOP("t"), 2, .state = ENTRY_ATTRIBUTE}, {"a", 1}};
	static const struct segment_rule expiring[] = {
		{.name = {"campaign", 8}, .on = {"c", 1}, .expires = true}};
	MEMORY m;

	memory_init(&m);
	memory_add(&m, rows, 5, memory_rules, 2);
	/* Each segment goes by its own rules; an attribute without one stays. */
	memory_add(&m, rows, 5, expiring, 1);
	memory_derive(&m, TIME_NONE);
	check_superseded(&m, 0, 31);
	check_superseded(&m, 1, 0);
	memory_derive(&m, 1);
	check_superseded(&m, 1, 1 << 0 | 1 << 1 | 1 << 4);
	check(attribute_expires(m.g->segments[0], slice_str(SHOP("x"))));
	check(!attribute_expires(m.g->segments[0], slice_str(CAMPAIGN("x"))));
	check(!attribute_expires(m.g->segments[1], slice_str(SHOP("x"))));
	check(!attribute_expires(m.g->segments[0], slice_str("\x01"
							     "sho"
							     "\x01"
							     "p")));
}

static void an_older_live_set_must_fit(void)
{
	SITE s = site_open();
	const struct doc one[] = {{"a", "x"}};
	const char *names[] = {"00000000000000000000000000000000"};
	struct undone undone = {.left = TIME_NONE};
	struct live_input in = {.names = names, .undone = &undone, .count = 1, .horizon = TIME_NONE};
	struct live l;
	struct err err = ERR_INIT;

	site_publish(&s, one, 1, P_T0, TIME_NONE);
	in.segments = s.now->segments;
	in.old = &s.now->live;
	check_int(live_derive(&in, &l, &err), -EINVAL);
	in.count = 0;
	check_int(live_derive(&in, &l, &err), -EINVAL);
}

int main(void)
{
	RUN(a_live_set_comes_back_as_it_was_written);
	RUN(bytes_that_break_a_rule_are_refused);
	RUN(every_flipped_bit_and_every_cut_is_noticed);
	RUN(the_newest_segment_with_an_id_supersedes_the_others);
	RUN(an_entry_leaves_with_its_partition);
	RUN(deriving_step_by_step_is_deriving_from_scratch);
	RUN(undone_entries_supersede_and_show_no_more);
	RUN(an_attribute_stays_behind_the_horizon_unless_it_expires);
	RUN(an_older_live_set_must_fit);
	return tap_done();
}
