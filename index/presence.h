/* SPDX-License-Identifier: Apache-2.0 */
/* index/presence.h - what is in one directory of a store, with sizes: asked once, and then looked up. */
#ifndef FRESHET_PRESENCE_H
#define FRESHET_PRESENCE_H

#include "store.h"

#define PRESENCE_NAME_MAX 72 /* longer names are none of ours, and left out */

struct presence_entry {
	char name[PRESENCE_NAME_MAX + 1];
	uint64_t size;
	int64_t mtime;
};
struct presence {
	struct buf entries; /* struct presence_entry, by name */
};
/* Lists `dir`, files only; one that is not there is empty. Returns 0 or -errno. */
int presence_list(struct presence *p, struct store *store, const char *dir, struct err *err);
void presence_release(struct presence *p); /* zero-initialised is fine */
static inline size_t presence_count(const struct presence *p)
{
	return p->entries.len / sizeof(struct presence_entry);
}
static inline const struct presence_entry *presence_at(const struct presence *p, size_t i)
{
	return (const struct presence_entry *)(const void *)p->entries.data + i;
}
const struct presence_entry *presence_find(const struct presence *p, const char *name); /* NULL: not there */

#endif
