/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/resource.h>

#include "gzip.h"
#include "reject.h"
#include "site.h"

static void many_files_need_few_descriptors(void)
{
	struct rlimit before, few;
	char path[64];
	SITE s;

	site_init(&s);
	for (int i = 0; i < 300; i++) {
		snprintf(path, sizeof(path), DAY "00/%03d.jsonl", i);
		put(&s, path, "{\"title\":\"cup\"}\n");
	}
	check_int(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){64, before.rlim_max};
	check_int(setrlimit(RLIMIT_NOFILE, &few), 0);
	check_int(tick(&s), 0);
	check_int(setrlimit(RLIMIT_NOFILE, &before), 0);
	check_int(s.res.failed, 0);
	check_int(s.res.documents, 300);
}

static void read_report(struct site *s, const char *path, struct buf *out)
{
	char full[400];
	FILE *f;
	size_t n;

	snprintf(full, sizeof(full), "%s/state/rejects/%s", s->dir.path, path);
	f = fopen(full, "r");
	if (!f) {
		tap_fail("no %s", full);
		return;
	}
	while ((n = fread(buf_reserve(out, 4096), 1, 4096, f)) > 0)
		out->len += n;
	fclose(f);
}

/* By one thread and by several: the first are listed, the others counted. */
static void of_many_refused_records_the_first_are_listed(void)
{
	OWNED_BUF text = {0};
	OWNED_BUF one = {0}, more = {0};

	for (unsigned i = 0; i < 3 * REJECTS_KEPT; i++)
		buf_add_str(&text, i % 3 == 1 ? "x\n" : "y\n");
	for (int i = 0; i < 400000; i++)
		buf_add_str(&text, "{}\n");
	for (int several = 0; several < 2; several++) {
		SITE s;

		site_init(&s);
		site_set(&s, several ? "build.threads=4" : "build.threads=1");
		site_set(&s, "build.max_reject_ratio=1");
		put_bytes(&s, DAY "00/a.jsonl", text.data, text.len);
		check_int(tick(&s), 0);
		check_int(s.res.rejected, 3 * REJECTS_KEPT);
		read_report(&s, DAY "00/a.jsonl.tsv", several ? &more : &one);
	}
	check(slice_eq(buf_slice(&one), buf_slice(&more)));
	check(slice_starts(buf_slice(&one), slice_str("1\tnot JSON")));
	check_contains(buf_cstr(&one), "\n10000\tnot JSON");
	check_contains(buf_cstr(&one), "\n+20000\t");
	check(!strstr(one.data, "\n10001\t"));
}

/* Once, and with nothing in it that a terminal would obey. */
static void a_reason_names_its_file_once_and_printable(void)
{
	OWNED_BUF packed = {0};
	SITE s;

	site_init(&s);
	add_gzip(&packed, slice_str("{\"id\":\"a\"}\n"));
	put_bytes(&s, DAY "00/a\xff\x1b.jsonl.gz", packed.data, packed.len - 9);
	check_int(tick(&s), 0);
	check_int(s.res.failed, 1);
	check_contains(buf_cstr(&s.res.failed_text), DAY "00: a%FF%1B.jsonl.gz: at byte ");
	check(!strchr(buf_cstr(&s.res.failed_text), '\xff') && !strchr(s.res.failed_text.data, '\x1b'));
}

int main(void)
{
	RUN(many_files_need_few_descriptors);
	RUN(of_many_refused_records_the_first_are_listed);
	RUN(a_reason_names_its_file_once_and_printable);
	return tap_done();
}
