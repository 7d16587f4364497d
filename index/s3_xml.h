/* SPDX-License-Identifier: Apache-2.0 */
/* index/s3_xml.h - the XML that S3 answers with, read by expat. Documents are untrusted: no entities of their own, bounded depth and text. */
#ifndef FRESHET_S3_XML_H
#define FRESHET_S3_XML_H

#include "s3_wire.h"

/* <Error>: code, text and region of the answer. What is no such document leaves them. */
void s3_xml_error(struct slice body, struct s3_answer *a);
/* <ListBucketResult> of either version whose keys are encoded where it says so (encoding-type=url); `next` is what it says of how to go on, if anything. Returns 0, -EBADMSG (its reason in `err`) or -ENOMEM. */
int s3_xml_page(struct slice body, struct s3_page *page, struct err *err);
/* <ListMultipartUploadsResult>, likewise. Returns as s3_xml_page(). */
int s3_xml_uploads(struct slice body, struct s3_uploads *found, struct err *err);
/* Appends the text of the one element that is named. Returns 1, 0 there is none, or -EBADMSG. */
int s3_xml_text(struct slice body, const char *element, struct buf *out);

#endif
