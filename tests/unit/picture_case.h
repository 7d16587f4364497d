/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/picture_case.h - partitions every five minutes, for those who draw them. */
#ifndef FRESHET_PICTURE_CASE_H
#define FRESHET_PICTURE_CASE_H

#include "picture.h"
#include "tap.h"

#define CADENCE (5 * TIME_MINUTE)
#define AT(slice) (INT64_C(1777888800) * TIME_SECOND + (slice)*CADENCE) /* 0: 2026-05-04T10:00:00Z */
#define PICTURE __attribute__((cleanup(picture_releasep))) struct picture

static inline struct row a_row(int slice, enum partition_state state)
{
	struct row row = {.ts = AT(slice),
		.path = slice_str("dt=1"),
		.state = state,
		.arrived = AT(slice + 1),
		.detected = TIME_NONE,
		.published = TIME_NONE,
		.retry_at = TIME_NONE};

	if (state == PART_PUBLISHED) {
		row.detected = row.arrived + TIME_SECOND;
		row.published = row.detected + TIME_SECOND / 2;
	}
	return row;
}

/* As status_gather() has it of these rows, without a generation. */
static inline struct status a_status(const struct row *rows, size_t count)
{
	struct config cfg = {.cadence = CADENCE, .window = TIME_FOREVER};
	struct status s;

	status_gather(&s, &cfg, NULL, NULL, rows, count);
	return s;
}

static inline void check_line(const struct picture *p, size_t i, const char *want)
{
	struct slice line = i < p->line_count ? picture_line_text(p, i) : slice_str("(no line)");

	if (!slice_eq(line, slice_str(want)))
		tap_fail("line %zu is \"%.*s\", want \"%s\"", i, (int)line.len, line.data, want);
}

#endif
