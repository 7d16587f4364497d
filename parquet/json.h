/* SPDX-License-Identifier: Apache-2.0 */
/* parquet/json.h - single values as JSON that loses nothing (docs/records.md says how each looks). What is appended to `out` fails as its
 * struct buf does. */
#ifndef FRESHET_PARQUET_JSON_H
#define FRESHET_PARQUET_JSON_H

#include "bytes.h"

void json_string(struct buf *out, struct slice s); /* valid UTF-8, which stays as it is */
void json_base64(struct buf *out, struct slice s); /* a string of it, with padding */
void json_int(struct buf *out, int64_t v);
void json_uint(struct buf *out, uint64_t v);
/* `v` divided by ten to the power `scale` (<= 38), with as many decimals. */
void json_decimal(struct buf *out, __int128 v, unsigned scale);
/* The shortest text that reads back the same, as the type that it has; `v` is finite. */
void json_double(struct buf *out, double v);
void json_float(struct buf *out, float v);

/* Strings. `per_second`: units a second of `v`: 1, 1000, 1000000 or 1000000000. */
void json_date(struct buf *out, int64_t days); /* since 1970-01-01 */
void json_time(struct buf *out, int64_t v, int64_t per_second, const char *zone);
void json_timestamp(
	struct buf *out, int64_t v, int64_t per_second, const char *zone); /* since 1970-01-01T00:00:00 */
void json_interval(struct buf *out, int64_t months, int64_t days, int64_t micros);
void json_uuid(struct buf *out, unsigned __int128 v);

#endif
