/* SPDX-License-Identifier: Apache-2.0 */
/* index/mapping.h - files in memory that somebody else may cut short under us.
 *
 * Reading a mapped page that its file does not have (any more), or that the disk cannot give, is a SIGBUS, which
 * ends a process. In a guarded one it breaks the mapping instead: the page and all behind it read as zeros, and
 * mapping_is_broken() says so from then on. So who reads goes on to the end, checking bytes as ever, and asks
 * afterwards whether what it has made is worth anything. */
#ifndef FRESHET_MAPPING_H
#define FRESHET_MAPPING_H

#include "bytes.h"

struct mapping; /* its place in memory never goes: only its use ends */

/* Maps the first `len` > 0 bytes of `fd`, to be read. Returns 0 or -errno. */
int mapping_open(struct mapping **out, int fd, size_t len);
void mapping_close(struct mapping *m); /* nobody reads it any more; NULL is fine */
struct slice mapping_bytes(const struct mapping *m);
bool mapping_is_broken(const struct mapping *m);

/* Guards this process, once and for all. A SIGBUS for any other reason ends it as before. */
void mapping_guard(void);

#endif
