/* SPDX-License-Identifier: Apache-2.0 */
/* index/join.c - numbers are kept as they are spelled: what is joined is the text of two records. */
#include "join.h"

#include "record_fields.h"
#include "segment_format.h"

#define READ_OPTIONS YYJSON_READ_NUMBER_AS_RAW

/* The attributes that apply to one document. */
struct found {
	struct slice name;
	yyjson_doc *doc; /* owned */
};
struct joining {
	attribute_fn *find;
	void *ctx;
	struct found found[RULES_MAX];
	size_t count;
};

static void joining_release(struct joining *j)
{
	for (size_t i = 0; i < j->count; i++)
		yyjson_doc_free(j->found[i].doc);
}

static int parse(struct slice json, yyjson_doc **out, struct err *err)
{
	yyjson_read_err e = {0};

	*out = yyjson_read_opts((char *)(uintptr_t)json.data, json.len, READ_OPTIONS, NULL, &e);
	if (!*out && e.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
		return err_set(err, -ENOMEM, "out of memory for a record");
	if (*out && yyjson_is_obj(yyjson_doc_get_root(*out)) && !nests_too_deep(*out))
		return 0;
	yyjson_doc_free(*out);
	*out = NULL;
	return err_set(err, -EBADMSG, "a stored record is no JSON object, or nested too deep");
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

/* The text by which a document asks for an attribute: as indexing takes it. */
static bool asked_key(yyjson_val *root, struct slice on, struct slice *key)
{
	struct single s = {0};

	if (value_walk(NULL, root, on, take_single, &s, NULL) || !s.val)
		return false;
	if (yyjson_is_raw(s.val) && !raw_is_integer(s.val))
		return false;
	if (!yyjson_is_str(s.val) && !yyjson_is_raw(s.val))
		return false;
	*key = string_of(s.val);
	if (yyjson_is_raw(s.val) && slice_eq(*key, slice_str("-0")))
		*key = slice_str("0");
	return key->len > 0 && !has_control(*key);
}

static int find_one(struct joining *j, const struct segment_rule *rule, yyjson_val *root, struct err *err)
{
	OWNED_BUF id = {0}, json = {0};
	struct slice key;
	int r;

	/* Longer ones ask for nothing: no attribute has them. */
	if (!asked_key(root, rule->on, &key) || rule->name.len + 1 + key.len > TERM_MAX)
		return 0;
	buf_add_byte(&id, ATTRIBUTE_MARK);
	buf_add_slice(&id, rule->name);
	buf_add_byte(&id, ATTRIBUTE_MARK);
	buf_add_slice(&id, key);
	if (buf_error(&id))
		return err_set(err, -ENOMEM, "out of memory for a record");
	r = j->find(j->ctx, buf_slice(&id), &json, err);
	if (r <= 0)
		return r;
	j->found[j->count].name = rule->name;
	r = parse(buf_slice(&json), &j->found[j->count].doc, err);
	j->count += r == 0;
	return r;
}

static int find_all(struct joining *j, const struct segment *s, yyjson_val *root, struct err *err)
{
	struct segment_rule rule;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < segment_info(s)->rules; i++) {
		r = segment_rule(s, i, &rule, err);
		if (r == 0)
			r = find_one(j, &rule, root, err);
	}
	return r;
}

/* In the place of the first member of that name, and of all others: readers differ in which of two they take. */
static bool put_member(yyjson_mut_doc *doc, yyjson_mut_val *root, struct slice name, yyjson_val *attribute)
{
	yyjson_mut_val *key = yyjson_mut_strn(doc, name.data, name.len), *at;
	yyjson_mut_val *val = yyjson_val_mut_copy(doc, attribute);
	yyjson_mut_obj_iter members = yyjson_mut_obj_iter_with(root);
	bool there = false;

	if (!key || !val)
		return false;
	while ((at = yyjson_mut_obj_iter_next(&members))) {
		if (!yyjson_mut_equals_strn(at, name.data, name.len))
			continue;
		if (there)
			yyjson_mut_obj_iter_remove(&members);
		there = true;
	}
	return there ? yyjson_mut_obj_replace(root, key, val) : yyjson_mut_obj_add(root, key, val);
}

static int write_joined(const struct joining *j, yyjson_doc *doc, struct buf *out, struct err *err)
{
	yyjson_mut_doc *mut = yyjson_doc_mut_copy(doc, NULL);
	yyjson_mut_val *root = mut ? yyjson_mut_doc_get_root(mut) : NULL;
	bool ok = root != NULL;
	char *text = NULL;
	size_t len = 0;

	for (size_t i = 0; ok && i < j->count; i++)
		ok = put_member(mut, root, j->found[i].name, yyjson_doc_get_root(j->found[i].doc));
	if (ok)
		text = yyjson_mut_write(mut, YYJSON_WRITE_NOFLAG, &len);
	if (text)
		buf_add(out, text, len);
	free(text);
	yyjson_mut_doc_free(mut);
	return text && !buf_error(out) ? 0 : err_set(err, -ENOMEM, "out of memory for a record");
}

int join_record(const struct segment *s, struct slice record, attribute_fn *find, void *ctx, struct buf *out,
	struct err *err)
{
	struct joining j = {.find = find, .ctx = ctx};
	yyjson_doc *doc = NULL;
	int r = 0;

	if (segment_info(s)->rules) {
		r = parse(record, &doc, err);
		if (r == 0)
			r = find_all(&j, s, yyjson_doc_get_root(doc), err);
	}
	if (r == 0 && j.count)
		r = write_joined(&j, doc, out, err);
	else if (r == 0)
		buf_add_slice(out, record);
	joining_release(&j);
	yyjson_doc_free(doc);
	return r == 0 && buf_error(out) ? err_set(err, -ENOMEM, "out of memory for a record") : r;
}
