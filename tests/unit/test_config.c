/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static struct config *defaults(void)
{
	struct config *c = NULL;

	check_int(config_new(&c, NULL), 0);
	return c;
}

static struct config *read_text(const char *text)
{
	struct config *c = defaults();
	struct err err = ERR_INIT;

	if (config_parse(c, "f.ini", slice_str(text), &err) < 0)
		tap_fail("%s", err.message);
	return c;
}

static void defaults_are_as_documented(void)
{
	OWNED(config) struct config *c = defaults();

	check(!c->url && !c->id && !c->group && !c->version && !c->drop_if && !c->drop_if_text);
	check_str(c->partition, "dt=%Y-%m-%d/hour=%H/minute=%M");
	check_int(c->cadence, 5 * TIME_MINUTE);
	check_int(c->complete, COMPLETE_RATE);
	check_int(c->settle, 0);
	check_int(c->quiet, 2 * TIME_SECOND);
	check_str(c->marker, "_SUCCESS");
	check_int(c->columns, COLUMNS_ALL);
	check_int(c->window, 5 * TIME_HOUR);
	check_str(c->op, "op");
	check(c->text_is_default && c->text.count == 0 && c->keyword.count == 0);
	check_int(c->threads, 0);
	check(c->max_reject_ratio == 0.01);
	check_int(c->keep, 8);
	check_int(c->keep_for, TIME_HOUR);
	check_int(c->keep_max, 64);
	check_int(c->lock_wait, 0);
	check_int(c->stall_timeout, 10 * TIME_MINUTE);
	check_int(c->policy, POLICY_LATEST);
	check(c->overlap < 0);
	check_int(c->gap_timeout, TIME_HOUR);
	check_int(c->refresh, REFRESH_LAZY);
	check_int(c->poll, TIME_SECOND);
	check_int(c->wait, 2 * TIME_SECOND);
}

static const char every_key[] =
	"\xef\xbb\xbf# all of it\r\n"
	"[feed]\nurl = /srv/feed\npartition = %Y/%m/%d/%H%M\ncadence=7m\ncomplete : both\nsettle = 1s\n"
	"quiet = 0s\nmarker = _DONE\ncolumns = configured\n\n"
	"[lag]\npolicy = newest\nwindow = all\noverlap = 0s\ngap_timeout = 2h\n"
	"[document]\nid = ad.id\r\ngroup = item\nop = action\nversion = v\n"
	"; fields\ntext = title,\n\tbody ,\n  # not part of it\n\n    item.name\nkeyword = brand\n"
	"drop_if = status:paused OR\n    price<=0\n"
	"[build]\nthreads = 2\nmax_reject_ratio = 0.5\nkeep = 3\nkeep_for = 2h\nkeep_max = 9\nlock_wait = 10s\n"
	"[mount]\nrefresh = eager\npoll = 0s\nwait = 250ms";

static void every_key_is_read(void)
{
	OWNED(config) struct config *c = read_text(every_key);

	check_str(c->url, "/srv/feed");
	check_str(c->partition, "%Y/%m/%d/%H%M");
	check_int(c->cadence, 7 * TIME_MINUTE);
	check_int(c->complete, COMPLETE_BOTH);
	check_int(c->settle, TIME_SECOND);
	check_int(c->quiet, 0);
	check_str(c->marker, "_DONE");
	check_int(c->columns, COLUMNS_CONFIGURED);
	check(c->window == TIME_FOREVER);
	check_str(c->id, "ad.id");
	check_str(c->group, "item");
	check_str(c->op, "action");
	check_str(c->version, "v");
	check(!c->text_is_default);
	check_int(c->text.count, 3);
	check_str(c->text.items[1], "body");
	check_str(c->text.items[2], "item.name");
	check_int(c->keyword.count, 1);
	check(c->drop_if);
	check_str(c->drop_if_text, "status:paused OR price<=0");
	check_int(c->threads, 2);
	check(c->max_reject_ratio == 0.5);
	check_int(c->keep, 3);
	check_int(c->keep_for, 2 * TIME_HOUR);
	check_int(c->keep_max, 9);
	check_int(c->lock_wait, 10 * TIME_SECOND);
	check_int(c->refresh, REFRESH_EAGER);
	check_int(c->poll, 0);
	check_int(c->wait, TIME_SECOND / 4);
}

static void check_refused(const char *text, size_t len, const char *want)
{
	OWNED(config) struct config *c = defaults();
	struct err err = ERR_INIT;

	if (config_parse(c, "f.ini", slice_of(text, len), &err) != -EINVAL)
		tap_fail("taken: %.*s", (int)len, text);
	check_contains(err.message, want);
}

static void wrong_files_are_refused_with_line_and_key(void)
{
	static const struct {
		const char *text, *want;
	} cases[] = {{"[feed]\nurl = x\ncadense = 5m\n", "f.ini:3: feed.cadense: unknown key"},
		{"[fed]\n", "f.ini:1: [fed]: unknown section"}, {"\n[]\n", "f.ini:2: []: unknown section"},
		{"url = x\n", "f.ini:1: .url: unknown section"},
		{"[feed]\nmarker = a\n\nmarker = b\n", "f.ini:4: feed.marker is given twice"},
		{"[feed]\nmarker = a\n[lag]\n[feed]\nmarker = a", "f.ini:5: feed.marker is given twice"},
		{"[feed]\ncadence = 0s\n", "f.ini:2: feed.cadence: 0s: must be more than 0"},
		{"[feed]\ncadence = 5\n", "\"5\" is not a duration"},
		{"[feed]\ncadence = all\n", "not a duration"}, {"[feed]\nsettle = 99999d\n", "not within"},
		{"[feed]\ncomplete = never\n", "none of rate, marker, both"},
		{"[feed]\ncolumns = id\n", "none of all, configured"},
		{"[feed]\nmarker = a/b\n", "not the name of a file"},
		{"[feed]\nmarker = ..\n", "not the name"},
		{"[feed]\nurl =\n[lag]\n", "f.ini:2: feed.url: no value"},
		{"[lag]\nwindow = 0s\n", "more than 0"},
		{"[document]\ntext = a,,b\n", "element 2 of the list is empty"},
		{"[document]\ntext = a, b,\n", "element 3 of the list is empty"},
		{"[document]\nkeyword = a, a\n", "twice"},
		{"[document]\ndrop_if = a:1 OR\n", "column 7 (the end)"},
		{"[build]\nthreads = -1\n", "whole number"},
		{"[build]\nthreads = 1025\n", "within 0 to 1024"},
		{"[build]\nthreads = 2x\n", "whole number"},
		{"[build]\nthreads = 4294967297\n", "whole number"}, {"[build]\nkeep = 0\n", "within 1 to"},
		{"[build]\nmax_reject_ratio = 1.5\n", "within 0 to 1"},
		{"[build]\nmax_reject_ratio = nan\n", "within 0 to 1"},
		{"[build]\nmax_reject_ratio = 0x1\n", "within 0"},
		{"[mount]\nrefresh = Lazy\n", "none of lazy, eager, manual"},
		{"[lag]\npolicy = oldest\n", "none of latest, newest, replay"},
		{"[lag]\noverlap = -1s\n", "lag.overlap"},
		{"[build]\nstall_timeout = 0s\n", "must be more than 0"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_refused(cases[i].text, strlen(cases[i].text), cases[i].want);
}

static void what_a_later_version_has_is_refused_by_name(void)
{
	static const struct {
		const char *text, *want;
	} cases[] = {{"[build]\nshards = 2\n", "build.shards: this version does not have"},
		{"[mount]\nmax_age = 0s\n", "mount.max_age: 0s: must be more than 0"},
		{"[index]\nstem = english\n", "key yet"}, {"[s3x]\n", "unknown section"},
		{"[attribute]\n", "unknown section"}, {"[lag]\noverlaps = 1\n", "unknown key"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_refused(cases[i].text, strlen(cases[i].text), cases[i].want);
}

static void lines_that_the_parser_would_misread_are_refused(void)
{
	static const char nul[] = "[feed]\nurl = a\0b\n", nul_comment[] = "# a\0b\n[feed]\n";
	static const struct {
		const char *text, *want;
	} cases[] = {{"[feed]\ncadence = 5m ; five\n", "f.ini:2: \" ;\" after other text"},
		{"[feed]\nmarker =\t;x\n", "\" ;\" after"}, {"[feed] ; c\n", "\" ;\" after"},
		{"[feed]\nurl = a\n b\t; c\n", "f.ini:3: \" ;\" after"},
		{"[feed]\nmarker = a # b\n", "\" #\" in the value"},
		{"[feed] x\n", "f.ini:1: something follows"}, {"[feed\n", "ends in \"]\""},
		{"[feed]\n  url = x\n", "f.ini:2: indented"}, {"  [feed]\n", "f.ini:1: indented"},
		{"[feed]\nurl = x\n[lag]\n  window = 1h\n", "f.ini:4: indented"},
		{"[feed]\nurl\n", "f.ini:2: neither"}, {"[feed]\nurl = a\x01\n", "control character 0x01"},
		{"[feed]\nurl = a\rb\n", "control character 0x0d"},
		{"[feed]\nurl = a\x0b\n", "control character 0x0b"}, {"[feed]\nurl = \xff\n", "UTF-8"},
		{"[feed]\n= x\n", "feed.: unknown key"},
		{"[0123456789012345678901234567890123456789012345678]\n", "unknown section"},
		{"[01234567890123456789012345678901234567890123456789]\n", "name of 50 bytes"},
		{"[feed]\n01234567890123456789012345678901234567890123456789 = 1\n", "name of 50 bytes"},
		{"[feed]\nurl = a\n  cadence = 1m\ncadence = x\n", "f.ini:4: feed.cadence"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_refused(cases[i].text, strlen(cases[i].text), cases[i].want);
	check_refused(nul, sizeof(nul) - 1, "f.ini:2: control character 0x00");
	check_refused(nul_comment, sizeof(nul_comment) - 1, "f.ini:1: a NUL byte");
}

/* Lines of every length around inih's limit: read whole or refused, never cut. */
static void no_line_is_ever_cut(void)
{
	bool was_refused = false;

	for (size_t len = 10; len < 700; len++) {
		OWNED(config) struct config *c = defaults();
		OWNED_BUF text = {0};
		struct err err = ERR_INIT;
		int r;

		/* Words of nine letters: nothing but the line's length is wrong. */
		buf_add_str(&text, "[document]\nid =");
		for (size_t i = 4; i < len; i++)
			buf_add_byte(&text, i % 10 == 4 && i + 1 < len ? ' ' : 'x');
		r = config_parse(c, "f.ini", buf_slice(&text), &err);
		if (r == 0) {
			check(!was_refused);
			check_int(strlen(c->id), len - 5);
		} else {
			check_contains(err.message, "f.ini:2: ");
			check_contains(err.message, "more than a line may have");
			check(len > 180);
			was_refused = true;
		}
	}
	check(was_refused);
}

static void long_comments_are_refused_not_continued(void)
{
	OWNED_BUF text = {0};

	buf_add_str(&text, "#");
	while (text.len < 199)
		buf_add_str(&text, " ");
	buf_add_str(&text, "[feed]\n");
	check_refused(text.data, text.len, "f.ini:1: 205 bytes");
}

static void files_that_are_too_large_are_refused(void)
{
	OWNED_BUF text = {0};

	while (text.len <= CONFIG_TEXT_MAX)
		buf_add_str(&text, "# filling up\n");
	check_refused(text.data, text.len, "more than a configuration may have");
}

static void single_settings_override(void)
{
	OWNED(config) struct config *c = read_text("[feed]\ncadence = 7m\n[document]\ntext = a\n");
	struct err err = ERR_INIT;

	check_int(config_set(c, "feed.cadence=1m", &err), 0);
	check_int(c->cadence, TIME_MINUTE);
	check_int(config_set(c, " feed.url = s3://b/p=1 ", &err), 0);
	check_str(c->url, "s3://b/p=1");
	check_int(config_set(c, "document.text=", &err), 0);
	check(!c->text_is_default && c->text.count == 0);
	check_int(config_set(c, "document.text=x,y", &err), 0);
	check_int(c->text.count, 2);
}

static void wrong_settings_are_refused(void)
{
	static const struct {
		const char *text, *want;
	} cases[] = {{"", "expected section.key=value"}, {"feed.cadence", "expected"},
		{"cadence=5m", "expected"}, {".cadence=5m", "expected"}, {"feed.=5m", "expected"},
		{"=5m", "expected"}, {"feed.x=1", "feed.x: unknown"},
		{"feed.cadence=x", "feed.cadence: \"x\""}, {"feed.url=a\nb", "control character 0x0a"},
		{"feed.url=a ;b", "\" ;\" in the value"}, {"feed.url=;b", "\" ;\" in the value"},
		{"document.text=a,#b", "\" #\" in the value"}, {"feed.url=\xc0\x80", "UTF-8"},
		{"attribute.a.b.when=x:y", "letters, digits"},
		{"attribute.a123456789012345678901234567890123456789.when=x:y",
			"name of 40 bytes, at most 39"},
		{"lag.policy=first", "none of latest"}};
	OWNED(config) struct config *c = defaults();
	OWNED_BUF before = {0}, after = {0};

	config_dump(c, &before);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_INIT;

		check_int(config_set(c, cases[i].text, &err), -EINVAL);
		check_contains(err.message, cases[i].want);
	}
	config_dump(c, &after);
	check(slice_eq(buf_slice(&before), buf_slice(&after)));
}

static void mount_options_are_those_of_the_section(void)
{
	OWNED(config) struct config *c = defaults();
	struct err err = ERR_INIT;

	check_int(config_set_mount_option(c, "refresh", "eager", &err), 1);
	check_int(c->refresh, REFRESH_EAGER);
	check_int(config_set_mount_option(c, "poll", "0s", &err), 1);
	check_int(c->poll, 0);
	check_int(config_set_mount_option(c, "allow_other", "", &err), 0);
	check_int(config_set_mount_option(c, "cadence", "5m", &err), 0);
	check_int(config_set_mount_option(c, "wait", "long", &err), -EINVAL);
	check_contains(err.message, "mount.wait");
	check_int(config_set_mount_option(c, "max_age", "0s", &err), -EINVAL);
	check_contains(err.message, "more than 0");
}

static void check_dump_reads_back(const struct config *c)
{
	OWNED(config) struct config *again = defaults();
	OWNED_BUF text = {0}, second = {0};
	struct err err = ERR_INIT;

	config_dump(c, &text);
	check_int(buf_error(&text), 0);
	if (config_parse(again, "dump", buf_slice(&text), &err) < 0)
		tap_fail("%s in %.*s", err.message, (int)text.len, text.data);
	config_dump(again, &second);
	check(slice_eq(buf_slice(&text), buf_slice(&second)));
}

static void the_dump_is_canonical(void)
{
	static const char text[] =
		"[mount]\nwait = 2000ms\n[document]\ntext=a ,b\nid=x\n[lag]\nwindow=300m\n";
	OWNED(config) struct config *c = read_text(text);
	OWNED_BUF out = {0};

	config_dump(c, &out);
	check_slice(buf_slice(&out),
		"[feed]\npartition = dt=%Y-%m-%d/hour=%H/minute=%M\ncadence = 5m\ncomplete = rate\n"
		"settle = 0s\nquiet = 2s\nmarker = _SUCCESS\ncolumns = all\n[lag]\npolicy = latest\nwindow = 5h\n"
		"gap_timeout = 1h\n[document]\n"
		"id = x\nop = op\ntext = a, b\n[index]\nk1 = 1.2\nb = 0.75\n[build]\nthreads = 0\nmax_reject_ratio = 0.01\nmemory = 1GiB\nmax_change = 2\nkeep = 8\n"
		"keep_for = 1h\nkeep_max = 64\nlock_wait = 0s\nstall_timeout = 10m\n[mount]\nrefresh = lazy\npoll = 1s\nwait = 2s\nfeed_timeout = 10s\nlog_level = info\nmax_age = all\npassthrough = no\ncache_size = 64GiB\n"
		"[publish]\nsole_writer = no\n[s3]\nsignature = auto\nstyle = auto\ntimeout = 30s\n");
	check_dump_reads_back(c);
}

static void dumps_read_back(void)
{
	OWNED(config) struct config *all = read_text(every_key), *none = defaults(), *set = defaults();

	check_dump_reads_back(all);
	check_dump_reads_back(none);
	check_int(config_set(set, "document.text=", NULL), 0);
	check_int(config_set(set, "build.max_reject_ratio=0.123456789012345678", NULL), 0);
	check_int(config_set(set, "feed.marker=#x", NULL), 0);
	check_dump_reads_back(set);
}

/* Values longer than inih's lines: whatever --set takes, the dump can say. */
static void long_values_are_wrapped_and_read_back(void)
{
	for (size_t step = 1; step < 200; step += 3) {
		OWNED(config) struct config *c = defaults();
		OWNED_BUF list = {0}, expr = {0};
		int r;

		buf_add_str(&list, "document.text=");
		buf_add_str(&expr, "document.drop_if=");
		for (size_t i = 0; i < 12; i++) {
			buf_addf(&list, "%sf%zu_%0*d", i ? "," : "", i, (int)step, 0);
			buf_addf(&expr, "%sa:\"%0*d  x [y]=\"", i ? " OR " : "", (int)step, 0);
			buf_addf(&expr, " OR b%zu:\"c d\"", i);
		}
		r = config_set(c, buf_cstr(&list), NULL);
		check(r == 0 ? c->text.count == 12 : step > 160);
		r = config_set(c, buf_cstr(&expr), NULL);
		if (r != 0)
			check(step > 150);
		check_dump_reads_back(c);
	}
}

static void runs_that_no_line_can_hold_are_refused(void)
{
	OWNED(config) struct config *c = defaults();
	OWNED_BUF text = {0};
	struct err err = ERR_INIT;

	buf_add_str(&text, "feed.url=");
	for (int i = 0; i < CONFIG_RUN_MAX; i++)
		buf_add_byte(&text, 'u');
	check_int(config_set(c, buf_cstr(&text), &err), 0);
	check_dump_reads_back(c);
	buf_add_byte(&text, 'u');
	check_int(config_set(c, buf_cstr(&text), &err), -EINVAL);
	check_contains(err.message, "feed.url: more than 170 bytes without");
}

static bool same_hash(const char *a, const char *b)
{
	OWNED(config) struct config *x = read_text(a), *y = read_text(b);
	uint8_t of_x[CONFIG_HASH_BYTES], of_y[CONFIG_HASH_BYTES];

	config_hash(x, of_x);
	config_hash(y, of_y);
	return memcmp(of_x, of_y, CONFIG_HASH_BYTES) == 0;
}

static void the_hash_is_that_of_what_decides_about_documents(void)
{
	check(same_hash("", "[feed]\nurl = x\ncadence = 1m\n[build]\nthreads = 3\n[mount]\nwait = 1s\n"));
	check(same_hash("[document]\ntext = a,b", "[document]\ntext = a,\n b\n"));
	check(same_hash("", "[document]\nop = op"));
	check(!same_hash("", "[document]\nid = id"));
	check(!same_hash("", "[document]\ntext ="));
	check(!same_hash("[document]\ntext = a", "[document]\nkeyword = a"));
	check(!same_hash("[document]\ntext = a, b", "[document]\ntext = b, a"));
	check(!same_hash("[document]\ndrop_if = a:1", "[document]\ndrop_if = a:2"));
}

static void attributes_are_read_in_their_order(void)
{
	OWNED(config) struct config *c = defaults(), *again = defaults();
	OWNED_BUF text = {0}, back = {0};
	struct err err = ERR_INIT;
	static const char ini[] = "[attribute.item]\nwhen = kind:item\nkey = id\non = item_id\nexpire = yes\n"
				  "[attribute.campaign]\nwhen = kind:campaign OR k<=3\nkey = id\n";

	check_int(config_parse(c, "f.ini", slice_str(ini), &err), 0);
	check_int(c->attribute_count, 2);
	check_str(c->attributes[0].name, "item");
	check_str(c->attributes[0].on, "item_id");
	check_int(c->attributes[0].expire, 1);
	check_int(c->attributes[1].expire, 0);
	check_int(config_check(c, &err), -EINVAL);
	check_contains(err.message, "attribute.campaign: no `on`");
	check_int(config_set(c, "attribute.campaign.on = campaign.id", &err), 0);
	check_int(config_check(c, &err), 0);
	config_dump(c, &text);
	check_int(config_parse(again, "dump", buf_slice(&text), &err), 0);
	config_dump(again, &back);
	check(slice_eq(buf_slice(&text), buf_slice(&back)));
	check_refused("[attribute.a]\nkey = x\nkey = y\n", 30, "attribute.a.key is given twice");
	check_refused("[attribute.]\nkey = x\n", 21, "without a name");
	check_int(config_parse(c, "f.ini", slice_str("[attribute.empty]\n"), &err), 0);
	check_int(config_check(c, &err), -EINVAL);
	check_contains(err.message, "attribute.empty: no `when`");
	check_refused("[attribute.a b]\nkey = x\n", 24, "letters, digits");
	check_refused("[attribute.a]\nexpire = 1h\n", 26, "none of no, yes");
	check_refused("[attribute.a]\nwhere = x\n", 24, "unknown key");
	check(!same_hash("[attribute.a]\nkey = x", "[attribute.a]\nkey = y"));
}

static void an_attribute_is_no_field_of_text_or_keywords(void)
{
	OWNED(config) struct config *c = defaults();
	struct err err = ERR_INIT;

	check_int(config_set(c, "attribute.shop.when=kind:shop", &err), 0);
	check_int(config_set(c, "attribute.shop.key=id", &err), 0);
	check_int(config_set(c, "attribute.shop.on=shop", &err), 0);
	check_int(config_set(c, "document.text=title, shop.name", &err), 0);
	check_int(config_set(c, "document.keyword=shopping, brand", &err), 0);
	check_int(config_check(c, &err), 0);
	check_int(config_set(c, "document.keyword=brand, shop", &err), 0);
	check_int(config_check(c, &err), -EINVAL);
	check_contains(err.message, "document.keyword: shop is an attribute");
	check_int(config_set(c, "document.keyword=", &err), 0);
	check_int(config_set(c, "document.text=shop", &err), 0);
	check_int(config_check(c, &err), -EINVAL);
	check_contains(err.message, "document.text: shop is an attribute");
}

static void files_are_read_and_missing_ones_named(void)
{
	OWNED(config) struct config *c = defaults();
	struct err err = ERR_INIT;
	int fd = memfd_create("config", MFD_CLOEXEC);
	char path[64];

	check_int(write(fd, every_key, sizeof(every_key) - 1), (ssize_t)sizeof(every_key) - 1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	check_int(config_parse_file(c, path, &err), 0);
	check_int(c->keep, 3);
	close(fd);
	check_int(config_parse_file(c, "/nonexistent/freshet.ini", &err), -ENOENT);
	check_contains(err.message, "/nonexistent/freshet.ini");
	check_int(config_parse_file(c, "/", &err), -EISDIR);
}

int main(void)
{
	RUN(defaults_are_as_documented);
	RUN(every_key_is_read);
	RUN(wrong_files_are_refused_with_line_and_key);
	RUN(what_a_later_version_has_is_refused_by_name);
	RUN(lines_that_the_parser_would_misread_are_refused);
	RUN(no_line_is_ever_cut);
	RUN(long_comments_are_refused_not_continued);
	RUN(files_that_are_too_large_are_refused);
	RUN(single_settings_override);
	RUN(wrong_settings_are_refused);
	RUN(mount_options_are_those_of_the_section);
	RUN(the_dump_is_canonical);
	RUN(dumps_read_back);
	RUN(long_values_are_wrapped_and_read_back);
	RUN(runs_that_no_line_can_hold_are_refused);
	RUN(the_hash_is_that_of_what_decides_about_documents);
	RUN(attributes_are_read_in_their_order);
	RUN(an_attribute_is_no_field_of_text_or_keywords);
	RUN(files_are_read_and_missing_ones_named);
	return tap_done();
}
