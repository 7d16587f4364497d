/* SPDX-License-Identifier: Apache-2.0 */
/* index/upload_epoch.c - whose turn it is to publish to a store, and how it passes on. */
#include "upload_private.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "name.h"
#include "publish.h"

#define OWNER_KEY "publisher"
#define WHO_CUT (int)EDITION_WHO_MAX

/* ---- what is remembered ---- */

static bool ref_parse(const char *text, struct edition_ref *out)
{
	char hex[SHA256_HEX];

	*out = (struct edition_ref){0};
	return sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %64s", &out->epoch, &out->number,
		       &out->bytes, hex) == 4 &&
	       hex_parse(slice_str(hex), out->sha256, SHA256_BYTES);
}

static void ref_add(const struct edition_ref *r, struct buf *out)
{
	char hex[SHA256_HEX];

	buf_addf(out, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n", r->epoch, r->number, r->bytes,
		hex_text(r->sha256, SHA256_BYTES, hex));
}

/* A state may publish to several places. */
static const char *record_key(const char *url, char out[64])
{
	snprintf(out, 64, "publishing:%016" PRIx64, xxh64(slice_str(url)));
	return out;
}

/* Lines: the epoch, `last`, `next`, and the url, for people. */
int upload_record_get(struct catalog *c, const char *url, struct upload_record *out, struct err *err)
{
	OWNED_BUF text = {0};
	char key[64], *line[3], *at;
	int r = catalog_get(c, record_key(url, key), &text, err);

	*out = (struct upload_record){.url = url};
	if (r <= 0)
		return r;
	at = (char *)(uintptr_t)buf_cstr(&text);
	for (size_t i = 0; i < 3; i++)
		line[i] = at ? strsep(&at, "\n") : NULL;
	if (!line[2] || sscanf(line[0], "%" SCNu64, &out->epoch) != 1 || !ref_parse(line[1], &out->last) ||
		!ref_parse(line[2], &out->next))
		return err_set(err, -EBADMSG, "catalog.db: damaged (\"%s\")", key);
	return 0;
}

int upload_record_set(struct catalog *c, const struct upload_record *r, struct err *err)
{
	OWNED_BUF text = {0};
	char key[64];

	buf_addf(&text, "%" PRIu64 "\n", r->epoch);
	ref_add(&r->last, &text);
	ref_add(&r->next, &text);
	buf_addf(&text, "%s\n", r->url);
	return buf_error(&text) ? err_set(err, -ENOMEM, "out of memory")
				: catalog_set(c, record_key(r->url, key), buf_slice(&text), err);
}

/* A state directory has a name of its own from its first publishing on: an epoch is known to be its own also where it died right
 * after the claim. */
static int new_owner(struct upload *u, struct err *err)
{
	int r = uuid_new(u->owner, err);

	return r < 0 ? r : catalog_set(u->catalog, OWNER_KEY, slice_str(u->owner), err);
}

static int get_owner(struct upload *u, struct err *err)
{
	OWNED_BUF text = {0};
	int r = catalog_get(u->catalog, OWNER_KEY, &text, err);

	if (r < 0)
		return r;
	if (r == 0 || !uuid_is_valid(buf_slice(&text)))
		return new_owner(u, err);
	memcpy(u->owner, text.data, text.len);
	u->owner[text.len] = '\0';
	return 0;
}

/* ---- may it? ---- */

static int refuse_other_index(const struct upload *u, struct err *err)
{
	return err_set(err, -EINVAL,
		"%s: holds index %s, and this state has index %s: publish to another place, or empty that one",
		u->in->store->url, u->there.index, catalog_index(u->catalog));
}

static int refuse_epoch(const struct upload *u, const struct claim *by, struct err *err)
{
	OWNED_BUF who = {0};
	char at[TIME_TEXT_MAX];

	line_print(slice_str(by->by), &who);
	return err_set(err, -EBUSY,
		"%s: epoch %" PRIu64
		" is %s's, since %s: only it publishes there. To publish from here instead, "
		"`freshet publish --take-over`",
		u->in->store->url, by->epoch, buf_cstr(&who), time_text(by->at, at));
}

/* A directory that is not mounted looks so. */
static int refuse_empty(const struct upload *u, struct err *err)
{
	return err_set(err, -ESTALE,
		"%s: generation %" PRIu64
		", which was published from here, is not there any more, nor is anything else: is it mounted? To begin anew there, "
		"`freshet publish --take-over`",
		u->in->store->url, u->record.last.number);
}

static int refuse_copy(const struct upload *u, const struct edition_ref *now, struct err *err)
{
	return err_set(err, -EBUSY,
		"%s: generation %" PRIu64 " was published there in this state's epoch %" PRIu64
		", but not from here: a copy of this state directory publishes too, or it was put back from a backup. Of two copies let "
		"one `freshet publish --take-over`",
		u->in->store->url, now->number, now->epoch);
}

/* Two copies of one state directory have one name. What the pointer says then is not what this one wrote. */
static int check_copy(struct upload *u, struct err *err)
{
	const struct edition_ref *now = &u->there.newest;
	struct catalog_current here;
	int r = catalog_current(u->catalog, &here, err);

	if (r < 0)
		return r;
	/* A store that was moved, or is reached by another name: copies of a state have the same record of the name. */
	if (!u->record.epoch && now->number <= here.number)
		return 0;
	if (!u->there.has_pointer || edition_ref_is(now, &u->record.last) ||
		edition_ref_is(now, &u->record.next))
		return 0;
	if (u->in->take_over) {
		u->ours = false;
		return new_owner(u, err); /* from here on they are two */
	}
	return refuse_copy(u, now, err);
}

int upload_look(struct upload *u, struct err *err)
{
	int r = get_owner(u, err);

	if (r == 0)
		r = edition_look(u->in->store, u->record.epoch, &u->there, err);
	if (r < 0)
		return r;
	if (!u->there.epoch && u->record.last.number && !u->in->take_over)
		return refuse_empty(u, err);
	if (u->there.epoch && strcmp(u->there.index, catalog_index(u->catalog)) != 0)
		return refuse_other_index(u, err);
	u->ours = u->there.epoch && !strcmp(u->there.claim.owner, u->owner);
	if (u->ours)
		return check_copy(u, err);
	if (u->there.epoch && !u->in->take_over)
		return refuse_epoch(u, &u->there.claim, err);
	return 0;
}

/* ---- passing on ---- */

static int get_manifest(struct upload *u, const struct edition *e, struct manifest *out, struct err *err)
{
	char path[EDITION_PATH_MAX];
	OWNED_BUF bytes = {0};
	int r = edition_get_part(u->in->store, part_path("manifests", e->manifest.sha256, path), &e->manifest,
		MANIFEST_MAX, &bytes, err);

	if (r < 0)
		return r;
	r = manifest_decode(buf_slice(&bytes), out, err);
	return r < 0 ? err_context(err, r, "%s/%s", u->in->store->url, path) : 0;
}

static bool is_same_content(const struct manifest *a, const struct manifest *b)
{
	if (a->segment_count != b->segment_count || a->live_bytes != b->live_bytes ||
		memcmp(a->live_sha256, b->live_sha256, SHA256_BYTES) != 0)
		return false;
	for (size_t i = 0; i < a->segment_count; i++)
		if (memcmp(a->segments[i].sha256, b->segments[i].sha256, SHA256_BYTES) != 0)
			return false;
	return true;
}

/* What ended behind a claim no follower sees any more; and none goes back to a lower number. */
static int refuse_older(const struct upload *u, const struct generation *g, uint64_t number, const char *why,
	const char *todo, struct err *err)
{
	const char *follow =
		number > g->manifest.number
			? "`freshet follow` it"
			: "`freshet follow` it with another --state, since this one has a higher number";

	return err_set(err, -ESTALE, "%s: what is published there %s: %s%s", u->in->store->url, why, todo,
		u->ours ? "`freshet publish --take-over` it where it was built" : follow);
}

/* Of the same watermark, or of one that this state has passed, without having followed: what would be lost? Where the manifest is, nobody can
 * follow it. */
static int check_same_age(
	struct upload *u, const struct generation *g, const struct edition *e, struct err *err)
{
	const struct manifest *here = &g->manifest;
	char why[200] = "", at[TIME_TEXT_MAX];
	const char *todo = "";
	struct manifest there = {.base_at = TIME_NONE};
	uint64_t paused;
	int r = get_manifest(u, e, &there, err);
	bool lost = r == -ENOENT || r == -EBADMSG;

	if (r < 0 && !lost)
		return r;
	r = catalog_paused(u->catalog, &paused, err);
	if (!lost && there.base_at > here->base_at)
		snprintf(why, sizeof(why), "has a newer base (of %s) than this state",
			time_text(there.base_at, at));
	else if (e->paused && !paused) {
		snprintf(why, sizeof(why), "was rolled back (generation %" PRIu64 "), and this state was not",
			e->paused);
		todo = "roll it back too, or ";
	} else if (!lost && there.watermark == here->watermark && there.number > here->number &&
		   !is_same_content(&there, here)) {
		snprintf(why, sizeof(why), "(generation %" PRIu64 ") is newer than this state (%" PRIu64 ")",
			there.number, here->number);
		todo = "build first, or ";
	}
	manifest_release(&there);
	return r < 0 ? r : *why ? refuse_older(u, g, e->number, why, todo, err) : 0;
}

/* What was published must not go back because somebody takes over who has not caught up. */
static int check_age(struct upload *u, const struct generation *g, struct err *err)
{
	char why[200], there[TIME_TEXT_MAX], here[TIME_TEXT_MAX];
	struct edition e;
	int r;

	/* It was judged before it was claimed over. */
	if (u->ours && edition_ref_is(&u->there.newest, &u->there.claim.over))
		return 0;
	r = edition_get(u->in->store, &u->there.newest, &e, err);
	if (r < 0)
		return r;
	if (g->manifest.watermark < e.watermark) {
		snprintf(why, sizeof(why), "(watermark %s) is newer than this state (%s)",
			time_text(e.watermark, there), time_text(g->manifest.watermark, here));
		r = refuse_older(u, g, e.number, why, "build first, or ", err);
	}
	/* What this state has had is behind it, whatever was done here since. */
	if (r == 0)
		r = catalog_has_had(u->catalog, e.number, e.manifest.sha256, err);
	if (r == 0)
		r = check_same_age(u, g, &e, err);
	edition_release(&e);
	return r < 0 ? r : 0;
}

/* The same content as a generation of its own, with the next number. */
static int publish_again(struct upload *u, struct generation *g, struct err *err)
{
	const struct manifest *m = &g->manifest;
	struct publish_input in = {.state = u->in->state,
		.catalog = u->catalog,
		.parent = g,
		.kind = MANIFEST_MERGE,
		.watermark = m->watermark,
		.horizon = m->horizon == TIME_NONE ? TIME_NONE : m->horizon,
		.base_at = m->base_at,
		.k1 = m->k1,
		.b = m->b,
		.now = time_now()};
	uint64_t documents;
	int r = catalog_raise_number(u->catalog, u->there.newest.number + EPOCH_NUMBERS, err);

	memcpy(in.config_hash, m->config_hash, sizeof(in.config_hash));
	if (r == 0)
		r = catalog_take_number(u->catalog, &in.number, err);
	if (r == 0)
		r = state_build_begin(u->in->state, err);
	if (r < 0)
		return r;
	r = publish(&in, &documents, err);
	state_build_end(u->in->state);
	return r;
}

/* The same content as a generation with a number above all that may have been published there. */
static int renumber(struct upload *u, struct err *err)
{
	OWNED(generation) struct generation *g = NULL;
	int r = state_lock(u->in->state, u->in->cfg->lock_wait, err);

	if (r < 0)
		return r;
	r = publish_repair(u->in->state, u->catalog, err);
	if (r == 0)
		r = current_generation(u->in->state, u->catalog, &g, err);
	if (r == 0 && !g)
		r = err_set(err, -ENOENT, "%s: nothing is published here yet", u->in->state->dir);
	if (r == 0)
		r = check_age(u, g, err);
	if (r == 0 && g->manifest.number <= u->there.newest.number + EPOCH_NUMBERS)
		r = publish_again(u, g, err);
	state_unlock(u->in->state);
	return r;
}

int upload_check_turn(struct upload *u, struct err *err)
{
	int r;

	if (u->ours && u->there.has_pointer)
		return 0;
	r = u->ours ? edition_look_before(u->in->store, &u->there, err) : 0;
	if (r < 0 || !u->there.newest.number)
		return r;
	if (!u->g)
		return err_set(err, -ENOENT, "%s: nothing is published here yet", u->in->state->dir);
	r = check_age(u, u->g, err);
	if (r < 0 || !u->ours || u->g->manifest.number > u->there.newest.number + EPOCH_NUMBERS)
		return r;
	r = renumber(u, err);
	return r < 0 ? r : 1;
}

static void who_am_i(const struct upload *u, char out[EDITION_WHO_MAX + 1])
{
	char host[128] = "?";
	const struct passwd *pw = getpwuid(getuid());
	OWNED_BUF shown = {0};
	OWNED_BUF text = {0};

	if (gethostname(host, sizeof(host) - 1) < 0)
		strcpy(host, "?");
	buf_addf(&text, "%s@%s:%s", pw ? pw->pw_name : "?", host, u->in->state->dir);
	line_print(buf_slice(&text), &shown);
	snprintf(out, EDITION_WHO_MAX + 1, "%.*s", shown.len < EDITION_WHO_MAX ? (int)shown.len : WHO_CUT,
		buf_cstr(&shown));
	while (!utf8_is_valid(slice_str(out))) /* cut in a letter */
		out[strlen(out) - 1] = '\0';
}

int upload_check_exclusive(struct upload *u, struct err *err)
{
	int r = u->in->cfg->sole_writer ? 1 : store_is_exclusive(u->in->store, err);

	if (r)
		return r < 0 ? r : 0;
	return err_set(err, -EINVAL,
		"%s: this store overwrites where it should refuse (it ignores conditional writes), so it cannot tell which of two "
		"builders was first. Where no other publishes there, set publish.sole_writer = yes",
		u->in->store->url);
}

static int put_claim(struct upload *u, const struct claim *c, struct err *err)
{
	char path[EDITION_PATH_MAX];
	OWNED_BUF bytes = {0};
	struct store_body body;
	struct published_now now;
	int r;

	claim_encode(c, &bytes);
	if (buf_error(&bytes))
		return err_set(err, -ENOMEM, "out of memory");
	body = store_bytes(buf_slice(&bytes));
	r = store_put(u->in->store, claim_path(c->epoch, path), &body, STORE_NEW, err);
	if (r != -EEXIST)
		return r;
	r = edition_look(u->in->store, c->epoch, &now, err);
	if (r < 0)
		return r;
	/* A write whose answer was lost was done again by the driver. `by` is in the comparison, since copies of a state are one owner. */
	if (now.epoch == c->epoch && now.claim.at == c->at && !strcmp(now.claim.owner, c->owner) &&
		!strcmp(now.claim.by, c->by))
		return 0;
	return refuse_epoch(u, &now.claim, err);
}

/* It may have taken long to put there what is to be published. */
static int look_before_claim(struct upload *u, struct err *err)
{
	struct published_now now;
	int r = edition_look(u->in->store, u->there.epoch, &now, err);

	if (r < 0)
		return r;
	if (now.epoch != u->there.epoch)
		return refuse_epoch(u, &now.claim, err);
	if (edition_ref_is(&now.newest, &u->there.newest))
		return 0;
	u->there = now;
	return check_age(u, u->g, err);
}

int upload_claim(struct upload *u, struct err *err)
{
	struct claim c = {.at = time_now()};
	int r = look_before_claim(u, err);

	if (r < 0)
		return r;
	c.epoch = u->there.epoch + 1;
	c.over = u->there.newest;
	c.at -= c.at % TIME_SECOND;
	/* Where a store was emptied, followers know the epochs that were. */
	if (u->record.epoch >= c.epoch)
		c.epoch = u->record.epoch + 1;
	strcpy(c.index, catalog_index(u->catalog));
	strcpy(c.owner, u->owner);
	who_am_i(u, c.by);
	r = put_claim(u, &c, err);
	if (r < 0)
		return r;
	u->there.epoch = c.epoch;
	u->there.claim = c;
	u->there.has_pointer = false;
	strcpy(u->there.index, c.index);
	u->ours = true;
	u->record.epoch = c.epoch;
	u->record.last = u->record.next = (struct edition_ref){0};
	return upload_record_set(u->catalog, &u->record, err);
}

int upload_still_ours(struct upload *u, struct err *err)
{
	struct published_now now;
	int r = edition_look(u->in->store, u->there.epoch, &now, err);

	if (r < 0)
		return r;
	if (now.epoch != u->there.epoch || strcmp(now.claim.owner, u->owner) != 0)
		return refuse_epoch(u, &now.claim, err);
	if (!now.has_pointer)
		r = edition_look_before(u->in->store, &now, err);
	if (r < 0)
		return r;
	/* A write of the pointer whose answer was lost is this state's own. */
	if ((now.has_pointer == u->there.has_pointer && edition_ref_is(&now.newest, &u->there.newest)) ||
		(now.has_pointer && edition_ref_is(&now.newest, &u->record.next)))
		return 0;
	return now.has_pointer ? refuse_copy(u, &now.newest, err) : 1;
}
