/* SPDX-License-Identifier: Apache-2.0 */
#include "name.h"

static bool is_control(uint8_t c)
{
	return c < 0x20 || c == 0x7f;
}

/* Length of the UTF-8 sequence at the start of `s`, or 0 when there is none: by the ranges of Unicode's
 * table 3-7, which leave out overlong forms, surrogates and what lies above U+10FFFF. */
static size_t utf8_step(const uint8_t *s, size_t len)
{
	uint8_t lead = s[0], low = 0x80, high = 0xbf;
	size_t n;

	if (lead < 0x80)
		return 1;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	n = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	if (len < n)
		return 0;
	if (lead == 0xe0)
		low = 0xa0;
	else if (lead == 0xed)
		high = 0x9f;
	else if (lead == 0xf0)
		low = 0x90;
	else if (lead == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

bool utf8_is_valid(struct slice s)
{
	const uint8_t *p = (const uint8_t *)s.data;
	size_t i = 0, n;

	while (i < s.len) {
		/* Most text is ASCII: eight bytes at a time. */
		while (s.len - i >= 8 && !(get_le64(p + i) & UINT64_C(0x8080808080808080)))
			i += 8;
		if (i == s.len)
			break;
		n = utf8_step(p + i, s.len - i);
		if (!n)
			return false;
		i += n;
	}
	return true;
}

/* Whether the byte `c` at position `at` of a string is escaped in its name. */
static bool is_escaped(uint8_t c, size_t at)
{
	return is_control(c) || c == '/' || c == '%' || (c == '.' && at == 0);
}

static void add_escape(struct buf *out, uint8_t c)
{
	static const char digits[] = "0123456789ABCDEF";
	char text[3] = {'%', digits[c >> 4], digits[c & 15]};

	buf_add(out, text, sizeof(text));
}

static size_t escaped_len(struct slice raw)
{
	size_t len = raw.len;

	if (len > NAME_MAX_BYTES)
		return len;
	for (size_t i = 0; i < raw.len; i++)
		len += is_escaped((uint8_t)raw.data[i], i) ? 2 : 0;
	return len;
}

int name_escape(struct slice raw, struct buf *out)
{
	size_t len = escaped_len(raw);

	if (!raw.len || len > NAME_MAX_BYTES || !utf8_is_valid(raw))
		return 0;
	if (len == raw.len) { /* nearly all, and listings have millions */
		buf_add_slice(out, raw);
		return 1;
	}
	for (size_t i = 0; i < raw.len; i++) {
		uint8_t c = (uint8_t)raw.data[i];

		if (is_escaped(c, i))
			add_escape(out, c);
		else
			buf_add_byte(out, c);
	}
	return 1;
}

static int upper_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Byte `at` of the string, from its spelling at the start of `s`: sets *c and returns how many bytes of
 * the name it took, or 0 when a name does not spell it so. */
static size_t unescape_step(struct slice s, size_t at, uint8_t *c)
{
	int high, low;

	*c = (uint8_t)s.data[0];
	if (*c != '%')
		return is_escaped(*c, at) ? 0 : 1;
	if (s.len < 3)
		return 0;
	high = upper_hex(s.data[1]);
	low = upper_hex(s.data[2]);
	if (high < 0 || low < 0)
		return 0;
	*c = (uint8_t)(high << 4 | low);
	return is_escaped(*c, at) ? 3 : 0;
}

int name_unescape(struct slice name, struct buf *out)
{
	uint8_t raw[NAME_MAX_BYTES], c;
	size_t len = 0, n;

	if (!name.len || name.len > NAME_MAX_BYTES)
		return 0;
	for (size_t i = 0; i < name.len; i += n) {
		n = unescape_step(slice_of(name.data + i, name.len - i), len, &c);
		if (!n)
			return 0;
		raw[len++] = c;
	}
	if (!utf8_is_valid(slice_of(raw, len)))
		return 0;
	buf_add(out, raw, len);
	return 1;
}

void name_print(struct slice raw, struct buf *out)
{
	const uint8_t *p = (const uint8_t *)raw.data;
	size_t n;

	for (size_t i = 0; i < raw.len; i += n) {
		n = utf8_step(p + i, raw.len - i);
		if (n && !is_control(p[i]) && p[i] != '%') {
			buf_add(out, p + i, n);
			continue;
		}
		add_escape(out, p[i]);
		n = 1;
	}
}

void line_print(struct slice message, struct buf *out)
{
	const uint8_t *p = (const uint8_t *)message.data;
	size_t n;

	for (size_t i = 0; i < message.len; i += n ? n : 1) {
		n = utf8_step(p + i, message.len - i);
		if (n && !is_control(p[i]))
			buf_add(out, p + i, n);
		else
			buf_add_byte(out, '?');
	}
}
