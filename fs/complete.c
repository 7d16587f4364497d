/* SPDX-License-Identifier: Apache-2.0 */
/* A help text has a line for each option, "  -l, --long WHAT  description", where WHAT says what the option takes. The usage calls
 * the arguments by the same names. An option without such a line is for freshet itself, and is not offered. */
#include "complete.h"
#include "config_key.h"
#include "mount_option.h"

#include <dirent.h>
#include <stdio.h>

/* One option of a help text; of two names, the long one. */
struct option_help {
	struct slice name, takes, what;
	char letter; /* 0: none */
};

struct completion {
	const char *usage;
	const char *options;   /* the help texts */
	const char *state_dir; /* of an option before; NULL: not given */
	struct slice typed;    /* what there is of the word; each `before` below is a beginning of it */
};

static struct slice word_at(const char *p)
{
	return slice_of(p, strcspn(p, " \n"));
}

static struct slice slice_rest(struct slice s, size_t from)
{
	return slice_of(s.data + from, s.len - from);
}

/* Reads the line at `p`; false where it describes no option. */
static bool option_read(const char *p, struct option_help *o)
{
	size_t indent = strspn(p, " ");

	*o = (struct option_help){0};
	p += indent;
	if (!indent || *p != '-')
		return false;
	o->name = word_at(p);
	o->letter = p[1] == '-' ? 0 : p[1];
	if (o->letter && p[2] == ',') {
		p += 4;
		o->name = word_at(p);
	}
	p += o->name.len;
	if (p[0] == ' ' && p[1] != ' ') {
		o->takes = word_at(p + 1);
		p += 1 + o->takes.len;
	}
	p += strspn(p, " \n");
	o->what = slice_of(p, strcspn(p, "\n"));
	return true;
}

/* Steps through the options: *at is at a line of the help texts. */
static bool option_next(const char **at, struct option_help *o)
{
	while (**at) {
		const char *line = *at;

		*at += strcspn(line, "\n");
		*at += **at == '\n';
		if (option_read(line, o))
			return true;
	}
	return false;
}

static bool option_named(const struct completion *c, struct slice name, char letter, struct option_help *o)
{
	const char *at = c->options;

	while (option_next(&at, o))
		if (letter ? o->letter == letter : slice_eq(o->name, name))
			return true;
	return false;
}

/* Which option of `word` takes a value: "--name", "--name=value", "-abo", "-aboVALUE". `value` is NULL where it is the next word. */
static bool option_takes(
	const struct completion *c, const char *word, struct option_help *o, const char **value)
{
	const char *eq = strchr(word, '=');

	*value = NULL;
	if (!strncmp(word, "--", 2)) {
		*value = eq ? eq + 1 : NULL;
		return option_named(c, slice_of(word, eq ? (size_t)(eq - word) : strlen(word)), 0, o) &&
		       o->takes.len;
	}
	for (const char *p = word + 1; *p && option_named(c, slice_str(""), *p, o); p++) {
		if (o->takes.len) {
			*value = p[1] ? p + 1 : NULL;
			return true;
		}
	}
	return false;
}

/* The candidate is `before`, which is how the word that is typed begins, then `text` and `end`. */
static void offer(const struct completion *c, struct slice before, struct slice text, const char *end,
	struct slice what)
{
	struct slice typed = slice_rest(c->typed, before.len);
	size_t common = typed.len < text.len ? typed.len : text.len;

	if (memcmp(typed.data, text.data, common) || typed.len > text.len + strlen(end) ||
		memcmp(typed.data + common, end, typed.len - common))
		return;
	printf("%.*s%.*s%s\t%.*s\n", (int)before.len, before.data, (int)text.len, text.data, end,
		(int)what.len, what.data);
}

static void offer_name(const struct completion *c, struct slice before, const char *text, const char *end)
{
	offer(c, before, slice_str(text), end, slice_str(""));
}

static void offer_options(const struct completion *c)
{
	const char *at = c->options;
	struct option_help o;

	while (option_next(&at, &o))
		offer(c, slice_str(""), o.name, "", o.what);
}

/* "a|b|c" */
static void offer_words(const struct completion *c, struct slice before, struct slice words)
{
	while (words.len) {
		const char *bar = memchr(words.data, '|', words.len);
		size_t len = bar ? (size_t)(bar - words.data) : words.len;

		offer(c, before, slice_of(words.data, len), "", slice_str(""));
		words = slice_rest(words, bar ? len + 1 : len);
	}
}

/* The numbers of the manifests that are there: cheap, and a rollback says which are not kept. */
static void offer_generations(const struct completion *c, struct slice before)
{
	OWNED_STR char *path = NULL;
	struct dirent *e;
	DIR *dir = NULL;

	if (c->state_dir && asprintf(&path, "%s/generations", c->state_dir) < 0)
		path = NULL;
	if (path)
		dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		size_t digits = strspn(e->d_name, "0123456789");

		if (digits && !strcmp(e->d_name + digits, ".json"))
			offer(c, before, slice_of(e->d_name, digits), "", slice_str(""));
	}
	if (dir)
		closedir(dir);
}

/* The values of a key, if it has a choice of them; `before` ends with its "=". */
static void offer_choices(const struct completion *c, struct slice before, const struct config_key *k)
{
	for (size_t i = 0; k->choices && k->choices[i]; i++)
		offer_name(c, before, k->choices[i], "");
}

/* SECTION.KEY=VALUE */
static void offer_setting(const struct completion *c, struct slice before)
{
	const struct config_key *k;

	for (size_t i = 0; (k = config_key_at(i)); i++) {
		OWNED_BUF text = {0};
		struct slice typed = slice_rest(c->typed, before.len);

		buf_addf(&text, "%s.%s=", k->section, k->name);
		if (text.failed)
			return;
		if (slice_starts(typed, buf_slice(&text)))
			offer_choices(c, slice_of(before.data, before.len + text.len), k);
		else
			offer_name(c, before, buf_cstr(&text), "");
	}
}

static void offer_values(const struct completion *c, struct slice takes, struct slice before);

/* What follows -o, behind the last comma. */
static void offer_mount_options(const struct completion *c, struct slice before)
{
	const char *start = c->typed.data + before.len, *eq, *name, *takes;
	const struct config_key *k;
	struct slice typed;

	for (const char *p = start; *p; p++) {
		if (*p == '\\' && p[1])
			p++;
		else if (*p == ',')
			start = p + 1;
	}
	eq = strchr(start, '=');
	before = slice_of(c->typed.data, (size_t)((eq ? eq + 1 : start) - c->typed.data));
	typed = slice_of(start, eq ? (size_t)(eq - start) : 0);
	for (size_t i = 0; (name = mount_option_at(i, &takes)); i++) {
		if (!eq)
			offer_name(c, before, name, takes ? "=" : "");
		else if (takes && slice_eq(slice_str(name), typed))
			offer_values(c, slice_str(takes), before);
	}
	for (size_t i = 0; eq && (k = config_key_at(i)); i++)
		if (!strcmp(k->section, "mount") && slice_eq(slice_str(k->name), typed))
			offer_choices(c, before, k);
}

static void offer_paths(const char *kind, struct slice before)
{
	printf(":%s\t%.*s\n", kind, (int)before.len, before.data);
}

static bool is_among(struct slice word, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (slice_eq(word, slice_str(words[i])))
			return true;
	return false;
}
#define IS_AMONG(word, words) is_among(word, words, sizeof(words) / sizeof(words[0]))

/* `takes` is what the help calls it: what is a time, a duration or an expression is left to the user. */
static void offer_values(const struct completion *c, struct slice takes, struct slice before)
{
	static const char *const dirs[] = {"DEST", "DIR", "FEED", "MOUNTPOINT", "SRC"};
	static const char *const files[] = {"FILE", "PATH", "WHAT"};

	if (IS_AMONG(takes, dirs))
		offer_paths("dirs", before);
	else if (IS_AMONG(takes, files))
		offer_paths("files", before);
	else if (slice_eq(takes, slice_str("N")))
		offer_generations(c, before);
	else if (slice_eq(takes, slice_str("SECTION.KEY=VALUE")))
		offer_setting(c, before);
	else if (slice_eq(takes, slice_str("OPTION[,...]")))
		offer_mount_options(c, before);
	else if (memchr(takes.data, '|', takes.len))
		offer_words(c, before, takes);
}

/* What the usage calls its n-th argument, from 0 on; empty where it has no more. */
static struct slice usage_argument(const char *usage, unsigned n)
{
	struct slice word;

	for (const char *p = usage; *p && *p != '\n'; p += word.len + strspn(p + word.len, " ")) {
		bool optional = *p == '[';

		word = word_at(p);
		if (p[optional] == '-' && !memchr(p, ']', word.len)) {
			p += word.len + 1; /* its value goes with it */
			word = word_at(p);
		} else if (p[optional] != '-' && *p != '|' && strncmp(p, "[OPTION]", 8) && n-- == 0) {
			return slice_of(p + optional, word.len - 2 * optional);
		}
	}
	return slice_str("");
}

/* Reads what comes before the word. Returns whether the option *o takes the word as its value; *arguments is how many there were,
 * `*only_arguments` whether "--" was among them. */
static bool words_read(struct completion *c, int count, char **words, struct option_help *o,
	unsigned *arguments, bool *only_arguments)
{
	const char *value;

	for (int i = 0; i < count; i++) {
		if (*only_arguments || words[i][0] != '-' || !words[i][1]) {
			(*arguments)++;
		} else if (!strcmp(words[i], "--")) {
			*only_arguments = true;
		} else if (option_takes(c, words[i], o, &value)) {
			if (!value && i + 1 == count)
				return true;
			if (!value)
				value = words[++i];
			if (slice_eq(o->name, slice_str("--state")))
				c->state_dir = value;
		}
	}
	return false;
}

int complete_print(const struct cli_command *command, const char *common_help, int count, char **words)
{
	struct completion c = {.usage = command->usage, .typed = slice_str(count ? words[count - 1] : "")};
	struct slice before = slice_of(c.typed.data, 0);
	struct option_help o;
	const char *value;
	bool only_arguments = false;
	unsigned arguments = 0;
	OWNED_BUF options = {0};

	buf_add_str(&options, command->help);
	buf_add_str(&options, common_help);
	c.options = buf_cstr(&options);
	if (options.failed)
		return -ENOMEM;
	if (words_read(&c, count - 1, words, &o, &arguments, &only_arguments)) {
		offer_values(&c, o.takes, before);
	} else if (only_arguments || c.typed.data[0] != '-') {
		offer_values(&c, usage_argument(c.usage, arguments), before);
	} else if (option_takes(&c, c.typed.data, &o, &value) && value) {
		before.len = (size_t)(value - c.typed.data);
		offer_values(&c, o.takes, before);
	} else {
		offer_options(&c);
	}
	return 0;
}
