/* SPDX-License-Identifier: Apache-2.0 */
#include "string_list.h"

void string_list_release(struct string_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->items[i]);
	free(l->items);
	*l = (struct string_list){0};
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int add(struct string_list *l, const char *start, const char *end, struct err *err)
{
	struct slice item;

	while (start < end && is_blank(*start))
		start++;
	while (start < end && is_blank(end[-1]))
		end--;
	item = slice_of(start, (size_t)(end - start));
	if (!item.len)
		return err_set(err, -EINVAL, "element %zu of the list is empty", l->count + 1);
	for (size_t i = 0; i < l->count; i++) {
		if (slice_eq(slice_str(l->items[i]), item))
			return err_set(err, -EINVAL, "\"%s\" is in the list twice", l->items[i]);
	}
	l->items[l->count] = strndup(item.data, item.len);
	if (!l->items[l->count])
		return err_set(err, -ENOMEM, "out of memory");
	l->count++;
	return 0;
}

int string_list_parse(struct string_list *out, struct slice text, struct err *err)
{
	const char *p = text.data, *end = p + text.len, *comma;
	size_t elements = 1;
	int r;

	*out = (struct string_list){0};
	if (!text.len)
		return 0;
	for (size_t i = 0; i < text.len; i++)
		elements += text.data[i] == ',';
	out->items = calloc(elements, sizeof(*out->items));
	if (!out->items)
		return err_set(err, -ENOMEM, "out of memory");
	for (; elements; elements--, p = comma + 1) {
		comma = memchr(p, ',', (size_t)(end - p));
		if (!comma)
			comma = end;
		r = add(out, p, comma, err);
		if (r < 0) {
			string_list_release(out);
			return r;
		}
	}
	return 0;
}

void string_list_text(const struct string_list *l, struct buf *out)
{
	for (size_t i = 0; i < l->count; i++) {
		buf_add_str(out, i ? ", " : "");
		buf_add_str(out, l->items[i]);
	}
}
