/* SPDX-License-Identifier: Apache-2.0 */
/* yyjson's parser keeps its stack in the values it builds, so nesting costs it no C stack; what it
 * took is checked against RECORD_NESTING_MAX before anything here recurses into it. */
#include "record_fields.h"

#include <inttypes.h>
#include <stdio.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "name.h"
#include "reader.h"

#define TAIL 16               /* readable bytes after every term */
#define BLOCK_KEEP (4u << 20) /* a larger block is given back after its record */
#define SHRINK_MAX 8          /* NFC takes less than this many times off a string's length */
#define READ_OPTIONS (YYJSON_READ_INSITU | YYJSON_READ_BIGNUM_AS_RAW)

static void *block_malloc(void *ctx, size_t size)
{
	struct block *b = ctx;

	if (b->lent)
		return malloc(size);
	if (size > b->cap) {
		free(b->data);
		b->cap = 0;
		b->data = malloc(size);
		if (!b->data)
			return NULL;
		b->cap = size;
	}
	b->lent = true;
	return b->data;
}

static void *block_realloc(void *ctx, void *ptr, size_t old_size, size_t size)
{
	struct block *b = ctx;
	void *data;

	if (ptr != b->data)
		return realloc(ptr, size);
	if (size <= b->cap)
		return ptr;
	data = realloc(ptr, size);
	if (!data)
		return NULL;
	b->data = data;
	b->cap = size;
	return data;
}

static void block_free(void *ctx, void *ptr)
{
	struct block *b = ctx;

	if (ptr != b->data) {
		free(ptr);
		return;
	}
	b->lent = false;
	if (b->cap > BLOCK_KEEP) {
		free(b->data);
		*b = (struct block){0};
	}
}

static unsigned bucket_of(struct slice name)
{
	if (!name.len)
		return 0;
	return (unsigned)(name.len * 7 + (uint8_t)name.data[0] * 5 + (uint8_t)name.data[name.len - 1]) %
	       BUCKETS;
}

struct member *member_find(struct record_parser *p, struct slice name)
{
	for (unsigned i = p->buckets[bucket_of(name)]; i; i = p->members[i - 1].next)
		if (slice_eq(p->members[i - 1].name, name))
			return &p->members[i - 1];
	return NULL;
}

struct slice path_head(struct slice *path)
{
	const char *dot = path->len ? memchr(path->data, '.', path->len) : NULL;
	size_t len = dot ? (size_t)(dot - path->data) : path->len;
	struct slice head = slice_of(path->data, len);
	size_t used = dot ? len + 1 : len;

	*path = slice_of(path->data + used, path->len - used);
	return head;
}

void field_init(struct record_parser *p, struct field *f, const char *name, bool special)
{
	struct slice head;
	struct member *m;
	unsigned *bucket;

	f->name = f->rest = slice_str(name);
	head = path_head(&f->rest);
	m = member_find(p, head);
	if (!m) {
		bucket = &p->buckets[bucket_of(head)];
		m = &p->members[p->member_count++];
		m->name = head;
		m->next = *bucket;
		*bucket = p->member_count;
	}
	if (special && !f->rest.len)
		m->no_text = true;
	f->member = (unsigned)(m - p->members);
}

static bool keyword_init(struct record_parser *p, struct field *f, const char *name)
{
	OWNED_BUF prefix = {0};

	field_init(p, f, name, false);
	/* Terms are looked up by the NFC of all of "name:value". */
	if (text_nfc(p->text, f->name, &prefix) == -EBADMSG)
		buf_add_slice(&prefix, f->name);
	buf_add_byte(&prefix, ':');
	f->term = buf_error(&prefix) ? NULL : calloc(1, prefix.len + TERM_MAX + TAIL);
	if (!f->term)
		return false;
	memcpy(f->term, prefix.data, prefix.len);
	f->prefix = prefix.len;
	return true;
}

int record_parser_new(struct record_parser **out, const struct config *cfg, struct err *err)
{
	OWNED(record_parser) struct record_parser *p = calloc(1, sizeof(*p));

	*out = NULL;
	if (!p)
		return err_set(err, -ENOMEM, "out of memory");
	p->cfg = cfg;
	p->alc = (yyjson_alc){block_malloc, block_realloc, block_free, &p->block};
	p->text = text_new();
	p->members = calloc(
		cfg->text.count + cfg->keyword.count + 3 * cfg->attribute_count + 4, sizeof(*p->members));
	p->texts = calloc(cfg->text.count + 1, sizeof(*p->texts));
	p->keywords = calloc(cfg->keyword.count + 1, sizeof(*p->keywords));
	if (!p->text || !p->members || !p->texts || !p->keywords)
		return err_set(err, -ENOMEM, "out of memory");
	field_init(p, &p->id, cfg->id ? cfg->id : "id", true);
	if (cfg->group)
		field_init(p, &p->group, cfg->group, true);
	field_init(p, &p->op, cfg->op, true);
	if (cfg->version)
		field_init(p, &p->version, cfg->version, true);
	for (size_t i = 0; i < cfg->text.count; i++)
		field_init(p, &p->texts[i], cfg->text.items[i], false);
	for (size_t i = 0; i < cfg->keyword.count; i++)
		if (!keyword_init(p, &p->keywords[i], cfg->keyword.items[i]))
			return err_set(err, -ENOMEM, "out of memory");
	if (joints_init(p, err) < 0)
		return -ENOMEM;
	*out = steal(&p);
	return 0;
}

void record_parser_free(struct record_parser *p)
{
	if (!p)
		return;
	joints_release(p);
	text_free(p->text);
	buf_release(&p->line);
	buf_release(&p->term);
	buf_release(&p->value);
	free(p->block.data);
	for (size_t i = 0; p->keywords && i < p->cfg->keyword.count; i++)
		free(p->keywords[i].term);
	free(p->members);
	free(p->texts);
	free(p->keywords);
	free(p);
}

/* A document of few values cannot be deep. */
bool nests_too_deep(yyjson_doc *doc)
{
	yyjson_val *ends[RECORD_NESTING_MAX], *v = yyjson_doc_get_root(doc);
	yyjson_val *end = v + yyjson_doc_get_val_count(doc);
	size_t depth = 0;

	if (end - v <= RECORD_NESTING_MAX)
		return false;
	for (; v < end; v++) {
		while (depth && v >= ends[depth - 1])
			depth--;
		if (!yyjson_is_ctn(v))
			continue;
		if (depth == RECORD_NESTING_MAX)
			return true;
		ends[depth++] = unsafe_yyjson_get_next(v);
	}
	return false;
}

/* Finds the members that the configuration names. */
static void members_fill(struct record_parser *p)
{
	size_t i, max;
	yyjson_val *key, *val;

	for (unsigned m = 0; m < p->member_count; m++)
		p->members[m].val = NULL;
	for (size_t j = 0; j < p->cfg->attribute_count; j++)
		p->joints[j].joined = false;
	yyjson_obj_foreach(p->root, i, max, key, val)
	{
		struct member *m = member_find(p, slice_of(yyjson_get_str(key), yyjson_get_len(key)));

		if (m && !m->val)
			m->val = val;
	}
}

static int not_json(struct slice line, const yyjson_read_err *e, struct err *err)
{
	if (e->code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
		return err_set(err, -ENOMEM, "out of memory");
	if (!utf8_is_valid(line))
		return err_set(err, 1, "not valid UTF-8");
	return err_set(err, 1, "not JSON: %s at byte %zu", e->msg, e->pos + 1);
}

int fields_parse(struct record_parser *p, struct slice line, yyjson_doc **out, struct err *err)
{
	yyjson_read_err e = {0};
	yyjson_doc *doc;
	char *copy;

	if (line.len > RECORD_MAX)
		return err_set(err, 1, "too long: %zu bytes, at most %u", line.len, RECORD_MAX);
	buf_clear(&p->line);
	copy = buf_reserve(&p->line, line.len + RECORD_PADDING);
	if (!copy) {
		buf_release(&p->line);
		return err_set(err, -ENOMEM, "out of memory");
	}
	if (line.len)
		memcpy(copy, line.data, line.len);
	memset(copy + line.len, 0, RECORD_PADDING);
	doc = yyjson_read_opts(copy, line.len, READ_OPTIONS, &p->alc, &e);
	if (!doc)
		return not_json(line, &e, err);
	p->root = yyjson_doc_get_root(doc);
	if (!yyjson_is_obj(p->root)) {
		yyjson_doc_free(doc);
		return err_set(err, 1, "not a JSON object");
	}
	if (nests_too_deep(doc)) {
		yyjson_doc_free(doc);
		return err_set(err, 1, "nested deeper than %d", RECORD_NESTING_MAX);
	}
	members_fill(p);
	*out = doc;
	return 0;
}

int value_walk(
	struct record_parser *p, yyjson_val *v, struct slice path, leaf_fn *fn, void *ctx, struct err *err)
{
	size_t i, max;
	yyjson_val *item;
	int r;

	while (path.len && yyjson_is_obj(v)) {
		struct slice head = path_head(&path);

		v = yyjson_obj_getn(v, head.data, head.len);
	}
	if (yyjson_is_arr(v)) {
		yyjson_arr_foreach(v, i, max, item)
		{
			if (!path.len && yyjson_is_str(item)) /* what most are: no need to call itself */
				r = fn(p, item, ctx, err);
			else
				r = value_walk(p, item, path, fn, ctx, err);
			if (r)
				return r;
		}
		return 0;
	}
	return path.len || !v || yyjson_is_null(v) ? 0 : fn(p, v, ctx, err);
}

int field_walk(struct record_parser *p, const struct field *f, leaf_fn *fn, void *ctx, struct err *err)
{
	return value_walk(p, p->members[f->member].val, f->rest, fn, ctx, err);
}

bool has_control(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((uint8_t)s.data[i] < 0x20 || s.data[i] == 0x7F)
			return true;
	return false;
}

bool raw_is_integer(yyjson_val *v)
{
	struct slice s = string_of(v);

	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] != '-' && (s.data[i] < '0' || s.data[i] > '9'))
			return false;
	return true;
}

bool is_integer(yyjson_val *v)
{
	return yyjson_is_int(v) || (yyjson_is_raw(v) && raw_is_integer(v));
}

struct slice integer_text(yyjson_val *v, char room[INTEGER_TEXT])
{
	int n;

	if (yyjson_is_raw(v))
		return string_of(v);
	if (yyjson_is_uint(v))
		n = snprintf(room, INTEGER_TEXT, "%" PRIu64, yyjson_get_uint(v));
	else
		n = snprintf(room, INTEGER_TEXT, "%" PRId64, yyjson_get_sint(v));
	return slice_of(room, (size_t)n);
}

/* The shortest text that reads back the same, without a ".0": equal numbers give equal text. */
static int real_text(yyjson_val *v, struct buf *out)
{
	size_t len;
	char *text;

	if (yyjson_get_real(v) == 0) {
		buf_add_byte(out, '0');
		return buf_error(out);
	}
	text = yyjson_val_write(v, YYJSON_WRITE_NOFLAG, &len);
	if (!text)
		return -ENOMEM;
	if (len > 2 && !memcmp(text + len - 2, ".0", 2))
		len -= 2;
	buf_add(out, text, len);
	free(text);
	return buf_error(out);
}

int value_text(struct record_parser *p, yyjson_val *v, struct buf *out)
{
	char room[INTEGER_TEXT];

	if (yyjson_is_str(v))
		return text_nfc(p->text, string_of(v), out);
	if (yyjson_is_real(v))
		return real_text(v, out);
	if (yyjson_is_bool(v))
		buf_add_str(out, yyjson_get_bool(v) ? "true" : "false");
	else
		buf_add_slice(out, yyjson_is_raw(v) ? string_of(v) : integer_text(v, room));
	return buf_error(out);
}

struct single {
	yyjson_val *val;
	size_t count;
};

static int take_single(struct record_parser *p, yyjson_val *v, void *ctx, struct err *err)
{
	struct single *s = ctx;

	s->val = v;
	return ++s->count > 1;
}

int field_single(struct record_parser *p, const struct field *f, yyjson_val **out, struct err *err)
{
	struct single s = {0};

	*out = NULL;
	if (field_walk(p, f, take_single, &s, err))
		return err_set(err, 1, "%s: more than one value", f->name.data);
	*out = s.val;
	return 0;
}

/* Copies a value of printable ASCII, 16 bytes at a time: both sides have that many behind it. false where it
 * is no such. */
static bool printable_copy(struct slice s, char *to)
{
#ifdef __SSE2__
	for (size_t i = 0; i < s.len; i += 16) {
		__m128i c = _mm_loadu_si128((const __m128i *)(s.data + i));
		__m128i printable = _mm_andnot_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8(0x7F)),
			_mm_cmpgt_epi8(c, _mm_set1_epi8(0x1F))); /* signed: not those over 0x7F */
		unsigned others = ~(unsigned)_mm_movemask_epi8(printable) & 0xFFFF;

		if (s.len - i < 16)
			others &= (1u << (s.len - i)) - 1;
		if (others)
			return false;
		_mm_storeu_si128((__m128i *)(to + i), c);
	}
#else
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] < 0x20 || (uint8_t)s.data[i] >= 0x7F)
			return false;
		to[i] = s.data[i];
	}
#endif
	return true;
}

/* The term of a string that NFC leaves as it is, as nearly all are. */
static bool plain_term(yyjson_val *v, const struct field *f, struct slice *out)
{
	struct slice s = string_of(v);

	if (s.len > TERM_MAX || f->prefix + s.len > TERM_MAX || !printable_copy(s, f->term + f->prefix))
		return false;
	*out = slice_of(f->term, f->prefix + s.len);
	return true;
}

/* The same for any value. */
static int other_term(struct record_parser *p, yyjson_val *v, const struct field *f, struct err *err)
{
	struct slice s = yyjson_is_str(v) ? string_of(v) : slice_of(NULL, 0);

	if (yyjson_is_obj(v))
		return err_set(err, 1, "%s: an object where a keyword should be", f->name.data);
	if (has_control(s))
		return err_set(err, 1, "%s: control character", f->name.data);
	if (s.len > TERM_MAX * SHRINK_MAX)
		return err_set(err, 1, "%s: %zu bytes, at most %d with the field's name", f->name.data, s.len,
			TERM_MAX);
	buf_clear(&p->term);
	buf_add(&p->term, f->term, f->prefix);
	if (value_text(p, v, &p->term) < 0 || !buf_reserve(&p->term, TAIL))
		return err_set(err, -ENOMEM, "out of memory");
	if (p->term.len > TERM_MAX)
		return err_set(
			err, 1, "%s: a term of %zu bytes, at most %d", f->name.data, p->term.len, TERM_MAX);
	memset(p->term.data + p->term.len, 0, TAIL);
	return 0;
}

int keyword_term(
	struct record_parser *p, yyjson_val *v, const struct field *f, struct slice *out, struct err *err)
{
	int r;

	if (yyjson_is_str(v) && plain_term(v, f, out))
		return 0;
	r = other_term(p, v, f, err);
	*out = buf_slice(&p->term);
	return r;
}
