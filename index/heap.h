/* SPDX-License-Identifier: Apache-2.0 */
/* index/heap.h - merge sorted streams: a binary heap of their current keys, smallest first.
 *
 * Equal keys come in order of stream number. The caller owns the array and moves the streams. */
#ifndef FRESHET_HEAP_H
#define FRESHET_HEAP_H

#include "bytes.h"

struct heap_item {
	struct slice key; /* borrowed from the stream; valid until it moves */
	size_t stream;
};
struct heap {
	struct heap_item *items; /* room for every stream; borrowed */
	size_t count;
};

void heap_push(struct heap *h, struct heap_item item);
/* The smallest item is items[0] while count > 0. */
void heap_replace(struct heap *h, struct slice key); /* its stream moved on to `key` */
void heap_pop(struct heap *h);                       /* its stream ended */
/* The smallest item but one; NULL where there is none. */
const struct heap_item *heap_second(const struct heap *h);

#endif
