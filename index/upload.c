/* SPDX-License-Identifier: Apache-2.0 */
/* index/upload.c - publishing to a store, in this order:
 *   1. whose turn is it? Where it is another's, or the store cannot tell, nothing is written
 *   2. segments and texts of rows that are not there yet
 *   3. the claim of an epoch, where this state has none; then a number above all that were published before, and 2 again
 *   4. live set, manifest, edition: the edition is the first that names the others
 *   5. is the epoch still this state's? Then the pointer
 *   6. what is let go
 * So the pointer never names what is not there, and each step done twice is as done once. Between 5's question and its pointer another
 * may have claimed the next epoch; the pointer is then of an epoch that nobody looks at. */
#include <inttypes.h>
#include <unistd.h>

#include "row_chunks.h"
#include "upload_private.h"

#define TURNS_MAX 16 /* generations that builds published meanwhile; the rest waits for the next publishing */

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

static int check_stop(const struct upload *u, struct err *err)
{
	return u->in->stop && *u->in->stop ? err_set(err, -EINTR, "stopped") : 0;
}

static void count(struct upload *u, uint64_t bytes)
{
	u->out->objects++;
	u->out->bytes += bytes;
}

/* ---- what is published ---- */

/* The current generation, and the rows of that very moment. */
static int load(struct upload *u, struct err *err)
{
	struct catalog_current before, after = {0};
	int r;

	do {
		generation_unref(u->g);
		u->g = NULL;
		arena_release(&u->arena);
		r = catalog_current(u->catalog, &before, err);
		if (r == 0 && !before.number)
			return 0;
		if (r == 0)
			r = generation_open(&u->g, u->in->state, before.number, err);
		if (r == 0)
			r = catalog_rows(
				u->catalog, TIME_NONE, true, &u->arena, &u->rows, &u->row_count, err);
		if (r == 0 || r == -ENOENT)
			r = catalog_current(u->catalog, &after, err);
	} while (r == 0 && after.number != before.number);
	if (r == 0 && !u->g)
		r = err_context(err, -EBADMSG, "generation %" PRIu64 " is not whole here", before.number);
	return r;
}

static int load_config(struct upload *u, struct err *err)
{
	OWNED_BUF text = {0};
	OWNED_BUF ours = {0};
	int r = catalog_get(u->catalog, "config", &text, err);

	if (r < 0)
		return r;
	edition_config(buf_slice(&text), &ours);
	u->edition.config = strdup(buf_cstr(&ours));
	return buf_error(&ours) || !u->edition.config ? no_memory(err) : 0;
}

/* ---- putting ---- */

static int put_bytes(struct upload *u, const char *path, struct slice bytes, struct err *err)
{
	struct store_body body = store_bytes(bytes);
	int r = check_stop(u, err);

	body.stop = u->in->stop;
	if (r == 0)
		r = store_put(u->in->store, path, &body, STORE_REPLACE, err);
	if (r == 0)
		count(u, bytes.len);
	return r;
}

/* An object that its content names: there, with that size, it is what it is to be. */
static int put_part(
	struct upload *u, const char *kind, struct slice bytes, struct edition_part *part, struct err *err)
{
	char path[EDITION_PATH_MAX];
	struct store_stat st;
	int r;

	part->bytes = bytes.len;
	if (sha256(bytes, part->sha256) < 0)
		return err_set(err, -EIO, "SHA-256 is not to be had from libcrypto");
	part_path(kind, part->sha256, path);
	r = store_head(u->in->store, path, &st, err);
	if (r == 0 && st.size == bytes.len)
		return 0;
	return r < 0 && r != -ENOENT ? r : put_bytes(u, path, bytes, err);
}

static int put_segment(struct upload *u, const struct manifest_segment *m, int fd, struct err *err)
{
	struct store_body body = {.fd = fd, .size = m->bytes, .stop = u->in->stop};
	char path[EDITION_PATH_MAX];
	uint8_t sum[SHA256_BYTES];
	int r = check_stop(u, err);

	if (r == 0)
		r = sha256_fd(fd, sum, err);
	if (r == 0 && memcmp(sum, m->sha256, sizeof(sum)) != 0)
		r = err_set(
			err, -EBADMSG, "is damaged here, and therefore not published: see `freshet verify`");
	if (r == 0)
		r = store_put(
			u->in->store, part_path("segments", m->sha256, path), &body, STORE_REPLACE, err);
	if (r < 0)
		return err_context(err, r, "segment %s", m->name);
	count(u, m->bytes);
	return 0;
}

static int put_segments(struct upload *u, struct err *err)
{
	const struct manifest *m = &u->g->manifest;
	int r = presence_list(&u->segments, u->in->store, "segments", err);

	for (size_t i = 0; r == 0 && i < m->segment_count; i++) {
		char path[EDITION_PATH_MAX];
		const struct presence_entry *there = presence_find(&u->segments,
			part_path("segments", m->segments[i].sha256, path) + strlen("segments/"));

		if (!there || there->size != m->segments[i].bytes)
			r = put_segment(u, &m->segments[i], segment_fd(u->g->segments[i]), err);
	}
	return r;
}

static int put_rows(struct upload *u, struct err *err)
{
	struct edition *e = &u->edition;
	OWNED_BUF text = {0};
	int r = presence_list(&u->texts, u->in->store, "rows", err);

	if (r == 0 && row_chunks_cut(u->rows, u->row_count, u->in->cfg->cadence, &e->rows, &e->row_count) < 0)
		r = no_memory(err);
	for (size_t i = 0; r == 0 && i < e->row_count; i++) {
		struct edition_part *part = &e->rows[i].part;
		const struct presence_entry *there;
		char path[EDITION_PATH_MAX];
		size_t from, to;

		row_chunk_span(u->rows, u->row_count, e->rows, e->row_count, i, &from, &to);
		r = row_chunk_text(u->rows + from, to - from, &text, part, err);
		if (r < 0)
			break;
		there = presence_find(&u->texts, part_path("rows", part->sha256, path) + strlen("rows/"));
		if (!there || there->size != part->bytes)
			r = put_bytes(u, path, buf_slice(&text), err);
	}
	return r;
}

static int put_edition(struct upload *u, struct err *err)
{
	char path[EDITION_PATH_MAX];
	OWNED_BUF bytes = {0};
	struct store_stat st;
	int r;

	edition_encode(&u->edition, &bytes);
	if (buf_error(&bytes))
		return no_memory(err);
	if (bytes.len > EDITION_MAX)
		return err_set(err, -EFBIG, "an edition of %zu bytes is too large", bytes.len);
	u->ref = (struct edition_ref){
		.epoch = u->edition.epoch, .number = u->edition.number, .bytes = bytes.len};
	if (sha256(buf_slice(&bytes), u->ref.sha256) < 0)
		return err_set(err, -EIO, "SHA-256 is not to be had from libcrypto");
	r = store_head(u->in->store, edition_path(&u->ref, path), &st, err);
	if (r == 0 && st.size == bytes.len)
		return 0;
	return r < 0 && r != -ENOENT ? r : put_bytes(u, path, buf_slice(&bytes), err);
}

/* A publishing that died right behind its pointer has not noted it. */
static int remember_pointer(struct upload *u, struct err *err)
{
	if (edition_ref_is(&u->record.last, &u->there.newest))
		return 0;
	u->record.epoch = u->there.epoch;
	u->record.last = u->there.newest;
	return upload_record_set(u->catalog, &u->record, err);
}

static int put_pointer(struct upload *u, struct err *err)
{
	char path[EDITION_PATH_MAX];
	OWNED_BUF bytes = {0};
	int r;

	if (u->there.has_pointer && edition_ref_is(&u->there.newest, &u->ref))
		return remember_pointer(u, err);
	pointer_encode(u->edition.index, &u->ref, &bytes);
	if (buf_error(&bytes))
		return no_memory(err);
	u->record.epoch = u->ref.epoch;
	/* What is there was `next` before, where that publishing died: it must not be forgotten. */
	if (u->there.has_pointer)
		u->record.last = u->there.newest;
	u->record.next = u->ref;
	r = upload_record_set(u->catalog, &u->record, err);
	if (r == 0)
		r = upload_still_ours(u, err);
	if (r == 0)
		r = put_bytes(u, pointer_path(u->ref.epoch, path), buf_slice(&bytes), err);
	if (r != 0)
		return r;
	u->there.newest = u->record.last = u->ref;
	u->there.has_pointer = true;
	return upload_record_set(u->catalog, &u->record, err);
}

/* Returns 1 where all is to be gone through again: an epoch was claimed (whoever published before may have removed meanwhile what was counted
 * upon, and from now on cannot), or that one published in the very instant. */
static int publish_generation(struct upload *u, struct err *err)
{
	struct edition *e = &u->edition;
	int r = put_segments(u, err);

	edition_release(e);
	if (r == 0)
		r = put_rows(u, err);
	if (r == 0 && !u->ours) {
		r = upload_claim(u, err);
		return r < 0 ? r : 1;
	}
	if (r == 0)
		r = load_config(u, err);
	if (r == 0)
		r = put_part(u, "live", buf_slice(&u->g->live_bytes), &e->live, err);
	if (r == 0)
		r = put_part(u, "manifests", buf_slice(&u->g->manifest_bytes), &e->manifest, err);
	if (r == 0)
		r = catalog_paused(u->catalog, &e->paused, err);
	if (r < 0)
		return r;
	strcpy(e->index, catalog_index(u->catalog));
	e->epoch = u->there.epoch;
	e->number = u->g->manifest.number;
	e->watermark = u->g->manifest.watermark;
	r = put_edition(u, err);
	return r < 0 ? r : put_pointer(u, err);
}

/* ---- turns ---- */

static bool is_published(const struct upload *u)
{
	return u->ours && u->there.has_pointer && u->there.newest.number == u->g->manifest.number;
}

/* Once, by who holds the epoch: may it be tried again? */
static bool makes_room(struct upload *u, int code)
{
	if ((code != -ENOSPC && code != -EDQUOT) || !u->ours || u->full)
		return false;
	u->full = true;
	return upload_gc(u, NULL) == 0;
}

/* One generation. Returns 1 where there may be another by now, 0, or -errno. */
static int turn(struct upload *u, bool first, struct err *err)
{
	struct catalog_current now;
	int r = load(u, err);

	if (r == 0)
		r = upload_check_turn(u, err);
	if (r != 0 || !u->g)
		return r;
	u->out->generation = u->g->manifest.number;
	if (is_published(u) && !(first && u->in->check)) {
		u->out->idle = first;
		u->out->epoch = u->there.epoch;
		return remember_pointer(u, err);
	}
	r = publish_generation(u, err);
	if (makes_room(u, r))
		r = publish_generation(u, err);
	if (r < 0)
		return err_context(err, r, "publishing generation %" PRIu64, u->g->manifest.number);
	u->out->epoch = u->there.epoch;
	if (r == 1)
		return 1;
	r = catalog_current(u->catalog, &now, err);
	return r < 0 ? r : now.number != u->g->manifest.number;
}

static int run(struct upload *u, struct err *err)
{
	int r = catalog_open(&u->catalog, u->in->state, true, err);
	bool put;

	if (r == 0)
		r = catalog_refuse_rowless(u->catalog, u->in->state->dir, err);
	if (r == 0)
		r = upload_record_get(u->catalog, u->in->store->url, &u->record, err);
	if (r == 0)
		r = upload_look(u, err);
	if (r == 0 && !u->ours)
		r = upload_check_exclusive(u, err);
	for (unsigned i = 0; r == 0 && i < TURNS_MAX; i++) {
		r = turn(u, i == 0, err);
		if (r != 1)
			break;
		r = 0;
	}
	put = u->out->objects != 0;
	/* What is published stands, even where old objects cannot be removed. */
	return r == 0 && put ? upload_gc(u, err) : r;
}

static void note_error(struct upload *u, const char *text)
{
	OWNED_BUF old = {0};

	if (!u->catalog)
		return;
	if (catalog_get(u->catalog, CATALOG_PUBLISH_ERROR, &old, NULL) == 0 ? !*text
									    : !strcmp(buf_cstr(&old), text))
		return;
	catalog_set(u->catalog, CATALOG_PUBLISH_ERROR, slice_str(text), NULL);
}

int upload_run(const struct upload_input *in, struct upload_result *out, struct err *err)
{
	struct upload u = {.in = in, .out = out};
	struct err own = ERR_INIT;
	int lock, r;

	*out = (struct upload_result){0};
	if (!err)
		err = &own;
	r = state_lock_side(in->state, "publish.lock", &lock, err);
	if (r == -EBUSY) {
		out->locked = true;
		return 0;
	}
	if (r < 0)
		return r;
	r = run(&u, err);
	if (r != -EINTR)
		note_error(&u, r < 0 ? err->message : "");
	presence_release(&u.segments);
	presence_release(&u.texts);
	edition_release(&u.edition);
	generation_unref(u.g);
	arena_release(&u.arena);
	catalog_free(u.catalog);
	close(lock);
	return r;
}

int upload_number(struct catalog *catalog, const char *url, uint64_t *number, struct err *err)
{
	struct upload_record record;
	int r = upload_record_get(catalog, url, &record, err);

	*number = record.last.number;
	return r;
}

int upload_is_done(struct catalog *catalog, const char *url, struct err *err)
{
	struct catalog_current now;
	uint64_t number;
	int r = catalog_current(catalog, &now, err);

	if (r == 0)
		r = upload_number(catalog, url, &number, err);
	if (r < 0)
		return r;
	return !now.number || number == now.number;
}
