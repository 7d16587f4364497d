/* SPDX-License-Identifier: Apache-2.0 */
#include "projection.h"

/* Names while they are found, with repetitions. */
struct finder {
	const struct config *cfg;
	struct buf names; /* of struct slice, borrowed from cfg */
};

static struct slice first_part(struct slice field)
{
	const char *dot = memchr(field.data, '.', field.len);

	return dot ? slice_of(field.data, (size_t)(dot - field.data)) : field;
}

static void add_field(struct finder *f, struct slice field)
{
	struct slice name = first_part(field);

	buf_add(&f->names, &name, sizeof(name));
}

static void add_named(struct finder *f, const char *field)
{
	if (field)
		add_field(f, slice_str(field));
}

/* A field of documents may be one of an attribute's record, which is a record like any other. */
static void add_joined(struct finder *f, struct slice field)
{
	struct slice name = first_part(field);

	add_field(f, field);
	if (name.len == field.len)
		return;
	for (size_t i = 0; i < f->cfg->attribute_count; i++)
		if (slice_eq(name, slice_str(f->cfg->attributes[i].name)))
			add_field(f, slice_of(field.data + name.len + 1, field.len - name.len - 1));
}

static void add_test(void *ctx, const struct expr_test *test)
{
	add_joined(ctx, test->field);
}

static void add_own_test(void *ctx, const struct expr_test *test)
{
	add_field(ctx, test->field);
}

static void add_list(struct finder *f, const struct string_list *fields)
{
	for (size_t i = 0; i < fields->count; i++)
		add_joined(f, slice_str(fields->items[i]));
}

static void add_rule(struct finder *f, const struct attribute_rule *rule)
{
	expr_each_test(rule->when, add_own_test, f);
	add_named(f, rule->key);
	add_named(f, rule->on);
	add_named(f, rule->version);
}

static int by_name(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* Sorts, and leaves each once. */
static int take_names(struct finder *f, struct string_list *out)
{
	struct slice *names = (struct slice *)f->names.data;
	size_t count = f->names.len / sizeof(*names);

	if (buf_error(&f->names))
		return -ENOMEM;
	qsort(names, count, sizeof(*names), by_name);
	out->items = calloc(count, sizeof(*out->items));
	if (!out->items)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (i && slice_eq(names[i], names[i - 1]))
			continue;
		out->items[out->count] = strndup(names[i].data, names[i].len);
		if (!out->items[out->count])
			return -ENOMEM;
		out->count++;
	}
	return 0;
}

int projection_of(const struct config *cfg, struct string_list *out)
{
	struct finder f = {.cfg = cfg};
	int r;

	*out = (struct string_list){0};
	if (cfg->text_is_default)
		return 1;
	add_named(&f, cfg->id ? cfg->id : "id");
	add_named(&f, cfg->group);
	add_named(&f, cfg->op);
	add_named(&f, cfg->version);
	add_list(&f, &cfg->text);
	add_list(&f, &cfg->keyword);
	if (cfg->drop_if)
		expr_each_test(cfg->drop_if, add_test, &f);
	for (size_t i = 0; i < cfg->attribute_count; i++)
		add_rule(&f, &cfg->attributes[i]);
	r = take_names(&f, out);
	buf_release(&f.names);
	if (r < 0)
		string_list_release(out);
	return r;
}
