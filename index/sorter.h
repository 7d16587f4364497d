/* SPDX-License-Identifier: Apache-2.0 */
/* index/sorter.h - the newest record of each id, in order of id, of more records than fit into memory: sorted runs in files, then
 * one merge of them (external merge sort; Knuth, The Art of Computer Programming, volume 3, 5.4). */
#ifndef FRESHET_SORTER_H
#define FRESHET_SORTER_H

#include "record.h"

struct sorter;
/* Runs go to `dir`, which must be there until sorter_free(); none are written before `memory` bytes are held. */
int sorter_new(struct sorter **out, const char *dir, size_t memory, struct err *err);
/* Memory for what the next record points to: valid until it was added. */
struct arena *sorter_arena(struct sorter *s);
/* Takes a record whose strings lie in sorter_arena(). Sources are numbered in their order. Returns 0 or -errno. */
int sorter_add(struct sorter *s, const struct record *r, struct err *err);
/* No more will come. */
int sorter_finish(struct sorter *s, struct err *err);
/* The next id's newest record, valid until the next call; RECORD_PADDING readable bytes behind its json. Returns 1, 0 at the
 * end, or -errno. */
int sorter_next(struct sorter *s, struct record *out, struct err *err);
uint64_t sorter_spilled(const struct sorter *s); /* bytes written to runs */
void sorter_free(struct sorter *s);              /* NULL is fine */
DEFINE_FREEP(sorter)

#endif
