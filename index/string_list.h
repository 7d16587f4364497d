/* SPDX-License-Identifier: Apache-2.0 */
/* index/string_list.h - lists of names as people write them: comma-separated, blanks trimmed. */
#ifndef FRESHET_STRING_LIST_H
#define FRESHET_STRING_LIST_H

#include "bytes.h"
#include "err.h"

struct string_list {
	char **items; /* owned, NUL-terminated each */
	size_t count;
};

/* Reads `text`, which holds no NUL, into *out, which holds nothing yet. Empty and repeated elements are
 * refused; no text is the empty list. Returns 0, -EINVAL or -ENOMEM; then *out is empty. */
int string_list_parse(struct string_list *out, struct slice text, struct err *err);
/* Appends the elements with ", " between them. */
void string_list_text(const struct string_list *l, struct buf *out);
void string_list_release(struct string_list *l); /* frees; the list is empty again */

#endif
