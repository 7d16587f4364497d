/* SPDX-License-Identifier: Apache-2.0 */
/* freshet follow: one look at what another host publishes; what is newer is fetched, checked and made current here. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "cli.h"
#include "follow.h"
#include "progress.h"
#include "stop.h"

static const char help[] =
	"Take over what another host published in SRC: a directory or s3://BUCKET/PREFIX that `freshet publish`\n"
	"fills, or a directory into which `rsync` copies a mount's segments/. What is missing here is fetched and\n"
	"checked before any of it is served; what is older than what is here is left alone.\n"
	"`freshet mount --follow SRC MOUNTPOINT` does this by itself.\n";

static void show(void *ctx, uint64_t done, uint64_t total)
{
	const struct build_progress *hook = ctx;

	hook->report(hook->ctx, "fetching", done, total);
}

static void print_result(const struct cli *cli, const struct follow_result *res)
{
	char watermark[TIME_TEXT_MAX], n[2][32];

	time_text(res->watermark, watermark);
	if (cli->json)
		printf("{\"generation\":%" PRIu64 ",\"epoch\":%" PRIu64
		       ",\"watermark\":%s%s%s,\"segments\":%" PRIu64 ",\"bytes\":%" PRIu64 "}\n",
			res->generation, res->epoch, *watermark ? "\"" : "", *watermark ? watermark : "null",
			*watermark ? "\"" : "", res->segments, res->bytes);
	else if (!res->generation)
		printf("nothing newer%s%s\n", *watermark ? ", watermark " : " is published", watermark);
	else
		printf("generation %" PRIu64 ", watermark %s: %s segment%s, %s bytes fetched\n",
			res->generation, watermark, cli_grouped(res->segments, n[0]),
			res->segments == 1 ? "" : "s", cli_grouped(res->bytes, n[1]));
}

static int follow(struct cli *cli, bool pulse)
{
	struct follow_result res;
	struct progress progress;
	struct follow_input in = {.stop = &stop};
	struct err err = ERR_INIT;
	int r = cli_open(cli, cli->args[0], CLI_CREATE | CLI_FEED | CLI_FOLLOW);

	if (r != CLI_GO)
		return r;
	stop_on_signals();
	r = cli_lock(cli);
	if (r != CLI_GO)
		return r;
	in.state = cli->state;
	in.catalog = cli->catalog;
	in.store = cli->store;
	in.cfg = cli->cfg;
	progress_init(&progress);
	in.progress_ctx = (void *)(uintptr_t)progress_hook(&progress);
	in.progress = in.progress_ctx ? show : NULL;
	if (pulse)
		store_watch(cli->store, progress_pulse);
	r = follow_tick(&in, &res, &err);
	progress_clear(&progress);
	if (r == -EINTR && stop)
		return 128 + stop;
	if (r < 0)
		return cli_fail(cli, r, &err);
	if (!pulse)
		print_result(cli, &res);
	return fflush(stdout) ? EX_IOERR : 0;
}

int cmd_follow(int argc, char **argv)
{
	bool pulse =
		false; /* for mounts, not in the help: a byte on stdout where something moves, and no text */
	const struct cli_option options[] = {{"pulse", 0, CLI_FLAG, &pulse}};
	const struct cli_command command = {"follow", "[OPTION]... SRC", help, options, 1, 1, 1};
	struct cli cli;
	int r = cli_parse(&cli, &command, argc, argv);

	if (r == CLI_GO)
		r = follow(&cli, pulse);
	cli_release(&cli);
	return r;
}
