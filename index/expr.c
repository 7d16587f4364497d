/* SPDX-License-Identifier: Apache-2.0 */
/* A tree of nodes in one array. AND and OR have any number of children, chained by `next`, so the depth
 * of the recursion is that of the parentheses and NOTs as written, never the length of the text. */
#include "expr.h"
#include "name.h"

#include <math.h>

struct expr {
	char *text; /* owned; fields and values point in here, quoted ones unescaped in place */
	struct expr_node *nodes;
	uint32_t count, cap;
	uint32_t root;
};

struct parser {
	struct expr *e;
	const char *start; /* the caller's text, for columns */
	size_t at, len;
	int depth;
	bool query;
	struct err *err;
};

void expr_free(struct expr *e)
{
	if (!e)
		return;
	free(e->text);
	free(e->nodes);
	free(e);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Where a bare word ends, whatever it is. */
static bool ends_word(char c)
{
	return !c || is_blank(c) || c == '(' || c == ')' || c == '"';
}

static char look(const struct parser *p)
{
	return p->at < p->len ? p->start[p->at] : 0;
}

static void skip_blanks(struct parser *p)
{
	while (is_blank(look(p)))
		p->at++;
}

/* People count characters, not bytes. */
static int fail(struct parser *p, size_t at, const char *what)
{
	size_t column = 1;

	for (size_t i = 0; i < at; i++)
		column += (p->start[i] & 0xc0) != 0x80;
	if (at == p->len)
		return err_set(p->err, -EINVAL, "column %zu (the end): %s", column, what);
	return err_set(p->err, -EINVAL, "column %zu: %s", column, what);
}

static bool is_operator(struct slice word)
{
	return slice_eq(word, slice_str("AND")) || slice_eq(word, slice_str("OR")) ||
	       slice_eq(word, slice_str("NOT"));
}

/* Takes the operator `word` off the text if it stands there as a whole word. */
static bool take_operator(struct parser *p, const char *word)
{
	size_t n = strlen(word);

	skip_blanks(p);
	if (p->len - p->at < n || memcmp(p->start + p->at, word, n) != 0)
		return false;
	if (p->at + n < p->len && !ends_word(p->start[p->at + n]))
		return false;
	p->at += n;
	return true;
}

static int node_new(struct parser *p, enum expr_kind kind, uint32_t *out)
{
	struct expr *e = p->e;
	struct expr_node *grown;
	uint32_t cap;

	if (e->count == e->cap) {
		cap = e->cap ? e->cap * 2 : 8;
		grown = realloc(e->nodes, cap * sizeof(*grown));
		if (!grown)
			return err_set(p->err, -ENOMEM, "out of memory");
		e->nodes = grown;
		e->cap = cap;
	}
	*out = e->count++;
	e->nodes[*out] = (struct expr_node){.kind = kind, .first = EXPR_NONE, .next = EXPR_NONE};
	return 0;
}

/* A text in double quotes, unescaped into the expression's own copy at the same place: never longer. */
static int parse_quoted(struct parser *p, struct slice *out)
{
	size_t open = p->at++, to = p->at;
	char c;

	*out = slice_of(p->e->text + to, 0);
	while ((c = look(p)) != '"') {
		if (c == '\\') {
			c = p->at + 1 < p->len ? p->start[++p->at] : 0;
			if (c != '"' && c != '\\')
				return fail(p, p->at, "after \\ in quotes comes \" or \\");
		}
		if (!c)
			return fail(p, open, "this quote is never closed");
		p->e->text[to++] = c;
		p->at++;
		out->len++;
	}
	p->at++;
	return 0;
}

static int quote_end(struct parser *p, bool *star)
{
	*star = look(p) == '*';
	p->at += *star;
	return ends_word(look(p)) ? 0 : fail(p, p->at, "expected a blank or a parenthesis after the quotes");
}

/* Takes the star off a bare text. */
static void star_end(struct slice *text, bool *star)
{
	*star = text->len && text->data[text->len - 1] == '*';
	text->len -= *star;
}

/* `star` says that it is the beginning of one: behind it stands a "*". */
static int parse_value(struct parser *p, struct slice *out, bool *star)
{
	size_t start = p->at;

	if (look(p) == '"') {
		int r = parse_quoted(p, out);

		return r < 0 ? r : quote_end(p, star);
	}
	while (!ends_word(look(p)))
		p->at++;
	*out = slice_of(p->e->text + start, p->at - start);
	if (!out->len)
		return fail(p, start, "expected a value here (\"\" is the empty one)");
	if (look(p) == '"')
		return fail(p, p->at, "a quote inside a word: put all of it in quotes");
	if (is_operator(*out))
		return fail(p, start, "AND, OR and NOT are operators: as a value, put them in quotes");
	star_end(out, star);
	return 0;
}

/* A decimal number as JSON has them, with an optional sign of either kind. No infinities, no hex. */
static bool number_parse(struct slice s, double *out)
{
	char text[64], *end;

	if (!s.len || s.len >= sizeof(text))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (!strchr("0123456789+-.eE", s.data[i]))
			return false;
	}
	memcpy(text, s.data, s.len);
	text[s.len] = 0;
	*out = strtod(text, &end);
	return !*end && isfinite(*out);
}

static bool take_cmp(struct parser *p, enum expr_cmp *out)
{
	char c = look(p);

	if (c != '<' && c != '>' && c != '=')
		return false;
	p->at++;
	*out = c == '<' ? EXPR_LT : c == '>' ? EXPR_GT : EXPR_EQ;
	if (c != '=' && look(p) == '=') {
		p->at++;
		*out = c == '<' ? EXPR_LE : EXPR_GE;
	}
	return true;
}

static int parse_field(struct parser *p, struct slice *out)
{
	size_t start = p->at;

	if (look(p) == '"')
		return parse_quoted(p, out);
	while (!ends_word(look(p)) && !strchr(":<>=", look(p)))
		p->at++;
	*out = slice_of(p->e->text + start, p->at - start);
	if (!out->len)
		return fail(p, start,
			p->query ? "expected a word, FIELD:VALUE, NOT or ("
				 : "expected FIELD:VALUE, NOT or (");
	if (is_operator(*out))
		return fail(p, start,
			p->query ? "expected a word or FIELD:VALUE here, not an operator"
				 : "expected FIELD:VALUE here, not an operator");
	return 0;
}

/* A word, or the beginning of some: `test->field` is what was read. */
static int parse_word(struct parser *p, size_t start, struct expr_test *test)
{
	bool quoted = p->start[start] == '"', star = false;
	char next = look(p);

	if (next && strchr("<>=", next))
		return fail(p, p->at, "a query compares no numbers: it has words, FIELD:VALUE and prefixes");
	if (quoted && quote_end(p, &star) < 0)
		return -EINVAL;
	if (!quoted && next == '"')
		return fail(p, p->at, "a quote inside a word: put all of it in quotes");
	test->value = test->field;
	test->field = slice_of(NULL, 0);
	if (!quoted)
		star_end(&test->value, &star);
	if (!quoted && memchr(test->value.data, '*', test->value.len))
		return fail(p, start, "a * stands at the end of a word, for all words that start so");
	if (!test->value.len)
		return fail(p, start, star ? "expected letters in front of the *" : "a word has letters");
	test->cmp = star ? EXPR_PREFIX : EXPR_WORD;
	return 0;
}

static int parse_comparison(struct parser *p, size_t start, struct expr_test *test)
{
	bool star;
	int r;

	skip_blanks(p);
	if (!take_cmp(p, &test->cmp))
		return fail(p, start, "a word alone tests nothing: expected FIELD:VALUE");
	skip_blanks(p);
	start = p->at;
	r = parse_value(p, &test->value, &star);
	if (r == 0 && (star || !number_parse(test->value, &test->number)))
		return fail(p, start, "expected a decimal number");
	return r;
}

static int parse_keyword(struct parser *p, size_t start, struct expr_test *test)
{
	bool star = false;
	int r;

	if (!test->field.len)
		return fail(p, start, "a field has a name");
	start = ++p->at;
	r = parse_value(p, &test->value, &star);
	if (r == 0 && star && !p->query)
		return fail(p, start, "only queries know prefixes: a value that ends in * is put in quotes");
	if (star)
		test->cmp = EXPR_PREFIX;
	return r;
}

static int parse_test(struct parser *p, uint32_t *out)
{
	struct expr_test test = {.cmp = EXPR_IS};
	size_t start = p->at;
	int r = parse_field(p, &test.field);

	if (r < 0)
		return r;
	if (look(p) == ':')
		r = parse_keyword(p, start, &test);
	else if (p->query)
		r = parse_word(p, start, &test);
	else if (!test.field.len)
		r = fail(p, start, "a field has a name");
	else
		r = parse_comparison(p, start, &test);
	if (r == 0)
		r = node_new(p, EXPR_TEST, out);
	if (r == 0)
		p->e->nodes[*out].test = test;
	return r;
}

static int parse_or(struct parser *p, uint32_t *out);

static int parse_not_operand(struct parser *p, uint32_t *out)
{
	uint32_t child;
	int r;

	if (look(p) == '(') {
		size_t open = p->at++;

		r = parse_or(p, out);
		if (r < 0)
			return r;
		if (look(p) != ')')
			return fail(p, open, "this parenthesis is never closed");
		p->at++;
		return 0;
	}
	if (!take_operator(p, "NOT"))
		return parse_test(p, out);
	skip_blanks(p);
	r = node_new(p, EXPR_NOT, out);
	if (r < 0)
		return r;
	if (p->depth >= EXPR_DEPTH_MAX)
		return fail(p, p->at, "nested too deeply");
	p->depth++;
	r = parse_not_operand(p, &child);
	p->depth--;
	if (r == 0)
		p->e->nodes[*out].first = child;
	return r;
}

/* One or more operands of `kind`: a lone one stands for itself, more become the children of a node. */
static int parse_chain(struct parser *p, enum expr_kind kind, uint32_t *out)
{
	uint32_t first = EXPR_NONE, last = EXPR_NONE, child;
	int r;

	for (;;) {
		skip_blanks(p);
		r = kind == EXPR_OR ? parse_chain(p, EXPR_AND, &child) : parse_not_operand(p, &child);
		if (r < 0)
			return r;
		if (first == EXPR_NONE)
			first = child;
		else
			p->e->nodes[last].next = child;
		last = child;
		skip_blanks(p);
		if (kind == EXPR_OR) {
			if (!take_operator(p, "OR"))
				break;
		} else if (!take_operator(p, "AND")) {
			size_t here = p->at;
			bool ends = here == p->len || look(p) == ')' || take_operator(p, "OR");

			p->at = here;
			if (ends)
				break;
		}
	}
	*out = first;
	if (first == last)
		return 0;
	r = node_new(p, kind, out);
	if (r == 0)
		p->e->nodes[*out].first = first;
	return r;
}

static int parse_or(struct parser *p, uint32_t *out)
{
	int r;

	if (p->depth >= EXPR_DEPTH_MAX)
		return fail(p, p->at, "nested too deeply");
	p->depth++;
	r = parse_chain(p, EXPR_OR, out);
	p->depth--;
	return r;
}

static int parse(struct expr **out, const char *text, bool query, struct err *err)
{
	OWNED(expr) struct expr *e = calloc(1, sizeof(*e));
	struct parser p = {e, text, 0, strlen(text), 0, query, err};
	int r;

	*out = NULL;
	if (p.len > EXPR_TEXT_MAX)
		return err_set(err, -EINVAL, "%zu bytes are more than an expression may have (%d)", p.len,
			EXPR_TEXT_MAX);
	if (!utf8_is_valid(slice_of(text, p.len)))
		return err_set(err, -EINVAL, "not valid UTF-8");
	if (e)
		e->text = strdup(text);
	if (!e || !e->text)
		return err_set(err, -ENOMEM, "out of memory");
	r = parse_or(&p, &e->root);
	if (r < 0)
		return r;
	if (p.at < p.len)
		return fail(&p, p.at, "this parenthesis was never opened");
	*out = steal(&e);
	return 0;
}

int expr_parse(struct expr **out, const char *text, struct err *err)
{
	return parse(out, text, false, err);
}

int expr_parse_query(struct expr **out, const char *text, struct err *err)
{
	return parse(out, text, true, err);
}

uint32_t expr_root(const struct expr *e)
{
	return e->root;
}

const struct expr_node *expr_node(const struct expr *e, uint32_t i)
{
	return &e->nodes[i];
}

static bool eval(const struct expr *e, uint32_t i, expr_test_fn *test, void *ctx)
{
	const struct expr_node *n = &e->nodes[i];

	switch (n->kind) {
	case EXPR_TEST:
		return test(ctx, &n->test);
	case EXPR_NOT:
		return !eval(e, n->first, test, ctx);
	case EXPR_AND:
	case EXPR_OR:
		break;
	}
	for (i = n->first; i != EXPR_NONE; i = e->nodes[i].next) {
		if (eval(e, i, test, ctx) == (n->kind == EXPR_OR))
			return n->kind == EXPR_OR;
	}
	return n->kind == EXPR_AND;
}

bool expr_eval(const struct expr *e, expr_test_fn *test, void *ctx)
{
	return eval(e, e->root, test, ctx);
}

void expr_each_test(const struct expr *e, void (*fn)(void *ctx, const struct expr_test *test), void *ctx)
{
	for (uint32_t i = 0; i < e->count; i++)
		if (e->nodes[i].kind == EXPR_TEST)
			fn(ctx, &e->nodes[i].test);
}
