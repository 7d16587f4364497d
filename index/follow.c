/* SPDX-License-Identifier: Apache-2.0 */
/* index/follow.c - taking over what another host published. Order:
 *   1. what is offered, and is it newer?
 *   2. what may go goes. Segments that are not here: into fetch/, checked, renamed into segments/
 *   3. live set and manifest: checked, into tmp/BUILD, renamed into generations/
 *   4. the whole is opened: all agree with each other
 *   5. one transaction of the catalog: rows, watermark, current generation
 *   6. `current`
 * as a build publishes; so a crash leaves nothing but files that the next sweep takes, or that need not be fetched again: what the
 * offered generation names stays. */
#include "follow.h"

#include <inttypes.h>
#include <stdio.h>

#include "fetch.h"
#include "follow_rows.h"
#include "gc.h"
#include "publish.h"

#define LOOKS_MAX 5 /* in one tick, where what was offered went away under it */
#define FLAT_POINTER "MANIFEST.json"

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

/* ---- looks ---- */

int follow_known_get(struct catalog *catalog, const char *url, struct follow_known *out, struct err *err)
{
	struct catalog_current now;
	OWNED_BUF text = {0};
	char *end;
	int r;

	*out = (struct follow_known){0};
	if (!catalog)
		return 0;
	r = catalog_current(catalog, &now, err);
	if (r < 0 || !now.number)
		return r;
	/* After the number: who adopts sets both at once. */
	r = catalog_read_index(catalog, err);
	if (r < 0)
		return r;
	out->number = now.number;
	strcpy(out->index, catalog_index(catalog));
	r = catalog_get(catalog, CATALOG_FOLLOWED, &text, err);
	if (r <= 0)
		return r;
	out->epoch = strtoull(buf_cstr(&text), &end, 10);
	if (*end != ' ' || strcmp(end + 1, url) != 0)
		out->epoch = 0;
	return 0;
}

static int judge(struct store *store, const struct follow_known *known, const char *index,
	struct follow_offer *out, struct err *err)
{
	if (known->number && strcmp(index, known->index) != 0)
		return err_set(err, -ENOTSUP,
			"%s: holds index %s, and what is here is of index %s: follow it with another --state",
			store->url, index, known->index);
	out->newer = out->number > known->number;
	if (out->newer && out->epoch < known->epoch)
		return err_set(err, -ESTALE,
			"%s: generation %" PRIu64 " is of epoch %" PRIu64 ", and epoch %" PRIu64
			" was there already: it was put back from a backup, and is not followed",
			store->url, out->number, out->epoch, known->epoch);
	return 0;
}

static int look_flat(
	struct store *store, const struct follow_known *known, struct follow_offer *out, struct err *err)
{
	struct manifest m;
	int r = store_get(store, FLAT_POINTER, MANIFEST_MAX, &out->manifest, err);

	if (r < 0)
		return r == -EFBIG ? -EBADMSG : r;
	r = manifest_decode(buf_slice(&out->manifest), &m, err);
	if (r < 0)
		return err_context(err, r, "%s/" FLAT_POINTER, store->url);
	out->flat = true;
	out->number = m.number;
	r = judge(store, known, m.index, out, err);
	manifest_release(&m);
	return r;
}

static int any_entry(void *ctx, struct slice name, const struct store_stat *st)
{
	return 1;
}

/* Nothing is published there; but is there anything at all? A directory that is not mounted must not look like one without news. */
static int check_there(struct store *store, struct err *err)
{
	int r = store_list(store, "", any_entry, NULL, err);

	return r < 0 ? r : 0;
}

int follow_look(
	struct store *store, const struct follow_known *known, struct follow_offer *out, struct err *err)
{
	struct published_now now;
	struct store_stat st;
	int r;

	*out = (struct follow_offer){0};
	r = known->epoch ? -ENOENT : store_head(store, FLAT_POINTER, &st, err);
	if (r == 0)
		return look_flat(store, known, out, err);
	if (r != -ENOENT)
		return r;
	r = edition_look(store, known->epoch, &now, err);
	if (r == 0 && now.epoch < known->epoch)
		r = err_set(err, -ESTALE,
			"%s: epoch %" PRIu64
			" was there, and is not any more: was it put back from a backup? `freshet publish "
			"--take-over` where it is published goes on above; what is there now takes another --state",
			store->url, known->epoch);
	if (r == 0 && !now.epoch)
		r = check_there(store, err);
	if (r < 0 || !now.newest.number)
		return r;
	out->epoch = now.epoch;
	out->number = now.newest.number;
	out->ref = now.newest;
	return judge(store, known, now.index, out, err);
}

void follow_offer_release(struct follow_offer *o)
{
	buf_release(&o->manifest);
}

/* ---- a tick ---- */

struct following {
	const struct follow_input *in;
	struct follow_result *out;
	struct follow_known known;
	struct follow_offer offer;
	struct edition edition; /* of a store's */
	struct manifest manifest;
	struct buf manifest_bytes, live_bytes;
	uint8_t sha256[SHA256_BYTES]; /* of the manifest's */
	struct arena arena;
};

static void forget(struct following *f)
{
	follow_offer_release(&f->offer);
	edition_release(&f->edition);
	manifest_release(&f->manifest);
	buf_release(&f->manifest_bytes);
	buf_release(&f->live_bytes);
	arena_release(&f->arena);
	f->offer = (struct follow_offer){0};
}

static int check_manifest(struct following *f, struct err *err)
{
	const struct manifest *m = &f->manifest;

	if (m->number != f->offer.number)
		return err_set(err, -EBADMSG, "says that it is generation %" PRIu64, m->number);
	if (!f->offer.flat &&
		(strcmp(m->index, f->edition.index) != 0 || m->watermark != f->edition.watermark ||
			m->live_bytes != f->edition.live.bytes ||
			memcmp(m->live_sha256, f->edition.live.sha256, SHA256_BYTES) != 0))
		return err_set(err, -EBADMSG, "is not of the edition that names it");
	return 0;
}

static int take_manifest(struct following *f, const char *path, struct err *err)
{
	int r = manifest_decode(buf_slice(&f->manifest_bytes), &f->manifest, err);

	if (r == 0)
		r = check_manifest(f, err);
	if (r < 0)
		return err_context(err, r, "%s/%s", f->in->store->url, path);
	return sha256(buf_slice(&f->manifest_bytes), f->sha256) < 0
		       ? err_set(err, -EIO, "SHA-256 is not to be had from libcrypto")
		       : 0;
}

/* What the offer names, down to the manifest. */
static int get_manifest(struct following *f, struct err *err)
{
	char path[EDITION_PATH_MAX];
	int r;

	if (f->offer.flat) {
		buf_add_slice(&f->manifest_bytes, buf_slice(&f->offer.manifest));
		return buf_error(&f->manifest_bytes) ? no_memory(err) : take_manifest(f, FLAT_POINTER, err);
	}
	r = edition_get(f->in->store, &f->offer.ref, &f->edition, err);
	if (r < 0)
		return r;
	part_path("manifests", f->edition.manifest.sha256, path);
	r = edition_get_part(f->in->store, path, &f->edition.manifest, MANIFEST_MAX, &f->manifest_bytes, err);
	return r < 0 ? r : take_manifest(f, path, err);
}

static int get_live(struct following *f, struct err *err)
{
	struct edition_part part = {.bytes = f->manifest.live_bytes};
	char path[EDITION_PATH_MAX];

	memcpy(part.sha256, f->manifest.live_sha256, SHA256_BYTES);
	if (f->offer.flat)
		snprintf(path, sizeof(path), "%" PRIu64 ".live", f->manifest.number);
	else
		part_path("live", part.sha256, path);
	return edition_get_part(f->in->store, path, &part, LIVE_BYTES_MAX, &f->live_bytes, err);
}

static int get_segments(struct following *f, struct err *err)
{
	struct fetch_input in = {.state = f->in->state,
		.store = f->in->store,
		.manifest = &f->manifest,
		.flat = f->offer.flat,
		.stop = f->in->stop,
		.progress = f->in->progress,
		.progress_ctx = f->in->progress_ctx};
	struct fetch_result got = {0};
	int r = fetch_segments(&in, &got, err);

	f->out->segments += got.segments;
	f->out->bytes += got.bytes;
	return r;
}

static int put_in_place(struct following *f, struct err *err)
{
	struct state *state = f->in->state;
	OWNED_STR char *dir = state_path(state, "generations");
	const struct {
		const char *end;
		struct slice bytes;
	} files[] = {{"live", buf_slice(&f->live_bytes)}, {"json", buf_slice(&f->manifest_bytes)}};
	int r = dir ? 0 : no_memory(err);

	for (size_t i = 0; r == 0 && i < 2; i++) {
		char name[32], target[64];

		snprintf(name, sizeof(name), "%" PRIu64 ".%s", f->manifest.number, files[i].end);
		snprintf(target, sizeof(target), "generations/%s", name);
		r = state_temp_write(state, name, files[i].bytes, err);
		if (r == 0)
			r = state_temp_move(state, name, target, err);
	}
	return r < 0 ? r : sync_path(dir, err);
}

static int open_whole(struct following *f, struct err *err)
{
	OWNED(generation) struct generation *g = NULL;

	return generation_open(&g, f->in->state, f->manifest.number, err);
}

/* It opens, and is what was meant. Of segments that were here already only the size is known: where one has been damaged here since it was
 * fetched, the store is not to blame, and has it still. */
static int check_whole(struct following *f, struct err *err)
{
	int r = open_whole(f, err), damaged;

	if (r == -EBADMSG) {
		damaged = fetch_drop_damaged(f->in->state, &f->manifest, err);
		if (damaged < 0)
			return damaged;
		if (damaged) {
			r = get_segments(f, err);
			if (r < 0)
				return err_context(err, r, "%d damaged in %s/segments, fetched again",
					damaged, f->in->state->dir);
			r = open_whole(f, err);
		}
	}
	return r < 0 ? err_context(err, r, "%s", f->in->store->url) : 0;
}

/* The builder's configuration, so far as it says what the index is. One that cannot be read would keep every command from this state. */
static int take_config(struct following *f, struct buf *out, struct err *err)
{
	OWNED(config) struct config *cfg = NULL;
	OWNED_BUF text = {0};
	int r = config_new(&cfg, err);

	edition_config(slice_str(f->edition.config), &text);
	if (buf_error(&text))
		return no_memory(err);
	if (r == 0)
		r = config_parse(cfg, "configuration", buf_slice(&text), err);
	if (r == 0)
		r = config_check(cfg, err);
	/* As it was understood: of a text there are many spellings, also of what is no business of this host's. */
	if (r == 0) {
		buf_clear(&text);
		config_dump(cfg, &text);
		edition_config(buf_slice(&text), out);
	}
	if (r == 0 && (buf_error(&text) || buf_error(out)))
		r = no_memory(err);
	return r == -EINVAL ? err_context(err, -EBADMSG, "%s: generation %" PRIu64, f->in->store->url,
				      f->manifest.number)
			    : r;
}

static int adopt(struct following *f, struct err *err)
{
	struct catalog_adoption a = {.manifest = &f->manifest, .sha256 = f->sha256};
	struct row_changes changes = {0};
	OWNED_BUF followed = {0};
	OWNED_BUF config = {0};
	int r = 0;

	if (!f->offer.flat) {
		r = take_config(f, &config, err);
		if (r == 0)
			r = follow_rows(f->in->store, &f->edition, f->in->catalog, &f->arena, &changes, err);
		a.config = slice_of(config.data ? config.data : "", config.len);
		a.paused = f->edition.paused;
	}
	buf_addf(&followed, "%" PRIu64 " %s", f->offer.epoch, f->in->store->url);
	if (r == 0 && buf_error(&followed))
		r = no_memory(err);
	a.rows = changes.rows;
	a.row_count = changes.row_count;
	a.gone = changes.gone;
	a.gone_count = changes.gone_count;
	a.followed = buf_slice(&followed);
	return r < 0 ? r : catalog_adopt(f->in->catalog, &a, err);
}

/* What may go must not keep out what is to come; nor must what was fetched for another generation, which never came to be whole, heap up. */
static int make_room(struct following *f, struct err *err)
{
	const struct follow_input *in = f->in;
	struct gc_result removed;
	int r = gc_before(in->state, in->catalog, in->cfg, time_now(), &f->manifest, &removed, err);

	/* As for builds, an old generation that cannot be read is no reason to stop. */
	return r == -EBADMSG ? 0 : r;
}

static int take_over(struct following *f, struct err *err)
{
	int r = get_manifest(f, err);

	if (r == 0)
		r = make_room(f, err);
	if (r == 0)
		r = get_segments(f, err);
	if (r == 0)
		r = get_live(f, err);
	if (r == 0)
		r = put_in_place(f, err);
	if (r == 0)
		r = check_whole(f, err);
	if (r == 0)
		r = adopt(f, err);
	if (r == 0)
		r = current_write(f->in->state, f->manifest.number, f->sha256, err);
	if (r < 0)
		return r;
	f->out->generation = f->manifest.number;
	f->out->epoch = f->offer.epoch;
	f->out->watermark = f->manifest.watermark;
	return 0;
}

/* Was something taken away while it was fetched, or not put there yet? Then another is offered by now, or will be. */
static bool may_have_moved(int r)
{
	return r == -ENOENT || r == -EBADMSG || r == -ESTALE;
}

static bool is_same_offer(const struct follow_offer *a, const struct follow_offer *b)
{
	return a->number == b->number && edition_ref_is(&a->ref, &b->ref) &&
	       slice_eq(buf_slice(&a->manifest), buf_slice(&b->manifest));
}

/* What failed stays the reason, where the same is offered still. Returns 1 where it is another. */
static int look_again(struct following *f, int code, struct err *err)
{
	struct follow_offer again;
	struct err later = ERR_INIT;
	bool same = follow_look(f->in->store, &f->known, &again, &later) < 0 || !again.newer ||
		    is_same_offer(&again, &f->offer);

	if (same) {
		follow_offer_release(&again);
		if (f->offer.flat && code == -ENOENT)
			return err_context(err, -EBUSY, "generation %" PRIu64 " is not there whole yet",
				f->offer.number);
		/* What an edition names and is not there is no question of a path that somebody got wrong. */
		return code == -ENOENT ? err_context(err, -EBADMSG, "generation %" PRIu64, f->offer.number)
				       : code;
	}
	forget(f);
	f->offer = again;
	return 1;
}

static int follow_offered(struct following *f, struct err *err)
{
	int r = state_build_begin(f->in->state, err);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < LOOKS_MAX; i++) {
		r = take_over(f, err);
		if (r == 0 || !may_have_moved(r))
			break;
		r = look_again(f, r, err);
		if (r != 1)
			break;
		r = -ESTALE;
	}
	state_build_end(f->in->state);
	return r;
}

static int run(struct following *f, struct err *err)
{
	const struct follow_input *in = f->in;
	struct catalog_current now;
	struct gc_result removed;
	int r = publish_mend(in->state, in->catalog, err);

	if (r == 0)
		r = catalog_current(in->catalog, &now, err);
	if (r == 0)
		f->out->watermark = now.number ? now.watermark : TIME_NONE;
	if (r == 0)
		r = follow_known_get(in->catalog, in->store->url, &f->known, err);
	if (r == 0)
		r = follow_look(in->store, &f->known, &f->offer, err);
	if (r < 0 || !f->offer.newer)
		return r;
	r = follow_offered(f, err);
	if (r < 0)
		return r;
	r = gc_run(in->state, in->catalog, in->cfg, time_now(), &removed, err);
	return r < 0 ? r : gc_within(in->state, in->catalog, in->cfg->cache_size, &removed, err);
}

static void remember_error(struct catalog *c, const char *text)
{
	OWNED_BUF old = {0};

	if (catalog_get(c, "last_error", &old, NULL) == 0 ? !*text : !strcmp(buf_cstr(&old), text))
		return;
	catalog_set(c, "last_error", slice_str(text), NULL);
}

int follow_tick(const struct follow_input *in, struct follow_result *out, struct err *err)
{
	struct following f = {.in = in, .out = out};
	struct err own = ERR_INIT;
	int r;

	*out = (struct follow_result){.watermark = TIME_NONE};
	if (in->state->lockfd < 0)
		return err_set(err, -EBUSY, "%s: following without the writer's lock", in->state->dir);
	if (!err)
		err = &own;
	r = run(&f, err);
	if (r != -EINTR)
		remember_error(in->catalog, r < 0 ? err->message : "");
	forget(&f);
	return r;
}
