/* SPDX-License-Identifier: Apache-2.0 */
/* The front of a segment:
 *
 *   offset size field
 *        0    8 magic
 *        8    4 major, minor        16 bits each
 *       12    4 sections            rows in the table
 *       16    8 required            feature bits: an unknown one refuses the file
 *       24    8 optional            feature bits: SEGMENT_OF_BASE; unknown ones are ignored
 *       32   16 config_hash
 *       48    8 shard, shards       32 bits each
 *       56   16 first, last         timestamps of partitions
 *       72    8 entries
 *       80    8 history
 *       88    8 sources
 *       96    8 groups
 *      104    8 file_bytes
 *      112   16 reserved            zero
 *      128  120 versions            text, zeros behind it
 *      248    8 reserved            zero
 *      256 48*n section table
 *        *    8 checksum            XXH3-64 of everything before it
 *
 * A row of the table:
 *
 *   offset size field
 *        0    4 kind
 *        4    4 version, flags      16 bits each
 *        8   24 offset, length, logical
 *       32    8 checksum
 *       40    8 reserved            zero */
#include "segment_format.h"

#include "digest.h"

static const char *const names[SECTION_KINDS + 1] = {"unknown", "records", "record index", "ids", "columns",
	"groups", "sources", "dictionary", "postings", "lengths", "statistics", "history record index",
	"history ids", "history columns", "attributes", "ranking data"};

const char *section_name(uint32_t kind)
{
	return names[kind <= SECTION_KINDS ? kind : 0];
}

static void add_le16(struct buf *b, uint16_t v)
{
	char raw[2];

	put_le16(raw, v);
	buf_add(b, raw, sizeof(raw));
}

static void add_zeros(struct buf *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_add_byte(b, 0);
}

static void section_encode(const struct section *s, struct buf *out)
{
	buf_add_le32(out, s->kind);
	add_le16(out, s->version);
	add_le16(out, s->flags);
	buf_add_le64(out, s->offset);
	buf_add_le64(out, s->length);
	buf_add_le64(out, s->logical);
	buf_add_le64(out, s->checksum);
	buf_add_le64(out, 0);
}

void segment_header_encode(const struct segment_header *h, struct buf *out)
{
	const struct segment_info *info = &h->info;
	size_t start = out->len, front = segment_front_bytes(h->section_count);

	buf_add(out, SEGMENT_MAGIC, SEGMENT_MAGIC_LEN);
	add_le16(out, info->major);
	add_le16(out, info->minor);
	buf_add_le32(out, h->section_count);
	buf_add_le64(out, 0); /* nothing is required in this version */
	buf_add_le64(out, info->base ? SEGMENT_OF_BASE : 0);
	buf_add(out, info->config_hash, sizeof(info->config_hash));
	buf_add_le32(out, info->shard);
	buf_add_le32(out, info->shards);
	buf_add_le64(out, (uint64_t)info->first);
	buf_add_le64(out, (uint64_t)info->last);
	buf_add_le64(out, info->entries);
	buf_add_le64(out, info->history);
	buf_add_le64(out, info->sources);
	buf_add_le64(out, h->groups);
	buf_add_le64(out, info->file_bytes);
	add_zeros(out, 16);
	buf_add_slice(out, info->versions);
	add_zeros(out, SEGMENT_VERSIONS_MAX - info->versions.len + 8);
	for (unsigned i = 0; i < h->section_count; i++)
		section_encode(&h->sections[i], out);
	if (out->failed)
		return;
	buf_add_le64(out, xxh64(slice_of(out->data + start, out->len - start)));
	add_zeros(out, front - (out->len - start));
}

static int decode_counts(struct segment_header *h, struct cursor *c, struct err *err)
{
	struct segment_info *info = &h->info;

	info->shard = cursor_le32(c);
	info->shards = cursor_le32(c);
	info->first = (int64_t)cursor_le64(c);
	info->last = (int64_t)cursor_le64(c);
	info->entries = cursor_le64(c);
	info->history = cursor_le64(c);
	info->sources = cursor_le64(c);
	h->groups = cursor_le64(c);
	info->file_bytes = cursor_le64(c);
	if (info->shard >= info->shards)
		return err_set(err, -EBADMSG, "shard %u of %u", info->shard, info->shards);
	if (info->first > info->last)
		return err_set(err, -EBADMSG, "partition range ends before it starts");
	if (info->entries >= UINT32_MAX || info->history >= UINT32_MAX || info->sources >= UINT32_MAX ||
		h->groups >= GROUP_NONE)
		return err_set(err, -EBADMSG, "a count of 2^32 - 1 or more");
	return 0;
}

static int decode_versions(struct segment_info *info, struct cursor *c, struct err *err)
{
	struct slice text = cursor_bytes(c, SEGMENT_VERSIONS_MAX);
	size_t len = strnlen(text.data, text.len);

	for (size_t i = 0; i < text.len; i++)
		if (i < len ? (uint8_t)text.data[i] < 0x20 : text.data[i])
			return err_set(err, -EBADMSG, "versions are not one line of text with zeros behind");
	info->versions = slice_of(text.data, len);
	return 0;
}

/* Sections lie behind each other without gaps, so none overlap and every byte of the file is in one. */
static int decode_section(
	struct section *s, struct cursor *c, uint64_t at, uint64_t file_bytes, struct err *err)
{
	const char *name;

	s->kind = cursor_le32(c);
	s->version = cursor_le16(c);
	s->flags = cursor_le16(c);
	s->offset = cursor_le64(c);
	s->length = cursor_le64(c);
	s->logical = cursor_le64(c);
	s->checksum = cursor_le64(c);
	name = section_name(s->kind);
	if (cursor_le64(c) || s->flags & ~SECTION_MUST)
		return err_set(err, -EBADMSG, "section %u (%s): reserved bits are set", s->kind, name);
	if (s->offset != at || s->length > file_bytes - at)
		return err_set(err, -EBADMSG,
			"section %u (%s): %llu bytes at %llu do not follow at %llu of %llu", s->kind, name,
			(unsigned long long)s->length, (unsigned long long)s->offset, (unsigned long long)at,
			(unsigned long long)file_bytes);
	if (s->logical > s->length || s->length != section_stored_bytes(s->logical))
		return err_set(err, -EBADMSG, "section %u (%s): %llu bytes are not %llu and padding", s->kind,
			name, (unsigned long long)s->length, (unsigned long long)s->logical);
	if (s->kind >= 1 && s->kind <= SECTION_KINDS) {
		if (s->version != SECTION_VERSION)
			return err_set(
				err, -ENOTSUP, "section %u (%s): version %u", s->kind, name, s->version);
	} else if (s->flags & SECTION_MUST) {
		return err_set(err, -ENOTSUP, "section of unknown kind %u", s->kind);
	}
	return 0;
}

static int decode_table(struct segment_header *h, struct cursor *c, struct err *err)
{
	uint64_t at = segment_front_bytes(h->section_count), size = h->info.file_bytes;

	for (unsigned i = 0; i < h->section_count; i++) {
		int r = decode_section(&h->sections[i], c, at, size, err);

		if (r < 0)
			return r;
		for (unsigned j = 0; j < i; j++)
			if (h->sections[j].kind == h->sections[i].kind)
				return err_set(err, -EBADMSG, "two sections of kind %u", h->sections[i].kind);
		at += h->sections[i].length;
	}
	if (at != size)
		return err_set(err, -EBADMSG, "sections end at %llu of %llu bytes", (unsigned long long)at,
			(unsigned long long)size);
	return 0;
}

/* What must be right before anything else means something. */
static int decode_start(struct segment_header *h, struct cursor *c, struct slice bytes, struct err *err)
{
	struct slice magic = cursor_bytes(c, SEGMENT_MAGIC_LEN);
	uint64_t table;

	if (!slice_eq(magic, slice_of(SEGMENT_MAGIC, SEGMENT_MAGIC_LEN)))
		return err_set(err, -EBADMSG, "not a segment: its first 8 bytes differ");
	h->info.major = cursor_le16(c);
	h->info.minor = cursor_le16(c);
	h->section_count = cursor_le32(c);
	/* What a newer minor version adds, this one may pass over. */
	if (h->info.major != SEGMENT_MAJOR)
		return err_set(err, -ENOTSUP, "format %u.%u, this freshet reads %d.x", h->info.major,
			h->info.minor, SEGMENT_MAJOR);
	if (h->section_count > SEGMENT_SECTIONS_MAX)
		return err_set(
			err, -EBADMSG, "%u sections, at most %d", h->section_count, SEGMENT_SECTIONS_MAX);
	if (bytes.len < segment_front_bytes(h->section_count))
		return err_set(err, -EBADMSG, "%zu bytes end in the section table", bytes.len);
	table = SEGMENT_HEADER + (uint64_t)h->section_count * SEGMENT_TABLE_ROW;
	if (get_le64(bytes.data + table) != xxh64(slice_of(bytes.data, table)))
		return err_set(err, -EBADMSG, "checksum of header and section table differs");
	for (uint64_t i = table + 8; i < segment_front_bytes(h->section_count); i++)
		if (bytes.data[i])
			return err_set(err, -EBADMSG, "padding behind the section table is not zero");
	return 0;
}

int segment_header_decode(struct segment_header *h, struct slice bytes, struct err *err)
{
	struct cursor c = cursor_of(bytes);
	uint64_t required;
	int r;

	*h = (struct segment_header){0};
	if (bytes.len < SEGMENT_HEADER)
		return err_set(err, -EBADMSG, "%zu bytes are less than a header", bytes.len);
	r = decode_start(h, &c, bytes, err);
	if (r < 0)
		return r;
	required = cursor_le64(&c);
	if (required)
		return err_set(
			err, -ENOTSUP, "unknown required features %#llx", (unsigned long long)required);
	h->info.base = cursor_le64(&c) & SEGMENT_OF_BASE;
	memcpy(h->info.config_hash, cursor_bytes(&c, sizeof(h->info.config_hash)).data,
		sizeof(h->info.config_hash));
	r = decode_counts(h, &c, err);
	if (r < 0)
		return r;
	if (h->info.file_bytes != bytes.len)
		return err_set(err, -EBADMSG, "%zu bytes, the header says %llu", bytes.len,
			(unsigned long long)h->info.file_bytes);
	if (cursor_le64(&c) | cursor_le64(&c))
		return err_set(err, -EBADMSG, "reserved bytes of the header are not zero");
	r = decode_versions(&h->info, &c, err);
	if (r == 0 && cursor_le64(&c))
		r = err_set(err, -EBADMSG, "reserved bytes of the header are not zero");
	return r < 0 ? r : decode_table(h, &c, err);
}
