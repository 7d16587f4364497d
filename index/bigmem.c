/* SPDX-License-Identifier: Apache-2.0 */
#include "bigmem.h"

#include <sys/mman.h>

#define HUGE ((size_t)2 << 20)

static size_t round_up(size_t size)
{
	return (size + HUGE - 1) & ~(HUGE - 1);
}

static bool map(struct bigmem *m, size_t size)
{
	void *p = size < SIZE_MAX / 2 ? mmap(NULL, round_up(size), PROT_READ | PROT_WRITE,
						MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
				      : MAP_FAILED;

	if (p == MAP_FAILED)
		return false;
	madvise(p, round_up(size), MADV_HUGEPAGE); /* a wish only */
	*m = (struct bigmem){.data = p, .size = round_up(size), .mapped = true};
	return true;
}

void bigmem_release(struct bigmem *m)
{
	if (m->mapped)
		munmap(m->data, m->size);
	else
		free(m->data);
	*m = (struct bigmem){0};
}

bool bigmem_renew(struct bigmem *m, size_t size)
{
	struct bigmem fresh = {0};

	if (size >= HUGE) {
		if (!map(&fresh, size))
			return false;
	} else {
		fresh.data = calloc(1, size + 1);
		fresh.size = size;
		if (!fresh.data)
			return false;
	}
	bigmem_release(m);
	*m = fresh;
	return true;
}

bool bigmem_grow(struct bigmem *m, size_t size)
{
	struct bigmem fresh = {0};
	void *p;

	if (size <= m->size)
		return true;
	if (m->mapped) {
		p = size < SIZE_MAX / 2 ? mremap(m->data, m->size, round_up(size), MREMAP_MAYMOVE)
					: MAP_FAILED;
		if (p == MAP_FAILED)
			return false;
		madvise(p, round_up(size), MADV_HUGEPAGE);
		m->data = p;
		m->size = round_up(size);
		return true;
	}
	if (size < HUGE) {
		p = realloc(m->data, size);
		if (!p)
			return false;
		m->data = p;
		m->size = size;
		return true;
	}
	if (!map(&fresh, size))
		return false;
	if (m->size)
		memcpy(fresh.data, m->data, m->size);
	bigmem_release(m);
	*m = fresh;
	return true;
}
