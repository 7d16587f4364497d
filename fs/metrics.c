/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include <inttypes.h>

/* Nothing here has a label whose value comes from outside: none needs escaping. */
static void head_of(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_addf(out, "# HELP freshet_%s %s\n# TYPE freshet_%s %s\n", name, help, name, type);
}

static void head(struct buf *out, const char *name, const char *help)
{
	head_of(out, name, "gauge", help);
}

static void gauge(struct buf *out, const char *name, const char *help, uint64_t value)
{
	head(out, name, help);
	buf_addf(out, "freshet_%s %" PRIu64 "\n", name, value);
}

static void seconds(struct buf *out, const char *name, const char *help, int64_t t)
{
	if (t == TIME_NONE)
		return;
	head(out, name, help);
	buf_addf(out, "freshet_%s %" PRId64 ".%09" PRId64 "\n", name, t / TIME_SECOND, t % TIME_SECOND);
}

static void add_partitions(const struct status *s, struct buf *out)
{
	head(out, "partitions", "Partitions seen, by state.");
	for (int i = 0; i < PART_STATES; i++)
		buf_addf(out, "freshet_partitions{state=\"%s\"} %" PRIu64 "\n",
			partition_state_name((enum partition_state)i), s->partitions[i]);
}

static void add_requests(const struct requests *requests, struct buf *out)
{
	head_of(out, "requests_total", "counter",
		"Requests of the kernel, by kind; what it answers from its caches is none.");
	for (int i = 0; i < REQUEST_KINDS; i++)
		buf_addf(out, "freshet_requests_total{kind=\"%s\"} %" PRIu64 "\n",
			request_name((enum request_kind)i), requests_of(requests, (enum request_kind)i));
}

void metrics_text(const struct status *s, int64_t now, struct buf *out)
{
	head(out, "build_info", "The version that serves.");
	buf_addf(out, "freshet_build_info{version=\"%s\"} 1\n", FRESHET_VERSION);
	gauge(out, "generation", "Number of the published generation, 0 before the first.", s->generation);
	seconds(out, "watermark_timestamp_seconds", "Newest partition that is indexed.", s->watermark);
	seconds(out, "complete_through_timestamp_seconds", "Up to here nothing is missing.",
		s->complete_through);
	seconds(out, "published_timestamp_seconds", "When the generation was published.", s->published);
	seconds(out, "age_seconds", "How long ago the newest indexed partition ended.", status_age(s, now));
	seconds(out, "waiting_seconds", "How long the newest published partition waited until its build.",
		s->waiting);
	seconds(out, "building_seconds", "How long it took from there to its publish.", s->building);
	add_partitions(s, out);
	gauge(out, "uncovered_partitions", "Partitions with data that the index should have and has not.",
		s->uncovered);
	gauge(out, "rejected_records", "Records refused, over all partitions.", s->rejected);
	gauge(out, "segments", "Segments of the generation.", s->segments);
	gauge(out, "segment_bytes", "Their bytes.", s->segment_bytes);
	gauge(out, "documents", "Live documents.", s->documents);
	gauge(out, "rules_changed",
		"Whether the configuration has other rules than the index was folded by (0 or 1).",
		s->rules_changed);
	gauge(out, "paused", "Whether builds are paused by a rollback (0 or 1).", s->paused != 0);
	if (s->dest)
		gauge(out, "dest_generation",
			"Number of the generation that is published to publish.dest, 0 before the first.",
			s->dest_generation);
	gauge(out, "last_error",
		"Whether the last look, build, merge or publishing went wrong (0 or 1); status says how.",
		*s->last_error != 0);
	if (s->refresh)
		gauge(out, "too_old", "Whether the index is older than max_age, and not shown (0 or 1).",
			status_time_left(s, now) < 0);
	if (s->refresh)
		seconds(out, "building_since_timestamp_seconds", "When the build that runs began.",
			s->building_since);
	if (s->requests)
		add_requests(s->requests, out);
}
