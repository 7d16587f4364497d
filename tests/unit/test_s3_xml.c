/* SPDX-License-Identifier: Apache-2.0 */
#include "s3_xml.h"

#include "tap.h"
#include "timefmt.h"

#define RAW_HEAD \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
#define CODED "<EncodingType>url</EncodingType>"
#define HEAD RAW_HEAD CODED
#define OBJECT(key)                                                                         \
	"<Contents><Key>" key "</Key><LastModified>2026-05-04T10:05:00.999Z</LastModified>" \
	"<ETag>&quot;abc&quot;</ETag><Size>7</Size><StorageClass>STANDARD</StorageClass></Contents>"
#define END "<IsTruncated>false</IsTruncated></ListBucketResult>"

static int read_page(const char *xml, struct s3_page *page, struct err *err)
{
	*page = (struct s3_page){0};
	return s3_xml_page(slice_str(xml), page, err);
}

static void a_page_is_read(void)
{
	static const char xml[] = HEAD "<Name>b</Name><Prefix>p/</Prefix>" OBJECT("a%2Fb+c%3Dd%25") OBJECT(
		"b") "<CommonPrefixes><Prefix>dt%3D1/</Prefix>"
		     "</CommonPrefixes><NextContinuationToken>t&amp;n</NextContinuationToken><IsTruncated>true</IsTruncated></ListBucketResult>";
	struct err err = ERR_INIT;
	struct store_stat same;
	const struct s3_entry *e;
	struct s3_page page;
	int64_t t = 0;

	check_int(read_page(xml, &page, &err), 0);
	check_str(err.message, "");
	e = (const struct s3_entry *)page.entries.data;
	check_int(page.entries.len / sizeof(*e), 3);
	check_slice(e[0].key, "a/b c=d%");
	check_slice(e[1].key, "b");
	check_slice(e[2].key, "dt=1/");
	check(e[2].st.is_dir && !e[1].st.is_dir);
	check_int(e[0].st.size, 7);
	time_parse("2026-05-04T10:05:00Z", &t, NULL);
	check_int(e[0].st.mtime, t);
	s3_stat(&same, 7, t, "abc");
	check_int(e[0].st.ctime, same.ctime);
	check(page.truncated);
	check_slice(page.next, "t&n");
	s3_page_release(&page);
}

static void keys(const char *xml, const char *one, const char *two)
{
	struct err err = ERR_INIT;
	const struct s3_entry *e;
	struct s3_page page;

	check_int(read_page(xml, &page, &err), 0);
	check_str(err.message, "");
	e = (const struct s3_entry *)page.entries.data;
	check_int(page.entries.len / sizeof(*e), 2);
	check_slice(e[0].key, one);
	check_slice(e[1].key, two);
	s3_page_release(&page);
}

/* Not every server encodes them though it is asked to, and who does may say so behind them. */
static void keys_are_encoded_where_the_listing_says_so(void)
{
	keys(RAW_HEAD OBJECT("time=10%3A05+b") OBJECT("50%") END, "time=10%3A05+b", "50%");
	keys(RAW_HEAD OBJECT("a%2B") OBJECT("b+c") CODED END, "a+", "b c");
	/* A key is no element. */
	keys(RAW_HEAD OBJECT("&lt;EncodingType>url&lt;/EncodingType>%25") OBJECT("+") END,
		"<EncodingType>url</EncodingType>%25", "+");
}

/* The first version of listings names no marker when it has no delimiter: its reader goes on from the last key. */
static void a_page_may_go_on_without_saying_from_where(void)
{
	struct err err = ERR_INIT;
	struct s3_page page;

	check_int(
		read_page(HEAD OBJECT("a") "<IsTruncated>true</IsTruncated></ListBucketResult>", &page, &err),
		0);
	check(page.truncated);
	check_int(page.next.len, 0);
	s3_page_release(&page);
}

static void what_is_no_whole_listing_is_refused(void)
{
	static const struct {
		const char *xml, *why;
	} cases[] = {
		{"", "no listing"},
		{"<html><body>502</body></html>", "no listing"},
		{HEAD OBJECT("a"), "cut off"},
		{HEAD OBJECT("a") "</ListBucketResult>", "whether it goes on"},
		{HEAD "<IsTruncated>perhaps</IsTruncated></ListBucketResult>", "IsTruncated"},
		{HEAD OBJECT("") END, "Key"},
		{HEAD OBJECT("a%0") END, "Key"},
		{HEAD OBJECT("a%00b") END, "Key"},
		{HEAD "<Contents><Key>a</Key><Size>1</Size></Contents>" END, "Contents"},
		{HEAD "<Contents><Key>a</Key><Size>-1</Size></Contents>" END, "Size"},
		{HEAD "<Contents><Key>a</Key><Size>99999999999999999999</Size></Contents>" END, "Size"},
		{HEAD "<Contents><LastModified>yesterday</LastModified></Contents>" END, "LastModified"},
		{HEAD "<CommonPrefixes><Prefix>a</Prefix></CommonPrefixes>" END, "Prefix"},
		{"<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>" HEAD OBJECT("&b;")
				END,
			"no listing"},
		{"<a><b><c><d><e><f><g><h><i>x</i></h></g></f></e></d></c></b></a>", "no listing"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_INIT;
		struct s3_page page;

		check_int(read_page(cases[i].xml, &page, &err), -EBADMSG);
		check_contains(err.message, cases[i].why);
		s3_page_release(&page);
	}
}

#define UPLOADS \
	"<?xml version=\"1.0\"?><ListMultipartUploadsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" CODED
#define UPLOAD(key, id, at)                                                                      \
	"<Upload><Key>" key "</Key><UploadId>" id "</UploadId><Initiator><ID>x</ID></Initiator>" \
	"<Initiated>" at "</Initiated></Upload>"

static void uploads_are_read(void)
{
	static const char xml[] = UPLOADS "<Bucket>b</Bucket><IsTruncated>true</IsTruncated>" UPLOAD(
		"a%2Fb+c", "i&amp;1", "2026-05-04T10:05:00.000Z")
		UPLOAD("d", "2", "2026-05-04T10:06:00.000Z") "</ListMultipartUploadsResult>";
	struct s3_uploads found = {0};
	struct err err = ERR_INIT;
	const struct s3_upload *u;
	int64_t t = 0;

	check_int(s3_xml_uploads(slice_str(xml), &found, &err), 0);
	check_str(err.message, "");
	u = (const struct s3_upload *)(const void *)found.list.data;
	check_int(found.list.len / sizeof(*u), 2);
	check_str(u[0].key, "a/b c");
	check_str(u[0].id, "i&1");
	time_parse("2026-05-04T10:05:00Z", &t, NULL);
	check_int(u[0].begun, t);
	check_str(u[1].key, "d");
	s3_uploads_release(&found);
}

static void what_is_no_list_of_uploads_is_refused(void)
{
	static const struct {
		const char *xml, *why;
	} cases[] = {
		{"", "no list of uploads"},
		{HEAD END, "no list of uploads"},
		{UPLOADS UPLOAD("a", "1", "2026-05-04T10:05:00.000Z"), "cut off"},
		{UPLOADS UPLOAD("", "1", "2026-05-04T10:05:00.000Z") "</ListMultipartUploadsResult>", "Key"},
		{UPLOADS UPLOAD("a%00", "1", "2026-05-04T10:05:00.000Z") "</ListMultipartUploadsResult>",
			"Key"},
		{UPLOADS UPLOAD("a", "", "2026-05-04T10:05:00.000Z") "</ListMultipartUploadsResult>",
			"UploadId"},
		{UPLOADS UPLOAD("a", "1", "today") "</ListMultipartUploadsResult>", "Initiated"},
		{UPLOADS "<Upload><Key>a</Key></Upload></ListMultipartUploadsResult>", "Upload"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct s3_uploads found = {0};
		struct err err = ERR_INIT;

		check_int(s3_xml_uploads(slice_str(cases[i].xml), &found, &err), -EBADMSG);
		check_contains(err.message, cases[i].why);
		s3_uploads_release(&found);
	}
}

static void an_error_says_its_code_and_text(void)
{
	struct s3_answer a = {0};

	s3_xml_error(
		slice_str("<Error><Code>SlowDown</Code><Message>Please reduce\nyour &lt;rate&gt;</Message>"
			  "<AWSAccessKeyId>AKIA</AWSAccessKeyId><Region>eu-west-1</Region></Error>"),
		&a);
	check_str(a.code, "SlowDown");
	check_str(a.text, "Please reduce?your <rate>");
	check_str(a.region, "eu-west-1");
	s3_xml_error(slice_str("<html>Bad Gateway"), &a);
	check_str(a.code, "SlowDown");
}

static void one_element_is_found(void)
{
	OWNED_BUF out = {0};

	check_int(s3_xml_text(slice_str("<R><Bucket>b</Bucket><UploadId>u&amp;1</UploadId></R>"), "UploadId",
			  &out),
		1);
	check_str(buf_cstr(&out), "u&1");
	check_int(s3_xml_text(slice_str("<R><Bucket>b</Bucket></R>"), "UploadId", &out), 0);
	check_int(s3_xml_text(slice_str("<R><Buck"), "UploadId", &out), -EBADMSG);
}

static void answers_mean_what_s3_means(void)
{
	static const struct {
		int status;
		const char *code;
		enum s3_outcome outcome;
	} cases[] = {
		{200, "", S3_DONE},
		{206, "", S3_DONE},
		{204, "", S3_DONE},
		{0, "", S3_AGAIN},
		{500, "InternalError", S3_AGAIN},
		{503, "SlowDown", S3_AGAIN},
		{503, "", S3_AGAIN},
		{429, "", S3_AGAIN},
		{400, "RequestTimeout", S3_AGAIN},
		{400, "IncompleteBody", S3_AGAIN},
		{501, "NotImplemented", S3_REFUSED},
		{403, "RequestTimeTooSkewed", S3_SKEWED},
		{403, "AccessDenied", S3_DENIED},
		{403, "", S3_DENIED},
		{400, "ExpiredToken", S3_DENIED},
		{400, "InvalidAccessKeyId", S3_DENIED},
		{404, "NoSuchKey", S3_MISSING},
		{404, "", S3_MISSING},
		{412, "PreconditionFailed", S3_CHANGED},
		{409, "ConditionalRequestConflict",
			S3_AGAIN}, /* another write is under way, which may fail */
		{400, "InvalidArgument", S3_REFUSED},
		{301, "PermanentRedirect", S3_REFUSED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_int(s3_outcome_of(cases[i].status, cases[i].code), cases[i].outcome);
}

static void etags_lose_their_quotes_and_nothing_else(void)
{
	char etag[S3_ETAG_MAX], longest[S3_ETAG_MAX + 1];

	check(s3_etag_set(etag, slice_str("\"d41d8cd98f00b204e9800998ecf8427e-3\"")));
	check_str(etag, "d41d8cd98f00b204e9800998ecf8427e-3");
	check(!s3_etag_set(etag, slice_str("\"a\"b\"")));
	check(!s3_etag_set(etag, slice_str("a\r\nX-Header: 1")));
	check(!s3_etag_set(etag, slice_str("a<b")));
	memset(longest, 'a', sizeof(longest));
	check(!s3_etag_set(etag, slice_of(longest, S3_ETAG_MAX)));
	check(s3_etag_set(etag, slice_of(longest, S3_ETAG_MAX - 1)));
}

int main(void)
{
	RUN(a_page_is_read);
	RUN(keys_are_encoded_where_the_listing_says_so);
	RUN(a_page_may_go_on_without_saying_from_where);
	RUN(what_is_no_whole_listing_is_refused);
	RUN(uploads_are_read);
	RUN(what_is_no_list_of_uploads_is_refused);
	RUN(an_error_says_its_code_and_text);
	RUN(one_element_is_found);
	RUN(answers_mean_what_s3_means);
	RUN(etags_lose_their_quotes_and_nothing_else);
	return tap_done();
}
