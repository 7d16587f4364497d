/* SPDX-License-Identifier: Apache-2.0 */
/* freshet base: a full index from a snapshot, under the deltas. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base.h"
#include "cli.h"
#include "progress.h"
#include "stop.h"

static const char help[] =
	"Build a full index from a snapshot, check it, and swap it in: it covers all partitions that end at or\n"
	"before TIME, whatever the feed still has of them. Deltas go on meanwhile.\n\n"
	"      --from PATH    a data file, or a directory of them (.jsonl, .ndjson, .json, also .zst or .gz;\n"
	"                     .parquet), or either in S3 (s3://BUCKET/…)\n"
	"      --at TIME      the snapshot has every record of partitions that end at or before it\n"
	"      --force        take it also where the checks find it strange\n";

struct request {
	const char *from;
	int64_t at;
	bool force;
};

/* Of an object in S3, its name says so. */
static bool is_file(const char *from)
{
	enum feed_packing packing;
	struct stat st;

	if (slice_starts(slice_str(from), slice_str("s3://"))) {
		const char *name = strrchr(from, '/') + 1;

		return name > from + strlen("s3://") &&
		       feed_format_of(slice_str(name), &packing) != FORMAT_NONE;
	}
	return stat(from, &st) == 0 && !S_ISDIR(st.st_mode);
}

/* A file is opened by way of its directory. */
static int open_snapshot(
	const char *from, const struct config *cfg, struct store **store, char **file, struct err *err)
{
	OWNED_STR char *dir = strdup(from);
	char *slash;

	*file = NULL;
	if (!dir)
		return -ENOMEM;
	if (!is_file(from))
		return store_open(store, from, cfg, err);
	slash = strrchr(dir, '/');
	*file = strdup(slash ? slash + 1 : dir);
	if (!*file)
		return -ENOMEM;
	if (slash == dir)
		slash[1] = '\0';
	else if (slash)
		*slash = '\0';
	return store_open(store, slash ? dir : ".", cfg, err);
}

static void print_result(const struct cli *cli, const struct base_result *res)
{
	const char *line = res->warnings.data, *end = line + res->warnings.len, *nl;
	char n[4][32];

	for (; line < end && (nl = memchr(line, '\n', (size_t)(end - line))); line = nl + 1)
		fprintf(stderr, "freshet: base: warning: %.*s\n", (int)(nl - line), line);
	if (cli->json)
		printf("{\"generation\":%" PRIu64 ",\"documents\":%" PRIu64 ",\"segments\":%" PRIu64
		       ",\"bytes\":%" PRIu64 ",\"records\":%" PRIu64 ",\"rejected\":%" PRIu64
		       ",\"spilled\":%" PRIu64 "}\n",
			res->generation, res->documents, res->segments, res->bytes, res->records,
			res->rejected, res->spilled);
	else
		printf("generation %" PRIu64 ": a base of %s documents in %" PRIu64
		       " segment%s, %s bytes, from %s "
		       "records (%s refused)\n",
			res->generation, cli_grouped(res->documents, n[0]), res->segments,
			res->segments == 1 ? "" : "s", cli_grouped(res->bytes, n[1]),
			cli_grouped(res->records, n[2]), cli_grouped(res->rejected, n[3]));
}

static int build(struct cli *cli, const struct request *req, struct base_result *res)
{
	OWNED(store) struct store *store = NULL;
	OWNED_STR char *file = NULL;
	struct progress progress;
	struct base_input in = {.state = cli->state,
		.cfg = cli->cfg,
		.at = req->at,
		.now = time_now(),
		.force = req->force,
		.stop = &stop};
	const struct build_progress *hook;
	struct err err = ERR_INIT;
	int r = open_snapshot(req->from, cli->cfg, &store, &file, &err);

	if (r < 0)
		return cli_fail(cli, r, &err);
	in.store = store;
	in.from = slice_str(file ? file : "");
	stop_on_signals();
	progress_init(&progress);
	hook = progress_hook(&progress);
	if (hook) {
		in.report = hook->report;
		in.report_ctx = hook->ctx;
	}
	r = base_build(&in, res, &err);
	progress_clear(&progress);
	if (r == -EINTR && stop)
		return 128 + stop;
	if (r < 0)
		return cli_fail(cli, r, &err);
	print_result(cli, res);
	r = cli_publish(cli, &stop);
	return r == 0 && fflush(stdout) ? EX_IOERR : r;
}

int cmd_base(int argc, char **argv)
{
	struct request req = {.at = TIME_NONE};
	const struct cli_option options[] = {
		{"at", 0, CLI_TIME, &req.at},
		{"force", 0, CLI_FLAG, &req.force},
		{"from", 0, CLI_TEXT, &req.from},
	};
	const struct cli_command command = {"base", "--from PATH --at TIME [OPTION]... [FEED]", help, options,
		sizeof(options) / sizeof(options[0]), 0, 1};
	struct base_result res = {0};
	struct cli cli;
	int r = cli_parse(&cli, &command, argc, argv);

	if (r == CLI_GO && (!req.from || req.at == TIME_NONE))
		r = cli_usage(&cli, "--from and --at are both needed");
	if (r == CLI_GO)
		r = cli_open(&cli, cli.arg_count ? cli.args[0] : NULL, CLI_CREATE | CLI_FEED);
	if (r == CLI_GO)
		r = build(&cli, &req, &res);
	base_result_release(&res);
	cli_release(&cli);
	return r;
}
