/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A store made of what was handed over; and damaged states, which are refused or make a sound store. */
#include "handover/import.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/domain_record.h"
#include "lxenstored/ledger_format.h"
#include "store/check.h"
#include "store/node.h"
#include "store/watch_record.h"
#include "support/random.h"
#include "support/sample_state.h"
#include "support/store_file.h"
#include "support/suite.h"

static struct store_file file;
static struct buffer bytes;
static struct state state;
static char problem[STATE_TEXT_SIZE];
static const struct import_options options = {.with_sockets = true};

static void setup(void)
{
	store_file_init(&file);
	buffer_init(&bytes);
}

static void teardown(void)
{
	state_deinit(&state);
	buffer_deinit(&bytes);
	store_file_deinit(&file);
}

static int read_state(void)
{
	state_deinit(&state);
	return state_read(bytes.bytes ? bytes.bytes : "", bytes.len, &state, problem);
}

static int import(const struct import_options *with)
{
	int error = read_state();

	return error ? error : import_state(file.store, &state, bytes.bytes, bytes.len, with, problem);
}

static void expect_sound(void)
{
	struct check_verdict verdict;
	struct MDB_txn *txn = store_view(file.store);

	ck_assert_int_eq(check_records(txn, file.store->dbi, NULL, NULL, &verdict), 0);
	ck_assert_msg(verdict.result == CHECK_SOUND, "%s", verdict.text);
}

static void expect_node(const char *path, const char *value, size_t len, const char *permissions)
{
	const struct path name = {path, strlen(path)};
	struct buffer text = {0};
	struct node node;

	ck_assert_msg(!node_look(file.store, &name, &node), "%s", path);
	ck_assert_uint_eq(node.value_len, len);
	ck_assert(!len || !memcmp(node.value, value, len));
	permissions_format(node.permissions, node.n_permissions, &text);
	for (size_t i = 0; i + 1 < text.len; i++) {
		if (!text.bytes[i])
			text.bytes[i] = ' ';
	}
	ck_assert_str_eq(text.bytes, permissions);
	buffer_deinit(&text);
}

static void expect_sample(bool is_text)
{
	const struct path gone = {"/before", 7};
	struct node node;

	expect_sound();
	expect_node("/local/domain/7/data", "a\0b\xff\n,", 6, "w7");
	expect_node("/local/domain/7", "", 0, "n7 b9");
	expect_node("/tool/xenstored", "/usr/sbin/xenstored", 19, "n0");
	expect_node("@releaseDomain", "", 0, "n0 r7");
	ck_assert_int_eq(node_look(file.store, &gone, &node), STATUS_ENOENT);

	struct domains domains;
	ck_assert_int_eq(domains_init(&domains, 0, 0, NULL, NULL), 0);
	ck_assert_int_eq(domains_load(&domains, file.store, NULL), 0);
	const struct domain *domain = domain_find(&domains, 7);
	ck_assert(domain && domain->introduced);
	ck_assert_uint_eq(domain->caller.target, is_text ? DOMID_NONE : 9);
	if (!is_text) {
		ck_assert_uint_eq(domain->port, 18);
		ck_assert_uint_eq(domain->features, 5);
		ck_assert_uint_eq(domain->identity.unique_id, UINT64_C(0x1122334455667788));
		ck_assert_uint_eq(domain->quotas.hard[QUOTA_WATCHES], 12);
		ck_assert_uint_eq(domains.quotas.hard[QUOTA_NODES], 500);
	}
	domains_deinit(&domains);
}

START_TEST(a_stream_becomes_a_store)
{
	store_file_create(&file, "/before", NULL, "", 0);
	sample_stream(&bytes, &(struct stream_form){.version = 2});
	ck_assert_msg(!import(&options), "%s", problem);
	expect_sample(false);
	store_file_close(&file);
	store_file_open(&file);
	expect_sample(false);
}
END_TEST

START_TEST(the_dump_of_oxenstored_becomes_a_store)
{
	store_file_create(&file, "/before", NULL, "", 0);
	sample_text(&bytes);
	ck_assert_msg(!import(&options), "%s", problem);
	expect_sample(true);
}
END_TEST

static int count_watch(void *context, const struct watch_record *record)
{
	char **text = context;
	char line[256];

	snprintf(line, sizeof(line), "%d %.*s %u %.*s %d\n", record->domid, (int)record->path_len, record->path, record->hidden,
		 (int)record->token_len, record->token, record->depth);
	*text = realloc(*text, strlen(*text) + strlen(line) + 1);
	strcat(*text, line);
	return 0;
}

static void expect_watches(uint64_t connection, const char *lines)
{
	char *text = strdup("");

	ck_assert_int_eq(watch_record_each(file.store, connection, count_watch, &text), 0);
	ck_assert_str_eq(text, lines);
	free(text);
}

START_TEST(watches_are_those_of_their_connections)
{
	sample_stream(&bytes, &(struct stream_form){.version = 2});
	ck_assert_msg(!import(&options), "%s", problem);
	expect_watches(7, "7 /local/domain/7/device 16 token \x80,x -1\n7 /local/domain/7/data 0  3\n");
	expect_watches(import_connection_id(state_connection(&state, 0x10006)), "0 @releaseDomain 0 rel -1\n0 /local 0 dom -1\n");
	ck_assert_msg(!import(&(struct import_options){0}), "%s", problem);
	expect_watches(7, "7 /local/domain/7/device 16 token \x80,x -1\n7 /local/domain/7/data 0  3\n");
	expect_watches(import_connection_id(state_connection(&state, 0x10006)), "");
}
END_TEST

/* More than a commit's worth, and more than the file has room for at first. */
START_TEST(a_large_tree_finds_its_room)
{
	const struct stream_form form = {.version = 1};
	static const struct permission permission = {0, PERMISSION_NONE, 0};
	char path[64], value[1000];

	memset(value, 'x', sizeof(value));
	stream_put_header(&bytes, &form);
	for (int i = -1; i < 20000; i++) {
		snprintf(path, sizeof(path), i < 0 ? "/" : "/%d", i);
		const struct state_record record = {
		    .kind = STATE_NODE,
		    .node = {.path = path,
			     .path_len = strlen(path),
			     .permissions = &permission,
			     .n_permissions = 1,
			     .value = value,
			     .value_len = sizeof(value)},
		};
		stream_put(&bytes, &form, &record);
	}
	stream_put_end(&bytes, &form);
	ck_assert_msg(!import(&options), "%s", problem);
	ck_assert_uint_eq(state.n_nodes, 20001);
	expect_node("/19999", value, sizeof(value), "n0");
	expect_sound();
}
END_TEST

/* ---- what is refused ---- */

static void put_node(const char *path)
{
	static const struct permission permission = {0, PERMISSION_NONE, 0};

	stream_put(
	    &bytes, &(struct stream_form){.version = 2},
	    &(struct state_record){
		.kind = STATE_NODE,
		.node = {.path = path, .path_len = strlen(path), .permissions = &permission, .n_permissions = 1, .value = ""}});
}

static void put(const struct state_record *record)
{
	stream_put(&bytes, &(struct stream_form){.version = 2}, record);
}

static void begin(void)
{
	buffer_clear(&bytes);
	stream_put_header(&bytes, &(struct stream_form){.version = 2});
}

static void expect_refused(const char *why)
{
	stream_put_end(&bytes, &(struct stream_form){.version = 2});
	ck_assert_int_eq(import(&options), -EPROTO);
	ck_assert_msg(strstr(problem, why), "%s", problem);
}

START_TEST(states_that_make_no_sense_are_refused)
{
	const struct state_record ring = {.kind = STATE_CONNECTION, .connection = {.number = 1, .domid = 5}};
	const struct state_record other = {.kind = STATE_CONNECTION, .connection = {.number = 2, .domid = 5}};
	const struct state_record socket = {.kind = STATE_CONNECTION, .connection = {.number = 1, .is_socket = true}};
	const struct state_record watch = {.kind = STATE_WATCH,
					   .watch = {.connection = 9, .path = "/a", .path_len = 2, .token = "", .depth = -1}};
	const struct state_record bad_watch = {
	    .kind = STATE_WATCH, .watch = {.connection = 1, .path = "/a/", .path_len = 3, .token = "", .depth = -1}};
	const struct state_record transaction = {.kind = STATE_TRANSACTION, .transaction = {9, 1}};

	begin();
	expect_refused("no nodes");
	begin();
	put_node("/");
	put_node("a");
	expect_refused("no absolute path");
	begin();
	put_node("/");
	put_node("/a//b");
	expect_refused("no absolute path");
	begin();
	put_node("/");
	put_node("/a");
	put_node("/a");
	expect_refused("twice");
	begin();
	put_node("/");
	put_node("/a/b");
	expect_refused("before its parent");
	begin();
	put_node("/a");
	expect_refused("before its parent");
	begin();
	put_node("/");
	put(&ring);
	put(&other);
	expect_refused("two rings");
	begin();
	put_node("/");
	put(&ring);
	put(&socket);
	expect_refused("the number 1");
	begin();
	put_node("/");
	put(&watch);
	expect_refused("connection 9");
	begin();
	put_node("/");
	put(&transaction);
	expect_refused("connection 9");
	begin();
	put_node("/");
	put(&ring);
	put(&bad_watch);
	expect_refused("no path");
}
END_TEST

static void expect_refused_or_sound(void)
{
	int error = import(&options);

	ck_assert_msg(!error || error == -EPROTO, "%d", error);
	if (error)
		ck_assert(*problem);
	else
		expect_sound();
}

START_TEST(each_truncation_of_a_stream_is_refused)
{
	sample_stream(&bytes, &(struct stream_form){.version = 2});
	for (; bytes.len;) {
		bytes.len--;
		ck_assert_int_eq(read_state(), -EPROTO);
		ck_assert(*problem);
	}
}
END_TEST

/* One to four bytes, or a piece that is missing or there twice. DAMAGES says how many. */
START_TEST(damaged_states_are_refused_or_make_a_sound_store)
{
	const char *wanted = getenv("DAMAGES");
	int n = wanted ? atoi(wanted) : 1500;
	struct random random;
	struct buffer whole = {0};

	random_begin(&random, "DAMAGE_SEED");
	for (int i = 0; i < n; i++) {
		buffer_clear(&whole);
		buffer_clear(&bytes);
		if (i % 4)
			sample_stream(&whole, &(struct stream_form){1 + (uint32_t)i % 2, i % 3 == 1});
		else
			sample_text(&whole);
		size_t at = random_below(&random, (uint32_t)whole.len), len = random_below(&random, 64);
		bool changes = random_below(&random, 4);
		for (uint32_t j = random_below(&random, 4) + 1; j && changes; j--)
			whole.bytes[random_below(&random, (uint32_t)whole.len)] = (char)random_below(&random, 256);
		len = len < whole.len - at ? len : whole.len - at;
		buffer_add(&bytes, whole.bytes, changes ? whole.len : at);
		if (!changes && random_below(&random, 2))
			buffer_add(&bytes, whole.bytes + at - (len < at ? len : at), whole.len - at + (len < at ? len : at));
		else if (!changes)
			buffer_add(&bytes, whole.bytes + at + len, whole.len - at - len);
		expect_refused_or_sound();
	}
	buffer_deinit(&whole);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("import");
	TCase *cases = tcase_create("import");

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_set_timeout(cases, 120);
	tcase_add_test(cases, a_stream_becomes_a_store);
	tcase_add_test(cases, the_dump_of_oxenstored_becomes_a_store);
	tcase_add_test(cases, watches_are_those_of_their_connections);
	tcase_add_test(cases, a_large_tree_finds_its_room);
	tcase_add_test(cases, states_that_make_no_sense_are_refused);
	tcase_add_test(cases, each_truncation_of_a_stream_is_refused);
	tcase_add_test(cases, damaged_states_are_refused_or_make_a_sound_store);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
