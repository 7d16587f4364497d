/* SPDX-License-Identifier: Apache-2.0 */
/* index/arena.h - memory that is freed all at once: the strings and arrays of one build or request.
 * Not safe for two threads at a time. */
#ifndef FRESHET_ARENA_H
#define FRESHET_ARENA_H

#include "bytes.h"

struct arena_chunk;
/* Zero-initialised is empty. */
struct arena {
	struct arena_chunk *chunks; /* owned, newest first */
	char *next, *end;
	size_t bytes; /* allocated from the system so far */
};

void arena_release(struct arena *a); /* frees everything; the arena is empty again */
/* `size` bytes aligned to 16, not zeroed; NULL when memory is out. */
void *arena_alloc(struct arena *a, size_t size);
/* A copy of `s` with a NUL behind it that len does not count; data is NULL when memory is out. */
struct slice arena_dup(struct arena *a, struct slice s);

#endif
