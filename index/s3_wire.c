/* SPDX-License-Identifier: Apache-2.0 */
/* What both wires have in common: the meaning of answers. */
#include "s3_wire.h"

#include "digest.h"
#include "name.h"
#include "timefmt.h"

void s3_page_release(struct s3_page *p)
{
	arena_release(&p->arena);
	buf_release(&p->entries);
	*p = (struct s3_page){0};
}

void s3_uploads_release(struct s3_uploads *u)
{
	arena_release(&u->arena);
	buf_release(&u->list);
	*u = (struct s3_uploads){0};
}

static bool is_one_of(const char *code, const char *const *codes)
{
	for (; *codes; codes++)
		if (!strcmp(code, *codes))
			return true;
	return false;
}

enum s3_outcome s3_outcome_of(int status, const char *code)
{
	static const char *const again[] = {"SlowDown", "ServiceUnavailable", "InternalError",
		"RequestTimeout", "TooManyRequests", "OperationAborted", "ConditionalRequestConflict",
		"BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch", NULL};
	static const char *const denied[] = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch",
		"ExpiredToken", "InvalidToken", "TokenRefreshRequired", "AuthorizationHeaderMalformed",
		"AccountProblem", "NotSignedUp", "CredentialsNotSupported", "InvalidSecurity", NULL};

	if (!strcmp(code, "RequestTimeTooSkewed"))
		return S3_SKEWED;
	if (is_one_of(code, again) || status >= 500 || status == 429 || status == 408 || status == 0)
		return status == 501 || !strcmp(code, "NotImplemented") ? S3_REFUSED : S3_AGAIN;
	if (is_one_of(code, denied) || status == 401 || status == 403)
		return S3_DENIED;
	if (status == 404)
		return S3_MISSING;
	if (status == 412 || status == 409 || status == 304)
		return S3_CHANGED;
	return status >= 200 && status < 300 ? S3_DONE : S3_REFUSED;
}

void s3_stat(struct store_stat *st, uint64_t size, int64_t modified, const char *etag)
{
	*st = (struct store_stat){
		.size = size,
		.mtime = modified,
		.ctime = modified + (int64_t)(xxh64(slice_str(etag)) % (uint64_t)TIME_SECOND),
	};
}

bool s3_etag_set(char out[S3_ETAG_MAX], struct slice etag)
{
	if (etag.len >= 2 && etag.data[0] == '"' && etag.data[etag.len - 1] == '"')
		etag = slice_of(etag.data + 1, etag.len - 2);
	if (etag.len >= S3_ETAG_MAX)
		return false;
	for (size_t i = 0; i < etag.len; i++)
		if ((unsigned char)etag.data[i] < 0x20 || strchr("\"<>&\x7f", etag.data[i]))
			return false;
	memcpy(out, etag.data, etag.len);
	out[etag.len] = '\0';
	return true;
}

void s3_text_set(char *out, size_t size, struct slice text)
{
	OWNED_BUF printable = {0};
	const char *p;
	size_t n;

	line_print(text.len > size ? slice_of(text.data, size) : text, &printable);
	p = buf_cstr(&printable);
	n = strnlen(p, size - 1);
	memcpy(out, p, n);
	out[n] = '\0';
}

int s3_page_add(struct s3_page *p, struct slice key, const struct store_stat *st)
{
	struct s3_entry e = {arena_dup(&p->arena, key), *st};

	buf_add(&p->entries, &e, sizeof(e));
	return e.key.data ? buf_error(&p->entries) : -ENOMEM;
}
