/* SPDX-License-Identifier: Apache-2.0 */
/* One table holds every key with its default, kind and range; reading, dumping and hashing all walk it.
 * Defaults go through the same setter as a file's values. The ini syntax is in config_parse.c. */
#include "config.h"
#include "digest.h"
#include "name.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>

enum kind {
	KIND_STRING,   /* char *; NULL when never given */
	KIND_FILENAME, /* the same, one path component */
	KIND_DURATION, /* int64_t within min..max */
	KIND_WINDOW,   /* the same, `all` allowed; below 0 when never given */
	KIND_COUNT,    /* unsigned within min..max */
	KIND_SIZE,     /* uint64_t bytes within min..max; K, M, G for 2^10, 2^20, 2^30 */
	KIND_FACTOR,   /* double, 1 and up */
	KIND_RATIO,    /* double within 0..1 */
	KIND_MILLI,    /* unsigned within min..max thousandths, written as a decimal number */
	KIND_CHOICE,   /* an enum: the number of the word in `choices` */
	KIND_LIST,     /* struct string_list */
	KIND_TEXT,     /* the same, and text_is_default */
	KIND_EXPR,     /* struct expr *, and its text in the char * at `text` */
};

struct key {
	const char *section, *name;
	enum kind kind;
	size_t offset;
	const char *initial; /* NULL: absent unless given */
	int64_t min, max;
	const char *const *choices;
	size_t text;
};

#define DURATION_MAX (100 * 366 * 24 * TIME_HOUR)

static const char *const complete_words[] = {"rate", "marker", "both", NULL};
static const char *const policy_words[] = {"latest", "newest", "replay", NULL};
static const char *const refresh_words[] = {"lazy", "eager", "manual", NULL};
static const char *const no_yes_words[] = {"no", "yes", NULL};

#define AT(field) offsetof(struct config, field)
/* In the order of the dump; sections stand together. */
static const struct key keys[] = {
	/* clang-format off */
	{"feed", "url", KIND_STRING, AT(url)},
	{"feed", "partition", KIND_STRING, AT(partition), "dt=%Y-%m-%d/hour=%H/minute=%M"},
	{"feed", "cadence", KIND_DURATION, AT(cadence), "5m", 1, DURATION_MAX},
	{"feed", "complete", KIND_CHOICE, AT(complete), "rate", .choices = complete_words},
	{"feed", "settle", KIND_DURATION, AT(settle), "0s", 0, DURATION_MAX},
	{"feed", "quiet", KIND_DURATION, AT(quiet), "2s", 0, DURATION_MAX},
	{"feed", "marker", KIND_FILENAME, AT(marker), "_SUCCESS"},
	{"lag", "policy", KIND_CHOICE, AT(policy), "latest", .choices = policy_words},
	{"lag", "window", KIND_WINDOW, AT(window), "5h", 1, DURATION_MAX},
	{"lag", "overlap", KIND_WINDOW, AT(overlap), NULL, 0, DURATION_MAX},
	{"lag", "gap_timeout", KIND_DURATION, AT(gap_timeout), "1h", 0, DURATION_MAX},
	{"document", "id", KIND_STRING, AT(id)},
	{"document", "group", KIND_STRING, AT(group)},
	{"document", "op", KIND_STRING, AT(op), "op"},
	{"document", "version", KIND_STRING, AT(version)},
	{"document", "text", KIND_TEXT, AT(text)},
	{"document", "keyword", KIND_LIST, AT(keyword)},
	{"document", "drop_if", KIND_EXPR, AT(drop_if), .text = AT(drop_if_text)},
	{"index", "k1", KIND_MILLI, AT(k1), "1.2", 0, 100000},
	{"index", "b", KIND_MILLI, AT(b), "0.75", 0, 1000},
	{"build", "threads", KIND_COUNT, AT(threads), "0", 0, 1024},
	{"build", "max_reject_ratio", KIND_RATIO, AT(max_reject_ratio), "0.01"},
	{"build", "memory", KIND_SIZE, AT(memory), "1GiB", 64 << 20, INT64_C(1) << 50},
	{"build", "max_change", KIND_FACTOR, AT(max_change), "2"},
	{"build", "keep", KIND_COUNT, AT(keep), "8", 1, 100000},
	{"build", "keep_for", KIND_DURATION, AT(keep_for), "1h", 0, DURATION_MAX},
	{"build", "keep_max", KIND_COUNT, AT(keep_max), "64", 1, 100000},
	{"build", "lock_wait", KIND_DURATION, AT(lock_wait), "0s", 0, DURATION_MAX},
	{"build", "stall_timeout", KIND_DURATION, AT(stall_timeout), "10m", 1, DURATION_MAX},
	{"mount", "refresh", KIND_CHOICE, AT(refresh), "lazy", .choices = refresh_words},
	{"mount", "poll", KIND_DURATION, AT(poll), "1s", 0, DURATION_MAX},
	{"mount", "wait", KIND_DURATION, AT(wait), "2s", 0, DURATION_MAX},
	/* clang-format on */
};
#undef AT
#define KEYS (sizeof(keys) / sizeof(keys[0]))

/* Of each section [attribute.NAME]; offsets are those of struct attribute_rule. */
#define ATTRIBUTE "attribute."
#define AT(field) offsetof(struct attribute_rule, field)
static const struct key attribute_keys[] = {
	{"", "when", KIND_EXPR, AT(when), .text = AT(when_text)},
	{"", "key", KIND_STRING, AT(key)},
	{"", "on", KIND_STRING, AT(on)},
	{"", "version", KIND_STRING, AT(version)},
	{"", "expire", KIND_CHOICE, AT(expire), "no", .choices = no_yes_words},
};
#undef AT
#define ATTRIBUTE_KEYS (sizeof(attribute_keys) / sizeof(attribute_keys[0]))
_Static_assert(KEYS + ATTRIBUTE_KEYS * ATTRIBUTES_MAX <= CONFIG_KEYS_MAX, "which");

/* What the design names and this version cannot do: refused by name, so that nobody thinks it works.
 * `key` NULL: the whole section; a section that ends in '.' stands for all that start so. */
static const struct {
	const char *section, *key;
} later[] = {
	{"index", "stem"},
	{"publish", NULL},
	{"s3", NULL},
	{"build", "shards"},
	{"mount", "max_age"},
};

/* `base` is the configuration, or the attribute's rule. */
static void *field_of(const void *base, const struct key *k)
{
	return (char *)(uintptr_t)base + k->offset;
}

static char **text_of(const void *base, const struct key *k)
{
	return (char **)(void *)((char *)(uintptr_t)base + k->text);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct slice trim(struct slice s)
{
	while (s.len && is_blank(s.data[0]))
		s = slice_of(s.data + 1, s.len - 1);
	while (s.len && is_blank(s.data[s.len - 1]))
		s.len--;
	return s;
}

static int out_of_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

/* Values that a line of ini cannot hold must not come in by another door: the dump would lie. */

/* Where the dump may break `s` in two: at the last lone blank before `room` bytes are full; 0 nowhere. */
static size_t break_before(struct slice s, size_t room)
{
	for (size_t i = room; i > 0; i--) {
		if (i + 1 < s.len && s.data[i] == ' ' && !is_blank(s.data[i - 1]) && !is_blank(s.data[i + 1]))
			return i;
	}
	return 0;
}

static int value_check(struct slice v, struct err *err)
{
	if (v.len > CONFIG_VALUE_MAX)
		return err_set(err, -EINVAL, "%zu bytes are more than a value may have (%d)", v.len,
			CONFIG_VALUE_MAX);
	if (!utf8_is_valid(v))
		return err_set(err, -EINVAL, "not valid UTF-8");
	for (size_t i = 0; i < v.len; i++) {
		uint8_t c = (uint8_t)v.data[i];
		bool starts = i == 0 || is_blank(v.data[i - 1]);

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return err_set(err, -EINVAL, "control character 0x%02x in the value", c);
		if (starts && (c == ';' || (c == '#' && i)))
			return err_set(err, -EINVAL,
				"\" %c\" in the value: a comment goes on a line of its own, and no value may have this",
				c);
	}
	for (struct slice rest = v; rest.len > CONFIG_RUN_MAX;) {
		size_t at = break_before(rest, CONFIG_RUN_MAX);

		if (!at)
			return err_set(
				err, -EINVAL, "more than %d bytes without a single blank", CONFIG_RUN_MAX);
		rest = slice_of(rest.data + at + 1, rest.len - at - 1);
	}
	return 0;
}

static int string_set(char **to, struct slice v, struct err *err)
{
	char *copy = strndup(v.data, v.len);

	if (!copy)
		return out_of_memory(err);
	free(*to);
	*to = copy;
	return 0;
}

static int filename_set(char **to, const char *v, struct err *err)
{
	if (strchr(v, '/') || strcmp(v, ".") == 0 || strcmp(v, "..") == 0)
		return err_set(err, -EINVAL, "\"%s\" is not the name of a file", v);
	return string_set(to, slice_str(v), err);
}

static int duration_set(int64_t *to, const struct key *k, const char *v, struct err *err)
{
	char low[TIME_TEXT_MAX], high[TIME_TEXT_MAX];
	bool all = k->kind == KIND_WINDOW;
	int64_t d;
	int r = duration_parse(v, all, &d, err);

	if (r < 0)
		return r;
	if (d < k->min && k->min == 1)
		return err_set(err, -EINVAL, "%s: must be more than 0", v);
	if (d < k->min || (d > k->max && !(all && d == TIME_FOREVER)))
		return err_set(err, -EINVAL, "%s is not within %s to %s%s", v, duration_text(k->min, low),
			duration_text(k->max, high), all ? ", nor all" : "");
	*to = d;
	return 0;
}

static int count_set(unsigned *to, const struct key *k, const char *v, struct err *err)
{
	int64_t n = 0;
	const char *p = v;

	for (; *p >= '0' && *p <= '9' && n <= k->max; p++)
		n = n * 10 + (*p - '0');
	if (p == v || (*p && n <= k->max) || n < k->min || n > k->max)
		return err_set(err, -EINVAL, "\"%s\" is not a whole number within %" PRId64 " to %" PRId64, v,
			k->min, k->max);
	*to = (unsigned)n;
	return 0;
}

static const struct {
	const char *unit;
	unsigned shift;
} size_units[] = {{"", 0}, {"K", 10}, {"KiB", 10}, {"M", 20}, {"MiB", 20}, {"G", 30}, {"GiB", 30}};

static int size_set(uint64_t *to, const struct key *k, const char *v, struct err *err)
{
	uint64_t n = 0;
	const char *p = v;

	for (; *p >= '0' && *p <= '9' && n < UINT64_C(1) << 50; p++)
		n = n * 10 + (uint64_t)(*p - '0');
	for (size_t i = 0; p > v && i < sizeof(size_units) / sizeof(size_units[0]); i++) {
		if (strcmp(p, size_units[i].unit) != 0)
			continue;
		if (n > (uint64_t)k->max >> size_units[i].shift ||
			n << size_units[i].shift < (uint64_t)k->min)
			return err_set(err, -EINVAL, "%s is not within 64MiB to 1024TiB", v);
		*to = n << size_units[i].shift;
		return 0;
	}
	return err_set(err, -EINVAL, "\"%s\" is no size (512MiB, 2GiB, or bytes)", v);
}

static int factor_set(double *to, const char *v, struct err *err)
{
	char *end;
	double d = strtod(v, &end);

	if (strspn(v, "0123456789.eE+") != strlen(v) || *end || !(d >= 1 && d <= 1e6))
		return err_set(err, -EINVAL, "\"%s\" is not a number from 1 on", v);
	*to = d;
	return 0;
}

static int ratio_set(double *to, const char *v, struct err *err)
{
	char *end;
	double d = strtod(v, &end);

	if (strspn(v, "0123456789.eE+-") != strlen(v) || *end || !(d >= 0 && d <= 1))
		return err_set(err, -EINVAL, "\"%s\" is not a number within 0 to 1 (0.01 is 1 %%)", v);
	*to = d + 0.0; /* -0 is 0 */
	return 0;
}

static void milli_text(unsigned n, char out[32])
{
	snprintf(out, 32, "%u.%03u", n / 1000, n % 1000);
	for (size_t len = strlen(out); out[len - 1] == '0' || out[len - 1] == '.'; len--) {
		bool dot = out[len - 1] == '.';

		out[len - 1] = 0;
		if (dot)
			break;
	}
}

/* At most three digits behind the dot, so that the number is exactly what was written. */
static int milli_set(unsigned *to, const struct key *k, const char *v, struct err *err)
{
	size_t whole = strspn(v, "0123456789"),
	       digits = v[whole] == '.' ? strspn(v + whole + 1, "0123456789") : 0;
	char low[32], high[32];
	int64_t n = 0;

	milli_text((unsigned)k->min, low);
	milli_text((unsigned)k->max, high);
	if (!whole || whole > 6 || digits > 3 || v[whole + (digits ? 1 + digits : 0)])
		return err_set(err, -EINVAL, "\"%s\" is not a number with up to three decimals (0.75)", v);
	for (size_t i = 0; i < whole; i++)
		n = n * 10 + (v[i] - '0');
	for (size_t i = 1; i <= 3; i++)
		n = n * 10 + (i <= digits ? v[whole + i] - '0' : 0);
	if (n < k->min || n > k->max)
		return err_set(err, -EINVAL, "%s is not within %s to %s", v, low, high);
	*to = (unsigned)n;
	return 0;
}

static int choice_set(unsigned *to, const struct key *k, const char *v, struct err *err)
{
	char words[128];
	size_t at = 0;

	for (unsigned i = 0; k->choices[i]; i++) {
		if (strcmp(v, k->choices[i]) == 0) {
			*to = i;
			return 0;
		}
		at += (size_t)snprintf(words + at, sizeof(words) - at, "%s%s", i ? ", " : "", k->choices[i]);
	}
	return err_set(err, -EINVAL, "\"%s\" is none of %s", v, words);
}

/* The canonical text is what has to be fit for a file: blanks after the commas, wherever there were none. */
static int list_set(struct string_list *to, struct slice v, struct err *err)
{
	struct string_list l;
	OWNED_BUF text = {0};
	int r = string_list_parse(&l, v, err);

	if (r < 0)
		return r;
	string_list_text(&l, &text);
	r = text.failed ? out_of_memory(err) : value_check(buf_slice(&text), err);
	if (r < 0) {
		string_list_release(&l);
		return r;
	}
	string_list_release(to);
	*to = l;
	return 0;
}

static int expr_set(struct expr **to, char **text, const char *v, struct err *err)
{
	OWNED(expr) struct expr *e = NULL;
	int r = expr_parse(&e, v, err);

	if (r == 0)
		r = string_set(text, slice_str(v), err);
	if (r < 0)
		return r;
	expr_free(*to);
	*to = steal(&e);
	return 0;
}

/* `v` is NUL-terminated behind its end; `c` is for what has a second field there. */
static int key_set(struct config *c, void *base, const struct key *k, struct slice v, struct err *err)
{
	bool list = k->kind == KIND_LIST || k->kind == KIND_TEXT;
	void *to = field_of(base, k);
	int r;

	if (!v.len && !list)
		return err_set(err, -EINVAL, "no value: leave the key out for its default");
	r = list ? 0 : value_check(v, err);
	if (r < 0)
		return r;
	switch (k->kind) {
	case KIND_STRING:
		return string_set(to, v, err);
	case KIND_FILENAME:
		return filename_set(to, v.data, err);
	case KIND_DURATION:
	case KIND_WINDOW:
		return duration_set(to, k, v.data, err);
	case KIND_COUNT:
		return count_set(to, k, v.data, err);
	case KIND_SIZE:
		return size_set(to, k, v.data, err);
	case KIND_FACTOR:
		return factor_set(to, v.data, err);
	case KIND_RATIO:
		return ratio_set(to, v.data, err);
	case KIND_MILLI:
		return milli_set(to, k, v.data, err);
	case KIND_CHOICE:
		return choice_set(to, k, v.data, err);
	case KIND_LIST:
		return list_set(to, v, err);
	case KIND_TEXT:
		r = list_set(to, v, err);
		c->text_is_default &= r < 0;
		return r;
	case KIND_EXPR:
		return expr_set(to, text_of(base, k), v.data, err);
	}
	return -EINVAL;
}

/* Says whether the design has this for a later version; then `err` says so. */
static bool is_later(struct slice section, struct slice key, struct err *err)
{
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		struct slice s = slice_str(later[i].section);
		bool family = s.data[s.len - 1] == '.';

		if (family ? !slice_starts(section, s) : !slice_eq(section, s))
			continue;
		if (!later[i].key)
			err_set(err, -EINVAL, "this version does not have the section [%.*s] yet",
				(int)section.len, section.data);
		else if (slice_eq(key, slice_str(later[i].key)))
			err_set(err, -EINVAL, "this version does not have this key yet");
		else
			continue;
		return true;
	}
	return false;
}

static bool section_is_attribute(struct slice section)
{
	return slice_starts(section, slice_str(ATTRIBUTE));
}

/* The NAME of [attribute.NAME]: what a record can call its member in a path, and nothing that needs escaping. */
static bool attribute_name_check(struct slice section, struct err *err)
{
	size_t from = strlen(ATTRIBUTE);

	for (size_t i = from; i < section.len; i++) {
		char c = section.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    c == '_' || c == '-')) {
			err_set(err, -EINVAL,
				"an attribute's name has letters, digits, \"_\" and \"-\" only");
			return false;
		}
	}
	if (section.len == from)
		err_set(err, -EINVAL, "an attribute without a name");
	return section.len > from;
}

bool config_section_is_known(struct slice section, struct err *err)
{
	for (size_t i = 0; i < KEYS; i++) {
		if (slice_eq(section, slice_str(keys[i].section)))
			return true;
	}
	if (section_is_attribute(section))
		return attribute_name_check(section, err);
	if (!is_later(section, slice_of(NULL, 0), err))
		err_set(err, -EINVAL,
			"unknown section (there are feed, lag, document, attribute.NAME, index, build, mount)");
	return false;
}

static const struct key *key_find(struct slice section, struct slice key, struct err *err)
{
	for (size_t i = 0; section_is_attribute(section) && i < ATTRIBUTE_KEYS; i++)
		if (slice_eq(key, slice_str(attribute_keys[i].name)))
			return &attribute_keys[i];
	for (size_t i = 0; i < KEYS; i++) {
		if (slice_eq(section, slice_str(keys[i].section)) && slice_eq(key, slice_str(keys[i].name)))
			return &keys[i];
	}
	if (config_section_is_known(section, err) && !is_later(section, key, err))
		err_set(err, -EINVAL, "unknown key");
	return NULL;
}

static int rule_add(struct config *c, struct slice name, struct err *err)
{
	struct attribute_rule *grown;

	if (c->attribute_count == ATTRIBUTES_MAX)
		return err_set(err, -EINVAL, "more than %d attributes", ATTRIBUTES_MAX);
	grown = realloc(c->attributes, (c->attribute_count + 1) * sizeof(*grown));
	if (!grown)
		return out_of_memory(err);
	c->attributes = grown;
	grown += c->attribute_count;
	*grown = (struct attribute_rule){.name = strndup(name.data, name.len)};
	if (!grown->name)
		return out_of_memory(err);
	c->attribute_count++;
	return 0;
}

/* The rule of [attribute.NAME], made where it is new; its number goes to *n. */
static int rule_of(struct config *c, struct slice section, size_t *n, struct err *err)
{
	size_t from = strlen(ATTRIBUTE);
	struct slice name = slice_of(section.data + from, section.len - from);

	if (!attribute_name_check(section, err))
		return -EINVAL;
	for (*n = 0; *n < c->attribute_count; (*n)++)
		if (slice_eq(slice_str(c->attributes[*n].name), name))
			return 0;
	return rule_add(c, name, err);
}

/* Finds what a key is about: *base, and its number for `which`. */
static int key_place(struct config *c, const struct key *k, struct slice section, void **base,
	unsigned *which, struct err *err)
{
	size_t n;
	int r;

	*base = c;
	if (!section_is_attribute(section)) {
		*which = (unsigned)(k - keys);
		return 0;
	}
	r = rule_of(c, section, &n, err);
	if (r < 0)
		return r;
	*base = &c->attributes[n];
	*which = (unsigned)(KEYS + n * ATTRIBUTE_KEYS + (size_t)(k - attribute_keys));
	return 0;
}

int config_assign(struct config *c, struct slice section, struct slice key, struct slice value,
	unsigned *which, struct err *err)
{
	const struct key *k = key_find(section, key, err);
	OWNED_STR char *text = NULL;
	unsigned number = 0;
	void *base = NULL;
	int r = k ? key_place(c, k, section, &base, &number, err) : -EINVAL;

	value = trim(value);
	if (which)
		*which = number;
	if (r == 0 && value.len && memchr(value.data, 0, value.len))
		r = err_set(err, -EINVAL, "a NUL byte in the value");
	if (r == 0) {
		text = strndup(value.len ? value.data : "", value.len);
		r = text ? key_set(c, base, k, slice_of(text, value.len), err) : out_of_memory(err);
	}
	if (r < 0)
		return err_context(
			err, r, "%.*s.%.*s", (int)section.len, section.data, (int)key.len, key.data);
	return 0;
}

int config_new(struct config **out, struct err *err)
{
	OWNED(config) struct config *c = calloc(1, sizeof(*c));
	int r;

	*out = NULL;
	if (!c)
		return out_of_memory(err);
	c->text_is_default = true;
	c->overlap = -1;
	for (size_t i = 0; i < KEYS; i++) {
		r = keys[i].initial ? key_set(c, c, &keys[i], slice_str(keys[i].initial), err) : 0;
		if (r < 0)
			return r;
	}
	*out = steal(&c);
	return 0;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	free(c->url);
	free(c->partition);
	free(c->marker);
	free(c->id);
	free(c->group);
	free(c->op);
	free(c->version);
	string_list_release(&c->text);
	string_list_release(&c->keyword);
	expr_free(c->drop_if);
	free(c->drop_if_text);
	for (size_t i = 0; i < c->attribute_count; i++) {
		struct attribute_rule *rule = &c->attributes[i];

		free(rule->name);
		expr_free(rule->when);
		free(rule->when_text);
		free(rule->key);
		free(rule->on);
		free(rule->version);
	}
	free(c->attributes);
	free(c);
}

/* A list that names an attribute itself, not a field of it, asks for the words of an object. */
static int list_check(const struct string_list *list, const char *key, const char *name, struct err *err)
{
	for (size_t i = 0; i < list->count; i++)
		if (!strcmp(list->items[i], name))
			return err_set(err, -EINVAL,
				"document.%s: %s is an attribute; name a field of it, as %s.name", key, name,
				name);
	return 0;
}

bool config_expires(const struct config *c, struct slice id)
{
	for (size_t i = 0; i < c->attribute_count; i++) {
		struct slice name = slice_str(c->attributes[i].name);

		if (id.len > name.len + 2 && id.data[name.len + 1] == id.data[0] &&
			slice_eq(slice_of(id.data + 1, name.len), name))
			return c->attributes[i].expire;
	}
	return false;
}

int config_check(const struct config *c, struct err *err)
{
	for (size_t i = 0; i < c->attribute_count; i++) {
		const struct attribute_rule *rule = &c->attributes[i];
		const char *missing = !rule->when ? "when" : !rule->key ? "key" : !rule->on ? "on" : NULL;
		int r;

		if (missing)
			return err_set(err, -EINVAL,
				ATTRIBUTE "%s: no `%s`: an attribute has when, key and on", rule->name,
				missing);
		r = list_check(&c->text, "text", rule->name, err);
		if (r == 0)
			r = list_check(&c->keyword, "keyword", rule->name, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int config_set(struct config *c, const char *assignment, struct err *err)
{
	const char *equals = strchr(assignment, '=');
	struct slice name, section;

	name = trim(slice_of(assignment, equals ? (size_t)(equals - assignment) : 0));
	/* Up to the last dot: a section's name may have some, a key's has none. */
	section = name;
	while (section.len && section.data[section.len - 1] != '.')
		section.len--;
	if (section.len < 2 || section.len == name.len)
		return err_set(err, -EINVAL, "\"%s\": expected section.key=value", assignment);
	name = slice_of(name.data + section.len, name.len - section.len);
	section.len--;
	return config_assign(c, section, name, slice_str(equals + 1), NULL, err);
}

int config_set_mount_option(struct config *c, const char *key, const char *value, struct err *err)
{
	struct slice mount = slice_str("mount"), name = slice_str(key);
	int r;

	if (!key_find(mount, name, NULL) && !is_later(mount, name, NULL))
		return 0;
	r = config_assign(c, mount, name, slice_str(value), NULL, err);
	return r < 0 ? r : 1;
}

static void ratio_text(double d, struct buf *out)
{
	char text[32];

	for (int digits = 1; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, d);
		if (strtod(text, NULL) == d)
			break;
	}
	buf_add_str(out, text);
}

static bool key_is_absent(const struct config *c, const void *base, const struct key *k)
{
	switch (k->kind) {
	case KIND_STRING:
	case KIND_FILENAME:
		return !*(char *const *)field_of(base, k);
	case KIND_TEXT:
		return c->text_is_default;
	case KIND_LIST:
		return !((const struct string_list *)field_of(base, k))->count;
	case KIND_EXPR:
		return !*text_of(base, k);
	case KIND_WINDOW:
		return *(const int64_t *)field_of(base, k) < 0;
	default:
		return false;
	}
}

/* In the largest unit that leaves a whole number. */
static void size_text(uint64_t n, struct buf *out)
{
	unsigned at = 0;

	for (unsigned i = 2; i < sizeof(size_units) / sizeof(size_units[0]); i += 2)
		if (n % (UINT64_C(1) << size_units[i].shift) == 0)
			at = i;
	buf_addf(out, "%" PRIu64 "%s", n >> size_units[at].shift, size_units[at].unit);
}

static void key_text(const void *base, const struct key *k, struct buf *out)
{
	const void *from = field_of(base, k);
	char text[TIME_TEXT_MAX];

	switch (k->kind) {
	case KIND_STRING:
	case KIND_FILENAME:
		buf_add_str(out, *(char *const *)from);
		break;
	case KIND_DURATION:
	case KIND_WINDOW:
		buf_add_str(out, duration_text(*(const int64_t *)from, text));
		break;
	case KIND_COUNT:
		buf_addf(out, "%u", *(const unsigned *)from);
		break;
	case KIND_SIZE:
		size_text(*(const uint64_t *)from, out);
		break;
	case KIND_FACTOR:
	case KIND_RATIO:
		ratio_text(*(const double *)from, out);
		break;
	case KIND_MILLI:
		milli_text(*(const unsigned *)from, text);
		buf_add_str(out, text);
		break;
	case KIND_CHOICE:
		buf_add_str(out, k->choices[*(const unsigned *)from]);
		break;
	case KIND_LIST:
	case KIND_TEXT:
		string_list_text(from, out);
		break;
	case KIND_EXPR:
		buf_add_str(out, *text_of(base, k));
		break;
	}
}

/* "key = value", over several lines where it is long; value_check() saw to it that it can be broken. */
static void line_add(const char *name, struct slice v, struct buf *out)
{
	buf_addf(out, "%s =%s", name, v.len ? " " : "");
	while (v.len > CONFIG_RUN_MAX) {
		size_t at = break_before(v, CONFIG_RUN_MAX);

		if (!at)
			break;
		buf_add(out, v.data, at);
		buf_add_str(out, "\n\t");
		v = slice_of(v.data + at + 1, v.len - at - 1);
	}
	buf_add_slice(out, v);
	buf_add_byte(out, '\n');
}

static void key_dump(const struct config *c, const void *base, const struct key *k, struct buf *out)
{
	OWNED_BUF value = {0};

	if (key_is_absent(c, base, k))
		return;
	key_text(base, k, &value);
	line_add(k->name, buf_slice(&value), out);
	out->failed |= value.failed;
}

static void section_dump(const struct config *c, const char *section, struct buf *out)
{
	buf_addf(out, "[%s]\n", section);
	for (size_t i = 0; i < KEYS; i++)
		if (strcmp(keys[i].section, section) == 0)
			key_dump(c, c, &keys[i], out);
}

static void attributes_dump(const struct config *c, struct buf *out)
{
	for (size_t i = 0; i < c->attribute_count; i++) {
		buf_addf(out, "[" ATTRIBUTE "%s]\n", c->attributes[i].name);
		for (size_t k = 0; k < ATTRIBUTE_KEYS; k++)
			key_dump(c, &c->attributes[i], &attribute_keys[k], out);
	}
}

void config_dump(const struct config *c, struct buf *out)
{
	for (size_t i = 0; i < KEYS; i++) {
		if (i == 0 || strcmp(keys[i].section, keys[i - 1].section) != 0)
			section_dump(c, keys[i].section, out);
	}
	attributes_dump(c, out);
}

void config_hash(const struct config *c, uint8_t out[CONFIG_HASH_BYTES])
{
	OWNED_BUF text = {0};

	section_dump(c, "document", &text);
	attributes_dump(c, &text);
	xxh128(buf_slice(&text), out);
	if (text.failed)
		memset(out, 0,
			CONFIG_HASH_BYTES); /* the hash of no configuration: at worst a build too many */
}
