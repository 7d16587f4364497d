/* SPDX-License-Identifier: Apache-2.0 */
/* index/live.c - deriving, writing and reading N.live.
 *
 * The file, little-endian (docs/format.md, "Live sets"):
 *   offset size field
 *        0    8 magic        "FRSHLIVE"
 *        8    2 major        1: refuse other ones
 *       10    2 minor        0: a newer one may be read
 *       12    4 segments     at most LIVE_SEGMENTS_MAX
 *       16      for each segment, oldest first:
 *             16 name        the 16 bytes that its name is the hex of
 *              8 entries     at most 2^32 - 2
 *              8 superseded  at most `entries`
 *              8 documents   at most `entries` - `superseded`
 *              n bitmap      only where superseded > 0: (entries + 63) / 64 * 8 bytes, exactly `superseded` bits
 *                            set, none at or above `entries`
 *      end    8 checksum     XXH3-64 of all before it */
#include "live.h"

#include <inttypes.h>
#include <stdio.h>

#include "digest.h"
#include "record.h"
#include "timefmt.h"

#define MAGIC "FRSHLIVE"
#define MAJOR 1
#define MINOR 0
#define HEAD_BYTES 16
#define SEGMENT_BYTES 40
#define CHECKSUM_BYTES 8
#define NAME_BYTES (SEGMENT_NAME_HEX / 2)
/* Below this ratio of sizes two segments are compared side by side, above it each id is searched. */
#define SEARCH_RATIO 16

static size_t bitmap_bytes(uint64_t entries)
{
	return (size_t)((entries + 63) / 64 * 8);
}

void live_release(struct live *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->segments[i].bits);
	free(l->segments);
	*l = (struct live){0};
}

/* ---- deriving ---- */

static int mark(struct live_segment *l, const struct segment *s, uint32_t entry, struct err *err)
{
	uint8_t bit = (uint8_t)(1u << entry % 8);

	if (!l->bits && !(l->bits = calloc(1, bitmap_bytes(l->entries))))
		return err_set(err, -ENOMEM, "out of memory");
	if (l->bits[entry / 8] & bit)
		return 0;
	l->bits[entry / 8] |= bit;
	l->superseded++;
	l->documents -= segment_state(s, entry) == ENTRY_LIVE;
	return 0;
}

bool attribute_expires(const struct segment *s, struct slice id)
{
	struct segment_rule rule;

	for (uint32_t i = 0; i < segment_info(s)->rules; i++) {
		if (segment_rule(s, i, &rule, NULL) < 0)
			return false;
		if (id.len > rule.name.len + 2 && id.data[rule.name.len + 1] == ATTRIBUTE_MARK &&
			slice_eq(slice_of(id.data + 1, rule.name.len), rule.name))
			return rule.expires;
	}
	return false;
}

static bool has_left(const struct segment *s, uint32_t n)
{
	struct slice id;

	return segment_id(s, n, &id, NULL) == 0 && (!id_is_attribute(id) || attribute_expires(s, id));
}

static bool is_void(const struct segment *s, uint32_t n, uint32_t left, const struct undone *undone)
{
	uint32_t source = segment_source_of(s, n);

	if (source < left && has_left(s, n))
		return true;
	return undone->count && undone_has(undone, source);
}

static int mark_void(struct live_segment *l, const struct segment *s, int64_t horizon,
	const struct undone *undone, struct err *err)
{
	uint32_t left = segment_sources_until(s, horizon > undone->left ? horizon : undone->left);
	int r = 0;

	if (!left && !undone->count)
		return 0;
	for (uint32_t n = 0; !r && n < l->entries; n++)
		if (!live_is_superseded(l, n) && is_void(s, n, left, undone))
			r = mark(l, s, n, err);
	return r;
}

/* Marks what of `older` has an id of `newer`: one search an id. */
static int mark_by_search(
	struct live_segment *l, const struct segment *older, const struct segment *newer, struct err *err)
{
	uint64_t count = segment_info(newer)->entries;

	for (uint32_t n = 0; n < count; n++) {
		struct slice id;
		uint32_t at;
		int r = segment_id(newer, n, &id, err);

		if (!r)
			r = segment_find(older, id, &at, err);
		if (r == 1)
			r = mark(l, older, at, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The same by walking both. */
static int mark_by_walk(
	struct live_segment *l, const struct segment *older, const struct segment *newer, struct err *err)
{
	uint64_t a_count = segment_info(older)->entries, b_count = segment_info(newer)->entries;
	uint32_t a = 0, b = 0;
	int r = 0;

	while (!r && a < a_count && b < b_count) {
		struct slice a_id, b_id;
		int order;

		r = segment_id(older, a, &a_id, err);
		if (!r)
			r = segment_id(newer, b, &b_id, err);
		if (r)
			break;
		order = slice_cmp(a_id, b_id);
		if (order == 0)
			r = mark(l, older, a, err);
		a += order <= 0;
		b += order >= 0;
	}
	return r;
}

static int mark_superseded(
	struct live_segment *l, const struct segment *older, const struct segment *newer, struct err *err)
{
	if (l->entries / SEARCH_RATIO > segment_info(newer)->entries)
		return mark_by_search(l, older, newer, err);
	return mark_by_walk(l, older, newer, err);
}

static int copy_bits(
	struct live_segment *to, const struct live_segment *from, const char *name, struct err *err)
{
	if (strcmp(from->name, name) != 0 || from->entries != to->entries)
		return err_set(err, -EINVAL, "segment %s: not in the place of %s that the older live set has",
			name, from->name);
	to->superseded = from->superseded;
	to->documents = from->documents;
	if (!from->bits)
		return 0;
	to->bits = malloc(bitmap_bytes(to->entries));
	if (!to->bits)
		return err_set(err, -ENOMEM, "out of memory");
	memcpy(to->bits, from->bits, bitmap_bytes(to->entries));
	return 0;
}

static int derive_segment(const struct live_input *in, size_t i, struct live_segment *s, struct err *err)
{
	size_t known = in->old ? in->old->count : 0;
	const struct segment_info *info = segment_info(in->segments[i]);
	int r = 0;

	snprintf(s->name, sizeof(s->name), "%s", in->names[i]);
	s->entries = info->entries;
	s->documents = info->live;
	if (i < known)
		r = copy_bits(s, &in->old->segments[i], in->names[i], err);
	if (!r)
		r = mark_void(s, in->segments[i], in->horizon, &in->undone[i], err);
	for (size_t k = i + 1 > known ? i + 1 : known; !r && k < in->count; k++)
		r = mark_superseded(s, in->segments[i], in->segments[k], err);
	return r ? err_context(err, r, "segment %s", in->names[i]) : 0;
}

int live_derive(const struct live_input *in, struct live *out, struct err *err)
{
	int r = 0;

	*out = (struct live){0};
	if (in->count > LIVE_SEGMENTS_MAX || (in->old && in->old->count > in->count))
		return err_set(err, -EINVAL, "%zu segments: more than %u, or fewer than before", in->count,
			LIVE_SEGMENTS_MAX);
	if (!in->count)
		return 0;
	out->segments = calloc(in->count, sizeof(*out->segments));
	if (!out->segments)
		return err_set(err, -ENOMEM, "out of memory");
	out->count = in->count;
	for (size_t i = 0; !r && i < in->count; i++)
		r = derive_segment(in, i, &out->segments[i], err);
	if (r)
		live_release(out);
	return r;
}

/* ---- the file ---- */

void live_encode(const struct live *l, struct buf *out)
{
	size_t start = out->len;

	buf_add(out, MAGIC, 8);
	buf_add_le32(out, MAJOR | MINOR << 16);
	buf_add_le32(out, (uint32_t)l->count);
	for (size_t i = 0; i < l->count; i++) {
		const struct live_segment *s = &l->segments[i];
		uint8_t name[NAME_BYTES] = {0};

		hex_parse(slice_str(s->name), name, sizeof(name));
		buf_add(out, name, sizeof(name));
		buf_add_le64(out, s->entries);
		buf_add_le64(out, s->superseded);
		buf_add_le64(out, s->documents);
		if (s->superseded)
			buf_add(out, s->bits, bitmap_bytes(s->entries));
	}
	if (!out->failed)
		buf_add_le64(out, xxh64(slice_of(out->data + start, out->len - start)));
}

static bool bitmap_is_valid(const uint8_t *bits, uint64_t entries, uint64_t superseded)
{
	size_t words = bitmap_bytes(entries) / 8;
	uint64_t set = 0;

	for (size_t i = 0; i < words; i++)
		set += (uint64_t)__builtin_popcountll(get_le64(bits + 8 * i));
	if (entries % 64 && get_le64(bits + 8 * (words - 1)) >> entries % 64)
		return false;
	return set == superseded;
}

static int decode_segment(struct cursor *c, struct live_segment *s, struct err *err)
{
	struct slice name = cursor_bytes(c, NAME_BYTES), bits;

	s->entries = cursor_le64(c);
	s->superseded = cursor_le64(c);
	s->documents = cursor_le64(c);
	if (!cursor_ok(c))
		return err_set(err, -EBADMSG, "ends early");
	hex_text((const uint8_t *)name.data, NAME_BYTES, s->name);
	if (s->entries >= UINT32_MAX || s->superseded > s->entries ||
		s->documents > s->entries - s->superseded)
		return err_set(err, -EBADMSG,
			"counts of segment %s cannot be (%" PRIu64 " entries, %" PRIu64
			" superseded, %" PRIu64 " documents)",
			s->name, s->entries, s->superseded, s->documents);
	if (!s->superseded)
		return 0;
	bits = cursor_bytes(c, bitmap_bytes(s->entries));
	if (!cursor_ok(c))
		return err_set(err, -EBADMSG, "ends early, in the bitmap of segment %s", s->name);
	if (!bitmap_is_valid((const uint8_t *)bits.data, s->entries, s->superseded))
		return err_set(err, -EBADMSG, "bitmap of segment %s does not have its %" PRIu64 " bits",
			s->name, s->superseded);
	s->bits = malloc(bits.len);
	if (!s->bits)
		return err_set(err, -ENOMEM, "out of memory");
	memcpy(s->bits, bits.data, bits.len);
	return 0;
}

/* Returns the number of segments, or -errno. */
static int64_t decode_head(struct slice bytes, struct cursor *c, struct err *err)
{
	uint32_t count;
	uint16_t major;

	if (bytes.len < HEAD_BYTES + CHECKSUM_BYTES)
		return err_set(err, -EBADMSG, "%zu bytes is too short for a live set", bytes.len);
	if (memcmp(bytes.data, MAGIC, 8) != 0)
		return err_set(err, -EBADMSG, "no live set (wrong magic)");
	major = get_le16(bytes.data + 8);
	if (major != MAJOR)
		return err_set(err, -ENOTSUP, "version %u of the live set is not known, %u is", major, MAJOR);
	bytes.len -= CHECKSUM_BYTES;
	if (get_le64(bytes.data + bytes.len) != xxh64(bytes))
		return err_set(err, -EBADMSG, "checksum of the live set is wrong");
	*c = cursor_of(bytes);
	cursor_bytes(c, 12);
	count = cursor_le32(c);
	if (count > LIVE_SEGMENTS_MAX || (uint64_t)count * SEGMENT_BYTES > cursor_left(c))
		return err_set(err, -EBADMSG, "%" PRIu32 " segments are too many for its size", count);
	return count;
}

int live_decode(struct slice bytes, struct live *out, struct err *err)
{
	struct cursor c;
	int64_t count = decode_head(bytes, &c, err);
	int r = 0;

	*out = (struct live){0};
	if (count < 0)
		return (int)count;
	if (count) {
		out->segments = calloc((size_t)count, sizeof(*out->segments));
		if (!out->segments)
			return err_set(err, -ENOMEM, "out of memory");
	}
	while (!r && out->count < (size_t)count)
		r = decode_segment(&c, &out->segments[out->count++], err);
	if (!r && cursor_left(&c))
		r = err_set(err, -EBADMSG, "%zu bytes too many in the live set", cursor_left(&c));
	if (r)
		live_release(out);
	return r;
}
