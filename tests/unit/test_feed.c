/* SPDX-License-Identifier: Apache-2.0 */
#include "feed.h"

#include "scratch.h"
#include "tap.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define P0 "dt=2026-05-04/hour=10/minute=00"
#define P5 "dt=2026-05-04/hour=10/minute=05"
#define HOUR_10 (1777888800 * TIME_SECOND)

/* A memory store in front of which something happens just before one directory is listed. */
struct trap {
	struct store base;
	struct store *inner;
	const char *before; /* this listing */
	const char *remove; /* this file goes */
	bool file_instead;  /* and a file takes the directory's place */
	unsigned listed;    /* directories */
};

static int trap_list(struct store *s, const char *dir, store_entry_fn *fn, void *ctx, struct err *err)
{
	struct trap *t = (struct trap *)s;

	t->listed++;
	if (t->before && strcmp(dir, t->before) == 0) {
		store_mem_remove(t->inner, t->remove);
		if (t->file_instead)
			store_mem_put(t->inner, dir, slice_str("x"), 1);
	}
	return t->inner->ops->list(t->inner, dir, fn, ctx, err);
}

static void trap_free(struct store *s)
{
}

static const struct store_ops trap_ops = {.list = trap_list, .free = trap_free};

static struct config cfg = {.marker = (char *)"_SUCCESS", .cadence = 5 * TIME_MINUTE};

struct feed {
	struct trap trap;
	struct template *template;
	struct listing l;
};

static void feed_open(struct feed *f)
{
	*f = (struct feed){.trap.base = {.ops = &trap_ops, .url = (char *)"mem:"}};
	if (store_mem_open(&f->trap.inner, NULL) < 0 ||
		template_parse(&f->template, "dt=%Y-%m-%d/hour=%H/minute=%M", NULL) < 0)
		abort();
}

static void feed_close(struct feed *f)
{
	listing_release(&f->l);
	template_free(f->template);
	store_free(f->trap.inner);
}

static void put(struct feed *f, const char *path, const char *bytes, int64_t mtime)
{
	check_int(store_mem_put(f->trap.inner, path, slice_str(bytes), mtime), 0);
}

static int list(struct feed *f, int64_t from, int64_t to, struct err *err)
{
	listing_release(&f->l);
	f->trap.listed = 0;
	return feed_list(&f->trap.base, f->template, &cfg, from, to, &f->l, err);
}

static void list_all(struct feed *f)
{
	struct err err = ERR_INIT;

	check_int(list(f, TIME_NONE, TIME_FOREVER, &err), 0);
	check_str(err.message, "");
}

/* "PATH(file,file)" for each partition, a '!' before the files where there is a marker. */
static void check_listing(const struct feed *f, const char *want)
{
	OWNED_BUF got = {0};

	for (size_t i = 0; i < f->l.count; i++) {
		const struct feed_partition *p = &f->l.partitions[i];

		buf_addf(&got, "%s(%s", p->path.data, p->has_marker ? "!" : "");
		for (size_t k = 0; k < p->file_count; k++)
			buf_addf(&got, "%s%s", k ? "," : "", p->files[k].path.data);
		buf_add_str(&got, ")");
	}
	check_str(buf_cstr(&got), want);
}

static void partitions_come_by_time_with_their_files_by_path(void)
{
	struct feed f;

	feed_open(&f);
	put(&f, P5 "/b.jsonl", "12345", 50);
	put(&f, P5 "/a/z.json.gz", "123", 30);
	put(&f, P5 "/a.ndjson", "1", 40);
	put(&f, P0 "/only.json", "12", 10);
	list_all(&f);
	check_listing(&f, P0 "(only.json)" P5 "(a.ndjson,a/z.json.gz,b.jsonl)");
	check_int(f.l.partitions[0].ts, HOUR_10);
	check_int(f.l.partitions[1].ts, HOUR_10 + 5 * TIME_MINUTE);
	check_int(f.l.partitions[1].bytes, 9);
	check_int(f.l.partitions[1].oldest, 30);
	check_int(f.l.partitions[1].files[0].size, 1);
	feed_close(&f);
}

static void what_is_no_data_is_passed_over(void)
{
	struct feed f;

	feed_open(&f);
	put(&f, P0 "/data.jsonl", "x", 1);
	put(&f, P0 "/_tmp.jsonl", "x", 1);
	put(&f, P0 "/.hidden.jsonl", "x", 1);
	put(&f, P0 "/_temporary/0/part.jsonl", "x", 1);
	put(&f, P0 "/sub/.crc/part.jsonl", "x", 1);
	put(&f, P0 "/readme.txt", "x", 1);
	put(&f, P0 "/sub/_SUCCESS", "x", 1);
	put(&f, "dt=2026-05-04/hour=10/minute=7/x.jsonl", "x", 1);
	put(&f, "dt=2026-02-30/hour=10/minute=00/x.jsonl", "x", 1);
	put(&f, "dt=2026-05-04/hour=10/stray.jsonl", "x", 1);
	put(&f, "logs/dt=2026-05-04/hour=10/minute=00/x.jsonl", "x", 1);
	list_all(&f);
	check_listing(&f, P0 "(data.jsonl)");
	feed_close(&f);
}

static void formats_are_told_by_the_ending_of_the_name(void)
{
	static const struct {
		const char *path;
		enum feed_format format;
		enum feed_packing packing;
	} cases[] = {
		{"a.jsonl", FORMAT_JSONL, PACKING_NONE},
		{"a.ndjson", FORMAT_JSONL, PACKING_NONE},
		{"a.json", FORMAT_JSONL, PACKING_NONE},
		{"a.jsonl.zst", FORMAT_JSONL, PACKING_ZSTD},
		{"d/e/a.json.gz", FORMAT_JSONL, PACKING_GZIP},
		{"a b%\n.jsonl", FORMAT_JSONL, PACKING_NONE},
		{"a.zst.jsonl", FORMAT_JSONL, PACKING_NONE},
		{"d.x/a_.jsonl", FORMAT_JSONL, PACKING_NONE},
		{"a.jsonl.gz.zst", FORMAT_NONE, PACKING_ZSTD},
		{"a.JSONL", FORMAT_NONE, PACKING_NONE},
		{"a.parquet", FORMAT_PARQUET, PACKING_NONE},
		{"d/part-00000-1b2c.c000.snappy.parquet", FORMAT_PARQUET, PACKING_NONE},
		{"a.parquet.zst", FORMAT_NONE, PACKING_ZSTD},
		{"a.jsonl.parquet", FORMAT_PARQUET, PACKING_NONE},
		{".parquet", FORMAT_NONE, PACKING_NONE},
		{"_a.parquet", FORMAT_NONE, PACKING_NONE},
		{"a.jsonl.tmp", FORMAT_NONE, PACKING_NONE},
		{"jsonl", FORMAT_NONE, PACKING_NONE},
		{".jsonl", FORMAT_NONE, PACKING_NONE},
		{"_a.jsonl", FORMAT_NONE, PACKING_NONE},
		{"_d/a.jsonl", FORMAT_NONE, PACKING_NONE},
		{"d/.e/a.jsonl", FORMAT_NONE, PACKING_NONE},
		{"", FORMAT_NONE, PACKING_NONE},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		enum feed_packing packing = PACKING_NONE;

		if (feed_format_of(slice_str(cases[i].path), &packing) != cases[i].format ||
			(cases[i].format && packing != cases[i].packing))
			tap_fail("\"%s\" is taken for something else", cases[i].path);
	}
}

static void only_what_can_be_in_the_range_is_listed(void)
{
	struct feed f;

	feed_open(&f);
	put(&f, "dt=2026-05-03/hour=23/minute=55/x.jsonl", "x", 1);
	put(&f, "dt=2026-05-04/hour=09/minute=55/x.jsonl", "x", 1);
	put(&f, P0 "/x.jsonl", "x", 1);
	put(&f, P5 "/x.jsonl", "x", 1);
	put(&f, "dt=2026-05-04/hour=11/minute=00/x.jsonl", "x", 1);
	put(&f, "dt=2036-01-01/hour=00/minute=00/x.jsonl", "x", 1);
	check_int(list(&f, HOUR_10, HOUR_10 + 5 * TIME_MINUTE, NULL), 0);
	check_listing(&f, P5 "(x.jsonl)");
	check_int(f.trap.listed, 4); /* the root, the day, the hour, the partition */
	check_int(list(&f, HOUR_10 - 1, HOUR_10, NULL), 0);
	check_listing(&f, P0 "(x.jsonl)");
	check_int(list(&f, HOUR_10 + 5 * TIME_MINUTE, HOUR_10 + 55 * TIME_MINUTE, NULL), 0);
	check_listing(&f, "");
	check_int(f.trap.listed, 3);
	check_int(list(&f, HOUR_10 + TIME_HOUR - 1, HOUR_10 + TIME_HOUR, NULL), 0);
	check_listing(&f, "dt=2026-05-04/hour=11/minute=00(x.jsonl)");
	check_int(f.trap.listed, 4);
	check_int(list(&f, TIME_NONE, HOUR_10, NULL), 0);
	check_int(f.l.count, 3);
	feed_close(&f);
}

static void every_directory_that_was_looked_into_is_told(void)
{
	OWNED_BUF got = {0};
	struct feed f;

	feed_open(&f);
	put(&f, P0 "/sub/x.jsonl", "x", 1);
	put(&f, P0 "/_tmp/x.jsonl", "x", 1);
	put(&f, "other/x.jsonl", "x", 1);
	list_all(&f);
	for (size_t i = 0; i < f.l.dir_count; i++)
		buf_addf(&got, "[%s]", f.l.dirs[i].data);
	check_str(buf_cstr(&got), "[][dt=2026-05-04][dt=2026-05-04/hour=10][" P0 "][" P0 "/sub]");
	check_int(f.trap.listed, (intmax_t)f.l.dir_count);
	feed_close(&f);
}

static void a_marker_counts_only_in_the_partition_itself(void)
{
	struct feed f;

	feed_open(&f);
	put(&f, P0 "/_SUCCESS", "", 77);
	put(&f, P5 "/_SUCCESS/x.jsonl", "x", 1);
	put(&f, P5 "/sub/_SUCCESS", "", 1);
	list_all(&f);
	check_listing(&f, P0 "(!)" P5 "()");
	cfg.marker = (char *)"done.json";
	put(&f, P5 "/done.json", "{}", 5);
	put(&f, P5 "/x.json", "{}", 6);
	put(&f, P5 "/sub/done.json", "{}", 6);
	list_all(&f);
	check_listing(&f, P0 "()" P5 "(!sub/done.json,x.json)");
	cfg.marker = (char *)"_SUCCESS";
	feed_close(&f);
}

static uint64_t fingerprint_of(struct feed *f)
{
	list_all(f);
	check_int(f->l.count, 1);
	return f->l.count ? f->l.partitions[0].fingerprint : 0;
}

static void the_fingerprint_sees_every_change_and_nothing_else(void)
{
	uint64_t seen[8];
	size_t n = 0;
	struct feed f;

	feed_open(&f);
	put(&f, P0 "/a.jsonl", "one", 10);
	seen[n++] = fingerprint_of(&f);
	put(&f, P0 "/note.txt", "x", 99);
	check(fingerprint_of(&f) == seen[0]);
	put(&f, P0 "/a.jsonl", "two", 10);
	check(fingerprint_of(&f) == seen[0]);
	put(&f, P0 "/a.jsonl", "three", 10);
	seen[n++] = fingerprint_of(&f);
	put(&f, P0 "/a.jsonl", "three", 11);
	seen[n++] = fingerprint_of(&f);
	put(&f, P0 "/_SUCCESS", "", 11);
	seen[n++] = fingerprint_of(&f);
	put(&f, P0 "/_SUCCESS", "", 12);
	check(fingerprint_of(&f) == seen[n - 1]);
	put(&f, P0 "/b.jsonl", "", 1);
	seen[n++] = fingerprint_of(&f);
	check_int(store_mem_remove(f.trap.inner, P0 "/b.jsonl"), 0);
	put(&f, P0 "/c.jsonl", "", 1);
	seen[n++] = fingerprint_of(&f);
	check_int(store_mem_remove(f.trap.inner, P0 "/a.jsonl"), 0);
	seen[n++] = fingerprint_of(&f);
	check_int(store_mem_remove(f.trap.inner, P0 "/c.jsonl"), 0);
	seen[n++] = fingerprint_of(&f);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			check(seen[i] != seen[k]);
	/* It is kept in the catalog: another encoding would make every partition look changed. */
	check(seen[0] == UINT64_C(0xbc2dcbb88586c7db));
	feed_close(&f);
}

static void a_directory_that_vanishes_on_the_way_was_never_there(void)
{
	static const char *const before[] = {"dt=2026-05-04", "dt=2026-05-04/hour=10", P0};

	for (size_t i = 0; i < 2 * COUNT(before); i++) {
		struct feed f;

		feed_open(&f);
		put(&f, P0 "/x.jsonl", "x", 1);
		put(&f, "dt=2026-05-05/hour=00/minute=00/y.jsonl", "x", 1);
		f.trap.before = before[i / 2];
		f.trap.file_instead = i % 2;
		f.trap.remove = P0 "/x.jsonl";
		list_all(&f);
		check_listing(&f, "dt=2026-05-05/hour=00/minute=00(y.jsonl)");
		for (size_t k = 0; k < f.l.dir_count; k++)
			check(strcmp(f.l.dirs[k].data, f.trap.before) != 0);
		feed_close(&f);
	}
}

static void a_directory_that_vanishes_inside_a_partition_leaves_the_rest(void)
{
	struct feed f;

	feed_open(&f);
	put(&f, P0 "/sub/x.jsonl", "x", 1);
	put(&f, P0 "/y.jsonl", "x", 1);
	f.trap.before = P0 "/sub";
	f.trap.remove = P0 "/sub/x.jsonl";
	list_all(&f);
	check_listing(&f, P0 "(y.jsonl)");
	feed_close(&f);
}

static void any_other_failure_fails_the_whole_listing(void)
{
	static const char *const dirs[] = {"", "dt=2026-05-04", "dt=2026-05-04/hour=10", P0, P0 "/sub"};

	for (size_t i = 0; i < COUNT(dirs); i++) {
		for (unsigned after = 0; after < 3; after++) {
			struct err err = ERR_INIT;
			struct feed f;

			feed_open(&f);
			put(&f, P0 "/sub/x.jsonl", "x", 1);
			put(&f, P5 "/y.jsonl", "x", 1);
			store_mem_fail_list(f.trap.inner, dirs[i], after, -EIO);
			check_int(list(&f, TIME_NONE, TIME_FOREVER, &err), -EIO);
			check(f.l.count == 0 && f.l.partitions == NULL && f.l.dir_count == 0);
			check_contains(err.message, "mem:");
			check_contains(err.message, dirs[i]);
			check_contains(err.message, "listing broke off");
			feed_close(&f);
		}
	}
}

static void a_feed_whose_root_is_gone_is_an_error(void)
{
	struct feed f;

	feed_open(&f);
	store_mem_fail_list(f.trap.inner, "", 0, -ENOENT);
	check_int(list(&f, TIME_NONE, TIME_FOREVER, NULL), -ENOENT);
	feed_close(&f);
}

static void an_empty_feed_is_an_empty_listing(void)
{
	struct feed f;

	feed_open(&f);
	list_all(&f);
	check_int(f.l.count, 0);
	check_int(f.l.dir_count, 1);
	feed_close(&f);
}

static void directories_nested_too_deep_are_an_error(void)
{
	struct err err = ERR_INIT;
	OWNED_BUF path = {0};
	struct feed f;

	feed_open(&f);
	buf_add_str(&path, P0);
	for (unsigned i = 0; i < FEED_DEPTH_MAX; i++)
		buf_add_str(&path, "/d");
	buf_add_str(&path, "/x.jsonl");
	put(&f, buf_cstr(&path), "x", 1);
	list_all(&f);
	check_int(f.l.partitions[0].file_count, 1);
	path.len -= strlen("x.jsonl");
	buf_add_str(&path, "d/x.jsonl");
	put(&f, buf_cstr(&path), "x", 1);
	check_int(list(&f, TIME_NONE, TIME_FOREVER, &err), -EFBIG);
	check_contains(err.message, P0);
	feed_close(&f);
}

static void a_directory_is_listed_as_memory_is(void)
{
	static const char *const paths[] = {
		P0 "/line\nbreak.jsonl", P0 "/sp ace/%41\xff.json.zst", P5 "/x.jsonl"};
	struct scratch dir = scratch_make();
	struct store *store;
	struct feed f;
	struct err err = ERR_INIT;

	feed_open(&f);
	for (size_t i = 0; i < COUNT(paths); i++) {
		char path[512];

		put(&f, paths[i], "bytes", 1);
		snprintf(path, sizeof(path), "%s/%s", dir.path, paths[i]);
		for (char *p = path + strlen(dir.path) + 1; (p = strchr(p, '/')); *p++ = '/') {
			*p = '\0';
			mkdir(path, 0777);
		}
		scratch_put(dir.path, paths[i], "bytes", 5);
	}
	check_int(store_open(&store, dir.path, NULL, &err), 0);
	check_int(feed_list(store, f.template, &cfg, TIME_NONE, TIME_FOREVER, &f.l, &err), 0);
	check_listing(&f, P0 "(line\nbreak.jsonl,sp ace/%41\xff.json.zst)" P5 "(x.jsonl)");
	store_free(store);
	feed_close(&f);
	scratch_remove(&dir);
}

int main(void)
{
	RUN(partitions_come_by_time_with_their_files_by_path);
	RUN(what_is_no_data_is_passed_over);
	RUN(formats_are_told_by_the_ending_of_the_name);
	RUN(only_what_can_be_in_the_range_is_listed);
	RUN(every_directory_that_was_looked_into_is_told);
	RUN(a_marker_counts_only_in_the_partition_itself);
	RUN(the_fingerprint_sees_every_change_and_nothing_else);
	RUN(a_directory_that_vanishes_on_the_way_was_never_there);
	RUN(a_directory_that_vanishes_inside_a_partition_leaves_the_rest);
	RUN(any_other_failure_fails_the_whole_listing);
	RUN(a_feed_whose_root_is_gone_is_an_error);
	RUN(an_empty_feed_is_an_empty_listing);
	RUN(directories_nested_too_deep_are_an_error);
	RUN(a_directory_is_listed_as_memory_is);
	return tap_done();
}
