/* SPDX-License-Identifier: Apache-2.0 */
/* index/timefmt.h - instants and durations, and how people write them.
 *
 * There is one unit for time in freshet, in memory and on disk: nanoseconds in an int64_t; an instant
 * counts from 1970-01-01T00:00:00Z. Partition timestamps are instants of whole seconds. */
#ifndef FRESHET_TIMEFMT_H
#define FRESHET_TIMEFMT_H

#include "bytes.h"
#include "err.h"

#define TIME_SECOND INT64_C(1000000000)
#define TIME_MINUTE (60 * TIME_SECOND)
#define TIME_HOUR (60 * TIME_MINUTE)
/* What "all" and "never" are as a duration or an instant: beyond every time that can be written. */
#define TIME_FOREVER INT64_MAX
#define TIME_NONE INT64_MIN /* no instant: unknown, or not yet */
/* Years that a partition or a clock may name; everything else is refused. */
#define TIME_YEAR_MIN 1970
#define TIME_YEAR_MAX 2200

#define TIME_TEXT_MAX 32 /* enough for every text below, with its NUL */

int64_t time_now(void);       /* the wall clock */
int64_t time_monotonic(void); /* a clock that is never set: for deadlines */
/* a + b, held within TIME_NONE..TIME_FOREVER. FOREVER and NONE stay what they are, as a or else as b,
 * and a minus FOREVER is NONE: so `watermark - window` is before every time where the window is `all`. */
int64_t time_add(int64_t a, int64_t b);
/* The number of the UTC-aligned slot of `cadence` (> 0) that an instant lies in. */
int64_t time_slot(int64_t t, int64_t cadence);
/* "2026-05-04T10:05:00Z": RFC 3339 in UTC, whole seconds (rounded down). TIME_NONE gives "". Returns out. */
char *time_text(int64_t t, char out[TIME_TEXT_MAX]);
/* Accepts RFC 3339 with "Z" or an offset (a blank may stand for the "T"), fraction allowed, and
 * "@SECONDS". Leap seconds and years outside the range above are refused. Returns 0 or -EINVAL. */
int time_parse(const char *text, int64_t *out, struct err *err);
/* Civil UTC time → instant; false when a field is out of range (also day 31 of a month of 30). */
bool time_from_civil(int year, int month, int day, int hour, int minute, int second, int64_t *out);
/* Instant → civil UTC time. */
void time_to_civil(int64_t t, int *year, int *month, int *day, int *hour, int *minute, int *second);

/* "0s", "500ms", "2s", "5m", "1h", "7d" (also "us", "ns"), and "all" where allow_all (TIME_FOREVER). A
 * number without a unit is refused except 0; negative is refused. Returns 0 or -EINVAL. */
int duration_parse(const char *text, bool allow_all, int64_t *out, struct err *err);
/* The shortest text with a unit that duration_parse() reads back the same; "all" for TIME_FOREVER, and
 * a sign in front of negative ones. Returns out. */
char *duration_text(int64_t d, char out[TIME_TEXT_MAX]);

#endif
