/* SPDX-License-Identifier: Apache-2.0 */
#include "scratch.h"
#include "tap.h"
#include "watch.h"

static void make_dir(const struct scratch *s, const char *name)
{
	OWNED_STR char *path = NULL;

	check(asprintf(&path, "%s/%s", s->path, name) > 0 && mkdir(path, 0777) == 0);
}

static int list(struct watch *w, const struct scratch *s, const char *const *names, size_t count)
{
	struct slice dirs[8];
	struct listing listing = {.dirs = dirs, .dir_count = count};
	struct err err = ERR_INIT;

	for (size_t i = 0; i < count; i++)
		dirs[i] = slice_str(names[i]);
	return watch_listing(w, s->path, &listing, &err);
}

/* What the kernel says of the descriptor. */
static int watches(const struct watch *w)
{
	char path[64], line[512];
	int count = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", watch_fd(w));
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		count += !strncmp(line, "inotify wd:", 11);
	if (f)
		fclose(f);
	return count;
}

static void what_is_not_listed_any_more_is_not_watched(void)
{
	SCRATCH s = scratch_make();
	struct watch *w;
	struct err err = ERR_INIT;

	make_dir(&s, "old");
	make_dir(&s, "new");
	check_int(watch_open(&w, &err), 0);
	check_int(list(w, &s, (const char *[]){"", "old"}, 2), 2);
	check_int(list(w, &s, (const char *[]){"", "old"}, 2), 0);
	check_int(list(w, &s, (const char *[]){"", "old", "new"}, 3), 1);
	check_int(watches(w), 3);
	check_int(list(w, &s, (const char *[]){"", "new"}, 2), 0);
	check_int(watches(w), 2);
	check_int(watch_drain(w), 0);
	scratch_put(s.path, "old/x", "", 0);
	check_int(watch_drain(w), 0);
	scratch_put(s.path, "new/x", "", 0);
	check_int(watch_drain(w), WATCH_FEED);
	check_int(list(w, &s, (const char *[]){"", "old", "new"}, 3), 1);
	scratch_put(s.path, "old/y", "", 0);
	check_int(watch_drain(w), WATCH_FEED);
	watch_free(w);
}

static void a_directory_that_went_makes_the_listing_an_old_one(void)
{
	SCRATCH s = scratch_make();
	struct watch *w;
	struct err err = ERR_INIT;

	make_dir(&s, "a");
	check_int(watch_open(&w, &err), 0);
	check_int(list(w, &s, (const char *[]){"", "a", "gone"}, 3), 3);
	check_int(list(w, &s, (const char *[]){"", "a"}, 2), 0);
	check_int(watches(w), 2);
	watch_free(w);
}

static void the_state_stays_watched_whatever_is_listed(void)
{
	SCRATCH s = scratch_make(), state = scratch_make();
	OWNED_STR char *from = NULL;
	OWNED_STR char *to = NULL;
	struct watch *w;
	struct err err = ERR_INIT;

	check_int(watch_open(&w, &err), 0);
	check_int(watch_state(w, state.path, &err), 0);
	check_int(list(w, &s, (const char *[]){""}, 1), 1);
	check_int(list(w, &s, NULL, 0), 0);
	check_int(watches(w), 1);
	scratch_put(state.path, "next", "", 0);
	check(asprintf(&from, "%s/next", state.path) > 0 && asprintf(&to, "%s/current", state.path) > 0);
	check_int(rename(from, to), 0);
	check_int(watch_drain(w), WATCH_STATE);
	watch_free(w);
}

int main(void)
{
	RUN(what_is_not_listed_any_more_is_not_watched);
	RUN(a_directory_that_went_makes_the_listing_an_old_one);
	RUN(the_state_stays_watched_whatever_is_listed);
	return tap_done();
}
