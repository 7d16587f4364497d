/* SPDX-License-Identifier: Apache-2.0 */
#include "analyst.h"

struct analyst {
	struct record_parser *parser; /* owned */
	atomic_int *stop;
};

static void add_term(void *ctx, enum term_class cls, const char *text, size_t len)
{
	invert_add(ctx, (char)cls, text, len);
}

int analyst_analyse(void *ctx, struct slice record, struct invert *v, struct err *err)
{
	struct analyst *a = ctx;

	if (a->stop && *a->stop)
		return err_set(err, -EINTR, "stopped while writing");
	return record_analyse(a->parser, record, add_term, v, err);
}

int analysts_init(struct analysts *a, const struct config *cfg, unsigned count, attribute_fn *join,
	void *join_ctx, atomic_int *stop, struct err *err)
{
	int r = 0;

	*a = (struct analysts){.count = count};
	a->list = calloc(count, sizeof(*a->list));
	a->ctxs = calloc(count, sizeof(*a->ctxs));
	if (!a->list || !a->ctxs)
		return err_set(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; r == 0 && i < count; i++) {
		a->list[i].stop = stop;
		a->ctxs[i] = &a->list[i];
		r = record_parser_new(&a->list[i].parser, cfg, err);
		if (r == 0)
			record_join(a->list[i].parser, join, join_ctx);
	}
	return r;
}

void analysts_release(struct analysts *a)
{
	for (unsigned i = 0; a->list && i < a->count; i++)
		record_parser_free(a->list[i].parser);
	free(a->list);
	free(a->ctxs);
	*a = (struct analysts){0};
}
