/* SPDX-License-Identifier: Apache-2.0 */
#include "render.h"
#include "tap.h"

#define KB 1024 /* entries are large here, so that what keeping one costs does not matter */

static void keep(struct render *r, uint64_t ino, size_t bytes)
{
	OWNED_BUF text = {0};
	struct blob *b;

	for (size_t i = 0; i < bytes; i++)
		buf_add_byte(&text, (int)('a' + ino % 26));
	b = blob_take(&text);
	render_keep(r, ino, b);
	blob_unref(b);
}

static bool has(struct render *r, uint64_t ino)
{
	struct blob *b = render_kept(r, ino);
	bool right = b && (!b->len || b->data[0] == (char)('a' + ino % 26));

	blob_unref(b);
	return right;
}

static void what_was_used_last_stays(void)
{
	struct render *r = render_new(31 * KB);

	keep(r, 1, 10 * KB);
	keep(r, 2, 10 * KB);
	keep(r, 3, 10 * KB);
	check(has(r, 1));
	keep(r, 4, 10 * KB);
	check(has(r, 1) && !has(r, 2) && has(r, 3) && has(r, 4));
	check_int(render_bytes(r) / KB, 30);
	render_free(r);
}

static void the_newest_stays_however_large(void)
{
	struct render *r = render_new(31 * KB);

	keep(r, 1, 10 * KB);
	keep(r, 2, 1000 * KB);
	check(!has(r, 1) && has(r, 2));
	keep(r, 3, 1 * KB);
	check(!has(r, 2) && has(r, 3));
	check_int(render_bytes(r) / KB, 1);
	render_free(r);
}

static void many_small_entries_stay_within_the_limit(void)
{
	struct render *r = render_new(100 * KB);

	for (uint64_t i = 1; i <= 10000; i++)
		keep(r, i, 1);
	check(render_bytes(r) <= 100 * KB);
	check(has(r, 10000) && !has(r, 1));
	render_free(r);
}

static void keeping_again_replaces(void)
{
	struct render *r = render_new(100 * KB);

	keep(r, 1, 10 * KB);
	keep(r, 1, 20 * KB);
	check_int(render_bytes(r) / KB, 20);
	render_drop(r, 1);
	render_drop(r, 1);
	check_int(render_bytes(r), 0);
	check(!has(r, 1));
	render_free(r);
}

static void bytes_outlive_their_place_while_somebody_holds_them(void)
{
	struct render *r = render_new(11 * KB);
	struct blob *held;

	keep(r, 1, 10 * KB);
	held = render_kept(r, 1);
	keep(r, 2, 10 * KB);
	check(!has(r, 1));
	check_int(held->len, 10 * KB);
	check_int(held->data[9], 'b');
	blob_unref(held);
	render_free(r);
}

static void numbers_that_share_a_slot_are_told_apart(void)
{
	struct render *r = render_new(1000 * KB);

	for (uint64_t i = 0; i < 5; i++)
		keep(r, 7 + i * 65536, 1);
	render_drop(r, 7 + 2 * 65536);
	for (uint64_t i = 0; i < 5; i++)
		check_int(has(r, 7 + i * 65536), i != 2);
	render_free(r);
}

int main(void)
{
	RUN(what_was_used_last_stays);
	RUN(the_newest_stays_however_large);
	RUN(many_small_entries_stay_within_the_limit);
	RUN(keeping_again_replaces);
	RUN(bytes_outlive_their_place_while_somebody_holds_them);
	RUN(numbers_that_share_a_slot_are_told_apart);
	return tap_done();
}
