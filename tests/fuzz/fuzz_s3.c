/* SPDX-License-Identifier: Apache-2.0 */
/* What an S3 server may answer: a page of a listing, uploads, an error, an upload's id. What is accepted has the form that is promised. */
#include <stdint.h>
#include <stdio.h>

#include "s3_xml.h"

static void check(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void page(struct slice body)
{
	struct s3_page page = {0};
	struct err err = ERR_INIT;
	int r = s3_xml_page(body, &page, &err);
	const struct s3_entry *e = (const struct s3_entry *)page.entries.data;

	check(r == 0 ? !*err.message : *err.message != '\0', "an error has a message, and nothing else has");
	for (size_t i = 0; r == 0 && i < page.entries.len / sizeof(*e); i++) {
		check(e[i].key.len > 0 && e[i].key.len <= S3_KEY_MAX, "keys have bytes, and not too many");
		check(!memchr(e[i].key.data, 0, e[i].key.len), "no key has a NUL");
		check(!e[i].st.is_dir || e[i].key.data[e[i].key.len - 1] == '/',
			"a common prefix ends with /");
	}
	s3_page_release(&page);
}

static void uploads(struct slice body)
{
	struct s3_uploads found = {0};
	struct err err = ERR_INIT;
	int r = s3_xml_uploads(body, &found, &err);
	const struct s3_upload *u = (const struct s3_upload *)(const void *)found.list.data;
	size_t count = found.list.len / sizeof(*u);

	check(r == 0 ? !*err.message : *err.message != '\0', "an error has a message, and nothing else has");
	check(count <= S3_PAGE_KEYS, "there are not too many uploads");
	for (size_t i = 0; i < count; i++)
		check(*u[i].key && strlen(u[i].key) <= S3_KEY_MAX && *u[i].id && u[i].begun != TIME_NONE,
			"uploads have a key, an id and a time");
	s3_uploads_release(&found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice body = slice_of(data, len);
	struct s3_answer a = {0};
	OWNED_BUF text = {0};

	page(body);
	uploads(body);
	s3_xml_error(body, &a);
	check(memchr(a.code, 0, sizeof(a.code)) && memchr(a.text, 0, sizeof(a.text)), "texts end");
	s3_xml_text(body, "UploadId", &text);
	return 0;
}
