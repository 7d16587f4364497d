/* SPDX-License-Identifier: Apache-2.0 */
#include "looker.h"
#include "thread.h"

#include <sys/eventfd.h>
#include <unistd.h>

struct looker {
	struct store *store; /* borrowed */
	bool follow;
	pthread_t thread;
	int fd;
	pthread_mutex_t lock;
	pthread_cond_t more;
	bool asked, stop; /* lock */
	/* The thread's while `asked`, else the caller's. */
	struct arena arena;
	struct look look;
	struct follow_known known;
	struct sight sight;
	bool busy; /* the caller's: begun and not taken yet */
};

static void forget(struct looker *l)
{
	plan_release(&l->sight.plan);
	listing_release(&l->sight.listing);
	look_release(&l->look);
	arena_release(&l->arena);
	l->sight = (struct sight){.plan = {.next_due = TIME_FOREVER}, .err = ERR_INIT};
}

static void look(struct looker *l)
{
	struct follow_offer offer;

	l->sight.code = store_renew(l->store, &l->sight.err);
	if (l->sight.code < 0)
		return;
	if (!l->follow) {
		l->sight.code =
			look_at_feed(&l->look, l->store, &l->sight.listing, &l->sight.plan, &l->sight.err);
		return;
	}
	l->sight.code = follow_look(l->store, &l->known, &offer, &l->sight.err);
	l->sight.newer = l->sight.code == 0 && offer.newer;
	follow_offer_release(&offer);
}

static void *look_on(void *arg)
{
	struct looker *l = arg;
	uint64_t one = 1;

	pthread_mutex_lock(&l->lock);
	for (;;) {
		while (!l->asked && !l->stop)
			pthread_cond_wait(&l->more, &l->lock);
		if (l->stop)
			break;
		pthread_mutex_unlock(&l->lock);
		look(l);
		pthread_mutex_lock(&l->lock);
		l->asked = false;
		/* It can only fail when the counter is full, and then it is readable anyway. */
		if (write(l->fd, &one, sizeof(one)) < 0)
			continue;
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

int looker_start(struct looker **out, struct store *store, bool follow, struct err *err)
{
	struct looker *l = calloc(1, sizeof(*l));
	int r = 0;

	*out = NULL;
	if (!l)
		return err_set(err, -ENOMEM, "out of memory");
	l->store = store;
	l->follow = follow;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->more, NULL);
	l->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->fd < 0)
		r = -errno;
	if (r == 0)
		r = thread_start(&l->thread, "freshet-look", look_on, l);
	if (r == 0) {
		*out = l;
		return 0;
	}
	if (l->fd >= 0)
		close(l->fd);
	free(l);
	return err_sys(err, r, "starting a thread");
}

int looker_fd(const struct looker *l)
{
	return l->fd;
}

bool looker_is_busy(const struct looker *l)
{
	return l->busy;
}

int looker_begin(struct looker *l, const struct config *cfg, struct catalog *catalog, struct err *err)
{
	int r;

	forget(l);
	l->look = (struct look){.cfg = cfg, .now = time_now(), .arena = &l->arena};
	r = l->follow ? follow_known_get(catalog, l->store->url, &l->known, err)
		      : look_at_catalog(&l->look, catalog, err);
	if (r < 0)
		return r;
	l->busy = true;
	pthread_mutex_lock(&l->lock);
	l->asked = true;
	pthread_cond_signal(&l->more);
	pthread_mutex_unlock(&l->lock);
	return 0;
}

static bool is_asked(struct looker *l)
{
	bool asked;

	pthread_mutex_lock(&l->lock);
	asked = l->asked;
	pthread_mutex_unlock(&l->lock);
	return asked;
}

const struct sight *looker_take(struct looker *l)
{
	uint64_t ignored;

	if (!l->busy || is_asked(l))
		return NULL;
	if (read(l->fd, &ignored, sizeof(ignored)) < 0)
		errno = 0;
	l->busy = false;
	return &l->sight;
}

bool looker_stop(struct looker *l)
{
	if (!l)
		return true;
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_signal(&l->more);
	pthread_mutex_unlock(&l->lock);
	if (!thread_join_soon(l->thread))
		return false;
	forget(l);
	close(l->fd);
	pthread_cond_destroy(&l->more);
	pthread_mutex_destroy(&l->lock);
	free(l);
	return true;
}
