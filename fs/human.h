/* SPDX-License-Identifier: Apache-2.0 */
/* fs/human.h - numbers, instants, durations and texts from outside, as people read them at a glance. */
#ifndef FRESHET_HUMAN_H
#define FRESHET_HUMAN_H

#include "bytes.h"

#define HUMAN_MAX 32 /* enough for every text below, with its NUL */

char *human_number(uint64_t n, char out[HUMAN_MAX]); /* "1,234,567" */
char *human_bytes(uint64_t n, char out[HUMAN_MAX]);  /* "31.4 MB", in powers of 1,000 */
char *human_duration(
	int64_t d, char out[HUMAN_MAX]); /* "0.4s", "12s", "7m 5s", "2h 10m", "3d 4h"; below 0: "0s" */
char *human_clock(int64_t t, char out[HUMAN_MAX]);   /* "10:05", or "10:05:30"; UTC */
char *human_day(int64_t t, char out[HUMAN_MAX]);     /* "2026-05-04" */
char *human_instant(int64_t t, char out[HUMAN_MAX]); /* "2026-05-04 10:05"; "-" for none */
/* Appends a text from outside as one line of printable UTF-8, cut to `max` bytes and an ellipsis. Control characters become '?',
 * those of C1 and those that turn the direction of writing too, which a page or a terminal might obey. */
void human_add_text(struct slice text, size_t max, struct buf *out);

#endif
