/* SPDX-License-Identifier: Apache-2.0 */
/* A feed in memory, for tests. It behaves like a directory: a file that is put again is rewritten in place,
 * so whoever has it open sees the new bytes and times; one that is removed stays readable while open. */
#include "store.h"

#include <pthread.h>
#include <unistd.h>

#include "arena.h"
#include "timefmt.h"

struct mem_object {
	char *path; /* owned */
	struct buf bytes;
	int64_t mtime, ctime;
	unsigned refs; /* the store's and each open file's */
};

struct mem_fault {
	struct mem_fault *next;
	char *dir; /* owned */
	unsigned after;
	int code;
};

struct mem_store {
	struct store base;
	pthread_mutex_t lock; /* protects all below, and every object */
	struct mem_object **objects;
	size_t count, cap;
	struct mem_fault *faults;
};

struct mem_file {
	struct store_file base;
	struct mem_object *object; /* a reference */
};

static struct mem_store *mem_of(struct store *s)
{
	return (struct mem_store *)s;
}

static void object_unref(struct mem_object *o)
{
	if (!o || --o->refs)
		return;
	buf_release(&o->bytes);
	free(o->path);
	free(o);
}

static size_t object_index(const struct mem_store *m, const char *path)
{
	size_t i = 0;

	while (i < m->count && strcmp(m->objects[i]->path, path) != 0)
		i++;
	return i;
}

/* The part of `path` below `dir`, or NULL. */
static const char *below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (!n)
		return path;
	return !strncmp(path, dir, n) && path[n] == '/' ? path + n + 1 : NULL;
}

/* Directories are there as long as a file is below them; the root always is. */
static bool dir_is_there(const struct mem_store *m, const char *dir)
{
	for (size_t i = 0; i < m->count; i++)
		if (below(m->objects[i]->path, dir))
			return true;
	return !*dir;
}

/* A directory in the way of a file, or a file in the way of a directory. */
static int check_place(const struct mem_store *m, const char *path)
{
	if (dir_is_there(m, path))
		return -EISDIR;
	for (size_t i = 0; i < m->count; i++)
		if (below(path, m->objects[i]->path))
			return -ENOTDIR;
	return 0;
}

/* Why nothing is at `path`, as a directory would say it. */
static int absent(const struct mem_store *m, const char *path)
{
	for (size_t i = 0; i < m->count; i++)
		if (below(path, m->objects[i]->path))
			return -ENOTDIR;
	return -ENOENT;
}

static void object_stat(const struct mem_object *o, struct store_stat *out)
{
	*out = (struct store_stat){.size = o->bytes.len, .mtime = o->mtime, .ctime = o->ctime};
}

struct mem_entry {
	struct slice name;
	struct store_stat st;
};

static int mem_entry_cmp(const void *a, const void *b)
{
	return slice_cmp(((const struct mem_entry *)a)->name, ((const struct mem_entry *)b)->name);
}

/* Every file below `dir` gives its first component: directories come out many times. */
static int entries_collect(
	const struct mem_store *m, const char *dir, struct arena *names, struct buf *entries)
{
	for (size_t i = 0; i < m->count; i++) {
		const char *rest = below(m->objects[i]->path, dir);
		struct mem_entry e = {.st.is_dir = true};
		size_t n;

		if (!rest)
			continue;
		n = strcspn(rest, "/");
		if (!rest[n])
			object_stat(m->objects[i], &e.st);
		e.name = arena_dup(names, slice_of(rest, n));
		if (!e.name.data)
			return -ENOMEM;
		buf_add(entries, &e, sizeof(e));
	}
	return buf_error(entries);
}

static size_t entries_unique(struct mem_entry *e, size_t count)
{
	size_t kept = 0;

	if (count)
		qsort(e, count, sizeof(*e), mem_entry_cmp);
	for (size_t i = 0; i < count; i++)
		if (!kept || !slice_eq(e[kept - 1].name, e[i].name))
			e[kept++] = e[i];
	return kept;
}

/* What is to go wrong in `dir`: 0 when nothing, else the code and after how many entries. */
static int fault_of(const struct mem_store *m, const char *dir, size_t *after)
{
	for (const struct mem_fault *f = m->faults; f; f = f->next) {
		if (strcmp(f->dir, dir) != 0)
			continue;
		*after = f->after;
		return f->code;
	}
	return 0;
}

static int mem_list(struct store *s, const char *dir, store_entry_fn *fn, void *ctx, struct err *err)
{
	struct mem_store *m = mem_of(s);
	OWNED_BUF entries = {0};
	struct arena names = {0};
	size_t count = 0, stop = SIZE_MAX;
	int r = 0, fault;

	pthread_mutex_lock(&m->lock);
	fault = fault_of(m, dir, &stop);
	if (!dir_is_there(m, dir))
		r = object_index(m, dir) < m->count ? -ENOTDIR : absent(m, dir);
	else
		r = entries_collect(m, dir, &names, &entries);
	pthread_mutex_unlock(&m->lock);
	if (r == 0)
		count = entries_unique(
			(struct mem_entry *)entries.data, entries.len / sizeof(struct mem_entry));
	else
		err_sys(err, r, "cannot list");
	/* The lock is not held here: tests change the store from within a listing. */
	for (size_t i = 0; r == 0 && i < count && i < stop; i++) {
		const struct mem_entry *e = (const struct mem_entry *)entries.data + i;

		r = fn(ctx, e->name, &e->st);
	}
	if (r == 0 && fault)
		r = err_sys(err, fault, "listing broke off");
	arena_release(&names);
	return r;
}

static int mem_head(struct store *s, const char *path, struct store_stat *out, struct err *err)
{
	struct mem_store *m = mem_of(s);
	size_t i;
	int r = 0;

	pthread_mutex_lock(&m->lock);
	i = object_index(m, path);
	if (i < m->count)
		object_stat(m->objects[i], out);
	else if (dir_is_there(m, path))
		*out = (struct store_stat){.is_dir = true};
	else
		r = err_sys(err, absent(m, path), "cannot look at it");
	pthread_mutex_unlock(&m->lock);
	return r;
}

static int mem_open(struct store *s, const char *path, struct store_file **out, struct err *err)
{
	struct mem_store *m = mem_of(s);
	struct mem_file *f = calloc(1, sizeof(*f));
	size_t i;
	int r = 0;

	if (!f)
		return err_set(err, -ENOMEM, "out of memory");
	pthread_mutex_lock(&m->lock);
	i = object_index(m, path);
	if (i < m->count) {
		f->object = m->objects[i];
		f->object->refs++;
	} else if (dir_is_there(m, path)) {
		r = err_set(err, -EISDIR, "is a directory");
	} else {
		r = err_sys(err, absent(m, path), "cannot open");
	}
	pthread_mutex_unlock(&m->lock);
	if (r < 0)
		free(f);
	else
		*out = &f->base;
	return r;
}

static int64_t mem_read(struct store_file *base, uint64_t offset, void *to, size_t len, struct err *err)
{
	const struct mem_object *o = ((struct mem_file *)base)->object;
	struct mem_store *m = mem_of(base->store);
	size_t n = 0;

	pthread_mutex_lock(&m->lock);
	if (offset < o->bytes.len)
		n = o->bytes.len - offset < len ? o->bytes.len - (size_t)offset : len;
	if (n)
		memcpy(to, o->bytes.data + offset, n);
	pthread_mutex_unlock(&m->lock);
	return (int64_t)n;
}

static int mem_stat(struct store_file *base, struct store_stat *out, struct err *err)
{
	struct mem_store *m = mem_of(base->store);

	pthread_mutex_lock(&m->lock);
	object_stat(((struct mem_file *)base)->object, out);
	pthread_mutex_unlock(&m->lock);
	return 0;
}

static void mem_close(struct store_file *base)
{
	struct mem_file *f = (struct mem_file *)base;
	struct mem_store *m = mem_of(base->store);

	pthread_mutex_lock(&m->lock);
	object_unref(f->object);
	pthread_mutex_unlock(&m->lock);
	free(f);
}

static void mem_free(struct store *s)
{
	struct mem_store *m = mem_of(s);

	for (size_t i = 0; i < m->count; i++)
		object_unref(m->objects[i]);
	for (struct mem_fault *f = m->faults, *next; f; f = next) {
		next = f->next;
		free(f->dir);
		free(f);
	}
	pthread_mutex_destroy(&m->lock);
	free(m->objects);
	free(m);
}

/* Makes room for one more and appends an object without bytes. */
static struct mem_object *object_add(struct mem_store *m, const char *path)
{
	struct mem_object *o;

	if (m->count == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 16;
		struct mem_object **grown = realloc(m->objects, cap * sizeof(*grown));

		if (!grown)
			return NULL;
		m->objects = grown;
		m->cap = cap;
	}
	o = calloc(1, sizeof(*o));
	if (o)
		o->path = strdup(path);
	if (!o || !o->path) {
		free(o);
		return NULL;
	}
	o->refs = 1;
	m->objects[m->count++] = o;
	return o;
}

int store_mem_put(struct store *s, const char *path, struct slice bytes, int64_t mtime)
{
	struct mem_store *m = mem_of(s);
	struct mem_object *o = NULL;
	size_t i;
	int r = 0;

	pthread_mutex_lock(&m->lock);
	i = object_index(m, path);
	if (i < m->count)
		o = m->objects[i];
	else
		r = check_place(m, path);
	if (r == 0 && !o && !(o = object_add(m, path)))
		r = -ENOMEM;
	if (r == 0) {
		buf_clear(&o->bytes);
		buf_add_slice(&o->bytes, bytes);
		o->mtime = o->ctime = mtime;
		r = buf_error(&o->bytes);
	}
	pthread_mutex_unlock(&m->lock);
	return r;
}

int store_mem_remove(struct store *s, const char *path)
{
	struct mem_store *m = mem_of(s);
	size_t i;
	int r = -ENOENT;

	pthread_mutex_lock(&m->lock);
	i = object_index(m, path);
	if (i < m->count) {
		m->objects[i]->ctime++; /* a directory's file also has one link less, which its ctime tells */
		object_unref(m->objects[i]);
		m->objects[i] = m->objects[--m->count];
		r = 0;
	}
	pthread_mutex_unlock(&m->lock);
	return r;
}

static int mem_put(
	struct store *s, const char *path, const struct store_body *body, enum store_put how, struct err *err)
{
	OWNED_BUF bytes = {0};
	struct store_stat st;
	char *to = buf_reserve(&bytes, body->size + 1);
	int r = 0;

	if (!to || store_body_read(body, 0, to, body->size) != (ssize_t)body->size)
		return err_set(err, -EIO, "cannot read what is to be written");
	if (how == STORE_NEW && mem_head(s, path, &st, NULL) == 0)
		return err_sys(err, -EEXIST, "cannot write");
	r = store_mem_put(s, path, slice_of(to, body->size), time_now());
	return r < 0 ? err_sys(err, r, "cannot write") : 0;
}

static int mem_remove(struct store *s, const char *path, struct err *err)
{
	int r = store_mem_remove(s, path);

	return r < 0 && r != -ENOENT ? err_sys(err, r, "cannot remove") : 0;
}

static const struct store_ops mem_ops = {
	.list = mem_list,
	.head = mem_head,
	.open = mem_open,
	.read = mem_read,
	.stat = mem_stat,
	.close = mem_close,
	.put = mem_put,
	.remove = mem_remove,
	.free = mem_free,
};

int store_mem_open(struct store **out, struct err *err)
{
	struct mem_store *m = calloc(1, sizeof(*m));

	*out = NULL;
	if (m)
		m->base.url = strdup("mem:");
	if (!m || !m->base.url) {
		free(m);
		return err_set(err, -ENOMEM, "out of memory");
	}
	m->base.ops = &mem_ops;
	pthread_mutex_init(&m->lock, NULL);
	*out = &m->base;
	return 0;
}

static void fault_remove(struct mem_store *m, const char *dir)
{
	struct mem_fault **at = &m->faults;

	while (*at && strcmp((*at)->dir, dir) != 0)
		at = &(*at)->next;
	if (*at) {
		struct mem_fault *gone = *at;

		*at = gone->next;
		free(gone->dir);
		free(gone);
	}
}

void store_mem_fail_list(struct store *s, const char *dir, unsigned after, int code)
{
	struct mem_store *m = mem_of(s);
	struct mem_fault *f;

	pthread_mutex_lock(&m->lock);
	fault_remove(m, dir);
	f = code ? calloc(1, sizeof(*f)) : NULL;
	if (f && (f->dir = strdup(dir))) {
		f->after = after;
		f->code = code;
		f->next = m->faults;
		m->faults = f;
	} else {
		free(f);
	}
	pthread_mutex_unlock(&m->lock);
}
