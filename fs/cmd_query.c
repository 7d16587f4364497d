/* SPDX-License-Identifier: Apache-2.0 */
/* freshet query: what a mount shows under query/ and rank/, without one. */
#include <stdio.h>

#include "cli.h"
#include "generation.h"
#include "rank.h"

static const char help[] =
	"Print the ids of the live documents that match an expression, sorted, one a line:\n"
	"\n"
	"    freshet query 'espresso (brand:Acme OR grind*) NOT decaf' FEED\n"
	"\n"
	"Side by side means AND; words are normalised as the index does; FIELD:VALUE is a keyword, WORD* all\n"
	"words that start so. Text with blanks, or that is an operator, goes in double quotes.\n"
	"  --rank         the best 1,000 by BM25 instead: score and id, TAB between\n";

static int answer(struct cli *cli, const struct query *q, bool rank)
{
	OWNED(generation) struct generation *g = NULL;
	OWNED_BUF out = {0};
	struct err err = ERR_INIT;
	int r = cli_generation(cli, &g);

	if (r != CLI_GO)
		return r;
	if (!g)
		return cli_fail(
			cli, err_set(&err, -ENOENT, "%s: nothing is published", cli->state->dir), &err);
	r = rank ? rank_rows(q, g, RANK_BEST, &out, NULL, &err) : query_ids(q, g, &out, &err);
	if (r < 0)
		return cli_fail(cli, r, &err);
	if (out.len)
		fwrite(out.data, 1, out.len, stdout);
	return fflush(stdout) ? EX_IOERR : 0;
}

static int ask(struct cli *cli, bool rank)
{
	OWNED(query) struct query *q = NULL;
	struct err err = ERR_INIT;
	int r = query_parse(&q, cli->args[0], &err);

	if (r == -EINVAL)
		return cli_usage(cli, "%s", err.message);
	if (r < 0)
		return cli_fail(cli, r, &err);
	r = cli_open(cli, cli->arg_count > 1 ? cli->args[1] : NULL, 0);
	return r == CLI_GO ? answer(cli, q, rank) : r;
}

int cmd_query(int argc, char **argv)
{
	bool rank = false;
	const struct cli_option options[] = {{"rank", 0, CLI_FLAG, &rank}};
	const struct cli_command command = {"query", "[OPTION]... EXPR [FEED]", help, options, 1, 1, 2};
	struct cli cli;
	int r;

	r = cli_parse(&cli, &command, argc, argv);
	if (r == CLI_GO)
		r = ask(&cli, rank);
	cli_release(&cli);
	return r;
}
