/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What lxenstore-dump shows of domains, watches and owners: of a store made for it, to the letter; and of one in which a daemon
 * serves guests of the simulated Xen, while it runs and after it was killed.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dump_run.h"
#include "store/record.h"
#include "store/watch_record.h"
#include "support/store_file.h"
#include "support/suite.h"
#include "wire/permissions.h"
#include "xensim/expect_guest.h"

static struct daemon shared; /* only its directory, in which each test's is */
static struct store_file file;
static struct sim *sim;

/* ---- a store made for it ---- */

static void put_watch(const struct watch_record *watch)
{
	do {
		ck_assert_int_eq(watch_record_put(file.store, watch), 0);
	} while (store_commit(file.store) && !store_make_room(file.store));
}

static void put_watches(void)
{
	static const struct watch_record watches[] = {
	    {7, 3, 7, 15, -1, "/local/domain/7/device", "a \"b\"\n", 22, 6},
	    {7, 9, 7, 0, 0, "@releaseDomain", "", 14, 0},
	    {65536, 5, 0, 0, 2, "/local", "\xff\x01", 6, 2},
	};

	for (size_t i = 0; i < sizeof(watches) / sizeof(watches[0]); i++) {
		struct watch_record watch = watches[i];
		if (watch.hidden)
			watch.hidden = sizeof("/local/domain/7/") - 1;
		put_watch(&watch);
	}
}

static void make_store(void)
{
	const struct store_domain seven = {
	    .unique_id = 0x1234,
	    .handle = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255},
	    .shared_info_frame = 0xabcdef,
	    .port = 12,
	    .epoch = 2,
	    .features = 15,
	    .target = 5,
	    .flags = STORE_DOMAIN_INTRODUCED | STORE_DOMAIN_SHUT_DOWN,
	    .quotas = {.hard_set = 1 | 1 << 12, .soft_set = 1, .hard = {2000, [12] = 3}, .soft = {1500}},
	};
	const struct store_domain nine = {.target = DOMID_NONE};
	const struct store_quotas quotas = {.hard_set = 2, .hard = {0, 64}};
	unsigned char key[RECORD_DOMAIN_KEY_SIZE];

	store_file_init(&file);
	store_file_create(&file, "/local", "n0 r7", "", 0);
	store_file_create(&file, "/local/domain", "n0 r7", "", 0);
	store_file_create(&file, "/local/domain/7", "n7", "", 0);
	store_file_create(&file, "/local/domain/7/device", "n7", "", 0);
	store_file_create(&file, "/local/domain/7/device/vif", "n0 r7", "", 0);
	store_file_create(&file, "/local/domain/7/device/vif/0", "n7", "", 0);
	store_file_create(&file, "/other", "n300", "", 0);
	store_file_create(&file, "/local/domain/7/name", "n7", "", 0);
	record_domain_key(STORE_KEY_DOMAIN, 7, key);
	store_file_put(&file, key, sizeof(key), &seven, sizeof(seven));
	record_domain_key(STORE_KEY_DOMAIN, 9, key);
	store_file_put(&file, key, sizeof(key), &nine, sizeof(nine));
	store_file_put(&file, "q", 1, &quotas, sizeof(quotas));
	put_watches();
	store_file_close(&file);
	snprintf(served.store, sizeof(served.store), "%s", file.path);
}

static void remove_store(void)
{
	command_deinit(&dump);
	store_file_deinit(&file);
}

START_TEST(the_store_is_sound)
{
	ck_assert_int_eq(DUMP("--check"), 0);
	ck_assert_str_eq(dump.output, "13 nodes, 0 problems\n");
}
END_TEST

START_TEST(domains_are_a_line_each)
{
	expect_quiet(DUMP("--domains"));
	ck_assert_str_eq(
	    dump.output,
	    "domain 0: nothing recorded, 8 nodes, 1 watches\n"
	    "domain 7: introduced, shut down, port 12, target 5, features 0xf, uuid 00010203-0405-0607-0809-0a0b0c0d0eff, "
	    "unique id 0x1234, shared info frame 0xabcdef, 4 nodes, 2 watches, quota nodes 2000, quota quota-12 3, "
	    "soft quota nodes 1500\n"
	    "domain 9: not introduced, features 0x0, uuid 00000000-0000-0000-0000-000000000000, 0 nodes, 0 watches\n"
	    "domain 300: nothing recorded, 1 nodes, 0 watches\n"
	    "all domains: quota watches 64\n");
}
END_TEST

START_TEST(watches_are_a_line_each)
{
	expect_quiet(DUMP("--watches"));
	ck_assert_str_eq(dump.output, "ring of domain 7, connection 7: /local/domain/7/device \"a \"b\"\\n\", told as device\n"
				      "ring of domain 7, connection 7: @releaseDomain \"\", depth 0\n"
				      "socket of domain 0, connection 65536: /local \"\\xff\\001\", depth 2\n");
	expect_quiet(DUMP("--watches", "/local/domain/7"));
	ck_assert_str_eq(dump.output, "ring of domain 7, connection 7: /local/domain/7/device \"a \"b\"\\n\", told as device\n");
	expect_quiet(DUMP("--watches", "@releaseDomain"));
	ck_assert_str_eq(dump.output, "ring of domain 7, connection 7: @releaseDomain \"\", depth 0\n");
	expect_quiet(DUMP("--watches", "/nowhere"));
	ck_assert_str_eq(dump.output, "");
}
END_TEST

START_TEST(owners_are_told_with_their_topmost_nodes)
{
	expect_quiet(DUMP("--owners"));
	ck_assert_str_eq(dump.output, "domain 0: 8 nodes\n"
				      "domain 0: 5 at /\n"
				      "domain 0: 1 at /local/domain/7/device/vif\n"
				      "domain 0: 1 at @introduceDomain\n"
				      "domain 0: 1 at @releaseDomain\n"
				      "domain 7: 4 nodes\n"
				      "domain 7: 3 at /local/domain/7\n"
				      "domain 7: 1 at /local/domain/7/device/vif/0\n"
				      "domain 300: 1 nodes\n"
				      "domain 300: 1 at /other\n");
	expect_quiet(DUMP("--owners", "/local/domain/7/device"));
	ck_assert_str_eq(dump.output, "domain 0: 1 nodes\n"
				      "domain 0: 1 at /local/domain/7/device/vif\n"
				      "domain 7: 2 nodes\n"
				      "domain 7: 1 at /local/domain/7/device\n"
				      "domain 7: 1 at /local/domain/7/device/vif/0\n");
}
END_TEST

START_TEST(several_are_shown_one_after_the_other)
{
	expect_quiet(DUMP("--watches", "--domains"));
	const char *domains = strstr(dump.output, "domain 0: "), *watches = strstr(dump.output, "ring of domain 7");
	ck_assert(domains == dump.output && watches > domains);
	ck_assert_ptr_null(strstr(dump.output, "/tool"));
}
END_TEST

static void expect_json(const json_t *value, const char *text)
{
	json_t *expected = json_loads(text, 0, NULL);
	char *is = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);

	ck_assert_msg(json_equal(value, expected), "%s instead of %s", is, text);
	free(is);
	json_decref(expected);
}

START_TEST(json_has_domains_watches_and_quotas_too)
{
	expect_quiet(DUMP("--format", "json"));
	json_t *document = parse();
	const json_t *domains = json_object_get(document, "domains"), *watches = json_object_get(document, "watches");
	find_node(document, "/other");
	ck_assert_ptr_null(json_object_get(document, "owners"));
	ck_assert_uint_eq(json_array_size(domains), 4);
	expect_json(json_array_get(domains, 1),
		    "{\"domid\":7,\"nodes\":4,\"watches\":2,\"known\":true,\"introduced\":true,\"shut_down\":true,\"port\":12,"
		    "\"epoch\":2,\"features\":15,\"target\":5,\"uuid\":\"00010203-0405-0607-0809-0a0b0c0d0eff\","
		    "\"unique_id\":\"0x1234\",\"shared_info_frame\":\"0xabcdef\",\"quotas\":{\"nodes\":2000,\"quota-12\":3},"
		    "\"soft_quotas\":{\"nodes\":1500}}");
	ck_assert(json_is_null(json_object_get(json_array_get(domains, 2), "target")));
	expect_json(json_array_get(domains, 3), "{\"domid\":300,\"nodes\":1,\"watches\":0,\"known\":false}");
	expect_json(json_object_get(document, "all_domains"), "{\"quotas\":{\"watches\":64},\"soft_quotas\":{}}");
	expect_json(watches, "[{\"connection\":7,\"serial\":3,\"domid\":7,\"path\":\"/local/domain/7/device\","
			     "\"token\":\"a \\\"b\\\"\\n\",\"depth\":null,\"hidden\":16},"
			     "{\"connection\":7,\"serial\":9,\"domid\":7,\"path\":\"@releaseDomain\",\"token\":\"\",\"depth\":0,"
			     "\"hidden\":0},"
			     "{\"connection\":65536,\"serial\":5,\"domid\":0,\"path\":\"/local\",\"token_base64\":\"/wE=\","
			     "\"depth\":2,\"hidden\":0}]");
	json_decref(document);
}
END_TEST

START_TEST(json_has_what_was_asked_for)
{
	expect_quiet(DUMP("--format", "json", "--owners"));
	json_t *document = parse();
	const json_t *header = json_object_get(document, "header");
	ck_assert_ptr_null(json_object_get(document, "nodes"));
	ck_assert_ptr_null(json_object_get(header, "nodes"));
	ck_assert_ptr_null(json_object_get(document, "domains"));
	ck_assert(json_is_true(json_object_get(header, "complete")));
	ck_assert_int_gt(number_of(header, "generation"), 12);
	expect_json(json_array_get(json_object_get(document, "owners"), 1),
		    "{\"domid\":7,\"nodes\":4,\"trees\":[{\"path\":\"/local/domain/7\",\"nodes\":3},"
		    "{\"path\":\"/local/domain/7/device/vif/0\",\"nodes\":1}]}");
	json_decref(document);
	expect_quiet(DUMP("--format", "json", "--domains", "--watches"));
	document = parse();
	ck_assert_uint_eq(json_array_size(json_object_get(document, "domains")), 4);
	ck_assert_uint_eq(json_array_size(json_object_get(document, "watches")), 3);
	ck_assert_ptr_null(json_object_get(document, "nodes"));
	json_decref(document);
	/* Of a part of the tree it has the watches there and no domains. */
	expect_quiet(DUMP("--format", "json", "/local/domain/7"));
	document = parse();
	ck_assert_uint_eq(json_array_size(json_object_get(document, "nodes")), 5);
	ck_assert_uint_eq(json_array_size(json_object_get(document, "watches")), 1);
	ck_assert_ptr_null(json_object_get(document, "domains"));
	json_decref(document);
}
END_TEST

START_TEST(stat_counts_them)
{
	expect_quiet(DUMP("--format", "stat"));
	ck_assert_uint_eq(figure("nodes of domain 7"), 4);
	ck_assert_uint_eq(figure("domains"), 2);
	ck_assert_uint_eq(figure("domains introduced"), 1);
	ck_assert_uint_eq(figure("domains shut down"), 1);
	ck_assert_uint_eq(figure("quota watches"), 64);
	ck_assert_uint_eq(figure("quota nodes of domain 7"), 2000);
	ck_assert_uint_eq(figure("soft quota nodes of domain 7"), 1500);
	ck_assert_uint_eq(figure("watches"), 3);
	ck_assert_uint_eq(figure("watches of domain 7"), 2);
	ck_assert_uint_eq(figure("watches of domain 0"), 1);
	expect_quiet(DUMP("--format", "stat", "--watches", "--owners", "/local/domain/7"));
	ck_assert_str_eq(dump.output, "path: /local/domain/7\n"
				      "watches: 1\n"
				      "watches of domain 7: 1\n"
				      "nodes of domain 0: 1\n"
				      "trees of domain 0: 1\n"
				      "nodes of domain 7: 4\n"
				      "trees of domain 7: 2\n");
}
END_TEST

START_TEST(what_does_not_go_together_is_told)
{
	ck_assert_int_eq(DUMP("--domains", "/local"), 2);
	expect_message("--domains takes no path");
	ck_assert_int_eq(DUMP("--check", "--watches"), 2);
	expect_message("--check takes no path and nothing to show");
	ck_assert_int_eq(DUMP("--owners", "/nowhere"), 3);
	expect_message("/nowhere: there is no such node");
}
END_TEST

START_TEST(records_that_are_not_whole_are_left_out_and_told)
{
	store_file_open(&file);
	store_file_put(&file, "d\0\7", 3, "short", 5);
	store_file_put(&file, "w12345678abcdefgh", 17, "short", 5);
	store_file_close(&file);
	ck_assert_int_eq(DUMP("--domains", "--watches"), 1);
	expect_message("2 records are left out that are not whole");
	ck_assert_ptr_nonnull(strstr(dump.output, "domain 7: nothing recorded, 4 nodes, 2 watches\n"));
	ck_assert_ptr_nonnull(strstr(dump.output, "socket of domain 0"));
	ck_assert_int_eq(DUMP("--format", "json"), 1);
	json_t *document = parse();
	ck_assert(json_is_false(json_object_get(json_object_get(document, "header"), "complete")));
	json_decref(document);
	ck_assert_int_eq(DUMP("--check"), 1);
	ck_assert_ptr_nonnull(strstr(dump.output, "a domain has a key of 3 bytes and a record of 5\n"));
	ck_assert_ptr_nonnull(strstr(dump.output, "a watch has a key of 17 bytes and a record of 5\n"));
}
END_TEST

/* ---- a daemon with guests ---- */

static void start_with_guests(void)
{
	ck_assert_int_eq(daemon_init_in(&served, shared.directory), 0);
	sim = expect_sim(&served);
	expect_sim_start(sim, &served, SIM_LXENSTORED, NULL);
	client = expect_client(&served);
}

static void stop_with_guests(void)
{
	command_deinit(&dump);
	client_close(client);
	if (served.pid)
		ck_assert_int_eq(daemon_stop(&served, SIGKILL, NULL), 0);
	sim_free(sim);
	daemon_deinit(&served);
}

/* What the store shows of guests, in all forms that are the same for the same state. */
static char *show_all(void)
{
	char *shown = NULL;
	size_t size;
	FILE *to = open_memstream(&shown, &size);

	ck_assert_ptr_nonnull(to);
	expect_quiet(DUMP("--perms", "--generations"));
	fputs(dump.output, to);
	expect_quiet(DUMP("--domains", "--watches", "--owners"));
	fputs(dump.output, to);
	fclose(to);
	return shown;
}

/* Two guests with what guests have; a driver domain that acts for one of them. */
static void make_guests(struct client *guests[2])
{
	guests[0] = expect_guest(sim, client, 5);
	guests[1] = expect_guest(sim, client, 6);
	expect_write(guests[0], 0, "device/vif/0/state", "1");
	expect_ok(guests[0], MESSAGE_SET_PERMS, 0, ARGUMENTS("device/vif/0", "n5", "r6"));
	expect_write(client, 0, "/local/domain/6/backend/5/0", "");
	expect_ok(client, MESSAGE_SET_PERMS, 0, ARGUMENTS("/local/domain/6/backend/5/0", "n6", "r5"));
	expect_watch(guests[0], "device", "mine");
	expect_watch(guests[1], "/local/domain/5/device/vif/0", "his");
	expect_watch(client, "@releaseDomain", "gone");
	expect_ok(client, MESSAGE_SET_TARGET, 0, ARGUMENTS("6", "5"));
}

static void expect_line(const char *line)
{
	ck_assert_msg(strstr(dump.output, line), "\"%s\" is not in:\n%s", line, dump.output);
}

START_TEST(guests_their_watches_and_what_they_own_are_shown)
{
	struct client *guests[2];
	char line[96];

	make_guests(guests);
	expect_quiet(DUMP("--domains"));
	snprintf(line, sizeof(line), "domain 5: introduced, port %u, features 0x", sim_port(sim, 5));
	expect_line(line);
	snprintf(line, sizeof(line), "domain 6: introduced, port %u, target 5, features 0x", sim_port(sim, 6));
	expect_line(line);
	/* Its own directory, device, vif, 0 and state. */
	expect_line(", 5 nodes, 1 watches\n");
	expect_quiet(DUMP("--watches"));
	expect_line("ring of domain 5, connection 5: /local/domain/5/device \"mine\", told as device\n");
	expect_line("ring of domain 6, connection 6: /local/domain/5/device/vif/0 \"his\"\n");
	expect_line(": @releaseDomain \"gone\"\n");
	expect_quiet(DUMP("--owners"));
	expect_line("domain 5: 5 at /local/domain/5\n");
	expect_line("domain 6: 4 at /local/domain/6\n");
	expect_quiet(DUMP("--check"));
	client_close(guests[0]);
	client_close(guests[1]);
}
END_TEST

START_TEST(after_a_kill_and_in_a_copy_all_is_shown_as_before)
{
	struct client *guests[2];
	char copy[sizeof(served.directory) + 8];
	size_t len;

	make_guests(guests);
	char *alive = show_all();
	ck_assert_int_eq(daemon_stop(&served, SIGKILL, NULL), 0);
	client_close(guests[0]);
	client_close(guests[1]);
	char *dead = show_all();
	ck_assert_str_eq(dead, alive);
	snprintf(copy, sizeof(copy), "%s/copy", served.directory);
	unsigned char *bytes = store_file_bytes(served.store, &len);
	store_file_write(copy, bytes, len);
	snprintf(served.store, sizeof(served.store), "%s", copy);
	char *copied = show_all();
	ck_assert_str_eq(copied, alive);
	expect_quiet(DUMP("--check"));
	unlink(copy);
	free(bytes);
	free(alive);
	free(dead);
	free(copied);
}
END_TEST

START_TEST(of_a_domain_that_died_nothing_is_left)
{
	struct client *guests[2];

	make_guests(guests);
	ck_assert_int_eq(sim_destroy(sim, 5), 0);
	expect_event(client, "@releaseDomain", "gone");
	expect_sound(client); /* the records of its watches go with the turn after that of its death */
	expect_quiet(DUMP("--domains", "--owners", "--watches"));
	ck_assert_ptr_null(strstr(dump.output, "domain 5"));
	ck_assert_ptr_null(strstr(dump.output, "target"));
	expect_line("domain 6: 4 at /local/domain/6\n");
	expect_quiet(DUMP("--perms", "/local/domain/6/backend"));
	ck_assert_str_eq(dump.output, "/local/domain/6/backend/5 = \"\"   (n6)\n/local/domain/6/backend/5/0 = \"\"   (n6)\n");
	expect_quiet(DUMP("--check"));
	client_close(guests[0]);
	client_close(guests[1]);
}
END_TEST

int main(void)
{
	const TTest *const made[] = {
	    the_store_is_sound,
	    domains_are_a_line_each,
	    watches_are_a_line_each,
	    owners_are_told_with_their_topmost_nodes,
	    several_are_shown_one_after_the_other,
	    json_has_domains_watches_and_quotas_too,
	    json_has_what_was_asked_for,
	    stat_counts_them,
	    what_does_not_go_together_is_told,
	    records_that_are_not_whole_are_left_out_and_told,
	};
	const TTest *const live[] = {
	    guests_their_watches_and_what_they_own_are_shown,
	    after_a_kill_and_in_a_copy_all_is_shown_as_before,
	    of_a_domain_that_died_nothing_is_left,
	};
	Suite *suite = expect_suite("dump_domains", &shared, make_store, remove_store, made, sizeof(made) / sizeof(made[0]));

	expect_case(suite, "guests", start_with_guests, stop_with_guests, live, sizeof(live) / sizeof(live[0]));
	return suite_run(suite);
}
