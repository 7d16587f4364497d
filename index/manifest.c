/* SPDX-License-Identifier: Apache-2.0 */
/* index/manifest.c - N.json, to and from bytes (docs/format.md, "Manifests").
 *
 * Written by hand, so that equal manifests are equal bytes; read with yyjson. Unknown members are ignored,
 * a larger `version` is refused. Instants are RFC 3339 in UTC, with nine digits of fraction where there is one. */
#include "generation.h"

#include <inttypes.h>
#include <stdio.h>
#include <yyjson.h>

#include "member.h"

#define FORMAT "freshet manifest"
#define VERSION 1

static const char *const kinds[MANIFEST_KINDS] = {
	[MANIFEST_BUILD] = "build",
	[MANIFEST_MERGE] = "merge",
	[MANIFEST_ROLLBACK] = "rollback",
	[MANIFEST_BASE] = "base",
};

/* ---- writing ---- */

static void encode_segment(const struct manifest_segment *s, bool first, struct buf *out)
{
	char hex[SHA256_HEX], from[INSTANT_MAX], to[INSTANT_MAX];

	buf_addf(out, "%s\n    {\n      \"name\": \"%s\",\n      \"sha256\": \"%s\",\n", first ? "" : ",",
		s->name, hex_text(s->sha256, SHA256_BYTES, hex));
	buf_addf(out, "      \"bytes\": %" PRIu64 ",\n      \"entries\": %" PRIu64 ",\n", s->bytes,
		s->entries);
	buf_addf(out, "      \"documents\": %" PRIu64 ",\n      \"superseded\": %" PRIu64 ",\n", s->documents,
		s->superseded);
	buf_addf(out, "      \"first\": %s,\n      \"last\": %s,\n", instant_text(s->first, from),
		instant_text(s->last, to));
	buf_addf(out, "      \"base\": %s,\n      \"undone\": [", s->base ? "true" : "false");
	for (size_t i = 0; i < s->undone_count; i++)
		buf_addf(out, "%s%" PRIu32, i ? ", " : "", s->undone[i]);
	buf_addf(out, "],\n      \"left\": %s\n    }", instant_text(s->left, from));
}

void manifest_encode(const struct manifest *m, struct buf *out)
{
	char hex[SHA256_HEX], text[INSTANT_MAX];

	buf_addf(out, "{\n  \"format\": \"%s\",\n  \"version\": %d,\n", FORMAT, VERSION);
	buf_addf(out, "  \"index\": \"%s\",\n  \"number\": %" PRIu64 ",\n", m->index, m->number);
	buf_addf(out, "  \"kind\": \"%s\",\n", kinds[m->kind]);
	if (m->parent)
		buf_addf(out, "  \"parent\": %" PRIu64 ",\n  \"parent_sha256\": \"%s\",\n", m->parent,
			hex_text(m->parent_sha256, SHA256_BYTES, hex));
	else
		buf_add_str(out, "  \"parent\": null,\n  \"parent_sha256\": null,\n");
	buf_addf(out, "  \"watermark\": %s,\n", instant_text(m->watermark, text));
	buf_addf(out, "  \"horizon\": %s,\n", instant_text(m->horizon, text));
	buf_addf(out, "  \"base_at\": %s,\n", instant_text(m->base_at, text));
	buf_addf(out, "  \"published\": %s,\n", instant_text(m->published, text));
	buf_addf(out, "  \"config_hash\": \"%s\",\n", hex_text(m->config_hash, sizeof(m->config_hash), hex));
	buf_addf(out, "  \"k1\": %" PRIu32 ",\n  \"b\": %" PRIu32 ",\n", m->k1, m->b);
	buf_addf(out, "  \"documents\": %" PRIu64 ",\n", m->documents);
	buf_addf(out, "  \"live_bytes\": %" PRIu64 ",\n  \"live_sha256\": \"%s\",\n", m->live_bytes,
		hex_text(m->live_sha256, SHA256_BYTES, hex));
	buf_add_str(out, "  \"segments\": [");
	for (size_t i = 0; i < m->segment_count; i++)
		encode_segment(&m->segments[i], i == 0, out);
	buf_addf(out, "%s]\n}\n", m->segment_count ? "\n  " : "");
}

/* ---- reading ---- */

static int take_undone(struct members *r, struct manifest_segment *s, struct err *err)
{
	yyjson_val *array = yyjson_obj_get(r->object, "undone"), *v;
	size_t count = yyjson_arr_size(array), i, max;

	if (!yyjson_is_arr(array))
		members_fail(r, "undone");
	s->undone = calloc(count ? count : 1, sizeof(*s->undone));
	if (!s->undone)
		return err_set(err, -ENOMEM, "out of memory");
	yyjson_arr_foreach(array, i, max, v)
	{
		uint64_t n = yyjson_get_uint(v);

		if (!yyjson_is_uint(v) || n >= UINT32_MAX || (i && n <= s->undone[i - 1])) {
			members_fail(r, "undone");
			return 0;
		}
		s->undone[s->undone_count++] = (uint32_t)n;
	}
	return 0;
}

static int take_segment(yyjson_val *object, struct manifest_segment *s, struct err *err)
{
	struct members r = {.object = object};
	struct slice name = member_text(&r, "name");
	char hex[SHA256_HEX];

	member_hex(&r, "sha256", s->sha256, SHA256_BYTES);
	s->bytes = member_u64(&r, "bytes");
	s->entries = member_u64(&r, "entries");
	s->documents = member_u64(&r, "documents");
	s->superseded = member_u64(&r, "superseded");
	s->first = member_instant(&r, "first");
	s->last = member_instant(&r, "last");
	s->base = member_bool(&r, "base");
	s->left = member_is_null(&r, "left") ? TIME_NONE : member_instant(&r, "left");
	if (take_undone(&r, s, err) < 0)
		return -ENOMEM;
	if (members_check(&r, err) < 0)
		return -EBADMSG;
	hex_text(s->sha256, SHA256_BYTES, hex);
	if (!slice_eq(name, slice_of(hex, SEGMENT_NAME_HEX)))
		return err_set(err, -EBADMSG, "\"name\" is not the start of \"sha256\"");
	memcpy(s->name, hex, SEGMENT_NAME_HEX);
	if (s->entries >= UINT32_MAX || s->superseded > s->entries ||
		s->documents > s->entries - s->superseded)
		return err_set(err, -EBADMSG, "counts cannot be");
	if (s->first > s->last)
		return err_set(err, -EBADMSG, "\"first\" is after \"last\"");
	return 0;
}

static int take_segments(yyjson_val *array, struct manifest *m, struct err *err)
{
	size_t count = yyjson_arr_size(array), i, max;
	uint64_t documents = 0;
	yyjson_val *v;

	if (!yyjson_is_arr(array) || count > LIVE_SEGMENTS_MAX)
		return err_set(err, -EBADMSG, "\"segments\" is no list, or too long");
	m->segments = calloc(count ? count : 1, sizeof(*m->segments));
	if (!m->segments)
		return err_set(err, -ENOMEM, "out of memory");
	m->segment_count = count;
	yyjson_arr_foreach(array, i, max, v)
	{
		int r = take_segment(v, &m->segments[i], err);

		if (r)
			return err_context(err, r, "segment %zu", i);
		documents += m->segments[i].documents;
	}
	if (documents != m->documents)
		return err_set(err, -EBADMSG, "\"documents\" is not the sum of the segments'");
	return 0;
}

static void take_kind(struct members *r, struct manifest *m)
{
	struct slice kind = member_text(r, "kind");

	for (unsigned i = 0; i < MANIFEST_KINDS; i++) {
		if (slice_eq(kind, slice_str(kinds[i]))) {
			m->kind = (enum manifest_kind)i;
			return;
		}
	}
	members_fail(r, "kind");
}

static void take_parent(struct members *r, struct manifest *m)
{
	if (member_is_null(r, "parent") && member_is_null(r, "parent_sha256"))
		return;
	m->parent = member_u64(r, "parent");
	member_hex(r, "parent_sha256", m->parent_sha256, SHA256_BYTES);
	if (m->parent == 0 || m->parent >= m->number)
		members_fail(r, "parent");
}

/* In thousandths. Where it is missing, who wrote this knew no ranking. */
static uint32_t take_milli(struct members *r, const char *key, uint32_t initial, uint32_t max)
{
	uint64_t n = yyjson_obj_get(r->object, key) ? member_u64(r, key) : initial;

	if (n > max)
		members_fail(r, key);
	return (uint32_t)n;
}

static int take_head(struct members *r, struct manifest *m, struct err *err)
{
	if (!slice_eq(member_text(r, "format"), slice_str(FORMAT)))
		return err_set(err, -EBADMSG, "is no manifest (\"format\" is not \"%s\")", FORMAT);
	if (member_u64(r, "version") > VERSION)
		return err_set(err, -ENOTSUP, "written by a newer freshet; version %d is known", VERSION);
	member_uuid(r, "index", m->index);
	m->number = member_u64(r, "number");
	if (!m->number)
		members_fail(r, "number");
	take_kind(r, m);
	take_parent(r, m);
	m->watermark = member_instant(r, "watermark");
	m->horizon = member_is_null(r, "horizon") ? TIME_NONE : member_instant(r, "horizon");
	m->base_at = member_is_null(r, "base_at") ? TIME_NONE : member_instant(r, "base_at");
	m->published = member_instant(r, "published");
	member_hex(r, "config_hash", m->config_hash, sizeof(m->config_hash));
	m->k1 = take_milli(r, "k1", 1200, 100000);
	m->b = take_milli(r, "b", 750, 1000);
	m->documents = member_u64(r, "documents");
	m->live_bytes = member_u64(r, "live_bytes");
	member_hex(r, "live_sha256", m->live_sha256, SHA256_BYTES);
	return members_check(r, err);
}

int manifest_decode(struct slice bytes, struct manifest *out, struct err *err)
{
	struct members reader = {0};
	yyjson_read_err why = {0};
	yyjson_doc *doc;
	int r;

	*out = (struct manifest){0};
	if (bytes.len > MANIFEST_MAX)
		return err_set(err, -EBADMSG, "%zu bytes are too many for a manifest", bytes.len);
	/* Without YYJSON_READ_INSITU the text is only read. */
	doc = yyjson_read_opts((char *)(uintptr_t)bytes.data, bytes.len, 0, NULL, &why);
	if (!doc)
		return err_set(err, why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION ? -ENOMEM : -EBADMSG,
			"not JSON: %s at byte %zu", why.msg, why.pos);
	reader.object = yyjson_doc_get_root(doc);
	r = take_head(&reader, out, err);
	if (!r)
		r = take_segments(yyjson_obj_get(reader.object, "segments"), out, err);
	yyjson_doc_free(doc);
	if (r)
		manifest_release(out);
	return r;
}

int manifest_segment_copy(const struct manifest_segment *from, struct manifest_segment *to)
{
	*to = *from;
	to->undone = malloc((from->undone_count + 1) * sizeof(*to->undone));
	if (!to->undone)
		return -ENOMEM;
	if (from->undone_count)
		memcpy(to->undone, from->undone, from->undone_count * sizeof(*to->undone));
	return 0;
}

void manifest_release(struct manifest *m)
{
	for (size_t i = 0; m->segments && i < m->segment_count; i++)
		free(m->segments[i].undone);
	free(m->segments);
	*m = (struct manifest){0};
}
