/* SPDX-License-Identifier: Apache-2.0 */
/* AWS's published vectors: those of "Signature Calculations for the Authorization Header" (Amazon S3 API Reference), and of the Signature
 * Version 4 test suite, save those on normalising paths, which S3 does not do. */
#include "sigv2.h"
#include "sigv4.h"

#include "tap.h"
#include "timefmt.h"
#include "uri.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct vector {
	const char *name, *method, *path, *query;
	struct sigv4_header headers[8];
	const char *payload_hash;
	const char *signed_headers, *signature;
};

static void check_vector(const struct sigv4_scope *scope, const struct vector *v)
{
	struct sigv4_request rq = {v->method, v->path, v->query, v->headers, 0, v->payload_hash};
	OWNED_BUF got = {0}, want = {0};

	while (rq.header_count < 8 && v->headers[rq.header_count].name)
		rq.header_count++;
	check_int(sigv4_authorize(scope, &rq, &got), 0);
	buf_addf(&want,
		"AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/aws4_request, SignedHeaders=%s, Signature=%s",
		scope->access_key, scope->date, scope->region, scope->service, v->signed_headers,
		v->signature);
	if (!slice_eq(buf_slice(&got), buf_slice(&want)))
		tap_fail("%s: %s", v->name, buf_cstr(&got));
}

static void the_examples_of_s3_are_signed_as_published(void)
{
	static const struct sigv4_scope scope = {"AKIAIOSFODNN7EXAMPLE",
		"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1", "s3", "20130524T000000Z"};
#define HOST                                             \
	{                                                \
		"host", "examplebucket.s3.amazonaws.com" \
	}
#define DATE                                     \
	{                                        \
		"x-amz-date", "20130524T000000Z" \
	}
#define HASH(hash)                           \
	{                                    \
		"x-amz-content-sha256", hash \
	}
	static const struct vector vectors[] = {
		{"GET object", "GET", "/test.txt", "", {HOST, {"range", "bytes=0-9"}, HASH(EMPTY), DATE},
			EMPTY, "host;range;x-amz-content-sha256;x-amz-date",
			"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		{"PUT object", "PUT", "/test%24file.text", "",
			{HOST, {"date", "Fri, 24 May 2013 00:00:00 GMT"}, DATE,
				{"x-amz-storage-class", "REDUCED_REDUNDANCY"},
				HASH("44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072")},
			"44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
			"date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
			"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
		{"GET lifecycle", "GET", "/", "lifecycle=", {HOST, HASH(EMPTY), DATE}, EMPTY,
			"host;x-amz-content-sha256;x-amz-date",
			"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		{"GET list", "GET", "/", "max-keys=2&prefix=J", {HOST, HASH(EMPTY), DATE}, EMPTY,
			"host;x-amz-content-sha256;x-amz-date",
			"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
	};
#undef HOST
#undef DATE
#undef HASH

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		check_vector(&scope, &vectors[i]);
}

#define TOKEN                                                                                                        \
	"AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflf"   \
	"KD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8T" \
	"x6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlT" \
	"JabIQwj2ICCR/oLxBA=="

static void the_test_suite_is_signed_as_published(void)
{
	static const struct sigv4_scope scope = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
		"us-east-1", "service", "20150830T123600Z"};
#define PLAIN \
	{{"x-amz-date", "20150830T123600Z"}, {"host", "example.amazonaws.com"}}, EMPTY, "host;x-amz-date"
	static const struct vector vectors[] = {
		{"get-vanilla", "GET", "/", "", PLAIN,
			"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"post-vanilla", "POST", "/", "", PLAIN,
			"5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		{"get-vanilla-query-order-key-case", "GET", "/", "Param1=value1&Param2=value2", PLAIN,
			"b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		{"get-utf8", "GET", "/%E1%88%B4", "", PLAIN,
			"8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
		{"get-unreserved", "GET",
			"/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "", PLAIN,
			"07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
		{"get-vanilla-utf8-query", "GET", "/", "%E1%88%B4=bar", PLAIN,
			"2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
		{"get-vanilla-query-order-value", "GET", "/", "Param1=value1&Param1=value2", PLAIN,
			"5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"},
		{"get-vanilla-query-order-encoded", "GET", "/",
			"%E1%88%B4=Value1&Param=Value2&Param-3=Value3", PLAIN,
			"371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"},
		{"get-header-value-trim", "GET", "/", "",
			{{"host", "example.amazonaws.com"}, {"my-header1", " value1"},
				{"my-header2", " \"a   b   c\""}, {"x-amz-date", "20150830T123600Z"}},
			EMPTY, "host;my-header1;my-header2;x-amz-date",
			"acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
		{"post-x-www-form-urlencoded", "POST", "/", "",
			{{"content-type", "application/x-www-form-urlencoded"},
				{"host", "example.amazonaws.com"}, {"x-amz-date", "20150830T123600Z"}},
			"9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
			"content-type;host;x-amz-date",
			"ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
		{"post-sts-header-before", "POST", "/", "",
			{{"host", "example.amazonaws.com"}, {"x-amz-date", "20150830T123600Z"},
				{"x-amz-security-token", TOKEN}},
			EMPTY, "host;x-amz-date;x-amz-security-token",
			"85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
	};
#undef PLAIN

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		check_vector(&scope, &vectors[i]);
}

static void dates_are_in_the_basic_format(void)
{
	char text[SIGV4_DATE_MAX], date[SIGV2_DATE_MAX];
	int64_t t = 0;

	check_int(time_parse("2015-08-30T12:36:00Z", &t, NULL), 0);
	check_str(sigv4_date(t + 999999999, text), "20150830T123600Z");
	check_str(sigv2_date(t, date), "Sun, 30 Aug 2015 12:36:00 GMT");
}

/* The examples of "Signing and Authenticating REST Requests". */
static void requests_are_signed_by_v2_as_published(void)
{
	static const struct {
		const char *method, *date, *resource, *signature;
	} cases[] = {
		{"GET", "Tue, 27 Mar 2007 19:36:42 +0000", "/awsexamplebucket1/photos/puppy.jpg",
			"qgk2+6Sv9/oM7G3qLEjTH1a1l1g="},
		{"GET", "Tue, 27 Mar 2007 19:42:41 +0000", "/awsexamplebucket1/",
			"m0WP8eCtspQl5Ahe6L1SozdX9YA="},
		{"GET", "Wed, 28 Mar 2007 01:29:59 +0000", "/", "qGdzdERIC03wnaRNKh6OqZehG9s="},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		OWNED_BUF got = {0}, want = {0};

		check_int(sigv2_authorize("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
				  cases[i].method, cases[i].date, cases[i].resource, &got),
			0);
		buf_addf(&want, "AWS AKIAIOSFODNN7EXAMPLE:%s", cases[i].signature);
		check_str(buf_cstr(&got), buf_cstr(&want));
	}
}

static void queries_are_encoded_then_sorted(void)
{
	static const struct uri_pair pairs[] = {{"prefix", "dt=2026-05-04/hour=10 +*%\xc3\xa9~"},
		{"Param", "2"}, {"list-type", "2"}, {"Param", "1"}, {"uploads", ""}};
	OWNED_BUF got = {0};

	uri_query(pairs, 5, &got);
	check_str(buf_cstr(&got),
		"Param=1&Param=2&list-type=2&prefix=dt%3D2026-05-04%2Fhour%3D10%20%2B%2A%25%C3%A9~&uploads=");
}

static void what_is_encoded_is_decoded(void)
{
	OWNED_BUF all = {0}, text = {0}, again = {0};

	for (int c = 0; c < 256; c++)
		buf_add_byte(&all, c);
	for (int path = 0; path < 2; path++) {
		buf_clear(&text);
		buf_clear(&again);
		uri_encode(buf_slice(&all), path, &text);
		check_int(uri_decode(buf_slice(&text), &again), 1);
		check(slice_eq(buf_slice(&again), buf_slice(&all)));
	}
}

static void broken_encodings_are_refused(void)
{
	static const char *const cases[] = {"%", "%4", "%4g", "%g4", "a%", "%%41"};
	OWNED_BUF out = {0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_int(uri_decode(slice_str(cases[i]), &out), 0);
	buf_clear(&out);
	check_int(uri_decode(slice_str("a+b%2Bc%2fd"), &out), 1);
	check_str(buf_cstr(&out), "a b+c/d");
}

int main(void)
{
	RUN(the_examples_of_s3_are_signed_as_published);
	RUN(the_test_suite_is_signed_as_published);
	RUN(requests_are_signed_by_v2_as_published);
	RUN(dates_are_in_the_basic_format);
	RUN(queries_are_encoded_then_sorted);
	RUN(what_is_encoded_is_decoded);
	RUN(broken_encodings_are_refused);
	return tap_done();
}
