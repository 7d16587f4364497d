/* SPDX-License-Identifier: Apache-2.0 */
#include "xattr.h"
#include "view.h"

#include <inttypes.h>

typedef int value_fn(struct tree *t, const struct node *n, struct buf *out, struct err *err);

/* The root shows what is current; everything else what it belongs to. */
static struct generation *generation_of(struct tree *t, const struct node *n)
{
	OWNED(snapshot) struct snapshot *s = NULL;

	if (n->kind != NODE_ROOT)
		return n->generation ? generation_ref(n->generation) : NULL;
	s = refresh_snapshot(t->refresh);
	return s->generation ? generation_ref(s->generation) : NULL;
}

static int generation_value(struct tree *t, const struct node *n, struct buf *out, struct err *err)
{
	OWNED(generation) struct generation *g = generation_of(t, n);

	if (!g)
		return 0;
	buf_addf(out, "%" PRIu64, g->manifest.number);
	return 1;
}

static int watermark_value(struct tree *t, const struct node *n, struct buf *out, struct err *err)
{
	OWNED(generation) struct generation *g = generation_of(t, n);
	char text[TIME_TEXT_MAX];

	if (!g)
		return 0;
	buf_add_str(out, time_text(g->manifest.watermark, text));
	return 1;
}

static int df_value(struct tree *t, const struct node *n, struct buf *out, struct err *err)
{
	struct view_term term;
	int r;

	if (n->kind != NODE_TERM && n->kind != NODE_TERM_ROWS)
		return 0;
	r = view_term_stat(n->generation, node_text(n), &term, err);
	if (r >= 0 && generation_check(n->generation, err) < 0)
		return -EBADMSG;
	if (r == 1)
		buf_addf(out, "%" PRIu64, term.df);
	return r;
}

static int partition_value(struct tree *t, const struct node *n, bool reason, struct buf *out)
{
	OWNED(snapshot) struct snapshot *s = NULL;
	const struct row *row;

	if (n->kind != NODE_MIRROR_DIR || n->place != MIRROR_PARTITIONS)
		return 0;
	s = refresh_snapshot(t->refresh);
	row = snapshot_row(s, t->template, mirror_path(n));
	if (!row || (reason && !row->reason.len))
		return 0;
	if (reason)
		buf_add_slice(out, row->reason);
	else
		buf_add_str(out, partition_state_name(row->state));
	return 1;
}

static int state_value(struct tree *t, const struct node *n, struct buf *out, struct err *err)
{
	return partition_value(t, n, false, out);
}

static int reason_value(struct tree *t, const struct node *n, struct buf *out, struct err *err)
{
	return partition_value(t, n, true, out);
}

static int sha256_value(struct tree *t, const struct node *n, struct buf *out, struct err *err)
{
	if (n->kind != NODE_SEGMENT)
		return 0;
	buf_add_slice(out, node_text(n));
	return 1;
}

static const struct {
	const char *name;
	value_fn *value;
} attributes[] = {
	{"user.freshet.generation", generation_value},
	{"user.freshet.watermark", watermark_value},
	{"user.freshet.df", df_value},
	{"user.freshet.state", state_value},
	{"user.freshet.reason", reason_value},
	{"user.freshet.sha256", sha256_value},
};
#define ATTRIBUTES (sizeof(attributes) / sizeof(attributes[0]))

int xattr_get(struct tree *t, const struct node *n, const char *name, struct buf *out, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < ATTRIBUTES; i++) {
		if (!strcmp(attributes[i].name, name))
			r = attributes[i].value(t, n, out, err);
	}
	return r == 1 && out->failed ? err_set(err, -ENOMEM, "out of memory") : r;
}

int xattr_list(struct tree *t, const struct node *n, struct buf *out, struct err *err)
{
	OWNED_BUF value = {0};
	int r;

	for (size_t i = 0; i < ATTRIBUTES; i++) {
		buf_clear(&value);
		r = attributes[i].value(t, n, &value, err);
		if (r < 0)
			return r;
		if (r == 1)
			buf_add(out, attributes[i].name, strlen(attributes[i].name) + 1);
	}
	return buf_error(out);
}
