/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a bucket: who we are, where it is, and which signature it takes. */
#include <stdio.h>

#include "s3_private.h"
#include "timefmt.h"

#define RENEW_MIN (60 * TIME_SECOND)

static int dup_text(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

int s3_open(struct s3 **out, const char *url, const struct config *cfg, struct err *err)
{
	struct s3 *s = calloc(1, sizeof(*s));
	struct s3_place place;
	int r;

	*out = NULL;
	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	s->signature = cfg->s3_signature;
	s->style = cfg->s3_style;
	s->timeout = cfg->s3_timeout;
	s->exclusive = -1;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->looked, NULL);
	r = dup_text(&s->url, url) | dup_text(&s->endpoint, cfg->s3_endpoint) |
	    dup_text(&s->region, cfg->s3_region) | dup_text(&s->profile, cfg->s3_profile);
	if (r < 0)
		r = err_set(err, -ENOMEM, "out of memory");
	else
		r = s3_place_parse(&place, url, s->endpoint, "us-east-1", s->style, err);
	if (r < 0) {
		s3_free(s);
		return r;
	}
	s->prefix = steal(&place.prefix);
	s3_place_release(&place);
	*out = s;
	return 0;
}

void s3_free(struct s3 *s)
{
	if (!s)
		return;
	s3_session_drop(s->session);
	s3_profile_release(&s->found);
	pthread_cond_destroy(&s->looked);
	pthread_mutex_destroy(&s->lock);
	free(s->url);
	free(s->endpoint);
	free(s->region);
	free(s->profile);
	free(s->prefix);
	free(s);
}

const char *s3_prefix(const struct s3 *s)
{
	return s->prefix;
}

/* ---- sessions ---- */

void s3_session_drop(struct s3_session *session)
{
	if (!session || --session->refs)
		return;
	if (session->writer != session->reader)
		s3_wire_free(session->writer);
	s3_wire_free(session->reader);
	s3_place_release(&session->place);
	s3_profile_release(&session->profile);
	free(session);
}

static int set_text(char **to, const char *from)
{
	free(*to);
	return dup_text(to, from);
}

/* Those that renewing has found, or what there is. */
static int take_profile(struct s3 *s, struct s3_session *n, struct err *err)
{
	if (!s->found.access_key)
		return s3_profile_find(&n->profile, s->profile, err);
	n->profile = s->found;
	n->renewed = time_monotonic();
	s->found = (struct s3_profile){0};
	return 0;
}

/* Credentials and place, and no wire yet. */
static int session_new(struct s3 *s, struct s3_session **out, struct err *err)
{
	struct s3_session *n = calloc(1, sizeof(*n));
	int r;

	*out = NULL;
	if (!n)
		return err_set(err, -ENOMEM, "out of memory");
	n->refs = 1;
	r = take_profile(s, n, err);
	if (r == 0 && s->region)
		r = set_text(&n->profile.region, s->region);
	if (r == 0 && !n->profile.region)
		r = set_text(&n->profile.region, "us-east-1");
	if (r == 0)
		r = s3_place_parse(&n->place, s->url, s->endpoint ? s->endpoint : n->profile.endpoint,
			n->profile.region, s->style, err);
	if (r < 0) {
		s3_session_drop(n);
		return r == -ENOMEM ? err_set(err, r, "out of memory") : r;
	}
	*out = n;
	return 0;
}

static void probe_attempt(struct s3_wire *wire, const struct s3_call *call, void *ctx, struct s3_answer *a)
{
	struct s3_list list = {.prefix = wire->place->prefix, .max = 1};
	struct s3_page page = {0};

	(void)ctx;
	wire->ops->list(wire, call, &list, &page, a);
	s3_page_release(&page);
}

static int ask(const struct s3 *s, struct s3_wire *wire, struct s3_answer *a, struct err *err)
{
	const struct s3_session session = {.reader = wire, .writer = wire};
	struct s3_try t = {.what = "LIST", .attempt = probe_attempt};
	unsigned attempts = s3_try_with(&session, &t, s->timeout, 0, a);

	return s3_failure(&t, a, attempts, err);
}

/* Only long-lived credentials can be told to libs3, which believes whoever answers by TLS; and Amazon takes no V2. */
static bool may_be_v2(const struct s3_session *session)
{
	return !session->place.amazon && !session->place.https && !session->profile.session_token;
}

/* Has a wire made and asks by it. What it is kept in is NULL after a failure. */
typedef int s3_wire_fn(struct s3_wire **out, const struct s3_place *place, const struct s3_profile *profile,
	struct err *err);

static int try_wire(const struct s3 *s, struct s3_session *session, s3_wire_fn *make, struct s3_wire **out,
	struct s3_answer *a, struct err *err)
{
	int r = make(out, &session->place, &session->profile, err);

	if (r < 0)
		return r;
	r = ask(s, *out, a, err);
	if (r < 0) {
		s3_wire_free(*out);
		*out = NULL;
	}
	return r;
}

static int try_v4(const struct s3 *s, struct s3_session *session, struct s3_wire **out, struct s3_answer *a,
	struct err *err)
{
	int r = try_wire(s, session, s3_wire_v4, out, a, err);

	if (r == 0 || a->outcome != S3_ELSEWHERE)
		return r;
	/* The bucket lies in another region than was thought, and says in which. */
	if (set_text(&session->profile.region, a->region) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	s3_place_release(&session->place);
	r = s3_place_parse(&session->place, s->url, NULL, a->region, s->style, err);
	return r < 0 ? r : try_wire(s, session, s3_wire_v4, out, a, err);
}

/* One of both is enough; but that V4 is not taken has to be said: without it nothing can be put on a condition. */
static int try_both(const struct s3 *s, struct s3_session *n, struct err *err)
{
	struct s3_wire *v2 = NULL, *v4 = NULL;
	struct s3_answer a = {0};
	int r = may_be_v2(n) ? try_wire(s, n, s3_wire_v2, &v2, &a, NULL) : -ENOTSUP;

	a = (struct s3_answer){0};
	r = try_v4(s, n, &v4, &a, err);
	n->reader = v2 ? v2 : v4;
	n->writer = v4 ? v4 : v2;
	return v2 && (a.outcome == S3_REFUSED || a.outcome == S3_DENIED) ? 0 : r;
}

static int try_v2_only(const struct s3 *s, struct s3_session *n, struct err *err)
{
	struct s3_answer a = {0};
	int r;

	if (n->profile.session_token)
		return err_set(err, -EACCES, "libs3 cannot send a session token: set signature = v4 in [s3]");
	if (n->place.https)
		return err_set(err, -EACCES,
			"libs3 does not check by TLS who answers: set signature = v4 in [s3], or an endpoint with http://");
	r = try_wire(s, n, s3_wire_v2, &n->reader, &a, err);
	n->writer = n->reader;
	return r;
}

static int session_open(struct s3 *s, struct s3_session **out, struct err *err)
{
	struct s3_answer a = {0};
	struct s3_session *n;
	int r = session_new(s, &n, err);

	*out = NULL;
	if (r < 0)
		return r;
	if (s->signature == SIGNATURE_V2) {
		r = try_v2_only(s, n, err);
	} else if (s->signature == SIGNATURE_AUTO) {
		r = try_both(s, n, err);
	} else {
		r = try_v4(s, n, &n->reader, &a, err);
		n->writer = n->reader;
	}
	if (r < 0) {
		s3_session_drop(n);
		return r;
	}
	*out = n;
	return 0;
}

int s3_session_take(struct s3 *s, struct s3_session **out, struct err *err)
{
	int r = 0;

	pthread_mutex_lock(&s->lock);
	if (!s->session)
		r = session_open(s, &s->session, err);
	*out = s->session;
	if (r == 0)
		(*out)->refs++;
	pthread_mutex_unlock(&s->lock);
	return r;
}

int s3_probe(struct s3 *s, struct err *err)
{
	struct s3_session *session;
	int r = s3_session_take(s, &session, err);

	s3_session_drop(session);
	return r;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* What is refused to new ones, too, is not theirs to have; and a program that has no others is not asked for each object. */
static bool is_too_soon(const struct s3 *s, const struct s3_session *refused)
{
	int64_t now = time_monotonic();

	return (refused->renewed && now - refused->renewed < RENEW_MIN) ||
	       (s->no_others && now - s->no_others < RENEW_MIN);
}

/* It may take as long as a program takes. */
static bool find_others(struct s3 *s, const struct s3_profile *refused, struct s3_profile *now)
{
	bool others;

	pthread_mutex_unlock(&s->lock);
	others = s3_profile_find(now, s->profile, NULL) == 0 &&
		 !(same_text(now->access_key, refused->access_key) &&
			 same_text(now->secret_key, refused->secret_key) &&
			 same_text(now->session_token, refused->session_token));
	pthread_mutex_lock(&s->lock);
	return others;
}

static void renew(struct s3 *s, const struct s3_session *refused)
{
	struct s3_profile now;
	bool others;

	s->looking = true;
	others = find_others(s, &refused->profile, &now);
	s->looking = false;
	s->no_others = !others && now.of_program ? time_monotonic() : 0;
	if (others && s->session == refused) {
		s3_session_drop(s->session);
		s->session = NULL;
		s3_profile_release(&s->found);
		s->found = now;
	} else {
		s3_profile_release(&now);
	}
	pthread_cond_broadcast(&s->looked);
}

bool s3_session_renew(struct s3 *s, const struct s3_session *refused)
{
	bool again;

	pthread_mutex_lock(&s->lock);
	while (s->session == refused && s->looking)
		pthread_cond_wait(&s->looked, &s->lock);
	if (s->session == refused && !is_too_soon(s, refused))
		renew(s, refused);
	again = s->session != refused;
	pthread_mutex_unlock(&s->lock);
	return again;
}
