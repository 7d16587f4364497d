/* SPDX-License-Identifier: Apache-2.0 */
/* What mount tests cannot reach: stores that fail at any call, and one that cannot tell who was first. */
#include "faulty.h"

#include <sys/syscall.h>

/* Files of such a directory do not come to the disk. */
static const char *unsynced;

/* In place of the C library's. */
int fsync(int fd)
{
	char link[64], path[400];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = unsynced ? readlink(link, path, sizeof(path) - 1) : -1;
	path[n > 0 ? n : 0] = '\0';
	if (n > 0 && strstr(path, unsynced)) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fsync, fd);
}

static void after_any_call_that_fails_the_next_publishing_goes_on(void)
{
	SITE s;
	struct upload_result res;
	struct faulty f;
	unsigned calls;
	int r;

	site_init(&s);
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"espresso\"}\n");
	check_int(tick(&s), 0);
	for (calls = 1; calls < 200; calls++) {
		faulty_init(&f);
		check_int(catalog_set(s.catalog, "publisher", slice_str(""), NULL), 0);
		f.left = calls;
		r = upload(&s, &f, &res);
		if (r == 0) {
			store_free(f.real);
			break;
		}
		check_int(r, -EIO);
		check_contains(s.err.message, "made to fail");
		f.left = 0;
		r = upload(&s, &f, &res);
		if (r < 0)
			tap_fail("after call %u: %s", calls, s.err.message);
		check_int(res.generation, 1);
		check_int(upload_is_done(s.catalog, f.url, NULL), 1);
		store_free(f.real);
	}
	check(calls > 10 && calls < 200);
}

static void a_store_that_cannot_tell_who_was_first_takes_a_sole_writer(void)
{
	SITE s;
	struct upload_result res;
	struct faulty f;

	site_init(&s);
	faulty_init(&f);
	f.overwrites = true;
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"espresso\"}\n");
	check_int(tick(&s), 0);
	check_int(upload(&s, &f, &res), -EINVAL);
	check_contains(s.err.message, "publish.sole_writer = yes");
	check_contains(s.err.message, "conditional");
	site_set(&s, "publish.sole_writer=yes");
	check_int(upload(&s, &f, &res), 0);
	check_int(res.epoch, 1);
	store_free(f.real);
}

static void after_any_call_that_fails_the_next_tick_of_a_follower_goes_on(void)
{
	SITE s;
	struct upload_result up;
	struct follow_result res;
	struct faulty f;
	unsigned calls;
	int r = -1;

	site_init(&s);
	faulty_init(&f);
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"espresso\"}\n");
	put(&s, DAY "05/a.jsonl", "{\"id\":\"b\",\"title\":\"espresso\"}\n");
	check_int(tick(&s), 0);
	check_int(upload(&s, &f, &up), 0);
	for (calls = 1; calls < 200 && r != 0; calls++) {
		char name[32];

		snprintf(name, sizeof(name), "follower%u", calls);
		site_state(&s, name);
		f.left = calls;
		r = follow(&s, &f, &res);
		if (r == 0)
			break;
		check_int(r, -EIO);
		f.left = 0;
		check_int(follow(&s, &f, &res), 0);
		check_int(res.generation, 1);
		check_term(&s, "espresso", "a\nb\n");
	}
	check(calls > 8 && calls < 200);
	check_term(&s, "espresso", "a\nb\n");
	store_free(f.real);
}

static int count_one(void *ctx, struct slice name, const struct store_stat *st)
{
	++*(size_t *)ctx;
	return 0;
}

static void published_once(struct site *s, struct faulty *f)
{
	struct upload_result res;

	site_init(s);
	faulty_init(f);
	put(s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"espresso\"}\n");
	check_int(tick(s), 0);
	check_int(upload(s, f, &res), 0);
}

/* The kernel says it once: asked again of the same file it says that all is well. */
static void what_did_not_come_to_the_disk_is_fetched_anew(void)
{
	SITE s;
	struct follow_result res;
	struct faulty f;

	published_once(&s, &f);
	site_state(&s, "follower");
	unsynced = "/fetch/";
	check_int(follow(&s, &f, &res), -EIO);
	unsynced = NULL;
	check_contains(s.err.message, "fsync failed");
	check_int(scratch_count(s.state->dir, "fetch"), 0);
	check_int(follow(&s, &f, &res), 0);
	check_int(res.segments, 1);
	check(res.bytes > 0);
	store_free(f.real);
}

static void a_pointer_that_is_replaced_while_it_is_read_is_read_again(void)
{
	SITE s;
	struct follow_result res;
	struct faulty f;

	published_once(&s, &f);
	site_state(&s, "follower");
	f.replaced = 100;
	check_int(follow(&s, &f, &res), -ESTALE);
	f.replaced = 3;
	check_int(follow(&s, &f, &res), 0);
	check_int(res.generation, 1);
	check_int(f.replaced, 0);
	store_free(f.real);
}

/* However it is spelled: config_dump() is not alone in writing configurations. */
static void no_url_of_another_host_comes_with_an_edition(void)
{
	SITE s;
	struct upload_result up;
	struct follow_result res;
	OWNED_BUF config = {0};
	struct faulty f;

	site_init(&s);
	faulty_init(&f);
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"espresso\"}\n");
	check_int(tick(&s), 0);
	check_int(catalog_set(s.catalog, "config", slice_str("[feed]\nurl=/elsewhere\ncadence: 5m\n"), NULL),
		0);
	check_int(upload(&s, &f, &up), 0);
	site_state(&s, "follower");
	check_int(follow(&s, &f, &res), 0);
	check_int(catalog_get(s.catalog, "config", &config, NULL), 1);
	check_contains(buf_cstr(&config), "cadence = 5m");
	check(!strstr(buf_cstr(&config), "elsewhere"));
	store_free(f.real);
}

static void what_is_missing_here_is_named(void)
{
	SITE s;
	struct upload_result res;
	struct faulty f;
	char command[400];

	published_once(&s, &f);
	put(&s, DAY "05/a.jsonl", "{\"id\":\"b\",\"title\":\"espresso\"}\n");
	check_int(tick(&s), 0);
	snprintf(command, sizeof(command), "rm %s/segments/*", s.state->dir);
	check_int(system(command), 0);
	check_int(upload(&s, &f, &res), -EBADMSG);
	check_contains(s.err.message, "generation 2 is not whole here");
	check_contains(s.err.message, ".seg");
	store_free(f.real);
}

static void publish_next(struct site *s, struct faulty *f, const char *path)
{
	struct upload_result res;

	put(s, path, "{\"id\":\"a\",\"title\":\"espresso\"}\n");
	check_int(tick(s), 0);
	check_int(upload(s, f, &res), 0);
}

static void what_may_go_does_not_keep_a_full_store_full(void)
{
	SITE s;
	struct upload_result res;
	struct faulty f;
	size_t editions = 0;

	published_once(&s, &f);
	site_set(&s, "build.keep=1");
	site_set(&s, "build.keep_for=0s");
	put(&s, DAY "05/a.jsonl", "{\"id\":\"b\",\"title\":\"espresso\"}\n");
	check_int(tick(&s), 0);
	f.full = true;
	check_int(upload(&s, &f, &res), -ENOSPC); /* there is nothing that may go */
	check_contains(s.err.message, "made to be full");
	f.full = false;
	check_int(upload(&s, &f, &res), 0);
	put(&s, DAY "10/a.jsonl", "{\"id\":\"c\",\"title\":\"espresso\"}\n");
	check_int(tick(&s), 0);
	f.full = true;
	check_int(upload(&s, &f, &res), 0);
	check_int(res.generation, 3);
	check_int(store_list(f.real, "generations", count_one, &editions, NULL), 0);
	check_int(editions, 1);
	store_free(f.real);
}

/* Of a writer that was killed. */
static void what_was_not_finished_goes_wherever_it_lies(void)
{
	static const char *const dirs[] = {
		"segments", "manifests", "live", "rows", "generations", "epochs/1"};
	SITE s;
	struct store_stat st;
	struct faulty f;
	char path[100];

	published_once(&s, &f);
	check_int(f.unstoppable, 0);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s/.freshet-put-0123456789abcdef", dirs[i]);
		check_int(store_mem_put(f.real, path, slice_str("half"), s.now), 0);
		snprintf(path, sizeof(path), "%s/.freshet-put-fedcba9876543210", dirs[i]);
		check_int(store_mem_put(f.real, path, slice_str("half"), time_now()), 0);
	}
	f.full = true;
	publish_next(&s, &f, DAY "05/a.jsonl");
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s/.freshet-put-0123456789abcdef", dirs[i]);
		check_int(store_head(f.real, path, &st, NULL), -ENOENT);
		snprintf(path, sizeof(path), "%s/.freshet-put-fedcba9876543210", dirs[i]);
		check_int(store_head(f.real, path, &st, NULL), 0);
	}
	store_free(f.real);
}

/* Nor does it keep what is to come from being fetched; what of that is here already stays. */
static void a_follower_lets_old_generations_go_before_it_fetches(void)
{
	SITE s;
	SITE b;
	struct follow_result res;
	struct faulty f;

	published_once(&s, &f);
	site_init(&b);
	check_int(follow(&b, &f, &res), 0);
	publish_next(&s, &f, DAY "05/a.jsonl");
	check_int(follow(&b, &f, &res), 0);
	publish_next(&s, &f, DAY "10/a.jsonl");
	site_set(&b, "build.keep=1");
	site_set(&b, "build.keep_max=1");
	check_int(scratch_count(b.state->dir, "generations"), 4);
	unsynced = "/fetch/"; /* as on a disk that takes no more */
	check_int(follow(&b, &f, &res), -EIO);
	check_int(scratch_count(b.state->dir, "generations"), 2);
	unsynced = "/state/tmp/";
	check_int(follow(&b, &f, &res), -EIO);
	check_int(res.segments, 1);
	unsynced = NULL;
	check_int(follow(&b, &f, &res), 0);
	check_int(res.segments, 0);
	check_term(&b, "espresso", "a\n");
	store_free(f.real);
}

/* A driver sends a write whose answer was lost again, and hears that there is an object already. */
static void a_claim_whose_answer_was_lost_is_its_own(void)
{
	SITE s;
	struct upload_result res;
	struct faulty f;

	site_init(&s);
	faulty_init(&f);
	f.claim_lost = true;
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"espresso\"}\n");
	check_int(tick(&s), 0);
	check_int(upload(&s, &f, &res), 0);
	check_int(res.epoch, 1);
	store_free(f.real);
}

static void a_builder_knows_its_own_pointer_after_two_unlucky_ends(void)
{
	SITE s;
	struct upload_result res;
	struct faulty f;

	published_once(&s, &f);
	put(&s, DAY "05/a.jsonl", "{\"id\":\"b\",\"title\":\"espresso\"}\n");
	check_int(tick(&s), 0);
	f.pointer = POINTER_LOST;
	check_int(upload(&s, &f, &res), -EIO);
	put(&s, DAY "10/a.jsonl", "{\"id\":\"c\",\"title\":\"espresso\"}\n");
	check_int(tick(&s), 0);
	f.pointer = POINTER_FAILS;
	check_int(upload(&s, &f, &res), -EIO);
	f.pointer = POINTER_PUT;
	check_int(upload(&s, &f, &res), 0);
	check_int(res.generation, 3);
	store_free(f.real);
}

static void a_place_that_is_empty_where_it_was_not_is_not_filled_unasked(void)
{
	SITE s;
	struct upload_result res;
	struct faulty f;

	published_once(&s, &f);
	store_free(f.real);
	check_int(store_mem_open(&f.real, NULL), 0);
	check_int(upload(&s, &f, &res), -ESTALE);
	check_contains(s.err.message, "is it mounted");
	check_int(upload_as(&s, &f, true, &res), 0);
	check_int(res.epoch, 2);
	check_int(upload(&s, &f, &res), 0);
	store_free(f.real);
}

int main(void)
{
	RUN(a_claim_whose_answer_was_lost_is_its_own);
	RUN(a_builder_knows_its_own_pointer_after_two_unlucky_ends);
	RUN(a_place_that_is_empty_where_it_was_not_is_not_filled_unasked);
	RUN(after_any_call_that_fails_the_next_publishing_goes_on);
	RUN(a_store_that_cannot_tell_who_was_first_takes_a_sole_writer);
	RUN(after_any_call_that_fails_the_next_tick_of_a_follower_goes_on);
	RUN(what_did_not_come_to_the_disk_is_fetched_anew);
	RUN(a_pointer_that_is_replaced_while_it_is_read_is_read_again);
	RUN(no_url_of_another_host_comes_with_an_edition);
	RUN(what_is_missing_here_is_named);
	RUN(what_may_go_does_not_keep_a_full_store_full);
	RUN(what_was_not_finished_goes_wherever_it_lies);
	RUN(a_follower_lets_old_generations_go_before_it_fetches);
	return tap_done();
}
