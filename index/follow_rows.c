/* SPDX-License-Identifier: Apache-2.0 */
#include "follow_rows.h"

#include "row_chunks.h"

struct comparing {
	struct store *store;
	const struct edition *e;
	struct row *rows; /* the catalog's */
	size_t row_count;
	struct buf changed, gone; /* struct row, int64_t */
	struct arena *arena;
};

static bool row_equals(const struct row *a, const struct row *b)
{
	OWNED_BUF x = {0};
	OWNED_BUF y = {0};

	row_text_encode(a, 1, &x);
	row_text_encode(b, 1, &y);
	return !x.failed && !y.failed && slice_eq(buf_slice(&x), buf_slice(&y));
}

static void compare(struct comparing *c, size_t from, size_t to, const struct row *theirs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (; from < to && c->rows[from].ts < theirs[i].ts; from++)
			buf_add(&c->gone, &c->rows[from].ts, sizeof(int64_t));
		if (from < to && c->rows[from].ts == theirs[i].ts && row_equals(&c->rows[from++], &theirs[i]))
			continue;
		buf_add(&c->changed, &theirs[i], sizeof(theirs[i]));
	}
	for (; from < to; from++)
		buf_add(&c->gone, &c->rows[from].ts, sizeof(int64_t));
}

static int check_span(
	const struct edition *e, size_t i, const struct row *rows, size_t count, struct err *err)
{
	int64_t end = i + 1 < e->row_count ? e->rows[i + 1].from : TIME_FOREVER;

	if (count && (rows[0].ts < e->rows[i].from || rows[count - 1].ts >= end))
		return err_set(err, -EBADMSG, "has partitions of another time");
	return 0;
}

/* One piece: fetched where it is not the catalog's. */
static int take_piece(struct comparing *c, size_t i, struct err *err)
{
	const struct edition_part *want = &c->e->rows[i].part;
	struct edition_part ours;
	char path[EDITION_PATH_MAX];
	OWNED_BUF text = {0};
	size_t from, to, count;
	struct row *theirs;
	int r;

	row_chunk_span(c->rows, c->row_count, c->e->rows, c->e->row_count, i, &from, &to);
	r = row_chunk_text(from < to ? c->rows + from : NULL, to - from, &text, &ours, err);
	if (r < 0 || (ours.bytes == want->bytes && !memcmp(ours.sha256, want->sha256, SHA256_BYTES)))
		return r;
	buf_clear(&text);
	r = edition_get_part(c->store, part_path("rows", want->sha256, path), want, ROW_TEXT_MAX, &text, err);
	if (r < 0)
		return r;
	r = row_text_decode(buf_slice(&text), c->arena, &theirs, &count, err);
	if (r == 0)
		r = check_span(c->e, i, theirs, count, err);
	if (r < 0)
		return err_context(err, r, "%s/%s", c->store->url, path);
	compare(c, from, to, theirs, count);
	return 0;
}

static int hand_out(struct comparing *c, struct row_changes *out, struct err *err)
{
	out->rows = arena_alloc(c->arena, c->changed.len + 1);
	out->gone = arena_alloc(c->arena, c->gone.len + 1);
	if (c->changed.failed || c->gone.failed || !out->rows || !out->gone)
		return err_set(err, -ENOMEM, "out of memory");
	if (c->changed.len)
		memcpy(out->rows, c->changed.data, c->changed.len);
	if (c->gone.len)
		memcpy(out->gone, c->gone.data, c->gone.len);
	out->row_count = c->changed.len / sizeof(*out->rows);
	out->gone_count = c->gone.len / sizeof(*out->gone);
	return 0;
}

int follow_rows(struct store *store, const struct edition *e, struct catalog *catalog, struct arena *arena,
	struct row_changes *out, struct err *err)
{
	struct comparing c = {.store = store, .e = e, .arena = arena};
	int r = catalog_rows(catalog, TIME_NONE, true, arena, &c.rows, &c.row_count, err);
	size_t first = c.row_count, end;

	*out = (struct row_changes){0};
	if (r < 0)
		return r;
	/* What is older than all that the edition has. */
	if (e->row_count)
		row_chunk_span(c.rows, c.row_count, e->rows, e->row_count, 0, &first, &end);
	compare(&c, 0, first, NULL, 0);
	for (size_t i = 0; r == 0 && i < e->row_count; i++)
		r = take_piece(&c, i, err);
	if (r == 0)
		r = hand_out(&c, out, err);
	buf_release(&c.changed);
	buf_release(&c.gone);
	return r;
}
