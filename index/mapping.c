/* SPDX-License-Identifier: Apache-2.0 */
/* The handler may run in any thread at any instant, so it takes no lock: mappings are a list that only grows, and
 * whose members are used again. A mapping that is being read is not closed, so what the handler finds holds. */
#include "mapping.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

struct mapping {
	atomic_bool used, broken;
	_Atomic uintptr_t start; /* 0: nothing is mapped */
	_Atomic size_t len;
	struct mapping *next; /* fixed once it is in the list */
};

static _Atomic(struct mapping *) all;
static uintptr_t page_bytes; /* set by mapping_guard() */

static struct mapping *take_one(void)
{
	struct mapping *m;
	bool used;

	for (m = all; m; m = m->next) {
		used = false;
		if (atomic_compare_exchange_strong(&m->used, &used, true))
			return m;
	}
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->used = true;
	m->next = all;
	while (!atomic_compare_exchange_weak(&all, &m->next, m))
		;
	return m;
}

int mapping_open(struct mapping **out, int fd, size_t len)
{
	struct mapping *m = take_one();
	void *p;
	int r;

	*out = NULL;
	if (!m)
		return -ENOMEM;
	p = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		r = -errno;
		m->used = false;
		return r;
	}
	m->broken = false;
	m->len = len;
	m->start = (uintptr_t)p;
	*out = m;
	return 0;
}

void mapping_close(struct mapping *m)
{
	void *p;

	if (!m)
		return;
	p = (void *)m->start;
	m->start = 0;
	munmap(p, m->len);
	m->used = false;
}

struct slice mapping_bytes(const struct mapping *m)
{
	return slice_of((const void *)m->start, m->len);
}

bool mapping_is_broken(const struct mapping *m)
{
	return m->broken;
}

/* Zeros from the page of `at` to the end. */
static bool break_at(struct mapping *m, uintptr_t at)
{
	uintptr_t page = at & ~(page_bytes - 1), end = m->start + m->len;

	m->broken = true;
	return mmap((void *)page, end - page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
	       MAP_FAILED;
}

static void on_bus_error(int sig, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr;
	int saved = errno;

	for (struct mapping *m = all; m; m = m->next) {
		uintptr_t start = m->start;

		if (start && at >= start && at - start < m->len && break_at(m, at)) {
			errno = saved;
			return;
		}
	}
	/* Not ours: what faulted faults again, without us. */
	signal(SIGBUS, SIG_DFL);
	errno = saved;
}

void mapping_guard(void)
{
	struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};

	page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
	sigaction(SIGBUS, &action, NULL);
}
