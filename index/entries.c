/* SPDX-License-Identifier: Apache-2.0 */
#include "entries.h"

int entry_order(
	const struct entry *a, const struct source *as, const struct entry *b, const struct source *bs)
{
	int c = slice_cmp(a->version, b->version);

	if (!c)
		c = (as->ts > bs->ts) - (as->ts < bs->ts);
	if (!c)
		c = slice_cmp(as->file, bs->file);
	return c ? c : (a->line > b->line) - (a->line < b->line);
}
