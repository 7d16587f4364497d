/* SPDX-License-Identifier: Apache-2.0 */
#include "sigv2.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#include "timefmt.h"

#define SHA1_BYTES 20
#define SHA1_BASE64 29 /* with a NUL */

char *sigv2_date(int64_t instant, char out[SIGV2_DATE_MAX])
{
	static const char *const days[] = {
		"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"}; /* 1970 began with a Thursday */
	static const char *const months[] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	int y, mo, d, h, mi, s;

	time_to_civil(instant, &y, &mo, &d, &h, &mi, &s);
	snprintf(out, SIGV2_DATE_MAX, "%s, %02u %s %04u %02u:%02u:%02u GMT",
		days[instant / TIME_SECOND / 86400 % 7], (unsigned)d % 100, months[(mo - 1) % 12],
		(unsigned)y % 10000, (unsigned)h % 100, (unsigned)mi % 100, (unsigned)s % 100);
	return out;
}

int sigv2_authorize(const char *access_key, const char *secret_key, const char *method, const char *date,
	const char *resource, struct buf *out)
{
	unsigned char mac[EVP_MAX_MD_SIZE], text[SHA1_BASE64];
	OWNED_BUF to_sign = {0};
	unsigned len = 0;

	buf_addf(&to_sign, "%s\n\n\n%s\n%s", method, date, resource);
	if (to_sign.failed)
		return -ENOMEM;
	if (!HMAC(EVP_sha1(), secret_key, (int)strlen(secret_key), (const unsigned char *)to_sign.data,
		    to_sign.len, mac, &len) ||
		len != SHA1_BYTES)
		return -EIO;
	EVP_EncodeBlock(text, mac, SHA1_BYTES);
	buf_addf(out, "AWS %s:%s", access_key, (const char *)text);
	return buf_error(out);
}
