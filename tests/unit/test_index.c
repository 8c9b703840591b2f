/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which nodes have records by owner and by entry, through all that nodes go through; and that the check finds what is amiss. */
#include "store/index.h"
#include "store/check.h"
#include "store/node.h"
#include "support/stage.h"
#include "support/suite.h"

#include <check.h>
#include <lmdb.h>
#include <stdio.h>
#include <string.h>

static struct stage stage;

static void setup(void)
{
	stage_open(&stage, 0);
}

static void teardown(void)
{
	ck_assert_str_eq(stage_problem(&stage), "");
	stage_close(&stage);
}

static void say(const char *words)
{
	if (strcmp(stage_say(&stage, words), "OK"))
		ck_abort_msg("%.200s: %s", words, stage.answer);
}

static struct node get(const char *text)
{
	struct path path = {text, strlen(text)};
	struct node node;

	if (node_get(stage.store, store_view(stage.store), &path, &node))
		ck_abort_msg("%.99s is missing", text);
	return node;
}

/* Names of `len` bytes take the place of stars: "a*" is an a and many x. */
static const char *with_long_names(const char *text, size_t len)
{
	static char texts[4][STAGE_TEXT];
	static size_t next;
	char *out = texts[next++ % 4], *to = out;

	for (; *text; text++) {
		size_t n = *text == '*' ? len : 1;
		memset(to, *text == '*' ? 'x' : *text, n);
		to += n;
	}
	*to = 0;
	return out;
}

/* The paths that the domain's records of this kind lead to, in the order of creation. */
static void expect(unsigned char kind, uint16_t domid, const char *paths)
{
	char buffer[PATH_BUFFER], told[STAGE_TEXT] = "";
	uint64_t created = 0;
	struct path path;

	for (;;) {
		int result = index_next(stage.store, store_view(stage.store), kind, domid, created + 1, buffer, &path, &created);
		if (result == STATUS_ENOENT)
			break;
		ck_assert_int_eq(result, 0);
		sprintf(told + strlen(told), "%s%.*s", *told ? " " : "", (int)path.len, path.text);
		ck_assert_uint_eq(get(path.text).created, created);
		ck_assert(get(path.text).flags & STORE_NODE_INDEXED);
	}
	ck_assert_str_eq(told, paths);
	ck_assert_str_eq(stage_problem(&stage), "");
}

static void expect_owned(uint16_t domid, const char *paths)
{
	expect(STORE_KEY_OWNER, domid, paths);
}

static void expect_named(uint16_t domid, const char *paths)
{
	expect(STORE_KEY_ENTRY, domid, paths);
}

/* ---- what differs ---- */

START_TEST(names_are_the_same_in_any_order_and_with_any_access)
{
	static const struct {
		const char *left, *right;
		bool same;
	} pairs[] = {
	    {"n1", "n1", true},
	    {"n1", "b1", true},
	    {"n1", "n2", false},
	    {"n1,r2", "n1", false},
	    {"n1,r2", "n1,w2", true},
	    {"n1,r2,r3", "n1,r3,r2", true},
	    {"n1,r2,r3", "n1,r2,r2", false},
	    {"n1,r2,r2", "n1,r2", true},
	    {"n1,r2", "n2,r1", false},
	    {"n1,r1", "n1", false},
	    {"n1,r2", "n1,r3", false},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct permission left[STAGE_PERMISSIONS_MAX], right[STAGE_PERMISSIONS_MAX];
		size_t n_left = stage_parse_permissions(pairs[i].left, left);
		size_t n_right = stage_parse_permissions(pairs[i].right, right);
		ck_assert_msg(index_same_names(left, n_left, right, n_right) == pairs[i].same, "%s, %s", pairs[i].left,
			      pairs[i].right);
		ck_assert_msg(index_same_names(right, n_right, left, n_left) == pairs[i].same, "%s, %s", pairs[i].right,
			      pairs[i].left);
	}
}
END_TEST

START_TEST(keys_are_in_the_order_of_domains_and_generations)
{
	unsigned char keys[4][INDEX_KEY_SIZE];
	uint64_t created;
	uint16_t domid;

	index_key('o', 0x1ff, UINT64_MAX, keys[0]);
	index_key('o', 0x200, 0, keys[1]);
	index_key('o', 0x200, 0xff, keys[2]);
	index_key('o', 0x200, UINT64_C(0x0102030405060708), keys[3]);
	for (int i = 0; i < 3; i++)
		ck_assert_int_lt(memcmp(keys[i], keys[i + 1], INDEX_KEY_SIZE), 0);
	ck_assert(index_key_decode(keys[3], INDEX_KEY_SIZE, &domid, &created));
	ck_assert_uint_eq(domid, 0x200);
	ck_assert_uint_eq(created, UINT64_C(0x0102030405060708));
	ck_assert(!index_key_decode(keys[3], INDEX_KEY_SIZE - 1, &domid, &created));
	ck_assert(!index_key_decode(keys[3], INDEX_KEY_SIZE + 1, &domid, &created));
}
END_TEST

/* ---- nodes come, change and go ---- */

START_TEST(what_a_guest_makes_in_its_own_directory_has_no_record)
{
	MDB_stat before, after;

	say("A write /d 1");
	say("A chmod /d n1,r2");
	mdb_stat(store_view(stage.store), stage.store->dbi, &before);
	say("1 write /d/a/b 1");
	say("1 write /d/c 1");
	say("1 chmod /d/c n1,b2");
	mdb_stat(store_view(stage.store), stage.store->dbi, &after);
	ck_assert_uint_eq(after.ms_entries, before.ms_entries + 3);
	expect_owned(1, "/d");
	expect_named(2, "/d");
	ck_assert_uint_eq(get("/d/a/b").flags, 0);
}
END_TEST

START_TEST(what_a_guest_makes_in_anothers_directory_has_one)
{
	say("A write /d 1");
	say("A chmod /d n0,b1,b2");
	say("1 write /d/a/b 1");
	say("2 write /d/b 1");
	expect_owned(1, "/d/a");
	expect_owned(2, "/d/b");
	/* They pass on that they are named. */
	expect_named(1, "/d");
	expect_named(2, "/d");
}
END_TEST

START_TEST(the_privileged_domain_and_numbers_that_no_domain_has_have_none)
{
	say("A write /a 1");
	say("A chmod /a n1,r0,r32757");
	say("A write /b 1");
	say("A chmod /b n32752");
	expect_owned(0, "");
	expect_named(0, "");
	expect_named(DOMID_ANY_NUMBER, "");
	expect_owned(DOMID_FIRST_RESERVED_NUMBER, "");
	expect_owned(1, "/a");
}
END_TEST

START_TEST(new_permissions_make_records_and_take_them_away)
{
	say("A write /a/b/c 1");
	say("A chmod /a/b n1,r2,w3,r2");
	expect_owned(1, "/a/b");
	expect_named(2, "/a/b");
	expect_named(3, "/a/b");
	say("A chmod /a/b n2,r1");
	expect_owned(1, "");
	expect_owned(2, "/a/b");
	expect_named(1, "/a/b");
	expect_named(2, "");
	expect_named(3, "");
	say("A chmod /a/b n0");
	expect_owned(2, "");
	expect_named(1, "");
}
END_TEST

START_TEST(the_records_of_children_follow_their_parent)
{
	say("A write /a 1");
	say("A chmod /a n1,r2");
	say("1 write /a/b 1");
	say("1 write /a/c/d 1");
	say("A write /a/e 1");
	say("A chmod /a/e n3,r2");
	expect_owned(1, "/a");
	expect_named(2, "/a");
	/* They owned what their parent owned, and now they do not. */
	say("A chmod /a n3");
	expect_owned(1, "/a/b /a/c");
	expect_owned(3, "/a");
	expect_named(2, "/a/b /a/c /a/e");
	say("A chmod /a n1,w2");
	expect_owned(1, "/a");
	expect_owned(3, "/a/e");
	expect_named(2, "/a");
}
END_TEST

START_TEST(a_removal_takes_the_records_of_all_below)
{
	say("A write /a/b/c/d 1");
	say("A chmod /a n1,r2");
	say("A chmod /a/b n2,r3");
	say("A chmod /a/b/c n3,r1");
	say("A chmod /a/b/c/d n1,r2");
	say("A write /b 1");
	say("A chmod /b n1,r2");
	expect_owned(1, "/a /a/b/c/d /b");
	say("A rm /a/b");
	expect_owned(1, "/a /b");
	expect_owned(2, "");
	expect_owned(3, "");
	expect_named(1, "");
	expect_named(2, "/a /b");
	expect_named(3, "");
	say("A rm /a");
	expect_owned(1, "/b");
	expect_named(2, "/b");
}
END_TEST

START_TEST(the_root_and_the_specials_have_records_as_what_has_no_parent)
{
	say("A chmod / n1,r2");
	say("A chmod @releaseDomain n2,r1,r32757");
	expect_owned(1, "/");
	expect_owned(2, "@releaseDomain");
	expect_named(1, "@releaseDomain");
	expect_named(2, "/");
	say("A write /a 1");
	expect_owned(1, "/");
	say("A chmod / n0");
	expect_owned(1, "/a");
	expect_named(2, "/a");
	say("A chmod @releaseDomain n0,r32757");
	expect_owned(2, "");
	expect_named(1, "");
}
END_TEST

START_TEST(records_lead_to_nodes_with_long_keys)
{
	char words[STAGE_TEXT + 32];
	const char *above = with_long_names("/a*/b*", 300), *below = with_long_names("/a*/b*/c*/d", 300);

	snprintf(words, sizeof(words), "A write %s 1", below);
	say(words);
	snprintf(words, sizeof(words), "A chmod %s n1,r2", below);
	say(words);
	snprintf(words, sizeof(words), "A chmod %s n2,r1", above);
	say(words);
	expect_owned(1, below);
	expect_owned(2, above);
	expect_named(1, above);
	snprintf(words, sizeof(words), "A chmod %s n1,r2", with_long_names("/a*/b*/c*", 300));
	say(words);
	expect_owned(1, with_long_names("/a*/b*/c*", 300));
	snprintf(words, sizeof(words), "A rm %s", with_long_names("/a*", 300));
	say(words);
	expect_owned(1, "");
	expect_owned(2, "");
	expect_named(1, "");
}
END_TEST

START_TEST(many_children_and_many_names_have_their_records)
{
	char words[64], paths[STAGE_TEXT] = "";

	say("A write /a 1");
	say("A chmod /a b0");
	stage.together = true;
	for (int i = 0; i < 300; i++) {
		snprintf(words, sizeof(words), "1 write /a/%d 1", i);
		say(words);
		sprintf(paths + strlen(paths), "%s/a/%d", i ? " " : "", i);
	}
	say("commit");
	expect_owned(1, paths);
	say("A chmod /a n1");
	expect_owned(1, "/a");
	say("A chmod /a n2,r1,r3,r4,r5,r6,r7,r8");
	expect_owned(1, paths);
	for (uint16_t domid = 3; domid <= 8; domid++)
		expect_named(domid, "/a");
	say("A rm /a");
	expect_owned(1, "");
	expect_named(8, "");
}
END_TEST

START_TEST(a_turn_that_is_undone_leaves_the_records_of_before)
{
	say("A write /a/b 1");
	say("A chmod /a n1");
	stage.together = true;
	say("A chmod /a n2");
	say("A chmod /a/b n1");
	say("A write /c 1");
	say("A chmod /c n1,r2");
	say("abort");
	expect_owned(1, "/a");
	expect_owned(2, "");
	expect_named(2, "");
}
END_TEST

START_TEST(a_transactions_end_makes_and_takes_records)
{
	say("A write /a/b 1");
	say("A chmod /a n1,r2");
	say("A start");
	say("A rm /a/b");
	say("A write /a/c/d 1");
	say("A chmod /a/c/d n2");
	say("A chmod /a n3");
	say("A write /e 1");
	say("A chmod /e n1");
	expect_owned(1, "/a");
	say("A end");
	expect_owned(1, "/a/c /e");
	expect_owned(2, "/a/c/d");
	expect_owned(3, "/a");
	expect_named(2, "/a/c");
}
END_TEST

/* ---- damage ---- */

/* A record past all rules; `node`: path of the one whose key it holds; NULL: the record is taken away. */
static void put(unsigned char kind, uint16_t domid, uint64_t created, const char *node)
{
	unsigned char bytes[INDEX_KEY_SIZE];
	struct path path = {node, node ? strlen(node) : 0};
	struct key key;
	MDB_val name = {sizeof(bytes), bytes}, record;
	MDB_txn *txn = store_writable(stage.store);

	index_key(kind, domid, created, bytes);
	if (node) {
		key_of_path(stage.store->meta.hash_key, &path, &key);
		record = (MDB_val){key.len, key.bytes};
		ck_assert_int_eq(mdb_put(txn, stage.store->dbi, &name, &record, 0), 0);
	} else {
		ck_assert_int_eq(mdb_del(txn, stage.store->dbi, &name, NULL), 0);
	}
}

static void expect_problem(const char *problem)
{
	ck_assert_str_eq(stage_problem(&stage), problem);
	store_abort(stage.store);
}

START_TEST(the_check_finds_records_that_are_missing_or_wrong)
{
	say("A write /a/b 1");
	say("A chmod /a n1,r2");
	uint64_t a = get("/a").created, b = get("/a/b").created;

	put(STORE_KEY_OWNER, 1, a, NULL);
	expect_problem("/a is not found as owned by domain 1");
	put(STORE_KEY_ENTRY, 2, a, NULL);
	expect_problem("/a is not found as naming domain 2");
	put(STORE_KEY_OWNER, 1, a, "/a/b");
	expect_problem("/a is not found as owned by domain 1");
	put(STORE_KEY_OWNER, 1, b, "/a/b");
	expect_problem("/a/b is wrongly found as owned by domain 1");
	put(STORE_KEY_ENTRY, 1, a, "/a");
	expect_problem("/a is wrongly found as naming domain 1");
	put(STORE_KEY_ENTRY, 2, b, "/a/b");
	expect_problem("/a/b is wrongly found as naming domain 2");
	put(STORE_KEY_OWNER, 1, a + 1, "/a");
	expect_problem("domain 1 owns a node that is not there");
	put(STORE_KEY_ENTRY, 2, a, "/missing");
	expect_problem("/a is not found as naming domain 2");
	put(STORE_KEY_ENTRY, 3, a, "/missing");
	expect_problem("domain 3 is named by a node that is not there");
	put(STORE_KEY_OWNER, 0, get("/tool").created, "/tool");
	expect_problem("/tool is wrongly found as owned by domain 0");
}
END_TEST

START_TEST(the_check_finds_a_node_that_does_not_know_of_its_records)
{
	struct path path = {"/a", 2};
	struct store_node head;
	unsigned char bytes[256];
	struct key key;
	MDB_val record;

	say("A write /a 1");
	say("A chmod /a n1");
	key_of_path(stage.store->meta.hash_key, &path, &key);
	MDB_val name = {key.len, key.bytes};
	MDB_txn *txn = store_writable(stage.store);
	ck_assert_int_eq(mdb_get(txn, stage.store->dbi, &name, &record), 0);
	memcpy(bytes, record.mv_data, record.mv_size);
	memcpy(&head, bytes, sizeof(head));
	head.flags = 0;
	memcpy(bytes, &head, sizeof(head));
	record.mv_data = bytes;
	ck_assert_int_eq(mdb_put(txn, stage.store->dbi, &name, &record, 0), 0);
	expect_problem("/a has a record in an index and does not know it");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("index");
	TCase *tcase = tcase_create("records");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, names_are_the_same_in_any_order_and_with_any_access);
	tcase_add_test(tcase, keys_are_in_the_order_of_domains_and_generations);
	tcase_add_test(tcase, what_a_guest_makes_in_its_own_directory_has_no_record);
	tcase_add_test(tcase, what_a_guest_makes_in_anothers_directory_has_one);
	tcase_add_test(tcase, the_privileged_domain_and_numbers_that_no_domain_has_have_none);
	tcase_add_test(tcase, new_permissions_make_records_and_take_them_away);
	tcase_add_test(tcase, the_records_of_children_follow_their_parent);
	tcase_add_test(tcase, a_removal_takes_the_records_of_all_below);
	tcase_add_test(tcase, the_root_and_the_specials_have_records_as_what_has_no_parent);
	tcase_add_test(tcase, records_lead_to_nodes_with_long_keys);
	tcase_add_test(tcase, many_children_and_many_names_have_their_records);
	tcase_add_test(tcase, a_turn_that_is_undone_leaves_the_records_of_before);
	tcase_add_test(tcase, a_transactions_end_makes_and_takes_records);
	tcase_add_test(tcase, the_check_finds_records_that_are_missing_or_wrong);
	tcase_add_test(tcase, the_check_finds_a_node_that_does_not_know_of_its_records);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
