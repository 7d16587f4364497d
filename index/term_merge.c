/* SPDX-License-Identifier: Apache-2.0 */
#include "term_merge.h"

static void look_ahead(struct term_merge *m, unsigned i)
{
	const struct invert *v = m->from[i].invert;

	m->from[i].key =
		m->from[i].next < invert_count(v) ? invert_term(v, m->from[i].next).key : slice_of(NULL, 0);
}

void term_merge_add(struct term_merge *m, const struct invert *v)
{
	m->from[m->count].invert = v;
	look_ahead(m, m->count++);
}

static struct inverted_term take(struct term_merge *m, unsigned i)
{
	struct inverted_term t = invert_term(m->from[i].invert, m->from[i].next++);

	look_ahead(m, i);
	return t;
}

static void append(struct term_merge *m, const struct inverted_term *t)
{
	buf_add(&m->docs, t->docs, t->df * sizeof(*t->docs));
	buf_add(&m->tfs, t->tfs, t->df * sizeof(*t->tfs));
}

int term_merge_next(struct term_merge *m, struct inverted_term *out)
{
	unsigned first = m->count, holders = 0;
	struct slice key = {0};

	for (unsigned i = 0; i < m->count; i++) {
		int c = !m->from[i].key.len ? 1 : first == m->count ? -1 : slice_cmp(m->from[i].key, key);

		if (c < 0) {
			first = i;
			key = m->from[i].key;
			holders = 0;
		}
		holders += c <= 0;
	}
	if (!holders)
		return 0;
	*out = take(m, first);
	if (holders == 1)
		return 1;
	buf_clear(&m->docs);
	buf_clear(&m->tfs);
	append(m, out);
	for (unsigned i = first + 1; i < m->count; i++) {
		struct inverted_term t;

		if (!slice_eq(m->from[i].key, key))
			continue;
		t = take(m, i);
		append(m, &t);
		out->df += t.df;
	}
	out->docs = (const uint32_t *)m->docs.data;
	out->tfs = (const uint32_t *)m->tfs.data;
	return m->docs.failed || m->tfs.failed ? -ENOMEM : 1;
}

void term_merge_release(struct term_merge *m)
{
	buf_release(&m->docs);
	buf_release(&m->tfs);
	*m = (struct term_merge){0};
}
