/* SPDX-License-Identifier: Apache-2.0 */
/* index/name.h - terms and ids as file names, and raw bytes as printable text.
 *
 * A name is the UTF-8 of the term or id, with '/', '%', control characters (below 0x20, and 0x7F) and a
 * leading '.' written as %XX, upper case. Exactly one name stands for each string, so another spelling
 * (lower-case hex, an escape that was not needed) is no name at all. */
#ifndef FRESHET_NAME_H
#define FRESHET_NAME_H

#include "bytes.h"

#define NAME_MAX_BYTES 255 /* what a directory entry can hold on Linux */

/* Appends the name of `raw`. Returns 1, or 0 when it is empty, over NAME_MAX_BYTES or not valid UTF-8:
 * such a string has no name, nothing is appended. */
int name_escape(struct slice raw, struct buf *out);
/* Appends the string that `name` stands for. Returns 1, or 0 when no string has exactly this name. */
int name_unescape(struct slice name, struct buf *out);
bool utf8_is_valid(struct slice s);
/* Appends `raw` for one column of a text file or a message: control characters, '%' and bytes that are
 * not valid UTF-8 become %XX; everything else is kept. Any length, reversible. */
void name_print(struct slice raw, struct buf *out);
/* Appends a message that is made of such columns: control characters and bytes that are not valid UTF-8, which should not be there,
 * become '?'. */
void line_print(struct slice message, struct buf *out);

#endif
