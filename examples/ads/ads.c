/* SPDX-License-Identifier: Apache-2.0 */
/* examples/ads/ads.c - freshet-ads: a made-up ad feed of any size, as snapshot, partitions, or live. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "die.h"
#include "place.h"
#include "shop.h"
#include "wording.h"

#define BYTES_PER_DOCUMENT 392  /* of a snapshot: an ad, and its part of item, signal and campaign */
#define DEFAULT_TIME 1777888800 /* 2026-05-04T10:00:00Z */
#define PATH_TEXT 64            /* a partition's path */

static const char help[] =
	"usage: freshet-ads --snapshot DIR SIZE [--at TIME] [OPTION...]\n"
	"       freshet-ads --feed DIR SIZE --partitions N [--start TIME] [OPTION...]\n"
	"       freshet-ads --feed DIR SIZE --live [OPTION...]\n"
	"\n"
	"Write a made-up ad feed: all that exists at a time, or what changes in each slice of time. Equal\n"
	"arguments give equal bytes, and a snapshot agrees with the partitions before and after it, where\n"
	"SIZE, --seed, --cadence and --churn are the same.\n"
	"\n"
	"SIZE is one of\n"
	"  --documents N     so many ads, at all times\n"
	"  --size BYTES      as many as a snapshot of so many bytes holds (K, M, G: powers of 1000)\n"
	"\n"
	"  --at TIME         the snapshot has every slice that has ended by then (default 2026-05-04T10:00:00Z)\n"
	"  --start TIME      of the first slice (default the same; with --live the slice that is going on)\n"
	"  --partitions N    so many slices; with --live, so many before it goes on (default 0)\n"
	"  --full            the first partition has all that exists at its end\n"
	"  --live            at the end of each further slice write its partition, until interrupted\n"
	"\n"
	"  --cadence D       the length of a slice: 10s, 5m, 1h (default 5m)\n"
	"  --churn PERCENT   of items written anew in a slice (default 0.4); five times as many campaigns and\n"
	"                    signals are\n"
	"  --seed N          another shop (default 1)\n"
	"  --zst             pack the files with zstd\n"
	"  --file-size BYTES begin a new file when one has so many, before packing (default 256M)\n"
	"\n"
	"TIME is RFC 3339 in UTC, 2026-01-01T00:00:00Z or later.\n";

struct options {
	const char *snapshot, *feed;
	uint64_t documents, seed, churn, file_size, partitions;
	int64_t at, start, cadence; /* start 0: not given */
	bool is_full, is_live, is_packed;
};

_Noreturn void die(int code, const char *fmt, ...)
{
	va_list args;

	fputs("freshet-ads: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(code);
}

/* A decimal number, with up to `decimals` places behind the point, in units of the last; *end is behind it. */
static uint64_t parse_decimal(const char *option, const char *text, unsigned decimals, const char **end)
{
	uint64_t n = 0;
	const char *p = text;

	while (*p >= '0' && *p <= '9' && n < UINT64_MAX / PPM)
		n = n * 10 + (uint64_t)(*p++ - '0');
	if (p == text)
		die(EXIT_USAGE, "--%s: '%s' is no number", option, text);
	if (*p == '.' && decimals)
		p++;
	for (; decimals; decimals--)
		n = n * 10 + (uint64_t)(*p >= '0' && *p <= '9' ? *p++ - '0' : 0);
	*end = p;
	return n;
}

/* A whole number with one of `units` behind it, which stands for the factor in the same place. */
static uint64_t parse_units(const char *option, const char *text, const char *units, const uint64_t *factors)
{
	const char *end, *unit;
	uint64_t n = parse_decimal(option, text, 0, &end), factor;

	unit = *end ? strchr(units, *end) : NULL;
	factor = unit ? factors[unit - units] : 1;
	if ((*end && !unit) || (unit && end[1]) || n > UINT64_MAX / factor)
		die(EXIT_USAGE, "--%s: '%s' cannot be understood", option, text);
	return n * factor;
}

static uint64_t parse_number(const char *option, const char *text)
{
	return parse_units(option, text, "", NULL);
}

static uint64_t parse_bytes(const char *option, const char *text)
{
	static const uint64_t factors[] = {1000, 1000000, 1000000000};

	return parse_units(option, text, "KMG", factors);
}

static int64_t parse_duration(const char *option, const char *text)
{
	static const uint64_t factors[] = {1, 60, 3600};
	int64_t seconds = (int64_t)parse_units(option, text, "smh", factors);

	if (seconds < 1 || seconds > 86400)
		die(EXIT_USAGE, "--%s: 1s to 24h, not '%s'", option, text);
	return seconds;
}

static int64_t parse_time(const char *option, const char *text)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	int64_t time = end && !*end ? timegm(&tm) : 0;

	if (time < WORLD_EPOCH)
		die(EXIT_USAGE, "--%s: '%s' is no time like 2026-05-04T10:05:00Z, from the year 2026 on",
			option, text);
	return time;
}

static uint64_t parse_churn(const char *option, const char *text)
{
	const char *end;
	uint64_t churn = parse_decimal(option, text, 4, &end);

	if (*end || churn < 1 || churn > PPM)
		die(EXIT_USAGE, "--%s: 0.0001 to 100, not '%s'", option, text);
	return churn;
}

static void options_check(const struct options *o)
{
	if (!o->snapshot == !o->feed)
		die(EXIT_USAGE, "one of --snapshot and --feed is needed (--help says more)");
	if (o->documents < 1 || o->documents > 1000000000)
		die(EXIT_USAGE, "--documents or --size is needed, for 1 to 1,000,000,000 documents");
	if (o->snapshot && (o->partitions || o->is_live || o->is_full || o->start))
		die(EXIT_USAGE, "--partitions, --start, --full and --live go with --feed");
	if (o->feed && o->at)
		die(EXIT_USAGE, "--at goes with --snapshot");
	if (o->feed && !o->partitions && !o->is_live)
		die(EXIT_USAGE, "--feed needs --partitions or --live");
	if (o->file_size < 1)
		die(EXIT_USAGE, "--file-size: at least 1");
	if (o->start % o->cadence)
		die(EXIT_USAGE, "--start: slices begin at whole multiples of the cadence");
}

static void option_set(struct options *o, const char *name, const char *value)
{
	if (!strcmp(name, "snapshot"))
		o->snapshot = value;
	else if (!strcmp(name, "feed"))
		o->feed = value;
	else if (!strcmp(name, "documents"))
		o->documents = parse_number(name, value);
	else if (!strcmp(name, "size"))
		o->documents = (parse_bytes(name, value) + BYTES_PER_DOCUMENT - 1) / BYTES_PER_DOCUMENT;
	else if (!strcmp(name, "at"))
		o->at = parse_time(name, value);
	else if (!strcmp(name, "start"))
		o->start = parse_time(name, value);
	else if (!strcmp(name, "partitions"))
		o->partitions = parse_number(name, value);
	else if (!strcmp(name, "cadence"))
		o->cadence = parse_duration(name, value);
	else if (!strcmp(name, "churn"))
		o->churn = parse_churn(name, value);
	else if (!strcmp(name, "seed"))
		o->seed = parse_number(name, value);
	else if (!strcmp(name, "file-size"))
		o->file_size = parse_bytes(name, value);
	else if (!strcmp(name, "full"))
		o->is_full = true;
	else if (!strcmp(name, "live"))
		o->is_live = true;
	else if (!strcmp(name, "zst"))
		o->is_packed = true;
}

static void options_parse(struct options *o, int argc, char **argv)
{
	static const struct option known[] = {{"snapshot", 1, NULL, 1}, {"feed", 1, NULL, 1},
		{"documents", 1, NULL, 1}, {"size", 1, NULL, 1}, {"at", 1, NULL, 1}, {"start", 1, NULL, 1},
		{"partitions", 1, NULL, 1}, {"cadence", 1, NULL, 1}, {"churn", 1, NULL, 1},
		{"seed", 1, NULL, 1}, {"file-size", 1, NULL, 1}, {"full", 0, NULL, 1}, {"live", 0, NULL, 1},
		{"zst", 0, NULL, 1}, {"help", 0, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int c, which;

	*o = (struct options){.seed = 1, .churn = 4000, .cadence = 300, .file_size = 256000000};
	while ((c = getopt_long(argc, argv, "h", known, &which)) != -1) {
		if (c == 'h') {
			fputs(help, stdout);
			exit(0);
		}
		if (c == '?')
			exit(EXIT_USAGE); /* getopt has said why */
		option_set(o, known[which].name, optarg);
	}
	if (optind < argc)
		die(EXIT_USAGE, "what is '%s'? (--help says more)", argv[optind]);
	options_check(o);
}

static void report(const char *what, const struct shop *s)
{
	printf("%s: %" PRIu64 " ads, %" PRIu64 " items, %" PRIu64 " campaigns, %" PRIu64 " signals, %" PRIu64
	       " of them deletes; %" PRIu64 " bytes in %" PRIu64 " files\n",
		what, s->ads.records, s->items.records, s->campaigns.records, s->signals.records, s->deletes,
		s->ads.bytes + s->items.bytes + s->campaigns.bytes + s->signals.bytes,
		s->ads.files + s->items.files + s->campaigns.files + s->signals.files);
	if (fflush(stdout))
		die(EXIT_IOERR, "standard output: %s", strerror(errno));
}

static void write_snapshot(const struct options *o, const struct world *w)
{
	char dir[PATH_MAX];
	struct shop s;

	if (!place_is_empty(o->snapshot))
		die(EXIT_CANTCREAT, "%s is not empty", o->snapshot);
	place_begin(o->snapshot, dir);
	shop_open(&s, dir, o->is_packed, o->file_size);
	/* The slice that goes on at the time has not ended. */
	shop_put_all(&s, w, world_slot(w, o->at ? o->at : DEFAULT_TIME) - 1);
	shop_close(&s);
	place_end_in_root(o->snapshot);
	report("snapshot", &s);
}

static void path_of(const struct world *w, int64_t slot, char out[PATH_TEXT])
{
	time_t time = world_time(w, slot);
	struct tm tm;

	gmtime_r(&time, &tm);
	strftime(out, PATH_TEXT,
		w->cadence % 60 ? "dt=%Y-%m-%d/hour=%H/minute=%M/second=%S" : "dt=%Y-%m-%d/hour=%H/minute=%M",
		&tm);
}

/* The directory is renamed into place whole, its marker with it: no reader sees a part of it. */
static void write_partition(const struct options *o, const struct world *w, int64_t slot, bool full)
{
	char dir[PATH_MAX], path[PATH_TEXT];
	struct shop s;

	path_of(w, slot, path);
	if (place_exists(o->feed, path)) {
		printf("%s: is there already\n", path);
		return;
	}
	place_begin(o->feed, dir);
	shop_open(&s, dir, o->is_packed, o->file_size);
	if (full)
		shop_put_all(&s, w, slot);
	else
		shop_put_changes(&s, w, slot);
	shop_close(&s);
	place_touch(dir, "_SUCCESS");
	place_end(o->feed, path);
	report(path, &s);
}

static void sleep_until(int64_t time)
{
	struct timespec until = {.tv_sec = time};

	while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

static void write_feed(const struct options *o, const struct world *w)
{
	int64_t start = o->start ? o->start : DEFAULT_TIME / o->cadence * o->cadence, slot;

	if (o->is_live && !o->start)
		start = (time(NULL) / o->cadence - (int64_t)o->partitions) * o->cadence;
	slot = world_slot(w, start);
	if (slot < 0)
		die(EXIT_USAGE, "the first slice is before the year 2026");
	for (uint64_t i = 0; o->is_live || i < o->partitions; i++, slot++) {
		if (o->is_live)
			sleep_until(world_time(w, slot + 1));
		write_partition(o, w, slot, o->is_full && i == 0);
	}
}

int main(int argc, char **argv)
{
	struct options o;
	struct world w;

	signal(SIGPIPE, SIG_IGN);
	options_parse(&o, argc, argv);
	wording_init();
	world_init(&w, o.seed, o.documents, o.cadence, o.churn);
	if (o.snapshot)
		write_snapshot(&o, &w);
	else
		write_feed(&o, &w);
	return 0;
}
