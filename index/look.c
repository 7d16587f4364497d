/* SPDX-License-Identifier: Apache-2.0 */
#include "look.h"

int look_at_catalog(struct look *l, struct catalog *c, struct err *err)
{
	struct catalog_current current = {.watermark = TIME_NONE, .base_at = TIME_NONE};
	struct row *rows = NULL;
	int r = template_parse(&l->template, l->cfg->partition, err);

	if (r < 0)
		return err_context(err, r, "feed.partition");
	if (c)
		r = catalog_current(c, &current, err);
	l->in = (struct plan_input){.cfg = l->cfg,
		.now = l->now,
		.retry = l->retry,
		.watermark = current.number ? current.watermark : TIME_NONE,
		.base_at = current.number ? current.base_at : TIME_NONE};
	l->from = plan_horizon(l->cfg, l->in.watermark, l->in.base_at);
	if (r == 0 && c)
		r = catalog_rows(c, l->from, true, l->arena, &rows, &l->in.row_count, err);
	l->in.rows = rows;
	return r < 0 ? err_context(err, r, "catalog.db") : 0;
}

int look_at_feed(
	struct look *l, struct store *store, struct listing *listing, struct plan *plan, struct err *err)
{
	int r = feed_list(store, l->template, l->cfg, l->from, l->now, listing, err);

	if (r < 0)
		return r;
	l->in.listing = listing;
	r = plan_make(&l->in, plan, err);
	if (r < 0)
		listing_release(listing);
	return r;
}

void look_release(struct look *l)
{
	template_free(l->template);
	l->template = NULL;
}
