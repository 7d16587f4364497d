/* SPDX-License-Identifier: Apache-2.0 */
/* Two chained hash tables of one size over the same nodes, under one lock: lookups and forgets are a few
 * hundred nanoseconds, and reads that the kernel answers from its caches never come here. */
#include "inode.h"
#include "digest.h"

#include <pthread.h>
#include <unistd.h>

#define SLOTS_MIN 256u

struct inode_table {
	pthread_mutex_t lock;
	uint64_t next_ino, second_ino; /* lock */
	struct node **by_ino, **by_key;
	struct node *dirs;   /* that have entries */
	size_t slots, count; /* slots is a power of two */
};

struct blob *blob_take(struct buf *bytes)
{
	struct blob *b = bytes->failed ? NULL : malloc(sizeof(*b));
	char *fitted;

	if (!b)
		return NULL;
	/* Many are kept for long: what was reserved in vain goes back. */
	fitted = bytes->len && bytes->cap > bytes->len ? realloc(bytes->data, bytes->len) : NULL;
	*b = (struct blob){.refs = 1, .len = bytes->len, .data = fitted ? fitted : bytes->data};
	*bytes = (struct buf){0};
	return b;
}

struct blob *blob_ref(struct blob *b)
{
	b->refs++;
	return b;
}

void blob_unref(struct blob *b)
{
	if (!b || --b->refs)
		return;
	free(b->data);
	free(b);
}

void inode_parts_release(struct inode_parts *p)
{
	generation_unref(p->generation);
	blob_unref(p->blob);
	if (p->fd >= 0)
		close(p->fd);
	*p = (struct inode_parts){.fd = -1};
}

static void name_free(struct inode_name *name);

static void node_free(struct node *n)
{
	struct inode_parts parts = {.generation = n->generation, .blob = n->blob, .fd = n->fd};

	while (n->names)
		name_free(n->names);
	while (n->entries)
		name_free(n->entries);
	inode_parts_release(&parts);
	free(n);
}

struct inode_table *inode_table_new(uint64_t second)
{
	struct inode_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->slots = SLOTS_MIN;
	t->next_ino = INODE_ROOT;
	t->second_ino = second;
	t->by_ino = calloc(t->slots, sizeof(*t->by_ino));
	t->by_key = calloc(t->slots, sizeof(*t->by_key));
	pthread_mutex_init(&t->lock, NULL);
	if (!t->by_ino || !t->by_key) {
		inode_table_free(t);
		return NULL;
	}
	return t;
}

void inode_table_free(struct inode_table *t)
{
	struct node *n, *next;

	if (!t)
		return;
	for (size_t i = 0; t->by_ino && i < t->slots; i++) {
		for (n = t->by_ino[i]; n; n = next) {
			next = n->by_ino;
			node_free(n);
		}
	}
	free(t->by_ino);
	free(t->by_key);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static size_t ino_slot(const struct inode_table *t, uint64_t ino)
{
	return ino & (t->slots - 1);
}

static size_t key_slot(const struct inode_table *t, uint32_t hash)
{
	return hash & (t->slots - 1);
}

static uint32_t key_hash(const struct inode_key *key)
{
	uint64_t h = xxh64(key->text);

	h ^= (key->generation * 64 + key->kind * 4 + key->place) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(h ^ h >> 32);
}

static bool key_is(const struct node *n, const struct inode_key *key, uint32_t hash)
{
	return n->hash == hash && n->kind == key->kind && n->place == key->place &&
	       n->generation_id == key->generation && slice_eq(node_text(n), key->text);
}

/* Doubles both tables; without memory the chains just grow longer. */
static void grow(struct inode_table *t)
{
	struct node **old = t->by_ino, **by_ino, **by_key, *n, *next;
	size_t old_slots = t->slots;

	by_ino = calloc(old_slots * 2, sizeof(*by_ino));
	by_key = calloc(old_slots * 2, sizeof(*by_key));
	if (!by_ino || !by_key) {
		free(by_ino);
		free(by_key);
		return;
	}
	t->slots = old_slots * 2;
	for (size_t i = 0; i < old_slots; i++) {
		for (n = old[i]; n; n = next) {
			next = n->by_ino;
			n->by_ino = by_ino[ino_slot(t, n->ino)];
			by_ino[ino_slot(t, n->ino)] = n;
			n->by_key = by_key[key_slot(t, n->hash)];
			by_key[key_slot(t, n->hash)] = n;
		}
	}
	free(t->by_key);
	free(old);
	t->by_ino = by_ino;
	t->by_key = by_key;
}

static struct node *find_ino(struct inode_table *t, uint64_t ino)
{
	struct node *n = t->by_ino[ino_slot(t, ino)];

	while (n && n->ino != ino)
		n = n->by_ino;
	return n;
}

static struct node *find_key(struct inode_table *t, const struct inode_key *key, uint32_t hash)
{
	struct node *n = t->by_key[key_slot(t, hash)];

	while (n && !key_is(n, key, hash))
		n = n->by_key;
	return n;
}

struct node *inode_find(struct inode_table *t, uint64_t ino)
{
	struct node *n;

	pthread_mutex_lock(&t->lock);
	n = find_ino(t, ino);
	pthread_mutex_unlock(&t->lock);
	return n;
}

void inode_hold(struct inode_table *t, struct node *n)
{
	pthread_mutex_lock(&t->lock);
	n->lookups++;
	pthread_mutex_unlock(&t->lock);
}

struct node *inode_lookup(struct inode_table *t, const struct inode_key *key)
{
	uint32_t hash = key_hash(key);
	struct node *n;

	pthread_mutex_lock(&t->lock);
	n = find_key(t, key, hash);
	if (n)
		n->lookups++;
	pthread_mutex_unlock(&t->lock);
	return n;
}

static struct node *node_new(const struct inode_key *key, uint32_t hash, struct inode_parts *parts)
{
	struct node *n;

	if (key->text.len > UINT32_MAX)
		return NULL;
	n = malloc(sizeof(*n) + key->text.len + 1);
	if (!n)
		return NULL;
	*n = (struct node){.generation_id = key->generation,
		.generation = parts->generation,
		.blob = parts->blob,
		.size = parts->size,
		.mtime = parts->mtime,
		.ctime = parts->ctime,
		.fd = parts->fd,
		.hash = hash,
		.kind = (uint16_t)key->kind,
		.place = (uint16_t)key->place,
		.text_len = (uint32_t)key->text.len};
	if (key->text.len)
		memcpy(n->text, key->text.data, key->text.len);
	n->text[key->text.len] = 0;
	*parts = (struct inode_parts){.fd = -1};
	return n;
}

struct node *inode_get(struct inode_table *t, const struct inode_key *key, struct inode_parts *parts)
{
	uint32_t hash = key_hash(key);
	struct node *n;

	pthread_mutex_lock(&t->lock);
	n = find_key(t, key, hash);
	if (!n) {
		if (t->count >= t->slots)
			grow(t);
		n = node_new(key, hash, parts);
		if (n) {
			n->ino = t->next_ino;
			t->next_ino = n->ino == INODE_ROOT ? t->second_ino : n->ino + 1;
			n->by_ino = t->by_ino[ino_slot(t, n->ino)];
			t->by_ino[ino_slot(t, n->ino)] = n;
			n->by_key = t->by_key[key_slot(t, hash)];
			t->by_key[key_slot(t, hash)] = n;
			t->count++;
		}
	}
	if (n)
		n->lookups++;
	pthread_mutex_unlock(&t->lock);
	/* Outside the lock: the last reference to a generation unmaps its segments. */
	inode_parts_release(parts);
	return n;
}

/* --- names --- */

static void name_link(struct inode_table *t, struct node *dir, struct node *n, struct inode_name *name)
{
	name->dir = dir;
	name->node = n;
	name->of_node = n->names;
	name->of_node_at = &n->names;
	if (n->names)
		n->names->of_node_at = &name->of_node;
	n->names = name;
	if (!dir->entries) {
		dir->next_dir = t->dirs;
		dir->dir_at = &t->dirs;
		if (t->dirs)
			t->dirs->dir_at = &dir->next_dir;
		t->dirs = dir;
	}
	name->in_dir = dir->entries;
	name->in_dir_at = &dir->entries;
	if (dir->entries)
		dir->entries->in_dir_at = &name->in_dir;
	dir->entries = name;
}

static void name_free(struct inode_name *name)
{
	struct node *dir = name->dir;

	*name->of_node_at = name->of_node;
	if (name->of_node)
		name->of_node->of_node_at = name->of_node_at;
	*name->in_dir_at = name->in_dir;
	if (name->in_dir)
		name->in_dir->in_dir_at = name->in_dir_at;
	if (!dir->entries) {
		*dir->dir_at = dir->next_dir;
		if (dir->next_dir)
			dir->next_dir->dir_at = dir->dir_at;
	}
	free(name);
}

/* Is it known? Else there is room for it now. */
static bool has_name(struct node *n, const struct node *dir, const char *text)
{
	size_t count = 0;

	for (const struct inode_name *name = n->names; name; name = name->of_node, count++) {
		if (name->dir == dir && !strcmp(name->name, text))
			return true;
	}
	if (count >= INODE_NAMES_MAX)
		name_free(n->names);
	return false;
}

void inode_told(struct inode_table *t, struct node *dir, struct node *n, const char *text)
{
	struct inode_name *name;

	if (!dir->generation)
		return;
	pthread_mutex_lock(&t->lock);
	if (!has_name(n, dir, text)) {
		name = malloc(sizeof(*name) + strlen(text) + 1);
		if (name) {
			strcpy(name->name, text);
			name_link(t, dir, n, name);
		}
	}
	pthread_mutex_unlock(&t->lock);
}

void inode_gone_names(
	struct inode_table *t, bool (*gone)(void *ctx, const struct node *dir), void *ctx, struct buf *out)
{
	pthread_mutex_lock(&t->lock);
	for (struct node *dir = t->dirs; dir && !out->failed; dir = dir->next_dir) {
		if (!gone(ctx, dir))
			continue;
		for (const struct inode_name *name = dir->entries; name; name = name->in_dir) {
			buf_add(out, &dir->ino, sizeof(dir->ino));
			buf_add(out, name->name, strlen(name->name) + 1);
		}
	}
	pthread_mutex_unlock(&t->lock);
}

static void unlink_node(struct inode_table *t, struct node *n)
{
	struct node **p;

	while (n->names)
		name_free(n->names);
	while (n->entries)
		name_free(n->entries);

	for (p = &t->by_ino[ino_slot(t, n->ino)]; *p != n; p = &(*p)->by_ino)
		;
	*p = n->by_ino;
	for (p = &t->by_key[key_slot(t, n->hash)]; *p != n; p = &(*p)->by_key)
		;
	*p = n->by_key;
	t->count--;
}

bool inode_forget(struct inode_table *t, uint64_t ino, uint64_t count)
{
	struct node *n;
	bool gone = false;

	pthread_mutex_lock(&t->lock);
	n = find_ino(t, ino);
	if (n) {
		n->lookups -= count < n->lookups ? count : n->lookups;
		gone = n->lookups == 0;
		if (gone)
			unlink_node(t, n);
	}
	pthread_mutex_unlock(&t->lock);
	if (gone)
		node_free(n);
	return gone;
}

uint64_t inode_generation_id(const char *index, uint64_t number)
{
	uint64_t id = xxh64(slice_str(index)) + number;

	return id ? id : 1;
}

struct generation *inode_generation(struct inode_table *t, uint64_t id)
{
	struct inode_key key = {.kind = NODE_GENERATION, .place = PLACE_PINNED, .generation = id};
	struct generation *g = NULL;
	struct node *n;

	pthread_mutex_lock(&t->lock);
	n = find_key(t, &key, key_hash(&key));
	if (n && n->generation)
		g = generation_ref(n->generation);
	pthread_mutex_unlock(&t->lock);
	return g;
}

size_t inode_count(struct inode_table *t)
{
	size_t n;

	pthread_mutex_lock(&t->lock);
	n = t->count;
	pthread_mutex_unlock(&t->lock);
	return n;
}
