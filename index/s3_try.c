/* SPDX-License-Identifier: Apache-2.0 */
/* index/s3_try.c - trying a call again, and what came of it. */
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "s3_private.h"
#include "timefmt.h"

#define PAUSE_MIN (50 * (TIME_SECOND / 1000))
#define PAUSE_MAX (5 * TIME_SECOND)
#define NAP (20 * (TIME_SECOND / 1000))
#define TIMEOUT_MIN (TIME_SECOND / 1000) /* none, or less than what is counted in, would be without end */

static bool is_stopped(const atomic_bool *stop)
{
	return stop && atomic_load(stop);
}

/* Between half and all of a pause that doubles, so that many who failed at once do not come back at once. */
static int64_t pause_after(unsigned attempt)
{
	int64_t most = PAUSE_MIN << (attempt < 8 ? attempt : 8);
	uint64_t random = 0;

	if (most > PAUSE_MAX)
		most = PAUSE_MAX;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = (uint64_t)time_monotonic();
	return most / 2 + (int64_t)(random % (uint64_t)(most / 2));
}

static void nap(int64_t until, const atomic_bool *stop)
{
	for (int64_t left; !is_stopped(stop) && (left = until - time_monotonic()) > 0;) {
		struct timespec ts = {.tv_nsec = left < NAP ? left : NAP};

		nanosleep(&ts, NULL);
	}
}

static bool is_worth_another(enum s3_outcome o)
{
	return o == S3_AGAIN || o == S3_SKEWED;
}

static struct s3_wire *wire_for(const struct s3_session *session, const struct s3_try *t)
{
	bool cannot = session->reader->no_blanks && t->key && strchr(t->key, ' ');

	return t->writes || cannot ? session->writer : session->reader;
}

unsigned s3_try_with(const struct s3_session *session, const struct s3_try *t, int64_t timeout, unsigned n,
	struct s3_answer *a)
{
	struct s3_call call = {.key = t->key, .stop = t->stop};
	struct s3_wire *wire = wire_for(session, t);
	int64_t deadline = time_add(time_monotonic(), timeout), next;

	for (;;) {
		call.timeout = deadline - time_monotonic();
		if (call.timeout < TIMEOUT_MIN)
			call.timeout = TIMEOUT_MIN;
		t->attempt(wire, &call, t->ctx, a);
		n++;
		/* libs3 goes by this host's clock, which may have been set meanwhile: the writer finds out. */
		if ((a->outcome == S3_DENIED || a->outcome == S3_SKEWED) && wire != session->writer &&
			n < S3_ATTEMPTS) {
			wire = session->writer;
			continue;
		}
		next = time_add(time_monotonic(), pause_after(n));
		if (!is_worth_another(a->outcome) || n == S3_ATTEMPTS || next >= deadline ||
			is_stopped(t->stop))
			return n;
		nap(next, t->stop);
	}
}

/* "503 SlowDown: Please reduce your request rate", or what is known of that. */
static void describe(const struct s3_answer *a, char out[512])
{
	if (a->status)
		snprintf(out, 512, "%d%s%s%s%s", a->status, *a->code ? " " : "", a->code,
			*a->text ? ": " : "", a->text);
	else
		snprintf(out, 512, "%s", *a->text ? a->text : "no answer");
}

int s3_failure(const struct s3_try *t, const struct s3_answer *a, unsigned attempts, struct err *err)
{
	char said[512], times[48] = "";

	describe(a, said);
	if (attempts > 1)
		snprintf(times, sizeof(times), " (after %u attempts)", attempts);
	switch (a->outcome) {
	case S3_DONE:
		return 0;
	case S3_MISSING:
		return err_set(err, -ENOENT, t->key ? "there is no such object" : "there is no such bucket");
	case S3_DENIED:
		return err_set(err, -EACCES,
			"%s was refused: %s%s; check the credentials (AWS_ACCESS_KEY_ID …, or the profile) and what they allow",
			t->what, said, times);
	case S3_CHANGED:
		return t->writes ? err_set(err, -EEXIST, "there is an object already")
				 : err_set(err, -ESTALE, "another version of the object is there now");
	case S3_STOPPED:
		return err_set(err, -ECANCELED, "%s was stopped", t->what);
	default:
		return err_set(err, -EIO, "%s failed: %s%s", t->what, said, times);
	}
}
