/* SPDX-License-Identifier: Apache-2.0 */
/* freshet wait: return once a generation or a watermark is published. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "cli.h"

#define LOOK_EVERY 1000 /* milliseconds: for file systems that tell nothing */

static const char help[] =
	"Wait until a generation is published that is newer than N, or whose watermark is TIME or later.\n\n"
	"      --newer-than N    generation number (0: any)\n"
	"      --watermark TIME  RFC 3339 or @SECONDS\n"
	"      --timeout D       give up after this long, with status 75 (default: never)\n";

struct request {
	uint64_t newer_than; /* UINT64_MAX: not given */
	int64_t watermark;   /* TIME_NONE: not given */
	int64_t timeout;     /* TIME_FOREVER: none */
};

static bool is_reached(const struct request *req, const struct catalog_current *c)
{
	if (!c->number)
		return false;
	if (req->newer_than != UINT64_MAX && c->number <= req->newer_than)
		return false;
	return req->watermark == TIME_NONE || c->watermark >= req->watermark;
}

/* What mounts can see: the catalog's word counts only once the file `current`, which they watch, says the
 * same. The state may be waited for before anything was built in it. */
static int look(struct cli *cli, struct catalog_current *out, struct err *err)
{
	const struct catalog_current none = {.watermark = TIME_NONE};
	uint8_t sha256[SHA256_BYTES];
	uint64_t number = 0;
	int r;

	*out = none;
	/* Anew each time: the state may be emptied meanwhile, and an index built there again. */
	catalog_free(cli->catalog);
	cli->catalog = NULL;
	r = catalog_open(&cli->catalog, cli->state, false, err);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = catalog_current(cli->catalog, out, err);
	if (r == 0)
		r = current_read(cli->state, &number, sha256, err);
	if (r >= 0 && number != out->number)
		*out = none;
	return r < 0 ? r : 0;
}

static void print(const struct cli *cli, const struct catalog_current *c)
{
	char watermark[TIME_TEXT_MAX];

	time_text(c->watermark, watermark);
	if (cli->json)
		printf("{\"generation\":%" PRIu64 ",\"watermark\":\"%s\"}\n", c->number, watermark);
	else
		printf("generation %" PRIu64 ", watermark %s\n", c->number, watermark);
}

/* Sleeps until something happens in the state directory, but not past `deadline`. */
static void sleep_until_change(int watch, int64_t deadline)
{
	struct pollfd fd = {.fd = watch, .events = POLLIN};
	int64_t left = LOOK_EVERY;
	char events[4096];

	if (deadline != TIME_FOREVER && (deadline - time_monotonic()) / 1000000 + 1 < left)
		left = (deadline - time_monotonic()) / 1000000 + 1;
	if (poll(&fd, 1, left < 0 ? 0 : (int)left) > 0 && read(watch, events, sizeof(events)) < 0)
		return; /* whatever it was: looking again is all that follows */
}

static int wait_loop(struct cli *cli, const struct request *req, int watch)
{
	int64_t deadline = time_add(time_monotonic(), req->timeout);
	struct catalog_current current;
	struct err err = ERR_INIT;
	int r;

	for (;;) {
		r = look(cli, &current, &err);
		if (r < 0)
			return cli_fail(cli, r, &err);
		if (is_reached(req, &current)) {
			print(cli, &current);
			return fflush(stdout) ? EX_IOERR : 0;
		}
		if (deadline != TIME_FOREVER && time_monotonic() >= deadline) {
			fprintf(stderr, "freshet: wait: timed out at generation %" PRIu64 "\n",
				current.number);
			return EX_TEMPFAIL;
		}
		sleep_until_change(watch, deadline);
	}
}

static int wait_for(struct cli *cli, const struct request *req)
{
	int watch, r;

	r = cli_open(cli, cli->arg_count ? cli->args[0] : NULL, CLI_CREATE);
	if (r != CLI_GO)
		return r;
	/* Without a watch (none left, or none there) looking every second does. */
	watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch >= 0)
		inotify_add_watch(watch, cli->state->dir, IN_MOVED_TO);
	r = wait_loop(cli, req, watch);
	if (watch >= 0)
		close(watch);
	return r;
}

int cmd_wait(int argc, char **argv)
{
	struct request req = {UINT64_MAX, TIME_NONE, TIME_FOREVER};
	const struct cli_option options[] = {
		{"newer-than", 0, CLI_NUMBER, &req.newer_than},
		{"watermark", 0, CLI_TIME, &req.watermark},
		{"timeout", 0, CLI_DURATION, &req.timeout},
	};
	const struct cli_command command = {
		"wait", "--newer-than N | --watermark TIME [OPTION]... [FEED]", help, options, 3, 0, 1};
	struct cli cli;
	int r;

	r = cli_parse(&cli, &command, argc, argv);
	if (r == CLI_GO && req.newer_than == UINT64_MAX && req.watermark == TIME_NONE)
		r = cli_usage(&cli, "neither --newer-than nor --watermark is given");
	if (r == CLI_GO)
		r = wait_for(&cli, &req);
	cli_release(&cli);
	return r;
}
