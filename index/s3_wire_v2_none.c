/* SPDX-License-Identifier: Apache-2.0 */
/* In a build without libs3. */
#include "s3_wire.h"

int s3_wire_v2(
	struct s3_wire **out, const struct s3_place *place, const struct s3_profile *profile, struct err *err)
{
	(void)place, (void)profile;
	*out = NULL;
	return err_set(err, -ENOTSUP,
		"this build of freshet has no libs3, which signs by V2: set signature = v4 in [s3]");
}
