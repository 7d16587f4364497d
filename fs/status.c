/* SPDX-License-Identifier: Apache-2.0 */
#include "status.h"
#include "catalog.h"
#include "name.h"
#include "plan.h"
#include "upload.h"

#include <inttypes.h>
#include <yyjson.h>

int status_built(struct config **out, struct catalog *catalog, struct err *err)
{
	OWNED(config) struct config *cfg = NULL;
	OWNED_BUF text = {0};
	int r = catalog_get(catalog, "config", &text, err);

	*out = NULL;
	if (r == 1)
		r = config_new(&cfg, err);
	else
		return r;
	if (r == 0 && config_parse(cfg, "configuration of the last build", buf_slice(&text), NULL) == 0)
		*out = steal(&cfg);
	return r;
}

bool status_took(const struct row *row, int64_t cadence, int64_t *waiting, int64_t *building)
{
	/* While its slice lasts, nothing may be built of it. */
	int64_t from = time_add(row->ts, cadence);

	if (row->published == TIME_NONE || row->detected == TIME_NONE)
		return false;
	if (row->arrived != TIME_NONE && row->arrived > from)
		from = row->arrived;
	*waiting = row->detected > from ? row->detected - from : 0;
	*building = row->published > row->detected ? row->published - row->detected : 0;
	return true;
}

static void gather_newest(struct status *out, const struct row *rows, size_t row_count)
{
	out->waiting = out->building = TIME_NONE;
	for (size_t i = row_count; i; i--) {
		if (status_took(&rows[i - 1], out->cadence, &out->waiting, &out->building))
			return;
	}
}

void status_gather(struct status *out, const struct config *cfg, const struct config *built,
	const struct generation *g, const struct row *rows, size_t row_count)
{
	const struct config *lag = built ? built : cfg;

	*out = (struct status){.feed = "",
		.state_dir = "",
		.index = "",
		.last_error = "",
		.watermark = TIME_NONE,
		.complete_through = TIME_NONE,
		.published = TIME_NONE,
		.building_since = TIME_NONE,
		.cadence = cfg->cadence,
		.max_age = cfg->max_age,
		.horizon = TIME_NONE,
		.base_at = TIME_NONE};
	for (size_t i = 0; i < row_count; i++) {
		out->partitions[rows[i].state]++;
		out->rejected += rows[i].rejected;
		out->uncovered += row_is_uncovered(&rows[i]);
	}
	gather_newest(out, rows, row_count);
	if (!g)
		return;
	out->index = g->manifest.index;
	out->generation = g->manifest.number;
	out->watermark = g->manifest.watermark;
	out->published = g->manifest.published;
	out->documents = g->manifest.documents;
	out->segments = g->manifest.segment_count;
	for (size_t i = 0; i < g->manifest.segment_count; i++)
		out->segment_bytes += g->manifest.segments[i].bytes;
	out->base_at = g->manifest.base_at;
	out->horizon = plan_horizon(lag, out->watermark, out->base_at);
	out->complete_through = rows_complete_through(
		rows, row_count, lag->cadence, out->horizon, out->base_at, out->watermark);
	out->rules_changed = !config_has_hash(cfg, g->manifest.config_hash);
}

/* A state that only ever followed another publishes nowhere, whatever the configuration that both read says. */
static int recall_dest(struct status *out, struct catalog *catalog, const char *dest, struct err *err)
{
	OWNED_BUF followed = {0};
	int r = upload_number(catalog, dest, &out->dest_generation, err);

	if (r == 0 && !out->dest_generation)
		r = catalog_get(catalog, CATALOG_FOLLOWED, &followed, err);
	if (r == 0)
		out->dest = dest;
	return r;
}

int status_recall(
	struct status *out, struct catalog *catalog, const char *dest, struct buf *error, struct err *err)
{
	int r = catalog_get(catalog, "last_error", error, err);

	if (r >= 0 && !error->len)
		r = catalog_get(catalog, CATALOG_PUBLISH_ERROR, error, err);
	if (r >= 0)
		r = catalog_paused(catalog, &out->paused, err);
	if (r >= 0 && dest)
		r = recall_dest(out, catalog, dest, err);
	if (r < 0)
		return r;
	out->last_error = buf_cstr(error);
	return buf_error(error) ? err_set(err, -ENOMEM, "out of memory") : 0;
}

int64_t status_age(const struct status *s, int64_t now)
{
	int64_t age;

	if (s->watermark == TIME_NONE)
		return TIME_NONE;
	age = now - s->watermark - s->cadence;
	return age > 0 ? age : 0;
}

int64_t status_time_left(const struct status *s, int64_t now)
{
	int64_t age = status_age(s, now);

	return s->max_age == TIME_FOREVER || age == TIME_NONE ? TIME_FOREVER : s->max_age - age;
}

/* "2026-05-04T10:05:00Z", or "-" for no instant. */
static const char *instant(int64_t t, char text[TIME_TEXT_MAX])
{
	return t == TIME_NONE ? "-" : time_text(t, text);
}

/* "7m 47s": for people, to the second. */
static void add_age(const struct status *s, int64_t now, struct buf *out)
{
	int64_t age = status_age(s, now) / TIME_SECOND;

	if (s->watermark == TIME_NONE)
		return;
	buf_add_str(out, " (age ");
	if (age >= 86400)
		buf_addf(out, "%" PRId64 "d ", age / 86400);
	if (age >= 3600)
		buf_addf(out, "%" PRId64 "h ", age / 3600 % 24);
	if (age >= 60)
		buf_addf(out, "%" PRId64 "m ", age / 60 % 60);
	buf_addf(out, "%" PRId64 "s)", age % 60);
}

/* What followers can have, beside what is served here. */
static void add_dest(const struct status *s, struct buf *out)
{
	buf_addf(out, "%-17s %s: ", "published to", s->dest);
	if (!s->dest_generation)
		buf_add_str(out, "nothing yet");
	else
		buf_addf(out, "generation %" PRIu64, s->dest_generation);
	if (s->dest_generation && s->dest_generation != s->generation)
		buf_addf(out, ", not yet %" PRIu64, s->generation);
	buf_add_byte(out, '\n');
}

static void add_line(struct buf *out, const char *label, const char *value)
{
	buf_addf(out, "%-17s %s\n", label, value);
}

void status_text(const struct status *s, int64_t now, struct buf *out)
{
	char text[TIME_TEXT_MAX];

	add_line(out, "feed", *s->feed ? s->feed : "-");
	add_line(out, "state", *s->state_dir ? s->state_dir : "-");
	buf_addf(out, "%-17s %" PRIu64 "\n", "generation", s->generation);
	buf_addf(out, "%-17s %s", "watermark", instant(s->watermark, text));
	add_age(s, now, out);
	buf_add_str(out, "\n");
	add_line(out, "complete through", instant(s->complete_through, text));
	add_line(out, "published", instant(s->published, text));
	if (s->dest)
		add_dest(s, out);
	buf_addf(out, "%-17s", "partitions");
	for (int i = 0; i < PART_STATES; i++)
		buf_addf(out, "%s %" PRIu64 " %s", i ? "," : "", s->partitions[i],
			partition_state_name((enum partition_state)i));
	buf_add_str(out, "\n");
	if (s->uncovered)
		buf_addf(out,
			"%-17s %" PRIu64 " partitions hold data that the index should have and has not\n",
			"uncovered", s->uncovered);
	buf_addf(out, "%-17s %" PRIu64 " records\n", "rejected", s->rejected);
	buf_addf(out, "%-17s %" PRIu64 " (%" PRIu64 " bytes)\n", "segments", s->segments, s->segment_bytes);
	buf_addf(out, "%-17s %" PRIu64 "\n", "documents", s->documents);
	if (s->refresh) {
		add_line(out, "refresh", s->refresh);
		if (s->building_since != TIME_NONE)
			buf_addf(out, "%-17s since %s\n", "building", time_text(s->building_since, text));
		add_line(out, "passthrough", s->passthrough);
		if (status_time_left(s, now) < 0)
			buf_addf(out,
				"%-17s older than max_age = %s: terms, docs and the like answer \"Stale file handle\"\n",
				"too old", duration_text(s->max_age, text));
	}
	if (s->paused)
		buf_addf(out,
			"%-17s since the rollback that is generation %" PRIu64
			"; `freshet rollback --resume` lets builds go on\n",
			"paused", s->paused);
	if (s->rules_changed)
		add_line(out, "rules",
			"changed in the configuration; the old ones serve until the next build folds again");
	add_line(out, "last error", *s->last_error ? s->last_error : "-");
}

static void json_time(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key, int64_t t)
{
	char text[TIME_TEXT_MAX];

	if (t == TIME_NONE)
		yyjson_mut_obj_add_null(doc, obj, key);
	else
		yyjson_mut_obj_add_strcpy(doc, obj, key, time_text(t, text));
}

/* Text from outside (paths, messages) need not be UTF-8, JSON has to be. */
static void json_text(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key, const char *text)
{
	OWNED_BUF printable = {0};

	if (!*text) {
		yyjson_mut_obj_add_null(doc, obj, key);
		return;
	}
	if (utf8_is_valid(slice_str(text)))
		buf_add_str(&printable, text);
	else
		name_print(slice_str(text), &printable);
	yyjson_mut_obj_add_strncpy(doc, obj, key, buf_cstr(&printable), printable.len);
}

/* To the millisecond. */
static void json_duration(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key, int64_t d)
{
	if (d == TIME_NONE)
		yyjson_mut_obj_add_null(doc, obj, key);
	else
		yyjson_mut_obj_add_real(doc, obj, key, (double)(d / (TIME_SECOND / 1000)) / 1000);
}

static void json_requests(const struct requests *requests, yyjson_mut_doc *doc, yyjson_mut_val *obj)
{
	yyjson_mut_val *counts = yyjson_mut_obj(doc);

	for (int i = 0; i < REQUEST_KINDS; i++)
		yyjson_mut_obj_add_uint(doc, counts, request_name((enum request_kind)i),
			requests_of(requests, (enum request_kind)i));
	yyjson_mut_obj_add_val(doc, obj, "requests", counts);
}

static void json_fill(const struct status *s, int64_t now, yyjson_mut_doc *doc, yyjson_mut_val *obj)
{
	yyjson_mut_val *counts = yyjson_mut_obj(doc);
	int64_t age = status_age(s, now);

	json_text(doc, obj, "feed", s->feed);
	json_text(doc, obj, "state", s->state_dir);
	json_text(doc, obj, "index", s->index);
	yyjson_mut_obj_add_uint(doc, obj, "generation", s->generation);
	json_time(doc, obj, "watermark", s->watermark);
	json_time(doc, obj, "complete_through", s->complete_through);
	json_time(doc, obj, "published", s->published);
	if (age == TIME_NONE)
		yyjson_mut_obj_add_null(doc, obj, "age_seconds");
	else
		yyjson_mut_obj_add_uint(doc, obj, "age_seconds", (uint64_t)(age / TIME_SECOND));
	json_duration(doc, obj, "waiting_seconds", s->waiting);
	json_duration(doc, obj, "building_seconds", s->building);
	for (int i = 0; i < PART_STATES; i++)
		yyjson_mut_obj_add_uint(
			doc, counts, partition_state_name((enum partition_state)i), s->partitions[i]);
	yyjson_mut_obj_add_val(doc, obj, "partitions", counts);
	yyjson_mut_obj_add_uint(doc, obj, "uncovered", s->uncovered);
	yyjson_mut_obj_add_uint(doc, obj, "rejected", s->rejected);
	yyjson_mut_obj_add_uint(doc, obj, "segments", s->segments);
	yyjson_mut_obj_add_uint(doc, obj, "segment_bytes", s->segment_bytes);
	yyjson_mut_obj_add_uint(doc, obj, "documents", s->documents);
	yyjson_mut_obj_add_bool(doc, obj, "rules_changed", s->rules_changed);
	yyjson_mut_obj_add_bool(doc, obj, "paused", s->paused != 0);
	if (s->dest) {
		json_text(doc, obj, "dest", s->dest);
		yyjson_mut_obj_add_uint(doc, obj, "dest_generation", s->dest_generation);
	}
	if (s->refresh) {
		yyjson_mut_obj_add_strcpy(doc, obj, "refresh", s->refresh);
		json_time(doc, obj, "building_since", s->building_since);
		json_text(doc, obj, "passthrough", s->passthrough);
		yyjson_mut_obj_add_bool(doc, obj, "too_old", status_time_left(s, now) < 0);
	}
	if (s->requests)
		json_requests(s->requests, doc, obj);
	json_text(doc, obj, "last_error", s->last_error);
}

int status_json(const struct status *s, int64_t now, struct buf *out)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root;
	char *text;
	size_t len;

	if (!doc)
		return -ENOMEM;
	root = yyjson_mut_obj(doc);
	yyjson_mut_doc_set_root(doc, root);
	json_fill(s, now, doc, root);
	text = yyjson_mut_write(doc, YYJSON_WRITE_PRETTY_TWO_SPACES, &len);
	yyjson_mut_doc_free(doc);
	if (!text)
		return -ENOMEM;
	buf_add(out, text, len);
	buf_add_str(out, "\n");
	free(text);
	return buf_error(out);
}

void status_partitions(const struct row *rows, size_t row_count, struct buf *out)
{
	buf_add_str(out, "partition\tstate\tfiles\tbytes\trecords\trejected\tarrived\tdetected\tpublished\t"
			 "generation\treason\n");
	for (size_t i = 0; i < row_count; i++) {
		const struct row *r = &rows[i];
		char arrived[TIME_TEXT_MAX], detected[TIME_TEXT_MAX], published[TIME_TEXT_MAX];

		name_print(r->path, out);
		buf_addf(out, "\t%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%s\t%s\t%s\t",
			partition_state_name(r->state), r->files, r->bytes, r->records, r->rejected,
			time_text(r->arrived, arrived), time_text(r->detected, detected),
			time_text(r->published, published));
		if (r->generation)
			buf_addf(out, "%" PRIu64, r->generation);
		buf_add_byte(out, '\t');
		line_print(r->reason, out);
		buf_add_byte(out, '\n');
	}
}
