/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "digest.h"
#include "s3_exchange.h"
#include "s3_xml.h"
#include "sigv2.h"
#include "timefmt.h"

#define CONNECT_MS 5000
#define SKEW_MAX (15 * 60 * TIME_SECOND) /* that S3 lets pass */
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* ---- handles ---- */

static CURL *handle_take(struct curl_wire *v)
{
	CURL *c = NULL;

	pthread_mutex_lock(&v->lock);
	if (v->idle_count)
		c = v->idle[--v->idle_count];
	pthread_mutex_unlock(&v->lock);
	return c ? c : curl_easy_init();
}

static void handle_give(struct curl_wire *v, CURL *c)
{
	curl_easy_reset(c);
	pthread_mutex_lock(&v->lock);
	if (v->idle_count < S3_HANDLES_KEPT) {
		v->idle[v->idle_count++] = c;
		c = NULL;
	}
	pthread_mutex_unlock(&v->lock);
	curl_easy_cleanup(c);
}

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_begin(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

void s3_exchange_begin(struct curl_wire *v)
{
	pthread_once(&curl_once, curl_begin);
	pthread_mutex_init(&v->lock, NULL);
}

void s3_exchange_end(struct curl_wire *v)
{
	while (v->idle_count)
		curl_easy_cleanup(v->idle[--v->idle_count]);
	pthread_mutex_destroy(&v->lock);
}

/* ---- what comes back ---- */

static bool header_is(struct slice line, const char *name, struct slice *value)
{
	size_t n = strlen(name);

	if (line.len <= n || line.data[n] != ':' || strncasecmp(line.data, name, n) != 0)
		return false;
	*value = slice_of(line.data + n + 1, line.len - n - 1);
	while (value->len && (value->data[0] == ' ' || value->data[0] == '\t'))
		*value = slice_of(value->data + 1, value->len - 1);
	while (value->len && strchr(" \t\r\n", value->data[value->len - 1]))
		value->len--;
	return true;
}

static int64_t http_date(struct slice value)
{
	char text[64];
	time_t t;

	if (value.len >= sizeof(text))
		return TIME_NONE;
	memcpy(text, value.data, value.len);
	text[value.len] = '\0';
	t = curl_getdate(text, NULL);
	/* No later than one can still count on from. */
	return t < 0 || t > INT64_MAX / TIME_SECOND / 2 ? TIME_NONE : (int64_t)t * TIME_SECOND;
}

static bool number(struct slice *s, uint64_t *out)
{
	size_t i = 0;

	for (*out = 0; i < s->len && i < 18 && s->data[i] >= '0' && s->data[i] <= '9'; i++)
		*out = *out * 10 + (uint64_t)(s->data[i] - '0');
	*s = slice_of(s->data + i, s->len - i);
	return i > 0;
}

static bool skip(struct slice *s, const char *text)
{
	if (!slice_starts(*s, slice_str(text)))
		return false;
	*s = slice_of(s->data + strlen(text), s->len - strlen(text));
	return true;
}

static size_t on_header(char *data, size_t one, size_t len, void *ctx)
{
	struct slice line = slice_of(data, len), value;
	struct s3_exchange *x = ctx;

	(void)one;
	if (header_is(line, "ETag", &value)) {
		if (!s3_etag_set(x->answer->etag, value))
			return 0;
	} else if (header_is(line, "Content-Length", &value)) {
		x->has_length = number(&value, &x->length) && !value.len;
	} else if (header_is(line, "Content-Range", &value)) {
		x->has_range = skip(&value, "bytes ") && number(&value, &x->range_from) &&
			       skip(&value, "-") && number(&value, &x->range_to) && skip(&value, "/") &&
			       number(&value, &x->range_total);
	} else if (header_is(line, "Last-Modified", &value)) {
		x->answer->modified = http_date(value);
	} else if (header_is(line, "Date", &value)) {
		x->date = http_date(value);
	} else if (header_is(line, "x-amz-bucket-region", &value)) {
		s3_text_set(x->answer->region, sizeof(x->answer->region), value);
	} else if (header_is(line, "x-amz-server-side-encryption", &value)) {
		x->answer->etag_is_opaque |= !slice_eq(value, slice_str("AES256"));
	} else if (header_is(line, "x-amz-server-side-encryption-customer-algorithm", &value)) {
		x->answer->etag_is_opaque = true;
	}
	return len;
}

static size_t on_data(char *data, size_t one, size_t len, void *ctx)
{
	struct s3_exchange *x = ctx;
	long status = 0;

	(void)one;
	curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
	if (x->to && status >= 200 && status < 300) {
		if (len > x->want - x->got)
			return 0;
		memcpy(x->to + x->got, data, len);
		x->got += len;
		return len;
	}
	if (len > (status >= 200 && status < 300 ? x->text_max : S3_ERROR_MAX) - x->text.len)
		return 0;
	buf_add(&x->text, data, len);
	return x->text.failed ? 0 : len;
}

static size_t on_send(char *to, size_t one, size_t room, void *ctx)
{
	struct s3_exchange *x = ctx;
	uint64_t left = x->len - x->sent;
	ssize_t n = store_body_read(x->body, x->offset + x->sent, to, left < room ? (size_t)left : room);

	(void)one;
	if (n < 0)
		return CURL_READFUNC_ABORT;
	x->sent += (size_t)n;
	return (size_t)n;
}

static int on_seek(void *ctx, curl_off_t offset, int origin)
{
	struct s3_exchange *x = ctx;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > x->len)
		return CURL_SEEKFUNC_FAIL;
	x->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct s3_exchange *x = ctx;

	(void)a, (void)b, (void)c, (void)d;
	return x->call->stop && atomic_load(x->call->stop);
}

/* ---- what is sent ---- */

void s3_exchange_header(struct s3_exchange *x, const char *name, const char *value)
{
	x->headers[x->header_count++] = (struct sigv4_header){name, value};
}

void s3_exchange_query(struct s3_exchange *x, const char *name, const char *value)
{
	x->query[x->query_count++] = (struct uri_pair){name, value};
}

/* The SHA-256 of what is sent, in hex. */
static int hash_body(const struct s3_exchange *x, char hex[SHA256_HEX])
{
	OWNED_BUF chunk = {0};
	uint8_t digest[SHA256_BYTES];

	if (!x->body || !x->len) {
		memcpy(hex, EMPTY_SHA256, SHA256_HEX);
		return 0;
	}
	if (x->body->fd >= 0) {
		char *to = buf_reserve(&chunk, (size_t)x->len);

		if (!to)
			return -ENOMEM;
		for (uint64_t done = 0; done < x->len;) {
			ssize_t n = store_body_read(
				x->body, x->offset + done, to + done, (size_t)(x->len - done));

			if (n < 0)
				return (int)n;
			done += (uint64_t)n;
		}
		if (sha256(slice_of(to, (size_t)x->len), digest) < 0)
			return -EIO;
	} else if (sha256(slice_of(x->body->bytes.data + x->offset, (size_t)x->len), digest) < 0) {
		return -EIO;
	}
	hex_text(digest, SHA256_BYTES, hex);
	return 0;
}

static void add_path(const struct s3_exchange *x, struct buf *path)
{
	const struct s3_place *place = x->wire->base.place;

	buf_add_byte(path, '/');
	if (place->path_style) {
		uri_encode(slice_str(place->bucket), true, path);
		if (x->call->key)
			buf_add_byte(path, '/');
	}
	if (x->call->key)
		uri_encode(slice_str(x->call->key), true, path);
}

static bool add_line(struct curl_slist **list, const char *name, const char *value)
{
	OWNED_BUF line = {0};
	struct curl_slist *longer;

	buf_addf(&line, "%s: %s", name, value);
	if (line.failed)
		return false;
	longer = curl_slist_append(*list, buf_cstr(&line));
	if (!longer)
		return false;
	*list = longer;
	return true;
}

static int sign_v2(struct s3_exchange *x, struct buf *authorization, char date[SIGV2_DATE_MAX])
{
	const struct s3_profile *who = x->wire->base.profile;
	OWNED_BUF resource = {0};

	/* In the path it is signed as it is sent; else what the name of the host stands for. */
	buf_addf(&resource, "/%s%s", x->wire->base.place->bucket, x->wire->base.place->path_style ? "" : "/");
	s3_exchange_header(x, "date", sigv2_date(time_now() + atomic_load(&x->wire->base.skew), date));
	return sigv2_authorize(
		who->access_key, who->secret_key, x->method, date, buf_cstr(&resource), authorization);
}

static int sign_v4(struct s3_exchange *x, const char *host, const char *path, const char *query,
	struct buf *authorization, char date[SIGV4_DATE_MAX], char hash[SHA256_HEX])
{
	const struct s3_profile *who = x->wire->base.profile;
	struct sigv4_scope scope = {who->access_key, who->secret_key, who->region, "s3",
		sigv4_date(time_now() + atomic_load(&x->wire->base.skew), date)};
	struct sigv4_request rq = {x->method, path, query, x->headers, 0, hash};
	int r = hash_body(x, hash);

	if (r < 0)
		return r;
	s3_exchange_header(x, "host", host);
	s3_exchange_header(x, "x-amz-content-sha256", hash);
	s3_exchange_header(x, "x-amz-date", date);
	if (who->session_token)
		s3_exchange_header(x, "x-amz-security-token", who->session_token);
	rq.header_count = x->header_count;
	return sigv4_authorize(&scope, &rq, authorization);
}

/* Signs, and gives the headers as curl takes them. Returns 0 or -errno. */
static int sign(struct s3_exchange *x, const char *host, const char *path, const char *query,
	struct curl_slist **list)
{
	char date[SIGV2_DATE_MAX], hash[SHA256_HEX];
	OWNED_BUF authorization = {0};
	bool added = true;
	int r = x->wire->v2 ? sign_v2(x, &authorization, date)
			    : sign_v4(x, host, path, query, &authorization, date, hash);

	for (size_t i = 0; r == 0 && added && i < x->header_count; i++)
		added = add_line(list, x->headers[i].name, x->headers[i].value);
	added = added && add_line(list, "authorization", buf_cstr(&authorization)) &&
		curl_slist_append(*list, "Expect:") && curl_slist_append(*list, "Content-Type:");
	return r < 0 ? r : added ? 0 : -ENOMEM;
}

static void set_options(
	struct s3_exchange *x, const char *url, struct curl_slist *headers, char error[CURL_ERROR_SIZE])
{
	CURL *c = x->curl;
	const char *authorities = getenv("AWS_CA_BUNDLE");
	long timeout = (long)(x->call->timeout / 1000000), quiet = (long)(x->call->timeout / 3 / TIME_SECOND);

	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "freshet/" FRESHET_VERSION);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, timeout < CONNECT_MS ? timeout : (long)CONNECT_MS);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, timeout);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, quiet ? quiet : 1L);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, x);
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 256L << 10);
	if (authorities && *authorities)
		curl_easy_setopt(c, CURLOPT_CAINFO, authorities);
	if (x->body) {
		curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)x->len);
		curl_easy_setopt(c, CURLOPT_READFUNCTION, on_send);
		curl_easy_setopt(c, CURLOPT_READDATA, x);
		curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(c, CURLOPT_SEEKDATA, x);
		curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10);
	} else if (!strcmp(x->method, "HEAD")) {
		curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
	}
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, x->method);
}

/* ---- the exchange ---- */

void s3_exchange_failed(struct s3_exchange *x, const char *why)
{
	x->answer->outcome = S3_AGAIN;
	s3_text_set(x->answer->text, sizeof(x->answer->text), slice_str(why));
}

/* A region that the bucket lies in is said with several codes, and by the header alone where an answer has no body. */
static bool lies_elsewhere(const struct s3_exchange *x)
{
	const struct s3_answer *a = x->answer;

	return *a->region && strcmp(a->region, x->wire->base.profile->region) != 0 &&
	       (a->status == 301 || a->status == 307 || a->status == 400) && x->wire->base.place->amazon;
}

/* libcurl's own words may have the whole url of a proxy in them, and its password. */
static const char *explain(CURLcode code, const char *error)
{
	return *error && !strstr(error, "://") && !strcasestr(error, "proxy") ? error
									      : curl_easy_strerror(code);
}

/* The server's clock is another one than signatures went by. */
static bool is_skewed(const struct s3_exchange *x)
{
	int64_t by;

	if (x->date == TIME_NONE)
		return false;
	by = x->date - (time_now() + atomic_load(&x->wire->base.skew));
	return by > SKEW_MAX || by < -SKEW_MAX;
}

/* The answer to a HEAD has no body that would say why: such a status comes of a wrong clock, or of a session token that has run out. */
static enum s3_outcome without_a_code(const struct s3_exchange *x)
{
	const struct s3_answer *a = x->answer;

	if (a->status == 403 && is_skewed(x))
		return S3_SKEWED;
	return a->status == 400 ? S3_DENIED : a->outcome;
}

static void judge(struct s3_exchange *x, CURLcode code, const char *error)
{
	struct s3_answer *a = x->answer;
	long status = 0;

	curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
	a->status = (int)status;
	if (code == CURLE_ABORTED_BY_CALLBACK) {
		a->outcome = S3_STOPPED;
		return;
	}
	if (code != CURLE_OK) {
		a->status = 0;
		s3_exchange_failed(x, explain(code, error));
		if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
			a->outcome = S3_REFUSED;
		return;
	}
	if (status < 200 || status >= 300)
		s3_xml_error(buf_slice(&x->text), a);
	a->outcome = s3_outcome_of(a->status, a->code);
	if (!*a->code && !strcmp(x->method, "HEAD"))
		a->outcome = without_a_code(x);
	if (a->outcome == S3_SKEWED && x->date != TIME_NONE)
		atomic_store(&x->wire->base.skew, x->date - time_now());
	if (lies_elsewhere(x))
		a->outcome = S3_ELSEWHERE;
}

void s3_exchange_run(struct s3_exchange *x)
{
	const struct s3_place *place = x->wire->base.place;
	OWNED_BUF path = {0}, query = {0}, host = {0}, url = {0};
	struct curl_slist *headers = NULL;
	char error[CURL_ERROR_SIZE] = "";
	CURLcode code;
	int r;

	*x->answer = (struct s3_answer){.modified = TIME_NONE};
	x->date = TIME_NONE;
	x->curl = handle_take(x->wire);
	add_path(x, &path);
	uri_query(x->query, x->query_count, &query);
	buf_addf(&host, "%s%s%s", place->path_style ? "" : place->bucket, place->path_style ? "" : ".",
		place->host);
	buf_addf(&url, "%s://%s%s%s%s", place->https ? "https" : "http", buf_cstr(&host), buf_cstr(&path),
		query.len ? "?" : "", buf_cstr(&query));
	r = x->curl && !path.failed && !query.failed && !host.failed && !url.failed ? 0 : -ENOMEM;
	if (r == 0)
		r = sign(x, buf_cstr(&host), buf_cstr(&path), buf_cstr(&query), &headers);
	if (r == 0) {
		set_options(x, buf_cstr(&url), headers, error);
		code = curl_easy_perform(x->curl);
		judge(x, code, error);
	} else {
		s3_exchange_failed(x, strerror(-r));
	}
	curl_slist_free_all(headers);
	if (x->curl)
		handle_give(x->wire, x->curl);
}
