/* SPDX-License-Identifier: Apache-2.0 */
#include "s3_xml.h"

#include <expat.h>

#include "timefmt.h"
#include "uri.h"

#define DEPTH_MAX 8
#define TEXT_MAX 16384

/* Called at the end of each element that holds text: its name, that of the one around it, and the text; and at the end of one with elements in
 * it, with no text. */
typedef int element_fn(void *ctx, const char *parent, const char *name, struct slice text);

struct walk {
	XML_Parser parser;
	element_fn *fn;
	void *ctx;
	char names[DEPTH_MAX][32];
	unsigned depth;
	struct buf text;
	int result; /* what ended it */
};

static void end_walk(struct walk *w, int result)
{
	if (w->result == 0)
		w->result = result;
	XML_StopParser(w->parser, XML_FALSE);
}

static void on_start(void *data, const char *name, const char **attributes)
{
	struct walk *w = data;
	const char *local = strrchr(name, ':');

	(void)attributes;
	if (w->depth == DEPTH_MAX) {
		end_walk(w, -EBADMSG);
		return;
	}
	local = local ? local + 1 : name;
	memcpy(w->names[w->depth], local, strnlen(local, 31));
	w->names[w->depth++][strnlen(local, 31)] = '\0';
	buf_clear(&w->text);
}

static void on_text(void *data, const char *text, int len)
{
	struct walk *w = data;

	if (w->text.len + (size_t)len > TEXT_MAX)
		end_walk(w, -EBADMSG);
	else
		buf_add(&w->text, text, (size_t)len);
}

static void on_end(void *data, const char *name)
{
	struct walk *w = data;
	int r;

	(void)name;
	w->depth--;
	r = w->text.failed ? -ENOMEM
			   : w->fn(w->ctx, w->depth ? w->names[w->depth - 1] : "", w->names[w->depth],
				     buf_slice(&w->text));
	buf_clear(&w->text);
	if (r)
		end_walk(w, r);
}

static void on_doctype(void *data, const char *name, const char *system, const char *public, int internal)
{
	(void)name, (void)system, (void)public, (void)internal;
	end_walk(data, -EBADMSG);
}

/* Returns 0 at the end of a well-formed document, else what `fn` ended it with, -EBADMSG or -ENOMEM. */
static int walk(struct slice body, element_fn *fn, void *ctx)
{
	struct walk w = {.parser = XML_ParserCreate(NULL), .fn = fn, .ctx = ctx};
	enum XML_Status status;

	if (!w.parser)
		return -ENOMEM;
	XML_SetUserData(w.parser, &w);
	XML_SetElementHandler(w.parser, on_start, on_end);
	XML_SetCharacterDataHandler(w.parser, on_text);
	XML_SetStartDoctypeDeclHandler(w.parser, on_doctype);
	status = body.len > S3_ANSWER_MAX ? XML_STATUS_ERROR
					  : XML_Parse(w.parser, body.data, (int)body.len, 1);
	if (w.result == 0 && status != XML_STATUS_OK)
		w.result = -EBADMSG;
	XML_ParserFree(w.parser);
	buf_release(&w.text);
	return w.result;
}

static int error_element(void *ctx, const char *parent, const char *name, struct slice text)
{
	struct s3_answer *a = ctx;

	if (strcmp(parent, "Error") != 0)
		return 0;
	if (!strcmp(name, "Code"))
		s3_text_set(a->code, sizeof(a->code), text);
	else if (!strcmp(name, "Message"))
		s3_text_set(a->text, sizeof(a->text), text);
	else if (!strcmp(name, "Region"))
		s3_text_set(a->region, sizeof(a->region), text);
	return 0;
}

void s3_xml_error(struct slice body, struct s3_answer *a)
{
	struct s3_answer found = *a;

	if (walk(body, error_element, &found) == 0)
		*a = found;
}

struct text_want {
	const char *element;
	struct buf *out;
	bool found;
};

static int text_element(void *ctx, const char *parent, const char *name, struct slice text)
{
	struct text_want *want = ctx;

	(void)parent;
	if (strcmp(name, want->element) != 0)
		return 0;
	buf_add_slice(want->out, text);
	want->found = true;
	return 0;
}

int s3_xml_text(struct slice body, const char *element, struct buf *out)
{
	struct text_want want = {element, out, false};
	int r = walk(body, text_element, &want);

	return r < 0 ? r : buf_error(out) < 0 ? -ENOMEM : want.found;
}

/* How a list was read: `r` is what walk() returned, `root` whether it is `what`, and `bad` the element that is wrong, or "". */
static int explain(int r, bool root, const char *bad, const char *what, struct err *err)
{
	if (r == -ENOMEM)
		return err_set(err, r, "out of memory");
	if (*bad)
		return err_set(err, -EBADMSG, "its element %s makes no sense", bad);
	return r < 0 || !root ? err_set(err, -EBADMSG, "it is no %s, or was cut off", what) : 0;
}

/* ---- listings ---- */

struct page_reader {
	struct s3_page *page;
	bool encoded; /* keys are */
	bool root;    /* the document is a listing */
	bool ended;   /* it said whether it goes on */
	/* Of the <Contents> that is being read */
	struct buf key;
	uint64_t size;
	int64_t modified;
	char etag[S3_ETAG_MAX];
	bool has_key, has_size, has_time;
	char bad[32]; /* which element is wrong; "" */
};

static bool parse_u64(struct slice s, uint64_t *out)
{
	uint64_t n = 0;

	if (!s.len || s.len > 18)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(s.data[i] - '0');
	}
	*out = n;
	return true;
}

/* Whole seconds, since that is all that the object itself says of its time. */
static bool parse_time(struct slice s, int64_t *out)
{
	char text[64];

	if (s.len >= sizeof(text))
		return false;
	memcpy(text, s.data, s.len);
	text[s.len] = '\0';
	if (time_parse(text, out, NULL) < 0)
		return false;
	*out -= *out % TIME_SECOND;
	return true;
}

static int encoding_element(void *ctx, const char *parent, const char *name, struct slice text)
{
	(void)ctx;
	return !strncmp(parent, "List", 4) && !strcmp(name, "EncodingType") &&
	       slice_eq(text, slice_str("url"));
}

/* Are its keys encoded? Not every server does what it was asked for; one that does says so, some behind the keys. */
static bool is_encoded(struct slice body)
{
	return walk(body, encoding_element, NULL) == 1;
}

static bool read_key(struct slice text, bool encoded, struct buf *key)
{
	buf_clear(key);
	if (!encoded)
		buf_add_slice(key, text);
	return (!encoded || uri_decode(text, key)) && key->len && key->len <= S3_KEY_MAX &&
	       !memchr(key->data, '\0', key->len);
}

static bool set_key(struct page_reader *p, struct slice text)
{
	return read_key(text, p->encoded, &p->key);
}

static bool contents_member(struct page_reader *p, const char *name, struct slice text)
{
	if (!strcmp(name, "Key"))
		return p->has_key = set_key(p, text);
	if (!strcmp(name, "Size"))
		return p->has_size = parse_u64(text, &p->size);
	if (!strcmp(name, "LastModified"))
		return p->has_time = parse_time(text, &p->modified);
	if (!strcmp(name, "ETag"))
		return s3_etag_set(p->etag, text);
	return true;
}

static int contents_end(struct page_reader *p)
{
	struct store_stat st;
	int r;

	if (!p->has_key || !p->has_size || !p->has_time) {
		return -EBADMSG;
	}
	s3_stat(&st, p->size, p->modified, p->etag);
	r = s3_page_add(p->page, buf_slice(&p->key), &st);
	p->has_key = p->has_size = p->has_time = false;
	p->etag[0] = '\0';
	return r;
}

static int prefix_end(struct page_reader *p, struct slice text)
{
	struct store_stat st = {.is_dir = true};

	if (!set_key(p, text) || p->key.data[p->key.len - 1] != '/')
		return -EBADMSG;
	return s3_page_add(p->page, buf_slice(&p->key), &st);
}

static int result_member(struct page_reader *p, const char *name, struct slice text)
{
	if (!strcmp(name, "Contents"))
		return contents_end(p);
	if (!strcmp(name, "IsTruncated")) {
		p->ended = true;
		p->page->truncated = slice_eq(text, slice_str("true"));
		return p->page->truncated || slice_eq(text, slice_str("false")) ? 0 : -EBADMSG;
	}
	if (!strcmp(name, "NextContinuationToken")) {
		p->page->next = arena_dup(&p->page->arena, text);
		return p->page->next.data ? 0 : -ENOMEM;
	}
	if (!strcmp(name, "NextMarker")) {
		if (!set_key(p, text))
			return -EBADMSG;
		p->page->next = arena_dup(&p->page->arena, buf_slice(&p->key));
		return p->page->next.data ? 0 : -ENOMEM;
	}
	return 0;
}

static int page_element(void *ctx, const char *parent, const char *name, struct slice text)
{
	struct page_reader *p = ctx;
	int r = 0;

	if (!strcmp(parent, "Contents"))
		r = contents_member(p, name, text) ? 0 : -EBADMSG;
	else if (!strcmp(parent, "CommonPrefixes") && !strcmp(name, "Prefix"))
		r = prefix_end(p, text);
	else if (!strcmp(parent, "ListBucketResult"))
		r = result_member(p, name, text);
	else if (!*parent)
		p->root = !strcmp(name, "ListBucketResult");
	if (r == -EBADMSG)
		s3_text_set(p->bad, sizeof(p->bad), slice_str(name));
	return r;
}

int s3_xml_page(struct slice body, struct s3_page *page, struct err *err)
{
	struct page_reader p = {.page = page, .encoded = is_encoded(body)};
	int r = walk(body, page_element, &p);

	buf_release(&p.key);
	r = explain(r, p.root, p.bad, "listing", err);
	return r == 0 && !p.ended ? err_set(err, -EBADMSG, "it does not say whether it goes on") : r;
}

/* ---- uploads in parts ---- */

struct uploads_reader {
	struct s3_uploads *found;
	bool encoded, root;
	struct s3_upload now; /* that is being read */
	struct buf key;
	char bad[32];
};

static int upload_member(struct uploads_reader *u, const char *name, struct slice text)
{
	if (!strcmp(name, "Key")) {
		if (!read_key(text, u->encoded, &u->key))
			return -EBADMSG;
		u->now.key = arena_dup(&u->found->arena, buf_slice(&u->key)).data;
		return u->now.key ? 0 : -ENOMEM;
	}
	if (!strcmp(name, "UploadId")) {
		if (!text.len || memchr(text.data, '\0', text.len))
			return -EBADMSG;
		u->now.id = arena_dup(&u->found->arena, text).data;
		return u->now.id ? 0 : -ENOMEM;
	}
	if (!strcmp(name, "Initiated"))
		return parse_time(text, &u->now.begun) ? 0 : -EBADMSG;
	return 0;
}

static int upload_end(struct uploads_reader *u)
{
	if (!u->now.key || !u->now.id || u->now.begun == TIME_NONE ||
		u->found->list.len == S3_PAGE_KEYS * sizeof(u->now))
		return -EBADMSG;
	buf_add(&u->found->list, &u->now, sizeof(u->now));
	u->now = (struct s3_upload){.begun = TIME_NONE};
	return buf_error(&u->found->list);
}

static int uploads_element(void *ctx, const char *parent, const char *name, struct slice text)
{
	struct uploads_reader *u = ctx;
	int r = 0;

	if (!strcmp(parent, "Upload"))
		r = upload_member(u, name, text);
	else if (!strcmp(parent, "ListMultipartUploadsResult") && !strcmp(name, "Upload"))
		r = upload_end(u);
	else if (!*parent)
		u->root = !strcmp(name, "ListMultipartUploadsResult");
	if (r == -EBADMSG)
		s3_text_set(u->bad, sizeof(u->bad), slice_str(name));
	return r;
}

int s3_xml_uploads(struct slice body, struct s3_uploads *found, struct err *err)
{
	struct uploads_reader u = {.found = found, .encoded = is_encoded(body), .now = {.begun = TIME_NONE}};
	int r = walk(body, uploads_element, &u);

	buf_release(&u.key);
	return explain(r, u.root, u.bad, "list of uploads", err);
}
