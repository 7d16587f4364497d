/* SPDX-License-Identifier: Apache-2.0 */
#include "member.h"

#include <inttypes.h>
#include <stdio.h>
#include <yyjson.h>

#include "digest.h"

void members_fail(struct members *m, const char *key)
{
	if (!m->bad)
		m->bad = key;
}

int members_check(const struct members *m, struct err *err)
{
	return m->bad ? err_set(err, -EBADMSG, "\"%s\" is missing or cannot be", m->bad) : 0;
}

uint64_t member_u64(struct members *m, const char *key)
{
	yyjson_val *v = yyjson_obj_get(m->object, key);

	if (!yyjson_is_uint(v))
		members_fail(m, key);
	return yyjson_get_uint(v);
}

bool member_bool(struct members *m, const char *key)
{
	yyjson_val *v = yyjson_obj_get(m->object, key);

	if (!yyjson_is_bool(v))
		members_fail(m, key);
	return yyjson_get_bool(v);
}

struct slice member_text(struct members *m, const char *key)
{
	yyjson_val *v = yyjson_obj_get(m->object, key);

	if (!yyjson_is_str(v)) {
		members_fail(m, key);
		return slice_str("");
	}
	return slice_of(yyjson_get_str(v), yyjson_get_len(v));
}

void member_hex(struct members *m, const char *key, uint8_t *out, size_t len)
{
	if (!hex_parse(member_text(m, key), out, len))
		members_fail(m, key);
}

int64_t member_instant(struct members *m, const char *key)
{
	struct slice s = member_text(m, key);
	char text[INSTANT_MAX], again[INSTANT_MAX];
	int64_t t = 0;

	if (s.len >= INSTANT_MAX - 2) {
		members_fail(m, key);
		return 0;
	}
	snprintf(text, sizeof(text), "\"%.*s\"", (int)s.len, s.data);
	text[s.len + 1] = '\0';
	if (time_parse(text + 1, &t, NULL)) {
		members_fail(m, key);
		return 0;
	}
	text[s.len + 1] = '"';
	if (strcmp(text, instant_text(t, again)) != 0)
		members_fail(m, key);
	return t;
}

bool member_is_null(const struct members *m, const char *key)
{
	return yyjson_is_null(yyjson_obj_get(m->object, key));
}

void member_uuid(struct members *m, const char *key, char out[UUID_TEXT])
{
	struct slice s = member_text(m, key);

	memset(out, 0, UUID_TEXT);
	if (uuid_is_valid(s))
		memcpy(out, s.data, s.len);
	else
		members_fail(m, key);
}

const char *instant_text(int64_t t, char out[INSTANT_MAX])
{
	char text[TIME_TEXT_MAX];
	int64_t fraction = t == TIME_NONE ? 0 : (t % TIME_SECOND + TIME_SECOND) % TIME_SECOND;

	time_text(t, text);
	if (t == TIME_NONE)
		snprintf(out, INSTANT_MAX, "null");
	else if (fraction)
		snprintf(out, INSTANT_MAX, "\"%.*s.%09" PRId64 "Z\"", (int)strlen(text) - 1, text, fraction);
	else
		snprintf(out, INSTANT_MAX, "\"%s\"", text);
	return out;
}

void json_string_add(struct slice text, struct buf *out)
{
	buf_add_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = (uint8_t)text.data[i];

		if (c == '"' || c == '\\')
			buf_addf(out, "\\%c", c);
		else if (c == '\n')
			buf_add_str(out, "\\n");
		else if (c < 0x20 || c == 0x7F)
			buf_addf(out, "\\u%04x", c);
		else
			buf_add_byte(out, c);
	}
	buf_add_byte(out, '"');
}
