/* SPDX-License-Identifier: Apache-2.0 */
/* freshet status: how fresh the index is, as the mount's status files say it. */
#include <stdio.h>

#include "cli.h"
#include "status_term.h"

static const char help[] =
	"Say how fresh the index is, and what became of the feed's partitions. On a terminal that is a\n"
	"picture, with colours unless NO_COLOR is set; elsewhere lines as in the mount's status.\n\n"
	"      --partitions   a table of all partitions (TSV) instead\n";

static int draw(const struct status *s, const struct term *t, const struct generation *g,
	const struct row *rows, size_t count, struct buf *out)
{
	struct picture picture;
	int r = picture_gather(&picture, s, g, rows, count, time_now());

	if (r == 0)
		r = status_term(&picture, t, out);
	picture_release(&picture);
	return r;
}

static int render(struct cli *cli, const struct generation *g, const struct row *rows, size_t count,
	bool partitions, struct buf *out, struct err *err)
{
	OWNED(config) struct config *built = NULL;
	OWNED_STR char *dest = NULL;
	OWNED_BUF last_error = {0};
	struct status s;
	struct term term;
	int r = 0;

	if (partitions) {
		status_partitions(rows, count, out);
		return buf_error(out);
	}
	if (cli->catalog)
		r = status_built(&built, cli->catalog, err);
	if (r < 0)
		return r;
	status_gather(&s, cli->cfg, built, g, rows, count);
	if (cli->cfg->dest && !(dest = cli_absolute_url(cli->cfg->dest)))
		return err_set(err, -ENOMEM, "out of memory");
	if (cli->catalog)
		r = status_recall(&s, cli->catalog, dest, &last_error, err);
	if (r < 0)
		return r;
	s.feed = cli->url ? cli->url : "";
	s.state_dir = cli->state->dir;
	if (cli->json)
		return status_json(&s, time_now(), out);
	if (term_open(&term))
		return draw(&s, &term, g, rows, count, out);
	status_text(&s, time_now(), out);
	return buf_error(out);
}

static int status(struct cli *cli, bool partitions)
{
	OWNED(generation) struct generation *g = NULL;
	struct arena arena = {0};
	struct err err = ERR_INIT;
	struct row *rows = NULL;
	size_t count = 0;
	OWNED_BUF out = {0};
	int r;

	r = cli_open(cli, cli->arg_count ? cli->args[0] : NULL, 0);
	if (r == CLI_GO)
		r = cli_generation(cli, &g);
	if (r != CLI_GO)
		return r;
	r = cli->catalog ? catalog_rows(cli->catalog, TIME_NONE, false, &arena, &rows, &count, &err) : 0;
	if (r == 0)
		r = render(cli, g, rows, count, partitions, &out, &err);
	arena_release(&arena);
	if (r < 0)
		return cli_fail(cli, r, &err);
	fwrite(out.data, 1, out.len, stdout);
	return fflush(stdout) ? EX_IOERR : 0;
}

int cmd_status(int argc, char **argv)
{
	bool partitions = false;
	const struct cli_option options[] = {{"partitions", 0, CLI_FLAG, &partitions}};
	const struct cli_command command = {"status", "[OPTION]... [FEED]", help, options, 1, 0, 1};
	struct cli cli;
	int r;

	r = cli_parse(&cli, &command, argc, argv);
	if (r == CLI_GO)
		r = status(&cli, partitions);
	cli_release(&cli);
	return r;
}
