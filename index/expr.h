/* SPDX-License-Identifier: Apache-2.0 */
/* index/expr.h - the one expression grammar, of `drop_if` and `when` and of queries:
 *
 *     expr  = and { "OR" and }
 *     and   = not { ["AND"] not }
 *     not   = "NOT" not | "(" expr ")" | test
 *     test  = FIELD ":" VALUE
 *           | FIELD ("<" | "<=" | ">" | ">=" | "=") NUMBER      drop_if and when only
 *           | WORD | WORD "*" | FIELD ":" VALUE "*" | FIELD ":*"     queries only
 *
 * FIELD is a dotted path (`campaign.status`). A FIELD, VALUE or WORD with blanks, parentheses, quotes, or that is
 * an operator word, or a VALUE or WORD that really ends in "*", is written in double quotes, where \" and \\ stand
 * for the character; a "*" behind the closing quote makes a prefix. No blank stands around ":"; around a
 * comparison there may be. A NUMBER is decimal (`-2.5e3`). Operators are upper case. Nesting is bounded by
 * EXPR_DEPTH_MAX, length by EXPR_TEXT_MAX. */
#ifndef FRESHET_EXPR_H
#define FRESHET_EXPR_H

#include "bytes.h"
#include "err.h"

#define EXPR_DEPTH_MAX 64
#define EXPR_TEXT_MAX 65536

struct expr; /* parsed, immutable: any number of threads may evaluate it */

enum expr_cmp {
	EXPR_IS,
	/* with `number`; never in a query: */
	EXPR_LT,
	EXPR_LE,
	EXPR_GT,
	EXPR_GE,
	EXPR_EQ,
	/* only in a query; the field is empty for words: */
	EXPR_WORD,
	EXPR_PREFIX,
};

/* One test of an expression, handed to the caller who knows what a field is. */
struct expr_test {
	struct slice field;
	enum expr_cmp cmp;
	struct slice value; /* the text of the value, without the star of a prefix */
	double number;      /* the same as a number, in a comparison */
};

/* A parsed expression is a tree of nodes, for those who do more with it than test one record. */
enum expr_kind { EXPR_AND, EXPR_OR, EXPR_NOT, EXPR_TEST };
#define EXPR_NONE UINT32_MAX
struct expr_node {
	enum expr_kind kind;
	uint32_t first, next; /* first child, next sibling, or EXPR_NONE */
	struct expr_test test;
};

/* Says whether one test holds; on a missing field it must say false. */
typedef bool expr_test_fn(void *ctx, const struct expr_test *test);

/* Parses NUL-terminated `text`. Returns 0; -EINVAL with the column (in characters, from 1) and what was
 * expected there; or -ENOMEM. Then *out is NULL. */
int expr_parse(struct expr **out, const char *text, struct err *err);
/* The same for a query. */
int expr_parse_query(struct expr **out, const char *text, struct err *err);
uint32_t expr_root(const struct expr *e);
const struct expr_node *expr_node(const struct expr *e, uint32_t i); /* reached from the root */
/* Of an expression without words and prefixes: not of a query. */
bool expr_eval(const struct expr *e, expr_test_fn *test, void *ctx);
/* Calls `fn` for each test in the expression. */
void expr_each_test(const struct expr *e, void (*fn)(void *ctx, const struct expr_test *test), void *ctx);
void expr_free(struct expr *e); /* NULL is fine */
DEFINE_FREEP(expr)

#endif
