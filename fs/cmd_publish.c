/* SPDX-License-Identifier: Apache-2.0 */
/* freshet publish: what is current here, for followers elsewhere. Builds do the same by themselves where publish.dest is set. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "cli.h"
#include "progress.h"
#include "stop.h"
#include "upload.h"

static const char help[] =
	"Publish the current generation to DEST, a directory that is there, or s3://BUCKET/PREFIX, for\n"
	"`freshet mount --follow DEST`. DEST may be left out where publish.dest is configured: then every build\n"
	"does this by itself. What is there already is not sent again.\n\n"
	"      --take-over    publish from here from now on, though another state directory did so before\n";

struct request {
	bool take_over;
	bool pulse; /* for mounts, not in the help: a byte on stdout where something moves, and no text */
	const char *dest;
};

static void print_result(const struct cli *cli, const char *url, const struct upload_result *res)
{
	char n[2][32];

	if (cli->json) {
		printf("{\"generation\":%" PRIu64 ",\"epoch\":%" PRIu64 ",\"objects\":%" PRIu64
		       ",\"bytes\":%" PRIu64 "}\n",
			res->generation, res->epoch, res->objects, res->bytes);
		return;
	}
	if (res->locked)
		printf("another process publishes from here just now\n");
	else if (!res->generation)
		printf("nothing is published here yet\n");
	else if (!res->objects)
		printf("generation %" PRIu64 " is published at %s, in epoch %" PRIu64 "\n", res->generation,
			url, res->epoch);
	else
		printf("generation %" PRIu64 " published at %s, in epoch %" PRIu64 ": %s objects, %s bytes\n",
			res->generation, url, res->epoch, cli_grouped(res->objects, n[0]),
			cli_grouped(res->bytes, n[1]));
}

static int upload(struct cli *cli, const char *dest, const struct request *req, atomic_int *stopped)
{
	OWNED_STR char *url = cli_absolute_url(dest);
	OWNED(store) struct store *store = NULL;
	struct upload_result res = {0};
	struct upload_input in = {.state = cli->state,
		.cfg = cli->cfg,
		.take_over = req && req->take_over,
		.check = req && !req->pulse,
		.stop = stopped};
	struct err err = ERR_INIT;
	int r = url ? store_open_late(&store, url, cli->cfg, &err) : -ENOMEM;

	in.store = store;
	if (r == 0 && req && req->pulse)
		store_watch(store, progress_pulse);
	if (r == 0)
		r = upload_run(&in, &res, &err);
	if (r == -EINTR && stopped && *stopped)
		return 128 + *stopped;
	if (r < 0) {
		if (!req)
			err_context(&err, r, "publishing");
		return cli_fail(cli, r, &err);
	}
	if (req && !req->pulse)
		print_result(cli, url, &res);
	return 0;
}

/* Another process may have the writer's lock meanwhile: who publishes has none. */
int cli_publish(struct cli *cli, atomic_int *stopped)
{
	if (!cli->cfg->dest || (stopped && *stopped))
		return 0;
	state_unlock(cli->state);
	return upload(cli, cli->cfg->dest, NULL, stopped);
}

static int publish_current(struct cli *cli, const struct request *req)
{
	const char *dest;
	int r = cli_open(cli, cli->arg_count > 1 ? cli->args[1] : NULL, 0);

	if (r != CLI_GO)
		return r;
	dest = cli->arg_count ? cli->args[0] : cli->cfg->dest;
	if (!dest)
		return cli_usage(cli, "no DEST is given, and no configuration has publish.dest");
	stop_on_signals();
	r = upload(cli, dest, req, &stop);
	return r == 0 && fflush(stdout) ? EX_IOERR : r;
}

int cmd_publish(int argc, char **argv)
{
	struct request req = {0};
	const struct cli_option options[] = {
		{"pulse", 0, CLI_FLAG, &req.pulse},
		{"take-over", 0, CLI_FLAG, &req.take_over},
	};
	const struct cli_command command = {"publish", "[OPTION]... [DEST] [FEED]", help, options, 2, 0, 2};
	struct cli cli;
	int r = cli_parse(&cli, &command, argc, argv);

	if (r == CLI_GO)
		r = publish_current(&cli, &req);
	cli_release(&cli);
	return r;
}
