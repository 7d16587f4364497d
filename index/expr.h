/* SPDX-License-Identifier: Apache-2.0 */
/* index/expr.h - the expression grammar of `drop_if` and `when`:
 *
 *     expr  = and { "OR" and }
 *     and   = not { ["AND"] not }
 *     not   = "NOT" not | "(" expr ")" | test
 *     test  = FIELD ":" VALUE | FIELD ("<" | "<=" | ">" | ">=" | "=") NUMBER
 *
 * FIELD is a dotted path (`campaign.status`). A FIELD or VALUE with blanks, parentheses, quotes or that is
 * an operator word is written in double quotes, where \" and \\ stand for the character. No blank
 * stands around ":"; around a comparison there may be. A NUMBER is decimal (`-2.5e3`). Operators are
 * upper case. Nesting is bounded by EXPR_DEPTH_MAX, length by EXPR_TEXT_MAX. */
#ifndef FRESHET_EXPR_H
#define FRESHET_EXPR_H

#include "bytes.h"
#include "err.h"

#define EXPR_DEPTH_MAX 64
#define EXPR_TEXT_MAX 65536

struct expr; /* parsed, immutable: any number of threads may evaluate it */

enum expr_cmp { EXPR_IS, EXPR_LT, EXPR_LE, EXPR_GT, EXPR_GE, EXPR_EQ };

/* One test of an expression, handed to the caller who knows what a field is. */
struct expr_test {
	struct slice field;
	enum expr_cmp cmp;
	struct slice value; /* the text of the value; for all but EXPR_IS also as a number: */
	double number;
};

/* Says whether one test holds; on a missing field it must say false. */
typedef bool expr_test_fn(void *ctx, const struct expr_test *test);

/* Parses NUL-terminated `text`. Returns 0; -EINVAL with the column (in characters, from 1) and what was
 * expected there; or -ENOMEM. Then *out is NULL. */
int expr_parse(struct expr **out, const char *text, struct err *err);
bool expr_eval(const struct expr *e, expr_test_fn *test, void *ctx);
/* Calls `fn` for each test in the expression. */
void expr_each_test(const struct expr *e, void (*fn)(void *ctx, const struct expr_test *test), void *ctx);
void expr_free(struct expr *e); /* NULL is fine */
DEFINE_FREEP(expr)

#endif
