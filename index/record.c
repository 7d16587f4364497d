/* SPDX-License-Identifier: Apache-2.0 */
/* index/record.c - what counts as a usable record, and its terms: docs/records.md says it for users. */
#include "record_fields.h"

#include "name.h"

int record_order(const struct record *a, const struct record *b)
{
	int c = slice_cmp(a->version, b->version);

	if (c)
		return c;
	if (a->source != b->source)
		return a->source < b->source ? -1 : 1;
	return (a->line > b->line) - (a->line < b->line);
}

/* What ids and groups have in common. */
static int key_check(struct slice key, const char *field, struct err *err)
{
	if (key.len > ID_MAX)
		return err_set(err, 1, "%s: %zu bytes, at most %d", field, key.len, ID_MAX);
	if (has_control(key))
		return err_set(err, 1, "%s: control character", field);
	return 0;
}

int key_value(struct record_parser *p, const struct field *f, char room[INTEGER_TEXT], struct slice *out,
	struct err *err)
{
	yyjson_val *v;
	int r = field_single(p, f, &v, err);

	*out = slice_of("", 0);
	if (r || !v)
		return r;
	if (yyjson_is_str(v))
		*out = string_of(v);
	else if (is_integer(v))
		*out = integer_text(v, room);
	else
		return err_set(err, 1, "%s: neither a string nor an integer", f->name.data);
	return key_check(*out, f->name.data, err);
}

static int id_value(struct record_parser *p, struct slice fallback, bool deleted, char room[INTEGER_TEXT],
	struct slice *out, struct err *err)
{
	int r = key_value(p, &p->id, room, out, err);

	if (r || out->len)
		return r;
	if (p->cfg->id)
		return err_set(err, 1, "%s: missing or empty", p->cfg->id);
	if (deleted)
		return err_set(err, 1, "a delete without an id");
	*out = fallback;
	if (!fallback.len || !utf8_is_valid(fallback))
		return err_set(err, 1, "no id, and the file's name is not valid UTF-8");
	return key_check(fallback, "no id, and the file's name", err);
}

static int leaf_says_delete(struct record_parser *p, yyjson_val *v, void *ctx, struct err *err)
{
	return yyjson_is_str(v) && slice_eq(string_of(v), slice_str("delete"));
}

/* Reads an optional '-' and up to 18 digits. */
static bool short_integer(struct slice s, int64_t *out)
{
	size_t sign = s.len && s.data[0] == '-';
	int64_t n = 0;

	if (s.len == sign || s.len - sign > 18)
		return false;
	for (size_t i = sign; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
		n = n * 10 + (s.data[i] - '0');
	}
	*out = sign ? -n : n;
	return true;
}

/* 0x01 and 9 bytes big-endian of value + 2^63, which for unsigned values may take 65 bits. */
static void integer_key(uint64_t low, bool high, struct buf *out)
{
	buf_add_byte(out, 1);
	buf_add_byte(out, high);
	for (int shift = 56; shift >= 0; shift -= 8)
		buf_add_byte(out, (int)(low >> shift & 0xFF));
}

/* Puts the order-preserving key of a version into p->term; nothing where the record has none. */
static int version_key(struct record_parser *p, const struct field *f, struct err *err)
{
	const uint64_t half = UINT64_C(1) << 63;
	yyjson_val *v;
	int64_t n;
	int r = field_single(p, f, &v, err);

	if (r || !v)
		return r;
	if (yyjson_is_uint(v)) {
		integer_key(yyjson_get_uint(v) + half, yyjson_get_uint(v) >= half, &p->term);
	} else if (yyjson_is_sint(v)) {
		integer_key((uint64_t)yyjson_get_sint(v) + half, false, &p->term);
	} else if (yyjson_is_str(v) && short_integer(string_of(v), &n)) {
		integer_key((uint64_t)n + half, false, &p->term);
	} else if (yyjson_is_str(v) || yyjson_is_raw(v)) {
		if (yyjson_get_len(v) > VERSION_MAX)
			return err_set(err, 1, "%s: %zu bytes, at most %d", f->name.data, yyjson_get_len(v),
				VERSION_MAX);
		buf_add_byte(&p->term, 2);
		buf_add_slice(&p->term, string_of(v));
	} else if (yyjson_is_real(v)) {
		buf_add_byte(&p->term, 2);
		return value_text(p, v, &p->term);
	} else {
		return err_set(err, 1, "%s: neither a string nor a number", f->name.data);
	}
	return buf_error(&p->term);
}

int keyword_check(struct record_parser *p, yyjson_val *v, void *ctx, struct err *err)
{
	struct slice term;

	return keyword_term(p, v, ctx, &term, err);
}

int text_check(struct record_parser *p, yyjson_val *v, void *ctx, struct err *err)
{
	const struct field *f = ctx;

	return yyjson_is_obj(v) ? err_set(err, 1, "%s: an object where text should be", f->name.data) : 0;
}

/* Checks what record_analyse() will want of a document. */
static int fields_check(struct record_parser *p, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < p->cfg->keyword.count && !r; i++)
		r = field_walk(p, &p->keywords[i], keyword_check, &p->keywords[i], err);
	for (size_t i = 0; i < p->cfg->text.count && !r && !p->cfg->text_is_default; i++)
		r = field_walk(p, &p->texts[i], text_check, &p->texts[i], err);
	return r;
}

/* What a record is called, and where it stands in the order: its version's key goes to p->term. */
struct naming {
	char id_room[INTEGER_TEXT], group_room[INTEGER_TEXT];
	struct slice id, group;
};

static int document_name(
	struct record_parser *p, struct slice fallback, bool deleted, struct naming *n, struct err *err)
{
	int r = id_value(p, fallback, deleted, n->id_room, &n->id, err);

	if (!r && p->cfg->group)
		r = key_value(p, &p->group, n->group_room, &n->group, err);
	if (!r && !deleted)
		r = joints_check(p, err);
	if (!r && !deleted)
		r = fields_check(p, err);
	buf_clear(&p->term);
	if (!r && p->cfg->version)
		r = version_key(p, &p->version, err);
	return r;
}

static int attribute_name(
	struct record_parser *p, const struct joint *j, bool deleted, struct naming *n, struct err *err)
{
	int r = joint_fill(p, j, deleted, err);

	n->id = buf_slice(&p->value);
	buf_clear(&p->term);
	if (!r && j->rule->version)
		r = version_key(p, &j->version, err);
	return r;
}

static int record_fill(struct record_parser *p, struct slice line, struct slice fallback, struct arena *arena,
	struct record *out, struct err *err)
{
	struct naming n = {.group = {0}};
	const struct joint *j = joint_of_record(p);
	int r;

	if (p->failed < 0)
		return err_set(err, p->failed, "out of memory");
	out->deleted = field_walk(p, &p->op, leaf_says_delete, NULL, err) != 0;
	r = j ? attribute_name(p, j, out->deleted, &n, err)
	      : document_name(p, fallback, out->deleted, &n, err);
	if (r)
		return r < 0 ? err_set(err, r, "out of memory") : r;
	out->id = arena_dup(arena, n.id);
	if (n.group.len)
		out->group = arena_dup(arena, n.group);
	if (p->term.len)
		out->version = arena_dup(arena, buf_slice(&p->term));
	out->json = arena_dup(arena, line);
	if (!out->id.data || (n.group.len && !out->group.data) || (p->term.len && !out->version.data) ||
		!out->json.data)
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

int record_parse(struct record_parser *p, struct slice line, struct slice fallback_id, struct arena *arena,
	struct record *out, struct err *err)
{
	yyjson_doc *doc;
	int r;

	*out = (struct record){0};
	r = fields_parse(p, line, &doc, err);
	if (r)
		return r;
	r = record_fill(p, line, fallback_id, arena, out, err);
	yyjson_doc_free(doc);
	return r;
}

static double number_of(yyjson_val *v)
{
	return yyjson_is_raw(v) ? strtod(yyjson_get_raw(v), NULL) : yyjson_get_num(v);
}

static bool number_holds(double n, const struct expr_test *t)
{
	switch (t->cmp) {
	case EXPR_LT:
		return n < t->number;
	case EXPR_LE:
		return n <= t->number;
	case EXPR_GT:
		return n > t->number;
	case EXPR_GE:
		return n >= t->number;
	case EXPR_EQ:
		return n == t->number;
	case EXPR_IS:
	case EXPR_WORD:
	case EXPR_PREFIX:
		break;
	}
	return false;
}

static int leaf_passes(struct record_parser *p, yyjson_val *v, void *ctx, struct err *err)
{
	const struct expr_test *t = ctx;

	if (p->failed < 0)
		return 1;
	if (t->cmp != EXPR_IS)
		return (yyjson_is_num(v) || yyjson_is_raw(v)) && number_holds(number_of(v), t);
	if (yyjson_is_obj(v))
		return 0;
	buf_clear(&p->term);
	p->failed = value_text(p, v, &p->term);
	return p->failed < 0 || slice_eq(buf_slice(&p->term), buf_slice(&p->value));
}

bool value_passes(struct record_parser *p, yyjson_val *root, const struct expr_test *test)
{
	struct expr_test t = *test;

	buf_clear(&p->value);
	if (t.cmp == EXPR_IS) {
		p->failed = text_nfc(p->text, t.value, &p->value);
		if (p->failed == -EBADMSG) { /* no record is like that */
			p->failed = 0;
			return false;
		}
	}
	return value_walk(p, root, t.field, leaf_passes, &t, NULL) != 0;
}

bool record_test_holds(void *ctx, const struct expr_test *test)
{
	struct record_parser *p = ctx;
	struct expr_test t = *test;
	struct slice rest = t.field;
	const struct joint *j = joint_of_member(p, path_head(&rest));

	if (p->failed < 0)
		return false;
	if (j)
		t.field = rest;
	return value_passes(p, j ? yyjson_doc_get_root(j->doc) : p->root, &t);
}

static void give_word(void *ctx, const char *word, size_t len)
{
	struct record_parser *p = ctx;

	p->fn(p->ctx, TERM_WORD, word, len);
}

static int give_keyword(struct record_parser *p, yyjson_val *v, void *ctx, struct err *err)
{
	struct slice term;
	int r = keyword_term(p, v, ctx, &term, err);

	if (!r)
		p->fn(p->ctx, TERM_KEYWORD, term.data, term.len);
	return r;
}

static int give_string(struct record_parser *p, yyjson_val *v, void *ctx, struct err *err)
{
	return yyjson_is_str(v) ? text_words(p->text, string_of(v), give_word, p) : 0;
}

static int give_text(struct record_parser *p, yyjson_val *v, void *ctx, struct err *err)
{
	int r = text_check(p, v, ctx, err);

	if (r || yyjson_is_str(v))
		return r ? r : give_string(p, v, ctx, err);
	buf_clear(&p->term);
	r = value_text(p, v, &p->term);
	return r < 0 ? r : text_words(p->text, buf_slice(&p->term), give_word, p);
}

/* Every top-level string but those of id, group, op and version, also in arrays. */
static int give_default_text(struct record_parser *p, struct err *err)
{
	size_t i, max;
	yyjson_val *key, *val;
	int r;

	yyjson_obj_foreach(p->root, i, max, key, val)
	{
		struct member *m = member_find(p, slice_of(yyjson_get_str(key), yyjson_get_len(key)));

		if ((m && m->no_text) ||
			joint_of_member(p, slice_of(yyjson_get_str(key), yyjson_get_len(key))))
			continue;
		r = value_walk(p, val, slice_of(NULL, 0), give_string, NULL, err);
		if (r)
			return r;
	}
	return 0;
}

static int give_terms(struct record_parser *p, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < p->cfg->keyword.count && !r; i++)
		r = field_walk(p, &p->keywords[i], give_keyword, &p->keywords[i], err);
	if (!r && p->cfg->text_is_default)
		return give_default_text(p, err);
	for (size_t i = 0; i < p->cfg->text.count && !r; i++)
		r = field_walk(p, &p->texts[i], give_text, &p->texts[i], err);
	return r;
}

int record_analyse(struct record_parser *p, struct slice json, term_fn *fn, void *ctx, struct err *err)
{
	yyjson_doc *doc;
	bool hidden;
	int r;

	r = fields_parse(p, json, &doc, err);
	if (r)
		return r < 0 ? r : -EBADMSG;
	p->fn = fn;
	p->ctx = ctx;
	p->failed = 0;
	r = joints_join(p, err);
	hidden = !r && p->cfg->drop_if && expr_eval(p->cfg->drop_if, record_test_holds, p);
	if (!r)
		r = p->failed < 0 ? p->failed : hidden ? 0 : give_terms(p, err);
	yyjson_doc_free(doc);
	if (r == -ENOMEM)
		return err_set(err, r, "out of memory");
	return r < 0 ? r : r ? -EBADMSG : hidden;
}
