/* SPDX-License-Identifier: Apache-2.0 */
/* Calls by libs3, which signs them by Signature Version 2; but listings, since libs3 takes one that was cut off for a whole one. Each runs in a request context of its own, since that is how libs3 lets a call be
 * given up; contexts are kept, and with them their connections. */
#include <libs3.h>
#include <pthread.h>
#include <sys/select.h>
#include <unistd.h>

#include "s3_wire.h"
#include "timefmt.h"

#define CONTEXTS_KEPT 16
#define TICK_MS 50

/* libs3 puts a call together with gmtime(), whose result all threads share. */
static pthread_mutex_t gmtime_lock = PTHREAD_MUTEX_INITIALIZER;

struct v2 {
	struct s3_wire base;
	S3BucketContext bucket;
	struct s3_wire *lister; /* owned */
	pthread_mutex_t lock;   /* protects the two below */
	S3RequestContext *idle[CONTEXTS_KEPT];
	unsigned idle_count;
};

/* One call: where what comes goes. */
struct transfer {
	struct s3_answer *answer;
	bool completed;
	S3Status status;
	/* GET */
	char *to;
	size_t want, got;
	/* PUT */
	const struct store_body *body;
	uint64_t sent;
};

static struct v2 *v2_of(struct s3_wire *w)
{
	return (struct v2 *)w;
}

/* ---- contexts ---- */

static S3RequestContext *context_take(struct v2 *v)
{
	S3RequestContext *c = NULL;

	pthread_mutex_lock(&v->lock);
	if (v->idle_count)
		c = v->idle[--v->idle_count];
	pthread_mutex_unlock(&v->lock);
	if (!c && S3_create_request_context(&c) != S3StatusOK)
		return NULL;
	return c;
}

/* One that was left in the middle of a call is of no use any more. */
static void context_give(struct v2 *v, S3RequestContext *c, bool whole)
{
	pthread_mutex_lock(&v->lock);
	if (whole && v->idle_count < CONTEXTS_KEPT) {
		v->idle[v->idle_count++] = c;
		c = NULL;
	}
	pthread_mutex_unlock(&v->lock);
	if (c)
		S3_destroy_request_context(c);
}

/* Waits until something can be done, and not longer than a tick. */
static void wait_a_tick(S3RequestContext *c)
{
	struct timeval tick = {.tv_usec = TICK_MS * 1000};
	int64_t due = S3_get_request_context_timeout(c);
	fd_set in, out, bad;
	int max = -1;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&bad);
	if (due >= 0 && due < TICK_MS)
		tick.tv_usec = (suseconds_t)(due ? due : 1) * 1000;
	if (S3_get_request_context_fdsets(c, &in, &out, &bad, &max) != S3StatusOK || max < 0)
		max = -1;
	select(max + 1, &in, &out, &bad, &tick);
}

/* Runs the one call that was put into the context. */
static void context_run(S3RequestContext *c, const struct s3_call *call, struct transfer *t)
{
	int64_t deadline = time_add(time_monotonic(), call->timeout);
	int left = 1;

	while (!t->completed) {
		if (S3_runonce_request_context(c, &left) != S3StatusOK || t->completed || !left)
			return;
		if (call->stop && atomic_load(call->stop))
			return;
		if (time_monotonic() >= deadline)
			return;
		wait_a_tick(c);
	}
}

/* ---- what comes back ---- */

static S3Status on_properties(const S3ResponseProperties *p, void *ctx)
{
	struct transfer *t = ctx;

	t->answer->size = p->contentLength;
	t->answer->modified = p->lastModified >= 0 ? p->lastModified * TIME_SECOND : TIME_NONE;
	if (p->eTag && !s3_etag_set(t->answer->etag, slice_str(p->eTag)))
		return S3StatusAbortedByCallback;
	return S3StatusOK;
}

static void on_complete(S3Status status, const S3ErrorDetails *details, void *ctx)
{
	struct transfer *t = ctx;

	t->completed = true;
	t->status = status;
	if (details && details->message)
		s3_text_set(t->answer->text, sizeof(t->answer->text), slice_str(details->message));
}

static S3Status on_data(int len, const char *data, void *ctx)
{
	struct transfer *t = ctx;

	if (len < 0 || (size_t)len > t->want - t->got)
		return S3StatusAbortedByCallback;
	memcpy(t->to + t->got, data, (size_t)len);
	t->got += (size_t)len;
	return S3StatusOK;
}

static int on_send(int room, char *to, void *ctx)
{
	struct transfer *t = ctx;
	ssize_t n = store_body_read(t->body, t->sent, to, (size_t)room);

	if (n < 0)
		return -1;
	t->sent += (uint64_t)n;
	return (int)n;
}

/* The names of libs3's states are S3's codes behind "Error" and "HttpError". */
static int status_of(const char *name)
{
	static const struct {
		const char *name;
		int status;
	} known[] = {{"HttpErrorForbidden", 403}, {"HttpErrorNotFound", 404}, {"HttpErrorConflict", 409},
		{"HttpErrorBadRequest", 400}, {"HttpErrorMovedTemporarily", 307}, {"ErrorNoSuchKey", 404},
		{"ErrorNoSuchBucket", 404}, {"ErrorPreconditionFailed", 412}, {"ErrorNotImplemented", 501}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(name, known[i].name))
			return known[i].status;
	/* "ErrorUnknown" and "HttpErrorUnknown" are codes that libs3 has not heard of: 429 and 503 without a body too. */
	return !strncmp(name, "Error", 5) && strcmp(name, "ErrorUnknown") != 0 ? 400 : 0;
}

static void judge(const struct s3_call *call, struct transfer *t)
{
	struct s3_answer *a = t->answer;
	const char *name = S3_get_status_name(t->status);

	if (!t->completed) {
		a->outcome = call->stop && atomic_load(call->stop) ? S3_STOPPED : S3_AGAIN;
		s3_text_set(a->text, sizeof(a->text), slice_str("no answer in time"));
		return;
	}
	if (t->status == S3StatusOK) {
		a->outcome = S3_DONE;
		return;
	}
	a->status = status_of(name);
	/* Its code is one that libs3 does not know, its text that of a server that wants V4. */
	if (!a->status && strstr(a->text, "AWS4-HMAC-SHA256"))
		a->status = 400;
	s3_text_set(a->code, sizeof(a->code), slice_str(!strncmp(name, "Error", 5) ? name + 5 : name));
	a->outcome = s3_outcome_of(a->status, a->code);
}

static void broken(struct s3_answer *a, const char *why)
{
	a->outcome = S3_AGAIN;
	s3_text_set(a->text, sizeof(a->text), slice_str(why));
}

/* ---- calls ---- */

static const S3ResponseHandler plain = {on_properties, on_complete};

/* libs3 sends a blank in a key as "+", which names another object. Returns whether the call was refused for that. */
static bool refuses(const struct s3_call *call, struct s3_answer *a)
{
	*a = (struct s3_answer){.modified = TIME_NONE};
	if (!call->key || !strchr(call->key, ' '))
		return false;
	a->outcome = S3_REFUSED;
	s3_text_set(a->text, sizeof(a->text),
		slice_str("libs3 cannot name a key with a blank in it: set signature = v4 in [s3]"));
	return true;
}

/* Everything but `start`, which puts the call into the context. A call that was left is completed, as interrupted, when its context
 * goes. */
#define CALL(w, c, t, start)                                     \
	do {                                                     \
		S3RequestContext *context;                       \
		if (refuses(c, (t)->answer))                     \
			break;                                   \
		context = context_take(v2_of(w));                \
		if (!context) {                                  \
			broken((t)->answer, "out of memory");    \
			break;                                   \
		}                                                \
		pthread_mutex_lock(&gmtime_lock);                \
		start;                                           \
		pthread_mutex_unlock(&gmtime_lock);              \
		context_run(context, c, t);                      \
		judge(c, t);                                     \
		context_give(v2_of(w), context, (t)->completed); \
	} while (0)

static void v2_list(struct s3_wire *w, const struct s3_call *c, const struct s3_list *l, struct s3_page *page,
	struct s3_answer *a)
{
	struct s3_wire *lister = v2_of(w)->lister;

	lister->ops->list(lister, c, l, page, a);
	if (a->outcome != S3_DONE || !atomic_load(&lister->skew))
		return;
	a->outcome = S3_REFUSED;
	s3_text_set(a->text, sizeof(a->text),
		slice_str(
			"RequestTimeTooSkewed: this host's clock is wrong, and libs3 goes by it; set it, or signature = v4 in [s3]"));
}

static void v2_head(struct s3_wire *w, const struct s3_call *c, struct s3_answer *a)
{
	struct transfer t = {.answer = a};

	CALL(w, c, &t, S3_head_object(&v2_of(w)->bucket, c->key, context, &plain, &t));
	if (a->outcome == S3_DONE && a->modified == TIME_NONE)
		broken(a, "the answer does not say of when it is");
}

static void v2_get(
	struct s3_wire *w, const struct s3_call *c, const struct s3_range *range, struct s3_answer *a)
{
	static const S3GetObjectHandler handler = {{on_properties, on_complete}, on_data};
	struct transfer t = {.answer = a, .to = range->to, .want = range->len};
	S3GetConditions conditions = {-1, -1, NULL, NULL};
	OWNED_BUF match = {0};

	buf_addf(&match, "\"%s\"", range->etag);
	conditions.ifMatchETag = buf_cstr(&match);
	CALL(w, c, &t,
		S3_get_object(&v2_of(w)->bucket, c->key, &conditions, range->offset, range->len, context,
			&handler, &t));
	if (a->outcome == S3_DONE && (t.got != range->len || strcmp(a->etag, range->etag) != 0))
		broken(a, "the answer is not the range that was asked for");
}

static void v2_put(struct s3_wire *w, const struct s3_call *c, const struct store_body *body,
	enum store_put how, struct s3_answer *a)
{
	static const S3PutObjectHandler handler = {{on_properties, on_complete}, on_send};
	struct transfer t = {.answer = a, .body = body};

	(void)how; /* s3_wire.exclusive says so */
	CALL(w, c, &t, S3_put_object(&v2_of(w)->bucket, c->key, body->size, NULL, context, &handler, &t));
}

static void v2_remove(struct s3_wire *w, const struct s3_call *c, struct s3_answer *a)
{
	struct transfer t = {.answer = a};

	CALL(w, c, &t, S3_delete_object(&v2_of(w)->bucket, c->key, context, &plain, &t));
}

static void v2_free(struct s3_wire *w)
{
	struct v2 *v = v2_of(w);

	while (v->idle_count)
		S3_destroy_request_context(v->idle[--v->idle_count]);
	s3_wire_free(v->lister);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

static const struct s3_wire_ops v2_ops = {
	.list = v2_list,
	.head = v2_head,
	.get = v2_get,
	.put = v2_put,
	.remove = v2_remove,
	.free = v2_free,
};

static pthread_once_t libs3_once = PTHREAD_ONCE_INIT;
static S3Status libs3_status;

static void libs3_begin(void)
{
	libs3_status = S3_initialize("freshet/" FRESHET_VERSION, S3_INIT_ALL, "localhost");
}

int s3_wire_v2(
	struct s3_wire **out, const struct s3_place *place, const struct s3_profile *profile, struct err *err)
{
	struct v2 *v = calloc(1, sizeof(*v));

	*out = NULL;
	pthread_once(&libs3_once, libs3_begin);
	if (!v || libs3_status != S3StatusOK) {
		free(v);
		return err_set(err, -ENOMEM, "libs3 cannot be used: %s",
			v ? S3_get_status_name(libs3_status) : "out of memory");
	}
	v->base = (struct s3_wire){
		.ops = &v2_ops, .place = place, .profile = profile, .name = "V2", .no_blanks = true};
	v->bucket = (S3BucketContext){
		.hostName = place->host,
		.bucketName = place->bucket,
		.protocol = place->https ? S3ProtocolHTTPS : S3ProtocolHTTP,
		.uriStyle = place->path_style ? S3UriStylePath : S3UriStyleVirtualHost,
		.accessKeyId = profile->access_key,
		.secretAccessKey = profile->secret_key,
	};
	if (s3_wire_v2_lister(&v->lister, place, profile, err) < 0) {
		free(v);
		return -ENOMEM;
	}
	pthread_mutex_init(&v->lock, NULL);
	*out = &v->base;
	return 0;
}
