/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes: which records are such, and what documents get from them. */
#include <errno.h>

#include "reader.h"
#include "record.h"
#include "tap.h"

/* A parser, and the attributes that it finds: pairs of id and record, with the marks as '|'. */
struct fixture {
	struct config *cfg;
	struct record_parser *p;
	const char *const *known;
	unsigned looked;
	struct arena arena;
};

static const char *const kinds[] = {"attribute.campaign.when=kind:campaign", "attribute.campaign.key=id",
	"attribute.campaign.on=campaign_id", "attribute.campaign.version=rev",
	"attribute.item.when=kind:item", "attribute.item.key=item.no", "attribute.item.on=item_no",
	"document.id=id", NULL};
static const char *const none[] = {NULL};

static int find(void *ctx, struct slice id, struct buf *json, struct err *err)
{
	struct fixture *f = ctx;

	f->looked++;
	for (size_t i = 0; f->known[i]; i += 2) {
		char text[128];

		snprintf(text, sizeof(text), "%s", f->known[i]);
		for (char *c = text; *c; c++)
			if (*c == '|')
				*c = ATTRIBUTE_MARK;
		if (!slice_eq(id, slice_str(text)))
			continue;
		buf_add_str(json, f->known[i + 1]);
		return 1;
	}
	return 0;
}

static void fixture_release(struct fixture *f)
{
	record_parser_free(f->p);
	config_free(f->cfg);
	arena_release(&f->arena);
}
#define FIXTURE __attribute__((cleanup(fixture_release))) struct fixture

/* `more` comes behind `kinds`. */
static struct fixture *fixture_init(struct fixture *f, const char *const *known, const char *const *more)
{
	struct err err = ERR_INIT;

	*f = (struct fixture){.known = known};
	check_int(config_new(&f->cfg, &err), 0);
	for (size_t i = 0; kinds[i]; i++)
		check_int(config_set(f->cfg, kinds[i], &err), 0);
	for (size_t i = 0; more[i]; i++)
		check_int(config_set(f->cfg, more[i], &err), 0);
	check_int(config_check(f->cfg, &err), 0);
	check_int(record_parser_new(&f->p, f->cfg, &err), 0);
	check_str(err.message, "");
	record_join(f->p, find, f);
	return f;
}

/* Exactly its bytes and the padding: what reads further is seen by a sanitizer. */
static struct slice padded(struct arena *arena, const char *json)
{
	size_t len = strlen(json);
	char *p = arena_alloc(arena, len + RECORD_PADDING);

	memset(p + len, 0, RECORD_PADDING);
	memcpy(p, json, len);
	return slice_of(p, len);
}

static int parse(struct fixture *f, const char *json, struct record *out, struct err *err)
{
	return record_parse(f->p, padded(&f->arena, json), slice_str("p/f:1"), &f->arena, out, err);
}

static void check_id(struct fixture *f, const char *json, const char *want)
{
	struct record r;
	struct err err = ERR_INIT;
	char text[64];

	check_int(parse(f, json, &r, &err), 0);
	check_str(err.message, "");
	snprintf(text, sizeof(text), "%.*s", (int)r.id.len, r.id.data ? r.id.data : "");
	for (char *c = text; *c; c++)
		if (*c == ATTRIBUTE_MARK)
			*c = '|';
	check_str(text, want);
	check_int(id_is_attribute(r.id), want[0] == '|');
}

static void check_refused(struct fixture *f, const char *json, const char *why)
{
	struct record r;
	struct err err = ERR_INIT;

	check_int(parse(f, json, &r, &err), 1);
	check_contains(err.message, why);
}

static void add_term(void *ctx, enum term_class cls, const char *text, size_t len)
{
	struct buf *out = ctx;
	volatile char tail = 0;

	for (int i = 0; i < 16; i++)
		tail ^= text[len + i];
	(void)tail; /* the reads are what counts */
	if (out->len)
		buf_add_byte(out, ' ');
	buf_addf(out, "%c=", cls);
	for (size_t i = 0; i < len; i++)
		buf_add_byte(out, text[i] == ATTRIBUTE_MARK ? '|' : text[i]);
}

static void check_terms(struct fixture *f, const char *json, int state, const char *want)
{
	OWNED_BUF terms = {0};
	struct err err = ERR_INIT;

	check_int(record_analyse(f->p, padded(&f->arena, json), add_term, &terms, &err), state);
	check_str(err.message, "");
	check_str(buf_cstr(&terms), want);
}

/* ---- records ---- */

static void a_record_is_called_by_its_rule_and_key(void)
{
	FIXTURE f;
	struct record r;

	fixture_init(&f, none, (const char *const[]){"document.group=g", NULL});
	check_id(&f, "{\"kind\":\"campaign\",\"id\":\"c1\"}", "|campaign|c1");
	check_id(&f, "{\"kind\":[\"x\",\"item\"],\"item\":{\"no\":12}}", "|item|12");
	check_id(&f, "{\"kind\":\"item\",\"item\":[{\"no\":-0}]}", "|item|0");
	check_id(&f, "{\"kind\":\"item\",\"item\":{\"no\":123456789012345678901234567890}}",
		"|item|123456789012345678901234567890");
	check_id(&f, "{\"kind\":\"ad\",\"id\":\"c1\"}", "c1");
	check_id(&f, "{\"id\":\"c1\"}", "c1");
	/* It has no group, whatever it says. */
	check_int(parse(&f, "{\"kind\":\"campaign\",\"id\":\"c1\",\"g\":\"x\"}", &r, NULL), 0);
	check_int(r.group.len, 0);
	check(!r.deleted);
}

static void the_first_rule_that_holds_takes_the_record(void)
{
	FIXTURE f;

	fixture_init(&f, none,
		(const char *const[]){"attribute.late.when=kind:campaign OR kind:item OR kind:late",
			"attribute.late.key=id", "attribute.late.on=x", NULL});
	check_id(
		&f, "{\"kind\":[\"item\",\"campaign\"],\"id\":\"a\",\"item\":{\"no\":\"b\"}}", "|campaign|a");
	check_id(&f, "{\"kind\":[\"late\",\"item\"],\"id\":\"a\",\"item\":{\"no\":\"b\"}}", "|item|b");
	check_id(&f, "{\"kind\":\"late\",\"id\":\"a\"}", "|late|a");
}

static void keys_that_cannot_be_used_are_refused(void)
{
	FIXTURE f;
	char json[4096], key[2000];

	fixture_init(&f, none, none);
	check_refused(&f, "{\"kind\":\"campaign\"}", "id: missing or empty");
	check_refused(&f, "{\"kind\":\"campaign\",\"id\":\"\"}", "id: missing or empty");
	check_refused(&f, "{\"kind\":\"campaign\",\"id\":null}", "id: missing or empty");
	check_refused(&f, "{\"kind\":\"campaign\",\"id\":1.5}", "id: neither a string nor an integer");
	check_refused(&f, "{\"kind\":\"campaign\",\"id\":{}}", "id: neither a string nor an integer");
	check_refused(&f, "{\"kind\":\"campaign\",\"id\":[1,2]}", "id: more than one value");
	check_refused(&f, "{\"kind\":\"campaign\",\"id\":\"a\\u0001b\"}", "id: control character");
	check_refused(&f, "{\"kind\":\"item\",\"item\":{\"no\":\"\\u007f\"}}", "item.no: control character");
	/* "campaign", the key and a mark make at most 1,024 bytes. */
	memset(key, 'k', sizeof(key));
	snprintf(json, sizeof(json), "{\"kind\":\"campaign\",\"id\":\"%.*s\"}", 1016, key);
	check_refused(&f, json, "id: 1016 bytes, at most 1015");
	snprintf(json, sizeof(json), "{\"kind\":\"campaign\",\"id\":\"%.*s\"}", 1500, key);
	check_refused(&f, json, "id: 1500 bytes, at most 1024");
	snprintf(json, sizeof(json), "{\"kind\":\"campaign\",\"id\":\"%.*s\"}", 1015, key);
	check_int(parse(&f, json, &(struct record){0}, NULL), 0);
}

static void an_attribute_has_its_own_version_and_may_be_deleted(void)
{
	FIXTURE f;
	struct record a, b;

	fixture_init(&f, none, (const char *const[]){"document.version=v", NULL});
	check_int(parse(&f, "{\"kind\":\"campaign\",\"id\":\"c\",\"rev\":9,\"v\":70}", &a, NULL), 0);
	check_int(parse(&f, "{\"kind\":\"campaign\",\"id\":\"c\",\"rev\":10}", &b, NULL), 0);
	check(slice_cmp(a.version, b.version) < 0 && a.version.len);
	check_int(parse(&f, "{\"kind\":\"campaign\",\"id\":\"c\",\"v\":70}", &a, NULL), 0);
	check_int(a.version.len, 0);
	check_int(parse(&f, "{\"kind\":\"item\",\"item\":{\"no\":1},\"rev\":9,\"v\":70}", &a, NULL), 0);
	check_int(a.version.len, 0);
	check_int(parse(&f, "{\"kind\":\"campaign\",\"id\":\"c\",\"op\":\"delete\"}", &a, NULL), 0);
	check(a.deleted && id_is_attribute(a.id));
	check_refused(&f, "{\"kind\":\"campaign\",\"op\":\"delete\"}", "id: missing or empty");
	check_refused(
		&f, "{\"kind\":\"campaign\",\"id\":\"c\",\"rev\":{}}", "rev: neither a string nor a number");
}

static void what_documents_will_take_is_checked_at_once(void)
{
	FIXTURE f;

	fixture_init(&f, none,
		(const char *const[]){
			"document.text=title, campaign.name", "document.keyword=campaign.tags", NULL});
	check_refused(
		&f, "{\"kind\":\"campaign\",\"id\":\"c\",\"tags\":\"a\\nb\"}", "campaign.tags: control");
	check_refused(&f, "{\"kind\":\"campaign\",\"id\":\"c\",\"tags\":[[{}]]}", "campaign.tags: an object");
	check_refused(&f, "{\"kind\":\"campaign\",\"id\":\"c\",\"name\":{}}", "campaign.name: an object");
	/* Of others, and of a delete, nothing is looked at. */
	check_id(&f, "{\"kind\":\"item\",\"item\":{\"no\":1},\"tags\":\"a\\nb\"}", "|item|1");
	check_id(&f, "{\"kind\":\"campaign\",\"id\":\"c\",\"op\":\"delete\",\"tags\":\"a\\nb\"}",
		"|campaign|c");
	/* Fields of documents are nothing to it. */
	check_id(&f, "{\"kind\":\"campaign\",\"id\":\"c\",\"title\":{}}", "|campaign|c");
}

static void a_document_asks_for_one_attribute_of_a_kind(void)
{
	FIXTURE f;

	fixture_init(&f, none, none);
	check_refused(&f, "{\"id\":\"a\",\"campaign_id\":[\"c\",\"d\"]}", "campaign_id: more than one value");
	check_id(&f, "{\"id\":\"a\",\"campaign_id\":[\"c\"]}", "a");
	check_id(&f, "{\"id\":\"a\",\"campaign_id\":[\"c\",\"d\"],\"op\":\"delete\"}", "a");
}

/* ---- the join ---- */

static const char *const shop[] = {"|campaign|c1",
	"{\"id\":\"c1\",\"status\":\"paused\",\"name\":\"Spring Sale\",\"budget\":0,\"item_no\":7,\"tags\":[\"x\",\"y\"]}",
	"|campaign|12", "{\"status\":\"on\",\"budget\":5,\"name\":[\"Caf\\u00e9\",3]}", "|item|7",
	"{\"title\":\"Kettle\",\"campaign_id\":\"c1\"}", NULL};

static void joined_fields_are_text_keyword_and_test(void)
{
	FIXTURE f;

	fixture_init(&f, shop,
		(const char *const[]){"document.text=title, campaign.name",
			"document.keyword=campaign.tags, campaign.budget",
			"document.drop_if=campaign.status:paused AND NOT force:1", NULL});
	check_terms(&f, "{\"id\":\"a\",\"title\":\"One\",\"campaign_id\":12}", 0,
		"a=campaign|12 k=campaign.budget:5 w=one w=caf\xC3\xA9 w=3");
	check_terms(&f, "{\"id\":\"a\",\"title\":\"One\",\"campaign_id\":\"c1\"}", 1, "a=campaign|c1");
	check_terms(&f, "{\"id\":\"a\",\"force\":1,\"title\":\"One\",\"campaign_id\":\"c1\"}", 0,
		"a=campaign|c1 k=campaign.tags:x k=campaign.tags:y k=campaign.budget:0 w=one w=spring w=sale");
	check_terms(
		&f, "{\"id\":\"a\",\"title\":\"One\",\"campaign_id\":\"none\"}", 0, "a=campaign|none w=one");
	check_terms(&f, "{\"id\":\"a\",\"title\":\"One\"}", 0, "w=one");
}

static void numbers_of_an_attribute_can_hide(void)
{
	FIXTURE f;

	fixture_init(&f, shop,
		(const char *const[]){"document.drop_if=campaign.budget<=0", "document.text=title", NULL});
	check_terms(&f, "{\"id\":\"a\",\"title\":\"x\",\"campaign_id\":\"c1\"}", 1, "a=campaign|c1");
	check_terms(&f, "{\"id\":\"a\",\"title\":\"x\",\"campaign_id\":\"12\"}", 0, "a=campaign|12 w=x");
}

#define OWN "{\"id\":\"a\",\"campaign\":{\"status\":\"paused\",\"name\":\"Own\"},\"campaign_id\":"

static void an_attribute_replaces_a_member_of_its_name(void)
{
	FIXTURE f;

	fixture_init(&f, shop,
		(const char *const[]){"document.text=campaign.name",
			"document.drop_if=campaign.status:paused AND campaign.name:Own", NULL});
	check_terms(&f, OWN "12}", 0, "a=campaign|12 w=caf\xC3\xA9 w=3");
	check_terms(&f, OWN "\"c1\"}", 0, "a=campaign|c1 w=spring w=sale");
	check_terms(&f, OWN "\"none\"}", 1, "a=campaign|none");
}

static void attributes_do_not_chain(void)
{
	FIXTURE f;

	/* `on` fields that lead into another attribute's member see the document's own only. */
	fixture_init(&f, shop,
		(const char *const[]){"attribute.via.when=kind:via", "attribute.via.key=id",
			"attribute.via.on=item.campaign_id", "document.text=item.title, campaign.item.title",
			"document.keyword=via.status", NULL});
	check_terms(&f, "{\"id\":\"a\",\"item_no\":7}", 0, "a=item|7 w=kettle");
	check_terms(&f, "{\"id\":\"a\",\"item_no\":7,\"item\":{\"campaign_id\":\"v\",\"title\":\"own\"}}", 0,
		"a=item|7 a=via|v w=kettle");
	check_terms(&f, "{\"id\":\"a\",\"campaign_id\":\"c1\"}", 0, "a=campaign|c1");
}

static void the_default_text_passes_over_members_that_are_joined(void)
{
	FIXTURE f;

	fixture_init(&f, (const char *const[]){"|c|red", "{\"title\":\"inside\"}", NULL},
		(const char *const[]){
			"attribute.c.when=kind:c", "attribute.c.key=id", "attribute.c.on=c", NULL});
	check_terms(&f, "{\"id\":\"a\",\"title\":\"Own\",\"c\":\"blue\"}", 0, "a=c|blue w=own w=blue");
	check_terms(&f, "{\"id\":\"a\",\"title\":\"Own\",\"c\":\"red\"}", 0, "a=c|red w=own");
}

static void values_that_can_be_no_key_ask_for_nothing(void)
{
	FIXTURE f;
	char json[4096], key[2000];

	memset(key, 'k', sizeof(key));
	fixture_init(&f, shop, (const char *const[]){"document.text=title", NULL});
	check_terms(&f, "{\"id\":\"a\",\"campaign_id\":\"\"}", 0, "");
	check_terms(&f, "{\"id\":\"a\",\"campaign_id\":null}", 0, "");
	check_terms(&f, "{\"id\":\"a\",\"campaign_id\":1.5}", 0, "");
	check_terms(&f, "{\"id\":\"a\",\"campaign_id\":true}", 0, "");
	check_terms(&f, "{\"id\":\"a\",\"campaign_id\":{\"x\":1}}", 0, "");
	check_terms(&f, "{\"id\":\"a\",\"campaign_id\":\"a\\u0001b\"}", 0, "");
	snprintf(json, sizeof(json), "{\"id\":\"a\",\"campaign_id\":\"%.*s\"}", 1016, key);
	check_terms(&f, json, 0, "");
	check_int(f.looked, 0);
}

static void a_parser_may_parse_and_analyse_in_turns(void)
{
	FIXTURE f;

	fixture_init(&f, shop, (const char *const[]){"document.text=title, campaign.name", NULL});
	for (int i = 0; i < 3; i++) {
		check_terms(&f, "{\"id\":\"a\",\"title\":\"one\",\"campaign_id\":\"c1\"}", 0,
			"a=campaign|c1 w=one w=spring w=sale");
		/* The member is the record's own again when the next one is read. */
		check_id(&f, "{\"id\":\"b\",\"campaign\":{\"name\":\"x\"},\"kind\":\"ad\"}", "b");
		check_id(&f, "{\"kind\":\"campaign\",\"id\":\"c9\",\"name\":\"y\"}", "|campaign|c9");
		check_terms(&f, "{\"id\":\"a\",\"campaign\":{\"name\":\"mine\"}}", 0, "w=mine");
	}
	/* Neighbours that ask for the same one have it looked up once; record_join() forgets it. */
	check_int(f.looked, 1);
	record_join(f.p, find, &f);
	check_terms(&f, "{\"id\":\"a\",\"campaign_id\":\"c1\"}", 0, "a=campaign|c1 w=spring w=sale");
	check_int(f.looked, 2);
	record_join(f.p, NULL, NULL);
	check_terms(&f, "{\"id\":\"a\",\"title\":\"one\",\"campaign_id\":\"c1\"}", 0, "a=campaign|c1 w=one");
	check_int(f.looked, 2);
}

static int find_fails(void *ctx, struct slice id, struct buf *json, struct err *err)
{
	return err_set(err, -EIO, "no luck");
}

static void a_damaged_attribute_is_an_error(void)
{
	static const char *const bad[] = {"{\"x\":", "[]", "", "7"};
	OWNED_BUF terms = {0}, taken = {0}, deep = {0};
	FIXTURE f;

	fixture_init(&f, none, (const char *const[]){"document.text=title, campaign.name", NULL});
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		const char *const known[] = {"|campaign|c", bad[i], NULL};
		struct err err = ERR_INIT;

		f.known = known;
		check_int(record_analyse(
				  f.p, padded(&f.arena, "{\"campaign_id\":\"c\"}"), add_term, &terms, &err),
			-EBADMSG);
		check_contains(err.message, "attribute");
	}
	for (int i = 0; i < 2000; i++)
		buf_add_str(&deep, "{\"a\":");
	buf_add_str(&deep, "1");
	for (int i = 0; i < 2000; i++)
		buf_add_str(&deep, "}");
	check_int(record_taken(f.p,
			  slice_str("\x01"
				    "campaign\x01"
				    "c"),
			  buf_slice(&deep), &taken, NULL),
		-EBADMSG);
	record_join(f.p, find_fails, NULL);
	check_int(record_analyse(f.p, padded(&f.arena, "{\"campaign_id\":\"c\"}"), add_term, &terms, NULL),
		-EIO);
}

/* Short strings at an attribute's end: nobody may read behind the bytes that are its. */
static void the_last_string_of_an_attribute_is_read_within_bounds(void)
{
	FIXTURE f;
	const char *const known[] = {"|campaign|c", "{\"t\":\"x\"}", NULL};
	OWNED_BUF taken = {0};

	fixture_init(&f, known,
		(const char *const[]){"document.text=campaign.t", "document.keyword=campaign.t", NULL});
	check_terms(&f, "{\"id\":\"a\",\"campaign_id\":\"c\"}", 0, "a=campaign|c k=campaign.t:x w=x");
	check_int(record_taken(f.p,
			  slice_str("\x01"
				    "campaign\x01"
				    "c"),
			  slice_str(known[1]), &taken, NULL),
		0);
	check(taken.len > 0);
}

/* ---- what documents take ---- */

static bool takes_the_same(struct fixture *f, const char *a, const char *b)
{
	OWNED_BUF x = {0}, y = {0};
	struct slice id = slice_str("\x01"
				    "campaign\x01"
				    "c");

	check_int(record_taken(f->p, id, slice_str(a), &x, NULL), 0);
	check_int(record_taken(f->p, id, slice_str(b), &y, NULL), 0);
	return slice_eq(buf_slice(&x), buf_slice(&y));
}

static void only_fields_that_documents_read_make_a_difference(void)
{
	FIXTURE f;

	fixture_init(&f, none,
		(const char *const[]){"document.text=title, campaign.name", "document.keyword=campaign.o.k",
			"document.drop_if=campaign.status:paused OR campaign.budget<=0", NULL});
	check(takes_the_same(&f, "{\"name\":\"a\",\"x\":1}", "{\"x\":2,\"name\":\"a\",\"title\":\"t\"}"));
	check(takes_the_same(&f, "{\"name\":\"a\"}", "{\"name\":[[\"a\",null]],\"o\":{\"k\":null}}"));
	check(takes_the_same(&f, "{\"budget\":1.50}", "{\"budget\":1.5}"));
	check(takes_the_same(&f, "", ""));
	check(!takes_the_same(&f, "{\"name\":\"a\"}", "{\"name\":\"b\"}"));
	check(!takes_the_same(&f, "{\"name\":[\"a\",\"b\"]}", "{\"name\":[\"b\",\"a\"]}"));
	check(!takes_the_same(&f, "{\"name\":[\"a\",\"b\"]}", "{\"name\":[\"ab\"]}"));
	check(!takes_the_same(&f, "{\"o\":{\"k\":1}}", "{\"o\":{\"k\":\"1\"}}"));
	check(!takes_the_same(&f, "{\"o\":{\"k\":true}}", "{\"o\":{\"k\":\"true\"}}"));
	check(!takes_the_same(&f, "{\"status\":\"a\"}", "{\"name\":\"a\"}"));
	check(!takes_the_same(&f, "{\"budget\":0}", "{\"budget\":1}"));
	/* An empty attribute hides the document's own member; none does not. */
	check(!takes_the_same(&f, "{}", ""));
}

static void where_nothing_is_read_nothing_makes_a_difference(void)
{
	FIXTURE f;

	fixture_init(&f, none, (const char *const[]){"document.text=title, item.title", NULL});
	check(takes_the_same(&f, "{\"name\":\"a\"}", "{\"name\":\"b\"}"));
	check(takes_the_same(&f, "{}", ""));
}

static void with_the_default_text_it_makes_a_difference_to_be_there(void)
{
	FIXTURE f;

	fixture_init(&f, none, none);
	check(!takes_the_same(&f, "{}", ""));
	check(takes_the_same(&f, "{\"name\":\"a\"}", "{\"name\":\"b\"}"));
}

int main(void)
{
	RUN(a_record_is_called_by_its_rule_and_key);
	RUN(the_first_rule_that_holds_takes_the_record);
	RUN(keys_that_cannot_be_used_are_refused);
	RUN(an_attribute_has_its_own_version_and_may_be_deleted);
	RUN(what_documents_will_take_is_checked_at_once);
	RUN(a_document_asks_for_one_attribute_of_a_kind);
	RUN(joined_fields_are_text_keyword_and_test);
	RUN(numbers_of_an_attribute_can_hide);
	RUN(an_attribute_replaces_a_member_of_its_name);
	RUN(attributes_do_not_chain);
	RUN(the_default_text_passes_over_members_that_are_joined);
	RUN(values_that_can_be_no_key_ask_for_nothing);
	RUN(a_parser_may_parse_and_analyse_in_turns);
	RUN(a_damaged_attribute_is_an_error);
	RUN(the_last_string_of_an_attribute_is_read_within_bounds);
	RUN(only_fields_that_documents_read_make_a_difference);
	RUN(where_nothing_is_read_nothing_makes_a_difference);
	RUN(with_the_default_text_it_makes_a_difference_to_be_there);
	return tap_done();
}
