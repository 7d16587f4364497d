/* SPDX-License-Identifier: Apache-2.0 */
/* One case for each validity rule of docs/format.md, then every single flipped byte. */
#include "segment_format.h"
#include "segment_sample.h"
#include "tap.h"

static void flipped_bytes_behind_right_checksums_do_no_harm(void);
static struct sample sample;
static struct buf good; /* a valid segment with one of everything */

/* Puts the checksums right again after bytes were changed, so that what lies behind them is reached. */
static void reseal(char *bytes)
{
	uint32_t sections = get_le32(bytes + 12);
	char *end = bytes + SEGMENT_HEADER + (size_t)sections * SEGMENT_TABLE_ROW;

	for (char *row = bytes + SEGMENT_HEADER; row < end; row += SEGMENT_TABLE_ROW) {
		uint64_t offset = get_le64(row + 8), length = get_le64(row + 16);

		if (offset <= good.len && length <= good.len - offset)
			put_le64(row + 32, xxh64(slice_of(bytes + offset, length)));
	}
	put_le64(end, xxh64(slice_of(bytes, (size_t)(end - bytes))));
}

/* Everything a reader could do with it. Nothing may be believed only because opening went well. */
static int look_at_all(struct segment *s, struct err *err)
{
	const struct segment_info *info = segment_info(s);
	OWNED_BUF out = {0};
	FILE *null = fopen("/dev/null", "w");
	uint32_t n;
	int r = segment_dump(s, null, err);

	fclose(null);
	for (uint32_t i = 0; i < info->entries && i < 100; i++) {
		struct slice id;

		segment_add_ids(s, &i, 1, &out, NULL);
		segment_record(s, i, &out, NULL);
		segment_state(s, i);
		if (segment_id(s, i, &id, NULL) == 0)
			segment_find(s, id, &n, NULL);
	}
	return r;
}

static int open_and_verify(struct slice bytes, struct err *err)
{
	OWNED(segment) struct segment *s = NULL;
	int r = segment_open_bytes(&s, bytes, "x.seg", err), dumped;

	if (r < 0)
		return r;
	r = segment_verify_checksums(s, err);
	if (r == 0)
		r = segment_verify_structure(s, err);
	dumped = look_at_all(s, r == 0 ? err : NULL);
	return r < 0 ? r : dumped;
}

struct damage {
	const char *rule;
	uint32_t section; /* 0: the front */
	uint64_t offset;  /* in it */
	unsigned size;    /* of the value written there, in bytes */
	uint64_t value;
	int want;
	const char *message;
};

static char *section_start(char *bytes, uint32_t kind)
{
	for (char *row = bytes + SEGMENT_HEADER; kind; row += SEGMENT_TABLE_ROW)
		if (get_le32(row) == kind)
			return bytes + get_le64(row + 8);
	return bytes;
}

static void check_damage(const struct damage *d, bool sealed)
{
	char *bytes = malloc(good.len), value[8];
	struct err err = ERR_INIT;
	int r;

	memcpy(bytes, good.data, good.len);
	put_le64(value, d->value);
	memcpy(section_start(bytes, d->section) + d->offset, value, d->size);
	if (sealed)
		reseal(bytes);
	r = open_and_verify(slice_of(bytes, good.len), &err);
	if (r != d->want || !strstr(err.message, d->message))
		tap_fail("%s: %d \"%s\", want %d \"%s\"", d->rule, r, err.message, d->want, d->message);
	free(bytes);
}

#define check_damages(table, sealed)                                       \
	for (size_t i_ = 0; i_ < sizeof(table) / sizeof((table)[0]); i_++) \
	check_damage(&(table)[i_], sealed)

static void damage_shows_in_checksums(void)
{
	static const struct damage table[] = {
		{"magic", 0, 0, 1, 'X', -EBADMSG, "not a segment"},
		{"header", 0, 33, 1, 1, -EBADMSG, "checksum of header"},
		{"section table", 0, 260, 1, 9, -EBADMSG, "checksum of header"},
		{"padding behind the table", 0, 1023, 1, 1, -EBADMSG, "padding behind the section table"},
		{"ids", SECTION_IDS, 40, 1, '#', -EBADMSG, "checksum of section 3 (ids)"},
		{"records", SECTION_RECORDS, 20, 1, 0, -EBADMSG, "checksum of section 1 (records)"},
		{"padding of a section", SECTION_STATISTICS, 56, 1, 1, -EBADMSG, "checksum of section 10"},
	};

	check_damages(table, false);
}

static void the_header_is_checked(void)
{
	static const struct damage table[] = {
		{"major version", 0, 8, 2, 7, -ENOTSUP, "format 7.0, this freshet reads 1.x"},
		{"major version of before", 0, 8, 2, 0, -ENOTSUP, "format 0.0, this freshet reads 1.x"},
		{"newer minor version", 0, 10, 2, 3, 0, ""},
		{"required feature", 0, 16, 8, 1u << 9, -ENOTSUP, "unknown required features 0x200"},
		{"optional feature", 0, 24, 8, 1u << 9, 0, ""},
		{"shard", 0, 48, 4, 1, -EBADMSG, "shard 1 of 1"},
		{"partition range", 0, 56, 8, INT64_MAX, -EBADMSG, "partition range"},
		{"entries", 0, 72, 8, UINT32_MAX, -EBADMSG, "a count of"},
		{"entries and ids", 0, 72, 8, 1000, -EBADMSG, "entries: ids: "},
		{"entries and columns", 0, 72, 8, 5, -EBADMSG, "entries: ids: "},
		{"history", 0, 80, 8, UINT64_MAX, -EBADMSG, "a count of"},
		{"history and ids", 0, 80, 8, 1, -EBADMSG, "history: ids: "},
		{"sources", 0, 88, 8, UINT64_C(1) << 32, -EBADMSG, "a count of"},
		{"sources and section", 0, 88, 8, 1000000, -EBADMSG, "sources: too few"},
		{"groups", 0, 96, 8, UINT32_MAX, -EBADMSG, "a count of"},
		{"groups and section", 0, 96, 8, 3, -EBADMSG, "groups: "},
		{"file length", 0, 104, 8, 1, -EBADMSG, "the header says 1"},
		{"reserved", 0, 112, 1, 1, -EBADMSG, "reserved bytes of the header"},
		{"reserved", 0, 127, 1, 1, -EBADMSG, "reserved bytes of the header"},
		{"reserved", 0, 248, 1, 1, -EBADMSG, "reserved bytes of the header"},
		{"versions with a control character", 0, 128, 1, '\n', -EBADMSG, "one line of text"},
		{"versions without zeros behind", 0, 247, 1, 'x', -EBADMSG, "one line of text"},
	};

	check_damages(table, true);
}

#define ROW(kind) (SEGMENT_HEADER + ((kind)-1) * SEGMENT_TABLE_ROW)

static void the_section_table_is_checked(void)
{
	static const struct damage table[] = {
		{"number of sections", 0, 12, 4, 12, -EBADMSG, "padding behind the section table"},
		{"unknown kind that must be understood", 0, ROW(SECTION_LENGTHS), 4, 99, -ENOTSUP,
			"section of unknown kind 99"},
		{"kind twice", 0, ROW(SECTION_LENGTHS), 4, 3, -EBADMSG, "two sections of kind 3"},
		{"section version", 0, ROW(SECTION_IDS) + 4, 2, 2, -ENOTSUP, "section 3 (ids): version 2"},
		{"reserved flag", 0, ROW(SECTION_IDS) + 6, 2, 3, -EBADMSG, "reserved bits"},
		{"offset", 0, ROW(SECTION_IDS) + 8, 8, 64, -EBADMSG, "do not follow"},
		{"length past the end", 0, ROW(SECTION_IDS) + 16, 8, UINT64_C(1) << 62, -EBADMSG,
			"do not follow"},
		{"no room for padding", 0, ROW(SECTION_STATISTICS) + 24, 8, 128, -EBADMSG, "and padding"},
		{"logical length", 0, ROW(SECTION_STATISTICS) + 24, 8, UINT64_MAX, -EBADMSG, "and padding"},
		{"reserved", 0, ROW(SECTION_IDS) + 40, 8, 1, -EBADMSG, "reserved bits"},
		{"statistics shorter", 0, ROW(SECTION_STATISTICS) + 24, 8, 40, -EBADMSG,
			"statistics: 40 bytes"},
		{"lengths shorter", 0, ROW(SECTION_LENGTHS) + 24, 8, 20, -EBADMSG, "lengths: 20 bytes"},
		{"records shorter", 0, ROW(SECTION_RECORD_INDEX) + 24, 8, 19, -EBADMSG, "no whole number"},
		{"more blocks than records", 0, ROW(SECTION_HISTORY_RECORD_INDEX) + 24, 8, 60, -EBADMSG,
			"history: 3 blocks"},
	};

	check_damages(table, true);
}

/* The small sample has 6 entries, 2 in history, 4 sources and 4 groups. */
#define IDS_TEXT 28
#define GROUPS_TEXT 20

static void rows_are_checked(void)
{
	static const struct damage table[] = {
		{"first offset", SECTION_IDS, 0, 4, 1, -EBADMSG, "strings are not"},
		{"last offset", SECTION_IDS, 24, 4, 29, -EBADMSG, "strings are not"},
		{"offsets go back", SECTION_IDS, 8, 4, 2, -EBADMSG, "string 1 lies at 5 to 2"},
		{"offset past the end", SECTION_IDS, 8, 4, 1000, -EBADMSG, "string 1 lies at 5 to 1000"},
		{"id without line feed", SECTION_IDS, IDS_TEXT + 4, 1, ' ', -EBADMSG, "no line feed"},
		{"line feed in an id", SECTION_IDS, IDS_TEXT + 1, 1, '\n', -EBADMSG, "has a line feed"},
		{"empty id", SECTION_IDS, 4, 4, 1, -EBADMSG, "no line feed"},
		{"ids in order", SECTION_IDS, IDS_TEXT + 3, 1, '9', -EBADMSG, "row 1: id is not behind"},
		{"an id twice", SECTION_IDS, IDS_TEXT + 3, 1, '2', -EBADMSG, "row 1: id is not behind"},
		{"group number", SECTION_COLUMNS, 48, 4, 4, -EBADMSG, "row 0: group 4 of 4"},
		{"source number", SECTION_COLUMNS, 72, 4, 4, -EBADMSG, "row 0: source 4 of 4"},
		{"record length", SECTION_COLUMNS, 96, 4, 1, -EBADMSG, "its records have"},
		{"state", SECTION_COLUMNS, 120, 1, 4, -EBADMSG, "row 0: state 4"},
		{"an attribute without its mark", SECTION_COLUMNS, 120, 1, ENTRY_ATTRIBUTE, -EBADMSG,
			"not that of its id"},
		{"state and postings", SECTION_COLUMNS, 120, 1, ENTRY_HIDDEN, -EBADMSG, "hidden entries"},
		{"versions", SECTION_COLUMNS, 126, 4, 1, -EBADMSG, "versions: strings"},
		{"groups in order", SECTION_GROUPS, GROUPS_TEXT + 2, 1, 'z', -EBADMSG,
			"group 1 is not behind"},
		{"sources in order", SECTION_SOURCES, 0, 8, INT64_MAX, -EBADMSG, "source 1 is not behind"},
		{"history in order of age", SECTION_HISTORY_COLUMNS, 0, 8, 9, -EBADMSG, "older than the one"},
		{"history in order of ids", SECTION_HISTORY_IDS, 12, 1, 'z', -EBADMSG, "history: row 1: id"},
	};

	check_damages(table, true);
}

static void records_are_checked(void)
{
	static const struct damage table[] = {
		{"first record", SECTION_RECORD_INDEX, 0, 4, 1, -EBADMSG, "first block starts with record 1"},
		{"unpacked length", SECTION_RECORD_INDEX, 4, 4, RECORDS_RAW_MAX + 1, -EBADMSG, "block 0: "},
		{"unpacked length and records", SECTION_RECORD_INDEX, 4, 4, 100, -EBADMSG,
			"block 0: 100 bytes"},
		{"packed length", SECTION_RECORD_INDEX, 8, 4, 1u << 30, -EBADMSG, "block 0: "},
		{"packed length is 0", SECTION_RECORD_INDEX, 8, 4, 0, -EBADMSG, "block 0: "},
		{"place", SECTION_RECORD_INDEX, 12, 8, UINT64_MAX, -EBADMSG, "block 0: "},
		{"gap in front of a block", SECTION_RECORD_INDEX, 12, 8, 1, -EBADMSG, "block 0"},
		{"packed bytes", SECTION_RECORDS, 0, 4, 0, -EBADMSG, "block 0: "},
		{"history's place", SECTION_HISTORY_RECORD_INDEX, 12, 8, 0, -EBADMSG, "block 0 lies at 0"},
	};

	check_damages(table, true);
}

/* The dictionary has one block: count, two offsets, then the first term at 25, behind the varint of its postings. Three groups
 * come first, of 9, 7 and 7 bytes, then a keyword. */
#define TERM_0 (8 + 16 + 1)
#define KEYWORD (TERM_0 + 9 + 7 + 7)

static void terms_are_checked(void)
{
	static const struct damage table[] = {
		{"number of terms", SECTION_DICTIONARY, 0, 8, 4, -EBADMSG, "statistics: 8 terms"},
		{"too many terms", SECTION_DICTIONARY, 0, 8, UINT64_MAX, -EBADMSG, "dictionary: "},
		{"end of blocks", SECTION_DICTIONARY, 16, 8, 1, -EBADMSG, "do not end"},
		{"start of a block", SECTION_DICTIONARY, 8, 8, 1u << 20, -EBADMSG, "block of terms 0"},
		{"key length", SECTION_DICTIONARY, TERM_0, 1, 0x7f, -EBADMSG, "ends early"},
		{"document frequency 0", SECTION_DICTIONARY, TERM_0 + 5, 1, 0, -EBADMSG, "frequency"},
		{"document frequency above", SECTION_DICTIONARY, TERM_0 + 5, 1, 7, -EBADMSG, "frequency"},
		{"length of ids", SECTION_DICTIONARY, KEYWORD + 14, 1, 11, -EBADMSG, "ids of 10 bytes"},
		{"length of postings", SECTION_DICTIONARY, KEYWORD + 15, 1, 5, -EBADMSG, "behind postings"},
		{"place of postings", SECTION_DICTIONARY, TERM_0 - 1, 1, 1, -EBADMSG, "postings at 1, not 0"},
		{"order of terms", SECTION_DICTIONARY, TERM_0 + 9 + 2, 1, 'A', -EBADMSG,
			"not behind the term"},
		{"group of an entry", SECTION_DICTIONARY, TERM_0 + 4, 1, 'A', -EBADMSG, "is not in group"},
		{"codec", SECTION_POSTINGS, 0, 1, 0, -EBADMSG, "codec 0"},
		{"width", SECTION_POSTINGS, 1, 1, 33, -EBADMSG, "bits wide"},
		{"exceptions", SECTION_POSTINGS, 0, 1, 0xc0, -EBADMSG, "postings end early"},
		{"lengths", SECTION_LENGTHS, 0, 4, 4, -EBADMSG, "document 0 has 3 words"},
		{"live entries", SECTION_STATISTICS, 0, 8, 2, -EBADMSG, "do not make 6"},
		{"postings in all", SECTION_STATISTICS, 40, 8, 7, -EBADMSG, "11 postings"},
		{"words in all", SECTION_STATISTICS, 48, 8, 8, -EBADMSG, "7 words"},
	};

	check_damages(table, true);
}

/* 300 documents with the words "a", of which every third has two, and "b", and a keyword. */
static void ranking_data_are_checked(void)
{
	/* Two lists of three blocks: count 0, offsets 8, starts 24, then data from 48 on: 12 bytes of ends, 10 of pairs. */
	static const struct damage table[] = {
		{"number of lists", SECTION_RANKING, 0, 8, 1000, -EBADMSG, "too few for 1000 lists"},
		{"number of lists", SECTION_RANKING, 0, 8, 1, -EBADMSG, "do not end"},
		{"place of postings", SECTION_RANKING, 8, 8, 7, -EBADMSG, "no ranking data"},
		{"start", SECTION_RANKING, 24, 8, 1000, -EBADMSG, "ranking data at 1000"},
		{"end of all", SECTION_RANKING, 40, 8, 1, -EBADMSG, "do not end"},
		{"end of a block", SECTION_RANKING, 48, 4, 1000, -EBADMSG, "ranking data of block 0"},
		{"end of a block before its start", SECTION_RANKING, 52, 4, 0, -EBADMSG,
			"ranking data of block 1"},
		{"a frequency", SECTION_RANKING, 60, 1, 2, -EBADMSG, "not those of its postings"},
		{"a length", SECTION_RANKING, 61, 1, 9, -EBADMSG, "not those of its postings"},
	};
	static struct sample large;
	struct buf small = good;
	struct segment_output out;
	struct err err = ERR_INIT;

	sample_init(&large);
	for (int i = 0; i < 300; i++) {
		char id[8];

		snprintf(id, sizeof(id), "%04d", i);
		sample_add(&large, id, "", i % 3 ? "a b k:v" : "a a b k:v");
	}
	good = (struct buf){0};
	check_int(segment_write_bytes(&large.in, &good, &out, &err), 0);
	check_int(open_and_verify(buf_slice(&good), &err), 0);
	check_str(err.message, "");
	check_damages(table, true);
	buf_release(&good);
	good = small;
	sample_release(&large);
}

/* Section 14 of the sample: count, two bytes of flags, five offsets, text. Statistics: attributes are at 24. */
static void attributes_are_checked(void)
{
	static const struct damage table[] = {
		{"nothing", 0, 10, 2, 0, 0, ""},
		{"too many rules", SECTION_ATTRIBUTES, 0, 4, 65, -EBADMSG,
			"attributes: 65 rules, at most 64"},
		{"no room for flags", SECTION_ATTRIBUTES, 0, 4, 64, -EBADMSG,
			"attributes: 43 bytes are too few for 64 rules"},
		{"one rule more", SECTION_ATTRIBUTES, 0, 4, 3, -EBADMSG, "attributes: "},
		{"one rule fewer", SECTION_ATTRIBUTES, 0, 4, 1, -EBADMSG, "attributes: strings are not"},
		{"reserved flag", SECTION_ATTRIBUTES, 5, 1, 3, -EBADMSG, "attributes: rule 1 has"},
		{"first offset", SECTION_ATTRIBUTES, 6, 4, 1, -EBADMSG, "attributes: strings are not"},
		{"last offset", SECTION_ATTRIBUTES, 22, 4, 16, -EBADMSG, "attributes: strings are not"},
		{"offset past the end", SECTION_ATTRIBUTES, 10, 4, 1000, -EBADMSG,
			"string 0 lies at 0 to 1000"},
		{"no name", SECTION_ATTRIBUTES, 10, 4, 0, -EBADMSG, "attributes: rule 0 has no name"},
		{"no field", SECTION_ATTRIBUTES, 14, 4, 8, -EBADMSG,
			"attributes: rule 0 has no name, no field"},
		{"section shorter", 0, ROW(SECTION_ATTRIBUTES) + 24, 8, 3, -EBADMSG,
			"attributes: 3 bytes are too few"},
		{"section missing", 0, ROW(SECTION_ATTRIBUTES), 8, 99 | UINT64_C(1) << 32, -EBADMSG,
			"no section 14 (attributes)"},
		{"an attribute that is live", SECTION_COLUMNS, 120, 1, ENTRY_LIVE, -EBADMSG,
			"state 0 is not that of its id"},
		{"a document that is an attribute", SECTION_COLUMNS, 125, 1, ENTRY_ATTRIBUTE, -EBADMSG,
			"state 3 is not that of its id"},
		{"an attribute in history that is live", SECTION_HISTORY_COLUMNS, 20, 1, ENTRY_LIVE, -EBADMSG,
			"state 0 is not that of its id"},
		{"attributes in all", SECTION_STATISTICS, 24, 8, 1, -EBADMSG, "do not make 6"},
		{"attributes past all", SECTION_STATISTICS, 24, 8, UINT64_MAX, -EBADMSG, "do not make 6"},
	};
	static struct sample joined;
	struct segment_output out;
	struct buf before = good;

	good = (struct buf){0};
	sample_joined(&joined);
	check_int(segment_write_bytes(&joined.in, &good, &out, NULL), 0);
	check_int(out.info.attributes, 2);
	check_damages(table, true);
	flipped_bytes_behind_right_checksums_do_no_harm();
	buf_release(&good);
	good = before;
	sample_release(&joined);
}

static void padding_is_checked(void)
{
	static const struct damage table[] = {
		{"first byte", SECTION_STATISTICS, 56, 1, 1, -EBADMSG, "padding of section 10"},
		{"last byte", SECTION_STATISTICS, 127, 1, 1, -EBADMSG, "padding of section 10"},
	};

	check_damages(table, true);
}

/* The same segment with one more section behind the others. */
static void add_section(struct buf *out, uint16_t flags)
{
	struct segment_header h;
	struct section *s;
	uint64_t front = segment_front_bytes(SECTION_KINDS),
		 more = segment_front_bytes(SECTION_KINDS + 1) - front;

	check_int(segment_header_decode(&h, buf_slice(&good), NULL), 0);
	for (unsigned i = 0; i < h.section_count; i++)
		h.sections[i].offset += more;
	s = &h.sections[h.section_count++];
	*s = (struct section){.kind = 77,
		.version = 5,
		.flags = flags,
		.offset = good.len + more,
		.length = section_stored_bytes(3),
		.logical = 3};
	h.info.file_bytes = s->offset + s->length;
	segment_header_encode(&h, out);
	buf_add(out, good.data + front, good.len - front);
	buf_add_str(out, "abc");
	buf_add(out, (char[128]){0}, 64 + (64 - out->len % 64) % 64);
	reseal(out->data);
	put_le64(out->data + SEGMENT_HEADER + SECTION_KINDS * SEGMENT_TABLE_ROW + 32,
		xxh64(slice_of(out->data + s->offset, s->length)));
	reseal(out->data);
}

static void an_unknown_section_is_skipped_or_refused_by_its_flag(void)
{
	OWNED_BUF optional = {0}, must = {0};
	struct err err = ERR_INIT;

	add_section(&optional, 0);
	check_int(open_and_verify(buf_slice(&optional), &err), 0);
	check_str(err.message, "");
	add_section(&must, SECTION_MUST);
	check_int(open_and_verify(buf_slice(&must), &err), -ENOTSUP);
	check_contains(err.message, "unknown kind 77");
}

static void a_section_must_not_be_missing(void)
{
	OWNED_BUF b = {0};
	struct err err = ERR_INIT;
	char *row;

	buf_add_slice(&b, buf_slice(&good));
	row = b.data + ROW(SECTION_LENGTHS);
	put_le32(row, 99);
	put_le16(row + 6, 0);
	reseal(b.data);
	check_int(open_and_verify(buf_slice(&b), &err), -EBADMSG);
	check_contains(err.message, "no section 9 (lengths)");
}

static void every_shorter_file_is_refused(void)
{
	for (size_t len = 0; len < good.len; len++) {
		char *exact = malloc(len + 1);
		struct err err = ERR_INIT;

		memcpy(exact, good.data, len);
		if (open_and_verify(slice_of(exact, len), &err) != -EBADMSG)
			tap_fail("%zu bytes were taken", len);
		free(exact);
	}
}

static void every_flipped_bit_is_seen(void)
{
	for (size_t bit = 0; bit < good.len * 8; bit++) {
		OWNED(segment) struct segment *s = NULL;
		int r;

		good.data[bit / 8] ^= (char)(1 << bit % 8);
		r = segment_open_bytes(&s, buf_slice(&good), "x.seg", NULL);
		if (r == 0)
			r = segment_verify_checksums(s, NULL);
		if (r >= 0)
			tap_fail("bit %zu of byte %zu may change", bit % 8, bit / 8);
		good.data[bit / 8] ^= (char)(1 << bit % 8);
	}
}

/* What passes is no worse than another record: then it can be dumped, too. */
static void flipped_bytes_behind_right_checksums_do_no_harm(void)
{
	char *bytes = malloc(good.len);

	for (size_t i = 0; i < good.len; i++) {
		struct err err = ERR_INIT;
		int r;

		memcpy(bytes, good.data, good.len);
		bytes[i] ^= (char)(1 << i * 5 % 8);
		if (get_le32(bytes + 12) <= SECTION_KINDS)
			reseal(bytes);
		r = open_and_verify(slice_of(bytes, good.len), &err);
		if (r != 0 && r != -EBADMSG && r != -ENOTSUP)
			tap_fail("byte %zu: %d \"%s\"", i, r, err.message);
		if (r < 0 && !err.message[0])
			tap_fail("byte %zu: no reason given", i);
	}
	free(bytes);
}

int main(void)
{
	struct segment_output out;

	sample_small(&sample);
	if (segment_write_bytes(&sample.in, &good, &out, NULL) < 0)
		return 1;
	RUN(damage_shows_in_checksums);
	RUN(the_header_is_checked);
	RUN(the_section_table_is_checked);
	RUN(rows_are_checked);
	RUN(records_are_checked);
	RUN(terms_are_checked);
	RUN(ranking_data_are_checked);
	RUN(attributes_are_checked);
	RUN(padding_is_checked);
	RUN(an_unknown_section_is_skipped_or_refused_by_its_flag);
	RUN(a_section_must_not_be_missing);
	RUN(every_shorter_file_is_refused);
	RUN(every_flipped_bit_is_seen);
	RUN(flipped_bytes_behind_right_checksums_do_no_harm);
	buf_release(&good);
	sample_release(&sample);
	return tap_done();
}
