/* SPDX-License-Identifier: Apache-2.0 */
/* index/record_fields.h - what record.c, record_attribute.c and join.c see of a line: the values of configured fields.
 * For nobody else.
 *
 * A line is copied once and parsed there in place; values lie in one block that the next line uses
 * again. The members that the configuration names are found in one walk over the top-level object. Of a
 * member given twice the first counts, except that in the default text each string is text. */
#ifndef FRESHET_RECORD_FIELDS_H
#define FRESHET_RECORD_FIELDS_H

#include <yyjson.h>

#include "record.h"

#define INTEGER_TEXT 24 /* room for 64 bits in decimal */

/* A top-level member that the configuration names. */
struct member {
	struct slice name; /* borrowed from the configuration */
	yyjson_val *val;   /* in the current record; NULL: not there */
	bool no_text;      /* not part of the default text */
	unsigned next;     /* in its bucket, + 1; 0: last */
};

/* A configured field: its member, and the path inside that. */
struct field {
	struct slice name, rest;
	unsigned member;
	char *term; /* owned; of a keyword: "name:" in NFC, `prefix` bytes, then room for a value; else NULL */
	size_t prefix;
};

/* yyjson's memory: one block, lent to one document at a time. */
struct block {
	void *data; /* owned */
	size_t cap;
	bool lent;
};

/* A rule of [attribute.NAME], and the attribute that was joined last by it. */
struct joint {
	const struct attribute_rule *rule;
	struct field key, on, version;
	/* Owned; inside the attribute, what documents take of it: values, and the tests of drop_if. */
	struct slice *paths;
	struct expr_test *tests;
	size_t path_count, test_count;
	struct buf id, json; /* of what was looked up last */
	yyjson_doc *doc;     /* owned; it parsed; NULL: there is none */
	bool looked, joined; /* `id` and `doc` are good; the current document has it */
};

#define BUCKETS 64

struct record_parser {
	const struct config *cfg;
	struct text *text;
	struct buf line; /* the record, parsed in place */
	struct block block;
	yyjson_alc alc;
	struct member *members;
	unsigned member_count;
	unsigned buckets[BUCKETS]; /* index + 1 of the first member; 0: none */
	struct field id, group, op, version;
	struct field *texts, *keywords;
	struct joint *joints;    /* owned; one a rule */
	attribute_fn *attribute; /* NULL: nothing is joined */
	void *attribute_ctx;
	struct buf term, value;
	yyjson_val *root;
	term_fn *fn; /* of the running record_analyse() */
	void *ctx;
	int failed; /* -errno inside a callback that cannot return it */
};

/* Parses `line` into p->root and the members. Returns 0 with a document that the caller frees, 1 refused
 * with the reason, or -ENOMEM. */
int fields_parse(struct record_parser *p, struct slice line, yyjson_doc **out, struct err *err);
/* Containers inside each other, more than RECORD_NESTING_MAX. */
bool nests_too_deep(yyjson_doc *doc);
void field_init(struct record_parser *p, struct field *f, const char *name, bool special);
/* Cuts the first part off a dotted path. */
struct slice path_head(struct slice *path);
/* The member `name`, where the configuration names it, else NULL. */
struct member *member_find(struct record_parser *p, struct slice name);

/* Gets a value that a path leads to: no array, and null never. */
typedef int leaf_fn(struct record_parser *p, yyjson_val *v, void *ctx, struct err *err);
/* Calls `fn` for each value at the dotted `path` below `v`, through arrays. Stops at the first result that
 * is not 0, and returns it. */
int value_walk(
	struct record_parser *p, yyjson_val *v, struct slice path, leaf_fn *fn, void *ctx, struct err *err);
int field_walk(struct record_parser *p, const struct field *f, leaf_fn *fn, void *ctx, struct err *err);
/* The one value of a field that must not have two (returns 1); *out is NULL where it has none. */
int field_single(struct record_parser *p, const struct field *f, yyjson_val **out, struct err *err);

/* The text of an id, group or key; empty where the record has none. `room` may hold it. Returns 0, or 1 refused. */
int key_value(struct record_parser *p, const struct field *f, char room[INTEGER_TEXT], struct slice *out,
	struct err *err);
/* A leaf_fn: `ctx` is the keyword's or text's field; 1 when it could give no terms. */
leaf_fn keyword_check, text_check;
/* Does the value at the test's field below `root` pass it? -ENOMEM goes to p->failed. */
bool value_passes(struct record_parser *p, yyjson_val *root, const struct expr_test *test);
/* An expr_test_fn over the current record; `ctx` is the parser. */
bool record_test_holds(void *ctx, const struct expr_test *test);

/* record_attribute.c: the attributes that documents are joined with. */
int joints_init(struct record_parser *p, struct err *err);
void joints_release(struct record_parser *p);
/* The rule that takes the current record; NULL: it is a document. -ENOMEM goes to p->failed. */
const struct joint *joint_of_record(struct record_parser *p);
/* Puts the id of the attribute into p->value, and checks what documents will take of it. */
int joint_fill(struct record_parser *p, const struct joint *j, bool deleted, struct err *err);
/* The document asks for at most one attribute of each kind. */
int joints_check(struct record_parser *p, struct err *err);
/* Joins the current document, whose attributes it gives as terms. */
int joints_join(struct record_parser *p, struct err *err);
const struct joint *joint_of_member(const struct record_parser *p, struct slice name); /* joined; else NULL */

static inline struct slice string_of(yyjson_val *v) /* also of a raw number */
{
	return yyjson_is_raw(v) ? slice_of(yyjson_get_raw(v), yyjson_get_len(v))
				: slice_of(yyjson_get_str(v), yyjson_get_len(v));
}
bool has_control(struct slice s);
bool raw_is_integer(yyjson_val *v); /* of a raw number */
/* Integers past 64 bits come raw and keep their digits; so do numbers past a double. */
bool is_integer(yyjson_val *v);
/* The decimal text of an integer; `room` may hold it. */
struct slice integer_text(yyjson_val *v, char room[INTEGER_TEXT]);
/* Appends the text of a value that is neither container nor null: what keyword terms are made of.
 * Returns 0 or -ENOMEM. */
int value_text(struct record_parser *p, yyjson_val *v, struct buf *out);
/* Makes the term of one keyword value; it is valid until the next one, with 16 readable bytes behind it. Returns
 * 0, 1 refused, or -ENOMEM. */
int keyword_term(
	struct record_parser *p, yyjson_val *v, const struct field *f, struct slice *out, struct err *err);

#endif
