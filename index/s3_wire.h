/* SPDX-License-Identifier: Apache-2.0 */
/* index/s3_wire.h - one attempt at one call to S3, in either of two ways: s3_wire_curl.c (libcurl, signed by ourselves) and s3_wire_v2.c (libs3).
 * What comes back is hostile: an answer is either whole and of the form that was asked for, or it is an error. */
#ifndef FRESHET_S3_WIRE_H
#define FRESHET_S3_WIRE_H

#include <stdatomic.h>

#include "arena.h"
#include "s3_place.h"
#include "s3_profile.h"
#include "store.h"

#define S3_ETAG_MAX 128
#define S3_PAGE_KEYS 1000         /* that a page of a listing may have, as S3 has it */
#define S3_ANSWER_MAX (16u << 20) /* bytes of a page */

enum s3_outcome {
	S3_DONE,
	S3_AGAIN,     /* may well work the next time: no answer, a broken one, 5xx, 429 */
	S3_SKEWED,    /* likewise, once the clock's difference is taken into account */
	S3_ELSEWHERE, /* likewise, signed for the region that was said */
	S3_MISSING,   /* no such object or bucket */
	S3_DENIED,    /* who we are is not enough, or the signature is none that it takes */
	S3_CHANGED,   /* a condition does not hold: if_match, or there is an object already */
	S3_REFUSED,   /* the request is wrong, or it cannot do that */
	S3_STOPPED,   /* by `stop` */
};
struct s3_answer {
	enum s3_outcome outcome;
	int status;      /* of HTTP; 0: none came */
	char code[64];   /* of S3's error: "SlowDown"; "" */
	char text[256];  /* why, for people; printable */
	char region[64]; /* with S3_ELSEWHERE */
	/* Of the object, where it is one: */
	uint64_t size;
	int64_t modified;       /* whole seconds, in nanoseconds */
	char etag[S3_ETAG_MAX]; /* without quotes */
	bool etag_is_opaque;    /* it is said to be no MD5 of the bytes */
};

/* What every call has. */
struct s3_call {
	const char *key;         /* whole; NULL: the bucket */
	int64_t timeout;         /* for this attempt, nanoseconds */
	const atomic_bool *stop; /* NULL: nobody may stop it */
};

/* A page of a listing. */
struct s3_entry {
	struct slice key; /* whole; of a common prefix too, which ends with '/' */
	struct store_stat st;
};
struct s3_page {
	struct arena arena;
	struct buf
		entries; /* of struct s3_entry: objects in the order in which they came, then common prefixes */
	bool truncated;
	struct slice next; /* what to go on from, NUL behind it; of this wire's kind */
};
void s3_page_release(struct s3_page *p);
struct s3_list {
	const char *prefix; /* of whole keys */
	const char *after;  /* NULL or "": from the start */
	const char *next;   /* of the page before; NULL: the first */
	bool flat;          /* all keys below; else what is deeper than the next '/' is a common prefix */
	unsigned max;       /* keys */
};
struct s3_range {
	const char *etag;      /* the version that it must be */
	uint64_t offset, size; /* size: of the whole object */
	void *to;
	size_t len; /* not 0, and within the object */
};
/* A part of a large object that is put together. V4 only. */
struct s3_part {
	const char *upload; /* its id */
	unsigned number;
	uint64_t offset; /* in the body */
	size_t len;
};
/* Uploads in parts that have neither ended nor been given up: the first of them, at most S3_PAGE_KEYS. */
struct s3_upload {
	const char *key, *id;
	int64_t begun;
};
struct s3_uploads {
	struct arena arena;
	struct buf list; /* of struct s3_upload */
};
void s3_uploads_release(struct s3_uploads *u);

struct s3_wire;
struct s3_wire_ops {
	void (*list)(struct s3_wire *w, const struct s3_call *c, const struct s3_list *l,
		struct s3_page *page, struct s3_answer *a);
	void (*head)(struct s3_wire *w, const struct s3_call *c, struct s3_answer *a);
	void (*get)(struct s3_wire *w, const struct s3_call *c, const struct s3_range *range,
		struct s3_answer *a);
	void (*put)(struct s3_wire *w, const struct s3_call *c, const struct store_body *body,
		enum store_put how, struct s3_answer *a);
	void (*remove)(struct s3_wire *w, const struct s3_call *c, struct s3_answer *a);
	/* NULL where there are no parts. The upload's id is appended. */
	void (*parts_begin)(
		struct s3_wire *w, const struct s3_call *c, struct buf *upload, struct s3_answer *a);
	/* The answer's etag is the part's. */
	void (*parts_put)(struct s3_wire *w, const struct s3_call *c, const struct store_body *body,
		const struct s3_part *part, struct s3_answer *a);
	void (*parts_end)(struct s3_wire *w, const struct s3_call *c, const char *upload,
		const struct buf *etags, enum store_put how, struct s3_answer *a);
	void (*parts_abort)(
		struct s3_wire *w, const struct s3_call *c, const char *upload, struct s3_answer *a);
	void (*parts_list)(struct s3_wire *w, const struct s3_call *c, const char *prefix,
		struct s3_uploads *found, struct s3_answer *a);
	void (*free)(struct s3_wire *w);
};
/* Safe for several threads. */
struct s3_wire {
	const struct s3_wire_ops *ops;
	const struct s3_place *place;     /* borrowed */
	const struct s3_profile *profile; /* borrowed; its region is there */
	const char *name;                 /* "V4" */
	_Atomic int64_t
		skew;   /* what is to be added to our clock for the server's, nanoseconds; by what it said */
	bool exclusive; /* it can say "only where there is nothing" */
	bool no_blanks; /* it cannot name keys with blanks in them: such calls are refused */
};
int s3_wire_v4(struct s3_wire **out, const struct s3_place *place, const struct s3_profile *profile,
	struct err *err);
/* By V2, and for listings alone. */
int s3_wire_v2_lister(struct s3_wire **out, const struct s3_place *place, const struct s3_profile *profile,
	struct err *err);
/* -ENOTSUP in a build without libs3. */
int s3_wire_v2(struct s3_wire **out, const struct s3_place *place, const struct s3_profile *profile,
	struct err *err);
static inline void s3_wire_free(struct s3_wire *w)
{
	if (w)
		w->ops->free(w);
}

/* ---- for the wires ---- */

/* What an HTTP status and S3's code for the error mean. */
enum s3_outcome s3_outcome_of(int status, const char *code);
/* Fills in an entry's times: what a listing and a look at the object itself say of one version is equal. */
void s3_stat(struct store_stat *st, uint64_t size, int64_t modified, const char *etag);
/* Takes the quotes off. Returns false where it is too long, or has control characters or such as need quoting. */
bool s3_etag_set(char out[S3_ETAG_MAX], struct slice etag);
/* Copies printable text, cut to what fits. */
void s3_text_set(char *out, size_t size, struct slice text);
/* Appends an entry. Returns 0 or -ENOMEM. */
int s3_page_add(struct s3_page *p, struct slice key, const struct store_stat *st);

#endif
