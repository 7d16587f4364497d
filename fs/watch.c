/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#define FEED_EVENTS                                                                                          \
	(IN_CREATE | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | \
		IN_MOVE_SELF | IN_ONLYDIR)

struct watch {
	int fd;
	int state_wd; /* -1: none */
	int *wds;     /* owned; what the last listing named, ascending */
	size_t count;
};

int watch_open(struct watch **out, struct err *err)
{
	struct watch *w = calloc(1, sizeof(*w));

	*out = NULL;
	if (!w)
		return err_set(err, -ENOMEM, "out of memory");
	w->state_wd = -1;
	w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->fd < 0) {
		free(w);
		return err_sys(err, -errno, "inotify");
	}
	*out = w;
	return 0;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	close(w->fd);
	free(w->wds);
	free(w);
}

int watch_fd(const struct watch *w)
{
	return w->fd;
}

int watch_state(struct watch *w, const char *state_dir, struct err *err)
{
	w->state_wd = inotify_add_watch(w->fd, state_dir, IN_MOVED_TO | IN_ONLYDIR);
	return w->state_wd < 0 ? err_sys(err, -errno, "%s: watching", state_dir) : 0;
}

static int wd_cmp(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static size_t sort_once(int *wds, size_t count)
{
	size_t kept = 0;

	if (count)
		qsort(wds, count, sizeof(*wds), wd_cmp);
	for (size_t i = 0; i < count; i++)
		if (!kept || wds[kept - 1] != wds[i])
			wds[kept++] = wds[i];
	return kept;
}

/* Adds a watch for each directory. *gone: how many went since the listing, which is therefore old. */
static int watch_dirs(struct watch *w, const char *root, const struct listing *listing, int *wds,
	size_t *count, int *gone, struct err *err)
{
	OWNED_BUF path = {0};

	for (size_t i = 0; i < listing->dir_count; i++) {
		int wd;

		buf_clear(&path);
		buf_add_str(&path, root);
		buf_add_byte(&path, '/');
		buf_add_slice(&path, listing->dirs[i]);
		wd = inotify_add_watch(w->fd, buf_cstr(&path), FEED_EVENTS);
		if (wd >= 0)
			wds[(*count)++] = wd;
		else if (errno == ENOENT || errno == ENOTDIR)
			(*gone)++;
		else
			return err_sys(err, -errno, "%s: watching", buf_cstr(&path));
	}
	return 0;
}

/* Makes `wds` (taken over) what is watched, and lets go of what was and is not among them. The kernel did so
 * itself with directories that went. Returns how many are new. */
static int replace(struct watch *w, int *wds, size_t count)
{
	size_t new_count = count;

	for (size_t old = 0, i = 0; old < w->count; old++) {
		while (i < count && wds[i] < w->wds[old])
			i++;
		if (i < count && wds[i] == w->wds[old])
			new_count--;
		else if (w->wds[old] != w->state_wd)
			inotify_rm_watch(w->fd, w->wds[old]);
	}
	free(w->wds);
	w->wds = wds;
	w->count = count;
	return (int)new_count;
}

int watch_listing(struct watch *w, const char *root, const struct listing *listing, struct err *err)
{
	int *wds = malloc((listing->dir_count + w->count + 1) * sizeof(*wds));
	size_t count = 0;
	int r, gone = 0;

	if (!wds)
		return err_set(err, -ENOMEM, "out of memory");
	r = watch_dirs(w, root, listing, wds, &count, &gone, err);
	/* A listing that was cut short does not say what is to go. */
	if (r < 0 && w->count) {
		memcpy(wds + count, w->wds, w->count * sizeof(*wds));
		count += w->count;
	}
	count = sort_once(wds, count);
	gone += replace(w, wds, count);
	return r < 0 ? r : gone;
}

static unsigned take_event(const struct watch *w, const struct inotify_event *e)
{
	if (e->mask & IN_Q_OVERFLOW)
		return WATCH_FEED | WATCH_STATE;
	if (e->mask & IN_IGNORED)
		return 0;
	if (e->wd == w->state_wd)
		return e->len && !strcmp(e->name, "current") ? WATCH_STATE : 0;
	return WATCH_FEED;
}

unsigned watch_drain(struct watch *w)
{
	char events[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	unsigned kinds = 0;
	ssize_t n;

	while ((n = read(w->fd, events, sizeof(events))) > 0) {
		for (char *p = events; p < events + n;) {
			const struct inotify_event *e = (const struct inotify_event *)p;

			kinds |= take_event(w, e);
			p += sizeof(*e) + e->len;
		}
	}
	return kinds;
}
