/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"
#include "term_merge.h"

static struct invert *inverter(void)
{
	struct invert *v = invert_new();

	check(v != NULL);
	return v;
}

static void add_doc(struct invert *v, uint32_t doc, const char *words)
{
	char word[32] = {0};

	invert_begin(v, doc);
	for (; *words; words++) {
		word[0] = *words;
		invert_add(v, 'w', word, 1);
	}
	invert_end(v);
}

/* "KEY DOC*TF ...;" for each term. */
static void show(struct term_merge *m, struct buf *out)
{
	struct inverted_term t;

	while (term_merge_next(m, &t) == 1) {
		buf_add_slice(out, t.key);
		for (uint32_t i = 0; i < t.df; i++)
			buf_addf(out, " %u*%u", t.docs[i], t.tfs[i]);
		buf_add_byte(out, ';');
	}
}

static void check_merged(struct invert **v, unsigned count, const char *want)
{
	struct term_merge m = {0};
	struct err err = ERR_INIT;
	OWNED_BUF got = {0};

	for (unsigned i = 0; i < count; i++) {
		check_int(invert_finish(v[i], &err), 0);
		term_merge_add(&m, v[i]);
	}
	show(&m, &got);
	check_str(buf_cstr(&got), want);
	for (unsigned i = 0; i < count; i++)
		invert_free(v[i]);
	term_merge_release(&m);
}

static void terms_of_several_come_once_with_their_documents_in_order(void)
{
	struct invert *v[3] = {inverter(), inverter(), inverter()};

	add_doc(v[0], 0, "bbd");
	add_doc(v[0], 1, "d");
	add_doc(v[1], 2, "acd");
	add_doc(v[2], 5, "bddd");
	check_merged(v, 3, "wa 2*1;wb 0*2 5*1;wc 2*1;wd 0*1 1*1 2*1 5*3;");
}

static void one_alone_comes_as_it_is(void)
{
	struct invert *v[1] = {inverter()};

	add_doc(v[0], 7, "ba");
	check_merged(v, 1, "wa 7*1;wb 7*1;");
}

static void those_without_a_term_add_nothing(void)
{
	struct invert *v[3] = {inverter(), inverter(), inverter()};

	add_doc(v[1], 1, "a");
	check_merged(v, 3, "wa 1*1;");
	check_merged(NULL, 0, "");
}

int main(void)
{
	RUN(terms_of_several_come_once_with_their_documents_in_order);
	RUN(one_alone_comes_as_it_is);
	RUN(those_without_a_term_add_nothing);
	return tap_done();
}
