/* SPDX-License-Identifier: Apache-2.0 */
/* A run is its records one behind the other, each:
 *
 *   offset size field
 *        0    4 source
 *        4    8 line
 *       12    1 deleted
 *       13    3 0
 *       16   16 lengths of id, group, version, json
 *       32    * id, group, version, json
 *
 * Runs never outlive the process that wrote them: they are unlinked as soon as they are open. */
#include "sorter.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "heap.h"
#include "reader.h"
#include "strsort.h"

#define HEAD 32
#define BUFFER ((size_t)1 << 20) /* of a run while it is written; while it is read, at most */
#define BUFFER_MIN ((size_t)64 << 10)
#define RUNS_MAX 1024

struct run {
	uint64_t at, end; /* in the file: what is read next, and where the run ends */
	struct buf buf;   /* read and not handed out, from `from` on */
	size_t from;
	struct record record; /* the current one; its strings lie in `text` */
	struct buf text;
};

struct sorter {
	const char *dir; /* borrowed */
	size_t memory;
	struct arena arena;
	struct buf records; /* struct record: those of the run in memory */
	uint32_t *order;    /* owned; of the last run, which stays in memory; its winners only */
	size_t order_count, order_next;
	int fd;                       /* the file of the runs, which has no name; -1: none yet */
	struct run *runs;             /* owned */
	size_t run_count, run_buffer; /* bytes of each while they are read */
	struct heap heap;             /* of the runs, and, as stream run_count, of the records in memory */
	uint64_t spilled;
	struct record current;
	struct buf text;
};

int sorter_new(struct sorter **out, const char *dir, size_t memory, struct err *err)
{
	struct sorter *s = calloc(1, sizeof(*s));

	*out = s;
	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	s->dir = dir;
	s->memory = memory;
	s->fd = -1;
	return 0;
}

void sorter_free(struct sorter *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->run_count; i++) {
		buf_release(&s->runs[i].buf);
		buf_release(&s->runs[i].text);
	}
	if (s->fd >= 0)
		close(s->fd);
	free(s->runs);
	free(s->order);
	free(s->heap.items);
	buf_release(&s->records);
	buf_release(&s->text);
	arena_release(&s->arena);
	free(s);
}

struct arena *sorter_arena(struct sorter *s)
{
	return &s->arena;
}

uint64_t sorter_spilled(const struct sorter *s)
{
	return s->spilled;
}

static const struct record *records_of(const struct sorter *s)
{
	return (const struct record *)s->records.data;
}

/* Sorts what is in memory by id and keeps the newest of each. */
static int sort_memory(struct sorter *s, struct err *err)
{
	size_t n = s->records.len / sizeof(struct record), kept = 0;
	const struct record *r = records_of(s);
	struct slice *ids = malloc((n + 1) * sizeof(*ids));
	int code = -ENOMEM;

	free(s->order);
	s->order = malloc((n + 1) * sizeof(*s->order));
	if (ids && s->order && n < UINT32_MAX) {
		for (size_t i = 0; i < n; i++)
			ids[i] = r[i].id;
		code = strsort(ids, (uint32_t)n, s->order);
	}
	free(ids);
	if (code < 0)
		return err_set(err, code, "no memory to sort %zu records", n);
	for (size_t i = 0; i < n; i++) {
		uint32_t at = s->order[i];

		if (!kept || !slice_eq(r[s->order[kept - 1]].id, r[at].id))
			s->order[kept++] = at;
		else if (record_order(&r[s->order[kept - 1]], &r[at]) < 0)
			s->order[kept - 1] = at;
	}
	s->order_count = kept;
	s->order_next = 0;
	return 0;
}

static int flush(struct sorter *s, struct buf *b, struct err *err)
{
	const char *p = b->data;
	size_t left = b->len;

	if (buf_error(b))
		return err_set(err, -ENOMEM, "out of memory for a run");
	while (left) {
		ssize_t n = write(s->fd, p, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, -errno, "%s: writing a sorted run", s->dir);
		p += n;
		left -= (size_t)n;
	}
	s->spilled += b->len;
	buf_clear(b);
	return 0;
}

static void encode(const struct record *r, struct buf *out)
{
	const struct slice *parts[4] = {&r->id, &r->group, &r->version, &r->json};

	buf_add_le32(out, r->source);
	buf_add_le64(out, r->line);
	buf_add_le32(out, r->deleted);
	for (int i = 0; i < 4; i++)
		buf_add_le32(out, (uint32_t)parts[i]->len);
	for (int i = 0; i < 4; i++)
		buf_add_slice(out, *parts[i]);
}

/* All runs lie in one file, however many there are. */
static int file_open(struct sorter *s, struct err *err)
{
	OWNED_STR char *path = NULL;

	if (s->fd >= 0)
		return 0;
	if (asprintf(&path, "%s/runs", s->dir) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	s->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (s->fd < 0)
		return err_sys(err, -errno, "%s", path);
	unlink(path);
	return 0;
}

/* Writes what is in memory as a run. */
static int spill(struct sorter *s, struct err *err)
{
	struct run *grown = realloc(s->runs, (s->run_count + 1) * sizeof(*grown));
	OWNED_BUF out = {0};
	struct run *run;
	int r;

	if (!grown)
		return err_set(err, -ENOMEM, "out of memory for a run");
	s->runs = grown;
	if (s->run_count == RUNS_MAX)
		return err_set(err, -EOVERFLOW, "more than %d sorted runs: give build.memory more", RUNS_MAX);
	r = sort_memory(s, err);
	if (r == 0)
		r = file_open(s, err);
	if (r < 0)
		return r;
	run = &s->runs[s->run_count++];
	*run = (struct run){.at = s->spilled, .end = s->spilled};
	for (size_t i = 0; r == 0 && i < s->order_count; i++) {
		const struct record *record = &records_of(s)[s->order[i]];

		encode(record, &out);
		run->end +=
			HEAD + record->id.len + record->group.len + record->version.len + record->json.len;
		if (out.len >= BUFFER || out.failed)
			r = flush(s, &out, err);
	}
	if (r == 0)
		r = flush(s, &out, err);
	arena_release(&s->arena);
	buf_release(&s->records);
	return r;
}

int sorter_add(struct sorter *s, const struct record *r, struct err *err)
{
	buf_add(&s->records, r, sizeof(*r));
	if (buf_error(&s->records))
		return err_set(err, -ENOMEM, "out of memory for records");
	/* To sort it takes some 40 bytes a record more. */
	return s->arena.bytes + s->records.len * 3 / 2 > s->memory ? spill(s, err) : 0;
}

/* Has `want` bytes of the run at hand. */
static int run_fill(struct sorter *s, struct run *run, size_t want, struct err *err)
{
	size_t have = run->buf.len - run->from, size = want > s->run_buffer ? want : s->run_buffer;
	char *to;

	if (have >= want)
		return 0;
	if (have)
		memmove(run->buf.data, run->buf.data + run->from, have);
	run->from = 0;
	run->buf.len = have;
	to = buf_reserve(&run->buf, size - have);
	if (!to)
		return err_set(err, -ENOMEM, "out of memory for a run");
	while (run->buf.len < want) {
		size_t room = size - run->buf.len,
		       len = room < run->end - run->at ? room : (size_t)(run->end - run->at);
		ssize_t n = pread(s->fd, run->buf.data + run->buf.len, len, (off_t)run->at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(err, n < 0 ? -errno : -EIO, "%s: reading a sorted run", s->dir);
		run->buf.len += (size_t)n;
		run->at += (uint64_t)n;
	}
	return 0;
}

static uint64_t run_left(const struct run *run)
{
	return run->end - run->at + (run->buf.len - run->from);
}

/* Moves a run to its next record: 1, 0 at its end, or -errno. */
static int run_next(struct sorter *s, struct run *run, struct err *err)
{
	struct record *r = &run->record;
	struct slice *parts[4] = {&r->id, &r->group, &r->version, &r->json};
	size_t len[4], total = 0, at = 0;
	const char *head;
	int code;

	if (!run_left(run))
		return 0;
	code = run_fill(s, run, HEAD, err);
	if (code < 0)
		return code;
	head = run->buf.data + run->from;
	r->source = get_le32(head);
	r->line = get_le64(head + 4);
	r->deleted = get_le32(head + 12) != 0;
	for (int i = 0; i < 4; i++)
		total += len[i] = get_le32(head + 16 + 4 * i);
	run->from += HEAD;
	code = run_fill(s, run, total, err);
	if (code < 0)
		return code;
	buf_clear(&run->text);
	buf_add(&run->text, run->buf.data + run->from, total);
	run->from += total;
	if (!buf_reserve(&run->text, RECORD_PADDING))
		return err_set(err, -ENOMEM, "out of memory for a record");
	memset(run->text.data + total, 0, RECORD_PADDING);
	for (int i = 0; i < 4; at += len[i++])
		*parts[i] = slice_of(run->text.data + at, len[i]);
	return 1;
}

int sorter_finish(struct sorter *s, struct err *err)
{
	int r = sort_memory(s, err);

	s->run_buffer = s->memory / (s->run_count + 1);
	s->run_buffer = s->run_buffer > BUFFER       ? BUFFER
			: s->run_buffer < BUFFER_MIN ? BUFFER_MIN
						     : s->run_buffer;
	s->heap.items = calloc(s->run_count + 2, sizeof(*s->heap.items));
	if (r == 0 && !s->heap.items)
		r = err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; r >= 0 && i < s->run_count; i++) {
		r = run_next(s, &s->runs[i], err);
		if (r == 1)
			heap_push(&s->heap, (struct heap_item){s->runs[i].record.id, i});
	}
	if (r >= 0 && s->order_count)
		heap_push(&s->heap, (struct heap_item){records_of(s)[s->order[0]].id, s->run_count});
	return r < 0 ? r : 0;
}

static const struct record *stream_record(const struct sorter *s, size_t stream)
{
	return stream < s->run_count ? &s->runs[stream].record : &records_of(s)[s->order[s->order_next]];
}

static int stream_advance(struct sorter *s, size_t stream, struct err *err)
{
	int more =
		stream < s->run_count ? run_next(s, &s->runs[stream], err) : ++s->order_next < s->order_count;

	if (more < 0)
		return more;
	if (more)
		heap_replace(&s->heap, stream_record(s, stream)->id);
	else
		heap_pop(&s->heap);
	return 0;
}

/* Copies a record, so that its stream can move on. */
static int keep(struct sorter *s, const struct record *r, struct err *err)
{
	struct slice parts[4] = {r->id, r->group, r->version, r->json};
	struct slice *to[4] = {&s->current.id, &s->current.group, &s->current.version, &s->current.json};
	size_t at = 0;

	s->current = *r;
	buf_clear(&s->text);
	for (int i = 0; i < 4; i++)
		buf_add_slice(&s->text, parts[i]);
	if (!buf_reserve(&s->text, RECORD_PADDING))
		return err_set(err, -ENOMEM, "out of memory for a record");
	memset(s->text.data + s->text.len, 0, RECORD_PADDING);
	for (int i = 0; i < 4; at += parts[i++].len)
		*to[i] = slice_of(s->text.data + at, parts[i].len);
	return 0;
}

int sorter_next(struct sorter *s, struct record *out, struct err *err)
{
	bool any = false;
	int r = 0;

	while (r == 0 && s->heap.count && (!any || slice_eq(s->heap.items[0].key, s->current.id))) {
		size_t stream = s->heap.items[0].stream;
		const struct record *top = stream_record(s, stream);

		if (!any || record_order(&s->current, top) < 0)
			r = keep(s, top, err);
		any = true;
		if (r == 0)
			r = stream_advance(s, stream, err);
	}
	*out = s->current;
	return r < 0 ? r : any;
}
