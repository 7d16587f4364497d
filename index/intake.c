/* SPDX-License-Identifier: Apache-2.0 */
#include "intake.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "name.h"

#define REJECTS_FREE 10u     /* so many refused records never fail a partition that has good ones */
#define LINES_PER_REPORT 512 /* how often a reader looks up from its file */

/* Shared by the readers of one intake. */
struct crew {
	const struct intake_input *in;
	struct intake *out;
	uint64_t total;
	_Atomic size_t next;   /* file that nobody has taken */
	_Atomic uint64_t done; /* bytes */
	_Atomic int code;      /* the first reason to stop all of them */
};

static bool crew_stopped(struct crew *c)
{
	int none = 0;

	if (c->in->stop && *c->in->stop)
		atomic_compare_exchange_strong(&c->code, &none, -EINTR);
	return atomic_load(&c->code) != 0;
}

static void crew_advance(struct crew *c, uint64_t bytes)
{
	uint64_t done = atomic_fetch_add(&c->done, bytes) + bytes;

	if (c->in->progress)
		c->in->progress(c->in->progress_ctx, done, c->total);
}

/* ---- one file ---- */

/* Messages end in tables of one line a row, whatever a file is called. */
static char *one_line(const char *text)
{
	char *copy = strdup(text), *p;

	for (p = copy; p && *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return copy;
}

static int file_refuse(struct intake_file *f, const struct reader_line *line, const char *reason)
{
	OWNED_STR char *text = NULL;

	reject_add(&f->rejects, line->number, reason, line->text);
	if (f->first_reject)
		return 0;
	if (asprintf(&text, "line %" PRIu64 ": %s", line->number, reason) < 0)
		text = NULL;
	f->first_reject = text ? one_line(text) : NULL;
	return f->first_reject ? 0 : -ENOMEM;
}

static int file_keep(struct intake_file *f, const struct record *record)
{
	struct record *grown;

	if (f->count == f->cap) {
		f->cap = f->cap ? 2 * f->cap : 256;
		grown = realloc(f->records, f->cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		f->records = grown;
	}
	f->records[f->count++] = *record;
	return 0;
}

/* The id of a record that has none: "PARTITION/FILE:LINE". The part up to the line stays in `b`. */
static struct slice fallback_id(struct buf *b, size_t fixed, uint64_t line)
{
	b->len = fixed;
	buf_addf(b, "%" PRIu64, line);
	return buf_slice(b);
}

static int file_line(struct crew *c, struct intake_file *f, struct record_parser *parser, struct buf *id,
	size_t id_fixed, const struct reader_line *line)
{
	struct slice fallback = {0};
	struct err why = ERR_INIT;
	struct record record = {0};
	int r;

	f->lines++;
	if (line->too_long)
		return file_refuse(f, line, "longer than 8 MiB");
	if (!c->in->cfg->id)
		fallback = fallback_id(id, id_fixed, line->number);
	r = record_parse(parser, line->text, fallback, &f->arena, &record, &why);
	if (r == 1)
		return file_refuse(f, line, why.message);
	if (r < 0)
		return r;
	record.source = (uint32_t)(f - c->out->files);
	record.line = line->number;
	return file_keep(f, &record);
}

/* Returns 0 at the end of the file, -ENOMEM, -EINTR, or what is wrong with the file. */
static int file_lines(struct crew *c, struct intake_file *f, struct record_parser *parser,
	struct reader *reader, struct err *err)
{
	const struct feed_partition *p = f->item->seen;
	struct reader_line line;
	uint64_t told = 0, n = 0;
	OWNED_BUF id = {0};
	size_t id_fixed;
	int r;

	buf_add_slice(&id, p->path);
	buf_add_byte(&id, '/');
	buf_add_slice(&id, f->seen->path);
	buf_add_byte(&id, ':');
	id_fixed = id.len;
	while ((r = reader_next(reader, &line, err)) == 1) {
		r = file_line(c, f, parser, &id, id_fixed, &line);
		if (r < 0)
			return err_set(err, r, "out of memory");
		if (++n % LINES_PER_REPORT)
			continue;
		if (crew_stopped(c))
			return err_set(err, -EINTR, "stopped");
		crew_advance(c, reader_raw_bytes(reader) - told);
		told = reader_raw_bytes(reader);
	}
	crew_advance(c, f->seen->size > told ? f->seen->size - told : 0);
	if (r == 0)
		reader_hash(reader, f->hash);
	return buf_error(&id) ? err_set(err, -ENOMEM, "out of memory") : r;
}

static int file_read(struct crew *c, struct intake_file *f, struct record_parser *parser, struct err *err)
{
	OWNED(reader) struct reader *reader = NULL;
	OWNED_BUF path = {0};
	enum feed_packing packing;
	int r;

	feed_format_of(f->seen->path, &packing);
	buf_add_slice(&path, f->item->seen->path);
	buf_add_byte(&path, '/');
	buf_add_slice(&path, f->seen->path);
	buf_cstr(&path);
	if (buf_error(&path))
		return err_set(err, -ENOMEM, "out of memory");
	r = reader_open(&reader, c->in->store, buf_cstr(&path), packing, f->seen, err);
	return r < 0 ? r : file_lines(c, f, parser, reader, err);
}

/* ---- the crew ---- */

static void *crew_work(void *ctx)
{
	struct crew *c = ctx;
	OWNED(record_parser) struct record_parser *parser = NULL;
	int none = 0, r;
	size_t i;

	r = record_parser_new(&parser, c->in->cfg, NULL);
	while (r == 0 && !crew_stopped(c) && (i = atomic_fetch_add(&c->next, 1)) < c->out->file_count) {
		struct intake_file *f = &c->out->files[i];
		struct err err = ERR_INIT;

		r = file_read(c, f, parser, &err);
		if (r == 0 || r == -ENOMEM || r == -EINTR)
			continue;
		f->code = r == -ENOENT ? -ESTALE : r;
		f->why = one_line(err.message);
		r = f->why ? 0 : -ENOMEM;
	}
	if (r < 0)
		atomic_compare_exchange_strong(&c->code, &none, r);
	return NULL;
}

static int crew_run(struct crew *c, struct err *err)
{
	unsigned want = c->in->threads, started = 0, i;
	pthread_t *threads;

	if (want > c->out->file_count)
		want = (unsigned)c->out->file_count;
	threads = calloc(want ? want : 1, sizeof(*threads));
	if (!threads)
		return err_set(err, -ENOMEM, "out of memory");
	/* This thread works too: the others only help. */
	while (started + 1 < want && !pthread_create(&threads[started], NULL, crew_work, c))
		started++;
	crew_work(c);
	for (i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	free(threads);
	if (c->code == -EINTR)
		return err_set(err, -EINTR, "stopped while reading");
	return c->code ? err_set(err, c->code, "no memory to read the feed") : 0;
}

/* ---- partitions ---- */

static char *reason_of_file(const struct intake_file *f, const char *why)
{
	OWNED_BUF text = {0};

	name_print(f->seen->path, &text);
	buf_addf(&text, ": %s", why);
	return buf_error(&text) ? NULL : strdup(buf_cstr(&text));
}

static char *reason_of_rejects(const struct intake_partition *p, const struct intake_file *f)
{
	OWNED_BUF text = {0};

	if (p->count == 1) {
		name_print(f->seen->path, &text);
		buf_add_str(&text, ": ");
	}
	buf_addf(&text, "%" PRIu64 " of %" PRIu64 " records refused (first: ", p->rejected, p->records);
	if (p->count > 1) {
		name_print(f->seen->path, &text);
		buf_add_str(&text, ": ");
	}
	buf_addf(&text, "%s)", f->first_reject);
	return buf_error(&text) ? NULL : strdup(buf_cstr(&text));
}

static bool too_many(const struct config *cfg, uint64_t rejected, uint64_t records)
{
	if (!rejected)
		return false;
	return rejected == records ||
	       (rejected > REJECTS_FREE && (double)rejected > cfg->max_reject_ratio * (double)records);
}

/* A file that changed outweighs what else is wrong: the partition is simply not complete yet. */
static const struct intake_file *broken_file(const struct intake *in, const struct intake_partition *p)
{
	const struct intake_file *broken = NULL;
	size_t i;

	for (i = p->first; i < p->first + p->count; i++) {
		if (in->files[i].code == -ESTALE)
			return &in->files[i];
		if (in->files[i].code && !broken)
			broken = &in->files[i];
	}
	return broken;
}

static int judge(const struct config *cfg, const struct intake *in, struct intake_partition *p)
{
	const struct intake_file *broken = broken_file(in, p), *refused = NULL;
	size_t i;

	for (i = p->first; i < p->first + p->count; i++) {
		const struct intake_file *f = &in->files[i];

		p->records += f->lines;
		p->rejected += f->rejects.count;
		if (!refused && f->rejects.count)
			refused = f;
	}
	if (broken) {
		p->code = broken->code;
		p->reason = broken->code == -ESTALE ? strdup("changed while read")
						    : reason_of_file(broken, broken->why);
	} else if (too_many(cfg, p->rejected, p->records)) {
		p->code = -EBADMSG;
		p->reason = reason_of_rejects(p, refused);
	}
	return p->code && !p->reason ? -ENOMEM : 0;
}

/* Lays out partitions and files, unread. Returns the bytes to read. */
static int layout(const struct plan *plan, struct intake *out, uint64_t *bytes)
{
	size_t files = 0, i, k;

	for (i = 0; i < plan->count; i++)
		if (plan->items[i].action == PLAN_INDEX)
			files += plan->items[i].read_count;
	out->files = calloc(files ? files : 1, sizeof(*out->files));
	out->partitions = calloc(plan->to_index ? plan->to_index : 1, sizeof(*out->partitions));
	if (!out->files || !out->partitions)
		return -ENOMEM;
	for (i = 0; i < plan->count; i++) {
		const struct plan_item *item = &plan->items[i];

		if (item->action != PLAN_INDEX)
			continue;
		out->partitions[out->partition_count++] = (struct intake_partition){
			.item = item, .first = out->file_count, .count = item->read_count};
		for (k = 0; k < item->read_count; k++) {
			out->files[out->file_count++] =
				(struct intake_file){.item = item, .seen = item->read[k]};
			*bytes += item->read[k]->size;
		}
	}
	return 0;
}

int intake_read(const struct intake_input *in, struct intake *out, struct err *err)
{
	struct crew crew = {.in = in, .out = out};
	size_t i;
	int r;

	*out = (struct intake){0};
	r = layout(in->plan, out, &crew.total);
	if (r < 0)
		err_set(err, r, "out of memory");
	else
		r = crew_run(&crew, err);
	for (i = 0; r == 0 && i < out->partition_count; i++) {
		r = judge(in->cfg, out, &out->partitions[i]);
		if (r < 0)
			err_set(err, r, "out of memory");
	}
	if (r < 0)
		intake_release(out);
	return r;
}

void intake_release(struct intake *in)
{
	size_t i;

	for (i = 0; i < in->file_count; i++) {
		struct intake_file *f = &in->files[i];

		free(f->why);
		free(f->first_reject);
		free(f->records);
		reject_release(&f->rejects);
		arena_release(&f->arena);
	}
	for (i = 0; i < in->partition_count; i++)
		free(in->partitions[i].reason);
	free(in->files);
	free(in->partitions);
	*in = (struct intake){0};
}
