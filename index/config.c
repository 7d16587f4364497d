/* SPDX-License-Identifier: Apache-2.0 */
/* One table holds every key with its default, kind and range; reading, dumping and hashing all walk it.
 * Defaults go through the same setter as a file's values (config_key.h). The ini syntax is in config_parse.c. */
#include "config_key.h"
#include "digest.h"
#include "name.h"

#include <stddef.h>
#include <stdio.h>

#define REJECTS_FREE 10u /* so many refused records are never too many where there are good ones */
#define DURATION_MAX (100 * 366 * 24 * TIME_HOUR)

static const char *const complete_words[] = {"rate", "marker", "both", NULL};
static const char *const columns_words[] = {"all", "configured", NULL};
static const char *const policy_words[] = {"latest", "newest", "replay", NULL};
static const char *const refresh_words[] = {"lazy", "eager", "manual", NULL};
/* In the order of enum log_level. */
static const char *const log_words[] = {"error", "warning", "info", "debug", NULL};
static const char *const no_yes_words[] = {"no", "yes", NULL};
static const char *const signature_words[] = {"auto", "v2", "v4", NULL};
static const char *const style_words[] = {"auto", "path", "virtual", NULL};

#define AT(field) offsetof(struct config, field)
/* In the order of the dump; sections stand together. */
static const struct config_key keys[] = {
	/* clang-format off */
	{"feed", "url", KIND_STRING, AT(url)},
	{"feed", "partition", KIND_STRING, AT(partition), "dt=%Y-%m-%d/hour=%H/minute=%M"},
	{"feed", "cadence", KIND_DURATION, AT(cadence), "5m", 1, DURATION_MAX},
	{"feed", "complete", KIND_CHOICE, AT(complete), "rate", .choices = complete_words},
	{"feed", "settle", KIND_DURATION, AT(settle), "0s", 0, DURATION_MAX},
	{"feed", "quiet", KIND_DURATION, AT(quiet), "2s", 0, DURATION_MAX},
	{"feed", "marker", KIND_FILENAME, AT(marker), "_SUCCESS"},
	{"feed", "columns", KIND_CHOICE, AT(columns), "all", .choices = columns_words},
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
	{"mount", "feed_timeout", KIND_DURATION, AT(feed_timeout), "10s", 1, DURATION_MAX},
	{"mount", "log_level", KIND_CHOICE, AT(log_level), "info", .choices = log_words},
	{"mount", "max_age", KIND_WINDOW, AT(max_age), "all", 1, DURATION_MAX},
	{"mount", "passthrough", KIND_CHOICE, AT(passthrough), "no", .choices = no_yes_words},
	{"mount", "cache_size", KIND_SIZE, AT(cache_size), "64GiB", 64 << 20, INT64_C(1) << 50},
	{"publish", "dest", KIND_STRING, AT(dest)},
	{"publish", "sole_writer", KIND_CHOICE, AT(sole_writer), "no", .choices = no_yes_words},
	{"s3", "endpoint", KIND_STRING, AT(s3_endpoint)},
	{"s3", "region", KIND_STRING, AT(s3_region)},
	{"s3", "profile", KIND_STRING, AT(s3_profile)},
	{"s3", "signature", KIND_CHOICE, AT(s3_signature), "auto", .choices = signature_words},
	{"s3", "style", KIND_CHOICE, AT(s3_style), "auto", .choices = style_words},
	{"s3", "timeout", KIND_DURATION, AT(s3_timeout), "30s", 1, DURATION_MAX},
	/* clang-format on */
};
#undef AT
#define KEYS (sizeof(keys) / sizeof(keys[0]))

const struct config_key *config_key_at(size_t i)
{
	return i < KEYS ? &keys[i] : NULL;
}

/* Of each section [attribute.NAME]; offsets are those of struct attribute_rule. */
#define ATTRIBUTE "attribute."
#define AT(field) offsetof(struct attribute_rule, field)
static const struct config_key attribute_keys[] = {
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
	{"build", "shards"},
};

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
	else if (section.len > SECTION_NAME_MAX)
		err_set(err, -EINVAL, "an attribute's name of %zu bytes, at most %zu", section.len - from,
			SECTION_NAME_MAX - from);
	return section.len > from && section.len <= SECTION_NAME_MAX;
}

static bool section_is_known(struct slice section, struct err *err)
{
	for (size_t i = 0; i < KEYS; i++) {
		if (slice_eq(section, slice_str(keys[i].section)))
			return true;
	}
	if (section_is_attribute(section))
		return attribute_name_check(section, err);
	if (!is_later(section, slice_of(NULL, 0), err))
		err_set(err, -EINVAL,
			"unknown section (there are feed, lag, document, attribute.NAME, index, build, mount, publish, s3)");
	return false;
}

static const struct config_key *key_find(struct slice section, struct slice key, struct err *err)
{
	for (size_t i = 0; section_is_attribute(section) && i < ATTRIBUTE_KEYS; i++)
		if (slice_eq(key, slice_str(attribute_keys[i].name)))
			return &attribute_keys[i];
	for (size_t i = 0; i < KEYS; i++) {
		if (slice_eq(section, slice_str(keys[i].section)) && slice_eq(key, slice_str(keys[i].name)))
			return &keys[i];
	}
	if (section_is_known(section, err) && !is_later(section, key, err))
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

int config_section(struct config *c, struct slice section, struct err *err)
{
	size_t n;

	if (!section_is_known(section, err))
		return -EINVAL;
	return section_is_attribute(section) ? rule_of(c, section, &n, err) : 0;
}

/* Finds what a key is about: *base, and its number for `which`. */
static int key_place(struct config *c, const struct config_key *k, struct slice section, void **base,
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
	const struct config_key *k = key_find(section, key, err);
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
		r = text ? config_key_set(c, base, k, slice_of(text, value.len), err) : out_of_memory(err);
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
		r = keys[i].initial ? config_key_set(c, c, &keys[i], slice_str(keys[i].initial), err) : 0;
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
	free(c->dest);
	free(c->s3_endpoint);
	free(c->s3_region);
	free(c->s3_profile);
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

static void section_dump(const struct config *c, const char *section, struct buf *out)
{
	buf_addf(out, "[%s]\n", section);
	for (size_t i = 0; i < KEYS; i++)
		if (strcmp(keys[i].section, section) == 0)
			config_key_dump(c, c, &keys[i], out);
}

static void attributes_dump(const struct config *c, struct buf *out)
{
	for (size_t i = 0; i < c->attribute_count; i++) {
		buf_addf(out, "[" ATTRIBUTE "%s]\n", c->attributes[i].name);
		for (size_t k = 0; k < ATTRIBUTE_KEYS; k++)
			config_key_dump(c, &c->attributes[i], &attribute_keys[k], out);
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

bool config_has_hash(const struct config *c, const uint8_t hash[CONFIG_HASH_BYTES])
{
	uint8_t own[CONFIG_HASH_BYTES];

	config_hash(c, own);
	return !memcmp(own, hash, sizeof(own));
}

bool config_refuses(const struct config *c, uint64_t refused, uint64_t records)
{
	if (!refused)
		return false;
	return refused == records ||
	       (refused > REJECTS_FREE && (double)refused > c->max_reject_ratio * (double)records);
}
