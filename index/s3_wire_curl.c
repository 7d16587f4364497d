/* SPDX-License-Identifier: Apache-2.0 */
/* Calls by libcurl, signed by ourselves: all of them by V4, and listings by V2 too. */
#include <stdio.h>

#include "s3_exchange.h"
#include "s3_xml.h"

static struct curl_wire *curl_of(struct s3_wire *w)
{
	return (struct curl_wire *)w;
}

#define EXCHANGE(w, c, a, m)                                                                            \
	{                                                                                               \
		.wire = curl_of(w), .call = (c), .answer = (a), .method = (m), .text_max = S3_ERROR_MAX \
	}

static void list(struct s3_exchange *x, const struct s3_list *l, struct s3_page *page)
{
	struct err err = ERR_INIT;
	char max[16];

	snprintf(max, sizeof(max), "%u", l->max);
	s3_exchange_query(x, "encoding-type", "url");
	s3_exchange_query(x, "max-keys", max);
	s3_exchange_query(x, "prefix", l->prefix);
	if (!l->flat)
		s3_exchange_query(x, "delimiter", "/");
	x->text_max = S3_ANSWER_MAX;
	s3_exchange_run(x);
	if (x->answer->outcome == S3_DONE && s3_xml_page(buf_slice(&x->text), page, &err) < 0)
		s3_exchange_failed(x, err.message);
	buf_release(&x->text);
}

static void v4_list(struct s3_wire *w, const struct s3_call *c, const struct s3_list *l, struct s3_page *page,
	struct s3_answer *a)
{
	struct s3_exchange x = EXCHANGE(w, c, a, "GET");

	s3_exchange_query(&x, "list-type", "2");
	if (l->next)
		s3_exchange_query(&x, "continuation-token", l->next);
	else if (l->after && *l->after)
		s3_exchange_query(&x, "start-after", l->after);
	list(&x, l, page);
	if (a->outcome == S3_DONE && page->truncated && !page->next.len)
		s3_exchange_failed(&x, "the listing does not say how it goes on");
}

/* The first version of listings goes on from a key, by default the last. */
static void v2_list(struct s3_wire *w, const struct s3_call *c, const struct s3_list *l, struct s3_page *page,
	struct s3_answer *a)
{
	struct s3_exchange x = EXCHANGE(w, c, a, "GET");
	const char *marker = l->next ? l->next : l->after;
	const struct s3_entry *e;

	if (marker && *marker)
		s3_exchange_query(&x, "marker", marker);
	list(&x, l, page);
	e = (const struct s3_entry *)page->entries.data;
	if (a->outcome != S3_DONE || !page->truncated || page->next.len)
		return;
	for (size_t i = 0; i < page->entries.len / sizeof(*e); i++)
		if (slice_cmp(e[i].key, page->next) > 0)
			page->next = e[i].key;
	if (!page->next.len)
		s3_exchange_failed(&x, "the listing goes on from nothing");
}

static void v4_head(struct s3_wire *w, const struct s3_call *c, struct s3_answer *a)
{
	struct s3_exchange x = EXCHANGE(w, c, a, "HEAD");

	s3_exchange_run(&x);
	a->size = x.length;
	if (a->outcome == S3_DONE && (!x.has_length || a->modified == TIME_NONE))
		s3_exchange_failed(&x, "the answer does not say how long it is, and of when");
	buf_release(&x.text);
}

/* A range that is the whole object may come as such. */
static bool is_what_was_asked(const struct s3_exchange *x, const struct s3_range *range)
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
	struct s3_exchange x = EXCHANGE(w, c, a, "GET");
	char bytes[64], match[S3_ETAG_MAX + 3];

	snprintf(bytes, sizeof(bytes), "bytes=%llu-%llu", (unsigned long long)range->offset,
		(unsigned long long)(range->offset + range->len - 1));
	snprintf(match, sizeof(match), "\"%s\"", range->etag);
	s3_exchange_header(&x, "range", bytes);
	s3_exchange_header(&x, "if-match", match);
	x.to = range->to;
	x.want = range->len;
	s3_exchange_run(&x);
	if (a->outcome == S3_DONE && !is_what_was_asked(&x, range))
		s3_exchange_failed(&x, "the answer is not the range that was asked for");
	buf_release(&x.text);
}

static void v4_put(struct s3_wire *w, const struct s3_call *c, const struct store_body *body,
	enum store_put how, struct s3_answer *a)
{
	struct s3_exchange x = EXCHANGE(w, c, a, "PUT");

	if (how == STORE_NEW)
		s3_exchange_header(&x, "if-none-match", "*");
	x.body = body;
	x.len = body->size;
	s3_exchange_run(&x);
	buf_release(&x.text);
}

static void v4_remove(struct s3_wire *w, const struct s3_call *c, struct s3_answer *a)
{
	struct s3_exchange x = EXCHANGE(w, c, a, "DELETE");

	s3_exchange_run(&x);
	buf_release(&x.text);
}

static void v4_parts_begin(
	struct s3_wire *w, const struct s3_call *c, struct buf *upload, struct s3_answer *a)
{
	struct store_body nothing = store_bytes(slice_of(NULL, 0));
	struct s3_exchange x = EXCHANGE(w, c, a, "POST");

	x.body = &nothing;
	s3_exchange_query(&x, "uploads", "");
	s3_exchange_run(&x);
	if (a->outcome == S3_DONE &&
		(s3_xml_text(buf_slice(&x.text), "UploadId", upload) != 1 || !upload->len))
		s3_exchange_failed(&x, "the answer has no id for the upload");
	buf_release(&x.text);
}

static void v4_parts_put(struct s3_wire *w, const struct s3_call *c, const struct store_body *body,
	const struct s3_part *part, struct s3_answer *a)
{
	struct s3_exchange x = EXCHANGE(w, c, a, "PUT");
	char number[16];

	snprintf(number, sizeof(number), "%u", part->number);
	s3_exchange_query(&x, "partNumber", number);
	s3_exchange_query(&x, "uploadId", part->upload);
	x.body = body;
	x.offset = part->offset;
	x.len = part->len;
	s3_exchange_run(&x);
	if (a->outcome == S3_DONE && !*a->etag)
		s3_exchange_failed(&x, "the answer has no ETag for the part");
	buf_release(&x.text);
}

static void v4_parts_end(struct s3_wire *w, const struct s3_call *c, const char *upload,
	const struct buf *etags, enum store_put how, struct s3_answer *a)
{
	struct s3_exchange x = EXCHANGE(w, c, a, "POST");
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
	s3_exchange_query(&x, "uploadId", upload);
	if (how == STORE_NEW)
		s3_exchange_header(&x, "if-none-match", "*");
	s3_exchange_run(&x);
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
	struct s3_exchange x = EXCHANGE(w, c, a, "DELETE");

	s3_exchange_query(&x, "uploadId", upload);
	s3_exchange_run(&x);
	buf_release(&x.text);
}

static void v4_parts_list(struct s3_wire *w, const struct s3_call *c, const char *prefix,
	struct s3_uploads *found, struct s3_answer *a)
{
	struct s3_exchange x = EXCHANGE(w, c, a, "GET");
	struct err err = ERR_INIT;

	/* Not every server that encodes keys here says so, as it does in a listing. */
	s3_exchange_query(&x, "uploads", "");
	s3_exchange_query(&x, "prefix", prefix);
	x.text_max = S3_ANSWER_MAX;
	s3_exchange_run(&x);
	if (a->outcome == S3_DONE && s3_xml_uploads(buf_slice(&x.text), found, &err) < 0)
		s3_exchange_failed(&x, err.message);
	buf_release(&x.text);
}

static void v4_free(struct s3_wire *w)
{
	struct curl_wire *v = curl_of(w);

	s3_exchange_end(v);
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
	.parts_list = v4_parts_list,
	.free = v4_free,
};

static const struct s3_wire_ops v2_ops = {.list = v2_list, .free = v4_free};

static int wire_new(struct s3_wire **out, const struct s3_place *place, const struct s3_profile *profile,
	const struct s3_wire_ops *ops, const char *name, struct err *err)
{
	struct curl_wire *v = calloc(1, sizeof(*v));

	*out = NULL;
	if (!v)
		return err_set(err, -ENOMEM, "out of memory");
	v->base = (struct s3_wire){
		.ops = ops, .place = place, .profile = profile, .name = name, .exclusive = true};
	v->v2 = ops == &v2_ops;
	s3_exchange_begin(v);
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
