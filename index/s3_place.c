/* SPDX-License-Identifier: Apache-2.0 */
#include "s3_place.h"

#include <stdio.h>

#define BUCKET_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
#define HOST_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]"

void s3_place_release(struct s3_place *p)
{
	free(p->bucket);
	free(p->prefix);
	free(p->host);
	*p = (struct s3_place){0};
}

static int parse_prefix(struct s3_place *p, const char *text, struct err *err)
{
	size_t len = strlen(text);

	while (len && text[len - 1] == '/')
		len--;
	if (len >= S3_KEY_MAX)
		return err_set(err, -EINVAL, "a prefix of %zu bytes is too long", len);
	for (size_t i = 0; i < len;) {
		size_t n = 0;

		while (i + n < len && text[i + n] != '/')
			n++;
		if (n == 0 || (n == 1 && text[i] == '.') || (n == 2 && text[i] == '.' && text[i + 1] == '.'))
			return err_set(err, -EINVAL, "a component of the prefix is empty, . or ..");
		i += n + 1;
	}
	return asprintf(&p->prefix, "%.*s%s", (int)len, text, len ? "/" : "") < 0 ? -ENOMEM : 0;
}

static int parse_url(struct s3_place *p, const char *url, struct err *err)
{
	const char *bucket = url + strlen("s3://");
	size_t len = strcspn(bucket, "/");
	int r;

	/* What stands before an @ is not shown: somebody might have put a key and a secret there. */
	if (memchr(bucket, '@', len))
		return err_set(err, -EINVAL,
			"credentials are no part of a place in S3 (what stands before the @ is not shown here): give s3://BUCKET/PREFIX");
	if (len < 3 || len > 63 || strspn(bucket, BUCKET_CHARS) < len || strchr(".-_", *bucket))
		return err_set(err, -EINVAL,
			"%.*s is no name of a bucket (3 to 63 letters, digits, \".\", \"-\"): give s3://BUCKET/PREFIX",
			(int)(len < 80 ? len : 80), bucket);
	p->bucket = strndup(bucket, len);
	if (!p->bucket)
		return -ENOMEM;
	r = parse_prefix(p, bucket[len] ? bucket + len + 1 : "", err);
	return r == -ENOMEM ? r : r < 0 ? err_context(err, r, "%.200s", url) : 0;
}

static int parse_endpoint(struct s3_place *p, const char *endpoint, struct err *err)
{
	const char *host;
	size_t len;

	p->https = !strncmp(endpoint, "https://", 8);
	if (!p->https && strncmp(endpoint, "http://", 7) != 0)
		return err_set(err, -EINVAL, "the endpoint of S3 must begin with http:// or https://");
	host = endpoint + (p->https ? 8 : 7);
	len = strspn(host, HOST_CHARS);
	/* Whatever else it has is not shown: somebody might have put a password there. */
	if (!len || (host[len] && strcmp(host + len, "/") != 0))
		return err_set(err, -EINVAL,
			"the endpoint of S3 must be http[s]://HOST[:PORT] and nothing else (no user, path or query)");
	p->host = strndup(host, len);
	return p->host ? 0 : -ENOMEM;
}

int s3_place_parse(struct s3_place *out, const char *url, const char *endpoint, const char *region,
	enum s3_style style, struct err *err)
{
	int r;

	*out = (struct s3_place){.amazon = !endpoint};
	r = parse_url(out, url, err);
	if (r == 0 && endpoint) {
		r = parse_endpoint(out, endpoint, err);
	} else if (r == 0) {
		out->https = true;
		r = asprintf(&out->host, "s3.%s.amazonaws.com%s", region,
			    !strncmp(region, "cn-", 3) ? ".cn" : "") < 0
			    ? -ENOMEM
			    : 0;
	}
	/* A certificate for *.HOST does not fit a bucket with dots. */
	out->path_style = style == STYLE_PATH ||
			  (style == STYLE_AUTO && (endpoint || (out->bucket && strchr(out->bucket, '.'))));
	if (r < 0)
		s3_place_release(out);
	return r == -ENOMEM ? err_set(err, r, "out of memory") : r;
}
