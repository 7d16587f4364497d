/* SPDX-License-Identifier: Apache-2.0 */
#include "requests.h"

const char *request_name(enum request_kind kind)
{
	static const char *const names[REQUEST_KINDS] = {
		[REQUEST_LOOKUP] = "lookup",
		[REQUEST_FORGET] = "forget",
		[REQUEST_GETATTR] = "getattr",
		[REQUEST_OPEN] = "open",
		[REQUEST_READ] = "read",
		[REQUEST_READDIR] = "readdir",
		[REQUEST_READDIRPLUS] = "readdirplus",
		[REQUEST_XATTR] = "xattr",
		[REQUEST_STATFS] = "statfs",
		[REQUEST_POLL] = "poll",
		[REQUEST_WRITE] = "write",
	};

	return names[kind];
}
