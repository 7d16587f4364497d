/* SPDX-License-Identifier: Apache-2.0 */
#include "reject.h"

#include <inttypes.h>

#include "name.h"

/* The first REJECT_SHOWN bytes, or up to three less so that no character is cut. */
static struct slice shown(struct slice record)
{
	size_t len = REJECT_SHOWN;

	if (record.len <= len)
		return record;
	while (len > REJECT_SHOWN - 3 && ((uint8_t)record.data[len] & 0xC0) == 0x80)
		len--;
	return slice_of(record.data, len);
}

void reject_add(struct reject_list *r, uint64_t line, const char *reason, struct slice record)
{
	if (r->count++ >= REJECTS_KEPT)
		return;
	buf_addf(&r->text, "%" PRIu64 "\t", line);
	name_print(slice_str(reason), &r->text);
	buf_add_byte(&r->text, '\t');
	name_print(shown(record), &r->text);
	buf_add_byte(&r->text, '\n');
}

struct slice reject_text(struct reject_list *r)
{
	if (r->count > REJECTS_KEPT)
		buf_addf(&r->text, "+%" PRIu64 "\tmore records were refused and are not listed\t\n",
			r->count - REJECTS_KEPT);
	return buf_slice(&r->text);
}

void reject_release(struct reject_list *r)
{
	buf_release(&r->text);
	*r = (struct reject_list){0};
}
