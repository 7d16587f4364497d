/* SPDX-License-Identifier: Apache-2.0 */
/* index/s3_profile.h - who we are to S3, and where it is: environment and ~/.aws, looked up as the AWS tools do.
 *
 * Credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (with AWS_SESSION_TOKEN), unless a profile is named in the configuration; else the
 * profile (that one, AWS_PROFILE, or "default") in AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials), then AWS_CONFIG_FILE (~/.aws/config); else
 * what the profile's `credential_process` says.
 * Region and endpoint: AWS_REGION, AWS_DEFAULT_REGION; AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL; else the profile's `region`, `endpoint_url`. */
#ifndef FRESHET_S3_PROFILE_H
#define FRESHET_S3_PROFILE_H

#include "bytes.h"
#include "err.h"

/* All owned. Secret parts never go into a message. */
struct s3_profile {
	char *access_key, *secret_key;
	char *session_token;     /* NULL: none */
	char *region, *endpoint; /* NULL: nothing says */
	bool of_program;         /* it was asked for them, whatever it said */
};

/* `profile` NULL: none is named in the configuration. Returns 0; -EACCES when there are no credentials, or half of them: the message says
 * how to give them; -EIO … for a file that is there and cannot be read. */
int s3_profile_find(struct s3_profile *out, const char *profile, struct err *err);
void s3_profile_release(struct s3_profile *p); /* wipes what is secret; zero-initialised is fine */

#endif
