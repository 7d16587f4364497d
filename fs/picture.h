/* SPDX-License-Identifier: Apache-2.0 */
/* fs/picture.h - how things stand, as people look at it: what is wrong now, a timeline of slices, how long
 * partitions waited and were built, where records were refused.
 *
 * A pure function of a snapshot and the clock, made once for those that draw it (status_html.c, status_term.c).
 * Everything in it is bounded, however many partitions there are; `partitions.tsv` has them all. */
#ifndef FRESHET_PICTURE_H
#define FRESHET_PICTURE_H

#include "status.h"

#define PICTURE_SLICES 288 /* drawn: the newest; a day of five minutes */
#define PICTURE_TRAIL 12   /* of these, late ones behind the newest partition */
#define PICTURE_BARS 72    /* of the freshness: six hours of five minutes */
#define PICTURE_LIST 12    /* partitions with refused records, segments: the newest */
#define PICTURE_LINES 16
#define PICTURE_TEXT_MAX 240  /* bytes of a path, a reason or an error: from outside, and of any length */
#define PICTURE_REASON_MAX 60 /* of a reason in a story */
/* Partitions that are looked at, from the newest on, so that a lookup costs the same after years. */
#define PICTURE_ROWS 16384

/* The mark of a slice is the state of its partition (of several the worst), or one of these two. */
#define MARK_LATE PART_STATES       /* nothing has arrived, though it is time */
#define MARK_NONE (PART_STATES + 1) /* nothing, and nothing is to come: outside the window, under the base */
#define MARKS (PART_STATES + 1)     /* those that have a name */
const char *mark_name(unsigned mark);

struct picture_slice {
	int64_t ts;
	unsigned mark;
	const struct row *row; /* NULL: no partition */
};

/* What the slowest partition of a span of time took. */
struct picture_bar {
	int64_t ts;
	int64_t waiting; /* from the end of its slice, or when its files arrived, to the tick that found it complete and began to build */
	int64_t building;  /* from there to its publish */
	size_t partitions; /* that were published; 0: none, and no times */
};

enum picture_grade { GRADE_NOTE, GRADE_WARN, GRADE_BAD };
struct picture_line {
	enum picture_grade grade;
	size_t at, len; /* in `text` */
};

struct picture {
	const struct status *status;     /* borrowed, as what is below */
	const struct manifest *manifest; /* NULL: nothing is published */
	int64_t now;
	struct picture_slice slices[PICTURE_SLICES]; /* by time */
	size_t slice_count;
	size_t holes;                          /* late slices with something in a later one */
	uint64_t behind;                       /* late slices behind the newest partition */
	size_t trail;                          /* of these drawn: the last slices */
	size_t older, ahead;                   /* partitions before the first slice, and of the future */
	struct picture_bar bars[PICTURE_BARS]; /* by time, the last with the newest publish */
	size_t bar_count;
	int64_t bar_span;
	int64_t waiting, building;                /* medians of the bars */
	const struct picture_bar *slowest;        /* NULL: nothing was published */
	int64_t scale;                            /* a round duration that most bars stay below */
	const struct row *rejects[PICTURE_LIST];  /* newest first */
	size_t reject_count, reject_partitions;   /* listed, and found */
	struct picture_line lines[PICTURE_LINES]; /* what to know now, worst first; none: nothing is wrong */
	size_t line_count;
	struct buf text; /* owned */
};

/* Fills `out`; picture_release() afterwards. `rows` are all rows by timestamp, `g` may be NULL. Returns 0 or -ENOMEM. */
int picture_gather(struct picture *out, const struct status *status, const struct generation *g,
	const struct row *rows, size_t row_count, int64_t now);
void picture_release(struct picture *p);
static inline void picture_releasep(struct picture *p)
{
	picture_release(p);
}
static inline struct slice picture_line_text(const struct picture *p, size_t i)
{
	return slice_of(p->text.data + p->lines[i].at, p->lines[i].len);
}

/* What became of a slice, in a few words: "published, waited 1.2s, built 0.3s". */
void picture_add_story(const struct picture_slice *s, int64_t cadence, struct buf *out);

#endif
