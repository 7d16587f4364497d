/* SPDX-License-Identifier: Apache-2.0 */
#include "render.h"
#include "name.h"
#include "rank.h"
#include "view.h"

#include <inttypes.h>
#include <pthread.h>

/* A power of two: small documents come by the hundred thousand. */
#define SLOTS 65536u

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
};

struct render *render_new(size_t max_bytes)
{
	struct render *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->max_bytes = max_bytes;
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

/* Bytes of the first character of a term; its text is valid UTF-8 unless a segment is damaged. */
static size_t first_character(struct slice text)
{
	size_t n = 1;

	while (n < text.len && n < 4 && ((uint8_t)text.data[n] & 0xc0) == 0x80)
		n++;
	return n;
}

/* Terms come in order of their text, so equal first characters stand together. */
static int first_characters(const struct generation *g, struct buf *out, struct err *err)
{
	OWNED(view_terms) struct view_terms *terms = NULL;
	char last[4];
	size_t last_len = 0, len;
	struct slice text;
	uint64_t position;
	int r = view_terms_open(&terms, g, slice_of(NULL, 0), 0, err);

	if (r < 0)
		return r;
	while ((r = view_terms_next(terms, &text, &position, err)) == 1) {
		if (!text.len)
			continue;
		len = first_character(text);
		if (len == last_len && !memcmp(last, text.data, len))
			continue;
		memcpy(last, text.data, len);
		last_len = len;
		buf_add(out, text.data, len);
		buf_add_byte(out, 0);
	}
	return r;
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
	case NODE_PREFIXES:
		return first_characters(n->generation, out, err);
	case NODE_GROUPS:
		return view_groups(n->generation, out, err);
	default:
		r = render_make((enum node_kind)n->kind, n->generation, node_text(n), out, err);
		return r == 0 ? err_set(err, -EBADMSG, "what was found is gone") : r;
	}
}

int render_node(struct render *r, const struct node *n, struct blob **out, struct err *err)
{
	OWNED_BUF bytes = {0};
	int rc;

	*out = render_kept(r, n->ino);
	if (*out)
		return 0;
	if (!node_is_dir(n) && n->size && !buf_reserve(&bytes, n->size))
		return err_set(err, -ENOMEM, "out of memory for %" PRIu64 " bytes", n->size);
	rc = make(n, &bytes, err);
	if (rc < 0)
		return rc;
	/* The kernel was told the size at lookup: bytes that differ from it would be cut or padded. */
	if (!node_is_dir(n) && bytes.len != n->size && !bytes.failed)
		return err_set(
			err, -EBADMSG, "%zu bytes where %" PRIu64 " were announced", bytes.len, n->size);
	*out = blob_take(&bytes);
	if (!*out)
		return err_set(err, -ENOMEM, "out of memory");
	render_keep(r, n->ino, *out);
	return 0;
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
