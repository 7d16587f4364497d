/* SPDX-License-Identifier: Apache-2.0 */
#include "config_key.h"
#include "mount_option.h"
#include "tap.h"

static void kernel_options_are_passed_on_and_mount_8s_own_dropped(void)
{
	struct mount_option_set set = {0};

	check_int(mount_options_parse(
			  &set, "rw,noauto,_netdev,x-systemd.requires=a,allow_other,,noatime", NULL),
		0);
	check_str(buf_cstr(&set.kernel), "allow_other,noatime");
	mount_options_release(&set);
}

static void keys_of_mount_reach_the_configuration(void)
{
	OWNED(config) struct config *cfg = NULL;
	struct mount_option_set set = {0};

	check_int(config_new(&cfg, NULL), 0);
	check_int(mount_options_parse(&set, "refresh=eager,poll=3s", NULL), 0);
	check_int(mount_options_parse(&set, "wait=0s", NULL), 0);
	check_int(mount_options_apply(&set, cfg, NULL), 0);
	check_int(cfg->refresh, REFRESH_EAGER);
	check_int(cfg->poll, 3 * TIME_SECOND);
	check_int(cfg->wait, 0);
	mount_options_release(&set);
}

static void every_key_of_mount_is_an_option(void)
{
	const struct config_key *k;

	for (size_t i = 0; (k = config_key_at(i)); i++) {
		struct mount_option_set set = {0};
		OWNED_BUF option = {0};

		if (strcmp(k->section, "mount") != 0)
			continue;
		buf_addf(&option, "%s=%s", k->name, k->initial);
		check_int(mount_options_parse(&set, buf_cstr(&option), NULL), 0);
		mount_options_release(&set);
	}
}

static void a_comma_in_a_value_is_written_with_a_backslash(void)
{
	struct mount_option_set set = {0};

	check_int(mount_options_parse(&set,
			  "state=/a\\,b,set=document.text=x\\,y,set=lag.window=all,config=/c\\\\d", NULL),
		0);
	check_str(set.state, "/a,b");
	check_str(set.config, "/c\\d");
	check_int(set.sets.count, 2);
	check_str(set.sets.items[0], "document.text=x,y");
	check_str(set.sets.items[1], "lag.window=all");
	mount_options_release(&set);
}

static void what_does_not_exist_is_named(void)
{
	static const char *const wrong[] = {
		"refesh=eager", "refresh", "allow_other=1", "nonsense", "remount"};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct mount_option_set set = {0};
		struct err err = ERR_INIT;
		char name[32];

		snprintf(name, sizeof(name), "-o %.*s:", (int)strcspn(wrong[i], "="), wrong[i]);
		check_int(mount_options_parse(&set, wrong[i], &err), -EINVAL);
		check_contains(err.message, name);
		mount_options_release(&set);
	}
}

static void a_remount_is_refused_wherever_it_stands(void)
{
	static const char *const remounts[] = {"remount", "ro,user_id=0,remount,refresh=eager", "ro,remount"};
	struct mount_option_set set = {0};

	for (size_t i = 0; i < sizeof(remounts) / sizeof(remounts[0]); i++) {
		struct err err = ERR_INIT;

		check_int(mount_options_parse(&set, remounts[i], &err), -EINVAL);
		check_contains(err.message, "-o remount: what a mount was started with cannot be changed");
	}
	check_int(mount_options_parse(&set, "state=/srv/remount,x-remount", NULL), 0);
	mount_options_release(&set);
}

static void a_value_out_of_range_is_refused_with_its_option(void)
{
	OWNED(config) struct config *cfg = NULL;
	struct mount_option_set set = {0};
	struct err err = ERR_INIT;

	check_int(config_new(&cfg, NULL), 0);
	check_int(mount_options_parse(&set, "poll=soon", NULL), 0);
	check_int(mount_options_apply(&set, cfg, &err), -EINVAL);
	check_contains(err.message, "-o poll=soon");
	mount_options_release(&set);
}

int main(void)
{
	RUN(kernel_options_are_passed_on_and_mount_8s_own_dropped);
	RUN(keys_of_mount_reach_the_configuration);
	RUN(every_key_of_mount_is_an_option);
	RUN(a_comma_in_a_value_is_written_with_a_backslash);
	RUN(what_does_not_exist_is_named);
	RUN(a_remount_is_refused_wherever_it_stands);
	RUN(a_value_out_of_range_is_refused_with_its_option);
	return tap_done();
}
