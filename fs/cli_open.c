/* SPDX-License-Identifier: Apache-2.0 */
/* fs/cli_open.c - cli_open() and cli_lock(): from options to state, configuration and feed. */
#include "cli.h"

#include <stdio.h>
#include <unistd.h>

/* The configuration of --config over the defaults, with --set: enough to know the url before there is a
 * state directory. */
static int config_early(struct cli *cli, struct config **out, struct err *err)
{
	OWNED(config) struct config *cfg = NULL;
	size_t i;
	int r;

	r = config_new(&cfg, err);
	if (r == 0 && cli->config_path)
		r = config_parse_file(cfg, cli->config_path, err);
	for (i = 0; r == 0 && i < cli->sets.count; i++) {
		r = config_set(cfg, cli->sets.items[i], err);
		if (r < 0)
			err_context(err, r, "--set");
	}
	if (r == 0)
		*out = steal(&cfg);
	return r;
}

/* DIR/freshet.ini, else what the last build used, over the defaults. */
static int config_of_state(struct cli *cli, const char *dir, struct config *cfg, struct err *err)
{
	OWNED_STR char *path = NULL;
	OWNED_BUF text = {0};
	int r;

	if (asprintf(&path, "%s/freshet.ini", dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (access(path, F_OK) == 0)
		return config_parse_file(cfg, path, err);
	if (!cli->catalog)
		return 0;
	r = catalog_get(cli->catalog, "config", &text, err);
	if (r <= 0)
		return r;
	return config_parse(cfg, "configuration of the last build", buf_slice(&text), err);
}

static int config_resolve(struct cli *cli, const char *dir, struct err *err)
{
	OWNED(config) struct config *cfg = NULL;
	size_t i;
	int r;

	if (cli->config_path)
		return config_early(cli, &cli->cfg, err);
	r = config_new(&cfg, err);
	if (r == 0)
		r = config_of_state(cli, dir, cfg, err);
	for (i = 0; r == 0 && i < cli->sets.count; i++) {
		r = config_set(cfg, cli->sets.items[i], err);
		if (r < 0)
			err_context(err, r, "--set");
	}
	if (r == 0)
		cli->cfg = steal(&cfg);
	return r;
}

/* Takes `absolute` for the feed, or refuses it when another source named another feed. */
static int absolute_agree(struct cli *cli, const char *absolute, const char *origin, struct err *err)
{
	if (cli->url && strcmp(cli->url, absolute))
		return err_set(err, -EINVAL,
			"the feed is %s, but %s says %s: use another --state, or the same feed", cli->url,
			origin, absolute);
	if (!cli->url)
		cli->url = strdup(absolute);
	return cli->url ? 0 : -ENOMEM;
}

/* Was the state built from a feed of that very name? Then nothing has to be asked of the feed, which may not answer. */
static bool is_known(const struct cli *cli, const char *url)
{
	OWNED_STR char *dir = cli->state_dir ? strdup(cli->state_dir) : state_default_dir(url);
	OWNED(state) struct state *state = NULL;
	OWNED(catalog) struct catalog *catalog = NULL;
	OWNED_BUF its = {0};
	const char *at;

	if (!dir || state_open(&state, dir, false, NULL) < 0 ||
		catalog_open(&catalog, state, false, NULL) < 0 ||
		catalog_get(catalog, cli->follows ? CATALOG_FOLLOWED : "url", &its, NULL) != 1)
		return false;
	at = buf_cstr(&its);
	if (cli->follows) /* "EPOCH URL" */
		at += strcspn(at, " ") + 1;
	return (*url == '/' || !strncmp(url, "s3://", 5)) && !strcmp(at, url);
}

static int url_agree(struct cli *cli, const char *url, const char *origin, struct err *err)
{
	OWNED_STR char *absolute = NULL;

	if (is_known(cli, url)) {
		cli->known = true;
		return absolute_agree(cli, url, origin, err);
	}
	absolute = cli_absolute_url(url);
	return absolute ? absolute_agree(cli, absolute, origin, err) : -ENOMEM;
}

/* Where the state lies; malloc()ed. */
static int state_where(struct cli *cli, char **out, struct err *err)
{
	OWNED(config) struct config *early = NULL;
	int r;

	*out = NULL;
	if (!cli->url && !cli->state_dir) {
		r = config_early(cli, &early, err);
		if (r == 0 && early->url)
			r = url_agree(cli, early->url, "the configuration", err);
		if (r < 0)
			return r;
		if (!cli->url)
			return err_set(err, -EDESTADDRREQ, "neither FEED nor --state DIR is given");
	}
	*out = cli->state_dir ? strdup(cli->state_dir) : state_default_dir(cli->url);
	return *out ? 0 : -ENOMEM;
}

static int open_store(struct cli *cli, unsigned flags, struct err *err)
{
	return (cli->known && (flags & CLI_LATE) ? store_open_late : store_open)(
		&cli->store, cli->url, cli->cfg, err);
}

/* The state as it is there; with CLI_CREATE it may be missing still. */
static int find_state(struct cli *cli, const char *dir, unsigned flags, struct err *err)
{
	int r = state_open(&cli->state, dir, false, err);

	if (r == -ENOENT && (flags & CLI_CREATE))
		return 0;
	if (r == 0)
		r = catalog_open(&cli->catalog, cli->state, false, err);
	return r == -ENOENT && cli->state ? 0 : r;
}

/* Makes what is missing of it. */
static int make_state(struct cli *cli, const char *dir, struct err *err)
{
	int r;

	state_free(cli->state);
	cli->state = NULL;
	r = state_open(&cli->state, dir, true, err);
	if (r < 0 || cli->catalog)
		return r;
	r = catalog_open(&cli->catalog, cli->state, false, err);
	return r == -ENOENT ? 0 : r;
}

/* The feed that the state was built from, where it was: absolute already, so that commands which need no feed do not touch one that may not
 * answer. */
static int url_of_state(struct cli *cli, struct err *err)
{
	OWNED_BUF url = {0};
	int r = cli->catalog ? catalog_get(cli->catalog, "url", &url, err) : 0;

	if (r != 1)
		return r;
	r = absolute_agree(cli, buf_cstr(&url), "the state directory", err);
	cli->known |= r == 0;
	return r;
}

static int settle_url(struct cli *cli, unsigned flags, struct err *err)
{
	int r = 0;

	if (cli->follows)
		return cli->url ? 0
				: err_set(err, -EDESTADDRREQ,
					  "no SRC is given to follow: where another host publishes");
	if (cli->cfg->url)
		r = url_agree(cli, cli->cfg->url, "the configuration", err);
	if (r == 0)
		r = url_of_state(cli, err);
	if (r < 0)
		return r;
	if (!cli->url && (flags & CLI_FEED))
		return err_set(err, -EDESTADDRREQ, "no FEED is given, and no configuration has feed.url");
	return 0;
}

/* A path in --config must stay right for processes that are started later, from elsewhere. */
static int keep_config_path(struct cli *cli, struct err *err)
{
	if (!cli->config_file)
		return 0;
	cli->config_path = realpath(cli->config_file, NULL);
	return cli->config_path ? 0 : err_sys(err, -errno, "%s", cli->config_file);
}

/* The feed is opened before a state directory is made, so that one that is not there leaves nothing behind. */
static int open_all(struct cli *cli, const char *feed, unsigned flags, struct err *err)
{
	OWNED_STR char *dir = NULL;
	int r = keep_config_path(cli, err);

	cli->follows = flags & CLI_FOLLOW;
	if (r == 0 && feed)
		r = url_agree(cli, feed, "", err);
	if (r == 0)
		r = state_where(cli, &dir, err);
	if (r == 0)
		r = find_state(cli, dir, flags, err);
	if (r == 0)
		r = config_resolve(cli, dir, err);
	if (r == 0)
		r = config_check(cli->cfg, err);
	if (r == 0)
		r = settle_url(cli, flags, err);
	if (r == 0 && (flags & CLI_FEED))
		r = open_store(cli, flags, err);
	if (r == 0 && (flags & CLI_CREATE))
		r = make_state(cli, dir, err);
	return r;
}

int cli_open(struct cli *cli, const char *feed, unsigned flags)
{
	struct err err = ERR_INIT;
	int r = open_all(cli, feed, flags, &err);

	if (r == -EDESTADDRREQ)
		return cli_usage(cli, "%s", err.message);
	return r < 0 ? cli_fail(cli, r, &err) : CLI_GO;
}

int cli_lock(struct cli *cli)
{
	struct err err = ERR_INIT;
	int r;

	r = state_lock(cli->state, cli->cfg->lock_wait, &err);
	if (r < 0)
		return cli_fail(cli, r, &err);
	catalog_free(cli->catalog);
	cli->catalog = NULL;
	r = catalog_open(&cli->catalog, cli->state, true, &err);
	if (r == 0 && !cli->follows) /* again: another first build may have been faster, with another feed */
		r = url_of_state(cli, &err);
	return r < 0 ? cli_fail(cli, r, &err) : CLI_GO;
}

int cli_generation(struct cli *cli, struct generation **out)
{
	struct catalog_current current = {0};
	struct err err = ERR_INIT;
	int r = 0;

	*out = NULL;
	if (cli->catalog)
		r = catalog_current(cli->catalog, &current, &err);
	if (r == 0 && current.number)
		r = generation_open(out, cli->state, current.number, &err);
	return r < 0 ? cli_fail(cli, r, &err) : CLI_GO;
}
