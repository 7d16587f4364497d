/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/tap.h - the smallest test harness that meson's `protocol: 'tap'` understands.
 * A case is a void function whose name is a sentence; RUN(case) in main, then `return tap_done();`. */
#ifndef FRESHET_TAP_H
#define FRESHET_TAP_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_count, tap_failed_cases, tap_bad;

#define tap_fail(...)                                    \
	do {                                             \
		tap_bad++;                               \
		printf("# %s:%d: ", __FILE__, __LINE__); \
		printf(__VA_ARGS__);                     \
		printf("\n");                            \
	} while (0)
#define check(cond)                                      \
	do {                                             \
		if (!(cond))                             \
			tap_fail("not true: %s", #cond); \
	} while (0)
#define check_int(got, want)                                                               \
	do {                                                                               \
		intmax_t got_ = (got), want_ = (want);                                     \
		if (got_ != want_)                                                         \
			tap_fail("%s is %" PRIdMAX ", want %" PRIdMAX, #got, got_, want_); \
	} while (0)
#define check_str(got, want)                                                      \
	do {                                                                      \
		const char *got_ = (got), *want_ = (want);                        \
		if (strcmp(got_, want_) != 0)                                     \
			tap_fail("%s is \"%s\", want \"%s\"", #got, got_, want_); \
	} while (0)
/* A struct slice against a string literal. */
#define check_slice(got, want)                                                                          \
	do {                                                                                            \
		struct slice got_ = (got);                                                              \
		const char *want_ = (want);                                                             \
		if (got_.len != strlen(want_) || (got_.len && memcmp(got_.data, want_, got_.len) != 0)) \
			tap_fail("%s is \"%.*s\", want \"%s\"", #got, (int)got_.len, got_.data, want_); \
	} while (0)
#define check_contains(got, want)                                                       \
	do {                                                                            \
		const char *got_ = (got), *want_ = (want);                              \
		if (!strstr(got_, want_))                                               \
			tap_fail("%s is \"%s\", want \"%s\" in it", #got, got_, want_); \
	} while (0)
#define RUN(fn)                                                                    \
	do {                                                                       \
		tap_bad = 0;                                                       \
		fn();                                                              \
		tap_failed_cases += tap_bad != 0;                                  \
		printf("%sok %d - %s\n", tap_bad ? "not " : "", ++tap_count, #fn); \
		fflush(stdout);                                                    \
	} while (0)

static inline int tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed_cases != 0;
}

#endif
