/* SPDX-License-Identifier: Apache-2.0 */
/* index/uuid.h - random names for what must not be taken for another: indexes, and those who publish them. */
#ifndef FRESHET_UUID_H
#define FRESHET_UUID_H

#include "bytes.h"
#include "err.h"

#define UUID_TEXT 37 /* 36 small hex digits and dashes, and a NUL */

int uuid_new(char out[UUID_TEXT], struct err *err); /* version 4. Returns 0 or -EIO */
bool uuid_is_valid(struct slice s);

#endif
