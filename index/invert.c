/* SPDX-License-Identifier: Apache-2.0 */
/* Terms are found in an open hash table whose slots hold the first 16 bytes of the text, so that most
 * look-ups touch one cache line and no string. Postings are appended to one flat array of (term, frequency)
 * and scattered by term at the end, which costs less than a growing array a term. */
#include "invert.h"

#include "strsort.h"

#define INLINE_KEY 16
#define SLOTS_MIN (1u << 12)
#define NO_DOC UINT32_MAX

struct slot {
	uint64_t head[2]; /* first bytes of the text, zeros behind its end */
	uint32_t shape;   /* class in the low 8 bits, then 24 bits of length; 0: free */
	uint32_t term;
	uint32_t doc; /* that last had it */
	uint32_t at;  /* its posting, counted from the start of that document's */
};
struct posting {
	uint32_t term, tf;
};
struct term {
	uint64_t text; /* where its key starts in texts */
	uint32_t len;  /* of the key */
	uint32_t df;
};
struct doc_row {
	uint64_t start; /* its first posting */
	uint32_t doc;
};

struct invert {
	struct slot *slots; /* owned; a power of two of them, at most half in use */
	uint32_t mask;
	struct buf texts, terms, postings, docs; /* arrays of char, struct term, posting, doc_row */
	uint64_t doc_start;
	uint32_t doc, words, length;
	int failed; /* sticks */
	/* After invert_finish. */
	uint32_t *order;    /* owned; term numbers by key */
	uint64_t *starts;   /* owned; of each term's postings below, by term number */
	uint32_t *all_docs; /* owned */
	uint32_t *all_tfs;  /* owned */
	uint64_t ordered;
};

static inline struct term *terms_of(const struct invert *v)
{
	return (struct term *)v->terms.data;
}

static inline uint64_t term_total(const struct invert *v)
{
	return v->terms.len / sizeof(struct term);
}

struct invert *invert_new(void)
{
	struct invert *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->slots = calloc(SLOTS_MIN, sizeof(*v->slots));
	v->mask = SLOTS_MIN - 1;
	v->doc = NO_DOC;
	if (!v->slots) {
		free(v);
		return NULL;
	}
	return v;
}

void invert_free(struct invert *v)
{
	if (!v)
		return;
	free(v->slots);
	buf_release(&v->texts);
	buf_release(&v->terms);
	buf_release(&v->postings);
	buf_release(&v->docs);
	free(v->order);
	free(v->starts);
	free(v->all_docs);
	free(v->all_tfs);
	free(v);
}

void invert_begin(struct invert *v, uint32_t doc)
{
	v->doc = doc;
	v->doc_start = v->postings.len / sizeof(struct posting);
	v->words = 0;
}

/* Loads up to 16 bytes with zeros behind; may look at, but never uses, bytes behind the text. */
static inline void head_load(const char *text, size_t len, uint64_t head[2])
{
	memcpy(head, text, INLINE_KEY);
	if (len >= INLINE_KEY)
		return;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	if (len < 8) {
		head[0] &= (UINT64_C(1) << len * 8) - 1;
		head[1] = 0;
	} else {
		head[1] &= (UINT64_C(1) << (len - 8) * 8) - 1;
	}
#else
	memset((char *)head + len, 0, INLINE_KEY - len);
#endif
}

static inline uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline uint64_t term_hash(const char *text, size_t len, const uint64_t head[2], uint32_t shape)
{
	uint64_t h =
		mix(head[0] ^ UINT64_C(0xa0761d6478bd642f) ^ shape, head[1] ^ UINT64_C(0xe7037ed1a0b428db));

	for (size_t i = INLINE_KEY; i < len; i += 8) {
		uint64_t v = 0;

		memcpy(&v, text + i, len - i < 8 ? len - i : 8);
		h = mix(h ^ v, UINT64_C(0x8ebc6af09c88c6e3));
	}
	return h;
}

static bool slots_grow(struct invert *v)
{
	uint32_t mask = v->mask * 2 + 1;
	struct slot *slots = mask < UINT32_MAX ? calloc((size_t)mask + 1, sizeof(*slots)) : NULL;

	if (!slots)
		return false;
	for (uint64_t i = 0; i <= v->mask; i++) {
		const struct slot *s = &v->slots[i];
		const struct term *t = &terms_of(v)[s->term];
		uint32_t at;

		if (!s->shape)
			continue;
		at = (uint32_t)term_hash(v->texts.data + t->text + 1, t->len - 1, s->head, s->shape) & mask;
		while (slots[at].shape)
			at = (at + 1) & mask;
		slots[at] = *s;
	}
	free(v->slots);
	v->slots = slots;
	v->mask = mask;
	return true;
}

/* Makes the free slot the term's. */
static bool term_new(struct invert *v, struct slot *s, char cls, const char *text, size_t len)
{
	uint64_t number = term_total(v);
	struct term t = {.text = v->texts.len, .len = (uint32_t)len + 1};

	if (number >= UINT32_MAX) {
		v->failed = -EOVERFLOW;
		return false;
	}
	buf_add_byte(&v->texts, cls);
	buf_add(&v->texts, text, len);
	buf_add(&v->terms, &t, sizeof(t));
	if (v->texts.failed || v->terms.failed) {
		v->failed = -ENOMEM;
		return false;
	}
	s->term = (uint32_t)number;
	s->doc = NO_DOC;
	return true;
}

static struct slot *slot_find(struct invert *v, char cls, const char *text, size_t len)
{
	uint32_t shape = (uint32_t)len << 8 | (uint8_t)cls;
	uint64_t head[2];
	uint32_t at;

	head_load(text, len, head);
	at = (uint32_t)term_hash(text, len, head, shape) & v->mask;
	for (;; at = (at + 1) & v->mask) {
		struct slot *s = &v->slots[at];

		if (!s->shape) {
			memcpy(s->head, head, sizeof(head));
			if (!term_new(v, s, cls, text, len))
				return NULL;
			s->shape = shape;
			return s;
		}
		if (s->shape != shape || s->head[0] != head[0] || s->head[1] != head[1])
			continue;
		if (len <= INLINE_KEY || !memcmp(v->texts.data + terms_of(v)[s->term].text + 1 + INLINE_KEY,
						 text + INLINE_KEY, len - INLINE_KEY))
			return s;
	}
}

void invert_add(struct invert *v, char cls, const char *text, size_t len)
{
	struct slot *s = v->failed ? NULL : slot_find(v, cls, text, len);
	struct posting *p;

	if (!s)
		return;
	v->words += cls == 'w';
	if (s->doc == v->doc) {
		p = (struct posting *)v->postings.data + v->doc_start + s->at;
		p->tf++;
		return;
	}
	p = (struct posting *)buf_reserve(&v->postings, sizeof(*p));
	if (!p) {
		v->failed = -ENOMEM;
		return;
	}
	*p = (struct posting){s->term, 1};
	s->doc = v->doc;
	s->at = (uint32_t)(v->postings.len / sizeof(*p) - v->doc_start);
	v->postings.len += sizeof(*p);
	if (term_total(v) > v->mask / 2 && !slots_grow(v))
		v->failed = -ENOMEM;
}

void invert_end(struct invert *v)
{
	const struct posting *p = (const struct posting *)v->postings.data;
	struct doc_row row = {.start = v->doc_start, .doc = v->doc};
	uint64_t end = v->postings.len / sizeof(*p);

	buf_add(&v->docs, &row, sizeof(row));
	for (uint64_t i = v->doc_start; i < end; i++)
		terms_of(v)[p[i].term].df++;
	v->length = v->words;
	v->doc = NO_DOC;
}

void invert_abandon(struct invert *v)
{
	v->postings.len = v->doc_start * sizeof(struct posting);
	v->length = 0;
	v->doc = NO_DOC;
}

uint32_t invert_length(const struct invert *v)
{
	return v->length;
}

/* Orders the terms that have postings; abandoned documents may leave some without. */
static int terms_order(struct invert *v)
{
	uint64_t n = term_total(v);
	struct slice *keys = calloc(n + 1, sizeof(*keys));
	uint32_t *order = malloc((n + 1) * sizeof(*order));
	int r = -ENOMEM;

	if (keys && order) {
		for (uint64_t i = 0; i < n; i++)
			keys[i] = slice_of(v->texts.data + terms_of(v)[i].text, terms_of(v)[i].len);
		r = strsort(keys, (uint32_t)n, order);
	}
	free(keys);
	v->order = order;
	for (uint64_t i = 0; r == 0 && i < n; i++)
		if (terms_of(v)[order[i]].df)
			order[v->ordered++] = order[i];
	return r;
}

/* Moves each posting to where its term's lie; starts[] ends up at their ends and is put back. */
static void scatter(struct invert *v)
{
	const struct posting *p = (const struct posting *)v->postings.data;
	const struct doc_row *rows = (const struct doc_row *)v->docs.data;
	uint64_t docs = v->docs.len / sizeof(*rows), end, n = term_total(v);

	for (uint64_t d = 0; d < docs; d++) {
		end = d + 1 < docs ? rows[d + 1].start : v->postings.len / sizeof(*p);
		for (uint64_t i = rows[d].start; i < end; i++) {
			uint64_t to = v->starts[p[i].term]++;

			v->all_docs[to] = rows[d].doc;
			v->all_tfs[to] = p[i].tf;
		}
	}
	for (uint64_t t = 0; t < n; t++)
		v->starts[t] -= terms_of(v)[t].df;
}

int invert_finish(struct invert *v, struct err *err)
{
	uint64_t n = term_total(v), count = invert_postings(v), at = 0;

	if (!v->failed && v->docs.failed)
		v->failed = -ENOMEM;
	if (!v->failed)
		v->failed = terms_order(v);
	v->starts = calloc(n + 1, sizeof(*v->starts));
	v->all_docs = malloc((count + 1) * sizeof(*v->all_docs));
	v->all_tfs = malloc((count + 1) * sizeof(*v->all_tfs));
	if (!v->failed && (!v->starts || !v->all_docs || !v->all_tfs))
		v->failed = -ENOMEM;
	if (v->failed)
		return err_sys(err, v->failed, "postings of %llu terms", (unsigned long long)n);
	for (uint64_t i = 0; i < v->ordered; i++) {
		v->starts[v->order[i]] = at;
		at += terms_of(v)[v->order[i]].df;
	}
	scatter(v);
	return 0;
}

uint64_t invert_count(const struct invert *v)
{
	return v->ordered;
}

uint64_t invert_postings(const struct invert *v)
{
	return v->postings.len / sizeof(struct posting);
}

struct inverted_term invert_term(const struct invert *v, uint64_t i)
{
	const struct term *t = &terms_of(v)[v->order[i]];
	uint64_t at = v->starts[v->order[i]];

	return (struct inverted_term){.key = slice_of(v->texts.data + t->text, t->len),
		.docs = v->all_docs + at,
		.tfs = v->all_tfs + at,
		.df = t->df};
}
