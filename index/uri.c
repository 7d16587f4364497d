/* SPDX-License-Identifier: Apache-2.0 */
#include "uri.h"

static bool is_unreserved(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '.' || c == '_' || c == '~';
}

void uri_encode(struct slice raw, bool path, struct buf *out)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < raw.len; i++) {
		unsigned char c = (unsigned char)raw.data[i];

		if (is_unreserved(c) || (path && c == '/')) {
			buf_add_byte(out, c);
			continue;
		}
		buf_add_byte(out, '%');
		buf_add_byte(out, digits[c >> 4]);
		buf_add_byte(out, digits[c & 15]);
	}
}

static int digit_of(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

int uri_decode(struct slice text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		int high, low;

		if (text.data[i] != '%') {
			buf_add_byte(out, text.data[i] == '+' ? ' ' : text.data[i]);
			continue;
		}
		if (text.len - i < 3)
			return 0;
		high = digit_of(text.data[i + 1]);
		low = digit_of(text.data[i + 2]);
		if (high < 0 || low < 0)
			return 0;
		buf_add_byte(out, high << 4 | low);
		i += 2;
	}
	return 1;
}

struct encoded {
	struct buf name, value;
};

static int encoded_cmp(const void *a, const void *b)
{
	const struct encoded *x = a, *y = b;
	int c = slice_cmp(buf_slice(&x->name), buf_slice(&y->name));

	return c ? c : slice_cmp(buf_slice(&x->value), buf_slice(&y->value));
}

void uri_query(const struct uri_pair *pairs, size_t count, struct buf *out)
{
	struct encoded all[URI_PAIRS_MAX] = {0};

	for (size_t i = 0; i < count; i++) {
		uri_encode(slice_str(pairs[i].name), false, &all[i].name);
		uri_encode(slice_str(pairs[i].value), false, &all[i].value);
	}
	if (count)
		qsort(all, count, sizeof(all[0]), encoded_cmp);
	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_add_byte(out, '&');
		buf_add_slice(out, buf_slice(&all[i].name));
		buf_add_byte(out, '=');
		buf_add_slice(out, buf_slice(&all[i].value));
		out->failed |= all[i].name.failed || all[i].value.failed;
		buf_release(&all[i].name);
		buf_release(&all[i].value);
	}
}
