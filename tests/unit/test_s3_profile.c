/* SPDX-License-Identifier: Apache-2.0 */
#include "s3_profile.h"

#include "s3_place.h"
#include "s3_process.h"
#include "scratch.h"
#include "tap.h"

static struct scratch home;

static void clear(void)
{
	static const char *const names[] = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
		"AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL",
		"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	setenv("HOME", home.path, 1);
}

static void write_text(const char *name, const char *text)
{
	OWNED_BUF path = {0};
	FILE *f;

	buf_addf(&path, "%s/.aws", home.path);
	mkdir(buf_cstr(&path), 0700);
	buf_addf(&path, "/%s", name);
	f = fopen(buf_cstr(&path), "w");
	if (!f || fputs(text, f) < 0 || fclose(f))
		abort();
}

static void check_profile(const char *profile, const char *key, const char *secret, const char *token,
	const char *region, const char *endpoint)
{
	struct err err = ERR_INIT;
	struct s3_profile p;

	check_int(s3_profile_find(&p, profile, &err), 0);
	check_str(p.access_key ? p.access_key : "", key);
	check_str(p.secret_key ? p.secret_key : "", secret);
	check_str(p.session_token ? p.session_token : "", token);
	check_str(p.region ? p.region : "", region);
	check_str(p.endpoint ? p.endpoint : "", endpoint);
	s3_profile_release(&p);
}

static void the_environment_comes_first(void)
{
	clear();
	write_text("credentials",
		"[default]\naws_access_key_id = F\naws_secret_access_key = fs\naws_session_token = ft\n");
	check_profile(NULL, "F", "fs", "ft", "", "");
	setenv("AWS_ACCESS_KEY_ID", "E", 1);
	check_profile(NULL, "F", "fs", "ft", "", ""); /* half of a pair is none */
	setenv("AWS_SECRET_ACCESS_KEY", "es", 1);
	setenv("AWS_DEFAULT_REGION", "eu-west-1", 1);
	setenv("AWS_ENDPOINT_URL", "http://a", 1);
	check_profile(NULL, "E", "es", "", "eu-west-1", "http://a"); /* and no token of another user */
	setenv("AWS_SESSION_TOKEN", "et", 1);
	setenv("AWS_REGION", "eu-west-2", 1);
	setenv("AWS_ENDPOINT_URL_S3", "http://b", 1);
	check_profile(NULL, "E", "es", "et", "eu-west-2", "http://b");
	check_profile("default", "F", "fs", "ft", "eu-west-2",
		"http://b"); /* a profile that is asked for goes before it */
}

static void profiles_are_read_from_both_files(void)
{
	char text[4096], token[2001];

	clear();
	memset(token, 't', 2000);
	token[2000] = '\0';
	snprintf(text, sizeof(text),
		"# a comment\r\n[other]\r\naws_access_key_id=O\r\naws_secret_access_key = o+/=s \r\naws_session_token = %s\r\n\r\n"
		"[work]\r\naws_access_key_id = W\r\naws_secret_access_key = ws",
		token);
	write_text("credentials", text);
	write_text("config",
		"[default]\nregion = us-east-2\n[profile work]\nregion = eu-central-1\ns3 =\n  endpoint_url = http://nested\n"
		"  region = nested\nendpoint_url = http://work\n[profile other]\nregion = x\n");
	check_profile("work", "W", "ws", "", "eu-central-1", "http://work");
	check_profile("other", "O", "o+/=s", token, "x", "");
	setenv("AWS_PROFILE", "work", 1);
	check_profile(NULL, "W", "ws", "", "eu-central-1", "http://work");
}

/* A token that an older login left in the other file is of another key. */
static void credentials_are_of_one_file(void)
{
	clear();
	write_text("credentials",
		"[default]\naws_access_key_id = A\naws_secret_access_key = as\n[half]\naws_access_key_id = H\n");
	write_text("config",
		"[default]\naws_session_token = stale\nregion = us-east-2\n"
		"[profile half]\naws_access_key_id = C\naws_secret_access_key = cs\naws_session_token = ct\n");
	check_profile(NULL, "A", "as", "", "us-east-2", "");
	check_profile("half", "C", "cs", "ct", "", "");
}

static void a_heading_may_have_a_comment_behind_it(void)
{
	clear();
	write_text("credentials",
		"[default] # mine\naws_access_key_id = A\naws_secret_access_key = as\n[next\n");
	write_text("config", "");
	check_profile(NULL, "A", "as", "", "", "");
}

static void files_may_lie_elsewhere(void)
{
	OWNED_BUF path = {0};

	clear();
	write_text("credentials", "");
	write_text("config", "");
	write_text("mine", "[default]\naws_access_key_id = M\naws_secret_access_key = ms\n");
	buf_addf(&path, "%s/.aws/mine", home.path);
	setenv("AWS_SHARED_CREDENTIALS_FILE", buf_cstr(&path), 1);
	check_profile(NULL, "M", "ms", "", "", "");
}

static void no_credentials_say_how_to_give_them(void)
{
	struct err err = ERR_INIT;
	struct s3_profile p;

	clear();
	write_text("credentials",
		"[other]\naws_access_key_id = K-SECRET\naws_secret_access_key = S-SECRET\n[half]\naws_access_key_id = K-SECRET\n");
	write_text("config", "");
	check_int(s3_profile_find(&p, NULL, &err), -EACCES);
	check_contains(err.message, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
	check_contains(err.message, "[default]");
	check_int(s3_profile_find(&p, "half", &err), -EACCES);
	check(!strstr(err.message, "K-SECRET") && !strstr(err.message, "S-SECRET"));
	check(!p.access_key && !p.secret_key);
}

#define SAYS(json) "printf '%s' '" json "'"

static void a_program_knows_them_where_no_file_does(void)
{
	clear();
	write_text("credentials",
		"[static]\naws_access_key_id = K\naws_secret_access_key = s\n[half]\naws_access_key_id = H\n");
	write_text("config",
		"[default]\nregion = eu-west-1\ncredential_process = " SAYS("{\"Version\": 1, \"AccessKeyId\": \"P\", \"SecretAccessKey\": \"p\\/s\", \"SessionToken\": \"pt\", \"Expiration\": \"2026-01-01T00:00:00Z\"}") "\n[profile static]\ncredential_process = false\n[profile half]\ncredential_process = " SAYS(
			"{\"Version\":1,\"AccessKeyId\":\"P\",\"SecretAccessKey\":\"ps\"}") "\n");
	check_profile(NULL, "P", "p/s", "pt", "eu-west-1", "");
	check_profile("static", "K", "s", "", "", "");
	check_profile("half", "P", "ps", "", "", ""); /* and nothing of the half */
	setenv("AWS_ACCESS_KEY_ID", "E", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "es", 1);
	check_profile(NULL, "E", "es", "", "eu-west-1", "");
}

/* Libraries open connections without O_CLOEXEC. */
static void a_program_has_none_of_our_descriptors(void)
{
	struct s3_profile p = {0};
	struct err err = ERR_INIT;
	int fd = dup(STDERR_FILENO);

	check(fd > STDERR_FILENO && fd < 10);
	check_int(s3_process_run(&p,
			  "for fd in 3 4 5 6 7 8 9; do test ! -e /proc/$$/fd/$fd || exit 9; done; " SAYS(
				  "{\"Version\":1,\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\"}"),
			  30 * TIME_SECOND, &err),
		0);
	check_str(err.message, "");
	s3_profile_release(&p);
	close(fd);
}

static void check_program(const char *command, const char *why)
{
	struct s3_profile p = {0};
	struct err err = ERR_INIT;

	check_int(s3_process_run(&p, command, 30 * TIME_SECOND, &err), -EACCES);
	check_contains(err.message, why);
	check(!strstr(err.message, "S-SECRET"));
	s3_profile_release(&p);
}

static void a_program_that_does_not_say_them_is_refused(void)
{
	struct s3_profile p = {0};
	struct err err = ERR_INIT;
	int64_t began = time_monotonic();

	check_program("exit 7", "exit status 7");
	check_program("kill -9 $$", "signal 9");
	check_program(SAYS("{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"S-SECRET\"}"), "Version 1");
	check_program(
		SAYS("{\"Version\":2,\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"S-SECRET\"}"), "Version 1");
	check_program(SAYS("{\"Version\":1,\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"S-SECRET\"} and more"),
		"one JSON object");
	check_program(SAYS("{\"Version\":1,\"AccessKeyId\":\"\",\"SecretAccessKey\":\"S-SECRET\"}"),
		"AccessKeyId and");
	check_program(SAYS("{\"Version\":1,\"AccessKeyId\":\"a\",\"SecretAccessKey\":[\"S-SECRET\"]}"),
		"AccessKeyId and");
	check_program(SAYS("[\"S-SECRET\"]"), "Version 1");
	check_program("true", "Version 1");
	check_program("yes S-SECRET", "more than 65536 bytes");
	/* Nothing of it is left behind, and nobody waits for what it started. */
	check_int(s3_process_run(&p, "sleep 1000 & sleep 1000", TIME_SECOND / 10, &err), -EACCES);
	check_contains(err.message, "in time");
	check_int(s3_process_run(&p, "exec >&-; exec sleep 1000", TIME_SECOND / 10, &err), -EACCES);
	check(time_monotonic() - began < 500 * TIME_SECOND);
}

static void bytes_that_would_not_stay_in_a_header_are_refused(void)
{
	struct err err = ERR_INIT;
	struct s3_profile p;

	clear();
	setenv("AWS_ACCESS_KEY_ID", "E", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "es", 1);
	setenv("AWS_SESSION_TOKEN", "t\r\nX-Evil: 1", 1);
	check_int(s3_profile_find(&p, NULL, &err), -EACCES);
	check_contains(err.message, "characters");
	check(!strstr(err.message, "Evil") && !p.access_key);
}

static void check_place(const char *url, const char *endpoint, enum s3_style style, const char *host,
	const char *prefix, bool https, bool path_style)
{
	struct err err = ERR_INIT;
	struct s3_place p;

	check_int(s3_place_parse(&p, url, endpoint, "eu-west-1", style, &err), 0);
	check_str(p.host, host);
	check_str(p.prefix, prefix);
	check(p.https == https);
	check(p.path_style == path_style);
	s3_place_release(&p);
}

static void places_are_read(void)
{
	check_place("s3://bucket", NULL, STYLE_AUTO, "s3.eu-west-1.amazonaws.com", "", true, false);
	check_place("s3://bucket.with.dots/a/b/", NULL, STYLE_AUTO, "s3.eu-west-1.amazonaws.com", "a/b/",
		true, true);
	check_place("s3://bucket/a=b c", "http://127.0.0.1:9000", STYLE_AUTO, "127.0.0.1:9000", "a=b c/",
		false, true);
	check_place("s3://bucket/", "https://[::1]:9000/", STYLE_VIRTUAL, "[::1]:9000", "", true, false);
}

static void wrong_places_are_refused(void)
{
	static const struct {
		const char *url, *endpoint, *why;
	} cases[] = {
		{"s3://", NULL, "no name of a bucket"},
		{"s3://ab", NULL, "no name of a bucket"},
		{"s3://-abc", NULL, "no name of a bucket"},
		{"s3://a@b:c/x", NULL, "credentials are no part"},
		{"s3://a:b/x", NULL, "no name of a bucket"},
		{"s3://bucket//x", NULL, "a component"},
		{"s3://bucket/a/../b", NULL, "a component"},
		{"s3://bucket", "127.0.0.1:9000", "http://"},
		{"s3://bucket", "http://", "nothing else"},
		{"s3://bucket", "http://user:SECRET@host", "nothing else"},
		{"s3://bucket", "http://host/path", "nothing else"},
		{"s3://bucket", "http://host?x", "nothing else"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_INIT;
		struct s3_place p;

		check_int(s3_place_parse(&p, cases[i].url, cases[i].endpoint, "us-east-1", STYLE_AUTO, &err),
			-EINVAL);
		check_contains(err.message, cases[i].why);
		check(!strstr(err.message, "SECRET"));
	}
}

int main(void)
{
	home = scratch_make();
	RUN(the_environment_comes_first);
	RUN(profiles_are_read_from_both_files);
	RUN(credentials_are_of_one_file);
	RUN(a_heading_may_have_a_comment_behind_it);
	RUN(files_may_lie_elsewhere);
	RUN(no_credentials_say_how_to_give_them);
	RUN(a_program_knows_them_where_no_file_does);
	RUN(a_program_has_none_of_our_descriptors);
	RUN(a_program_that_does_not_say_them_is_refused);
	RUN(bytes_that_would_not_stay_in_a_header_are_refused);
	RUN(places_are_read);
	RUN(wrong_places_are_refused);
	scratch_remove(&home);
	return tap_done();
}
