/* SPDX-License-Identifier: Apache-2.0 */
/* index/record_attribute.c - attributes: which records are such, what they are called, what documents take of
 * them, and the join.
 *
 * A document asks for an attribute of each rule by its `on` field. Neighbours often ask for the same one, so the one that was
 * looked up last by each rule stays parsed. */
#include "record_fields.h"

#include "reader.h"

#define READ_OPTIONS (YYJSON_READ_INSITU | YYJSON_READ_BIGNUM_AS_RAW)
#define TAIL 16 /* readable bytes after every term */
/* Types of what record_taken() writes: values of different types never look the same. */
enum taken {
	TAKEN_STRING = 's',
	TAKEN_NUMBER = 'n',
	TAKEN_BOOL = 'b',
	TAKEN_OBJECT = 'o',
	TAKEN_PATH = 'p',
	TAKEN_TEST = '0', /* or '1' */
};

/* ---- rules ---- */

/* Notes the rest of a path that leads into the attribute. */
static void take_path(struct joint *j, struct slice path)
{
	struct slice rest = path, head = path_head(&rest);

	if (slice_eq(head, slice_str(j->rule->name)))
		j->paths[j->path_count++] = rest;
}

static void count_test(void *ctx, const struct expr_test *test)
{
	(*(size_t *)ctx)++;
}

/* Of a test it counts whether it holds: a budget that goes down touches nobody before it is spent. */
static void take_test(void *ctx, const struct expr_test *test)
{
	struct joint *j = ctx;
	struct slice rest = test->field, head = path_head(&rest);

	if (!slice_eq(head, slice_str(j->rule->name)))
		return;
	j->tests[j->test_count] = *test;
	j->tests[j->test_count++].field = rest;
}

static bool joint_init(struct record_parser *p, struct joint *j, const struct attribute_rule *rule)
{
	const struct config *cfg = p->cfg;
	size_t tests = 0;

	j->rule = rule;
	field_init(p, &j->key, rule->key, false);
	field_init(p, &j->on, rule->on, false);
	if (rule->version)
		field_init(p, &j->version, rule->version, false);
	if (cfg->drop_if)
		expr_each_test(cfg->drop_if, count_test, &tests);
	j->paths = calloc(cfg->text.count + cfg->keyword.count + 1, sizeof(*j->paths));
	j->tests = calloc(tests + 1, sizeof(*j->tests));
	if (!j->paths || !j->tests)
		return false;
	for (size_t i = 0; i < cfg->text.count; i++)
		take_path(j, slice_str(cfg->text.items[i]));
	for (size_t i = 0; i < cfg->keyword.count; i++)
		take_path(j, slice_str(cfg->keyword.items[i]));
	if (cfg->drop_if)
		expr_each_test(cfg->drop_if, take_test, j);
	return true;
}

int joints_init(struct record_parser *p, struct err *err)
{
	size_t n = p->cfg->attribute_count;

	p->joints = calloc(n + 1, sizeof(*p->joints));
	for (size_t i = 0; p->joints && i < n; i++)
		if (!joint_init(p, &p->joints[i], &p->cfg->attributes[i]))
			return err_set(err, -ENOMEM, "out of memory");
	return p->joints ? 0 : err_set(err, -ENOMEM, "out of memory");
}

void joints_release(struct record_parser *p)
{
	for (size_t i = 0; p->joints && i < p->cfg->attribute_count; i++) {
		struct joint *j = &p->joints[i];

		free(j->paths);
		free(j->tests);
		buf_release(&j->id);
		buf_release(&j->json);
		yyjson_doc_free(j->doc);
	}
	free(p->joints);
}

/* ---- records that are attributes ---- */

const struct joint *joint_of_record(struct record_parser *p)
{
	p->failed = 0;
	for (size_t i = 0; i < p->cfg->attribute_count; i++)
		if (expr_eval(p->cfg->attributes[i].when, record_test_holds, p) && p->failed == 0)
			return &p->joints[i];
	return NULL;
}

static size_t key_max(const struct attribute_rule *rule)
{
	return TERM_MAX - strlen(rule->name) - 1;
}

/* 01 NAME 01 KEY, with a tail to read, into `out`. */
static int attribute_id(const struct attribute_rule *rule, struct slice key, struct buf *out)
{
	buf_clear(out);
	buf_add_byte(out, ATTRIBUTE_MARK);
	buf_add_str(out, rule->name);
	buf_add_byte(out, ATTRIBUTE_MARK);
	buf_add_slice(out, key);
	if (!buf_reserve(out, TAIL))
		return -ENOMEM;
	memset(out->data + out->len, 0, TAIL);
	return 0;
}

/* The fields of documents that lead into the attribute, looked at as they will be there. */
static int taken_check(struct record_parser *p, const struct joint *j, struct err *err)
{
	struct slice name = slice_str(j->rule->name);
	int r = 0;

	for (size_t i = 0; i < p->cfg->keyword.count && !r; i++) {
		struct slice path = p->keywords[i].name;

		if (slice_eq(path_head(&path), name))
			r = value_walk(p, p->root, path, keyword_check, &p->keywords[i], err);
	}
	for (size_t i = 0; i < p->cfg->text.count && !r && !p->cfg->text_is_default; i++) {
		struct slice path = p->texts[i].name;

		if (slice_eq(path_head(&path), name))
			r = value_walk(p, p->root, path, text_check, &p->texts[i], err);
	}
	return r;
}

int joint_fill(struct record_parser *p, const struct joint *j, bool deleted, struct err *err)
{
	char room[INTEGER_TEXT];
	struct slice key;
	int r = key_value(p, &j->key, room, &key, err);

	if (r)
		return r;
	if (!key.len)
		return err_set(err, 1, "%s: missing or empty", j->rule->key);
	if (key.len > key_max(j->rule))
		return err_set(err, 1, "%s: %zu bytes, at most %zu", j->rule->key, key.len, key_max(j->rule));
	r = deleted ? 0 : taken_check(p, j, err);
	return r ? r : attribute_id(j->rule, key, &p->value);
}

/* ---- what documents take ---- */

static int taken_leaf(struct record_parser *p, yyjson_val *v, void *ctx, struct err *err)
{
	struct buf *out = ctx;
	size_t at;
	int r = 0;

	buf_add_byte(out, yyjson_is_str(v)    ? TAKEN_STRING
			  : yyjson_is_bool(v) ? TAKEN_BOOL
			  : yyjson_is_obj(v)  ? TAKEN_OBJECT
					      : TAKEN_NUMBER);
	buf_add_le32(out, 0);
	at = out->len;
	if (!yyjson_is_obj(v))
		r = value_text(p, v, out);
	if (r == 0 && !buf_error(out))
		put_le32(out->data + at - 4, (uint32_t)(out->len - at));
	return r;
}

/* Parses it in place, for as long as *out lives: what looks at a string may read RECORD_PADDING bytes behind it. */
static int json_read(struct buf *json, yyjson_doc **out, struct err *err)
{
	yyjson_read_err e = {0};
	char *tail = buf_reserve(json, RECORD_PADDING);

	*out = NULL;
	if (!tail)
		return err_set(err, -ENOMEM, "out of memory");
	memset(tail, 0, RECORD_PADDING);
	*out = yyjson_read_opts(json->data, json->len, READ_OPTIONS, NULL, &e);
	if (!*out && e.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
		return err_set(err, -ENOMEM, "out of memory");
	if (!*out)
		return err_set(err, -EBADMSG, "attribute: not JSON: %s at byte %zu", e.msg, e.pos + 1);
	if (yyjson_is_obj(yyjson_doc_get_root(*out)) && !nests_too_deep(*out))
		return 0;
	yyjson_doc_free(*out);
	*out = NULL;
	return err_set(err, -EBADMSG, "attribute: no object, or nested too deep");
}

static struct joint *joint_of_id(const struct record_parser *p, struct slice id)
{
	for (size_t i = 0; i < p->cfg->attribute_count; i++) {
		struct slice name = slice_str(p->cfg->attributes[i].name);

		if (id.len > name.len + 2 && id.data[name.len + 1] == ATTRIBUTE_MARK &&
			slice_eq(slice_of(id.data + 1, name.len), name))
			return &p->joints[i];
	}
	return NULL;
}

int record_taken(
	struct record_parser *p, struct slice id, struct slice json, struct buf *out, struct err *err)
{
	const struct joint *j = joint_of_id(p, id);
	OWNED_BUF copy = {0};
	yyjson_doc *doc = NULL;
	int r;

	buf_add_slice(&copy, json);
	r = json.len ? json_read(&copy, &doc, err) : 0;

	p->failed = 0;
	for (size_t i = 0; r == 0 && doc && j && i < j->path_count; i++) {
		buf_add_byte(out, TAKEN_PATH);
		r = value_walk(p, yyjson_doc_get_root(doc), j->paths[i], taken_leaf, out, err);
	}
	for (size_t i = 0; r == 0 && doc && j && i < j->test_count; i++) {
		buf_add_byte(out, TAKEN_TEST + value_passes(p, yyjson_doc_get_root(doc), &j->tests[i]));
		r = p->failed;
	}
	/* Where documents take something, to be there with nothing in it differs from not being there: a member of the
	 * document's own shows again, in the default text too. */
	if (r == 0 && doc && j && (j->path_count + j->test_count || p->cfg->text_is_default))
		buf_add_byte(out, TAKEN_PATH);
	yyjson_doc_free(doc);
	return r == 0 && buf_error(out) ? err_set(err, -ENOMEM, "out of memory") : r;
}

/* ---- the join ---- */

void record_join(struct record_parser *p, attribute_fn *fn, void *ctx)
{
	p->attribute = fn;
	p->attribute_ctx = ctx;
	for (size_t i = 0; i < p->cfg->attribute_count; i++)
		p->joints[i].looked = p->joints[i].joined = false;
}

int joints_check(struct record_parser *p, struct err *err)
{
	yyjson_val *v;
	int r = 0;

	for (size_t i = 0; !r && i < p->cfg->attribute_count; i++)
		r = field_single(p, &p->joints[i].on, &v, err);
	return r;
}

const struct joint *joint_of_member(const struct record_parser *p, struct slice name)
{
	for (size_t i = 0; i < p->cfg->attribute_count; i++)
		if (p->joints[i].joined && slice_eq(slice_str(p->joints[i].rule->name), name))
			return &p->joints[i];
	return NULL;
}

/* Looks up the attribute in p->value, unless it is the one that is at hand. */
static int joint_look(struct record_parser *p, struct joint *j, struct err *err)
{
	int r;

	if (j->looked && slice_eq(buf_slice(&j->id), buf_slice(&p->value)))
		return 0;
	j->looked = false;
	yyjson_doc_free(j->doc);
	j->doc = NULL;
	buf_clear(&j->id);
	buf_clear(&j->json);
	buf_add_slice(&j->id, buf_slice(&p->value));
	if (buf_error(&j->id))
		return -ENOMEM;
	r = p->attribute(p->attribute_ctx, buf_slice(&j->id), &j->json, err);
	if (r == 1)
		r = json_read(&j->json, &j->doc, err);
	j->looked = r == 0;
	return r;
}

static int joint_join(struct record_parser *p, struct joint *j, struct err *err)
{
	char room[INTEGER_TEXT];
	struct slice key;
	int r;

	/* A value that can be no key asks for nothing. */
	if (key_value(p, &j->on, room, &key, NULL) || !key.len || key.len > key_max(j->rule))
		return 0;
	r = attribute_id(j->rule, key, &p->value);
	if (r < 0)
		return r;
	p->fn(p->ctx, TERM_ATTRIBUTE, p->value.data + 1, p->value.len - 1);
	r = p->attribute ? joint_look(p, j, err) : 0;
	j->joined = r == 0 && p->attribute && j->doc;
	return r;
}

int joints_join(struct record_parser *p, struct err *err)
{
	struct member *m;
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->cfg->attribute_count; i++)
		r = joint_join(p, &p->joints[i], err);
	/* Only now, since no attribute decides which other one a document gets. */
	for (size_t i = 0; r == 0 && i < p->cfg->attribute_count; i++) {
		struct joint *j = &p->joints[i];

		m = j->joined ? member_find(p, slice_str(j->rule->name)) : NULL;
		if (m)
			m->val = yyjson_doc_get_root(j->doc);
	}
	return r;
}
