/* SPDX-License-Identifier: Apache-2.0 */
/* A part of the ids each has a table of its own, and a lock, so that threads seldom wait. What is in stays in; when a part is
 * full, nothing more comes in. */
#include "attribute_cache.h"

#include <pthread.h>

#include "digest.h"

#define PARTS 16
#define SLOTS_MIN 256u

struct slot {
	uint64_t hash;
	struct slice id, json; /* in the arena; id.data NULL: free */
	bool there;            /* there is such an attribute */
};

struct part {
	pthread_mutex_t lock; /* for all below */
	struct slot *slots;   /* owned; a power of two of them, at most half in use */
	uint32_t mask, count;
	struct arena arena;
};

struct attribute_cache {
	attribute_fn *fn;
	void *ctx;
	size_t part_memory;
	struct part parts[PARTS];
};

struct attribute_cache *attribute_cache_new(attribute_fn *fn, void *ctx, size_t memory)
{
	struct attribute_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->fn = fn;
	c->ctx = ctx;
	c->part_memory = memory / PARTS;
	for (size_t i = 0; i < PARTS; i++)
		pthread_mutex_init(&c->parts[i].lock, NULL);
	return c;
}

void attribute_cache_free(struct attribute_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < PARTS; i++) {
		arena_release(&c->parts[i].arena);
		free(c->parts[i].slots);
		pthread_mutex_destroy(&c->parts[i].lock);
	}
	free(c);
}

/* The slot of an id, or the free one where it would go. */
static struct slot *slot_of(struct slot *slots, uint32_t mask, uint64_t hash, struct slice id)
{
	uint32_t at = (uint32_t)(hash >> 8) & mask;

	while (slots[at].id.data && !(slots[at].hash == hash && slice_eq(slots[at].id, id)))
		at = (at + 1) & mask;
	return &slots[at];
}

static bool grow(struct part *p)
{
	uint32_t mask = p->slots ? p->mask * 2 + 1 : SLOTS_MIN - 1;
	struct slot *slots = calloc((size_t)mask + 1, sizeof(*slots));

	if (!slots)
		return false;
	for (uint32_t i = 0; p->slots && i <= p->mask; i++)
		if (p->slots[i].id.data)
			*slot_of(slots, mask, p->slots[i].hash, p->slots[i].id) = p->slots[i];
	free(p->slots);
	p->slots = slots;
	p->mask = mask;
	return true;
}

static void keep(struct attribute_cache *c, struct part *p, uint64_t hash, struct slice id, struct slice json,
	bool there)
{
	struct slot *s, fresh = {.hash = hash, .there = there};

	if (p->arena.bytes + (size_t)p->count * 2 * sizeof(*s) > c->part_memory)
		return;
	if ((!p->slots || p->count > p->mask / 2) && !grow(p))
		return;
	s = slot_of(p->slots, p->mask, hash, id);
	if (s->id.data)
		return; /* another thread was faster */
	fresh.id = arena_dup(&p->arena, id);
	if (there)
		fresh.json = arena_dup(&p->arena, json);
	if (!fresh.id.data || (there && !fresh.json.data))
		return;
	*s = fresh;
	p->count++;
}

int attribute_cache_find(void *ctx, struct slice id, struct buf *json, struct err *err)
{
	struct attribute_cache *c = ctx;
	uint64_t hash = xxh64(id);
	struct part *p = &c->parts[hash % PARTS];
	size_t from = json->len;
	struct slot *s;
	int r;

	pthread_mutex_lock(&p->lock);
	s = p->slots ? slot_of(p->slots, p->mask, hash, id) : NULL;
	if (s && s->id.data) {
		bool there = s->there;

		buf_add_slice(json, s->json);
		pthread_mutex_unlock(&p->lock);
		return buf_error(json) ? err_set(err, -ENOMEM, "out of memory") : there;
	}
	pthread_mutex_unlock(&p->lock);
	r = c->fn(c->ctx, id, json, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&p->lock);
	keep(c, p, hash, id, r == 1 ? slice_of(json->data + from, json->len - from) : slice_of(NULL, 0),
		r == 1);
	pthread_mutex_unlock(&p->lock);
	return r;
}
