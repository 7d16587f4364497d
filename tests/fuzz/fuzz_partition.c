/* SPDX-License-Identifier: Apache-2.0 */
/* A template, a newline, and a path: what matches must be the one spelling of its time, and lie in the
 * range of every prefix of it. The path's files go through feed_format_of() too. */
#include <stdlib.h>

#include "feed.h"
#include "timefmt.h"

#define require(cond)            \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

static void check_prefixes(const struct template *t, struct slice path, int64_t ts)
{
	for (size_t n = 0; n <= path.len; n++) {
		int64_t from, to;

		if (n && n < path.len && path.data[n] != '/')
			continue;
		require(template_range(t, slice_of(path.data, n), &from, &to) == 1);
		require(from <= ts && ts < to);
	}
}

static void check_path(const struct template *t, struct slice path)
{
	OWNED_BUF again = {0};
	int64_t ts, from, to;

	if (template_range(t, path, &from, &to))
		require(from < to && from >= 0);
	if (!template_match(t, path, &ts))
		return;
	require(ts >= 0 && ts % TIME_SECOND == 0);
	template_format(t, ts, &again);
	require(slice_eq(buf_slice(&again), path));
	check_prefixes(t, path, ts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
	size_t n = newline ? (size_t)(newline - data) : size;
	OWNED(template) struct template *t = NULL;
	struct slice path = slice_of(data + n, 0);
	enum feed_packing packing;
	struct err err = ERR_INIT;
	char *text = malloc(n + 1);

	require(text);
	if (n)
		memcpy(text, data, n);
	text[n] = '\0';
	if (newline)
		path = slice_of(newline + 1, size - n - 1);
	if (template_parse(&t, text, &err) == 0)
		check_path(t, path);
	else
		require(err.message[0] && !t);
	feed_format_of(path, &packing);
	free(text);
	return 0;
}
