/* SPDX-License-Identifier: Apache-2.0 */
/* One object being read. Its version was fixed when it was opened, by ETag, and every request asks for that version. Whoever reads on from where he
 * was has the next ranges fetched meanwhile, several at once. And where the ETag is the MD5 of the bytes, as of an object that was
 * put whole, what was read from start to end is compared with it: nothing else tells that bytes were changed on their way. */
#include <openssl/evp.h>
#include <pthread.h>

#include "digest.h"
#include "store_s3.h"

#define THREADS 8
#define RANGE ((size_t)4 << 20) /* bytes that are fetched at once ahead of a reader */
#define RANGES 4                /* of one file */
#define MD5_BYTES 16

enum range_state { RANGE_FREE, RANGE_QUEUED, RANGE_BUSY, RANGE_READY, RANGE_FAILED };
struct range {
	struct s3_file *file;
	struct range *next; /* in the queue */
	enum range_state state;
	uint64_t offset;
	size_t len;
	char *data; /* owned; NULL until it is first used */
	int code;   /* why it failed */
	struct err err;
};

struct s3_fetchers {
	pthread_mutex_t lock; /* protects all below, and the ranges of every file */
	pthread_cond_t work, done;
	struct range *first, **last; /* the queue */
	pthread_t threads[THREADS];
	unsigned thread_count, idle;
	bool ending;
};

struct s3_file {
	struct store_file base;
	struct s3_store *st;
	char *key; /* owned */
	struct store_stat at_open;
	char etag[S3_ETAG_MAX];
	atomic_bool stop; /* it is being closed */
	/* The reader's: one thread's at a time */
	uint64_t at; /* where the last read ended */
	bool ahead;  /* ranges are in use */
	struct range ranges[RANGES];
	EVP_MD_CTX *md5; /* owned; of what was read from the start; NULL: not to be compared */
	uint64_t summed;
	bool opaque; /* an answer said that the ETag is no MD5 */
	bool seen;   /* since the last look at it, an answer was of this version: so it is, or was just now */
};

static struct s3_file *file_of(struct store_file *f)
{
	return (struct s3_file *)f;
}

static int get(struct s3_file *f, uint64_t offset, void *to, size_t len, bool *opaque, struct err *err)
{
	struct s3_range range = {f->etag, offset, f->at_open.size, to, len};
	int r = s3_get(f->st->s3, f->key, &range, &f->stop, opaque, err);

	return r == -ENOENT ? err_set(err, -ESTALE, "the object was removed") : r;
}

/* ---- fetching ahead ---- */

int s3_fetchers_new(struct s3_fetchers **out)
{
	struct s3_fetchers *p = calloc(1, sizeof(*p));

	*out = p;
	if (!p)
		return -ENOMEM;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->done, NULL);
	p->last = &p->first;
	return 0;
}

void s3_fetchers_free(struct s3_fetchers *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->ending = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->thread_count; i++)
		pthread_join(p->threads[i], NULL);
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->done);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static struct range *queue_take(struct s3_fetchers *p)
{
	struct range *g = p->first;

	p->first = g->next;
	if (!p->first)
		p->last = &p->first;
	g->state = RANGE_BUSY;
	return g;
}

/* Without the lock. */
static void fetch(struct range *g)
{
	g->err = ERR_INIT;
	if (!g->data)
		g->data = malloc(RANGE);
	g->code = g->data ? get(g->file, g->offset, g->data, g->len, NULL, &g->err)
			  : err_set(&g->err, -ENOMEM, "out of memory");
}

static void *run(void *arg)
{
	struct s3_fetchers *p = arg;

	pthread_mutex_lock(&p->lock);
	while (!p->ending) {
		struct range *g;

		if (!p->first) {
			p->idle++;
			pthread_cond_wait(&p->work, &p->lock);
			p->idle--;
			continue;
		}
		g = queue_take(p);
		pthread_mutex_unlock(&p->lock);
		fetch(g);
		pthread_mutex_lock(&p->lock);
		g->state = g->code < 0 ? RANGE_FAILED : RANGE_READY;
		pthread_cond_broadcast(&p->done);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* With the lock. Another thread, where all are at work and there may be more. Returns whether there is any. */
static bool wake(struct s3_fetchers *p)
{
	if (!p->idle && p->thread_count < THREADS &&
		pthread_create(&p->threads[p->thread_count], NULL, run, p) == 0)
		p->thread_count++;
	pthread_cond_signal(&p->work);
	return p->thread_count > 0;
}

static struct range *range_at(struct s3_file *f, uint64_t offset)
{
	for (unsigned i = 0; i < RANGES; i++) {
		struct range *g = &f->ranges[i];

		if (g->state != RANGE_FREE && offset >= g->offset && offset - g->offset < g->len)
			return g;
	}
	return NULL;
}

/* With the lock: queues every range from `offset` on that there is room for, and that is not on its way. */
static void queue_ranges(struct s3_file *f, uint64_t offset)
{
	struct s3_fetchers *p = f->st->fetchers;
	uint64_t size = f->at_open.size;

	for (unsigned i = 0; i < RANGES && offset < size; i++) {
		struct range *g = range_at(f, offset);

		if (g) {
			offset = g->offset + g->len;
			continue;
		}
		for (g = f->ranges; g < f->ranges + RANGES && g->state != RANGE_FREE;)
			g++;
		if (g == f->ranges + RANGES || !wake(p))
			return;
		g->file = f;
		g->offset = offset;
		g->len = size - offset < RANGE ? (size_t)(size - offset) : RANGE;
		g->state = RANGE_QUEUED;
		g->next = NULL;
		*p->last = g;
		p->last = &g->next;
		offset += g->len;
	}
}

/* Nothing of the file is in the queue or under way any more. */
static void ranges_drop(struct s3_file *f)
{
	struct s3_fetchers *p = f->st->fetchers;

	pthread_mutex_lock(&p->lock);
	for (struct range **at = &p->first; *at;) {
		if ((*at)->file != f) {
			at = &(*at)->next;
			continue;
		}
		(*at)->state = RANGE_FREE;
		*at = (*at)->next;
	}
	for (p->last = &p->first; *p->last;)
		p->last = &(*p->last)->next;
	for (unsigned i = 0; i < RANGES; i++)
		while (f->ranges[i].state == RANGE_BUSY)
			pthread_cond_wait(&p->done, &p->lock);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < RANGES; i++)
		f->ranges[i].state = RANGE_FREE;
}

/* What a range has of it, once that is there. Returns the number of bytes or -errno; 0: nobody fetches ahead. */
static int64_t read_ahead(struct s3_file *f, uint64_t offset, void *to, size_t len, struct err *err)
{
	struct s3_fetchers *p = f->st->fetchers;
	struct range *g;
	int64_t n = 0;

	pthread_mutex_lock(&p->lock);
	queue_ranges(f, offset);
	g = range_at(f, offset);
	while (g && (g->state == RANGE_QUEUED || g->state == RANGE_BUSY))
		pthread_cond_wait(&p->done, &p->lock);
	pthread_mutex_unlock(&p->lock);
	if (!g)
		return 0;
	if (g->state == RANGE_FAILED) {
		g->state = RANGE_FREE; /* whoever reads again has it tried again */
		return err_set(err, g->code, "%s", g->err.message);
	}
	n = (int64_t)(g->offset + g->len - offset);
	if ((uint64_t)n > len)
		n = (int64_t)len;
	memcpy(to, g->data + (offset - g->offset), (size_t)n);
	if (offset + (uint64_t)n == g->offset + g->len)
		g->state = RANGE_FREE;
	return n;
}

/* ---- comparing with the ETag ---- */

static bool is_md5(const char *etag)
{
	uint8_t raw[MD5_BYTES];

	return hex_parse(slice_str(etag), raw, sizeof(raw));
}

static void sum_begin(struct s3_file *f)
{
	if (!is_md5(f->etag))
		return;
	f->md5 = EVP_MD_CTX_new();
	if (f->md5 && EVP_DigestInit_ex(f->md5, EVP_md5(), NULL) != 1) {
		EVP_MD_CTX_free(f->md5);
		f->md5 = NULL;
	}
}

static void sum_text(EVP_MD_CTX *md5, char hex[2 * MD5_BYTES + 1])
{
	uint8_t raw[MD5_BYTES] = {0};

	EVP_DigestFinal_ex(md5, raw, NULL);
	hex_text(raw, MD5_BYTES, hex);
}

/* Reads it once more, whole: that gives the same bytes again where it is the ETag that is no MD5, as of objects that the store encrypts. */
static int sum_again(struct s3_file *f, const char *first, struct err *err)
{
	EVP_MD_CTX *md5 = EVP_MD_CTX_new();
	char *chunk = malloc(RANGE), again[2 * MD5_BYTES + 1] = "";
	int r = md5 && chunk && EVP_DigestInit_ex(md5, EVP_md5(), NULL) == 1
			? 0
			: err_set(err, -ENOMEM, "out of memory");

	for (uint64_t at = 0; r == 0 && at < f->at_open.size;) {
		uint64_t left = f->at_open.size - at;
		size_t n = left < RANGE ? (size_t)left : RANGE;

		r = get(f, at, chunk, n, NULL, err);
		if (r == 0 && EVP_DigestUpdate(md5, chunk, n) != 1)
			r = err_set(err, -EIO, "libcrypto refuses MD5");
		at += n;
	}
	if (r == 0) {
		sum_text(md5, again);
		if (strcmp(first, again) != 0)
			r = err_set(err, -EIO,
				"what was read has the MD5 %s, then %s, and should have %s: bytes were changed on their way",
				first, again, f->etag);
	}
	EVP_MD_CTX_free(md5);
	free(chunk);
	return r;
}

/* Takes what was read into account; at the end of the object, compares. */
static int sum_add(struct s3_file *f, uint64_t offset, const void *data, size_t len, struct err *err)
{
	char hex[2 * MD5_BYTES + 1];

	if (!f->md5 || offset != f->summed || f->opaque)
		return 0;
	if (EVP_DigestUpdate(f->md5, data, len) != 1)
		return 0;
	f->summed += len;
	if (f->summed < f->at_open.size)
		return 0;
	sum_text(f->md5, hex);
	EVP_MD_CTX_free(f->md5);
	f->md5 = NULL;
	return strcmp(hex, f->etag) == 0 ? 0 : sum_again(f, hex, err);
}

/* ---- the file ---- */

int s3_file_open(struct store *s, const char *path, struct store_file **out, struct err *err)
{
	struct s3_file *f = calloc(1, sizeof(*f));
	struct s3_answer a;
	int r;

	if (f)
		f->key = store_s3_key(store_s3_of(s), path);
	if (!f || !f->key) {
		free(f);
		return err_set(err, -ENOMEM, "out of memory");
	}
	f->st = store_s3_of(s);
	r = *path ? s3_head(f->st->s3, f->key, &a, err) : err_set(err, -EISDIR, "is a directory");
	if (r < 0) {
		free(f->key);
		free(f);
		return r;
	}
	s3_stat(&f->at_open, a.size, a.modified, a.etag);
	memcpy(f->etag, a.etag, S3_ETAG_MAX);
	f->opaque = a.etag_is_opaque;
	f->seen = true;
	sum_begin(f);
	*out = &f->base;
	return 0;
}

/* The first read is of what is asked for; who then reads on will go on. */
static int64_t read_some(struct s3_file *f, uint64_t offset, void *to, size_t len, struct err *err)
{
	int64_t n = 0;

	if (offset != f->at && f->ahead) {
		ranges_drop(f);
		f->ahead = false;
	}
	if (offset && offset == f->at)
		f->ahead = true;
	if (f->ahead)
		n = read_ahead(f, offset, to, len, err);
	if (n == 0) {
		int r = get(f, offset, to, len, &f->opaque, err);

		n = r < 0 ? r : (int64_t)len;
	}
	if (n > 0) {
		f->at = offset + (uint64_t)n;
		f->seen = true;
	}
	return n;
}

int64_t s3_file_read(struct store_file *base, uint64_t offset, void *to, size_t len, struct err *err)
{
	struct s3_file *f = file_of(base);
	uint64_t size = f->at_open.size;
	size_t done = 0;

	if (offset >= size)
		return 0;
	if (len > size - offset)
		len = (size_t)(size - offset);
	while (done < len) {
		int64_t n = read_some(f, offset + done, (char *)to + done, len - done, err);

		if (n < 0)
			return n;
		done += (size_t)n;
	}
	if (done) {
		int r = sum_add(f, offset, to, done, err);

		if (r < 0)
			return r;
	}
	return (int64_t)done;
}

int s3_file_stat(struct store_file *base, struct store_stat *out, struct err *err)
{
	struct s3_file *f = file_of(base);
	struct s3_answer a;
	int r;

	*out = f->at_open;
	if (f->seen) {
		f->seen = false;
		return 0;
	}
	r = s3_head(f->st->s3, f->key, &a, err);
	if (r == 0)
		s3_stat(out, a.size, a.modified, a.etag);
	if (r != -ENOENT)
		return r;
	out->ctime++;
	return 0;
}

void s3_file_close(struct store_file *base)
{
	struct s3_file *f = file_of(base);

	atomic_store(&f->stop, true);
	if (f->ahead)
		ranges_drop(f);
	for (unsigned i = 0; i < RANGES; i++)
		free(f->ranges[i].data);
	EVP_MD_CTX_free(f->md5);
	free(f->key);
	free(f);
}
