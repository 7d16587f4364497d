/* SPDX-License-Identifier: Apache-2.0 */
/* freshet rollback: back to a generation that is kept, and on again. */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"
#include "rollback.h"

static const char help[] =
	"Publish a new generation with the content and the watermark of generation N, which must be kept (see\n"
	"generations/ in the mount). Partitions that were indexed since are complete again, and builds are\n"
	"paused, those of mounts too, until --resume.\n\n"
	"      --resume       let builds go on: what is complete is indexed again\n";

struct request {
	bool resume;
	uint64_t number;
	const char *feed;
};

static void print_result(const struct cli *cli, const struct request *req, const struct rollback_result *res)
{
	char watermark[TIME_TEXT_MAX], n[2][32];

	time_text(res->watermark, watermark);
	if (res->gc_failed)
		fprintf(stderr,
			"freshet: rollback: warning: old files could not be removed; `freshet gc` tries again\n");
	if (cli->json)
		printf("{\"generation\":%" PRIu64 ",\"watermark\":\"%s\",\"complete\":%" PRIu64
		       ",\"documents\":%" PRIu64 "}\n",
			res->generation, watermark, res->complete, res->documents);
	else
		printf("generation %" PRIu64 ", watermark %s: as generation %" PRIu64
		       " was, %s documents; %s partition%s complete again, builds are paused\n",
			res->generation, watermark, req->number, cli_grouped(res->documents, n[0]),
			cli_grouped(res->complete, n[1]), res->complete == 1 ? " is" : "s are");
}

static int resume(struct cli *cli)
{
	struct err err = ERR_INIT;
	int r = rollback_resume(cli->state, cli->catalog, &err);

	if (r < 0)
		return cli_fail(cli, r, &err);
	if (cli->json)
		printf("{\"resumed\":%s}\n", r ? "true" : "false");
	else
		puts(r ? "builds go on" : "builds were not paused");
	return 0;
}

static int roll(struct cli *cli, const struct request *req)
{
	struct rollback_result res;
	struct err err = ERR_INIT;
	int r;

	r = cli_open(cli, req->feed, 0);
	if (r == CLI_GO)
		r = cli_lock(cli);
	if (r != CLI_GO)
		return r;
	if (req->resume) {
		r = resume(cli);
	} else {
		r = rollback(cli->state, cli->catalog, cli->cfg, req->number, &res, &err);
		if (r < 0)
			return cli_fail(cli, r, &err);
		print_result(cli, req, &res);
		r = cli_publish(cli, NULL);
	}
	return r == 0 && fflush(stdout) ? EX_IOERR : r;
}

static bool parse_number(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return *text >= '1' && *text <= '9' && !*end && !errno;
}

int cmd_rollback(int argc, char **argv)
{
	struct request req = {0};
	const struct cli_option options[] = {{"resume", 0, CLI_FLAG, &req.resume}};
	const struct cli_command command = {"rollback",
		"N [OPTION]... [FEED]\n       freshet rollback --resume [OPTION]... [FEED]", help, options, 1,
		0, 2};
	struct cli cli;
	int r = cli_parse(&cli, &command, argc, argv), feed;

	feed = req.resume ? 0 : 1;
	if (r == CLI_GO && !req.resume && (!cli.arg_count || !parse_number(cli.args[0], &req.number)))
		r = cli_usage(&cli, "the number of a generation, or --resume, is needed");
	if (r == CLI_GO && cli.arg_count > feed + 1)
		r = cli_usage(&cli, "'%s' is too much", cli.args[feed + 1]);
	if (r == CLI_GO) {
		req.feed = cli.arg_count > feed ? cli.args[feed] : NULL;
		r = roll(&cli, &req);
	}
	cli_release(&cli);
	return r;
}
