/* SPDX-License-Identifier: Apache-2.0 */
/* Opening looks at the front and at the lengths of the sections, never at whole columns: it costs the same
 * for any size. What a column says is checked where it is used. */
#include "segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "segment_private.h"

#define SOURCE_ROW 24
#define STATISTICS_BYTES 48
#define ID_CHUNK 32 /* copied at once when an id is no longer; less than SEGMENT_PAD */

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
	for (unsigned i = 0; i < SECTION_KINDS; i++)
		if (!segment_section(s, section_kinds[i]).data)
			return err_set(err, -EBADMSG, "no section %u (%s)", section_kinds[i],
				section_name(section_kinds[i]));
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
	info->terms = cursor_le64(&c);
	info->postings = cursor_le64(&c);
	info->total_length = cursor_le64(&c);
	if (info->live > info->entries || info->hidden > info->entries ||
		info->live + info->hidden + info->deleted != info->entries)
		return err_set(err, -EBADMSG, "statistics: live, hidden and deleted do not make %llu entries",
			(unsigned long long)info->entries);
	if (info->terms != s->dict.count)
		return err_set(err, -EBADMSG, "statistics: %llu terms, the dictionary has %llu",
			(unsigned long long)info->terms, (unsigned long long)s->dict.count);
	return 0;
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
	void *p;

	s->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return err_sys(err, -errno, "%s", path);
	if (!S_ISREG(st.st_mode) || st.st_size < SEGMENT_HEADER)
		return err_set(err, -EBADMSG, "%lld bytes are less than a header", (long long)st.st_size);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, s->fd, 0);
	if (p == MAP_FAILED)
		return err_sys(err, -errno, "mapping %lld bytes", (long long)st.st_size);
	s->bytes = slice_of(p, (size_t)st.st_size);
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
	if (r < 0)
		return err_context(err, r, "%s", name);
	*out = steal(&s);
	return 0;
}

void segment_free(struct segment *s)
{
	if (!s)
		return;
	if (s->fd >= 0) {
		if (s->bytes.data)
			munmap((void *)s->bytes.data, s->bytes.len);
		close(s->fd);
	}
	records_scratch_free(s->spare);
	free(s->name);
	free(s);
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

	return state <= ENTRY_DELETED ? (enum entry_state)state : ENTRY_DELETED;
}

int64_t segment_named(const struct segment *s, uint32_t n)
{
	return (int64_t)get_le64(s->entries.named + (uint64_t)n * 8);
}

uint32_t segment_length(const struct segment *s, uint32_t n)
{
	return get_le32(s->lengths + (uint64_t)n * 4);
}

int segment_find(const struct segment *s, struct slice id, uint32_t *n, struct err *err)
{
	uint32_t low = 0, high = (uint32_t)s->entries.count;
	struct slice at;
	int r;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		r = segment_id(s, mid, &at, err);
		if (r < 0)
			return r;
		r = slice_cmp(at, id);
		if (r == 0) {
			*n = mid;
			return 1;
		}
		if (r < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*n = low;
	return 0;
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

/* 1 and the group's number, 0 none of that name, or -EBADMSG. */
static int find_group(const struct segment *s, struct slice name, uint32_t *out, struct err *err)
{
	uint64_t low = 0, high = s->groups.count;

	while (low < high) {
		uint64_t mid = low + (high - low) / 2;
		struct slice at;
		int r = segment_group(s, mid, &at, err), c = r < 0 ? 0 : slice_cmp(at, name);

		*out = (uint32_t)mid;
		if (r < 0 || c == 0)
			return r < 0 ? r : 1;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return 0;
}

/* By a walk over the column. */
int segment_group_entries(const struct segment *s, struct slice name, struct buf *out, struct err *err)
{
	uint32_t group;
	int r = find_group(s, name, &group, err);

	if (r != 1)
		return r;
	for (uint32_t n = 0; n < s->entries.count; n++)
		if (segment_group_of(s, n) == group)
			buf_add(out, &n, sizeof(n));
	return buf_error(out) ? err_set(err, -ENOMEM, "%s: out of memory for a group", s->name) : 0;
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
