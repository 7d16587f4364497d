/* SPDX-License-Identifier: Apache-2.0 */
/* Opening looks at the front and at the lengths of the sections, never at whole columns: it costs the same
 * for any size. What a column says is checked where it is used. */
#include "segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record.h"
#include "segment_private.h"
#include "timefmt.h"

#define SOURCE_ROW 24
#define STATISTICS_BYTES 56
#define RULE_EXPIRES 1 /* flag; the other bits are zero */
#define ID_CHUNK 32    /* copied at once when an id is no longer; less than SEGMENT_PAD */

struct slice segment_section(const struct segment *s, uint32_t kind)
{
	for (unsigned i = 0; i < s->header.section_count; i++)
		if (s->header.sections[i].kind == kind)
			return slice_of(
				s->bytes.data + s->header.sections[i].offset, s->header.sections[i].logical);
	return slice_of(NULL, 0);
}

static int check_kinds(const struct segment *s, struct err *err)
{
	for (uint32_t kind = 1; kind <= SECTION_KINDS; kind++)
		if (!segment_section(s, kind).data)
			return err_set(err, -EBADMSG, "no section %u (%s)", kind, section_name(kind));
	return 0;
}

static int open_sources(struct segment *s, struct err *err)
{
	struct cursor c = cursor_of(segment_section(s, SECTION_SOURCES));
	uint64_t count = s->header.info.sources;
	int r;

	s->source_rows = cursor_bytes(&c, count * SOURCE_ROW).data;
	if (!cursor_ok(&c))
		return err_set(err, -EBADMSG, "sources: too few bytes for %llu", (unsigned long long)count);
	r = strtab_open(&s->source_names, cursor_bytes(&c, cursor_left(&c)), count * 2, err);
	return r < 0 ? err_context(err, r, "sources") : 0;
}

static int open_rows(struct segment *s, struct err *err)
{
	const struct segment_info *info = &s->header.info;
	struct slice packed = segment_section(s, SECTION_RECORDS);
	int r = strtab_open(&s->groups, segment_section(s, SECTION_GROUPS), s->header.groups, err);

	if (r < 0)
		return err_context(err, r, "groups");
	r = columns_open(&s->entries, segment_section(s, SECTION_IDS), segment_section(s, SECTION_COLUMNS),
		info->entries, &s->groups, info->sources, err);
	if (r == 0)
		r = records_open(
			&s->records, segment_section(s, SECTION_RECORD_INDEX), packed, &s->entries, err);
	if (r < 0)
		return err_context(err, r, "entries");
	r = columns_open(&s->history, segment_section(s, SECTION_HISTORY_IDS),
		segment_section(s, SECTION_HISTORY_COLUMNS), info->history, &s->groups, info->sources, err);
	if (r == 0)
		r = records_open(&s->history_records, segment_section(s, SECTION_HISTORY_RECORD_INDEX),
			packed, &s->history, err);
	return r < 0 ? err_context(err, r, "history") : 0;
}

static int open_terms(struct segment *s, struct err *err)
{
	struct slice lengths = segment_section(s, SECTION_LENGTHS);
	int r;

	s->postings = segment_section(s, SECTION_POSTINGS);
	s->lengths = lengths.data;
	if (lengths.len != s->header.info.entries * 4)
		return err_set(err, -EBADMSG, "lengths: %zu bytes for %llu entries", lengths.len,
			(unsigned long long)s->header.info.entries);
	r = dict_open(&s->dict, segment_section(s, SECTION_DICTIONARY), (uint32_t)s->header.info.entries,
		s->postings.len, err);
	if (r < 0)
		return err_context(err, r, "dictionary");
	r = ranking_open(&s->ranking, segment_section(s, SECTION_RANKING), err);
	return r < 0 ? err_context(err, r, "ranking data") : 0;
}

static int open_statistics(struct segment *s, struct err *err)
{
	struct segment_info *info = &s->header.info;
	struct slice section = segment_section(s, SECTION_STATISTICS);
	struct cursor c = cursor_of(section);

	if (section.len != STATISTICS_BYTES)
		return err_set(err, -EBADMSG, "statistics: %zu bytes, not %d", section.len, STATISTICS_BYTES);
	info->live = cursor_le64(&c);
	info->hidden = cursor_le64(&c);
	info->deleted = cursor_le64(&c);
	info->attributes = cursor_le64(&c);
	info->terms = cursor_le64(&c);
	info->postings = cursor_le64(&c);
	info->total_length = cursor_le64(&c);
	if (info->live > info->entries || info->hidden > info->entries || info->deleted > info->entries ||
		info->attributes > info->entries ||
		info->live + info->hidden + info->deleted + info->attributes != info->entries)
		return err_set(err, -EBADMSG,
			"statistics: live, hidden, deleted and attributes do not make %llu entries",
			(unsigned long long)info->entries);
	if (info->terms != s->dict.count)
		return err_set(err, -EBADMSG, "statistics: %llu terms, the dictionary has %llu",
			(unsigned long long)info->terms, (unsigned long long)s->dict.count);
	return 0;
}

static int open_rules(struct segment *s, struct err *err)
{
	struct slice section = segment_section(s, SECTION_ATTRIBUTES);
	struct cursor c = cursor_of(section);
	uint32_t count = cursor_le32(&c);
	int r;

	if (count > RULES_MAX)
		return err_set(err, -EBADMSG, "attributes: %u rules, at most %u", count, RULES_MAX);
	s->rule_flags = cursor_bytes(&c, count).data;
	if (!cursor_ok(&c))
		return err_set(
			err, -EBADMSG, "attributes: %zu bytes are too few for %u rules", section.len, count);
	s->header.info.rules = count;
	r = strtab_open(&s->rules, cursor_bytes(&c, cursor_left(&c)), (uint64_t)count * 2, err);
	return r < 0 ? err_context(err, r, "attributes") : 0;
}

int segment_rule(const struct segment *s, uint32_t n, struct segment_rule *out, struct err *err)
{
	int r = strtab_get(&s->rules, (uint64_t)n * 2, &out->name, err);

	if (r == 0)
		r = strtab_get(&s->rules, (uint64_t)n * 2 + 1, &out->on, err);
	out->expires = s->rule_flags[n] & RULE_EXPIRES;
	return r < 0 ? err_context(err, r, "%s: attributes", s->name) : 0;
}

static int open_sections(struct segment *s, struct err *err)
{
	int r = segment_header_decode(&s->header, s->bytes, err);

	if (r == 0)
		r = check_kinds(s, err);
	if (r == 0)
		r = open_sources(s, err);
	if (r == 0)
		r = open_rows(s, err);
	if (r == 0)
		r = open_terms(s, err);
	if (r == 0)
		r = open_rules(s, err);
	if (r == 0)
		r = open_statistics(s, err);
	return r;
}

static struct segment *segment_new(const char *name)
{
	struct segment *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->fd = -1;
	s->name = strdup(name);
	if (!s->name) {
		free(s);
		return NULL;
	}
	return s;
}

int segment_open_bytes(struct segment **out, struct slice bytes, const char *name, struct err *err)
{
	OWNED(segment) struct segment *s = segment_new(name);
	int r;

	*out = NULL;
	if (!s)
		return err_set(err, -ENOMEM, "%s: out of memory", name);
	s->bytes = bytes;
	r = open_sections(s, err);
	if (r < 0)
		return err_context(err, r, "%s", name);
	*out = steal(&s);
	return 0;
}

static int map_file(struct segment *s, const char *path, struct err *err)
{
	struct stat st;
	int r;

	s->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return err_sys(err, -errno, "%s", path);
	if (!S_ISREG(st.st_mode) || st.st_size < SEGMENT_HEADER)
		return err_set(err, -EBADMSG, "%lld bytes are less than a header", (long long)st.st_size);
	r = mapping_open(&s->mapping, s->fd, (size_t)st.st_size);
	if (r < 0)
		return err_sys(err, r, "mapping %lld bytes", (long long)st.st_size);
	s->bytes = mapping_bytes(s->mapping);
	return 0;
}

int segment_open(struct segment **out, const char *path, const char *name, struct err *err)
{
	OWNED(segment) struct segment *s = segment_new(name);
	int r;

	*out = NULL;
	if (!s)
		return err_set(err, -ENOMEM, "%s: out of memory", name);
	r = map_file(s, path, err);
	if (r == 0)
		r = open_sections(s, err);
	if (segment_is_broken(s))
		r = err_set(err, -EBADMSG, "was cut short while it was opened");
	if (r < 0)
		return err_context(err, r, "%s", name);
	*out = steal(&s);
	return 0;
}

bool segment_is_broken(const struct segment *s)
{
	return s->mapping && mapping_is_broken(s->mapping);
}

void segment_free(struct segment *s)
{
	if (!s)
		return;
	mapping_close(s->mapping);
	if (s->fd >= 0)
		close(s->fd);
	records_scratch_free(s->spare);
	free(s->name);
	free(s);
}

void segment_forget(const struct segment *s)
{
	if (s->fd >= 0 && s->bytes.data)
		madvise((void *)(uintptr_t)s->bytes.data, s->bytes.len, MADV_DONTNEED);
}

const struct segment_info *segment_info(const struct segment *s)
{
	return &s->header.info;
}

const struct dict *segment_dict(const struct segment *s)
{
	return &s->dict;
}

int segment_fd(const struct segment *s)
{
	return s->fd;
}

int segment_id(const struct segment *s, uint32_t n, struct slice *id, struct err *err)
{
	int r = columns_id(&s->entries, n, id, err);

	return r < 0 ? err_context(err, r, "%s", s->name) : 0;
}

int segment_entry(const struct segment *s, uint32_t n, struct entry *out, struct err *err)
{
	int r = columns_entry(&s->entries, n, out, err);

	return r < 0 ? err_context(err, r, "%s: entries", s->name) : 0;
}

int segment_history(const struct segment *s, uint32_t n, struct entry *out, struct err *err)
{
	int r = columns_entry(&s->history, n, out, err);

	return r < 0 ? err_context(err, r, "%s: history", s->name) : 0;
}

enum entry_state segment_state(const struct segment *s, uint32_t n)
{
	uint8_t state = (uint8_t)s->entries.state[n];

	return state < ENTRY_STATES ? (enum entry_state)state : ENTRY_DELETED;
}

uint32_t segment_source_of(const struct segment *s, uint32_t n)
{
	return get_le32(s->entries.source + (uint64_t)n * 4);
}

uint32_t segment_history_source_of(const struct segment *s, uint32_t n)
{
	return get_le32(s->history.source + (uint64_t)n * 4);
}

uint32_t segment_sources_until(const struct segment *s, int64_t ts)
{
	uint32_t low = 0, high = ts == TIME_NONE ? 0 : (uint32_t)s->header.info.sources;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if ((int64_t)get_le64(s->source_rows + (uint64_t)mid * SOURCE_ROW) <= ts)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint32_t segment_length(const struct segment *s, uint32_t n)
{
	return get_le32(s->lengths + (uint64_t)n * 4);
}

/* Where an id lies that is before or behind all: a base is many segments, each with a range of ids of its own, and nearly every
 * look-up is out of range of all but one of them. Returns 1 when it is in range, 0 with its place, or -EBADMSG. */
static int find_range(const struct columns *rows, struct slice id, uint32_t *n, struct err *err)
{
	struct slice first, last;
	int r;

	*n = 0;
	if (!rows->count)
		return 0;
	r = columns_id(rows, 0, &first, err);
	if (r == 0)
		r = columns_id(rows, (uint32_t)rows->count - 1, &last, err);
	if (r < 0 || slice_cmp(id, first) < 0)
		return r;
	*n = (uint32_t)rows->count;
	return slice_cmp(id, last) <= 0;
}

static int find_row(const struct columns *rows, struct slice id, uint32_t *n, struct err *err)
{
	uint32_t low = 0, high = (uint32_t)rows->count;
	bool found = false;
	struct slice at;
	int in_range = find_range(rows, id, n, err);

	if (in_range <= 0)
		return in_range;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		int c, r = columns_id(rows, mid, &at, err);

		if (r < 0)
			return r;
		c = slice_cmp(at, id);
		found |= c == 0;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*n = low;
	return found;
}

int segment_find(const struct segment *s, struct slice id, uint32_t *n, struct err *err)
{
	int r = find_row(&s->entries, id, n, err);

	return r < 0 ? err_context(err, r, "%s", s->name) : r;
}

int segment_history_find(const struct segment *s, struct slice id, uint32_t *n, struct err *err)
{
	int r = find_row(&s->history, id, n, err);

	return r < 0 ? err_context(err, r, "%s: history", s->name) : r;
}

/* Readers share the segment without locks: one finds the spare scratch, the others make their own. */
static int read_record(
	const struct segment *s, const struct records *records, uint32_t n, struct buf *out, struct err *err)
{
	struct segment *shared = (struct segment *)s;
	struct records_scratch *none = NULL, *scratch = atomic_exchange(&shared->spare, NULL);
	struct slice record;
	int r;

	if (!scratch)
		scratch = records_scratch_new();
	if (!scratch)
		return err_set(err, -ENOMEM, "%s: out of memory for a record", s->name);
	r = records_get(records, scratch, n, &record, err);
	if (r == 0) {
		buf_add_slice(out, record);
		if (buf_error(out))
			r = err_set(err, -ENOMEM, "out of memory for a record of %zu bytes", record.len);
	}
	if (!atomic_compare_exchange_strong(&shared->spare, &none, scratch))
		records_scratch_free(scratch);
	return r < 0 ? err_context(err, r, "%s", s->name) : 0;
}

int segment_record(const struct segment *s, uint32_t n, struct buf *out, struct err *err)
{
	return read_record(s, &s->records, n, out, err);
}

int segment_history_record(const struct segment *s, uint32_t n, struct buf *out, struct err *err)
{
	return read_record(s, &s->history_records, n, out, err);
}

int segment_history_id(const struct segment *s, uint32_t n, struct slice *id, struct err *err)
{
	int r = columns_id(&s->history, n, id, err);

	return r < 0 ? err_context(err, r, "%s: history", s->name) : 0;
}

int segment_row_record(const struct segment *s, bool history, uint32_t n, struct records_scratch *scratch,
	struct slice *out, struct err *err)
{
	int r = records_get(history ? &s->history_records : &s->records, scratch, n, out, err);

	return r < 0 ? err_context(err, r, "%s", s->name) : 0;
}

int segment_source(const struct segment *s, uint32_t n, struct source *out, struct err *err)
{
	const char *row = s->source_rows + (uint64_t)n * SOURCE_ROW;
	int r;

	if (n >= s->header.info.sources)
		return err_set(err, -EBADMSG, "%s: source %u of %llu", s->name, n,
			(unsigned long long)s->header.info.sources);
	out->ts = (int64_t)get_le64(row);
	memcpy(out->hash, row + 8, sizeof(out->hash));
	r = strtab_get(&s->source_names, (uint64_t)n * 2, &out->partition, err);
	if (r == 0)
		r = strtab_get(&s->source_names, (uint64_t)n * 2 + 1, &out->file, err);
	return r < 0 ? err_context(err, r, "%s: source %u", s->name, n) : 0;
}

uint64_t segment_groups(const struct segment *s)
{
	return s->groups.count;
}

int segment_group(const struct segment *s, uint64_t i, struct slice *name, struct err *err)
{
	int r = strtab_get(&s->groups, i, name, err);

	return r < 0 ? err_context(err, r, "%s: groups", s->name) : 0;
}

uint32_t segment_group_of(const struct segment *s, uint32_t n)
{
	return get_le32(s->entries.group + (uint64_t)n * 4);
}

static int add_documents(struct postings *p, struct buf *out, struct err *err)
{
	int r;

	while ((r = postings_next(p, err)) == 1)
		buf_add(out, p->docs, p->count * sizeof(p->docs[0]));
	return r == 0 && buf_error(out) ? err_set(err, -ENOMEM, "out of memory for a group") : r;
}

int segment_group_entries(const struct segment *s, struct slice name, struct buf *out, struct err *err)
{
	OWNED_BUF key = {0};
	struct postings postings;
	struct dict_cursor c;
	int r;

	buf_add_byte(&key, TERM_GROUP);
	buf_add_slice(&key, name);
	if (buf_error(&key))
		return err_set(err, -ENOMEM, "%s: out of memory for a group", s->name);
	r = dict_find(&s->dict, buf_slice(&key), &c, err);
	if (r == 1)
		r = segment_postings(s, &c.term, &postings, err);
	else if (r == 0)
		return 0;
	if (r == 0)
		r = add_documents(&postings, out, err);
	return r < 0 ? err_context(err, r, "%s: group", s->name) : 0;
}

int segment_postings(const struct segment *s, const struct dict_term *t, struct postings *p, struct err *err)
{
	uint32_t limit = (uint32_t)s->header.info.entries;

	if (t->is_inline) {
		postings_init_single(p, t->doc, t->tf);
		return 0;
	}
	if (t->offset > s->postings.len || t->length > s->postings.len - t->offset)
		return err_set(err, -EBADMSG, "%s: postings at %llu of %zu bytes", s->name,
			(unsigned long long)t->offset, s->postings.len);
	postings_init(p, slice_of(s->postings.data + t->offset, t->length), t->df, limit);
	return 0;
}

int segment_ranking(
	const struct segment *s, const struct dict_term *t, struct ranking_list *out, struct err *err)
{
	int r = t->df > POSTINGS_BLOCK ? ranking_find(&s->ranking, t->offset, t->df, out, err) : 0;

	return r < 0 ? err_context(err, r, "%s", s->name) : r;
}

/* Bytes of the ids from `from` up to `to` (not included), with line feeds; the offsets are checked. */
static int ids_run(const struct segment *s, uint32_t from, uint32_t to, struct slice *out, struct err *err)
{
	const struct strtab *ids = &s->entries.ids;
	uint32_t start = get_le32(ids->offsets + (uint64_t)from * 4);
	uint32_t end = get_le32(ids->offsets + (uint64_t)to * 4);

	if (start >= end || end > ids->text_len)
		return err_set(err, -EBADMSG, "%s: ids %u to %u lie at %u to %u of %llu bytes", s->name, from,
			to, start, end, (unsigned long long)ids->text_len);
	*out = slice_of(ids->text + start, end - start);
	return 0;
}

_Static_assert(
	(POSTINGS_BLOCK + 1) * ID_CHUNK <= SEGMENT_IDS_SLACK, "short ids may want more room than promised");

/* Room for a long id of `more` bytes and `left` short ones, so that short ones need no look at the buffer. */
static char *ids_room(struct buf *out, unsigned left, size_t more)
{
	return buf_reserve(out, more + ((size_t)left + 1) * ID_CHUNK);
}

int segment_add_ids(
	const struct segment *s, const uint32_t *docs, unsigned n, struct buf *out, struct err *err)
{
	char *to = ids_room(out, n, 0);
	struct slice run = {0};
	int r = 0;

	for (unsigned i = 0; to && i < n; i++) {
		r = ids_run(s, docs[i], docs[i] + 1, &run, err);
		if (r < 0)
			break;
		if (run.len <= ID_CHUNK) {
			/* A copy of fixed length is faster; padding behind the section makes room to read. */
			memcpy(to, run.data, ID_CHUNK);
		} else {
			out->len = (size_t)(to - out->data);
			to = ids_room(out, n - i, run.len);
			if (to)
				memcpy(to, run.data, run.len);
		}
		to += to ? run.len : 0;
	}
	if (!to)
		return err_set(err, -ENOMEM, "%s: out of memory for ids", s->name);
	out->len = (size_t)(to - out->data);
	return r;
}
