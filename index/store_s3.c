/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

int store_s3_open(struct store **out, const char *url, const struct config *cfg, bool late, struct err *err)
{
	*out = NULL;
	return err_set(err, -ENOTSUP, "%s: S3 is not in this version: give a directory", url);
}
