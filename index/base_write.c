/* SPDX-License-Identifier: Apache-2.0 */
/* index/base_write.c - from sorted records to the segments of a base. Attributes come first; what documents need of them is
 * kept beside, as it is, in a file. */
#include "base_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "reader.h"

#define STEP 4096 /* records between two reports */

/* The attributes of a base while its documents are written: ids in memory, records in a file without a name. */
struct shelf {
	int fd;           /* owned */
	struct buf ids;   /* one behind the other */
	struct buf items; /* struct shelf_item, by id */
	struct buf out;   /* not written yet */
	uint64_t end;     /* bytes written, and in `out` */
};
struct shelf_item {
	uint64_t id, json; /* where they start */
	uint32_t id_len, json_len;
};

struct writing {
	const struct base_write_input *in;
	struct buf *pieces;
	struct shelf shelf;
	struct buf entries; /* struct entry */
	struct arena arena; /* what they point to */
	size_t piece_max;   /* bytes of it */
	uint64_t done;
};

#define SHELF_BUFFER ((size_t)1 << 20)

static int shelf_open(struct shelf *s, const struct state *state, struct err *err)
{
	OWNED_STR char *path = state_path(state, "%s/attributes", state->build);

	s->fd = -1;
	if (!path)
		return err_set(err, -ENOMEM, "out of memory");
	s->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (s->fd < 0)
		return err_sys(err, -errno, "%s", path);
	unlink(path);
	return 0;
}

static int shelf_flush(struct shelf *s, struct err *err)
{
	size_t at = 0;

	while (at < s->out.len) {
		ssize_t n = write(s->fd, s->out.data + at, s->out.len - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, -errno, "writing attributes aside");
		at += (size_t)n;
	}
	buf_clear(&s->out);
	return 0;
}

static int shelf_add(struct shelf *s, struct slice id, struct slice json, struct err *err)
{
	struct shelf_item item = {
		.id = s->ids.len, .json = s->end, .id_len = (uint32_t)id.len, .json_len = (uint32_t)json.len};

	buf_add_slice(&s->ids, id);
	buf_add_slice(&s->out, json);
	buf_add(&s->items, &item, sizeof(item));
	s->end += json.len;
	if (s->ids.failed || s->out.failed || s->items.failed)
		return err_set(err, -ENOMEM, "out of memory for attributes");
	return s->out.len >= SHELF_BUFFER ? shelf_flush(s, err) : 0;
}

/* An attribute_fn; any number of threads, once all is flushed. */
static int shelf_find(void *ctx, struct slice id, struct buf *json, struct err *err)
{
	const struct shelf *s = ctx;
	const struct shelf_item *items = (const struct shelf_item *)s->items.data;
	size_t low = 0, high = s->items.len / sizeof(*items);

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = slice_cmp(slice_of(s->ids.data + items[mid].id, items[mid].id_len), id);
		char *to;

		if (c < 0) {
			low = mid + 1;
		} else if (c > 0) {
			high = mid;
		} else {
			to = buf_reserve(json, items[mid].json_len);
			if (!to)
				return err_set(err, -ENOMEM, "out of memory");
			if (pread(s->fd, to, items[mid].json_len, (off_t)items[mid].json) !=
				items[mid].json_len)
				return err_set(err, -EIO, "reading attributes kept aside");
			json->len += items[mid].json_len;
			return 1;
		}
	}
	return 0;
}

static void shelf_release(struct shelf *s)
{
	if (s->fd >= 0)
		close(s->fd);
	buf_release(&s->ids);
	buf_release(&s->items);
	buf_release(&s->out);
}

static int write_piece(struct writing *w, struct err *err)
{
	size_t count = w->entries.len / sizeof(struct entry);
	struct base_piece piece = {0};
	struct compose_input in = {.state = w->in->state,
		.cfg = w->in->cfg,
		.file = piece.file,
		.base = true,
		.sources = w->in->sources,
		.source_count = w->in->source_count,
		.entries = (struct entry *)w->entries.data,
		.entry_count = count,
		.attribute = shelf_find,
		.attribute_ctx = &w->shelf,
		.stop = w->in->stop};
	int r = shelf_flush(&w->shelf, err);

	if (r < 0 || !count)
		return r;
	snprintf(piece.file, sizeof(piece.file), "base-%zu", w->pieces->len / sizeof(piece));
	r = compose(&in, &piece.output, err);
	if (r < 0)
		return r;
	buf_add(w->pieces, &piece, sizeof(piece));
	buf_clear(&w->entries);
	arena_release(&w->arena);
	return buf_error(w->pieces) ? err_set(err, -ENOMEM, "out of memory") : 0;
}

static int put_record(struct writing *w, const struct record *r, struct err *err)
{
	struct entry e = {.id = arena_dup(&w->arena, r->id),
		.group = r->group.len ? arena_dup(&w->arena, r->group) : slice_of(NULL, 0),
		.version = r->version.len ? arena_dup(&w->arena, r->version) : slice_of(NULL, 0),
		.state = id_is_attribute(r->id) ? ENTRY_ATTRIBUTE : ENTRY_LIVE,
		.source = r->source,
		.line = r->line};
	char *json = arena_alloc(&w->arena, r->json.len + RECORD_PADDING);

	if (!e.id.data || !json || (r->group.len && !e.group.data) || (r->version.len && !e.version.data))
		return err_set(err, -ENOMEM, "no memory for a record of %zu bytes", r->json.len);
	memcpy(json, r->json.data, r->json.len + RECORD_PADDING);
	e.record = slice_of(json, r->json.len);
	buf_add(&w->entries, &e, sizeof(e));
	return buf_error(&w->entries) ? err_set(err, -ENOMEM, "out of memory") : 0;
}

static int take_record(struct writing *w, const struct record *r, struct err *err)
{
	int code = 0;

	/* A piece ends with its attributes, so that all of them are at hand for the first document. */
	if (w->arena.bytes + w->entries.len >= w->piece_max)
		code = write_piece(w, err);
	if (code == 0 && id_is_attribute(r->id))
		code = shelf_add(&w->shelf, r->id, r->json, err);
	if (code == 0)
		code = put_record(w, r, err);
	if (++w->done % STEP == 0 && w->in->progress)
		w->in->progress(w->in->progress_ctx, w->done, w->in->total);
	if (code == 0 && w->in->stop && *w->in->stop)
		code = err_set(err, -EINTR, "stopped while writing");
	return code;
}

int base_write(const struct base_write_input *in, struct buf *pieces, struct err *err)
{
	struct writing w = {.in = in, .pieces = pieces, .piece_max = in->cfg->memory / BASE_WRITE_PART};
	struct record record;
	int r = shelf_open(&w.shelf, in->state, err);

	while (r == 0 && (r = sorter_next(in->sorter, &record, err)) == 1)
		r = record.deleted ? 0 : take_record(&w, &record, err);
	if (r == 0)
		r = write_piece(&w, err);
	shelf_release(&w.shelf);
	buf_release(&w.entries);
	arena_release(&w.arena);
	return r;
}

static int open_piece(const struct state *state, const struct base_piece *piece, struct segment **s,
	struct manifest_segment *m, struct err *err)
{
	OWNED_STR char *path = state_path(state, "%s/%s", state->build, piece->file);
	char hex[SHA256_HEX];

	*m = (struct manifest_segment){.bytes = piece->output.bytes,
		.entries = piece->output.info.entries,
		.first = piece->output.info.first,
		.last = piece->output.info.last,
		.base = true,
		.left = TIME_NONE};
	memcpy(m->sha256, piece->output.sha256, SHA256_BYTES);
	memcpy(m->name, hex_text(m->sha256, SHA256_BYTES, hex), SEGMENT_NAME_HEX);
	return path ? segment_open(s, path, m->name, err) : err_set(err, -ENOMEM, "out of memory");
}

int base_open(const struct state *state, const struct buf *pieces, struct generation **out, struct err *err)
{
	const struct base_piece *list = (const struct base_piece *)pieces->data;
	size_t count = pieces->len / sizeof(*list);
	struct generation_draft d = {.segments = calloc(count + 1, sizeof(*d.segments)),
		.manifests = calloc(count + 1, sizeof(*d.manifests))};
	int r = d.segments && d.manifests ? 0 : err_set(err, -ENOMEM, "out of memory");

	for (; r == 0 && d.count < count; d.count += r == 0)
		r = open_piece(state, &list[d.count], &d.segments[d.count], &d.manifests[d.count], err);
	if (r == 0)
		r = generation_make(out, &d, TIME_NONE, err);
	if (r < 0)
		for (size_t i = 0; d.segments && i < d.count; i++)
			segment_free(d.segments[i]);
	free(d.segments);
	free(d.manifests);
	return r;
}
