/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <sys/wait.h>

#include "scratch.h"
#include "state.h"
#include "tap.h"
#include "timefmt.h"

static struct state *make(const struct scratch *s)
{
	struct state *state = NULL;
	struct err err = ERR_INIT;

	if (state_open(&state, s->path, true, &err))
		tap_fail("%s", err.message);
	return state;
}

static void a_new_state_has_its_directories_parents_too(void)
{
	SCRATCH dir = scratch_make();
	struct state *s;
	struct err err = ERR_INIT;
	char path[256];

	snprintf(path, sizeof(path), "%s/a//b/", dir.path);
	check_int(state_open(&s, path, true, &err), 0);
	check(s->dir[0] == '/' && strcmp(s->dir + strlen(s->dir) - 4, "/a/b") == 0);
	check_int(scratch_count(dir.path, "a/b/segments"), 0);
	check_int(scratch_count(dir.path, "a/b/generations"), 0);
	check_int(scratch_count(dir.path, "a/b/rejects"), 0);
	check_int(scratch_count(dir.path, "a/b/tmp"), 0);
	state_free(s);
	check_int(state_open(&s, path, true, &err), 0);
	state_free(s);
}

static void a_reader_makes_nothing_and_says_what_does(void)
{
	SCRATCH dir = scratch_make();
	struct state *s;
	struct err err = ERR_INIT;
	char path[256];

	snprintf(path, sizeof(path), "%s/none", dir.path);
	check_int(state_open(&s, path, false, &err), -ENOENT);
	check(!s);
	check_contains(err.message, "freshet build");
	check_int(state_open(&s, dir.path, false, &err), -ENOENT);
	check_contains(err.message, "freshet build");
	check_int(scratch_count(dir.path, "."), 0);
}

static void a_directory_with_other_things_in_it_is_refused(void)
{
	SCRATCH dir = scratch_make();
	struct state *s;
	struct err err = ERR_INIT;
	char path[256];

	scratch_put(dir.path, "thesis.tex", "x", 1);
	check_int(state_open(&s, dir.path, true, &err), -ENOTSUP);
	check_contains(err.message, "thesis.tex");
	check_int(scratch_count(dir.path, "."), 1);
	snprintf(path, sizeof(path), "%s/thesis.tex", dir.path);
	check_int(state_open(&s, path, true, &err), -ENOTDIR);
	check_int(state_open(&s, path, false, &err), -ENOTDIR);
}

static void a_configuration_may_lie_there_before_the_first_build(void)
{
	SCRATCH dir = scratch_make();
	struct state *s;

	scratch_put(dir.path, "freshet.ini", "", 0);
	s = make(&dir);
	check(s != NULL);
	state_free(s);
}

static void the_default_directory_is_one_for_each_feed(void)
{
	OWNED_STR char *a = NULL, *b = NULL, *c = NULL;

	setenv("XDG_STATE_HOME", "/x", 1);
	a = state_default_dir("/srv/a b");
	b = state_default_dir("/srv/a b/");
	c = state_default_dir("s3://srv/a b");
	check(!strncmp(a, "/x/freshet/a-b-", 15));
	check_str(a, b);
	check(strcmp(a, c) != 0);
	setenv("XDG_STATE_HOME", "relative", 1);
	setenv("HOME", "/home/me", 1);
	free(steal(&c));
	c = state_default_dir("/");
	check(!strncmp(c, "/home/me/.local/state/freshet/feed-", 35));
}

static void a_second_builder_is_told_who_holds_the_lock(void)
{
	SCRATCH dir = scratch_make();
	struct state *a = make(&dir), *b = make(&dir);
	struct err err = ERR_INIT;
	char pid[32];

	check_int(state_lock(a, 0, &err), 0);
	check_int(state_lock(a, 0, &err), 0);
	check_int(state_lock(b, 0, &err), -EBUSY);
	snprintf(pid, sizeof(pid), "pid %d since 20", (int)getpid());
	check_contains(err.message, pid);
	check_int(state_lock(b, TIME_SECOND / 100, &err), -EBUSY);
	state_free(a);
	check_int(state_lock(b, 0, &err), 0);
	state_free(b);
}

static void a_lock_ends_with_its_process(void)
{
	SCRATCH dir = scratch_make();
	struct state *s;
	struct err err = ERR_INIT;
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		s = make(&dir);
		if (!s || state_lock(s, 0, &err) || state_build_begin(s, &err))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	check(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
	s = make(&dir);
	check_int(state_lock(s, 0, &err), 0);
	check_int(scratch_count(dir.path, "tmp"), 1);
	check_int(state_sweep(s, &err), 1);
	check_int(scratch_count(dir.path, "tmp"), 0);
	state_free(s);
}

static void a_build_directory_goes_with_all_that_is_in_it(void)
{
	SCRATCH dir = scratch_make();
	struct state *s = make(&dir);
	struct err err = ERR_INIT;
	OWNED_STR char *below = NULL;

	check_int(state_build_begin(s, &err), 0);
	check_int(state_build_begin(s, &err), -EBUSY);
	below = state_path(s, "%s/x/y", s->build);
	check_int(make_dirs(below, &err), 0);
	scratch_put(below, "z", "1", 1);
	check_int(scratch_count(dir.path, "tmp"), 1);
	state_build_end(s);
	check_int(scratch_count(dir.path, "tmp"), 0);
	state_build_end(s);
	state_free(s);
}

static void a_sweep_leaves_what_a_live_build_holds(void)
{
	SCRATCH dir = scratch_make();
	struct state *a = make(&dir), *b = make(&dir);
	struct err err = ERR_INIT;
	OWNED_STR char *dead = NULL;

	check_int(state_build_begin(a, &err), 0);
	scratch_put(dir.path, "tmp/current", "x", 1);
	dead = state_path(b, "tmp/build-1-dead/x");
	check_int(make_dirs(dead, &err), 0);
	check_int(state_sweep(b, &err), 2);
	check_int(scratch_count(dir.path, "tmp"), 1);
	state_free(a);
	check_int(state_sweep(b, &err), 0);
	state_free(b);
}

static void a_file_is_written_once_and_read_within_its_bound(void)
{
	SCRATCH dir = scratch_make();
	OWNED_BUF text = {0};
	struct err err = ERR_INIT;
	char path[256];

	snprintf(path, sizeof(path), "%s/f", dir.path);
	check_int(write_file(path, slice_str("hello"), &err), 0);
	check_int(write_file(path, slice_str("other"), &err), -EEXIST);
	check_int(read_file(path, 5, &text, &err), 0);
	check_slice(buf_slice(&text), "hello");
	check_int(read_file(path, 4, &text, &err), -EFBIG);
	check_slice(buf_slice(&text), "hello");
	check_int(read_file(dir.path, 5, &text, &err), -EINVAL);
	snprintf(path, sizeof(path), "%s/none", dir.path);
	check_int(read_file(path, 5, &text, &err), -ENOENT);
	check_int(sync_path(path, &err), -ENOENT);
	snprintf(path, sizeof(path), "%s/fifo", dir.path);
	mkfifo(path, 0600);
	check_int(read_file(path, 5, &text, &err), -EINVAL);
}

static void a_write_that_fails_leaves_no_file(void)
{
	struct err err = ERR_INIT;

	check_int(write_file("/proc/self/none", slice_str("x"), &err), -ENOENT);
	check_contains(err.message, "/proc/self/none");
}

int main(void)
{
	RUN(a_new_state_has_its_directories_parents_too);
	RUN(a_reader_makes_nothing_and_says_what_does);
	RUN(a_directory_with_other_things_in_it_is_refused);
	RUN(a_configuration_may_lie_there_before_the_first_build);
	RUN(the_default_directory_is_one_for_each_feed);
	RUN(a_second_builder_is_told_who_holds_the_lock);
	RUN(a_lock_ends_with_its_process);
	RUN(a_build_directory_goes_with_all_that_is_in_it);
	RUN(a_sweep_leaves_what_a_live_build_holds);
	RUN(a_file_is_written_once_and_read_within_its_bound);
	RUN(a_write_that_fails_leaves_no_file);
	return tap_done();
}
