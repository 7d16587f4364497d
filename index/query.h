/* SPDX-License-Identifier: Apache-2.0 */
/* index/query.h - boolean queries: `espresso (brand:Acme OR grind*) NOT decaf`. Grammar: expr.h.
 *
 * Words are normalised as indexing does: a text that gives several words (`wi-fi`, Han) means all of them. A prefix
 * stands for all terms that start so; of a text of several words the last is the prefix. */
#ifndef FRESHET_QUERY_H
#define FRESHET_QUERY_H

#include "generation.h"

#define QUERY_TERMS_MAX 1024   /* words, keywords and prefixes of one query */
#define QUERY_EXPAND_MAX 65536 /* terms that one prefix may stand for in a generation */

struct query; /* immutable: any number of threads may ask it, of any generation */

enum query_kind { QUERY_AND, QUERY_OR, QUERY_NOT, QUERY_TERM, QUERY_PREFIX };
#define QUERY_NONE UINT32_MAX
struct query_node {
	enum query_kind kind;
	uint32_t first, next; /* first child, next sibling, or QUERY_NONE */
	struct slice key;     /* of a term, or what keys start with: class byte and text */
};

/* Returns 0, -EINVAL (says where and why), -E2BIG (more than QUERY_TERMS_MAX) or -ENOMEM. */
int query_parse(struct query **out, const char *text, struct err *err);
void query_free(struct query *q); /* NULL is fine */
DEFINE_FREEP(query)
uint32_t query_root(const struct query *q);
const struct query_node *query_node(const struct query *q, uint32_t i);
/* Keys of the words that are not under a NOT (an even number of them is none), each once, sorted. */
size_t query_words(const struct query *q, const struct slice **keys);

/* Refuses prefixes of more than QUERY_EXPAND_MAX terms: -E2BIG; or 0, -EBADMSG, -ENOMEM. Depends on the terms of the
 * generation, not on how its segments are cut. */
int query_check(const struct query *q, const struct generation *g, struct err *err);
/* Appends the ids of all live documents that match, sorted, one a line. Returns 0, or as query_check(). */
int query_ids(const struct query *q, const struct generation *g, struct buf *out, struct err *err);

#endif
