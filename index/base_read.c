/* SPDX-License-Identifier: Apache-2.0 */
/* index/base_read.c - from the files of a snapshot to sorted records. */
#include "base_private.h"

#include <inttypes.h>

#include "feed.h"
#include "name.h"
#include "reader.h"

#define STEP 1024 /* records between two reports */

struct reading {
	const struct base_input *in;
	struct sorter *sorter;
	struct base_files *out;
	struct record_parser *parser; /* owned */
	struct buf files;             /* struct feed_file */
	struct buf id;
	char *spool;          /* owned: where copies of files may lie */
	uint64_t done, total; /* bytes */
};

/* ---- which files ---- */

struct listing_step {
	struct reading *r;
	struct slice dir;
	struct buf dirs; /* struct slice: to list next */
};

static struct slice join_path(struct reading *r, struct slice dir, struct slice name)
{
	char *path = arena_alloc(&r->out->arena, dir.len + name.len + 2);
	size_t at = 0;

	if (!path)
		return slice_of(NULL, 0);
	if (dir.len) {
		memcpy(path, dir.data, dir.len);
		path[dir.len] = '/';
		at = dir.len + 1;
	}
	memcpy(path + at, name.data, name.len);
	path[at + name.len] = '\0';
	return slice_of(path, at + name.len);
}

static int add_entry(void *ctx, struct slice name, const struct store_stat *st)
{
	struct listing_step *step = ctx;
	enum feed_packing packing;
	struct feed_file f;

	if (!name.len || name.data[0] == '_' || name.data[0] == '.')
		return 0;
	f = (struct feed_file){.path = join_path(step->r, step->dir, name),
		.size = st->size,
		.mtime = st->mtime,
		.ctime = st->ctime};
	if (!f.path.data)
		return -ENOMEM;
	if (st->is_dir)
		buf_add(&step->dirs, &f.path, sizeof(f.path));
	else if (feed_format_of(name, &packing) != FORMAT_NONE)
		buf_add(&step->r->files, &f, sizeof(f));
	return step->dirs.failed || step->r->files.failed ? -ENOMEM : 0;
}

static int list_dir(struct reading *r, struct slice dir, unsigned depth, struct err *err)
{
	struct listing_step step = {.r = r, .dir = dir};
	const struct slice *dirs;
	int code;

	if (depth > FEED_DEPTH_MAX)
		return err_set(err, -EBADMSG, "%s: nested deeper than %u", dir.data, FEED_DEPTH_MAX);
	code = store_list(r->in->store, dir.len ? dir.data : "", add_entry, &step, err);
	dirs = (const struct slice *)step.dirs.data;
	for (size_t i = 0; code == 0 && i < step.dirs.len / sizeof(*dirs); i++)
		code = list_dir(r, dirs[i], depth + 1, err);
	buf_release(&step.dirs);
	return code;
}

static int by_path(const void *va, const void *vb)
{
	const struct feed_file *a = va, *b = vb;

	return slice_cmp(a->path, b->path);
}

static int list_files(struct reading *r, struct err *err)
{
	struct slice from = arena_dup(&r->out->arena, r->in->from);
	struct store_stat st = {.is_dir = true};
	enum feed_packing packing;
	struct feed_file f;
	int code = from.data ? 0 : err_set(err, -ENOMEM, "out of memory");

	if (code == 0 && from.len)
		code = store_head(r->in->store, from.data, &st, err);
	if (code < 0)
		return code;
	if (st.is_dir) {
		code = list_dir(r, from, 0, err);
	} else {
		if (feed_format_of(from, &packing) == FORMAT_NONE)
			return err_set(err, -EINVAL,
				"%s: not a data file by its name (.jsonl, .ndjson, .json, also .zst "
				"or .gz; .parquet)",
				from.data);
		f = (struct feed_file){.path = from, .size = st.size, .mtime = st.mtime, .ctime = st.ctime};
		buf_add(&r->files, &f, sizeof(f));
	}
	if (code == 0 && buf_error(&r->files))
		code = err_set(err, -ENOMEM, "out of memory");
	if (code == 0 && !r->files.len)
		code = err_set(err, -ENOENT, "%s: no data file in the snapshot", r->in->store->url);
	if (code == 0)
		qsort(r->files.data, r->files.len / sizeof(f), sizeof(f), by_path);
	return code;
}

/* ---- reading ---- */

static int refuse(struct reading *r, const struct feed_file *f, uint64_t line, const char *why)
{
	OWNED_BUF text = {0};

	r->out->rejected++;
	if (r->out->first_reject)
		return 0;
	name_print(f->path, &text);
	buf_addf(&text, ": line %" PRIu64 ": %s", line, why);
	r->out->first_reject = buf_error(&text) ? NULL : strdup(buf_cstr(&text));
	return r->out->first_reject ? 0 : -ENOMEM;
}

static int take_line(struct reading *r, const struct feed_file *f, uint32_t source,
	const struct reader_line *line, struct err *err)
{
	struct err why = ERR_INIT;
	struct record record;
	struct slice fallback = {0};
	int code = 1;

	r->out->records++;
	if (line->too_long)
		return refuse(r, f, line->number, "longer than 8 MiB");
	if (!r->in->cfg->id) {
		buf_clear(&r->id);
		buf_addf(&r->id, "%s/%s:%" PRIu64, BASE_PARTITION, f->path.data, line->number);
		fallback = buf_slice(&r->id);
	}
	if (!buf_error(&r->id))
		code = record_parse(r->parser, line->text, fallback, sorter_arena(r->sorter), &record, &why);
	else
		code = -ENOMEM;
	if (code == 1)
		return refuse(r, f, line->number, why.message);
	if (code < 0)
		return err_set(err, code, "out of memory");
	record.source = source;
	record.line = line->number;
	return sorter_add(r->sorter, &record, err);
}

/* Says which file. */
static int file_failed(const struct feed_file *f, int code, struct err *err)
{
	OWNED_BUF path = {0};

	name_print(f->path, &path);
	return err_context(err, code, "%s", buf_cstr(&path));
}

static int read_file_of(struct reading *r, const struct feed_file *f, uint32_t source, struct err *err)
{
	OWNED(reader) struct reader *reader = NULL;
	struct reader_input in = {.store = r->in->store,
		.path = f->path.data,
		.expect = f,
		.cfg = r->in->cfg,
		.spool = r->spool,
		.stop = r->in->stop};
	struct reader_line line;
	int code;

	in.format = feed_format_of(f->path, &in.packing);
	code = reader_open(&reader, &in, err);
	while (code == 0 && (code = reader_next(reader, &line, err)) == 1) {
		code = take_line(r, f, source, &line, err);
		if (line.number % STEP == 0 && r->in->report)
			r->in->report(
				r->in->report_ctx, "reading", r->done + reader_raw_bytes(reader), r->total);
		if (code == 0 && r->in->stop && *r->in->stop)
			code = err_set(err, -EINTR, "stopped while reading");
	}
	if (code == 0)
		reader_hash(reader, r->out->sources[source].hash);
	r->done += f->size;
	return code < 0 ? file_failed(f, code, err) : code;
}

static int read_all(struct reading *r, struct err *err)
{
	const struct feed_file *files = (const struct feed_file *)r->files.data;
	int64_t ts = time_add(r->in->at, -r->in->cfg->cadence);
	size_t count = r->files.len / sizeof(*files);
	int code = 0;

	if (count >= UINT32_MAX)
		return err_set(err, -EOVERFLOW, "%zu files", count);
	r->out->sources = arena_alloc(&r->out->arena, count * sizeof(*r->out->sources));
	if (!r->out->sources)
		return err_set(err, -ENOMEM, "out of memory");
	r->out->count = count;
	for (size_t i = 0; i < count; i++) {
		r->out->sources[i] = (struct source){
			.ts = ts, .partition = slice_str(BASE_PARTITION), .file = files[i].path};
		r->total += files[i].size;
	}
	for (size_t i = 0; code == 0 && i < count; i++)
		code = read_file_of(r, &files[i], (uint32_t)i, err);
	return code;
}

int base_read(const struct base_input *in, struct sorter *sorter, struct base_files *out, struct err *err)
{
	struct reading r = {.in = in, .sorter = sorter, .out = out};
	int code;

	*out = (struct base_files){0};
	r.spool = state_path(in->state, "%s", in->state->build);
	code = r.spool ? record_parser_new(&r.parser, in->cfg, err) : err_set(err, -ENOMEM, "out of memory");
	if (code == 0)
		code = list_files(&r, err);
	if (code == 0)
		code = read_all(&r, err);
	record_parser_free(r.parser);
	free(r.spool);
	buf_release(&r.files);
	buf_release(&r.id);
	return code < 0 ? err_context(err, code, "snapshot") : 0;
}

void base_files_release(struct base_files *f)
{
	free(f->first_reject);
	arena_release(&f->arena);
	*f = (struct base_files){0};
}
