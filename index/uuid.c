/* SPDX-License-Identifier: Apache-2.0 */
#include "uuid.h"

#include <stdio.h>
#include <sys/random.h>

#include "digest.h"

int uuid_new(char out[UUID_TEXT], struct err *err)
{
	uint8_t raw[16];
	char hex[33];

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return err_sys(err, -EIO, "no random bytes");
	raw[6] = (uint8_t)((raw[6] & 0x0F) | 0x40);
	raw[8] = (uint8_t)((raw[8] & 0x3F) | 0x80);
	hex_text(raw, sizeof(raw), hex);
	snprintf(out, UUID_TEXT, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
	return 0;
}

bool uuid_is_valid(struct slice s)
{
	if (s.len != UUID_TEXT - 1)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		char c = s.data[i];

		if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	return true;
}
