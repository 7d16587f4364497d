/* SPDX-License-Identifier: Apache-2.0 */
#include "packing.h"

#include <pthread.h>
#include <stdatomic.h>

#include "record.h"
#include "segment_format.h"

/* Records lie in the order of the feed, not of the entries: of the one so far ahead, so many bytes are fetched. */
#define AHEAD 2
#define PREFETCH 1024

struct block {
	const struct entry *rows; /* borrowed */
	struct records_block at;
	char *packed; /* owned; waits for the blocks before it */
	bool done;
};

struct packing {
	struct block *blocks; /* owned */
	size_t count, history_from, cap;
	packed_fn *packed;
	void *packed_ctx;
	pthread_t *threads; /* owned */
	unsigned thread_count;
	_Atomic size_t next; /* block to pack */
	_Atomic bool stop;
	pthread_mutex_t lock; /* for what follows, and `packed` and `done` of the blocks */
	struct sink *sink;
	size_t written; /* blocks */
	uint64_t offset;
	int failed;
	struct err err;
};

static bool block_add(struct packing *p, const struct entry *rows, uint32_t first, uint32_t end, uint64_t raw)
{
	struct block *grown;

	if (p->count == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 64;
		grown = realloc(p->blocks, p->cap * sizeof(*grown));
		if (!grown)
			return false;
		p->blocks = grown;
	}
	p->blocks[p->count++] =
		(struct block){.rows = rows, .at = {.first = first, .end = end, .raw_len = (uint32_t)raw}};
	return true;
}

static bool plan_blocks(struct packing *p, const struct entry *rows, uint64_t count)
{
	uint64_t raw = 0;
	uint32_t first = 0;

	for (uint32_t i = 0; i < count; i++) {
		bool attribute = id_is_attribute(rows[i].id);
		uint64_t target = attribute ? RECORDS_BLOCK_ATTRIBUTES : RECORDS_BLOCK_TARGET;
		bool ends = i + 1 == count || attribute != id_is_attribute(rows[i + 1].id);

		raw += rows[i].record.len;
		if (raw < target && i + 1 - first < RECORDS_BLOCK_ENTRIES && !ends)
			continue;
		if (!block_add(p, rows, first, i + 1, raw))
			return false;
		first = i + 1;
		raw = 0;
	}
	return true;
}

static int write_block(struct packing *p, struct block *b, const char *packed, struct err *err)
{
	int r = sink_add(p->sink, slice_of(packed, b->at.packed_len), err);

	b->at.offset = p->offset;
	p->offset += b->at.packed_len;
	p->written++;
	return r;
}

/* Writes what is packed and whose turn it is. */
static int block_done(struct packing *p, size_t i, const char *packed, struct err *err)
{
	struct block *b = &p->blocks[i];
	int r = 0;

	b->done = true;
	if (i == p->written) {
		r = write_block(p, b, packed, err);
	} else {
		b->packed = malloc(b->at.packed_len + 1);
		if (!b->packed)
			return err_set(err, -ENOMEM, "out of memory for packed records");
		memcpy(b->packed, packed, b->at.packed_len);
	}
	while (r == 0 && p->written < p->count && p->blocks[p->written].done) {
		struct block *w = &p->blocks[p->written];

		r = write_block(p, w, w->packed, err);
		free(w->packed);
		w->packed = NULL;
	}
	return r;
}

static int pack_block(
	struct packing *p, size_t i, struct packer *packer, struct buf *raw, struct buf *out, struct err *err)
{
	struct block *b = &p->blocks[i];
	int64_t len = 0;
	int r;

	buf_clear(raw);
	for (uint32_t n = b->at.first; n < b->at.end; n++) {
		if (n + AHEAD < b->at.end)
			slice_prefetch(b->rows[n + AHEAD].record, PREFETCH);
		buf_add_slice(raw, b->rows[n].record);
	}
	if (!buf_reserve(out, packer_bound(b->at.raw_len) + 1) || raw->failed)
		return err_set(err, -ENOMEM, "out of memory for %u bytes of records", b->at.raw_len);
	if (b->at.raw_len)
		len = packer_pack(packer, buf_slice(raw), out->data, out->cap);
	if (len < 0)
		return err_sys(err, (int)len, "compressing %u bytes of records", b->at.raw_len);
	b->at.packed_len = (uint32_t)len;
	pthread_mutex_lock(&p->lock);
	r = block_done(p, i, out->data, err);
	pthread_mutex_unlock(&p->lock);
	p->packed(p->packed_ctx, b->at.raw_len);
	return r;
}

static void fail(struct packing *p, int code, const struct err *err)
{
	pthread_mutex_lock(&p->lock);
	if (!p->failed) {
		p->failed = code;
		p->err = *err;
	}
	pthread_mutex_unlock(&p->lock);
	atomic_store(&p->stop, true);
}

static void *work(void *ctx)
{
	OWNED_BUF raw = {0}, out = {0};
	OWNED(packer) struct packer *packer = packer_new();
	struct packing *p = ctx;
	struct err err = ERR_INIT;
	int r = packer ? 0 : err_set(&err, -ENOMEM, "out of memory for compression");

	while (r == 0 && !atomic_load(&p->stop)) {
		size_t i = atomic_fetch_add(&p->next, 1);

		if (i >= p->count)
			return NULL;
		r = pack_block(p, i, packer, &raw, &out, &err);
	}
	if (r < 0)
		fail(p, r, &err);
	return NULL;
}

static void join_threads(struct packing *p)
{
	while (p->thread_count)
		pthread_join(p->threads[--p->thread_count], NULL);
}

static int start_threads(struct packing *p, unsigned threads, struct err *err)
{
	if (threads > p->count)
		threads = (unsigned)p->count;
	p->threads = calloc(threads + 1, sizeof(*p->threads));
	if (!p->threads)
		return err_set(err, -ENOMEM, "out of memory for %u threads", threads);
	for (; p->thread_count < threads; p->thread_count++) {
		/* packing_finish() does what no thread does. */
		if (pthread_create(&p->threads[p->thread_count], NULL, work, p))
			break;
	}
	return 0;
}

int packing_new(struct packing **out, const struct entry *entries, uint64_t count,
	const struct entry *history, uint64_t history_count, struct sink *sink, unsigned threads,
	packed_fn *packed, void *packed_ctx, struct err *err)
{
	OWNED(packing) struct packing *p = calloc(1, sizeof(*p));
	bool planned;
	int r;

	*out = NULL;
	if (!p)
		return err_set(err, -ENOMEM, "out of memory for records");
	pthread_mutex_init(&p->lock, NULL);
	p->sink = sink;
	p->packed = packed;
	p->packed_ctx = packed_ctx;
	planned = plan_blocks(p, entries, count);
	p->history_from = p->count;
	if (!planned || !plan_blocks(p, history, history_count))
		return err_set(err, -ENOMEM, "out of memory for the records of %llu entries",
			(unsigned long long)count);
	r = start_threads(p, threads, err);
	if (r == 0)
		*out = steal(&p);
	return r;
}

int packing_finish(struct packing *p, struct err *err)
{
	work(p);
	join_threads(p);
	if (p->failed && err)
		*err = p->err;
	return p->failed;
}

void packing_add_index(const struct packing *p, bool history, struct buf *out)
{
	size_t end = history ? p->count : p->history_from;

	for (size_t i = history ? p->history_from : 0; i < end; i++) {
		const struct records_block *b = &p->blocks[i].at;

		buf_add_le32(out, b->first);
		buf_add_le32(out, b->raw_len);
		buf_add_le32(out, b->packed_len);
		buf_add_le64(out, b->offset);
	}
}

void packing_free(struct packing *p)
{
	if (!p)
		return;
	atomic_store(&p->stop, true);
	join_threads(p);
	for (size_t i = 0; i < p->count; i++)
		free(p->blocks[i].packed);
	free(p->blocks);
	free(p->threads);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
