/* SPDX-License-Identifier: Apache-2.0 */
#include "mount_option.h"

/* What mount(8) itself acts on, or what a read-only file system without devices has no use for. */
static const char *const ignored[] = {"defaults", "ro", "rw", "auto", "noauto", "user", "nouser", "users",
	"owner", "group", "nofail", "_netdev", "dev", "suid", "exec", "async", "sync", "atime", "diratime",
	"relatime", "norelatime", "strictatime", "nostrictatime", "lazytime", "nolazytime", "iversion",
	"noiversion", "silent", "loud"};
static const char *const for_kernel[] = {
	"allow_other", "allow_root", "nodev", "nosuid", "noexec", "noatime", "nodiratime"};
/* The keys of [mount]; their values are checked against the configuration later. */
static const char *const keys[] = {
	"refresh", "poll", "wait", "feed_timeout", "log_level", "max_age", "passthrough", "cache_size"};

static bool is_one_of(const char *text, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(text, words[i]))
			return true;
	}
	return false;
}
#define COUNT_OF(words) (sizeof(words) / sizeof(words[0]))
#define IS_ONE_OF(text, words) is_one_of(text, words, COUNT_OF(words))

static int list_add(struct string_list *l, const char *text)
{
	char **items = realloc(l->items, (l->count + 1) * sizeof(*items));

	if (!items)
		return -ENOMEM;
	l->items = items;
	items[l->count] = strdup(text);
	return items[l->count] ? (l->count++, 0) : -ENOMEM;
}

static void list_release(struct string_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->items[i]);
	free(l->items);
	*l = (struct string_list){0};
}

static int take_text(char **to, const char *value)
{
	free(*to);
	*to = strdup(value);
	return *to ? 0 : -ENOMEM;
}

/* `option` has its '=' cut out; `value` is NULL without one. */
static int take_option(struct mount_option_set *set, const char *option, const char *value, const char *whole)
{
	if (!strncmp(option, "x-", 2) || !strcmp(option, "comment"))
		return 0;
	if (!value && IS_ONE_OF(option, ignored))
		return 0;
	if (!value && IS_ONE_OF(option, for_kernel)) {
		if (set->kernel.len)
			buf_add_byte(&set->kernel, ',');
		buf_add_str(&set->kernel, option);
		return buf_error(&set->kernel);
	}
	if (!value && !strcmp(option, "follow")) {
		set->follow = true;
		return 0;
	}
	if (!value)
		return -EINVAL;
	if (!strcmp(option, "state"))
		return take_text(&set->state, value);
	if (!strcmp(option, "config"))
		return take_text(&set->config, value);
	if (!strcmp(option, "set"))
		return list_add(&set->sets, value);
	return IS_ONE_OF(option, keys) ? list_add(&set->assigns, whole) : -EINVAL;
}

static int take_piece(struct mount_option_set *set, const char *piece, struct err *err)
{
	OWNED_STR char *option = strdup(piece);
	char *eq;
	int r;

	if (!option)
		return err_set(err, -ENOMEM, "out of memory");
	eq = strchr(option, '=');
	if (eq)
		*eq = 0;
	r = take_option(set, option, eq ? eq + 1 : NULL, piece);
	if (r == -EINVAL)
		return err_set(err, r, "-o %s: there is no such option%s", option,
			eq ? "" : ", or it needs a value");
	return r < 0 ? err_set(err, r, "out of memory") : 0;
}

/* mount(8) puts it behind all that the mount has, also what only the kernel says of it. */
static bool is_remount(const char *text)
{
	for (const char *at = text; (at = strstr(at, "remount")); at++) {
		if ((at == text || at[-1] == ',') && (at[7] == ',' || !at[7]))
			return true;
	}
	return false;
}

int mount_options_parse(struct mount_option_set *set, const char *text, struct err *err)
{
	OWNED_BUF piece = {0};
	int r = 0;

	if (is_remount(text))
		return err_set(err, -EINVAL,
			"-o remount: what a mount was started with cannot be changed; unmount it and mount it again");
	for (const char *p = text; r == 0; p++) {
		if (*p && *p != ',') {
			if (*p == '\\' && p[1])
				p++;
			buf_add_byte(&piece, *p);
			continue;
		}
		if (piece.len)
			r = take_piece(set, buf_cstr(&piece), err);
		buf_clear(&piece);
		if (!*p)
			break;
	}
	return r;
}

int mount_options_apply(const struct mount_option_set *set, struct config *cfg, struct err *err)
{
	for (size_t i = 0; i < set->assigns.count; i++) {
		char *eq = strchr(set->assigns.items[i], '=');
		OWNED_STR char *key = strndup(set->assigns.items[i], (size_t)(eq - set->assigns.items[i]));
		int r = key ? config_set_mount_option(cfg, key, eq + 1, err) : -ENOMEM;

		if (r < 0)
			return err_context(err, r, "-o %s", set->assigns.items[i]);
		if (r == 0)
			return err_set(err, -EINVAL, "-o %s: there is no such option", key);
	}
	return 0;
}

const char *mount_option_at(size_t i, const char **takes)
{
	static const char *const common[][2] = {
		{"state", "DIR"}, {"config", "FILE"}, {"set", "SECTION.KEY=VALUE"}};

	*takes = "VALUE";
	if (i < COUNT_OF(keys))
		return keys[i];
	i -= COUNT_OF(keys);
	if (i < COUNT_OF(common)) {
		*takes = common[i][1];
		return common[i][0];
	}
	i -= COUNT_OF(common);
	*takes = NULL;
	if (i == 0)
		return "follow";
	i--;
	return i < COUNT_OF(for_kernel) ? for_kernel[i] : NULL;
}

void mount_options_release(struct mount_option_set *set)
{
	buf_release(&set->kernel);
	free(set->state);
	free(set->config);
	list_release(&set->sets);
	list_release(&set->assigns);
}
