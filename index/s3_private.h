/* SPDX-License-Identifier: Apache-2.0 */
/* index/s3_private.h - what s3.c, s3_probe.c, s3_put.c, s3_sweep.c and s3_try.c share. */
#ifndef FRESHET_S3_PRIVATE_H
#define FRESHET_S3_PRIVATE_H

#include <pthread.h>

#include "s3.h"

/* Credentials and the way to sign with them. Others take its place when they run out; whoever uses one holds a reference. */
struct s3_session {
	struct s3_profile profile;
	struct s3_place place;
	int64_t renewed;        /* when others were refused, and these found (monotonic); 0: not so */
	struct s3_wire *reader; /* of objects */
	/* and lister: V4 where it is taken, since it can do more; may be the reader */
	struct s3_wire *writer;
	_Atomic unsigned refs;
};
struct s3 {
	char *url, *endpoint, *region, *profile; /* owned; all but the url may be NULL */
	char *prefix;                            /* owned */
	enum s3_signature signature;
	enum s3_style style;
	int64_t timeout;
	pthread_mutex_t lock;       /* protects what is below; held over a probe */
	struct s3_session *session; /* NULL: not known yet */
	struct s3_profile found;    /* for the next session; none: it is to look for itself */
	bool looking;               /* somebody looks for others, without the lock */
	pthread_cond_t looked;      /* and is done */
	int64_t no_others;          /* when a program last had none (monotonic); 0: not so */
	int exclusive;              /* -1: not known yet */
};

/* A session with a reference for the caller; probes where there is none. Returns 0 or -errno. */
int s3_session_take(struct s3 *s, struct s3_session **out, struct err *err);
void s3_session_drop(struct s3_session *session); /* NULL is fine */
/* Credentials were refused: forgets the session if others are to be found now. A program is asked once a minute. Returns whether to try again. */
bool s3_session_renew(struct s3 *s, const struct s3_session *refused);

/* One attempt. `wire` is the session's reader, or its writer. */
typedef void s3_attempt_fn(struct s3_wire *wire, const struct s3_call *call, void *ctx, struct s3_answer *a);
struct s3_try {
	const char *what; /* for messages: "GET" */
	const char *key;  /* NULL: the bucket */
	bool writes;      /* or lists */
	s3_attempt_fn *attempt;
	void *ctx;
	const atomic_bool *stop; /* NULL: nobody may stop it */
};
/* Tries within a session, after `attempts` already, until there is an answer that is no reason to try again. Returns how many there were. */
unsigned s3_try_with(const struct s3_session *session, const struct s3_try *t, int64_t timeout,
	unsigned attempts, struct s3_answer *a);
/* The same with the current session. Returns 0 or -errno; *attempts (or NULL) as above. */
int s3_try(struct s3 *s, const struct s3_try *t, struct s3_answer *a, unsigned *attempts, struct err *err);
/* May objects be put in parts? The writer is the same for as long as there is a session. */
bool s3_has_parts(struct s3 *s);
/* What the last answer is as an error; 0 for S3_DONE. */
int s3_failure(const struct s3_try *t, const struct s3_answer *a, unsigned attempts, struct err *err);

#endif
