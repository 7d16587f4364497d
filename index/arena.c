/* SPDX-License-Identifier: Apache-2.0 */
#include "arena.h"

#include "bigmem.h"

#define CHUNK_MIN ((size_t)64 << 10)
#define CHUNK_MAX ((size_t)8 << 20) /* chunks double up to this, so that few are needed and little is lost */

struct arena_chunk {
	struct arena_chunk *older;
	struct bigmem memory; /* that this lies in */
	_Alignas(16) char data[];
};

void arena_release(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *c = a->chunks;

		struct bigmem memory = c->memory;

		a->chunks = c->older;
		bigmem_release(&memory);
	}
	*a = (struct arena){0};
}

static bool arena_grow(struct arena *a, size_t size)
{
	size_t want = a->chunks ? a->chunks->memory.size * 2 : CHUNK_MIN;
	struct bigmem memory = {0};
	struct arena_chunk *c;

	if (want > CHUNK_MAX)
		want = CHUNK_MAX;
	if (want < sizeof(*c) + size)
		want = sizeof(*c) + size;
	if (!bigmem_grow(&memory, want))
		return false;
	c = memory.data;
	c->older = a->chunks;
	c->memory = memory;
	a->chunks = c;
	a->next = c->data;
	a->end = (char *)memory.data + memory.size;
	a->bytes += memory.size;
	return true;
}

void *arena_alloc(struct arena *a, size_t size)
{
	char *p;

	if (size > SIZE_MAX / 4)
		return NULL;
	size = size ? (size + 15) & ~(size_t)15 : 16; /* NULL means one thing only */
	if (size > (size_t)(a->end - a->next) && !arena_grow(a, size))
		return NULL;
	p = a->next;
	a->next += size;
	return p;
}

struct slice arena_dup(struct arena *a, struct slice s)
{
	char *p = arena_alloc(a, s.len + 1);

	if (!p)
		return (struct slice){NULL, 0};
	if (s.len)
		memcpy(p, s.data, s.len);
	p[s.len] = 0;
	return (struct slice){p, s.len};
}
