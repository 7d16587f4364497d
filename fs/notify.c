/* SPDX-License-Identifier: Apache-2.0 */
#define FUSE_USE_VERSION 314
#include "notify.h"
#include "log.h"
#include "thread.h"

#include <fuse_lowlevel.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct note {
	struct note *next;
	uint64_t ino; /* of the directory, or the inode itself when name is empty */
	char name[];
};

struct notify {
	pthread_mutex_t lock; /* everything below but thread and se */
	pthread_cond_t more;
	struct note *first, **last;
	bool stopping;
	pthread_t thread;
	struct fuse_session *se;
};

/* Fails with -ENOENT when the kernel does not hold that name or inode: so much the better. */
static void send_note(struct fuse_session *se, const struct note *note)
{
	log_line(LOG_DEBUG, "the kernel is told to look anew at %s in inode %" PRIu64,
		*note->name ? note->name : ".", note->ino);
	if (*note->name)
		fuse_lowlevel_notify_inval_entry(se, note->ino, note->name, strlen(note->name));
	else
		fuse_lowlevel_notify_inval_inode(se, note->ino, -1, 0);
}

static void *send_notes(void *arg)
{
	struct notify *n = arg;
	struct note *note;

	pthread_mutex_lock(&n->lock);
	while (!n->stopping) {
		note = n->first;
		if (!note) {
			pthread_cond_wait(&n->more, &n->lock);
			continue;
		}
		n->first = note->next;
		if (!n->first)
			n->last = &n->first;
		pthread_mutex_unlock(&n->lock);
		send_note(n->se, note);
		free(note);
		pthread_mutex_lock(&n->lock);
	}
	pthread_mutex_unlock(&n->lock);
	return NULL;
}

int notify_start(struct notify **out, struct fuse_session *se)
{
	struct notify *n = calloc(1, sizeof(*n));
	int r;

	*out = NULL;
	if (!n)
		return -ENOMEM;
	n->se = se;
	n->last = &n->first;
	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->more, NULL);
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
	struct note *note = malloc(sizeof(*note) + strlen(name) + 1);

	if (!note)
		return;
	note->next = NULL;
	note->ino = parent;
	strcpy(note->name, name);
	pthread_mutex_lock(&n->lock);
	*n->last = note;
	n->last = &note->next;
	pthread_cond_signal(&n->more);
	pthread_mutex_unlock(&n->lock);
}

void notify_attributes(struct notify *n, uint64_t ino)
{
	notify_entry(n, ino, "");
}

void notify_stop(struct notify *n)
{
	struct note *note;

	if (!n)
		return;
	pthread_mutex_lock(&n->lock);
	n->stopping = true;
	pthread_cond_signal(&n->more);
	pthread_mutex_unlock(&n->lock);
	pthread_join(n->thread, NULL);
	while ((note = n->first)) {
		n->first = note->next;
		free(note);
	}
	pthread_cond_destroy(&n->more);
	pthread_mutex_destroy(&n->lock);
	free(n);
}
