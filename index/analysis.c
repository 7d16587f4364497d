/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis.h"

#include <pthread.h>

#include "record.h"

#define STEP 256      /* entries between two reports of progress */
#define PREFETCH 512  /* bytes of the next record */
#define PART_MIN 2048 /* entries that are worth a thread */

/* A run of entries that one thread analyses. */
struct part {
	struct analysis *of;
	void *ctx;
	struct invert *invert; /* owned */
	size_t from, to;
	uint64_t states[ENTRY_STATES], length;
	pthread_t thread;
	int code;
	struct err err;
};

struct analysis {
	const struct segment_input *in;
	char *lengths;
	analysed_fn *analysed;
	void *analysed_ctx;
	unsigned count;
	struct part parts[TERM_MERGE_MAX];
};

void analysis_add_group(struct invert *v, struct slice group)
{
	char text[TERM_MAX + 16];

	if (!group.len || group.len > TERM_MAX)
		return;
	memcpy(text, group.data, group.len);
	memset(text + group.len, 0, 16);
	invert_add(v, TERM_GROUP, text, group.len);
}

static int analyse_entry(struct part *p, uint32_t n, struct err *err)
{
	const struct segment_input *in = p->of->in;
	struct entry *e = &in->entries[n];
	uint32_t length = 0;
	int r = 1;

	if (e->state == ENTRY_LIVE) {
		invert_begin(p->invert, n);
		analysis_add_group(p->invert, e->group);
		r = in->analyse(p->ctx, e->record, p->invert, err);
		if (r == 0)
			invert_end(p->invert);
		else if (r == 1)
			invert_hide(p->invert);
		else
			invert_abandon(p->invert);
		if (r < 0)
			return err_context(
				err, r, "%.*s", (int)(e->id.len < 100 ? e->id.len : 100), e->id.data);
		if (r == 0)
			length = invert_length(p->invert);
		else
			e->state = ENTRY_HIDDEN;
	}
	p->states[e->state]++;
	p->length += length;
	put_le32(p->of->lengths + (uint64_t)n * 4, length);
	return 0;
}

static int analyse_part(struct part *p, struct err *err)
{
	struct analysis *a = p->of;
	uint64_t bytes = 0;
	int r = 0;

	p->invert = invert_new();
	if (!p->invert)
		return err_set(err, -ENOMEM, "out of memory for postings");
	for (size_t n = p->from; r == 0 && n < p->to; n++) {
		/* Records lie in the order of the feed, not of the entries: the processor cannot foresee the next. */
		if (n + 1 < p->to)
			slice_prefetch(a->in->entries[n + 1].record, PREFETCH);
		r = analyse_entry(p, (uint32_t)n, err);
		bytes += a->in->entries[n].record.len;
		if (n % STEP == STEP - 1 || n + 1 == p->to) {
			a->analysed(a->analysed_ctx, bytes);
			bytes = 0;
		}
	}
	return r < 0 ? r : invert_finish(p->invert, err);
}

static void *part_run(void *ctx)
{
	struct part *p = ctx;

	p->code = analyse_part(p, &p->err);
	return NULL;
}

/* Cuts the entries into runs of about as many bytes. */
static void parts_plan(struct analysis *a)
{
	const struct segment_input *in = a->in;
	size_t useful = in->entry_count / PART_MIN, n = 0;
	uint64_t total = 0, at = 0;
	unsigned count = in->more_count + 1;

	if (count > TERM_MERGE_MAX)
		count = TERM_MERGE_MAX;
	if (count > useful)
		count = useful ? (unsigned)useful : 1;
	for (size_t i = 0; i < in->entry_count; i++)
		total += in->entries[i].record.len;
	for (unsigned i = 0; i < count; i++) {
		struct part *p = &a->parts[i];

		p->of = a;
		p->ctx = i ? in->more_ctxs[i - 1] : in->analyse_ctx;
		p->from = n;
		for (; n < in->entry_count && (i + 1 == count || at < total / count * (i + 1)); n++)
			at += in->entries[n].record.len;
		p->to = n;
	}
	a->count = count;
}

/* Runs the parts, the first in this thread, and with it those that no thread can be had for. Returns what went wrong in the first where
 * something did. */
static int parts_run(struct analysis *a, struct err *err)
{
	unsigned started = 1;
	int r = 0;

	while (started < a->count &&
		!pthread_create(&a->parts[started].thread, NULL, part_run, &a->parts[started]))
		started++;
	part_run(&a->parts[0]);
	for (unsigned i = started; i < a->count; i++)
		part_run(&a->parts[i]);
	for (unsigned i = 1; i < started; i++)
		pthread_join(a->parts[i].thread, NULL);
	for (unsigned i = 0; r == 0 && i < a->count; i++) {
		r = a->parts[i].code;
		if (r < 0 && err)
			*err = a->parts[i].err;
	}
	return r;
}

int analysis_new(struct analysis **out, const struct segment_input *in, char *lengths, analysed_fn *analysed,
	void *analysed_ctx, struct err *err)
{
	OWNED(analysis) struct analysis *a = calloc(1, sizeof(*a));
	int r;

	*out = NULL;
	if (!a)
		return err_set(err, -ENOMEM, "out of memory for postings");
	a->in = in;
	a->lengths = lengths;
	a->analysed = analysed;
	a->analysed_ctx = analysed_ctx;
	parts_plan(a);
	r = parts_run(a, err);
	if (r == 0)
		*out = steal(&a);
	return r;
}

void analysis_free(struct analysis *a)
{
	if (!a)
		return;
	for (unsigned i = 0; i < a->count; i++)
		invert_free(a->parts[i].invert);
	free(a);
}

void analysis_count(const struct analysis *a, struct segment_info *info)
{
	for (unsigned i = 0; i < a->count; i++) {
		info->live += a->parts[i].states[ENTRY_LIVE];
		info->hidden += a->parts[i].states[ENTRY_HIDDEN];
		info->deleted += a->parts[i].states[ENTRY_DELETED];
		info->attributes += a->parts[i].states[ENTRY_ATTRIBUTE];
		info->total_length += a->parts[i].length;
	}
}

void analysis_terms(const struct analysis *a, struct term_merge *to)
{
	for (unsigned i = 0; i < a->count; i++)
		term_merge_add(to, a->parts[i].invert);
}
