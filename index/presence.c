/* SPDX-License-Identifier: Apache-2.0 */
#include "presence.h"

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct presence_entry *)a)->name, ((const struct presence_entry *)b)->name);
}

static int add_entry(void *ctx, struct slice name, const struct store_stat *st)
{
	struct presence_entry e = {.size = st->size, .mtime = st->mtime};
	struct presence *p = ctx;

	if (st->is_dir || name.len > PRESENCE_NAME_MAX)
		return 0;
	memcpy(e.name, name.data, name.len);
	buf_add(&p->entries, &e, sizeof(e));
	return buf_error(&p->entries);
}

int presence_list(struct presence *p, struct store *store, const char *dir, struct err *err)
{
	int r;

	buf_clear(&p->entries);
	r = store_list(store, dir, add_entry, p, err);
	return r == -ENOENT ? 0 : r == -ENOMEM ? err_set(err, r, "out of memory") : r;
}

void presence_release(struct presence *p)
{
	buf_release(&p->entries);
}

const struct presence_entry *presence_find(const struct presence *p, const char *name)
{
	struct presence_entry key = {.size = 0};
	size_t len = strlen(name);

	if (len > PRESENCE_NAME_MAX || !p->entries.len)
		return NULL;
	memcpy(key.name, name, len);
	return bsearch(&key, p->entries.data, presence_count(p), sizeof(key), by_name);
}
