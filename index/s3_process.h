/* SPDX-License-Identifier: Apache-2.0 */
/* index/s3_process.h - credentials from a program: what `credential_process` of a profile names.
 *
 * Source: AWS SDKs and Tools Reference Guide, "Process credential provider": one JSON object on stdout, with Version 1, AccessKeyId,
 * SecretAccessKey and, where they are temporary, SessionToken. Expiration is not looked at: credentials that are refused are asked for anew. */
#ifndef FRESHET_S3_PROCESS_H
#define FRESHET_S3_PROCESS_H

#include "s3_profile.h"
#include "timefmt.h"

#define S3_PROCESS_PATIENCE (30 * TIME_SECOND)

/* Has the shell run `command`, and fills the credentials of `out`, which has none. Its stderr is this process's. Returns 0; -EACCES where it fails, says
 * something else, or takes longer than `patience` (then it is killed): nothing of what it said is in the message; or -ENOMEM …. */
int s3_process_run(struct s3_profile *out, const char *command, int64_t patience, struct err *err);

#endif
