/* SPDX-License-Identifier: Apache-2.0 */
/* freshet doctor: looks at what a mount needs, and says what to do about what is missing. It changes nothing. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli.h"
#include "fuse_check.h"
#include "look.h"
#include "parquet.h"
#include "status.h"
#include "upload.h"

#define SPACE_MIN (UINT64_C(1) << 30) /* bytes */
#define AHEAD_MAX (2 * TIME_SECOND)   /* of a file's time: more is a clock that is wrong */

static const char help[] =
	"Check FUSE, the configuration, the state directory, the feed and the clock, and say what to do.\n"
	"Nothing is changed. Each line begins with ok, warn or FAIL.\n\n";

struct doctor {
	struct cli *cli;
	bool failed;
};

enum finding { FINE, WARN, FAIL };

__attribute__((format(printf, 4, 5))) static void say(
	struct doctor *d, enum finding finding, const char *what, const char *fmt, ...)
{
	static const char *const words[] = {"ok", "warn", "FAIL"};
	va_list args;

	d->failed |= finding == FAIL;
	printf("%-5s %-7s ", words[finding], what);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

/* ---- FUSE ---- */

static void check_fuse(struct doctor *d)
{
	const char *why = fuse_missing();

	say(d, why ? FAIL : FINE, "fuse", "%s", why ? why : "this user can mount");
}

/* ---- Parquet ---- */

static bool has_parquet(const struct listing *listing)
{
	enum feed_packing packing;

	for (size_t i = 0; i < listing->count; i++)
		for (size_t k = 0; k < listing->partitions[i].file_count; k++)
			if (feed_format_of(listing->partitions[i].files[k].path, &packing) == FORMAT_PARQUET)
				return true;
	return false;
}

/* No program for it is a fault where there are such files only. */
static void check_parquet(struct doctor *d, const struct listing *listing)
{
	OWNED_BUF version = {0};
	struct err err = ERR_INIT;

	if (parquet_version(&version, &err) == 0)
		say(d, FINE, "parquet", "%s", buf_cstr(&version));
	else if (has_parquet(listing))
		say(d, FAIL, "parquet", "%s", err.message);
	else
		say(d, FINE, "parquet", "is not in this build, and no file in the window is of it");
}

/* ---- the state directory ---- */

static void check_space(struct doctor *d, uint64_t used)
{
	uint64_t want = 2 * used > SPACE_MIN ? 2 * used : SPACE_MIN, left;
	struct statvfs fs;
	char n[2][32];

	if (statvfs(d->cli->state->dir, &fs) < 0) {
		say(d, FAIL, "space", "%s: %s", d->cli->state->dir, strerror(errno));
		return;
	}
	left = (uint64_t)fs.f_bavail * fs.f_frsize;
	say(d, left < want ? WARN : FINE, "space", "%s bytes are free in %s%s%s%s", cli_grouped(left, n[0]),
		d->cli->state->dir, left < want ? "; a merge or a base may need " : "",
		left < want ? cli_grouped(want, n[1]) : "", left < want ? " for a while" : "");
}

/* For followers, as far as this state knows: the store is not asked. */
static void check_dest(struct doctor *d, const struct generation *g)
{
	OWNED_STR char *dest = d->cli->cfg->dest ? cli_absolute_url(d->cli->cfg->dest) : NULL;
	OWNED_BUF error = {0}, last = {0};
	struct status s = {.dest = NULL};
	struct err err = ERR_INIT;

	if (!dest || !d->cli->catalog || !g)
		return;
	if (status_recall(&s, d->cli->catalog, dest, &last, &err) < 0)
		say(d, FAIL, "publish", "%s", err.message);
	else if (!s.dest)
		return; /* it only follows another */
	else if (catalog_get(d->cli->catalog, CATALOG_PUBLISH_ERROR, &error, NULL) == 1 && error.len)
		say(d, WARN, "publish", "the last one ended with: %s", buf_cstr(&error));
	else if (s.dest_generation != g->manifest.number)
		say(d, WARN, "publish",
			"generation %" PRIu64
			" is not yet published to %s: a mount, or freshet publish, does it",
			g->manifest.number, dest);
	else
		say(d, FINE, "publish", "generation %" PRIu64 " is published to %s", s.dest_generation, dest);
}

static int check_state(struct doctor *d)
{
	OWNED(generation) struct generation *g = NULL;
	OWNED_BUF error = {0};
	uint64_t bytes = 0, paused = 0;
	int r;

	if (access(d->cli->state->dir, R_OK | W_OK | X_OK) < 0)
		say(d, FAIL, "state",
			"%s: this user may not write there: correct its owner, or choose --state",
			d->cli->state->dir);
	else
		say(d, FINE, "state", "%s can be written", d->cli->state->dir);
	r = cli_generation(d->cli, &g);
	if (r != CLI_GO)
		return r;
	if (!g)
		say(d, WARN, "index", "nothing is published yet: freshet build, or a mount, does it");
	for (size_t i = 0; g && i < g->manifest.segment_count; i++)
		bytes += g->manifest.segments[i].bytes;
	if (g && !config_has_hash(d->cli->cfg, g->manifest.config_hash))
		say(d, WARN, "index",
			"generation %" PRIu64 " was folded by other rules: the next build folds again",
			g->manifest.number);
	else if (g)
		say(d, FINE, "index", "generation %" PRIu64 ", %" PRIu64 " documents in %zu segments",
			g->manifest.number, g->manifest.documents, g->manifest.segment_count);
	check_space(d, bytes);
	if (d->cli->catalog && catalog_paused(d->cli->catalog, &paused, NULL) >= 0 && paused)
		say(d, WARN, "builds", "paused by a rollback; `freshet rollback --resume` lets them go on");
	if (d->cli->catalog && catalog_get(d->cli->catalog, "last_error", &error, NULL) == 1 && error.len)
		say(d, WARN, "builds", "the last one ended with: %s", buf_cstr(&error));
	check_dest(d, g);
	return CLI_GO;
}

/* ---- the feed and the clock ---- */

static void check_clock(struct doctor *d, const struct listing *listing)
{
	const struct feed_file *worst = NULL;
	int64_t now = time_now();

	for (size_t i = 0; i < listing->count; i++) {
		const struct feed_partition *p = &listing->partitions[i];

		for (size_t k = 0; k < p->file_count; k++)
			if (!worst || p->files[k].mtime > worst->mtime)
				worst = &p->files[k];
	}
	if (worst && worst->mtime > now + AHEAD_MAX)
		say(d, WARN, "clock",
			"the newest file is from %" PRId64
			" seconds ahead: set the clocks here and where files are written",
			(worst->mtime - now) / TIME_SECOND);
	else
		say(d, FINE, "clock", "no file is from the future");
}

static void check_watches(struct doctor *d, const struct listing *listing)
{
	uint64_t most = 0;
	FILE *f;

	if (d->cli->cfg->refresh != REFRESH_EAGER)
		return;
	f = fopen("/proc/sys/fs/inotify/max_user_watches", "r");
	if (f && fscanf(f, "%" SCNu64, &most) != 1)
		most = 0;
	if (f)
		fclose(f);
	if (most < 4 * (uint64_t)listing->count + 64)
		say(d, WARN, "inotify",
			"fs.inotify.max_user_watches is %" PRIu64
			": too few for %zu partitions, the mount will poll",
			most, listing->count);
}

static int check_feed(struct doctor *d)
{
	struct cli *cli = d->cli;
	struct arena arena = {0};
	struct look look = {.cfg = cli->cfg, .now = time_now(), .arena = &arena};
	struct listing listing = {0};
	struct plan plan = {0};
	struct err err = ERR_INIT;
	int r = look_at_catalog(&look, cli->catalog, &err);

	if (r == 0)
		r = look_at_feed(&look, cli->store, &listing, &plan, &err);
	if (r < 0)
		say(d, FAIL, "feed", "%s", err.message);
	else if (!listing.count)
		say(d, WARN, "feed",
			"%s: no partition like %s in the window: is feed.partition right, and lag.window long enough?",
			cli->url, cli->cfg->partition);
	else
		say(d, FINE, "feed", "%s: %zu partitions in the window, %zu to index now", cli->url,
			listing.count, plan.to_index);
	if (r == 0 && listing.count) {
		check_clock(d, &listing);
		check_watches(d, &listing);
		check_parquet(d, &listing);
	}
	plan_release(&plan);
	listing_release(&listing);
	look_release(&look);
	arena_release(&arena);
	return CLI_GO;
}

static int examine(struct cli *cli)
{
	struct doctor d = {.cli = cli};
	int r;

	check_fuse(&d);
	fflush(stdout);
	r = cli_open(cli, cli->arg_count ? cli->args[0] : NULL, CLI_FEED);
	if (r != CLI_GO)
		return r;
	say(&d, FINE, "config", "%s",
		cli->config_path ? cli->config_path : "of the state directory, or the defaults");
	r = check_state(&d);
	if (r == CLI_GO)
		r = check_feed(&d);
	if (r != CLI_GO)
		return r;
	if (fflush(stdout))
		return EX_IOERR;
	return d.failed ? EX_UNAVAILABLE : 0;
}

int cmd_doctor(int argc, char **argv)
{
	const struct cli_command command = {"doctor", "[OPTION]... [FEED]", help, NULL, 0, 0, 1};
	struct cli cli;
	int r;

	r = cli_parse(&cli, &command, argc, argv);
	if (r == CLI_GO)
		r = examine(&cli);
	cli_release(&cli);
	return r;
}
