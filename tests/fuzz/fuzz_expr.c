/* SPDX-License-Identifier: Apache-2.0 */
/* Any text is an expression or is refused with a reason; its negation gives the opposite answer. */
#include "expr.h"
#include "digest.h"
#include "query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An answer that depends on nothing but the test, so that evaluating again gives the same. */
static bool answer(void *ctx, const struct expr_test *test)
{
	uint64_t h = xxh64(test->field) ^ (xxh64(test->value) << 1) ^ (uint64_t)test->cmp;

	if (!test->field.len || (test->cmp != EXPR_IS && test->number != test->number))
		abort();
	return h & 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OWNED(expr) struct expr *e = NULL, *opposite = NULL;
	OWNED(query) struct query *q = NULL;
	OWNED_BUF text = {0}, negated = {0};
	struct err err = ERR_INIT;

	buf_add(&text, data, size);
	if (query_parse(&q, buf_cstr(&text), &err) < 0 && (q || !err.message[0]))
		abort();
	if (expr_parse(&e, buf_cstr(&text), &err) < 0) {
		if (e || !err.message[0])
			abort();
		return 0;
	}
	buf_add_str(&negated, "NOT (");
	buf_add_str(&negated, buf_cstr(&text));
	buf_add_str(&negated, ")");
	/* It may be refused for depth or length only, and then e was nearly at the bound. */
	if (expr_parse(&opposite, buf_cstr(&negated), &err) == 0 &&
		expr_eval(e, answer, NULL) == expr_eval(opposite, answer, NULL))
		abort();
	return 0;
}
