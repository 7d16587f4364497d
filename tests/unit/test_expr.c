/* SPDX-License-Identifier: Apache-2.0 */
#include "expr.h"
#include "tap.h"

#include <time.h>

/* A record for tests: "field=value" pairs, NULL-terminated. */
static bool holds(void *ctx, const struct expr_test *test)
{
	for (const char *const *pair = ctx; *pair; pair++) {
		const char *equals = strchr(*pair, '=');
		double v = strtod(equals + 1, NULL);

		if (!slice_eq(slice_of(*pair, (size_t)(equals - *pair)), test->field))
			continue;
		switch (test->cmp) {
		case EXPR_IS:
			return slice_eq(slice_str(equals + 1), test->value);
		case EXPR_LT:
			return v < test->number;
		case EXPR_LE:
			return v <= test->number;
		case EXPR_GT:
			return v > test->number;
		case EXPR_GE:
			return v >= test->number;
		case EXPR_EQ:
			return v == test->number;
		case EXPR_WORD:
		case EXPR_PREFIX:
			return false;
		}
	}
	return false;
}

static int eval_text(const char *text, const char *const *record)
{
	OWNED(expr) struct expr *e = NULL;
	struct err err = ERR_INIT;

	if (expr_parse(&e, text, &err) < 0) {
		tap_fail("%s: %s", text, err.message);
		return -1;
	}
	return expr_eval(e, holds, (void *)(uintptr_t)record);
}

static void expressions_hold_where_they_should(void)
{
	static const char *const record[] = {"a=1", "b=x y", "c.d=AND", "price=-2.5", "q=say \"hi\\\"",
		"e=", "t=k:v", "caf\xc3\xa9=au lait", "odd name=1", NULL};
	static const struct {
		const char *text;
		int want;
	} cases[] = {{"a:1", 1}, {"a:2", 0}, {"missing:1", 0}, {"NOT missing:1", 1}, {"b:\"x y\"", 1},
		{"c.d:\"AND\"", 1}, {"q:\"say \\\"hi\\\\\\\"\"", 1}, {"e:\"\"", 1}, {"a:\"\"", 0},
		{"t:k:v", 1}, {"caf\xc3\xa9:\"au lait\"", 1}, {"\"odd name\":1", 1}, {"\"a\":1", 1},
		{"price<0", 1}, {"price < -2", 1}, {"price<=-2.5", 1}, {"price>=-2.5", 1}, {"price>-2.5", 0},
		{"price=-25e-1", 1}, {"price= +0", 0}, {"missing<1", 0}, {"missing>=1", 0}, {"a:1 a:2", 0},
		{"a:1 AND a:1", 1}, {"a:2 OR a:1", 1}, {"a:2 OR a:1 a:2", 0}, {"a:1 OR a:1 a:2", 1},
		{"(a:1 OR a:1) a:2", 0}, {"a:2 a:2 OR a:1", 1}, {"NOT a:1 OR a:1", 1},
		{"NOT (a:1 OR a:1)", 0}, {"NOT NOT a:1", 1}, {"NOT a:2 a:1", 1}, {"NOT(a:2)", 1},
		{"((((a:1))))", 1}, {"  a:1\t", 1}, {"(a:1)(a:1)", 1}, {"a:1 NOT a:2", 1},
		{"a:2 OR a:2 OR a:2 OR a:1", 1}, {"ANDROID:1 OR a:1", 1}, {"a:1 ORDER:2", 0},
		{"NOTE:1 OR a:1", 1}, {"a:1 OR (a:2 AND NOT (a:1 OR a:2))", 1}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (eval_text(cases[i].text, record) != cases[i].want)
			tap_fail("%s gives the wrong answer", cases[i].text);
	}
}

static void wrong_words_are_refused_with_their_column(void)
{
	static const struct {
		const char *text, *want;
	} cases[] = {{"", "column 1 (the end)"}, {"   ", "column 4 (the end)"},
		{"a", "column 1: a word alone"}, {"a b:1", "column 1: a word alone"},
		{"a:", "column 3 (the end): expected a value"}, {"a: b", "column 3: expected a value"},
		{"a:1 OR", "column 7 (the end): expected FIELD"}, {"a:1 AND", "column 8 (the end)"},
		{"OR a:1", "column 1: expected FIELD:VALUE here"}, {"AND:1", "column 1"},
		{"a:1 AND OR b:1", "column 9"}, {"a:AND", "column 3: AND, OR and NOT"},
		{"(a:1", "column 1: this parenthesis is never closed"},
		{"a:1)", "column 4: this parenthesis was"}, {"()", "column 2: expected FIELD"},
		{"a:1 (b:2 OR (c:3)", "column 5: this parenthesis"}, {"a:\"x", "column 3: this quote"},
		{"a:\"x\\n\"", "column 6: after \\"}, {"a:\"x\\", "column 5: after"},
		{"a:x\"y\"", "column 4: a quote inside"}, {"a:\"x\"y", "column 6: expected a blank"},
		{":1", "column 1: expected FIELD"}, {"\"\":1", "column 1: a field has a name"},
		{"a<", "column 3 (the end)"}, {"a<x", "column 3: expected a decimal"}, {"a<0x10", "column 3"},
		{"a<inf", "column 3"}, {"a<1e999", "column 3"}, {"a<nan", "column 3"}, {"a<<1", "column 3"},
		{"a==1", "column 3"}, {"a=<1", "column 3"}, {"a:1 NOT", "column 8 (the end)"},
		{"\xc3\xa9:1 \xc3\xa9", "column 5: a word alone"}, {"a:\xff", "UTF-8"}, {"a :1", "column 1"},
		{"a:x*", "column 3: only queries know prefixes"}, {"a:\"x\"*", "column 3: only queries"},
		{"a:*", "column 3: only queries"}, {"a* b:1", "column 1: a word alone"},
		{"a<1*", "column 3"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct expr *e = (struct expr *)1;
		struct err err = ERR_INIT;

		if (expr_parse(&e, cases[i].text, &err) != -EINVAL)
			tap_fail("%s was taken", cases[i].text);
		check(!e);
		if (!strstr(err.message, cases[i].want))
			tap_fail("%s: \"%s\", want \"%s\"", cases[i].text, err.message, cases[i].want);
	}
}

/* A query written out in full: + and &, | between children, parentheses everywhere. */
static void spell(const struct expr *e, uint32_t i, struct buf *out)
{
	static const char *const signs[] = {
		[EXPR_IS] = "=", [EXPR_WORD] = "w", [EXPR_PREFIX] = "p", [EXPR_LT] = "<"};
	const struct expr_node *n = expr_node(e, i);

	if (n->kind == EXPR_TEST) {
		buf_addf(out, "%s[%.*s,%.*s]", signs[n->test.cmp], (int)n->test.field.len, n->test.field.data,
			(int)n->test.value.len, n->test.value.data);
		return;
	}
	buf_add_str(out, n->kind == EXPR_NOT ? "!(" : n->kind == EXPR_AND ? "&(" : "|(");
	for (i = n->first; i != EXPR_NONE; i = expr_node(e, i)->next)
		spell(e, i, out);
	buf_add_str(out, ")");
}

static void queries_know_words_and_prefixes(void)
{
	static const struct {
		const char *text, *want;
	} cases[] = {{"espresso", "w[,espresso]"}, {"grind*", "p[,grind]"}, {"brand:Acme", "=[brand,Acme]"},
		{"brand:Ac*", "p[brand,Ac]"}, {"brand:*", "p[brand,]"}, {"brand:\"Ac*\"", "=[brand,Ac*]"},
		{"brand:\"A c\"*", "p[brand,A c]"}, {"\"a b\"", "w[,a b]"}, {"\"a b\"*", "p[,a b]"},
		{"\"AND\"", "w[,AND]"}, {"c++", "w[,c++]"}, {"wi-fi", "w[,wi-fi]"}, {"t:a:b", "=[t,a:b]"},
		{"t:a*b", "=[t,a*b]"}, {"\"odd f\":x", "=[odd f,x]"}, {"t:\"\"", "=[t,]"},
		{"a b", "&(w[,a]w[,b])"}, {"a OR b c", "|(w[,a]&(w[,b]w[,c]))"}, {"NOT a", "!(w[,a])"},
		{"a (b:x OR c*) NOT d", "&(w[,a]|(=[b,x]p[,c])!(w[,d]))"}, {"t:a<b", "=[t,a<b]"},
		{"\"a<b\"", "w[,a<b]"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		OWNED(expr) struct expr *e = NULL;
		OWNED_BUF got = {0};
		struct err err = ERR_INIT;

		if (expr_parse_query(&e, cases[i].text, &err) < 0) {
			tap_fail("%s: %s", cases[i].text, err.message);
			continue;
		}
		spell(e, expr_root(e), &got);
		check_str(buf_cstr(&got), cases[i].want);
	}
}

static void queries_refuse_what_they_do_not_know(void)
{
	static const struct {
		const char *text, *want;
	} cases[] = {{"", "column 1 (the end): expected a word"},
		{"a<1", "column 2: a query compares no numbers"}, {"a=1", "column 2: a query"},
		{"\"a\">=1", "column 4: a query"}, {"*", "column 1: expected letters"},
		{"a*b", "column 1: a * stands at the end"}, {"**", "column 1: a * stands"},
		{"\"\"", "column 1: a word has letters"}, {"\"\"*", "column 1: expected letters"},
		{"a\"b\"", "column 2: a quote inside"}, {"\"a\"b", "column 4: expected a blank"},
		{":x", "column 1: expected a word"}, {"\"\":x", "column 1: a field has a name"},
		{"a OR OR b", "column 6: expected a word or FIELD:VALUE here"},
		{"(a", "column 1: this parenthesis"}, {"a NOT", "column 6 (the end)"}, {"\xff", "UTF-8"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct expr *e = (struct expr *)1;
		struct err err = ERR_INIT;

		if (expr_parse_query(&e, cases[i].text, &err) != -EINVAL)
			tap_fail("%s was taken", cases[i].text);
		check(!e);
		if (!strstr(err.message, cases[i].want))
			tap_fail("%s: \"%s\", want \"%s\"", cases[i].text, err.message, cases[i].want);
	}
}

static bool see_test(void *ctx, const struct expr_test *test)
{
	*(struct expr_test *)ctx = *test;
	return true;
}

static void tests_carry_their_number_and_text(void)
{
	OWNED(expr) struct expr *e = NULL;
	struct expr_test seen = {0};

	check_int(expr_parse(&e, "campaign.budget_left <= -1.50", NULL), 0);
	check(expr_eval(e, see_test, &seen));
	check_slice(seen.field, "campaign.budget_left");
	check_slice(seen.value, "-1.50");
	check(seen.cmp == EXPR_LE && seen.number == -1.5);
}

/* (((…a:1…))) and NOT NOT … a:1, `depth` levels deep. */
static int parse_deep(const char *open, const char *close, int depth)
{
	OWNED(expr) struct expr *e = NULL;
	OWNED_BUF text = {0};

	for (int i = 0; i < depth; i++)
		buf_add_str(&text, open);
	buf_add_str(&text, "a:1");
	for (int i = 0; i < depth; i++)
		buf_add_str(&text, close);
	return expr_parse(&e, buf_cstr(&text), NULL);
}

static void depth_is_bounded(void)
{
	check_int(parse_deep("(", ")", EXPR_DEPTH_MAX - 1), 0);
	check_int(parse_deep("(", ")", EXPR_DEPTH_MAX), -EINVAL);
	check_int(parse_deep("NOT ", "", EXPR_DEPTH_MAX - 1), 0);
	check_int(parse_deep("NOT ", "", EXPR_DEPTH_MAX), -EINVAL);
	check_int(parse_deep("NOT (", ")", EXPR_DEPTH_MAX / 2), -EINVAL);
	check_int(parse_deep("(", ")", 20000), -EINVAL);
}

static void length_is_bounded_and_long_chains_are_flat(void)
{
	static const char *const record[] = {"a=1", "z=1", NULL};
	OWNED(expr) struct expr *e = NULL;
	OWNED_BUF text = {0};

	while (text.len + 7 <= EXPR_TEXT_MAX - 3)
		buf_add_str(&text, "z:9 OR ");
	buf_add_str(&text, "a:1");
	check_int(eval_text(buf_cstr(&text), record), 1);
	while (text.len <= EXPR_TEXT_MAX)
		buf_add_str(&text, " ");
	check_int(expr_parse(&e, buf_cstr(&text), NULL), -EINVAL);
}

/* Random expressions, written from a known tree with redundant parentheses, against direct evaluation. */
static uint64_t rng;

static uint64_t noise(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	return rng ^= rng << 17;
}

static bool write_random(struct buf *out, int depth)
{
	unsigned kind = depth > 6 ? 0 : noise() % 4;
	bool value, other;

	if (kind == 0) {
		value = noise() % 2;
		buf_add_str(out, value ? "a:1" : "a:2");
		return value;
	}
	buf_add_str(out, kind == 1 ? "NOT (" : "(");
	value = write_random(out, depth + 1);
	if (kind == 1) {
		buf_add_str(out, ")");
		return !value;
	}
	buf_add_str(out, kind == 2 ? " OR " : noise() % 2 ? " AND " : " ");
	other = write_random(out, depth + 1);
	buf_add_str(out, ")");
	return kind == 2 ? value || other : value && other;
}

static void random_trees_evaluate_as_written(void)
{
	static const char *const record[] = {"a=1", NULL};

	for (int i = 0; i < 20000; i++) {
		OWNED_BUF text = {0};
		bool want = write_random(&text, 0);

		if (eval_text(buf_cstr(&text), record) != want)
			tap_fail("%s is not %d", buf_cstr(&text), want);
		if (tap_bad)
			break;
	}
}

int main(void)
{
	const char *seed = getenv("FRESHET_SEED");

	rng = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL) * 2654435761u;
	rng += !rng;
	printf("# FRESHET_SEED=%" PRIu64 "\n", rng);
	RUN(expressions_hold_where_they_should);
	RUN(wrong_words_are_refused_with_their_column);
	RUN(queries_know_words_and_prefixes);
	RUN(queries_refuse_what_they_do_not_know);
	RUN(tests_carry_their_number_and_text);
	RUN(depth_is_bounded);
	RUN(length_is_bounded_and_long_chains_are_flat);
	RUN(random_trees_evaluate_as_written);
	return tap_done();
}
