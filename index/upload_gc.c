/* SPDX-License-Identifier: Apache-2.0 */
/* index/upload_gc.c - what goes from a store that is published to.
 *
 * Editions go first, oldest first; then what none of those that are left names. Of these only what is older than `keep_for`: what somebody
 * has just put there may be for an edition that is not written yet. Each removal asks before whether the epoch is still this state's alone, so
 * that one who was stopped for hours does not take what another has begun to use; were it stopped in that very instant, the
 * next publishing puts what is missing there again. At last goes what a publishing that was killed has left unfinished. */
#include <inttypes.h>
#include <stdio.h>

#include "upload_private.h"

#define SLACK 4 /* editions more than are kept: so the work is done for some at once */
#define UNFINISHED_MAX (24 * TIME_HOUR) /* what is being sent that long is sent no more */

/* "E-N-HASH.json" */
static bool parse_name(const char *name, uint64_t *epoch, uint64_t *number)
{
	char hash[EDITION_HASH_HEX + 1], again[PRESENCE_NAME_MAX + 1];

	if (sscanf(name, "%" SCNu64 "-%" SCNu64 "-%16[0-9a-f]", epoch, number, hash) != 3)
		return false;
	snprintf(again, sizeof(again), "%" PRIu64 "-%" PRIu64 "-%s.json", *epoch, *number, hash);
	return !strcmp(again, name);
}

struct listed {
	uint64_t epoch, number;
	const struct presence_entry *entry;
	bool kept;
};

static int newest_first(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;

	if (x->epoch != y->epoch)
		return x->epoch < y->epoch ? 1 : -1;
	return (x->number < y->number) - (x->number > y->number);
}

/* All editions, newest first. */
static int list_editions(struct upload *u, struct presence *p, struct buf *out, struct err *err)
{
	int r = presence_list(p, u->in->store, "generations", err);

	for (size_t i = 0; r == 0 && i < presence_count(p); i++) {
		struct listed l = {.entry = presence_at(p, i)};

		if (parse_name(l.entry->name, &l.epoch, &l.number))
			buf_add(out, &l, sizeof(l));
	}
	if (r == 0 && buf_error(out))
		r = err_set(err, -ENOMEM, "out of memory");
	if (r == 0 && out->len)
		qsort(out->data, out->len / sizeof(struct listed), sizeof(struct listed), newest_first);
	return r;
}

/* By the rules of gc.h; each that is published counts. Returns how many may go. */
static size_t choose(const struct upload *u, struct listed *list, size_t count)
{
	int64_t young = time_add(time_now(), -u->in->cfg->keep_for);
	char now[EDITION_PATH_MAX];
	size_t going = 0;

	edition_path(&u->there.newest, now);

	for (size_t i = 0; i < count; i++) {
		list[i].kept = !strcmp(list[i].entry->name, strchr(now, '/') + 1) || i < u->in->cfg->keep ||
			       (i < u->in->cfg->keep_max && list[i].entry->mtime > young);
		going += !list[i].kept;
	}
	return going;
}

/* ---- what is named ---- */

static void add_name(struct buf *names, const char *path)
{
	struct presence_entry e = {.size = 0};

	snprintf(e.name, sizeof(e.name), "%s", strchr(path, '/') + 1);
	buf_add(names, &e, sizeof(e));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct presence_entry *)a)->name, ((const struct presence_entry *)b)->name);
}

static int add_segments(struct upload *u, const struct edition *e, struct buf *names, struct err *err)
{
	char path[EDITION_PATH_MAX];
	OWNED_BUF bytes = {0};
	struct manifest m;
	int r = edition_get_part(u->in->store, part_path("manifests", e->manifest.sha256, path), &e->manifest,
		MANIFEST_MAX, &bytes, err);

	if (r == 0)
		r = manifest_decode(buf_slice(&bytes), &m, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < m.segment_count; i++)
		add_name(names, part_path("segments", m.segments[i].sha256, path));
	manifest_release(&m);
	return 0;
}

/* What edition `l` names. */
static int add_edition(struct upload *u, const struct listed *l, struct buf *names, struct err *err)
{
	char path[EDITION_PATH_MAX];
	OWNED_BUF bytes = {0};
	struct edition e;
	int r;

	snprintf(path, sizeof(path), "generations/%s", l->entry->name);
	r = store_get(u->in->store, path, EDITION_MAX, &bytes, err);
	if (r == 0)
		r = edition_decode(buf_slice(&bytes), &e, err);
	if (r < 0)
		return r;
	add_name(names, part_path("manifests", e.manifest.sha256, path));
	add_name(names, part_path("live", e.live.sha256, path));
	for (size_t i = 0; i < e.row_count; i++)
		add_name(names, part_path("rows", e.rows[i].part.sha256, path));
	r = add_segments(u, &e, names, err);
	edition_release(&e);
	return r;
}

/* ---- removing ---- */

static int remove_one(struct upload *u, const char *dir, const char *name, struct err *err)
{
	char path[EDITION_PATH_MAX];
	int r = upload_still_ours(u, err);

	if (r != 0)
		return r < 0 ? r : err_set(err, -EBUSY, "another has just published there");
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return store_remove(u->in->store, path, err);
}

/* Is it a name that this program gives, or the rest of one that was not finished? */
static bool is_ours(const char *name)
{
	return strspn(name, "0123456789abcdef") >= SEGMENT_NAME_HEX || !strncmp(name, ".freshet-put-", 13);
}

static int sweep(struct upload *u, const char *dir, const struct presence *names, struct err *err)
{
	int64_t young = time_add(time_now(), -u->in->cfg->keep_for);
	struct presence there = {0};
	int r = presence_list(&there, u->in->store, dir, err);

	for (size_t i = 0; r == 0 && i < presence_count(&there); i++) {
		const struct presence_entry *e = presence_at(&there, i);

		if (e->mtime <= young && is_ours(e->name) && !presence_find(names, e->name))
			r = remove_one(u, dir, e->name, err);
	}
	presence_release(&there);
	return r;
}

/* In all that is written to: what nothing names, and what was not finished. Of editions and pointers only the latter. */
static int sweep_all(struct upload *u, const struct presence *names, struct err *err)
{
	static const char *const dirs[] = {"segments", "manifests", "live", "rows", "generations"};
	int64_t before = time_add(time_now(), -UNFINISHED_MAX);
	char epoch[EDITION_PATH_MAX];
	int r;

	pointer_path(u->there.epoch, epoch);
	*strrchr(epoch, '/') = '\0';
	r = sweep(u, epoch, names, err);
	for (size_t i = 0; r == 0 && i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		r = sweep(u, dirs[i], names, err);
		if (r == 0)
			r = store_sweep(u->in->store, dirs[i], before, err);
	}
	return r;
}

static int remove_old(struct upload *u, struct listed *list, size_t count, struct err *err)
{
	struct presence names = {0};
	int r = 0;

	/* Before anything goes: where one that stays cannot be read, nothing does. */
	for (size_t i = 0; r == 0 && i < count; i++)
		if (list[i].kept)
			r = add_edition(u, &list[i], &names.entries, err);
	if (r == 0 && buf_error(&names.entries))
		r = err_set(err, -ENOMEM, "out of memory");
	if (r == 0 && names.entries.len)
		qsort(names.entries.data, presence_count(&names), sizeof(struct presence_entry), by_name);
	for (size_t i = count; r == 0 && i > 0; i--)
		if (!list[i - 1].kept)
			r = remove_one(u, "generations", list[i - 1].entry->name, err);
	if (r == 0)
		r = sweep_all(u, &names, err);
	presence_release(&names);
	return r;
}

int upload_gc(struct upload *u, struct err *err)
{
	struct presence editions = {0};
	OWNED_BUF list = {0};
	struct listed *l;
	size_t count;
	int r = list_editions(u, &editions, &list, err);

	l = (struct listed *)(void *)list.data;
	count = list.len / sizeof(*l);
	if (r == 0 && choose(u, l, count) >= (u->full ? 0 : SLACK))
		r = remove_old(u, l, count, err);
	presence_release(&editions);
	return r < 0 ? err_context(err, r, "removing what is not kept") : 0;
}
