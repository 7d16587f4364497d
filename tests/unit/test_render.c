/* SPDX-License-Identifier: Apache-2.0 */
#include "published.h"
#include "render.h"
#include "record.h"

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

/* --- lending --- */

/* The file of the word "all", of which the kernel was told `size` bytes. */
static struct node *term_node(const struct site *s, uint64_t ino, uint64_t size)
{
	struct node *n = calloc(1, sizeof(*n) + 8);

	*n = (struct node){
		.ino = ino, .kind = NODE_TERM, .generation = s->now, .size = size, .fd = -1, .text_len = 4};
	n->text[0] = TERM_WORD;
	memcpy(n->text + 1, "all", 3);
	return n;
}

static const struct doc two_docs[] = {{"doc-1", "all", 0}, {"doc-2", "all here", 0}};
#define TWO_IDS "doc-1\ndoc-2\n"

static void check_lent(struct render *r, const struct node *n, bool whole, bool kept)
{
	struct err err = ERR_INIT;
	struct loan loan;

	check_int(render_lend(r, n, whole, &loan, &err), 0);
	check(slice_eq(loan.bytes, slice_str(TWO_IDS)));
	render_return(r, &loan);
	check_int(render_bytes(r) > 0, kept);
}

static void what_one_read_takes_whole_is_not_kept(void)
{
	SITE s = site_open();
	struct render *r = render_new(100 * KB);
	struct node *n;

	site_publish(&s, two_docs, 2, P_T0, TIME_NONE);
	n = term_node(&s, 7, strlen(TWO_IDS));
	check_lent(r, n, true, false);
	check_lent(r, n, true, false);
	check_lent(r, n, false, true);
	check_lent(r, n, true, true);
	free(n);
	render_free(r);
}

static void loans_at_one_time_are_apart(void)
{
	SITE s = site_open();
	struct render *r = render_new(100 * KB);
	struct err err = ERR_INIT;
	struct loan loans[9];
	struct node *n;

	site_publish(&s, two_docs, 2, P_T0, TIME_NONE);
	n = term_node(&s, 7, strlen(TWO_IDS));
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 9; i++) {
			check_int(render_lend(r, n, true, &loans[i], &err), 0);
			for (int k = 0; k < i; k++)
				check(loans[k].bytes.data != loans[i].bytes.data);
		}
		for (int i = 0; i < 9; i++) {
			check(slice_eq(loans[i].bytes, slice_str(TWO_IDS)));
			render_return(r, &loans[i]);
		}
	}
	free(n);
	render_free(r);
}

static void a_file_that_is_not_as_long_as_was_said_is_damage(void)
{
	SITE s = site_open();
	struct render *r = render_new(100 * KB);
	struct node *n;

	site_publish(&s, two_docs, 2, P_T0, TIME_NONE);
	n = term_node(&s, 7, strlen(TWO_IDS) + 1);
	for (int whole = 0; whole < 2; whole++) {
		struct err err = ERR_INIT;
		struct loan loan;

		check_int(render_lend(r, n, whole, &loan, &err), -EBADMSG);
		render_return(r, &loan);
	}
	check_int(render_bytes(r), 0);
	free(n);
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
	RUN(what_one_read_takes_whole_is_not_kept);
	RUN(loans_at_one_time_are_apart);
	RUN(a_file_that_is_not_as_long_as_was_said_is_damage);
	return tap_done();
}
