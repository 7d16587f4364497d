/* SPDX-License-Identifier: Apache-2.0 */
#include "render.h"
#include "name.h"
#include "rank.h"
#include "view.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

/* A power of two: small documents come by the hundred thousand. */
#define SLOTS 65536u

/* Buffers for files that are read in one go. They keep the pages that they once had; a huge page each, where the
 * kernel gives it, holds a request of FUSE's largest size and room for making the last of it. */
#define SPARES 4
#define SPARE_BYTES ((size_t)2 << 20)

struct kept {
	uint64_t ino;
	struct blob *blob; /* a reference */
	struct kept *chain;
	struct kept *newer, *older;
};

struct render {
	pthread_mutex_t lock; /* everything below */
	struct kept *slots[SLOTS];
	struct kept *newest, *oldest;
	size_t bytes, max_bytes;
	_Atomic(struct buf *) spares[SPARES]; /* owned; whoever takes one out has it alone */
};

/* --- buffers that are used again --- */

static struct buf *spare_new(void)
{
	struct buf *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->data = aligned_alloc(SPARE_BYTES, SPARE_BYTES);
	if (!b->data) {
		free(b);
		return NULL;
	}
	b->cap = SPARE_BYTES;
	madvise(b->data, SPARE_BYTES, MADV_HUGEPAGE); /* a wish only */
	return b;
}

static void spare_free(struct buf *b)
{
	if (b)
		buf_release(b);
	free(b);
}

static struct buf *spare_take(struct render *r)
{
	struct buf *b = NULL;

	for (size_t i = 0; !b && i < SPARES; i++)
		b = atomic_exchange(&r->spares[i], NULL);
	return b ? b : spare_new();
}

/* The first place is asked first: what was used last, and is in the processor's cache, is used next. */
static void spare_give(struct render *r, struct buf *b)
{
	buf_clear(b);
	b->failed = false;
	for (size_t i = 0; b && b->cap == SPARE_BYTES && i < SPARES; i++)
		b = atomic_exchange(&r->spares[i], b);
	spare_free(b);
}

struct render *render_new(size_t max_bytes)
{
	struct render *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->max_bytes = max_bytes;
	r->spares[0] = spare_new();
	if (!r->spares[0]) {
		free(r);
		return NULL;
	}
	/* Now and not when the first reader waits for it. */
	memset(r->spares[0]->data, 0, SPARE_BYTES);
	pthread_mutex_init(&r->lock, NULL);
	return r;
}

/* What keeping it costs, not just its bytes. */
static size_t cost(const struct blob *b)
{
	return sizeof(struct kept) + sizeof(*b) + b->len;
}

static struct kept **find(struct render *r, uint64_t ino)
{
	struct kept **p = &r->slots[ino & (SLOTS - 1)];

	while (*p && (*p)->ino != ino)
		p = &(*p)->chain;
	return p;
}

static void list_out(struct render *r, struct kept *k)
{
	*(k->newer ? &k->newer->older : &r->newest) = k->older;
	*(k->older ? &k->older->newer : &r->oldest) = k->newer;
}

static void list_in(struct render *r, struct kept *k)
{
	k->newer = NULL;
	k->older = r->newest;
	*(r->newest ? &r->newest->newer : &r->oldest) = k;
	r->newest = k;
}

static void let_go(struct render *r, struct kept **p)
{
	struct kept *k = *p;

	*p = k->chain;
	list_out(r, k);
	r->bytes -= cost(k->blob);
	blob_unref(k->blob);
	free(k);
}

void render_free(struct render *r)
{
	if (!r)
		return;
	while (r->oldest)
		let_go(r, find(r, r->oldest->ino));
	for (size_t i = 0; i < SPARES; i++)
		spare_free(r->spares[i]);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

struct blob *render_kept(struct render *r, uint64_t ino)
{
	struct blob *b = NULL;
	struct kept *k;

	pthread_mutex_lock(&r->lock);
	k = *find(r, ino);
	if (k) {
		list_out(r, k);
		list_in(r, k);
		b = blob_ref(k->blob);
	}
	pthread_mutex_unlock(&r->lock);
	return b;
}

void render_keep(struct render *r, uint64_t ino, struct blob *b)
{
	struct kept *k = malloc(sizeof(*k)), **p;

	if (!k)
		return;
	pthread_mutex_lock(&r->lock);
	p = find(r, ino);
	if (*p)
		let_go(r, p);
	p = &r->slots[ino & (SLOTS - 1)];
	*k = (struct kept){.ino = ino, .blob = blob_ref(b), .chain = *p};
	*p = k;
	list_in(r, k);
	r->bytes += cost(b);
	while (r->bytes > r->max_bytes && r->oldest != k)
		let_go(r, find(r, r->oldest->ino));
	pthread_mutex_unlock(&r->lock);
}

void render_drop(struct render *r, uint64_t ino)
{
	struct kept **p;

	pthread_mutex_lock(&r->lock);
	p = find(r, ino);
	if (*p)
		let_go(r, p);
	pthread_mutex_unlock(&r->lock);
}

size_t render_bytes(struct render *r)
{
	size_t n;

	pthread_mutex_lock(&r->lock);
	n = r->bytes;
	pthread_mutex_unlock(&r->lock);
	return n;
}

void render_sums(const struct generation *g, struct buf *out)
{
	char hex[SHA256_HEX];

	buf_addf(out, "%s  MANIFEST.json\n", hex_text(g->sha256, SHA256_BYTES, hex));
	buf_addf(out, "%s  %" PRIu64 ".live\n", hex_text(g->manifest.live_sha256, SHA256_BYTES, hex),
		g->manifest.number);
	for (size_t i = 0; i < g->manifest.segment_count; i++)
		buf_addf(out, "%s  %s.seg\n", hex_text(g->manifest.segments[i].sha256, SHA256_BYTES, hex),
			g->manifest.segments[i].name);
}

/* An expression that is none names no file. */
static int make_query(
	const struct generation *g, struct slice text, bool ranked, struct buf *out, struct err *err)
{
	OWNED(query) struct query *q = NULL;
	OWNED_BUF copy = {0};
	int r;

	buf_add_slice(&copy, text);
	r = buf_error(&copy) ? buf_error(&copy) : query_parse(&q, buf_cstr(&copy), NULL);
	if (r < 0)
		return r == -EINVAL ? 0 : err_set(err, r, "query of %zu bytes", text.len);
	r = ranked ? rank_rows(q, g, RANK_BEST, out, NULL, err) : query_ids(q, g, out, err);
	return r < 0 ? r : 1;
}

int render_make(
	enum node_kind kind, const struct generation *g, struct slice text, struct buf *out, struct err *err)
{
	int r;

	switch (kind) {
	case NODE_TERM:
		r = view_term_ids(g, text, out, err);
		return r < 0 ? r : 1;
	case NODE_DOC:
		return view_doc_json(g, text, out, err);
	case NODE_TERM_ROWS:
		return view_term_rows(g, text, out, err);
	case NODE_GROUP:
		return view_group_json(g, text, out, err);
	case NODE_QUERY:
	case NODE_RANK:
		return make_query(g, text, kind == NODE_RANK, out, err);
	default:
		return err_set(err, -EINVAL, "nothing to render for node kind %d", (int)kind);
	}
}

static int make(const struct node *n, struct buf *out, struct err *err)
{
	int r;

	switch (n->kind) {
	case NODE_SUMS:
		render_sums(n->generation, out);
		return 0;
	case NODE_GROUPS:
		return view_groups(n->generation, out, err);
	default:
		r = render_make((enum node_kind)n->kind, n->generation, node_text(n), out, err);
		if (r == 0)
			return err_set(err, -EBADMSG, "what was found is gone");
		return r < 0 ? r : 0;
	}
}

/* The bytes of a file are as many as the kernel was told at lookup: others would be cut or padded. A directory says none. */
static int make_sized(const struct node *n, struct buf *out, struct err *err)
{
	int r = make(n, out, err), broken = n->kind == NODE_SUMS ? 0 : generation_check(n->generation, err);

	if (broken < 0)
		return broken;
	if (r == 0 && buf_error(out))
		return err_set(err, -ENOMEM, "out of memory");
	if (r == 0 && !node_is_dir(n) && out->len != n->size)
		return err_set(
			err, -EBADMSG, "%zu bytes where %" PRIu64 " were announced", out->len, n->size);
	return r;
}

int render_node(struct render *r, const struct node *n, struct blob **out, struct err *err)
{
	OWNED_BUF bytes = {0};
	int rc;

	*out = render_kept(r, n->ino);
	if (*out)
		return 0;
	if (n->size && !buf_reserve(&bytes, n->size + SEGMENT_IDS_SLACK))
		return err_set(err, -ENOMEM, "out of memory for %" PRIu64 " bytes", n->size);
	rc = make_sized(n, &bytes, err);
	if (rc < 0)
		return rc;
	*out = blob_take(&bytes);
	if (!*out)
		return err_set(err, -ENOMEM, "out of memory");
	render_keep(r, n->ino, *out);
	return 0;
}

int render_lend(struct render *r, const struct node *n, bool whole, struct loan *out, struct err *err)
{
	int rc;

	*out = (struct loan){.blob = render_kept(r, n->ino)};
	if (!out->blob && whole && n->size <= SPARE_BYTES / 2) {
		out->buffer = spare_take(r);
		if (!out->buffer)
			return err_set(err, -ENOMEM, "out of memory");
		rc = make_sized(n, out->buffer, err);
		out->bytes = buf_slice(out->buffer);
		return rc;
	}
	rc = out->blob ? 0 : render_node(r, n, &out->blob, err);
	if (rc == 0)
		out->bytes = blob_bytes(out->blob);
	return rc;
}

void render_return(struct render *r, struct loan *loan)
{
	blob_unref(loan->blob);
	if (loan->buffer)
		spare_give(r, loan->buffer);
	*loan = (struct loan){0};
}

bool render_plain(const struct node *n, struct slice *out)
{
	switch (n->kind) {
	case NODE_TEXT:
		*out = node_text(n);
		return true;
	case NODE_TABLE:
		*out = slice_of(n->blob->data, n->blob->len);
		return true;
	case NODE_MANIFEST:
		*out = buf_slice(&n->generation->manifest_bytes);
		return true;
	case NODE_LIVE:
		*out = buf_slice(&n->generation->live_bytes);
		return true;
	default:
		return false;
	}
}
