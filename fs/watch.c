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
	uint8_t *
		seen; /* owned; bit wd: watched. The kernel counts watch descriptors up and never reuses one */
	size_t seen_bytes;
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
	free(w->seen);
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

/* 1 when `wd` was not seen before. */
static int mark(struct watch *w, int wd)
{
	size_t need = (size_t)wd / 8 + 1;
	uint8_t bit = (uint8_t)(1u << (wd % 8)), *grown;

	if (need > w->seen_bytes) {
		need = need * 2;
		grown = realloc(w->seen, need);
		if (!grown)
			return -ENOMEM;
		memset(grown + w->seen_bytes, 0, need - w->seen_bytes);
		w->seen = grown;
		w->seen_bytes = need;
	}
	if (w->seen[wd / 8] & bit)
		return 0;
	w->seen[wd / 8] |= bit;
	return 1;
}

int watch_listing(struct watch *w, const char *root, const struct listing *listing, struct err *err)
{
	OWNED_BUF path = {0};
	int wd, r, added = 0;

	for (size_t i = 0; i < listing->dir_count; i++) {
		buf_clear(&path);
		buf_add_str(&path, root);
		buf_add_byte(&path, '/');
		buf_add_slice(&path, listing->dirs[i]);
		wd = inotify_add_watch(w->fd, buf_cstr(&path), FEED_EVENTS);
		if (wd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
			added++; /* gone since the listing, which is therefore old */
			continue;
		}
		if (wd < 0)
			return err_sys(err, -errno, "%s: watching", buf_cstr(&path));
		r = mark(w, wd);
		if (r < 0)
			return err_set(err, r, "out of memory");
		added += r;
	}
	return added;
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
