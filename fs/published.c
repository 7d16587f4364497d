/* SPDX-License-Identifier: Apache-2.0 */
#include "published.h"

void published_init(struct published *p, const struct snapshot_source *from)
{
	*p = (struct published){.from = *from};
}

void published_release(struct published *p)
{
	catalog_free(p->from.catalog);
	p->from.catalog = NULL;
}

static bool current_changed(struct published *p)
{
	struct stamp now = stamp_take(p->from.state, "current");
	bool changed = !stamp_equal(&now, &p->current);

	p->current = now;
	return changed;
}

/* Where the state directory was emptied, the catalog that is open lies nowhere any more. Its stamp is taken before
 * it is opened: what takes its place meanwhile is then seen the next time. Returns 1 when it was opened, 0, or -errno. */
static int open_catalog(struct published *p, struct err *err)
{
	struct stamp now = stamp_take(p->from.state, "catalog.db");
	int r;

	if (p->from.catalog && stamp_same_file(&now, &p->catalog_stamp))
		return 0;
	if (p->from.catalog)
		p->catalog_version = UINT64_MAX;
	published_release(p);
	p->catalog_stamp = now;
	r = catalog_open(&p->from.catalog, p->from.state, false, err);
	return r == 0 ? 1 : r == -ENOENT ? 0 : r;
}

int published_look(struct published *p, const struct snapshot *now, struct snapshot **next, bool *reopened,
	struct err *err)
{
	struct stamp before = p->current;
	uint64_t version = 0;
	int r = open_catalog(p, err);

	*reopened = r == 1;
	if (r >= 0 && p->from.catalog)
		r = catalog_version(p->from.catalog, &version, err);
	if (r >= 0 && p->from.catalog && version != p->catalog_version)
		r = catalog_read_index(p->from.catalog, err);
	if (r < 0)
		return r;
	/* Remembered before loading: what changes meanwhile is then seen as a change the next time. */
	if (!current_changed(p) && version == p->catalog_version && now)
		return 0;
	r = snapshot_load(next, &p->from, now, err);
	if (r < 0)
		p->current = before;
	else
		p->catalog_version = version;
	return r < 0 ? r : 1;
}
