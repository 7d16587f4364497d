/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/query_model.h - random queries with their answer for one text, and the documents of random
 * generations as a plain array. */
#ifndef FRESHET_QUERY_MODEL_H
#define FRESHET_QUERY_MODEL_H

#include "published.h"

#define IDS 400

struct model_doc {
	struct doc doc;
	int64_t named;
	bool there;
};
struct model {
	struct model_doc docs[IDS]; /* by the number in the id, which is the order of the ids */
};

static inline void model_add(struct model *m, const struct doc *docs, size_t count, int64_t ts)
{
	for (size_t i = 0; i < count; i++)
		m->docs[atoi(docs[i].id + 4)] = (struct model_doc){docs[i], ts, true};
}

static inline bool model_shows(const struct model_doc *d, int64_t horizon)
{
	return d->there && d->named > horizon && d->doc.text && strncmp(d->doc.text, "hide", 4) != 0;
}

/* How often a text has a word, or a word that starts so. */
static inline unsigned word_count(const char *text, const char *word, bool prefix)
{
	size_t len = strlen(word);
	unsigned n = 0;

	for (const char *p = text; (p = strstr(p, word)); p++)
		n += (p == text || p[-1] == ' ') && (prefix || p[len] == ' ' || !p[len]);
	return n;
}

/* A query as text and as a tree. */
struct random_query {
	struct buf text;
	struct random_node {
		char kind; /* & | ! w p */
		char word[16];
		int a, b;
	} nodes[64];
	int count;
};

static inline int random_node(struct random_query *q, uint64_t *seed, int depth)
{
	static const char *const words[][2] = {
		{"all", ""}, {"w", ""}, {"w", ""}, {"k:", ":x"}, {"rare", ""}, {"none", ""}};
	int at = q->count++;
	struct random_node *n = &q->nodes[at];
	unsigned kind = depth > 3 ? 0 : seed_below(seed, 5);

	if (kind <= 1) {
		const char *const *word = words[seed_below(seed, 6)];

		n->kind = seed_below(seed, 4) ? 'w' : 'p';
		if (**word == 'a')
			strcpy(n->word, "all");
		else
			snprintf(n->word, sizeof(n->word), "%s%u%s", word[0],
				seed_below(seed, **word == 'r' ? IDS : 12), word[1]);
		if (n->kind == 'p' && seed_below(seed, 2) && !strchr(n->word, ':'))
			n->word[1 + seed_below(seed, 2)] = 0;
		buf_addf(&q->text, "%s%s", n->word, n->kind == 'p' ? "*" : "");
		return at;
	}
	n->kind = kind == 2 ? '!' : kind == 3 ? '|' : '&';
	buf_add_str(&q->text, kind == 2 ? "NOT (" : "(");
	n->a = random_node(q, seed, depth + 1);
	if (kind != 2) {
		buf_add_str(&q->text, kind == 3 ? " OR " : seed_below(seed, 2) ? " AND " : " ");
		q->nodes[at].b = random_node(q, seed, depth + 1);
	}
	buf_add_str(&q->text, ")");
	return at;
}

static inline bool random_holds(const struct random_query *q, int at, const char *text)
{
	const struct random_node *n = &q->nodes[at];

	switch (n->kind) {
	case '!':
		return !random_holds(q, n->a, text);
	case '&':
		return random_holds(q, n->a, text) && random_holds(q, n->b, text);
	case '|':
		return random_holds(q, n->a, text) || random_holds(q, n->b, text);
	default:
		/* A word's prefix takes words only, a keyword's keywords. */
		if (n->kind == 'p' && !strchr(n->word, ':') && *n->word == 'k')
			return false;
		return word_count(text, n->word, n->kind == 'p') > 0;
	}
}

#endif
