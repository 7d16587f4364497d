/* SPDX-License-Identifier: Apache-2.0 */
#include "intake.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "name.h"

/* What a thread takes from a file at a time: little enough to stay in the processor's cache. */
#define BATCH_LINES 512
#define BATCH_BYTES ((size_t)256 << 10)
#define HELPER_BYTES ((uint64_t)2 << 20) /* so much to read is worth one more thread */

/* A file while it is read; whoever has the lock reads on. */
struct open_file {
	pthread_mutex_t lock;
	struct reader *reader; /* NULL: not open yet */
	uint64_t told;         /* bytes */
	uint64_t refused;      /* in the batches that are parsed */
	bool over;
	struct intake_batch *last;
};

struct refusal {
	struct refusal *next;
	uint64_t line;
	const char *reason;
	struct slice text; /* the start of the line */
};

/* Shared by the readers of one intake. */
struct crew {
	const struct intake_input *in;
	struct intake *out;
	struct open_file *open; /* one a file */
	uint64_t total;
	_Atomic unsigned workers; /* that have begun */
	_Atomic size_t next;      /* file that nobody has taken */
	_Atomic uint64_t done;    /* bytes */
	_Atomic int code;         /* the first reason to stop all of them */
};

/* One thread, and the batch that it is at. */
struct worker {
	struct crew *crew;
	struct record_parser *parser;
	struct arena *arena; /* its own, in the intake */
	struct buf text, id; /* the lines one behind the other; scratch */
	struct reader_line lines[BATCH_LINES];
	size_t line_count;
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

/* Messages end in tables of one line a row, whatever is in them. */
static char *one_line(const char *message)
{
	OWNED_BUF text = {0};

	line_print(slice_str(message), &text);
	return buf_error(&text) ? NULL : strdup(buf_cstr(&text));
}

static int file_open(struct crew *c, struct intake_file *f, struct open_file *o, struct err *err)
{
	OWNED_BUF path = {0};
	struct reader_input in = {.store = c->in->store,
		.expect = f->seen,
		.cfg = c->in->cfg,
		.spool = c->in->spool,
		.stop = c->in->stop};

	in.format = feed_format_of(f->seen->path, &in.packing);
	buf_add_slice(&path, f->item->seen->path);
	buf_add_byte(&path, '/');
	buf_add_slice(&path, f->seen->path);
	buf_cstr(&path);
	if (buf_error(&path))
		return err_set(err, -ENOMEM, "out of memory");
	in.path = buf_cstr(&path);
	return reader_open(&o->reader, &in, err);
}

/* Fills the worker's batch. Returns 1, 0 when these are the last lines, or -errno, behind good lines too. */
static int lines_take(struct worker *w, struct reader *reader, struct err *err)
{
	int r = 1;

	while (w->line_count < BATCH_LINES && w->text.len < BATCH_BYTES) {
		struct reader_line *line = &w->lines[w->line_count];

		r = reader_next(reader, line, err);
		if (r <= 0)
			break;
		buf_add_slice(&w->text, line->text);
		w->line_count++;
	}
	return buf_reserve(&w->text, RECORD_PADDING) ? r : err_set(err, -ENOMEM, "out of memory");
}

/* Reads on in a file whose lock is held, and notes what is wrong with it. Returns 0 or -ENOMEM. */
static int file_read(struct worker *w, struct intake_file *f, struct open_file *o)
{
	struct crew *c = w->crew;
	struct err err = ERR_INIT;
	uint64_t at;
	int r = o->reader ? 0 : file_open(c, f, o, &err);

	if (r == 0)
		r = lines_take(w, o->reader, &err);
	if (r == 0)
		reader_hash(o->reader, f->hash);
	o->over = r <= 0;
	at = o->over ? f->seen->size : reader_raw_bytes(o->reader);
	crew_advance(c, at > o->told ? at - o->told : 0);
	o->told = at;
	if (o->over) {
		reader_free(o->reader); /* however many files there are, few are open */
		o->reader = NULL;
	}
	if (r >= 0 || r == -ENOMEM)
		return r < 0 ? r : 0;
	f->code = r == -ENOENT ? -ESTALE : r;
	f->why = one_line(err.message);
	return f->why ? 0 : -ENOMEM;
}

/* Takes the next lines of a file and gives them their place in it. Returns 1, 0 when there are none, or -ENOMEM. */
static int batch_next(struct worker *w, struct intake_file *f, struct open_file *o, struct intake_batch **out)
{
	int r = 0;

	w->line_count = 0;
	buf_clear(&w->text);
	pthread_mutex_lock(&o->lock);
	if (!o->over)
		r = file_read(w, f, o);
	if (r == 0 && w->line_count) {
		*out = arena_alloc(w->arena, sizeof(**out));
		r = *out ? 1 : -ENOMEM;
	}
	if (r == 1) {
		/* The parsed ones all lie before it. */
		**out = (struct intake_batch){.only_counts = o->refused >= REJECTS_KEPT};
		*(o->last ? &o->last->next : &f->batches) = *out;
		o->last = *out;
		f->lines += w->line_count;
	}
	pthread_mutex_unlock(&o->lock);
	return r;
}

/* Keeps what the file of rejects will say. */
static struct refusal *refusal_new(
	struct worker *w, const struct reader_line *line, struct slice text, const char *reason)
{
	struct refusal *refusal = arena_alloc(w->arena, sizeof(*refusal));
	size_t shown = text.len <= REJECT_SHOWN ? text.len : REJECT_SHOWN + 1;

	if (!refusal)
		return NULL;
	*refusal = (struct refusal){.line = line->number,
		.reason = arena_dup(w->arena, slice_str(reason)).data,
		.text = arena_dup(w->arena, slice_of(text.data, shown))};
	return refusal->reason && refusal->text.data ? refusal : NULL;
}

/* The id of a record that has none: "PARTITION/FILE:LINE". */
static struct slice fallback_id(struct worker *w, const struct intake_file *f, uint64_t line)
{
	if (w->crew->in->cfg->id)
		return slice_of(NULL, 0);
	buf_clear(&w->id);
	buf_add_slice(&w->id, f->item->seen->path);
	buf_add_byte(&w->id, '/');
	buf_add_slice(&w->id, f->seen->path);
	buf_addf(&w->id, ":%" PRIu64, line);
	return buf_slice(&w->id);
}

/* Returns 0, 1 refused with the reason, or -ENOMEM. */
static int line_parse(struct worker *w, const struct intake_file *f, const struct reader_line *line,
	struct slice text, struct record *record, struct err *err)
{
	struct slice fallback;
	int r;

	if (line->too_long)
		return err_set(err, 1, "longer than 8 MiB");
	fallback = fallback_id(w, f, line->number);
	if (buf_error(&w->id))
		return -ENOMEM;
	r = record_parse(w->parser, text, fallback, w->arena, record, err);
	record->source = (uint32_t)(f - w->crew->out->files);
	record->line = line->number;
	return r;
}

static int batch_parse(struct worker *w, const struct intake_file *f, struct intake_batch *b)
{
	struct refusal **refused = &b->refused;
	const char *at = w->text.data;

	b->records = malloc(w->line_count * sizeof(*b->records));
	if (!b->records)
		return -ENOMEM;
	for (size_t i = 0; i < w->line_count; i++) {
		const struct reader_line *line = &w->lines[i];
		struct slice text = slice_of(at, line->text.len);
		struct err why = ERR_INIT;
		int r = line_parse(w, f, line, text, &b->records[b->count], &why);

		at += text.len;
		if (r == 0) {
			b->count++;
			continue;
		}
		if (r < 0)
			return r;
		b->refused_count++;
		if (b->only_counts)
			continue;
		*refused = refusal_new(w, line, text, why.message);
		if (!*refused)
			return -ENOMEM;
		refused = &(*refused)->next;
	}
	return 0;
}

/* What was refused of a batch. A file may be all refused, and be much larger than what is kept of it. */
static void batch_done(struct open_file *o, const struct intake_batch *b)
{
	if (!b->refused_count)
		return;
	pthread_mutex_lock(&o->lock);
	o->refused += b->refused_count;
	pthread_mutex_unlock(&o->lock);
}

static int file_work(struct worker *w, size_t n)
{
	struct intake_file *f = &w->crew->out->files[n];
	struct open_file *o = &w->crew->open[n];
	struct intake_batch *b = NULL;
	int r;

	while ((r = crew_stopped(w->crew) ? -EINTR : batch_next(w, f, o, &b)) == 1) {
		r = batch_parse(w, f, b);
		if (r < 0)
			break;
		batch_done(o, b);
	}
	return r;
}

/* ---- the crew ---- */

static int worker_run(struct worker *w)
{
	struct crew *c = w->crew;
	size_t i;
	int r;

	r = record_parser_new(&w->parser, c->in->cfg, NULL);
	while (r == 0 && (i = atomic_fetch_add(&c->next, 1)) < c->out->file_count)
		r = file_work(w, i);
	for (i = 0; r == 0 && i < c->out->file_count; i++)
		r = file_work(w, i);
	return r;
}

static void *crew_work(void *ctx)
{
	struct crew *c = ctx;
	struct worker *w = calloc(1, sizeof(*w));
	int none = 0, r = -ENOMEM;

	if (w) {
		w->crew = c;
		w->arena = &c->out->arenas[atomic_fetch_add(&c->workers, 1)];
		r = worker_run(w);
		record_parser_free(w->parser);
		buf_release(&w->text);
		buf_release(&w->id);
		free(w);
	}
	if (r < 0)
		atomic_compare_exchange_strong(&c->code, &none, r);
	return NULL;
}

static void crew_start(struct crew *c, pthread_t *threads, unsigned want)
{
	unsigned started = 0, i;

	/* This thread works too: the others only help. */
	while (started + 1 < want && !pthread_create(&threads[started], NULL, crew_work, c))
		started++;
	crew_work(c);
	for (i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
}

static int crew_run(struct crew *c, struct err *err)
{
	uint64_t useful = c->out->file_count + c->total / HELPER_BYTES;
	unsigned want = useful < c->in->threads ? (unsigned)useful : c->in->threads;
	pthread_t *threads = calloc(want + 1, sizeof(*threads));
	size_t i;

	c->out->arenas = calloc(want + 1, sizeof(*c->out->arenas));
	c->out->arena_count = c->out->arenas ? want + 1 : 0;
	c->open = calloc(c->out->file_count + 1, sizeof(*c->open));
	if (!threads || !c->out->arenas || !c->open) {
		c->code = -ENOMEM;
	} else {
		for (i = 0; i < c->out->file_count; i++)
			pthread_mutex_init(&c->open[i].lock, NULL);
		crew_start(c, threads, want);
		for (i = 0; i < c->out->file_count; i++) {
			reader_free(c->open[i].reader);
			pthread_mutex_destroy(&c->open[i].lock);
		}
	}
	free(c->open);
	free(threads);
	if (c->code == -EINTR)
		return err_set(err, -EINTR, "stopped while reading");
	return c->code ? err_set(err, c->code, "no memory to read the feed") : 0;
}

/* ---- files ---- */

static void file_compare(struct intake_file *f)
{
	f->same = f->was && !f->code && !memcmp(f->hash, f->was->hash, sizeof(f->hash));
}

/* Lists what was refused, now that all lines are known. */
static int file_refusals(struct intake_file *f)
{
	const struct intake_batch *b;
	const struct refusal *refusal;
	OWNED_STR char *text = NULL;

	for (b = f->batches; b; b = b->next) {
		for (refusal = b->refused; refusal; refusal = refusal->next) {
			reject_add(&f->rejects, refusal->line, refusal->reason, refusal->text);
			if (!text &&
				asprintf(&text, "line %" PRIu64 ": %s", refusal->line, refusal->reason) < 0)
				return -ENOMEM;
		}
		if (b->only_counts)
			f->rejects.count += b->refused_count;
	}
	f->first_reject = text ? one_line(text) : NULL;
	return text && !f->first_reject ? -ENOMEM : 0;
}

/* ---- partitions ---- */

static char *reason_of_file(const struct intake_file *f, const char *why)
{
	OWNED_BUF text = {0};

	name_print(f->seen->path, &text);
	buf_addf(&text, ": %s", why);
	return buf_error(&text) ? NULL : strdup(buf_cstr(&text));
}

/* `f`: the first file read now that has refused records; NULL: they are all in files that stay, `kept` records with them. */
static char *reason_of_rejects(
	const struct intake_partition *p, const struct intake_file *f, uint64_t kept_rejected, uint64_t kept)
{
	OWNED_BUF text = {0};

	if (f && p->count == 1) {
		name_print(f->seen->path, &text);
		buf_add_str(&text, ": ");
	}
	if (!f) {
		buf_addf(&text, "%" PRIu64 " of %" PRIu64 " records refused, in files that were read before",
			kept_rejected, kept);
		return buf_error(&text) ? NULL : strdup(buf_cstr(&text));
	}
	buf_addf(&text, "%" PRIu64 " of %" PRIu64 " records refused (first: ", p->rejected, p->records);
	if (p->count > 1) {
		name_print(f->seen->path, &text);
		buf_add_str(&text, ": ");
	}
	buf_addf(&text, "%s)", f->first_reject);
	return buf_error(&text) ? NULL : strdup(buf_cstr(&text));
}

/* The records of the files that are not read now and stay. They count too, so that a partition fails or not
 * for what is in it, in however many parts it was read. */
static void add_kept(
	const struct intake *in, const struct intake_partition *p, uint64_t *records, uint64_t *rejected)
{
	const struct row *row = p->item->has_content ? p->item->row : NULL;
	size_t gone = 0, k = 0, end = p->count;

	for (size_t i = 0; row && i < row->read_count; i++) {
		const struct file_row *f = &row->read[i];

		while (k < end && slice_cmp(in->files[p->first + k].seen->path, f->path) < 0)
			k++;
		if (gone < p->vanished_count && p->vanished[gone] == f) {
			gone++;
		} else if (k == end || in->files[p->first + k].was != f) {
			*records += f->records;
			*rejected += f->rejected;
		}
	}
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

static bool is_unchanged(const struct intake *in, const struct intake_partition *p)
{
	if (!p->item->has_content || p->vanished_count || !p->count)
		return false;
	for (size_t i = p->first; i < p->first + p->count; i++)
		if (!in->files[i].same)
			return false;
	return true;
}

static int judge(const struct config *cfg, const struct intake *in, struct intake_partition *p)
{
	const struct intake_file *broken = broken_file(in, p), *refused = NULL;
	uint64_t records, rejected;
	size_t i;

	for (i = p->first; i < p->first + p->count; i++) {
		const struct intake_file *f = &in->files[i];

		p->records += f->lines;
		p->rejected += f->rejects.count;
		if (!refused && f->rejects.count)
			refused = f;
	}
	records = p->records;
	rejected = p->rejected;
	add_kept(in, p, &records, &rejected);
	p->is_unchanged = is_unchanged(in, p);
	if (broken) {
		p->code = broken->code;
		p->reason = broken->code == -ESTALE ? strdup("changed while read")
						    : reason_of_file(broken, broken->why);
	} else if (config_refuses(cfg, rejected, records)) {
		p->code = -EBADMSG;
		p->reason = reason_of_rejects(p, refused, rejected, records);
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
		out->partitions[out->partition_count++] = (struct intake_partition){.item = item,
			.first = out->file_count,
			.count = item->read_count,
			.vanished = item->vanished,
			.vanished_count = item->vanished_count};
		for (k = 0; k < item->read_count; k++) {
			out->files[out->file_count++] = (struct intake_file){.item = item,
				.seen = item->read[k],
				.was = file_row_find(item->row, item->read[k]->path)};
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
	for (i = 0; r == 0 && i < out->file_count; i++) {
		file_compare(&out->files[i]);
		r = file_refusals(&out->files[i]);
		if (r < 0)
			err_set(err, r, "out of memory");
	}
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
		for (struct intake_batch *b = f->batches; b; b = b->next)
			free(b->records);
		reject_release(&f->rejects);
	}
	for (i = 0; i < in->arena_count; i++)
		arena_release(&in->arenas[i]);
	free(in->arenas);
	for (i = 0; i < in->partition_count; i++)
		free(in->partitions[i].reason);
	free(in->files);
	free(in->partitions);
	*in = (struct intake){0};
}
