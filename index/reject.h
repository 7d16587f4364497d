/* SPDX-License-Identifier: Apache-2.0 */
/* index/reject.h - the file that says which records of one data file were refused, and why.
 *
 * Text, one line a record: line number, reason, the first REJECT_SHOWN bytes of the record, TAB between,
 * each written by name_print(). At most REJECTS_KEPT lines, then one whose number is "+N": N more are
 * not listed. When memory runs out text.failed is set. In the state directory it is rejects/PARTITION/FILE.tsv, the same path in the mount. */
#ifndef FRESHET_REJECT_H
#define FRESHET_REJECT_H

#include "bytes.h"

#define REJECT_SHOWN 1024u
#define REJECTS_KEPT 10000u

struct reject_list { /* zero-initialised is empty */
	struct buf text;
	uint64_t count; /* all of them, also those past REJECTS_KEPT */
};
void reject_add(struct reject_list *r, uint64_t line, const char *reason, struct slice record);
/* The finished text; borrowed from `r`. Call once. */
struct slice reject_text(struct reject_list *r);
void reject_release(struct reject_list *r);

#endif
