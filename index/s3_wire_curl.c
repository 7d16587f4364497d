/* SPDX-License-Identifier: Apache-2.0 */
/* Calls by libcurl, signed by ourselves: all of them by V4, and listings by V2 too. Handles are kept, and with them their connections. */
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "digest.h"
#include "s3_wire.h"
#include "s3_xml.h"
#include "sigv2.h"
#include "sigv4.h"
#include "timefmt.h"
#include "uri.h"

#define HANDLES_KEPT 16
#define CONNECT_MS 5000
#define ERROR_MAX (64u << 10) /* bytes of an error that are read */
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct curl_wire {
	struct s3_wire base;
	bool v2;              /* sign by V2 all the same; listings only */
	pthread_mutex_t lock; /* protects the two below */
	CURL *idle[HANDLES_KEPT];
	unsigned idle_count;
};

/* One request: what is sent, and what has come so far. */
struct exchange {
	struct curl_wire *wire;
	const struct s3_call *call;
	struct s3_answer *answer;
	CURL *curl;
	const char *method;
	struct uri_pair query[URI_PAIRS_MAX];
	size_t query_count;
	struct sigv4_header headers[SIGV4_HEADERS_MAX]; /* without those that every request has */
	size_t header_count;
	/* What is sent: `len` bytes of the body from `offset`. */
	const struct store_body *body;
	uint64_t offset, len, sent;
	/* Where bytes of an object go; other answers go into `text`. */
	char *to;
	uint64_t want, got;
	struct buf text;
	size_t text_max;
	/* Headers of the answer */
	bool has_length, has_range;
	uint64_t length, range_from, range_to, range_total;
	int64_t date;
};

static struct curl_wire *curl_of(struct s3_wire *w)
{
	return (struct curl_wire *)w;
}

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
	if (v->idle_count < HANDLES_KEPT) {
		v->idle[v->idle_count++] = c;
		c = NULL;
	}
	pthread_mutex_unlock(&v->lock);
	curl_easy_cleanup(c);
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
	return t < 0 || t > INT64_MAX / TIME_SECOND ? TIME_NONE : (int64_t)t * TIME_SECOND;
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
	struct exchange *x = ctx;

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
	struct exchange *x = ctx;
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
	if (len > (status >= 200 && status < 300 ? x->text_max : ERROR_MAX) - x->text.len)
		return 0;
	buf_add(&x->text, data, len);
	return x->text.failed ? 0 : len;
}

static size_t on_send(char *to, size_t one, size_t room, void *ctx)
{
	struct exchange *x = ctx;
	uint64_t left = x->len - x->sent, at = x->offset + x->sent;
	size_t n = left < room ? (size_t)left : room;

	(void)one;
	if (n && x->body->fd >= 0) {
		ssize_t got = pread(x->body->fd, to, n, (off_t)at);

		if (got <= 0)
			return CURL_READFUNC_ABORT;
		n = (size_t)got;
	} else if (n) {
		memcpy(to, x->body->bytes.data + at, n);
	}
	x->sent += n;
	return n;
}

static int on_seek(void *ctx, curl_off_t offset, int origin)
{
	struct exchange *x = ctx;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > x->len)
		return CURL_SEEKFUNC_FAIL;
	x->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct exchange *x = ctx;

	(void)a, (void)b, (void)c, (void)d;
	return x->call->stop && atomic_load(x->call->stop);
}

/* ---- what is sent ---- */

static void add_header(struct exchange *x, const char *name, const char *value)
{
	x->headers[x->header_count++] = (struct sigv4_header){name, value};
}

static void add_query(struct exchange *x, const char *name, const char *value)
{
	x->query[x->query_count++] = (struct uri_pair){name, value};
}

/* The SHA-256 of what is sent, in hex. */
static int hash_body(const struct exchange *x, char hex[SHA256_HEX])
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
			ssize_t n = pread(
				x->body->fd, to + done, (size_t)(x->len - done), (off_t)(x->offset + done));

			if (n <= 0)
				return n < 0 ? -errno : -ESTALE;
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

static void add_path(const struct exchange *x, struct buf *path)
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

static int sign_v2(struct exchange *x, struct buf *authorization, char date[SIGV2_DATE_MAX])
{
	const struct s3_profile *who = x->wire->base.profile;
	OWNED_BUF resource = {0};

	/* In the path it is signed as it is sent; else what the name of the host stands for. */
	buf_addf(&resource, "/%s%s", x->wire->base.place->bucket, x->wire->base.place->path_style ? "" : "/");
	add_header(x, "date", sigv2_date(time_now() + atomic_load(&x->wire->base.skew), date));
	return sigv2_authorize(
		who->access_key, who->secret_key, x->method, date, buf_cstr(&resource), authorization);
}

static int sign_v4(struct exchange *x, const char *host, const char *path, const char *query,
	struct buf *authorization, char date[SIGV4_DATE_MAX], char hash[SHA256_HEX])
{
	const struct s3_profile *who = x->wire->base.profile;
	struct sigv4_scope scope = {who->access_key, who->secret_key, who->region, "s3",
		sigv4_date(time_now() + atomic_load(&x->wire->base.skew), date)};
	struct sigv4_request rq = {x->method, path, query, x->headers, 0, hash};
	int r = hash_body(x, hash);

	if (r < 0)
		return r;
	add_header(x, "host", host);
	add_header(x, "x-amz-content-sha256", hash);
	add_header(x, "x-amz-date", date);
	if (who->session_token)
		add_header(x, "x-amz-security-token", who->session_token);
	rq.header_count = x->header_count;
	return sigv4_authorize(&scope, &rq, authorization);
}

/* Signs, and gives the headers as curl takes them. Returns 0 or -errno. */
static int sign(
	struct exchange *x, const char *host, const char *path, const char *query, struct curl_slist **list)
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
	struct exchange *x, const char *url, struct curl_slist *headers, char error[CURL_ERROR_SIZE])
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

static void failed(struct exchange *x, const char *why)
{
	x->answer->outcome = S3_AGAIN;
	s3_text_set(x->answer->text, sizeof(x->answer->text), slice_str(why));
}

/* A region that the bucket lies in is said with several codes, and by the header alone where an answer has no body. */
static bool lies_elsewhere(const struct exchange *x)
{
	const struct s3_answer *a = x->answer;

	return *a->region && strcmp(a->region, x->wire->base.profile->region) != 0 &&
	       (a->status == 301 || a->status == 307 || a->status == 400) && x->wire->base.place->amazon;
}

static void judge(struct exchange *x, CURLcode code, const char *error)
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
		failed(x, *error ? error : curl_easy_strerror(code));
		return;
	}
	if (status < 200 || status >= 300)
		s3_xml_error(buf_slice(&x->text), a);
	a->outcome = s3_outcome_of(a->status, a->code);
	if (a->outcome == S3_SKEWED && x->date != TIME_NONE)
		atomic_store(&x->wire->base.skew, x->date - time_now());
	if (lies_elsewhere(x))
		a->outcome = S3_ELSEWHERE;
}

/* Sends, waits and sets answer->outcome. */
static void exchange_run(struct exchange *x)
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
		failed(x, strerror(-r));
	}
	curl_slist_free_all(headers);
	if (x->curl)
		handle_give(x->wire, x->curl);
}

/* ---- calls ---- */

#define EXCHANGE(w, c, a, m)                                                                         \
	{                                                                                            \
		.wire = curl_of(w), .call = (c), .answer = (a), .method = (m), .text_max = ERROR_MAX \
	}

static void list(struct exchange *x, const struct s3_list *l, struct s3_page *page)
{
	struct err err = ERR_INIT;
	char max[16];

	snprintf(max, sizeof(max), "%u", l->max);
	add_query(x, "encoding-type", "url");
	add_query(x, "max-keys", max);
	add_query(x, "prefix", l->prefix);
	if (!l->flat)
		add_query(x, "delimiter", "/");
	x->text_max = S3_ANSWER_MAX;
	exchange_run(x);
	if (x->answer->outcome == S3_DONE && s3_xml_page(buf_slice(&x->text), page, &err) < 0)
		failed(x, err.message);
	buf_release(&x->text);
}

static void v4_list(struct s3_wire *w, const struct s3_call *c, const struct s3_list *l, struct s3_page *page,
	struct s3_answer *a)
{
	struct exchange x = EXCHANGE(w, c, a, "GET");

	add_query(&x, "list-type", "2");
	if (l->next)
		add_query(&x, "continuation-token", l->next);
	else if (l->after && *l->after)
		add_query(&x, "start-after", l->after);
	list(&x, l, page);
	if (a->outcome == S3_DONE && page->truncated && !page->next.len)
		failed(&x, "the listing does not say how it goes on");
}

/* The first version of listings goes on from a key, by default the last. */
static void v2_list(struct s3_wire *w, const struct s3_call *c, const struct s3_list *l, struct s3_page *page,
	struct s3_answer *a)
{
	struct exchange x = EXCHANGE(w, c, a, "GET");
	const char *marker = l->next ? l->next : l->after;
	const struct s3_entry *e;

	if (marker && *marker)
		add_query(&x, "marker", marker);
	list(&x, l, page);
	e = (const struct s3_entry *)page->entries.data;
	if (a->outcome != S3_DONE || !page->truncated || page->next.len)
		return;
	for (size_t i = 0; i < page->entries.len / sizeof(*e); i++)
		if (slice_cmp(e[i].key, page->next) > 0)
			page->next = e[i].key;
	if (!page->next.len)
		failed(&x, "the listing goes on from nothing");
}

static void v4_head(struct s3_wire *w, const struct s3_call *c, struct s3_answer *a)
{
	struct exchange x = EXCHANGE(w, c, a, "HEAD");

	exchange_run(&x);
	a->size = x.length;
	if (a->outcome == S3_DONE && (!x.has_length || a->modified == TIME_NONE))
		failed(&x, "the answer does not say how long it is, and of when");
	buf_release(&x.text);
}

/* A range that is the whole object may come as such. */
static bool is_what_was_asked(const struct exchange *x, const struct s3_range *range)
{
	if (x->got != range->len || strcmp(x->answer->etag, range->etag) != 0)
		return false;
	if (x->answer->status == 206)
		return x->has_range && x->range_from == range->offset &&
		       x->range_to == range->offset + range->len - 1 && x->range_total == range->size;
	return x->answer->status == 200 && range->offset == 0 && range->len == range->size;
}

static void v4_get(
	struct s3_wire *w, const struct s3_call *c, const struct s3_range *range, struct s3_answer *a)
{
	struct exchange x = EXCHANGE(w, c, a, "GET");
	char bytes[64], match[S3_ETAG_MAX + 3];

	snprintf(bytes, sizeof(bytes), "bytes=%llu-%llu", (unsigned long long)range->offset,
		(unsigned long long)(range->offset + range->len - 1));
	snprintf(match, sizeof(match), "\"%s\"", range->etag);
	add_header(&x, "range", bytes);
	add_header(&x, "if-match", match);
	x.to = range->to;
	x.want = range->len;
	exchange_run(&x);
	if (a->outcome == S3_DONE && !is_what_was_asked(&x, range))
		failed(&x, "the answer is not the range that was asked for");
	buf_release(&x.text);
}

static void v4_put(struct s3_wire *w, const struct s3_call *c, const struct store_body *body,
	enum store_put how, struct s3_answer *a)
{
	struct exchange x = EXCHANGE(w, c, a, "PUT");

	if (how == STORE_NEW)
		add_header(&x, "if-none-match", "*");
	x.body = body;
	x.len = body->size;
	exchange_run(&x);
	buf_release(&x.text);
}

static void v4_remove(struct s3_wire *w, const struct s3_call *c, struct s3_answer *a)
{
	struct exchange x = EXCHANGE(w, c, a, "DELETE");

	exchange_run(&x);
	buf_release(&x.text);
}

static void v4_parts_begin(
	struct s3_wire *w, const struct s3_call *c, struct buf *upload, struct s3_answer *a)
{
	struct store_body nothing = store_bytes(slice_of(NULL, 0));
	struct exchange x = EXCHANGE(w, c, a, "POST");

	x.body = &nothing;
	add_query(&x, "uploads", "");
	exchange_run(&x);
	if (a->outcome == S3_DONE &&
		(s3_xml_text(buf_slice(&x.text), "UploadId", upload) != 1 || !upload->len))
		failed(&x, "the answer has no id for the upload");
	buf_release(&x.text);
}

static void v4_parts_put(struct s3_wire *w, const struct s3_call *c, const struct store_body *body,
	const struct s3_part *part, struct s3_answer *a)
{
	struct exchange x = EXCHANGE(w, c, a, "PUT");
	char number[16];

	snprintf(number, sizeof(number), "%u", part->number);
	add_query(&x, "partNumber", number);
	add_query(&x, "uploadId", part->upload);
	x.body = body;
	x.offset = part->offset;
	x.len = part->len;
	exchange_run(&x);
	if (a->outcome == S3_DONE && !*a->etag)
		failed(&x, "the answer has no ETag for the part");
	buf_release(&x.text);
}

static void v4_parts_end(struct s3_wire *w, const struct s3_call *c, const char *upload,
	const struct buf *etags, enum store_put how, struct s3_answer *a)
{
	struct exchange x = EXCHANGE(w, c, a, "POST");
	const char(*etag)[S3_ETAG_MAX] = (const char(*)[S3_ETAG_MAX])(const void *)etags->data;
	OWNED_BUF xml = {0}, done = {0};
	struct store_body body;

	buf_add_str(&xml, "<CompleteMultipartUpload>");
	for (size_t i = 0; i < etags->len / S3_ETAG_MAX; i++)
		buf_addf(
			&xml, "<Part><PartNumber>%zu</PartNumber><ETag>\"%s\"</ETag></Part>", i + 1, etag[i]);
	buf_add_str(&xml, "</CompleteMultipartUpload>");
	body = store_bytes(buf_slice(&xml));
	x.body = &body;
	x.len = xml.len;
	add_query(&x, "uploadId", upload);
	if (how == STORE_NEW)
		add_header(&x, "if-none-match", "*");
	exchange_run(&x);
	/* S3 may begin an answer of 200 before it knows, and end it with an error. */
	if (a->outcome == S3_DONE && s3_xml_text(buf_slice(&x.text), "ETag", &done) != 1) {
		s3_xml_error(buf_slice(&x.text), a);
		a->outcome = *a->code ? s3_outcome_of(400, a->code) : S3_AGAIN;
	}
	buf_release(&x.text);
}

static void v4_parts_abort(
	struct s3_wire *w, const struct s3_call *c, const char *upload, struct s3_answer *a)
{
	struct exchange x = EXCHANGE(w, c, a, "DELETE");

	add_query(&x, "uploadId", upload);
	exchange_run(&x);
	buf_release(&x.text);
}

static void v4_free(struct s3_wire *w)
{
	struct curl_wire *v = curl_of(w);

	while (v->idle_count)
		curl_easy_cleanup(v->idle[--v->idle_count]);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

static const struct s3_wire_ops v4_ops = {
	.list = v4_list,
	.head = v4_head,
	.get = v4_get,
	.put = v4_put,
	.remove = v4_remove,
	.parts_begin = v4_parts_begin,
	.parts_put = v4_parts_put,
	.parts_end = v4_parts_end,
	.parts_abort = v4_parts_abort,
	.free = v4_free,
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_begin(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

static const struct s3_wire_ops v2_ops = {.list = v2_list, .free = v4_free};

static int wire_new(struct s3_wire **out, const struct s3_place *place, const struct s3_profile *profile,
	const struct s3_wire_ops *ops, const char *name, struct err *err)
{
	struct curl_wire *v = calloc(1, sizeof(*v));

	*out = NULL;
	if (!v)
		return err_set(err, -ENOMEM, "out of memory");
	pthread_once(&curl_once, curl_begin);
	v->base = (struct s3_wire){
		.ops = ops, .place = place, .profile = profile, .name = name, .exclusive = true};
	v->v2 = ops == &v2_ops;
	pthread_mutex_init(&v->lock, NULL);
	*out = &v->base;
	return 0;
}

int s3_wire_v4(
	struct s3_wire **out, const struct s3_place *place, const struct s3_profile *profile, struct err *err)
{
	return wire_new(out, place, profile, &v4_ops, "V4", err);
}

int s3_wire_v2_lister(
	struct s3_wire **out, const struct s3_place *place, const struct s3_profile *profile, struct err *err)
{
	return wire_new(out, place, profile, &v2_ops, "V2", err);
}
