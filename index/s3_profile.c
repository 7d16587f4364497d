/* SPDX-License-Identifier: Apache-2.0 */
/* The files are read here and not by inih, whose lines are too short for session tokens. */
#include "s3_profile.h"

#include <openssl/crypto.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "s3_process.h"
#include "state.h"

#define FILE_BYTES_MAX (1u << 20)

static const char *env(const char *name)
{
	const char *v = getenv(name);

	return v && *v ? v : NULL;
}

static void wipe(char **secret)
{
	if (*secret)
		OPENSSL_cleanse(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

void s3_profile_release(struct s3_profile *p)
{
	wipe(&p->access_key);
	wipe(&p->secret_key);
	wipe(&p->session_token);
	free(p->region);
	free(p->endpoint);
	*p = (struct s3_profile){0};
}

static struct slice trim(struct slice s)
{
	while (s.len && strchr(" \t\r", s.data[0]))
		s = slice_of(s.data + 1, s.len - 1);
	while (s.len && strchr(" \t\r", s.data[s.len - 1]))
		s.len--;
	return s;
}

/* "[default]", "[NAME]", and in the configuration file "[profile NAME]"; what comes behind it says nothing. */
static bool heads(struct slice line, const char *profile)
{
	const char *end = memrchr(line.data, ']', line.len);
	struct slice name;

	if (!end)
		return false;
	name = trim(slice_of(line.data + 1, (size_t)(end - line.data - 1)));
	if (slice_starts(name, slice_str("profile ")) || slice_starts(name, slice_str("profile\t")))
		name = trim(slice_of(name.data + 8, name.len - 8));
	return slice_eq(name, slice_str(profile));
}

struct profile_key {
	const char *name;
	char **to; /* what is there stays */
};

static int take(const struct profile_key *keys, size_t count, struct slice line)
{
	const char *equals = memchr(line.data, '=', line.len);
	struct slice name, value;

	if (!equals)
		return 0;
	name = trim(slice_of(line.data, (size_t)(equals - line.data)));
	value = trim(slice_of(equals + 1, line.len - (size_t)(equals + 1 - line.data)));
	for (size_t i = 0; i < count; i++) {
		if (!slice_eq(name, slice_str(keys[i].name)) || *keys[i].to || !value.len)
			continue;
		*keys[i].to = strndup(value.data, value.len);
		return *keys[i].to ? 0 : -ENOMEM;
	}
	return 0;
}

/* Indented lines belong to the key above them (`s3 =`), and are none of ours. */
static int take_section(struct slice text, const char *profile, const struct profile_key *keys, size_t count)
{
	bool inside = false;
	int r = 0;

	while (r == 0 && text.len) {
		const char *nl = memchr(text.data, '\n', text.len);
		size_t len = nl ? (size_t)(nl - text.data) : text.len;
		struct slice line = slice_of(text.data, len);

		text = slice_of(text.data + len + (nl ? 1 : 0), text.len - len - (nl ? 1 : 0));
		if (!line.len || strchr("#; \t\r", line.data[0]))
			continue;
		line = trim(line);
		if (line.data[0] == '[')
			inside = heads(line, profile);
		else if (inside)
			r = take(keys, count, line);
	}
	return r;
}

static char *home_file(const char *variable, const char *name)
{
	const char *named = env(variable), *home = env("HOME");
	const struct passwd *pw = home ? NULL : getpwuid(getuid());
	char *path = NULL;

	if (named)
		return strdup(named);
	return asprintf(&path, "%s/.aws/%s", home ? home : pw ? pw->pw_dir : "", name) < 0 ? NULL : path;
}

static int read_profile(struct s3_profile *p, char **process, const char *profile, const char *variable,
	const char *name, struct err *err)
{
	OWNED_STR char *path = home_file(variable, name);
	const struct profile_key keys[] = {
		{"aws_access_key_id", &p->access_key},
		{"aws_secret_access_key", &p->secret_key},
		{"aws_session_token", &p->session_token},
		{"credential_process", process},
		{"region", &p->region},
		{"endpoint_url", &p->endpoint},
	};
	struct buf text = {0};
	int r;

	if (!path)
		return err_set(err, -ENOMEM, "out of memory");
	r = access(path, F_OK) < 0 ? -ENOENT : read_file(path, FILE_BYTES_MAX, &text, err);
	if (r == 0)
		r = take_section(buf_slice(&text), profile, keys, sizeof(keys) / sizeof(keys[0]));
	if (text.data)
		OPENSSL_cleanse(text.data, text.len);
	buf_release(&text);
	return r == -ENOENT ? 0 : r;
}

/* A copy of the first variable that is set, or NULL. */
static int take_env(char **to, const char *first, const char *second)
{
	const char *v = env(first);

	if (!v && second)
		v = env(second);
	if (!v)
		return 0;
	*to = strdup(v);
	return *to ? 0 : -ENOMEM;
}

/* Only together: a key of the environment and a secret of a file are of two users. */
static int from_environment(struct s3_profile *p)
{
	int r;

	if (!env("AWS_ACCESS_KEY_ID") || !env("AWS_SECRET_ACCESS_KEY"))
		return 0;
	r = take_env(&p->access_key, "AWS_ACCESS_KEY_ID", NULL);
	if (r == 0)
		r = take_env(&p->secret_key, "AWS_SECRET_ACCESS_KEY", NULL);
	return r < 0 ? r : take_env(&p->session_token, "AWS_SESSION_TOKEN", NULL);
}

static int from_process(struct s3_profile *said, const char *command, const char *profile, struct err *err)
{
	int r = s3_process_run(said, command, S3_PROCESS_PATIENCE, err);

	return r == -EACCES ? err_context(err, r, "credential_process of [%.64s]", profile) : r;
}

/* They become parts of headers. */
static bool is_printable(const char *s)
{
	while (s && *s > ' ' && *s <= '~')
		s++;
	return !s || !*s;
}

static int check(const struct s3_profile *p, const char *profile, struct err *err)
{
	if (!is_printable(p->access_key) || !is_printable(p->secret_key) || !is_printable(p->session_token))
		return err_set(err, -EACCES,
			"the credentials for S3 (of the environment, or [%.64s] in ~/.aws) have characters in them that those never have",
			profile);
	if (p->access_key && p->secret_key)
		return 0;
	return err_set(err, -EACCES,
		"there are no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write aws_access_key_id and "
		"aws_secret_access_key, or credential_process, under [%.64s] in ~/.aws/credentials",
		profile);
}

/* Of one place, since a key of one and a token of another are of two users. */
static void take_credentials(struct s3_profile *out, struct s3_profile *from)
{
	if (out->access_key || !from->access_key || !from->secret_key)
		return;
	out->access_key = steal(&from->access_key);
	out->secret_key = steal(&from->secret_key);
	out->session_token = steal(&from->session_token);
}

static void take_place(struct s3_profile *out, struct s3_profile *from)
{
	if (!out->region)
		out->region = steal(&from->region);
	if (!out->endpoint)
		out->endpoint = steal(&from->endpoint);
}

int s3_profile_find(struct s3_profile *out, const char *profile, struct err *err)
{
	const char *named = profile ? profile : env("AWS_PROFILE") ? env("AWS_PROFILE") : "default";
	struct s3_profile credentials = {0}, config = {0}, said = {0};
	OWNED_STR char *process = NULL;
	bool of_program = false;
	int r = 0;

	*out = (struct s3_profile){0};
	if (!profile)
		r = from_environment(out);
	if (r == 0)
		r = take_env(&out->region, "AWS_REGION", "AWS_DEFAULT_REGION");
	if (r == 0)
		r = take_env(&out->endpoint, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL");
	if (r == 0)
		r = read_profile(
			&credentials, &process, named, "AWS_SHARED_CREDENTIALS_FILE", "credentials", err);
	if (r == 0)
		r = read_profile(&config, &process, named, "AWS_CONFIG_FILE", "config", err);
	take_credentials(out, &credentials);
	take_credentials(out, &config);
	if (r == 0 && !out->access_key && process) {
		of_program = true;
		r = from_process(&said, process, named, err);
	}
	take_credentials(out, &said);
	take_place(out, &credentials);
	take_place(out, &config);
	s3_profile_release(&credentials);
	s3_profile_release(&config);
	s3_profile_release(&said);
	if (r == 0)
		r = check(out, named, err);
	if (r < 0)
		s3_profile_release(out);
	out->of_program = of_program;
	return r == -ENOMEM ? err_set(err, r, "out of memory") : r;
}
