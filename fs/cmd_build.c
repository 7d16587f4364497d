/* SPDX-License-Identifier: Apache-2.0 */
/* freshet build: one tick, or as many as are due. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "build.h"
#include "cli.h"
#include "merge.h"
#include "progress.h"
#include "stop.h"

#define MERGE_NICE 10

static const char help[] =
	"Index what is due in the feed and publish it: one tick. FEED may be left out where feed.url is\n"
	"configured or --state was built before.\n\n"
	"      --all          go on until nothing is due\n"
	"      --force        take other [document] and [attribute] rules also where they refuse much that is indexed\n"
	"  -n, --dry-run      print what a tick would do, and change nothing\n"
	"      --merge-only   merge small segments where there are too many, and index nothing\n"
	"      --no-merge     leave that to another time\n"
	"      --now TIME     decide what is due as of TIME (RFC 3339 or @SECONDS)\n"
	"      --retry        try failed partitions again at once\n";

struct request {
	bool all, dry_run, force, retry, merge_only, no_merge;
	bool pulse; /* for mounts, not in the help: a byte on stdout where something moves, and no text */
	int64_t now;
};

static void beat(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
	progress_pulse();
}

static void merge_beat(void *ctx, uint64_t done, uint64_t total)
{
	progress_pulse();
}

/* Partition P failed because … : one line each, on stderr. */
static void print_failures(const struct cli *cli, const struct build_result *res)
{
	struct slice text = buf_slice(&res->failed_text);
	const char *line = text.data, *end = text.data + text.len, *nl;

	for (; line < end && (nl = memchr(line, '\n', (size_t)(end - line))); line = nl + 1)
		fprintf(stderr, "freshet: %s: partition %.*s\n", cli->command->name, (int)(nl - line), line);
}

static void warn_of_uncovered(const struct cli *cli, const struct build_result *res)
{
	if (res->uncovered)
		fprintf(stderr,
			"freshet: %s: warning: %" PRIu64
			" partition%s uncovered: data that the index should have and "
			"has not; see freshet status --partitions\n",
			cli->command->name, res->uncovered, res->uncovered == 1 ? " is" : "s are");
}

static void warn_of_force(const struct cli *cli, struct build_result *res)
{
	if (res->warning.len)
		fprintf(stderr, "freshet: %s: warning: %s\n", cli->command->name, buf_cstr(&res->warning));
}

static void print_text(const struct build_result *res)
{
	char watermark[TIME_TEXT_MAX], n[4][32];

	time_text(res->watermark, watermark);
	if (res->paused) {
		printf("builds are paused since the rollback that is generation %" PRIu64
		       "; `freshet rollback --resume` lets them go on\n",
			res->paused);
		return;
	}
	if (!res->generation) {
		printf("nothing %s%s%s\n", res->failed ? "published" : "is due",
			watermark[0] ? ", watermark " : "", watermark);
		return;
	}
	printf("generation %" PRIu64
	       ", watermark %s: %s partition%s, %s records (%s refused), %s documents\n",
		res->generation, watermark, cli_grouped(res->partitions, n[0]),
		res->partitions == 1 ? "" : "s", cli_grouped(res->records, n[1]),
		cli_grouped(res->rejected, n[2]), cli_grouped(res->documents, n[3]));
}

static void print_json_time(const char *key, int64_t t)
{
	char text[TIME_TEXT_MAX];

	if (t == TIME_NONE || t == TIME_FOREVER)
		printf(",\"%s\":null", key);
	else
		printf(",\"%s\":\"%s\"", key, time_text(t, text));
}

static void print_json(const struct build_result *res)
{
	printf("{\"generation\":%" PRIu64, res->generation);
	print_json_time("watermark", res->watermark);
	print_json_time("next_due", res->next_due);
	printf(",\"partitions\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"records\":%" PRIu64
	       ",\"rejected\":%" PRIu64 ",\"documents\":%" PRIu64 ",\"segment_bytes\":%" PRIu64
	       ",\"paused\":%s}\n",
		res->partitions, res->failed, res->records, res->rejected, res->documents, res->segment_bytes,
		res->paused ? "true" : "false");
}

/* One tick. Returns CLI_GO when another may find something, else the exit status. */
static int tick(struct cli *cli, const struct request *req, bool first, bool *failed)
{
	static const struct build_progress pulse = {beat, NULL};
	struct progress progress;
	struct build_result res = {0};
	struct build_options opt = {.now = req->now,
		.dry_run = req->dry_run,
		.retry = req->retry && first,
		.force = req->force,
		.explain = cli->verbose,
		.stop = &stop};
	struct err err = ERR_INIT;
	bool again;
	int r;

	progress_init(&progress);
	opt.progress = req->pulse ? &pulse : progress_hook(&progress);
	if (req->pulse)
		store_watch(cli->store, progress_pulse); /* also while a file is only copied */
	r = build_tick(cli->state, cli->catalog, cli->store, cli->cfg, &opt, &res, &err);
	progress_clear(&progress);
	if (cli->verbose && !req->dry_run)
		fputs(buf_cstr(&res.plan_text), stderr);
	again = r == 0 && (res.generation || res.more) && req->all && !stop;
	if (r == -EINTR && stop) {
		r = 128 + stop;
	} else if (r < 0) {
		r = cli_fail(cli, r, &err);
	} else {
		*failed |= res.failed > 0;
		if (req->dry_run && !res.paused)
			fputs(buf_cstr(&res.plan_text), stdout);
		else if (cli->json)
			print_json(&res);
		else if (!req->pulse && (res.generation || (first && !again)))
			print_text(&res);
		print_failures(cli, &res);
		warn_of_uncovered(cli, &res);
		warn_of_force(cli, &res);
		r = again ? CLI_GO : 0;
	}
	build_result_release(&res);
	return r;
}

/* Beside further builds: whoever waits for the lock need not wait for this. */
static int merge_all(struct cli *cli, const struct request *req)
{
	struct progress progress;
	struct merge_input in = {.state = cli->state, .cfg = cli->cfg, .stop = &stop};
	struct merge_result done;
	struct err err = ERR_INIT;
	int r;

	catalog_free(cli->catalog);
	cli->catalog = NULL;
	state_unlock(cli->state);
	progress_init(&progress);
	in.progress = req->pulse ? merge_beat : NULL;
	/* The processors are for deltas and readers first; where that cannot be had, it is no failure. */
	if (nice(MERGE_NICE) < 0)
		errno = 0;
	do
		r = merge_step(&in, &done, &err);
	while (r == 0 && done.generation && !stop);
	progress_clear(&progress);
	if (r == -EBUSY || r == -EINTR) /* another does it, or the next build will */
		return 0;
	return r < 0 ? cli_fail(cli, r, &err) : 0;
}

static int build(struct cli *cli, const struct request *req)
{
	bool first = true, failed = false;
	int r, published = 0;

	r = cli_open(cli, cli->arg_count ? cli->args[0] : NULL, CLI_CREATE | CLI_FEED);
	if (r != CLI_GO)
		return r;
	stop_on_signals();
	if (req->merge_only)
		return merge_all(cli, req);
	if (!req->dry_run)
		r = cli_lock(cli);
	if (r != CLI_GO)
		return r;
	while ((r = tick(cli, req, first, &failed)) == CLI_GO)
		first = false;
	if (r == 0 && !req->dry_run && !req->pulse)
		r = published = cli_publish(cli, &stop);
	if (r == published && !req->dry_run && !req->no_merge)
		r = merge_all(cli, req);
	r = r ? r : published;
	if (r == 0 && fflush(stdout))
		return EX_IOERR;
	return r == 0 && failed ? EX_DATAERR : r;
}

int cmd_build(int argc, char **argv)
{
	struct request req = {.now = TIME_NONE};
	const struct cli_option options[] = {
		{"all", 0, CLI_FLAG, &req.all},
		{"dry-run", 'n', CLI_FLAG, &req.dry_run},
		{"force", 0, CLI_FLAG, &req.force},
		{"merge-only", 0, CLI_FLAG, &req.merge_only},
		{"no-merge", 0, CLI_FLAG, &req.no_merge},
		{"now", 0, CLI_TIME, &req.now},
		{"pulse", 0, CLI_FLAG, &req.pulse},
		{"retry", 0, CLI_FLAG, &req.retry},
	};
	const struct cli_command command = {
		"build", "[OPTION]... [FEED]", help, options, sizeof(options) / sizeof(options[0]), 0, 1};
	struct cli cli;
	int r;

	r = cli_parse(&cli, &command, argc, argv);
	if (r == CLI_GO && req.all && req.dry_run)
		r = cli_usage(&cli, "--all and --dry-run do not go together");
	if (r == CLI_GO)
		r = build(&cli, &req);
	cli_release(&cli);
	return r;
}
