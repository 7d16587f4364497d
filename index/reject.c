/* SPDX-License-Identifier: Apache-2.0 */
#include "reject.h"

#include <inttypes.h>

#include "name.h"

void reject_add(struct reject_list *r, uint64_t line, const char *reason, struct slice record)
{
	if (r->count++ >= REJECTS_KEPT)
		return;
	if (record.len > REJECT_SHOWN)
		record.len = REJECT_SHOWN;
	buf_addf(&r->text, "%" PRIu64 "\t", line);
	name_print(slice_str(reason), &r->text);
	buf_add_byte(&r->text, '\t');
	name_print(record, &r->text);
	buf_add_byte(&r->text, '\n');
}

struct slice reject_text(struct reject_list *r)
{
	if (r->count > REJECTS_KEPT)
		buf_addf(&r->text, "-\tand %" PRIu64 " more\t\n", r->count - REJECTS_KEPT);
	return buf_slice(&r->text);
}

void reject_release(struct reject_list *r)
{
	buf_release(&r->text);
	*r = (struct reject_list){0};
}
