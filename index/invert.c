/* SPDX-License-Identifier: Apache-2.0 */
/* Terms are found in an open hash table whose slots hold texts up to 16 bytes, so that most look-ups touch one
 * cache line and no string. That line is seldom in the processor's cache, so occurrences wait in a batch while
 * their slots are fetched; within a document their order does not matter. Postings of the documents that ended
 * lie in one flat list of terms and one of frequencies in a byte each, and are scattered by term at the end, which
 * costs less than a growing array a term. */
#include "invert.h"

#include <pthread.h>
#include <sys/random.h>

#include "bigmem.h"
#include "record.h"
#include "strsort.h"

#define INLINE_KEY 16
#define WAITING_KEY 80 /* a multiple of INLINE_KEY; longer texts do not wait */
#define SLOTS_MIN (1u << 12)
#define NO_DOC UINT32_MAX
#define BATCH 32                             /* occurrences that wait for their slots */
#define SCATTER_AHEAD 16                     /* postings whose places are fetched before they are moved */
#define TF_LARGE 255                         /* stands for all from itself on */
#define RARE __attribute__((noinline, cold)) /* kept out of the way of what runs for each word */
#define TERMS_AHEAD 8                        /* terms whose texts are fetched before they are asked for */

struct slot {
	uint64_t head
		[2]; /* the text with zeros behind; of a longer one its hash and where it starts in texts */
	uint32_t shape; /* class in the low 8 bits, then 24 bits of length; 0: free */
	uint32_t term;
	uint32_t doc; /* that last had it */
	uint32_t at;  /* its posting among that document's */
};
struct posting {
	uint32_t term, tf;
};
/* An occurrence of a term; `head` is as in a slot, but for where the text starts. */
struct waiting {
	uint64_t head[2];
	uint32_t shape, hash;
};
struct term {
	uint64_t text; /* where its key starts in texts */
	uint64_t len;  /* of the key */
};
struct doc_row {
	uint64_t start; /* its first posting */
	uint32_t doc;
};
/* A term with postings, in key order, so that going through them is no leaping about. */
struct ordered_term {
	uint64_t text, at; /* its key in texts; its first posting in `all` */
	uint32_t len, df;
};

struct invert {
	struct bigmem slots; /* a power of two of them, at most half in use */
	uint32_t mask;
	struct buf texts, terms, docs; /* arrays of char, struct term, doc_row */
	struct posting *open;          /* owned; of the current document */
	uint32_t open_count, open_cap;
	uint32_t internal; /* how many of them, the first ones, are of internal terms */
	struct bigmem terms_of_postings, tfs_of_postings; /* arrays of uint32_t, uint8_t: of all before */
	struct buf
		large_tfs; /* array of uint32_t: frequencies from TF_LARGE on, in the order of the postings */
	uint64_t posting_count;
	uint32_t doc, words, length;
	int failed; /* sticks */
	struct waiting batch[BATCH];
	char batch_texts[BATCH][WAITING_KEY]; /* of those longer than INLINE_KEY */
	unsigned batch_count;
	bool batch_long; /* there are such */
	/* After invert_finish. */
	uint64_t *places;  /* owned; by term number: its df, then where its next posting goes */
	struct bigmem all; /* documents of all postings by term, then their frequencies */
	uint32_t *all_docs, *all_tfs;
	struct ordered_term *ordered; /* owned */
	uint64_t ordered_count;
};

static inline struct term *terms_of(const struct invert *v)
{
	return (struct term *)v->terms.data;
}

static inline uint64_t term_total(const struct invert *v)
{
	return v->terms.len / sizeof(struct term);
}

/* Nobody who writes a feed may know which terms fall together. Where terms lie in the table shows nowhere. */
static uint64_t seed;

static void seed_make(void)
{
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = UINT64_C(0xa0761d6478bd642f);
}

struct invert *invert_new(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct invert *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	pthread_once(&once, seed_make);
	v->mask = SLOTS_MIN - 1;
	v->doc = NO_DOC;
	if (!bigmem_renew(&v->slots, SLOTS_MIN * sizeof(struct slot))) {
		free(v);
		return NULL;
	}
	return v;
}

void invert_free(struct invert *v)
{
	if (!v)
		return;
	bigmem_release(&v->slots);
	buf_release(&v->texts);
	buf_release(&v->terms);
	free(v->open);
	bigmem_release(&v->terms_of_postings);
	bigmem_release(&v->tfs_of_postings);
	buf_release(&v->large_tfs);
	buf_release(&v->docs);
	free(v->places);
	free(v->ordered);
	bigmem_release(&v->all);
	free(v);
}

void invert_begin(struct invert *v, uint32_t doc)
{
	v->doc = doc;
	v->open_count = v->internal = 0;
	v->words = 0;
}

/* Loads up to 16 bytes with zeros behind; may look at, but never uses, bytes behind the text. The mask is cut from a
 * run of ones and zeros, since a branch on the length could not be foreseen. */
static inline void head_load(const char *text, size_t len, uint64_t head[2])
{
	static const uint8_t ones[2 * INLINE_KEY] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
		0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
	uint64_t mask[2];

	memcpy(head, text, INLINE_KEY);
	memcpy(mask, ones + INLINE_KEY - len, INLINE_KEY);
	head[0] &= mask[0];
	head[1] &= mask[1];
}

static inline uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline uint64_t short_hash(const uint64_t head[2], uint32_t shape)
{
	return mix(head[0] ^ seed ^ shape, head[1] ^ UINT64_C(0xe7037ed1a0b428db));
}

/* Of a text longer than INLINE_KEY; the last 16 bytes may count twice. */
static uint64_t long_hash(const char *text, size_t len, uint32_t shape)
{
	uint64_t h = seed ^ shape, v[2];

	for (size_t i = 0; i + INLINE_KEY < len; i += INLINE_KEY) {
		memcpy(v, text + i, INLINE_KEY);
		h = mix(v[0] ^ h, v[1] ^ UINT64_C(0xe7037ed1a0b428db));
	}
	memcpy(v, text + len - INLINE_KEY, INLINE_KEY);
	return mix(v[0] ^ h, v[1] ^ UINT64_C(0x8ebc6af09c88c6e3));
}

static inline uint64_t slot_hash(const struct slot *s)
{
	return s->shape >> 8 > INLINE_KEY ? s->head[0] : short_hash(s->head, s->shape);
}

static RARE bool slots_grow(struct invert *v)
{
	uint32_t mask = v->mask * 2 + 1;
	const struct slot *old = v->slots.data;
	struct bigmem fresh = {0};
	struct slot *slots;

	if (mask == UINT32_MAX || !bigmem_renew(&fresh, ((size_t)mask + 1) * sizeof(*slots)))
		return false;
	slots = fresh.data;
	for (uint64_t i = 0; i <= v->mask; i++) {
		const struct slot *s = &old[i];
		uint32_t at;

		if (!s->shape)
			continue;
		at = (uint32_t)slot_hash(s) & mask;
		while (slots[at].shape)
			at = (at + 1) & mask;
		slots[at] = *s;
	}
	bigmem_release(&v->slots);
	v->slots = fresh;
	v->mask = mask;
	return true;
}

/* Makes the free slot the term's. */
static bool term_new(struct invert *v, struct slot *s, char cls, const char *text, size_t len)
{
	uint64_t number = term_total(v);
	struct term t = {.text = v->texts.len, .len = len + 1};

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

/* Fills a free slot. */
static RARE struct slot *slot_take(
	struct invert *v, struct slot *s, const uint64_t head[2], uint32_t shape, const char *text)
{
	size_t len = shape >> 8;

	if (!term_new(v, s, (char)(shape & 0xFF), text, len))
		return NULL;
	s->shape = shape;
	s->head[0] = head[0];
	s->head[1] = len > INLINE_KEY ? terms_of(v)[s->term].text + 1 : head[1];
	return s;
}

static struct slot *find_short(struct invert *v, const struct waiting *w)
{
	struct slot *slots = v->slots.data;
	uint32_t at = w->hash & v->mask;

	for (;; at = (at + 1) & v->mask) {
		struct slot *s = &slots[at];

		if (s->head[0] == w->head[0] && s->head[1] == w->head[1] && s->shape == w->shape)
			return s;
		if (!s->shape)
			return slot_take(v, s, w->head, w->shape, (const char *)w->head);
	}
}

static RARE bool open_grow(struct invert *v)
{
	uint32_t cap = v->open_cap ? v->open_cap * 2 : 1024;
	struct posting *grown = cap > v->open_cap ? realloc(v->open, cap * sizeof(*grown)) : NULL;

	if (!grown)
		return false;
	v->open = grown;
	v->open_cap = cap;
	return true;
}

/* Makes room for a batch: of postings, one more than they are, and of terms. */
static inline bool batch_room(struct invert *v)
{
	if (v->open_cap - v->open_count <= BATCH && !open_grow(v))
		v->failed = -ENOMEM;
	else if (term_total(v) > v->mask / 2 - BATCH && !slots_grow(v))
		v->failed = -ENOMEM;
	return !v->failed;
}

/* Counts an occurrence of the slot's term in the current document; of no slot, nothing. Whether it is the first there
 * is nothing that the processor could foresee, so there is no branch on it. */
static inline void slot_count(struct invert *v, struct slot *s)
{
	uint32_t end = v->open_count, at, again;

	if (!s)
		return;
	again = s->doc == v->doc;
	at = end ^ ((end ^ s->at) & -again);
	v->open[end] = (struct posting){s->term, 0};
	v->open[at].tf++;
	v->open_count = end + !again;
	s->doc = v->doc;
	s->at = at;
}

static struct slot *find_long(struct invert *v, uint64_t hash, uint32_t shape, const char *text)
{
	struct slot *slots = v->slots.data;
	uint32_t at = (uint32_t)hash & v->mask;

	for (;; at = (at + 1) & v->mask) {
		struct slot *s = &slots[at];

		if (!s->shape)
			return slot_take(v, s, (uint64_t[2]){hash}, shape, text);
		if (s->head[0] == hash && s->shape == shape &&
			!memcmp(v->texts.data + s->head[1], text, shape >> 8))
			return s;
	}
}

static inline bool is_long(const struct waiting *w)
{
	return w->shape >> 8 > INLINE_KEY;
}

/* Has the processor fetch the texts that long ones will be compared with. */
static void texts_prefetch(const struct invert *v)
{
	const struct slot *slots = v->slots.data;

	for (unsigned i = 0; i < v->batch_count; i++) {
		const struct slot *s = &slots[v->batch[i].hash & v->mask];

		if (is_long(&v->batch[i]) && s->head[0] == v->batch[i].head[0])
			__builtin_prefetch(v->texts.data + s->head[1]);
	}
}

static __attribute__((noinline)) void batch_flush(struct invert *v)
{
	unsigned count = batch_room(v) ? v->batch_count : 0;

	if (v->batch_long)
		texts_prefetch(v);
	for (unsigned i = 0; i < count; i++) {
		const struct waiting *w = &v->batch[i];

		slot_count(v, is_long(w) ? find_long(v, w->head[0], w->shape, v->batch_texts[i])
					 : find_short(v, w));
	}
	v->batch_count = 0;
	v->batch_long = false;
}

/* Copies whole steps: both sides have that many bytes. */
static inline void text_copy(char *to, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i += INLINE_KEY)
		memcpy(to + i, text + i, INLINE_KEY);
}

void invert_add(struct invert *v, char cls, const char *text, size_t len)
{
	uint32_t shape = (uint32_t)len << 8 | (uint8_t)cls;
	struct waiting *w = &v->batch[v->batch_count];

	if (v->failed)
		return;
	v->words += cls == 'w';
	v->internal += term_class_is_internal(cls);
	if (len > WAITING_KEY) {
		if (batch_room(v))
			slot_count(v, find_long(v, long_hash(text, len, shape), shape, text));
		return;
	}
	w->shape = shape;
	if (len <= INLINE_KEY) {
		head_load(text, len, w->head);
		w->hash = (uint32_t)short_hash(w->head, shape);
	} else {
		text_copy(v->batch_texts[v->batch_count], text, len);
		w->head[0] = long_hash(text, len, shape);
		w->hash = (uint32_t)w->head[0];
		v->batch_long = true;
	}
	__builtin_prefetch((struct slot *)v->slots.data + (w->hash & v->mask), 1);
	if (++v->batch_count == BATCH)
		batch_flush(v);
}

static bool postings_reserve(struct invert *v, uint64_t count)
{
	uint64_t tfs = v->tfs_of_postings.size;

	if (count <= tfs && count <= v->terms_of_postings.size / sizeof(uint32_t))
		return true;
	return bigmem_grow(&v->terms_of_postings, count * 2 * sizeof(uint32_t)) &&
	       bigmem_grow(&v->tfs_of_postings, count * 2);
}

/* Moves the current document's postings behind those of the documents before. */
static void postings_keep(struct invert *v)
{
	uint32_t *terms, n = v->open_count;
	uint8_t *tfs;

	if (v->failed || !postings_reserve(v, v->posting_count + n)) {
		v->failed = v->failed ? v->failed : -ENOMEM;
		return;
	}
	terms = (uint32_t *)v->terms_of_postings.data + v->posting_count;
	tfs = (uint8_t *)v->tfs_of_postings.data + v->posting_count;
	for (uint32_t i = 0; i < n; i++) {
		const struct posting *p = &v->open[i];

		terms[i] = p->term;
		tfs[i] = p->tf < TF_LARGE ? (uint8_t)p->tf : TF_LARGE;
		if (p->tf >= TF_LARGE)
			buf_add(&v->large_tfs, &p->tf, sizeof(p->tf));
	}
	v->posting_count += n;
}

void invert_end(struct invert *v)
{
	struct doc_row row = {.start = v->posting_count, .doc = v->doc};

	batch_flush(v);
	postings_keep(v);
	buf_add(&v->docs, &row, sizeof(row));
	v->length = v->words;
	v->doc = NO_DOC;
}

void invert_hide(struct invert *v)
{
	batch_flush(v);
	if (v->open_count > v->internal)
		v->open_count = v->internal;
	v->words = 0;
	invert_end(v);
}

void invert_abandon(struct invert *v)
{
	v->batch_count = 0;
	v->length = 0;
	v->doc = NO_DOC;
}

uint32_t invert_length(const struct invert *v)
{
	return v->length;
}

static int arrays_alloc(struct invert *v)
{
	uint64_t n = term_total(v);

	v->places = calloc(n + 1, sizeof(*v->places));
	v->ordered = malloc((n + 1) * sizeof(*v->ordered));
	if (!v->places || !v->ordered || !bigmem_grow(&v->all, (v->posting_count + 1) * 2 * sizeof(uint32_t)))
		return -ENOMEM;
	v->all_docs = v->all.data;
	v->all_tfs = v->all_docs + v->posting_count;
	return 0;
}

static void count_df(struct invert *v)
{
	const uint32_t *terms = v->terms_of_postings.data;
	uint64_t *df = v->places;

	for (uint64_t i = 0; i < v->posting_count; i++)
		df[terms[i]]++;
}

/* Lays out the terms' postings; abandoned documents may leave terms without. */
static void terms_place(struct invert *v, const uint32_t *order)
{
	uint64_t n = term_total(v), at = 0;

	for (uint64_t i = 0; i < n; i++) {
		const struct term *t = &terms_of(v)[order[i]];
		uint64_t *place = &v->places[order[i]], df = *place;

		*place = at;
		if (df)
			v->ordered[v->ordered_count++] = (struct ordered_term){
				.text = t->text, .at = at, .len = (uint32_t)t->len, .df = (uint32_t)df};
		at += df;
	}
}

static int terms_order(struct invert *v)
{
	uint64_t n = term_total(v);
	struct slice *keys = malloc((n + 1) * sizeof(*keys));
	uint32_t *order = malloc((n + 1) * sizeof(*order));
	int r = -ENOMEM;

	if (keys && order) {
		for (uint64_t i = 0; i < n; i++)
			keys[i] = slice_of(v->texts.data + terms_of(v)[i].text, terms_of(v)[i].len);
		r = strsort(keys, (uint32_t)n, order);
	}
	if (r == 0)
		terms_place(v, order);
	free(keys);
	free(order);
	return r;
}

/* Has the processor fetch where the posting's term's next one goes. */
static inline void place_prefetch(const struct invert *v, uint64_t posting)
{
	uint64_t to = v->places[((const uint32_t *)v->terms_of_postings.data)[posting]];

	__builtin_prefetch(&v->all_docs[to], 1);
	__builtin_prefetch(&v->all_tfs[to], 1);
}

/* Moves each posting to where its term's lie. */
static void scatter(struct invert *v)
{
	const uint32_t *terms = v->terms_of_postings.data, *large = (const uint32_t *)v->large_tfs.data;
	const uint8_t *tfs = v->tfs_of_postings.data;
	const struct doc_row *rows = (const struct doc_row *)v->docs.data;
	uint64_t docs = v->docs.len / sizeof(*rows), end;

	for (uint64_t d = 0; d < docs; d++) {
		end = d + 1 < docs ? rows[d + 1].start : v->posting_count;
		for (uint64_t i = rows[d].start; i < end; i++) {
			uint64_t to = v->places[terms[i]]++;

			if (i + SCATTER_AHEAD < v->posting_count)
				place_prefetch(v, i + SCATTER_AHEAD);
			v->all_docs[to] = rows[d].doc;
			v->all_tfs[to] = tfs[i] < TF_LARGE ? tfs[i] : *large++;
		}
	}
}

int invert_finish(struct invert *v, struct err *err)
{
	if (!v->failed && (v->docs.failed || v->large_tfs.failed))
		v->failed = -ENOMEM;
	if (!v->failed)
		v->failed = arrays_alloc(v);
	if (!v->failed) {
		count_df(v);
		v->failed = terms_order(v);
	}
	if (v->failed)
		return err_sys(err, v->failed, "postings of %llu terms", (unsigned long long)term_total(v));
	scatter(v);
	return 0;
}

uint64_t invert_count(const struct invert *v)
{
	return v->ordered_count;
}

uint64_t invert_postings(const struct invert *v)
{
	return v->posting_count;
}

struct inverted_term invert_term(const struct invert *v, uint64_t i)
{
	const struct ordered_term *t = &v->ordered[i];

	if (i + TERMS_AHEAD < v->ordered_count)
		__builtin_prefetch(v->texts.data + t[TERMS_AHEAD].text);
	return (struct inverted_term){.key = slice_of(v->texts.data + t->text, t->len),
		.docs = v->all_docs + t->at,
		.tfs = v->all_tfs + t->at,
		.df = t->df};
}
