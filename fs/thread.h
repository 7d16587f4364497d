/* SPDX-License-Identifier: Apache-2.0 */
/* fs/thread.h - threads of the mount: named, and deaf to signals, which the main thread alone takes, save to those
 * that a thread brings upon itself. */
#ifndef FRESHET_THREAD_H
#define FRESHET_THREAD_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

/* Returns 0 or -errno. `name` has at most 15 bytes. */
static inline int thread_start(pthread_t *out, const char *name, void *(*run)(void *), void *arg)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGFPE);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(out, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r == 0)
		pthread_setname_np(*out, name);
	return -r;
}

#define THREAD_KICK SIGUSR2 /* ends a thread's sleep in libfuse's loop; has a handler that does nothing */
#define THREAD_KICK_EVERY_NS 10000000

/* The thread may be about to sleep when it is told to end: kicks until it has. */
static inline void thread_kick(pthread_t thread, const atomic_bool *ended)
{
	struct timespec pause = {.tv_nsec = THREAD_KICK_EVERY_NS};

	while (!*ended) {
		pthread_kill(thread, THREAD_KICK);
		nanosleep(&pause, NULL);
	}
}

#define THREAD_GRACE 2 /* seconds that a thread which waits for the feed gets to end */

/* Waits for a thread that ends unless it hangs. Returns whether it has ended. */
static inline bool thread_join_soon(pthread_t thread)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += THREAD_GRACE;
	return pthread_timedjoin_np(thread, NULL, &until) == 0; /* thread sanitizers know this one */
}

#endif
