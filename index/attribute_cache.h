/* SPDX-License-Identifier: Apache-2.0 */
/* index/attribute_cache.h - remembers the attributes that were looked up: the documents of one build ask for the same ones again and
 * again, and each look-up in a segment unpacks a block. */
#ifndef FRESHET_ATTRIBUTE_CACHE_H
#define FRESHET_ATTRIBUTE_CACHE_H

#include "record.h"

struct attribute_cache;
/* Looks up by `fn` what it does not have, and keeps some `memory` bytes. NULL when memory is out. */
struct attribute_cache *attribute_cache_new(attribute_fn *fn, void *ctx, size_t memory);
void attribute_cache_free(struct attribute_cache *c); /* NULL is fine */
/* An attribute_fn; `ctx` is the cache. Any number of threads. */
int attribute_cache_find(void *ctx, struct slice id, struct buf *json, struct err *err);

#endif
