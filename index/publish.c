/* SPDX-License-Identifier: Apache-2.0 */
/* index/publish.c - making a generation the current one.
 *
 * Order (design, section 8). The caller has taken the number, and written and synced the segment in tmp/BUILD.
 *   1. derive the live set; write N.live and N.json in tmp/BUILD, each synced
 *   2. rename segment, rejects, N.live and N.json into place
 *   3. fsync every directory that got a name, once each
 *   4. one transaction of the catalog: rows, watermark, current generation. From here on it is published
 *   5. `current`: temp, fsync, rename, fsync of the directory. From here on mounts see it
 * So nothing names an object that is not durable. A crash before 4 leaves files that no generation names, one
 * between 4 and 5 an old `current`: publish_repair() mends both. */
#include "publish.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "gc.h"
#include "name.h"
#include "record.h"
#include "segment_write.h"
#include "timefmt.h"

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

static const struct generation *content_of(const struct publish_input *in)
{
	return in->content ? in->content : in->parent;
}

/* ---- what the new generation is ---- */

/* A segment of the new generation, while it is chosen. */
struct candidate {
	struct segment *segment; /* borrowed, of the content's; opened here: owned */
	struct manifest_segment m;
	struct undone undone;
	bool fresh;
};

struct draft {
	struct candidate *list; /* owned */
	size_t count;
	struct manifest manifest;
	struct live live;
	struct buf manifest_bytes, live_bytes;
	uint8_t sha256[SHA256_BYTES];
};

static void draft_release(struct draft *d)
{
	for (size_t i = 0; i < d->count; i++)
		if (d->list[i].fresh)
			segment_free(d->list[i].segment);
	free(d->list);
	manifest_release(&d->manifest);
	live_release(&d->live);
	buf_release(&d->manifest_bytes);
	buf_release(&d->live_bytes);
}

/* Opens a new segment where it still lies, and checks that it is what the writer said. */
static int open_new(
	const struct publish_input *in, const struct publish_segment *s, struct candidate *c, struct err *err)
{
	OWNED_STR char *path = state_path(in->state, "%s/%s", in->state->build, s->file);
	int r = path ? segment_open(&c->segment, path, c->m.name, err) : no_memory(err);

	if (r)
		return r;
	if (segment_info(c->segment)->file_bytes == s->output->bytes &&
		segment_info(c->segment)->entries == s->output->info.entries)
		return 0;
	return err_set(err, -EBADMSG, "segment %s: %s is not what was written", c->m.name, path);
}

static int add_new(
	const struct publish_input *in, const struct publish_segment *s, struct draft *d, struct err *err)
{
	struct candidate *c = &d->list[d->count++];
	char hex[SHA256_HEX];

	*c = (struct candidate){.fresh = true,
		.undone = {.left = TIME_NONE},
		.m = {.bytes = s->output->bytes,
			.entries = s->output->info.entries,
			.first = s->output->info.first,
			.last = s->output->info.last,
			.base = s->base}};
	memcpy(c->m.sha256, s->output->sha256, SHA256_BYTES);
	memcpy(c->m.name, hex_text(c->m.sha256, SHA256_BYTES, hex), SEGMENT_NAME_HEX);
	return open_new(in, s, c, err);
}

/* A segment that is written anew with the very same bytes takes its twin's place. */
static bool has_twin(const struct publish_input *in, const struct manifest_segment *m)
{
	for (size_t i = 0; i < in->segment_count; i++)
		if (!memcmp(in->segments[i].output->sha256, m->sha256, SHA256_BYTES))
			return true;
	return false;
}

static void add_old(const struct publish_input *in, size_t i, struct draft *d)
{
	const struct generation *old = content_of(in);
	const struct manifest_segment *m = &old->manifest.segments[i];

	if ((in->dropped && in->dropped[i]) || has_twin(in, m))
		return;
	d->list[d->count] = (struct candidate){.segment = old->segments[i],
		.m = *m,
		.undone = in->undone ? in->undone[i] : manifest_undone(m)};
	/* A longer window brings back what is read again, not what is left of it by chance. */
	if (in->horizon < old->manifest.horizon && old->manifest.horizon > m->left)
		d->list[d->count].undone.left = old->manifest.horizon;
	d->count++;
}

/* The segments of the new generation in their order, those that may still turn out to be done among them. */
static int list_candidates(const struct publish_input *in, struct draft *d, struct err *err)
{
	size_t old = content_of(in) ? content_of(in)->manifest.segment_count : 0, next = 0;
	int r = 0;

	d->list = calloc(old + in->segment_count + 1, sizeof(*d->list));
	if (!d->list)
		return no_memory(err);
	for (size_t i = 0; r == 0 && i <= old; i++) {
		for (; r == 0 && next < in->segment_count && in->segments[next].at <= i; next++)
			r = add_new(in, &in->segments[next], d, err);
		if (i < old)
			add_old(in, i, d);
	}
	for (size_t i = 1; r == 0 && i < d->count; i++)
		if (d->list[i].m.base && !d->list[i - 1].m.base)
			r = err_set(err, -EINVAL, "segment %s of the base would lie over a delta",
				d->list[i].m.name);
	return r;
}

/* The old live set helps where all its segments are there, and new ones only behind them. */
static const struct live *helpful_live(const struct publish_input *in, const struct draft *d)
{
	size_t old = content_of(in) ? content_of(in)->manifest.segment_count : 0;

	if (!old || d->count < old)
		return NULL;
	for (size_t i = 0; i < old; i++)
		if (d->list[i].fresh)
			return NULL;
	return &content_of(in)->live;
}

static int derive_live(const struct publish_input *in, struct draft *d, struct err *err)
{
	struct segment **segments = calloc(d->count + 1, sizeof(*segments));
	const char **names = calloc(d->count + 1, sizeof(*names));
	struct undone *undone = calloc(d->count + 1, sizeof(*undone));
	struct live_input live = {.segments = segments,
		.names = names,
		.undone = undone,
		.count = d->count,
		.horizon = in->horizon,
		.old = helpful_live(in, d)};
	int r = segments && names && undone ? 0 : no_memory(err);

	for (size_t i = 0; !r && i < d->count; i++) {
		segments[i] = d->list[i].segment;
		names[i] = d->list[i].m.name;
		undone[i] = d->list[i].undone;
	}
	if (!r)
		r = live_derive(&live, &d->live, err);
	free(segments);
	free(names);
	free(undone);
	return r;
}

/* Attributes sort first. Old ones come back when a newer one is undone, save those that have left for good. */
static bool has_attributes(const struct segment *s)
{
	struct slice id;
	struct entry e;

	for (uint32_t n = 0; n < segment_info(s)->entries; n++) {
		if (segment_id(s, n, &id, NULL) < 0 || !id_is_attribute(id))
			break;
		if (!attribute_expires(s, id))
			return true;
	}
	for (uint32_t n = 0; n < segment_info(s)->history; n++) {
		if (segment_history(s, n, &e, NULL) < 0 || !id_is_attribute(e.id))
			break;
		if (!attribute_expires(s, e.id))
			return true;
	}
	return false;
}

/* A delta segment goes when nothing of it shows and its history is behind the horizon. */
static bool segment_is_done(
	const struct publish_input *in, const struct candidate *c, const struct live_segment *l)
{
	return in->horizon != TIME_NONE && !c->m.base && c->m.last <= in->horizon &&
	       l->superseded == l->entries && !has_attributes(c->segment);
}

/* Fills the manifest's segments; drops those that are done from manifest and live set alike. */
static int choose_segments(const struct publish_input *in, struct draft *d, struct err *err)
{
	struct manifest *m = &d->manifest;
	size_t kept = 0;

	m->segments = calloc(d->live.count ? d->live.count : 1, sizeof(*m->segments));
	if (!m->segments)
		return no_memory(err);
	for (size_t i = 0; i < d->live.count; i++) {
		struct live_segment *l = &d->live.segments[i];
		struct manifest_segment s = d->list[i].m;

		s.undone = (uint32_t *)(uintptr_t)d->list[i].undone.sources; /* only to be copied */
		s.undone_count = d->list[i].undone.count;
		s.left = d->list[i].undone.left;
		if (segment_is_done(in, &d->list[i], l)) {
			free(l->bits);
			l->bits = NULL;
			continue;
		}
		s.superseded = l->superseded;
		s.documents = l->documents;
		m->documents += l->documents;
		if (manifest_segment_copy(&s, &m->segments[m->segment_count]) < 0)
			return no_memory(err);
		m->segment_count++;
		if (kept != i) {
			d->live.segments[kept] = *l;
			l->bits = NULL;
		}
		kept++;
	}
	d->live.count = kept;
	return 0;
}

static int64_t publish_time(const struct publish_input *in)
{
	int64_t t = in->now - (in->now % TIME_SECOND + TIME_SECOND) % TIME_SECOND;

	if (in->parent && t <= in->parent->manifest.published)
		t = in->parent->manifest.published + TIME_SECOND;
	return t;
}

static int encode(const struct publish_input *in, struct draft *d, struct err *err)
{
	struct manifest *m = &d->manifest;

	snprintf(m->index, sizeof(m->index), "%s", catalog_index(in->catalog));
	m->number = in->number;
	m->kind = in->kind;
	if (in->parent) {
		m->parent = in->parent->manifest.number;
		memcpy(m->parent_sha256, in->parent->sha256, SHA256_BYTES);
	}
	m->watermark = in->watermark;
	/* No partition is older than 1970: such a horizon leaves nothing out. */
	m->horizon = in->horizon < 0 ? TIME_NONE : in->horizon;
	m->base_at = in->base_at;
	m->published = publish_time(in);
	memcpy(m->config_hash, in->config_hash, sizeof(m->config_hash));
	m->k1 = in->k1;
	m->b = in->b;
	live_encode(&d->live, &d->live_bytes);
	m->live_bytes = d->live_bytes.len;
	if (buf_error(&d->live_bytes))
		return no_memory(err);
	if (sha256(buf_slice(&d->live_bytes), m->live_sha256))
		return err_set(err, -EIO, "SHA-256 is not to be had from libcrypto");
	manifest_encode(m, &d->manifest_bytes);
	if (buf_error(&d->manifest_bytes))
		return no_memory(err);
	if (sha256(buf_slice(&d->manifest_bytes), d->sha256))
		return err_set(err, -EIO, "SHA-256 is not to be had from libcrypto");
	return 0;
}

static int make_draft(const struct publish_input *in, struct draft *d, struct err *err)
{
	int r = list_candidates(in, d, err);

	if (!r)
		r = derive_live(in, d, err);
	if (!r)
		r = choose_segments(in, d, err);
	return r ? r : encode(in, d, err);
}

/* ---- files into place ---- */

static int sync_dir(const struct state *state, const char *sub, struct err *err)
{
	OWNED_STR char *path = state_path(state, "%s", sub);

	return path ? sync_path(path, err) : no_memory(err);
}

/* Steps 1 to 3. */
static int put_in_place(const struct publish_input *in, const struct draft *d, struct err *err)
{
	char target[64], manifest[32], live[32];
	int r;

	snprintf(manifest, sizeof(manifest), "%" PRIu64 ".json", in->number);
	snprintf(live, sizeof(live), "%" PRIu64 ".live", in->number);
	r = state_temp_write(in->state, live, buf_slice(&d->live_bytes), err);
	if (!r)
		r = state_temp_write(in->state, manifest, buf_slice(&d->manifest_bytes), err);
	for (size_t i = 0; !r && i < in->segment_count; i++) {
		char hex[SHA256_HEX];

		snprintf(target, sizeof(target), "segments/%.*s.seg", SEGMENT_NAME_HEX,
			hex_text(in->segments[i].output->sha256, SHA256_BYTES, hex));
		r = state_temp_move(in->state, in->segments[i].file, target, err);
	}
	if (!r)
		r = reject_files_put(in->state, in->rejects, in->reject_count, err);
	if (!r) {
		snprintf(target, sizeof(target), "generations/%s", live);
		r = state_temp_move(in->state, live, target, err);
	}
	if (!r) {
		snprintf(target, sizeof(target), "generations/%s", manifest);
		r = state_temp_move(in->state, manifest, target, err);
	}
	if (!r && in->segment_count)
		r = sync_dir(in->state, "segments", err);
	return r ? r : sync_dir(in->state, "generations", err);
}

/* Step 4. */
static int commit(const struct publish_input *in, const struct draft *d, struct err *err)
{
	struct row *rows = malloc((in->row_count ? in->row_count : 1) * sizeof(*rows));
	int r;

	if (!rows)
		return no_memory(err);
	for (size_t i = 0; i < in->row_count; i++) {
		rows[i] = in->rows[i];
		if (rows[i].state == PART_PUBLISHED && rows[i].published == TIME_NONE)
			rows[i].published =
				in->now; /* the manifest's is cut to the second, and may be ahead */
	}
	r = catalog_publish(in->catalog, &d->manifest, d->sha256, rows, in->row_count, err);
	free(rows);
	return r;
}

int publish(const struct publish_input *in, uint64_t *documents, struct err *err)
{
	struct draft d = {0};
	int r = make_draft(in, &d, err);

	if (!r)
		r = put_in_place(in, &d, err);
	if (!r)
		r = commit(in, &d, err);
	if (r) {
		err_context(err, r, "publishing generation %" PRIu64, in->number);
	} else {
		*documents = d.manifest.documents;
		r = current_write(in->state, in->number, d.sha256, err);
		if (r)
			err_context(err, r,
				"generation %" PRIu64
				" is published, but mounts cannot see it before the next build",
				in->number);
	}
	draft_release(&d);
	return r;
}

/* ---- repair ---- */

/* The catalog decides what `current` must say. */
static int repair_current(struct state *state, struct catalog *catalog, struct err *err)
{
	struct catalog_current known;
	uint8_t sum[SHA256_BYTES];
	uint64_t number;
	int r = catalog_current(catalog, &known, err), there;

	if (r)
		return r;
	there = current_read(state, &number, sum, err);
	if (there < 0 && there != -EBADMSG)
		return there;
	if (there == 1 && number == known.number && !memcmp(sum, known.sha256, SHA256_BYTES))
		return 0;
	if (there == 1 && number >= known.number)
		return err_set(err, -EBADMSG,
			"%s/current names generation %" PRIu64 ", which catalog.db (at %" PRIu64
			") does not know: put back the catalog.db that belongs to it, or remove `current` to go on from "
			"the catalog's",
			state->dir, number, known.number);
	if (!known.number)
		return there < 0 ? there : 0;
	return current_write(state, known.number, known.sha256, err);
}

int publish_mend(struct state *state, struct catalog *catalog, struct err *err)
{
	int r = repair_current(state, catalog, err);

	if (r == 0)
		r = state_sweep(state, err);
	return r < 0 ? err_context(err, r, "repair") : 0;
}

int publish_repair(struct state *state, struct catalog *catalog, struct err *err)
{
	struct gc_result swept = {0};
	int r = publish_mend(state, catalog, err);

	if (r)
		return r;
	/* An old generation that cannot be read is no reason to stop building: then all segments stay. */
	r = gc_sweep(state, catalog, NULL, &swept, err);
	return r == -EBADMSG || r == 0 ? 0 : err_context(err, r, "repair");
}
