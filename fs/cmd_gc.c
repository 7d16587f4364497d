/* SPDX-License-Identifier: Apache-2.0 */
/* freshet gc: let old generations go now, as each build does after it published. */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"
#include "gc.h"
#include "publish.h"

static const char help[] =
	"Remove generations beyond build.keep, build.keep_for and build.keep_max, files that none of the\n"
	"others names, and the rejects of partitions that have expired.\n";

static int gc(struct cli *cli)
{
	struct gc_result removed = {0};
	struct err err = ERR_INIT;
	char n[3][32];
	int r;

	r = cli_open(cli, cli->arg_count ? cli->args[0] : NULL, 0);
	if (r == CLI_GO)
		r = cli_lock(cli);
	if (r != CLI_GO)
		return r;
	r = publish_repair(cli->state, cli->catalog, &err);
	if (r == 0)
		r = gc_run(cli->state, cli->catalog, cli->cfg, time_now(), &removed, &err);
	if (r < 0)
		return cli_fail(cli, r, &err);
	if (cli->json)
		printf("{\"generations\":%" PRIu64 ",\"files\":%" PRIu64 ",\"bytes\":%" PRIu64 "}\n",
			removed.generations, removed.files, removed.bytes);
	else
		printf("removed %s generations, %s files, %s bytes\n", cli_grouped(removed.generations, n[0]),
			cli_grouped(removed.files, n[1]), cli_grouped(removed.bytes, n[2]));
	return fflush(stdout) ? EX_IOERR : 0;
}

int cmd_gc(int argc, char **argv)
{
	const struct cli_command command = {"gc", "[OPTION]... [FEED]", help, NULL, 0, 0, 1};
	struct cli cli;
	int r;

	r = cli_parse(&cli, &command, argc, argv);
	if (r == CLI_GO)
		r = gc(&cli);
	cli_release(&cli);
	return r;
}
