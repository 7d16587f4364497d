/* SPDX-License-Identifier: Apache-2.0 */
/* Names and strings stand for each other one to one, whatever the bytes; printed text is clean. */
#include "name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void escape_and_back(struct slice raw)
{
	OWNED_BUF name = {0}, back = {0};

	if (!name_escape(raw, &name))
		return;
	if (!name.len || name.len > NAME_MAX_BYTES || name.data[0] == '.' ||
		memchr(name.data, '/', name.len) || memchr(name.data, 0, name.len))
		abort();
	if (!name_unescape(buf_slice(&name), &back) || !slice_eq(raw, buf_slice(&back)))
		abort();
}

static void unescape_and_back(struct slice name)
{
	OWNED_BUF raw = {0}, again = {0};

	if (!name_unescape(name, &raw))
		return;
	if (!name_escape(buf_slice(&raw), &again) || !slice_eq(name, buf_slice(&again)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice s = slice_of(data, size);
	OWNED_BUF printed = {0};

	escape_and_back(s);
	unescape_and_back(s);
	name_print(s, &printed);
	if (!utf8_is_valid(buf_slice(&printed)))
		abort();
	for (size_t i = 0; i < printed.len; i++) {
		if ((uint8_t)printed.data[i] < 0x20)
			abort();
	}
	return 0;
}
