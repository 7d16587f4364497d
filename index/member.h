/* SPDX-License-Identifier: Apache-2.0 */
/* index/member.h - members of JSON objects from untrusted bytes (yyjson), and instants as they stand there.
 *
 * Members are taken one by one; the first that is missing or cannot be sticks, and the caller asks for it once, at the end. */
#ifndef FRESHET_MEMBER_H
#define FRESHET_MEMBER_H

#include "bytes.h"
#include "err.h"
#include "timefmt.h"
#include "uuid.h"

struct yyjson_val;

struct members {
	struct yyjson_val *object;
	const char *bad; /* the key of the first that cannot be; NULL: none */
};
void members_fail(struct members *m, const char *key);
/* 0, or -EBADMSG naming the member. */
int members_check(const struct members *m, struct err *err);

/* Each takes one member: where it is missing, or of another type, that sticks, and 0, false or the empty text is returned. */
uint64_t member_u64(struct members *m, const char *key);
bool member_bool(struct members *m, const char *key);
struct slice member_text(struct members *m, const char *key); /* as long as the document is */
void member_hex(struct members *m, const char *key, uint8_t *out, size_t len);
int64_t member_instant(struct members *m, const char *key); /* only the one text that instant_text() gives */
bool member_is_null(const struct members *m, const char *key);
void member_uuid(
	struct members *m, const char *key, char out[UUID_TEXT]); /* 36 small hex digits and dashes */

/* RFC 3339 in UTC, quoted, with nine digits of fraction where there is one; null for TIME_NONE. Returns out. */
#define INSTANT_MAX (TIME_TEXT_MAX + 16)
const char *instant_text(int64_t t, char out[INSTANT_MAX]);
/* Appends a JSON string, quoted. */
void json_string_add(struct slice text, struct buf *out);

#endif
