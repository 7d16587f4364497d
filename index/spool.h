/* SPDX-License-Identifier: Apache-2.0 */
/* index/spool.h - a file without a name, for what another process is to read: it is gone when all have closed it, however they end. */
#ifndef FRESHET_SPOOL_H
#define FRESHET_SPOOL_H

#include "bytes.h"
#include "err.h"

/* Returns a descriptor, open for both, of an empty file on the file system of `dir`; or -errno. */
int spool_open(const char *dir, struct err *err);
/* Writes all of it at the end. Returns 0 or -errno. */
int spool_add(int fd, struct slice s, struct err *err);
/* Whoever reads the descriptor, or a copy of it, begins at the start. Returns 0 or -errno. */
int spool_rewind(int fd, struct err *err);

#endif
