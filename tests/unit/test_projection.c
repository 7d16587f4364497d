/* SPDX-License-Identifier: Apache-2.0 */
#include "projection.h"
#include "tap.h"

#define check_projection(ini, want)                                           \
	do {                                                                  \
		OWNED(config) struct config *c = NULL;                        \
		OWNED_BUF text = {0};                                         \
		struct string_list names;                                     \
		check_int(config_new(&c, NULL), 0);                           \
		check_int(config_parse(c, "f.ini", slice_str(ini), NULL), 0); \
		check_int(config_check(c, NULL), 0);                          \
		check_int(projection_of(c, &names), 0);                       \
		string_list_text(&names, &text);                              \
		check_str(buf_cstr(&text), want);                             \
		string_list_release(&names);                                  \
	} while (0)

static void every_field_of_documents_is_there_once(void)
{
	check_projection("[document]\ntext = title\n", "id, op, title");
	check_projection("[document]\ntext = item.title, item.body, t\nid = ad.id\ngroup = item.id\nop = o\n"
			 "version = v.x.y\nkeyword = brand, t\ndrop_if = a:1 OR NOT b.c<=0\n",
		"a, ad, b, brand, item, o, t, v");
}

static void an_empty_text_takes_no_string(void)
{
	check_projection("[document]\ntext =\nid = a\n", "a, op");
}

static void of_attributes_there_is_what_decides_and_what_documents_see(void)
{
	check_projection(
		"[document]\ntext = title, campaign.name.long\nkeyword = campaign.kind\n"
		"drop_if = campaign.status:paused OR shop.closed:true\n"
		"[attribute.campaign]\nwhen = kind:campaign AND x.y:1\nkey = cid\non = campaign_id\nversion = ts\n",
		"campaign, campaign_id, cid, id, kind, name, op, shop, status, title, ts, x");
}

static void without_text_all_is_wanted(void)
{
	OWNED(config) struct config *c = NULL;
	struct string_list names;

	check_int(config_new(&c, NULL), 0);
	check_int(projection_of(c, &names), 1);
	check_int(names.count, 0);
}

int main(void)
{
	RUN(every_field_of_documents_is_there_once);
	RUN(an_empty_text_takes_no_string);
	RUN(of_attributes_there_is_what_decides_and_what_documents_see);
	RUN(without_text_all_is_wanted);
	return tap_done();
}
