/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot.h"

#include <inttypes.h>

static void snapshot_free(struct snapshot *s)
{
	generation_unref(s->generation);
	blob_unref(s->table);
	buf_release(&s->last_error);
	arena_release(&s->arena);
	free(s);
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
	s->refs++;
	return s;
}

void snapshot_unref(struct snapshot *s)
{
	if (s && --s->refs == 0)
		snapshot_free(s);
}

static int load_generation(
	struct snapshot *s, const struct snapshot_source *from, const struct snapshot *old, struct err *err)
{
	uint8_t sha[SHA256_BYTES];
	uint64_t number;
	int r = current_read(from->state, &number, sha, err);

	/* Emptied under us? Then what was published stays served until something else is. */
	if (r == 0 && old && old->generation)
		s->generation = generation_ref(old->generation);
	if (r <= 0)
		return r;
	if (old && old->generation && old->generation->manifest.number == number &&
		!memcmp(old->generation->sha256, sha, sizeof(sha))) {
		s->generation = generation_ref(old->generation);
		return 0;
	}
	r = generation_open(&s->generation, from->state, number, err);
	if (r < 0)
		return r;
	if (memcmp(s->generation->sha256, sha, sizeof(sha)) != 0)
		return err_set(err, -EBADMSG,
			"generation %" PRIu64 ": its manifest is not the one that `current` names", number);
	if (old && old->generation && generation_is_of(s->generation, old->generation) &&
		number <= old->generation->manifest.number)
		return err_set(err, -ESTALE,
			"`current` went from generation %" PRIu64 " to %" PRIu64
			" of the same index, which no build does; to serve that, mount anew",
			old->generation->manifest.number, number);
	return 0;
}

static bool same_kept(const struct snapshot *a, const struct snapshot *b)
{
	if (a->kept_count != b->kept_count)
		return false;
	for (size_t i = 0; i < a->kept_count; i++) {
		if (a->kept[i].number != b->kept[i].number)
			return false;
	}
	return true;
}

static int load_rows(struct snapshot *s, struct catalog *catalog, struct err *err)
{
	struct catalog_generation *kept;
	struct row *rows;
	int r;

	r = catalog_rows(catalog, TIME_NONE, false, &s->arena, &rows, &s->row_count, err);
	if (r < 0)
		return r;
	s->rows = rows;
	r = catalog_generations(catalog, &s->arena, &kept, &s->kept_count, err);
	if (r < 0)
		return r;
	s->kept = kept;
	return 0;
}

static int make_table(struct snapshot *s, struct err *err)
{
	OWNED_BUF text = {0};

	status_partitions(s->rows, s->row_count, &text);
	s->table = blob_take(&text);
	return s->table ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int load(
	struct snapshot *s, const struct snapshot_source *from, const struct snapshot *old, struct err *err)
{
	OWNED(config) struct config *built = NULL;
	int r = load_generation(s, from, old, err);

	if (r == 0 && from->catalog)
		r = load_rows(s, from->catalog, err);
	if (r == 0 && from->catalog)
		r = status_built(&built, from->catalog, err);
	if (r == 0)
		r = make_table(s, err);
	if (r < 0)
		return r;
	s->kept_changed = old && same_kept(s, old) ? old->kept_changed : time_now();
	s->serial = old ? old->serial + 1 : 1;
	status_gather(&s->status, from->follow && built ? built : from->cfg, built, s->generation, s->rows,
		s->row_count);
	s->status.max_age = from->cfg->max_age;
	s->status.feed = from->url ? from->url : "";
	s->status.state_dir = from->state->dir;
	return from->catalog ? status_recall(&s->status, from->catalog, from->dest, &s->last_error, err) : 0;
}

int snapshot_load(struct snapshot **out, const struct snapshot_source *from, const struct snapshot *old,
	struct err *err)
{
	struct snapshot *s = calloc(1, sizeof(*s));
	int r;

	*out = NULL;
	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	s->refs = 1;
	r = load(s, from, old, err);
	if (r < 0) {
		snapshot_free(s);
		return r;
	}
	*out = s;
	return 0;
}

bool snapshot_keeps(const struct snapshot *s, uint64_t number)
{
	if (s->generation && s->generation->manifest.number == number)
		return true;
	for (size_t i = 0; i < s->kept_count; i++) {
		if (s->kept[i].number == number)
			return true;
	}
	return false;
}

const struct row *snapshot_row(const struct snapshot *s, const struct template *t, struct slice path)
{
	size_t low = 0, high = s->row_count, mid;
	int64_t ts;

	if (template_match(t, path, &ts) != 1)
		return NULL;
	while (low < high) {
		mid = low + (high - low) / 2;
		if (s->rows[mid].ts < ts)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == s->row_count || !slice_eq(s->rows[low].path, path))
		return NULL;
	return &s->rows[low];
}
