/* SPDX-License-Identifier: Apache-2.0 */
#include "arena.h"

#define CHUNK_MIN ((size_t)64 << 10)
#define CHUNK_MAX ((size_t)8 << 20) /* chunks double up to this, so that few are needed and little is lost */

struct arena_chunk {
	struct arena_chunk *older;
	size_t size;
	_Alignas(16) char data[];
};

void arena_release(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *c = a->chunks;

		a->chunks = c->older;
		free(c);
	}
	*a = (struct arena){0};
}

static bool arena_grow(struct arena *a, size_t size)
{
	size_t want = a->chunks ? a->chunks->size * 2 : CHUNK_MIN;
	struct arena_chunk *c;

	if (want > CHUNK_MAX)
		want = CHUNK_MAX;
	if (want < size)
		want = size;
	c = malloc(sizeof(*c) + want);
	if (!c)
		return false;
	c->older = a->chunks;
	c->size = want;
	a->chunks = c;
	a->next = c->data;
	a->end = c->data + want;
	a->bytes += sizeof(*c) + want;
	return true;
}

void *arena_alloc(struct arena *a, size_t size)
{
	char *p;

	if (size > SIZE_MAX / 4)
		return NULL;
	size = (size + 15) & ~(size_t)15;
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
