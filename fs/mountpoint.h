/* SPDX-License-Identifier: Apache-2.0 */
/* fs/mountpoint.h - the directory that a mount is to cover, and what covers it already. */
#ifndef FRESHET_MOUNTPOINT_H
#define FRESHET_MOUNTPOINT_H

#include "err.h"

/* *out is the absolute path without links, malloc()ed. A mount of freshet whose process is gone is taken down first,
 * which the log says: nobody can use it any more. Returns 0, or -ENOENT, -ENOTDIR, -ENOTCONN (another file system's
 * process is gone), -EBUSY (a live mount of freshet). */
int mountpoint_clear(char **out, const char *given, struct err *err);

#endif
