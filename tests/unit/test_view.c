/* SPDX-License-Identifier: Apache-2.0 */
#include "published.h"
#include "view.h"

#define IDS 300
#define STEPS 9

/* ---- the model: the newest document of each id, and nothing clever ---- */

struct model_doc {
	struct doc doc;
	int64_t ts;
	bool there;
};
struct model {
	struct model_doc docs[IDS]; /* by the number in the id, which is the order of the ids */
};

static void model_add(struct model *m, const struct doc *docs, size_t count, int64_t ts)
{
	for (size_t i = 0; i < count; i++)
		m->docs[atoi(docs[i].id + 4)] = (struct model_doc){docs[i], ts, true};
}

static bool model_shows(const struct model_doc *d, int64_t horizon)
{
	return d->there && d->ts > horizon && d->doc.text && strncmp(d->doc.text, "hide", 4) != 0;
}

static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = text; (p = strstr(p, word)); p++)
		if ((p == text || p[-1] == ' ') && (p[len] == ' ' || !p[len]))
			return true;
	return false;
}

static uint64_t model_ids(const struct model *m, int64_t horizon, const char *word, struct buf *out)
{
	uint64_t df = 0;

	for (int i = 0; i < IDS; i++)
		if (model_shows(&m->docs[i], horizon) && has_word(m->docs[i].doc.text, word)) {
			buf_addf(out, "%s\n", m->docs[i].doc.id);
			df++;
		}
	return df;
}

static int str_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All words that show and start with `prefix`, sorted, one a line. */
static void model_terms(const struct model *m, int64_t horizon, const char *prefix, struct buf *out)
{
	char *copies[IDS], *words[IDS * 8];
	size_t copied = 0, count = 0;

	for (int i = 0; i < IDS; i++) {
		char *rest;

		if (!model_shows(&m->docs[i], horizon))
			continue;
		copies[copied] = rest = strdup(m->docs[i].doc.text);
		copied++;
		for (char *w; (w = strsep(&rest, " "));)
			if (!strncmp(w, prefix, strlen(prefix)))
				words[count++] = w;
	}
	qsort(words, count, sizeof(*words), str_cmp);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || strcmp(words[i], words[i - 1]) != 0)
			buf_addf(out, "%s\n", words[i]);
	while (copied)
		free(copies[--copied]);
}

/* ---- comparing ---- */

static void check_term(const struct generation *g, const struct model *m, int64_t horizon, const char *word)
{
	OWNED_BUF key = {0};
	OWNED_BUF got = {0};
	OWNED_BUF want = {0};
	uint64_t df = model_ids(m, horizon, word, &want);
	struct view_term term;
	struct err err = ERR_INIT;

	buf_addf(&key, "%c%s", strchr(word, ':') ? 'k' : 'w', word);
	check_int(view_term_stat(g, buf_slice(&key), &term, &err), df > 0);
	check(term.df == df && term.bytes == want.len);
	check_int(view_term_ids(g, buf_slice(&key), &got, &err), 0);
	check(slice_eq(buf_slice(&got), buf_slice(&want)));
}

/* Lists all terms, opening anew from the position after every `chunk`. */
static void list_terms(const struct generation *g, const char *prefix, size_t chunk, struct buf *out)
{
	uint64_t position = 0;
	struct err err = ERR_INIT;
	int r = 1;

	while (r == 1) {
		OWNED(view_terms) struct view_terms *v = NULL;
		struct slice text;

		if (view_terms_open(&v, g, slice_str(prefix), position, &err)) {
			tap_fail("%s", err.message);
			return;
		}
		for (size_t i = 0; i < chunk && (r = view_terms_next(v, &text, &position, &err)) == 1; i++) {
			buf_add_slice(out, text);
			buf_add_byte(out, '\n');
		}
	}
	check_int(r, 0);
}

static void list_ids(const struct generation *g, size_t chunk, struct buf *out)
{
	uint64_t position = 0;
	struct err err = ERR_INIT;
	int r = 1;

	while (r == 1) {
		OWNED(view_ids) struct view_ids *v = NULL;
		struct slice id;

		if (view_ids_open(&v, g, position, &err)) {
			tap_fail("%s", err.message);
			return;
		}
		for (size_t i = 0; i < chunk && (r = view_ids_next(v, &id, &position, &err)) == 1; i++) {
			buf_add_slice(out, id);
			buf_add_byte(out, '\n');
		}
	}
	check_int(r, 0);
}

static void check_docs(const struct generation *g, const struct model *m, int64_t horizon)
{
	struct err err = ERR_INIT;

	for (int i = 0; i < IDS; i++) {
		const struct model_doc *d = &m->docs[i];
		OWNED_BUF json = {0};
		struct view_doc where;

		if (!d->there)
			continue;
		check_int(view_find(g, slice_str(d->doc.id), &where, &err), d->ts > horizon);
		check_int(view_doc_json(g, slice_str(d->doc.id), &json, &err), model_shows(d, horizon));
		if (!model_shows(d, horizon))
			continue;
		check(json.len == strlen(d->doc.text) + 1 && !memcmp(json.data, d->doc.text, json.len - 1));
	}
}

static void check_listings(const struct generation *g, const struct model *m, int64_t horizon)
{
	static const char *const prefixes[] = {"", "w", "w1", "k:", "rare2", "zzz"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		OWNED_BUF want = {0};
		OWNED_BUF whole = {0};
		OWNED_BUF parts = {0};

		model_terms(m, horizon, prefixes[i], &want);
		list_terms(g, prefixes[i], 1000000, &whole);
		list_terms(g, prefixes[i], 3, &parts);
		check(slice_eq(buf_slice(&whole), buf_slice(&want)));
		check(slice_eq(buf_slice(&parts), buf_slice(&want)));
	}
	OWNED_BUF ids = {0};
	OWNED_BUF some = {0};
	OWNED_BUF all = {0};
	model_ids(m, horizon, "all", &all);
	list_ids(g, 1000000, &ids);
	list_ids(g, 7, &some);
	check(slice_eq(buf_slice(&ids), buf_slice(&all)));
	check(slice_eq(buf_slice(&some), buf_slice(&all)));
}

static void a_view_shows_what_a_plain_model_shows(void)
{
	static const char *const words[] = {
		"all", "w0", "w3", "w17", "w49", "k:0:x", "k:8:x", "rare7", "rare299", "none"};
	uint64_t seed = seed_take(4711);

	for (int round = 0; round < 6; round++) {
		SITE s = site_open();
		struct model m = {0};
		struct arena arena = {0};
		struct doc docs[IDS];

		for (int step = 0; step < STEPS; step++) {
			int64_t ts = P_T0 + step * P_CADENCE;
			int64_t horizon = round % 2 ? ts - 5 * P_CADENCE : TIME_NONE;
			size_t count = random_docs(&seed, IDS, 1 + seed_below(&seed, 30), docs, &arena);

			model_add(&m, docs, count, ts);
			site_publish(&s, docs, count, ts, horizon);
			for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
				check_term(s.now, &m, horizon, words[i]);
			check_listings(s.now, &m, horizon);
			check_docs(s.now, &m, horizon);
		}
		arena_release(&arena);
	}
}

static void an_empty_generation_has_nothing(void)
{
	SITE s = site_open();
	OWNED_BUF out = {0};
	struct view_doc where;
	struct view_term term;
	struct err err = ERR_INIT;

	site_publish(&s, NULL, 0, P_T0, TIME_NONE);
	check_int(view_term_stat(s.now, slice_str("wx"), &term, &err), 0);
	check_int(view_term_ids(s.now, slice_str("wx"), &out, &err), 0);
	list_terms(s.now, "", 10, &out);
	list_ids(s.now, 10, &out);
	check_int(out.len, 0);
	check_int(view_find(s.now, slice_str("a"), &where, &err), 0);
}

static void keywords_and_words_are_listed_as_one_order(void)
{
	SITE s = site_open();
	const struct doc one[] = {{"a", "zebra b:x apple b:y c"}};
	OWNED_BUF out = {0};

	site_publish(&s, one, 1, P_T0, TIME_NONE);
	list_terms(s.now, "", 1, &out);
	check_slice(buf_slice(&out), "apple\nb:x\nb:y\nc\nzebra\n");
}

/* First characters, opening anew from the position after every `chunk`. */
static int list_characters(const struct generation *g, size_t chunk, struct buf *out, struct err *err)
{
	uint64_t position = 0;
	int r = 1;

	while (r == 1) {
		OWNED(view_terms) struct view_terms *v = NULL;
		struct slice text;

		r = view_terms_open(&v, g, slice_of(NULL, 0), position, err);
		if (r == 0 && position)
			r = view_terms_skip_character(v, err);
		for (size_t i = 0; r == 0 && i < chunk; i++) {
			if ((r = view_terms_next(v, &text, &position, err)) != 1)
				return r;
			buf_add(out, text.data, view_first_character(text));
			buf_add_byte(out, ' ');
			r = view_terms_skip_character(v, err);
		}
		r = r == 0 ? 1 : r;
	}
	return r;
}

static void first_characters_come_once_over_all_segments(void)
{
	SITE s = site_open();
	const struct doc one[] = {{"a", "zebra b:x apple b:y c \xc3\xbc"
					"ber"},
		{"b", "only gone"}};
	const struct doc two[] = {{"b", "zoo b bb \xc3\xbc \xc3\xa9"
					"clair \xe4\xb8\x9c\xe4\xba\xac \xf4\x8f\xbf\xbf"}};

	site_publish(&s, one, 2, P_T0, TIME_NONE);
	site_publish(&s, two, 1, P_T0 + P_CADENCE, TIME_NONE);
	for (size_t chunk = 1; chunk < 20; chunk += 6) {
		OWNED_BUF out = {0};
		struct err err = ERR_INIT;

		check_int(list_characters(s.now, chunk, &out, &err), 0);
		check_slice(buf_slice(&out), "a b c z \xc3\xa9 \xc3\xbc \xe4\xb8\x9c \xf4\x8f\xbf\xbf ");
	}
}

/* Damages the second term of the block that begins with `key`. */
static void damage_block(const struct site *s, const char *key)
{
	OWNED_STR char *path = state_path(s->state, "segments/%s.seg", s->now->manifest.segments[0].name);
	OWNED_BUF bytes = {0};
	struct err err = ERR_INIT;
	FILE *f = fopen(path, "r+b");
	char *at;

	check_int(read_file(path, 1 << 24, &bytes, &err), 0);
	at = memmem(bytes.data, bytes.len, key, strlen(key));
	check(f && at);
	if (!f || !at)
		return;
	fseek(f, at - bytes.data + (long)strlen(key) + 6, SEEK_SET);
	fwrite("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 1, 12, f);
	fclose(f);
}

/* A listing that walks the terms trips over damage between them, one that seeks does not. */
static void first_characters_are_sought_and_not_walked_to(void)
{
	enum { TERMS = 3200 };
	static struct doc docs[TERMS + 1];
	SITE s = site_open();
	OWNED_BUF out = {0};
	struct arena arena = {0};
	struct err err = ERR_INIT;
	OWNED(view_terms) struct view_terms *v = NULL;
	struct slice text;
	uint64_t position;
	char id[16];
	int r;

	for (int i = 0; i <= TERMS; i++) {
		snprintf(id, sizeof(id), i < TERMS ? "a%05d" : "b%05d", i);
		docs[i].id = docs[i].text = arena_dup(&arena, slice_str(id)).data;
	}
	site_publish(&s, docs, TERMS + 1, P_T0, TIME_NONE);
	damage_block(&s, "wa01600");
	check_int(view_terms_open(&v, s.now, slice_of(NULL, 0), 0, &err), 0);
	while ((r = view_terms_next(v, &text, &position, &err)) == 1)
		;
	check_int(r, -EBADMSG);
	check_int(list_characters(s.now, 1, &out, &err), 0);
	check_slice(buf_slice(&out), "a b ");
	arena_release(&arena);
}

static void positions_that_were_never_given_are_errors(void)
{
	SITE s = site_open();
	const struct doc one[] = {{"a", "x"}};
	struct view_terms *terms;
	struct view_ids *ids;
	struct err err = ERR_INIT;

	site_publish(&s, one, 1, P_T0, TIME_NONE);
	check(view_terms_open(&terms, s.now, slice_str(""), UINT64_C(7) << 40, &err) < 0 && !terms);
	check(view_terms_open(&terms, s.now, slice_str(""), 99, &err) < 0 && !terms);
	check(view_ids_open(&ids, s.now, UINT64_MAX, &err) < 0 && !ids);
	check(view_ids_open(&ids, s.now, 99, &err) < 0 && !ids);
}

static void check_key(const char *text, const char *want)
{
	OWNED_BUF key = {0};

	check_int(view_term_key(slice_str(text), &key), want != NULL);
	check_slice(buf_slice(&key), want ? want : "");
}

static void a_name_is_looked_up_as_it_was_indexed(void)
{
	check_key("espresso", "wespresso");
	check_key("ESPRESSO", "wespresso");
	check_key("Stra\xc3\x9f"
		  "e",
		"wstrasse");
	check_key("brand:Acme", "kbrand:Acme");
	check_key("brand:e\xcc\x81", "kbrand:\xc3\xa9");
	check_key("", NULL);
	check_key("two words", NULL);
	check_key("-", NULL);
	check_key("\xff", NULL);
	check_key("a:\xff", NULL);
}

int main(void)
{
	RUN(a_view_shows_what_a_plain_model_shows);
	RUN(an_empty_generation_has_nothing);
	RUN(keywords_and_words_are_listed_as_one_order);
	RUN(first_characters_come_once_over_all_segments);
	RUN(first_characters_are_sought_and_not_walked_to);
	RUN(positions_that_were_never_given_are_errors);
	RUN(a_name_is_looked_up_as_it_was_indexed);
	return tap_done();
}
