/* SPDX-License-Identifier: Apache-2.0 */
/* Who polls a file is known by a handle for each time that the kernel asks, and nobody says when the file is closed. So a handle
 * lasts POLL_SECONDS at most, and there are POLLS_MAX at most: who is woken for that sees nothing of it, the kernel asks
 * again, and gives a new one for a file that is open still. */
#define FUSE_USE_VERSION 314
#include "notify.h"
#include "log.h"
#include "thread.h"

#include <fuse_lowlevel.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define POLLS_MAX 16384
#define POLL_SECONDS 30

struct note {
	struct note *next;
	struct fuse_pollhandle *poll; /* owned: somebody to wake; or NULL */
	time_t till;                  /* of a poll: when to wake them in any case */
	uint64_t ino;                 /* of the directory, or the inode itself when name is empty */
	char name[];
};

struct queue {
	struct note *first, **last;
};

struct notify {
	pthread_mutex_t lock; /* everything below but thread and se */
	pthread_cond_t more;
	struct queue notes; /* to send */
	struct queue polls; /* who waits, by how long */
	unsigned poll_count;
	bool publish; /* published() is to be called */
	bool stopping;
	pthread_t thread;
	struct fuse_session *se;
	void (*published)(void *ctx);
	void *ctx;
};

static time_t seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static void queue_add(struct queue *q, struct note *note)
{
	note->next = NULL;
	*q->last = note;
	q->last = &note->next;
}

static struct note *queue_take(struct queue *q)
{
	struct note *note = q->first;

	if (!note)
		return NULL;
	q->first = note->next;
	if (!q->first)
		q->last = &q->first;
	return note;
}

static void note_free(struct note *note)
{
	if (note->poll)
		fuse_pollhandle_destroy(note->poll);
	free(note);
}

static struct note *note_new(uint64_t ino, const char *name)
{
	struct note *note = malloc(sizeof(*note) + strlen(name) + 1);

	if (!note)
		return NULL;
	*note = (struct note){.ino = ino};
	strcpy(note->name, name);
	return note;
}

/* Fails with -ENOENT when the kernel does not hold that name or inode: so much the better. */
static void send_note(struct fuse_session *se, const struct note *note)
{
	if (note->poll) {
		fuse_lowlevel_notify_poll(note->poll);
		return;
	}
	log_line(LOG_DEBUG, "the kernel is told to look anew at %s in inode %" PRIu64,
		*note->name ? note->name : ".", note->ino);
	if (*note->name)
		fuse_lowlevel_notify_inval_entry(se, note->ino, note->name, strlen(note->name));
	else
		fuse_lowlevel_notify_inval_inode(se, note->ino, -1, 0);
}

/* With the lock, like all below. */
static void wake_oldest(struct notify *n)
{
	queue_add(&n->notes, queue_take(&n->polls));
	n->poll_count--;
	pthread_cond_signal(&n->more);
}

static void wake_late(struct notify *n)
{
	while (n->polls.first && n->polls.first->till <= seconds_now())
		wake_oldest(n);
}

static void sleep_on(struct notify *n)
{
	struct timespec until = {0};

	if (!n->polls.first) {
		pthread_cond_wait(&n->more, &n->lock);
		return;
	}
	until.tv_sec = n->polls.first->till;
	pthread_cond_timedwait(&n->more, &n->lock, &until);
}

/* Both let go of the lock meanwhile. */
static void run_publish(struct notify *n)
{
	n->publish = false;
	pthread_mutex_unlock(&n->lock);
	n->published(n->ctx);
	pthread_mutex_lock(&n->lock);
}

static void send_queued(struct notify *n)
{
	struct note *note;

	while (!n->stopping && (note = queue_take(&n->notes))) {
		pthread_mutex_unlock(&n->lock);
		send_note(n->se, note);
		note_free(note);
		pthread_mutex_lock(&n->lock);
	}
}

static void *send_notes(void *arg)
{
	struct notify *n = arg;

	pthread_mutex_lock(&n->lock);
	while (!n->stopping) {
		wake_late(n);
		if (n->publish) {
			run_publish(n);
			send_queued(n);
		} else if (n->notes.first) {
			send_queued(n);
		} else {
			sleep_on(n);
		}
	}
	pthread_mutex_unlock(&n->lock);
	return NULL;
}

int notify_start(struct notify **out, struct fuse_session *se, void (*published)(void *ctx), void *ctx)
{
	struct notify *n = calloc(1, sizeof(*n));
	pthread_condattr_t clock;
	int r;

	*out = NULL;
	if (!n)
		return -ENOMEM;
	n->se = se;
	n->published = published;
	n->ctx = ctx;
	n->notes.last = &n->notes.first;
	n->polls.last = &n->polls.first;
	pthread_mutex_init(&n->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&n->more, &clock);
	pthread_condattr_destroy(&clock);
	r = thread_start(&n->thread, "freshet-notify", send_notes, n);
	if (r < 0) {
		free(n);
		return r;
	}
	*out = n;
	return 0;
}

void notify_entry(struct notify *n, uint64_t parent, const char *name)
{
	struct note *note = note_new(parent, name);

	if (!note)
		return;
	pthread_mutex_lock(&n->lock);
	queue_add(&n->notes, note);
	pthread_cond_signal(&n->more);
	pthread_mutex_unlock(&n->lock);
}

void notify_publish(struct notify *n)
{
	pthread_mutex_lock(&n->lock);
	n->publish = true;
	pthread_cond_signal(&n->more);
	pthread_mutex_unlock(&n->lock);
}

void notify_attributes(struct notify *n, uint64_t ino)
{
	notify_entry(n, ino, "");
}

void notify_poll(struct notify *n, struct fuse_pollhandle *handle)
{
	struct note *note = note_new(0, "");
	bool stopping;

	if (!note) {
		fuse_lowlevel_notify_poll(
			handle); /* the kernel asks again; this one takes no lock of a directory */
		fuse_pollhandle_destroy(handle);
		return;
	}
	note->poll = handle;
	note->till = seconds_now() + POLL_SECONDS;
	pthread_mutex_lock(&n->lock);
	stopping = n->stopping;
	if (!stopping) {
		if (n->poll_count == POLLS_MAX)
			wake_oldest(n);
		queue_add(&n->polls, note);
		/* The thread may be asleep without a limit. */
		if (n->poll_count++ == 0)
			pthread_cond_signal(&n->more);
	}
	pthread_mutex_unlock(&n->lock);
	if (stopping)
		note_free(note); /* the end of the mount wakes them */
}

bool notify_is_polled(struct notify *n)
{
	bool is_polled;

	pthread_mutex_lock(&n->lock);
	is_polled = n->polls.first;
	pthread_mutex_unlock(&n->lock);
	return is_polled;
}

void notify_pollers(struct notify *n)
{
	pthread_mutex_lock(&n->lock);
	while (n->polls.first)
		wake_oldest(n);
	pthread_mutex_unlock(&n->lock);
}

void notify_stop(struct notify *n)
{
	if (!n)
		return;
	pthread_mutex_lock(&n->lock);
	n->stopping = true;
	pthread_cond_signal(&n->more);
	pthread_mutex_unlock(&n->lock);
	pthread_join(n->thread, NULL);
}

static void queue_free(struct queue *q)
{
	struct note *note;

	while ((note = queue_take(q)))
		note_free(note);
}

void notify_free(struct notify *n)
{
	if (!n)
		return;
	queue_free(&n->notes);
	queue_free(&n->polls);
	pthread_cond_destroy(&n->more);
	pthread_mutex_destroy(&n->lock);
	free(n);
}
