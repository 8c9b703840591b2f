/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Registration and matching of watches, case by case; test_watch_model.c has random ones. What a match costs is counted as hashes
 * taken: the linker leads hash_short of the index through here.
 */
#include "watch/watch.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "support/suite.h"

uint64_t __real_hash_short(const unsigned char key[HASH_KEY_SIZE], const void *bytes, size_t len);
uint64_t __wrap_hash_short(const unsigned char key[HASH_KEY_SIZE], const void *bytes, size_t len);

static size_t n_hashes;

uint64_t __wrap_hash_short(const unsigned char key[HASH_KEY_SIZE], const void *bytes, size_t len)
{
	n_hashes++;
	return __real_hash_short(key, bytes, len);
}

enum { OWNERS = 4, HITS_MAX = 200000 };

static struct watch_index *watches;
static struct watch_owner *owners[OWNERS];

/* Watches hit, or paths found, by the last call. */
static struct watch *hits[HITS_MAX];
static size_t n_hits;

static struct budget number, memory;

static struct watch_owner *owner_new(uint64_t order)
{
	struct watch_owner *owner;

	ck_assert_int_eq(watch_owner_new(watches, order, NULL, &number, &memory, &owner), 0);
	return owner;
}

static void clear(size_t owner)
{
	uint64_t order = owners[owner]->order;

	watch_owner_free(owners[owner]);
	owners[owner] = owner_new(order);
}

static void setup(void)
{
	number = memory = (struct budget){0};
	watches = watch_index_new();
	ck_assert_ptr_nonnull(watches);
	for (size_t i = 0; i < OWNERS; i++)
		owners[i] = owner_new(10 * i + 10);
}

static void teardown(void)
{
	for (size_t i = 0; i < OWNERS; i++) {
		if (owners[i])
			watch_owner_free(owners[i]);
	}
	watch_index_free(watches);
}

static struct path path_of(const char *text)
{
	return (struct path){text, strlen(text)};
}

static int add_to(size_t owner, const char *text, const char *token, int depth, struct watch **out)
{
	struct watch_description description = {path_of(text), 0, token, strlen(token), depth, 0};

	return watch_add(owners[owner], &description, NULL, out);
}

static struct watch *add(const char *text, const char *token, int depth)
{
	struct watch *watch = NULL;

	if (add_to(0, text, token, depth, &watch))
		ck_abort_msg("%s cannot be watched", text);
	return watch;
}

static int may(void *context, const struct watch_owner *owner)
{
	(void)context;
	(void)owner;
	return 1;
}

static int note_hit(void *context, struct watch *watch)
{
	(void)context;
	hits[n_hits++] = watch;
	return 0;
}

static void match(const char *text, bool exact)
{
	struct path path = path_of(text);

	n_hits = 0;
	if (watch_match(watches, &path, exact, may, note_hit, NULL))
		ck_abort_msg("%s cannot be matched", text);
}

static void check_fires(const struct watch *watch, const char *text, bool fires)
{
	match(text, false);
	if (n_hits != fires || (fires && hits[0] != watch))
		ck_abort_msg("a watch on %s of depth %d and a change of %s", watch->path, watch->depth, text);
}

/* ---- registration ---- */

START_TEST(a_watch_keeps_what_it_was_set_with)
{
	struct watch_description description = {path_of("/local/domain/7/a"), 16, "to\1ken", 6, 3, 0};
	struct watch *watch;

	ck_assert_int_eq(watch_add(owners[0], &description, NULL, &watch), 0);
	ck_assert_ptr_eq(watch->owner, owners[0]);
	ck_assert_str_eq(watch->path, "/local/domain/7/a");
	ck_assert_uint_eq(watch->path_len, description.path.len);
	ck_assert_uint_eq(watch->hidden, 16);
	ck_assert_str_eq(watch->token, "to\1ken");
	ck_assert_uint_eq(watch->token_len, 6);
	ck_assert_int_eq(watch->depth, 3);
	ck_assert_uint_eq(watch_count(watches), 1);
	ck_assert_uint_eq(owners[0]->count, 1);
}
END_TEST

START_TEST(a_path_need_not_end_with_a_nul)
{
	struct watch_description description = {{"/abc", 2}, 0, "tx", 1, -1, 0};
	struct watch *watch;

	ck_assert_int_eq(watch_add(owners[0], &description, NULL, &watch), 0);
	ck_assert_str_eq(watch->path, "/a");
	ck_assert_str_eq(watch->token, "t");
	check_fires(watch, "/a", true);
	check_fires(watch, "/ab", false);
}
END_TEST

START_TEST(the_same_path_and_token_of_one_owner_is_refused)
{
	struct watch *watch = add("/a", "t", 2), *other = NULL;

	ck_assert_int_eq(add_to(0, "/a", "t", -1, &other), STATUS_EEXIST);
	ck_assert_ptr_null(other);
	ck_assert_uint_eq(watch_count(watches), 1);
	ck_assert_int_eq(watch->depth, 2);
}
END_TEST

START_TEST(another_path_token_or_owner_is_another_watch)
{
	struct watch *watch;

	add("/a", "t", -1);
	ck_assert_int_eq(add_to(0, "/b", "t", -1, &watch), 0);
	ck_assert_int_eq(add_to(0, "/a", "u", -1, &watch), 0);
	ck_assert_int_eq(add_to(0, "/a", "", -1, &watch), 0);
	ck_assert_int_eq(add_to(0, "/a", "tt", -1, &watch), 0);
	ck_assert_int_eq(add_to(1, "/a", "t", -1, &watch), 0);
	ck_assert_uint_eq(watch_count(watches), 6);
	ck_assert_uint_eq(owners[0]->count, 5);
}
END_TEST

START_TEST(serials_are_never_used_twice)
{
	struct watch *watch = add("/a", "t", -1);
	uint64_t serial = watch->serial;

	watch_free(watch);
	ck_assert_uint_gt(add("/a", "t", -1)->serial, serial);
}
END_TEST

START_TEST(serials_that_were_used_before_are_not_used_again)
{
	watch_serial_used(watches, 1000);
	ck_assert_uint_eq(add("/a", "t", -1)->serial, 1001);
	watch_serial_used(watches, 500);
	ck_assert_uint_eq(add("/b", "t", -1)->serial, 1002);
}
END_TEST

START_TEST(a_watch_is_found_by_owner_path_and_token)
{
	struct path path = path_of("/a"), other = path_of("/a/b");
	struct watch *watch = add("/a", "t", -1), *found;

	ck_assert_int_eq(watch_find(owners[0], &path, "t", 1, &found), 0);
	ck_assert_ptr_eq(found, watch);
	ck_assert_int_eq(watch_find(owners[0], &path, "tx", 2, &found), STATUS_ENOENT);
	ck_assert_int_eq(watch_find(owners[0], &path, "", 0, &found), STATUS_ENOENT);
	ck_assert_int_eq(watch_find(owners[0], &other, "t", 1, &found), STATUS_ENOENT);
	ck_assert_int_eq(watch_find(owners[1], &path, "t", 1, &found), STATUS_ENOENT);
}
END_TEST

START_TEST(a_removed_watch_is_gone)
{
	struct path path = path_of("/a/b");
	struct watch *found;

	watch_free(add("/a/b", "t", -1));
	ck_assert_uint_eq(watch_count(watches), 0);
	ck_assert_uint_eq(owners[0]->count, 0);
	ck_assert_ptr_null(owners[0]->watches);
	ck_assert_int_eq(watch_find(owners[0], &path, "t", 1, &found), STATUS_ENOENT);
	match("/a/b", false);
	ck_assert_uint_eq(n_hits, 0);
}
END_TEST

START_TEST(an_owner_that_is_cleared_leaves_those_of_others)
{
	struct watch *watch;

	ck_assert_int_eq(add_to(1, "/a/b", "t", -1, &watch), 0);
	for (int i = 0; i < 100; i++) {
		char text[32];
		snprintf(text, sizeof(text), "/a/b/%d", i);
		add(text, "t", -1);
	}
	clear(0);
	ck_assert_uint_eq(watch_count(watches), 1);
	ck_assert_uint_eq(owners[0]->count, 0);
	check_fires(watch, "/a/b/7", true);
	clear(0);
}
END_TEST

START_TEST(a_watch_that_is_taken_out_is_not_there_until_it_is_put_back)
{
	struct watch *first = add("/a", "1", -1), *second = add("/a", "2", -1), *found;
	struct path path = path_of("/a");

	add("/a", "3", -1);
	watch_take_out(first);
	ck_assert_uint_eq(watch_count(watches), 2);
	ck_assert_uint_eq(number.used, 2);
	ck_assert_int_eq(watch_find(owners[0], &path, "1", 1, &found), STATUS_ENOENT);
	match("/a", false);
	ck_assert_uint_eq(n_hits, 2);
	ck_assert_ptr_eq(hits[0], second);
	match("/a", true);
	ck_assert_uint_eq(n_hits, 2);
	watch_put_back(first);
	ck_assert_int_eq(watch_find(owners[0], &path, "1", 1, &found), 0);
	match("/a", false);
	ck_assert_uint_eq(n_hits, 3);
	ck_assert_ptr_eq(hits[0], first);
	ck_assert_ptr_eq(hits[1], second);
}
END_TEST

START_TEST(one_like_a_watch_that_is_taken_out_may_be_set)
{
	struct watch *old = add("/a", "t", -1), *found;
	struct path path = path_of("/a");

	watch_take_out(old);
	struct watch *fresh = add("/a", "t", -1);
	ck_assert_int_eq(watch_find(owners[0], &path, "t", 1, &found), 0);
	ck_assert_ptr_eq(found, fresh);
	watch_free(fresh);
	watch_put_back(old);
	ck_assert_int_eq(watch_find(owners[0], &path, "t", 1, &found), 0);
	ck_assert_ptr_eq(found, old);
	watch_take_out(old);
	watch_free(old);
	ck_assert_uint_eq(watch_count(watches), 0);
}
END_TEST

START_TEST(watches_are_paid_for_by_the_owners_budgets)
{
	const struct watch_limits limits = {2, 1 << 20};
	struct watch_description description = {path_of("/a"), 0, "t", 1, -1, 0};
	struct watch *watch;

	ck_assert_int_eq(watch_add(owners[0], &description, &limits, &watch), 0);
	uint64_t one = memory.used;
	ck_assert_uint_gt(one, 3);
	ck_assert_int_eq(watch_add(owners[1], &description, &limits, &watch), 0);
	ck_assert_uint_eq(number.used, 2);
	ck_assert_uint_eq(memory.used, 2 * one);
	ck_assert_int_eq(watch_add(owners[2], &description, &limits, &watch), STATUS_ENOSPC);
	ck_assert_int_eq(watch_add(owners[1], &description, &limits, &watch), STATUS_EEXIST);
	ck_assert_uint_eq(number.used, 2);
	clear(0);
	ck_assert_uint_eq(number.used, 1);
	ck_assert_uint_eq(memory.used, one);
}
END_TEST

START_TEST(a_watch_that_takes_too_much_memory_is_refused)
{
	struct watch_description description = {path_of("/a"), 0, "t", 1, -1, 0};
	struct watch *watch;

	ck_assert_int_eq(watch_add(owners[0], &description, NULL, &watch), 0);
	const struct watch_limits limits = {10, 2 * memory.used};
	description.token = "tt";
	description.token_len = 2;
	ck_assert_int_eq(watch_add(owners[0], &description, &limits, &watch), STATUS_ENOMEM);
	description.token = "u";
	description.token_len = 1;
	ck_assert_int_eq(watch_add(owners[0], &description, &limits, &watch), 0);
	ck_assert_uint_eq(number.used, 2);
	ck_assert_uint_eq(number.most, 2);
}
END_TEST

START_TEST(watches_of_a_departed_owner_go_by_and_by_and_are_not_there_meanwhile)
{
	struct watch_owner *owner = owners[0];

	for (int i = 0; i < 10; i++) {
		char text[32];
		snprintf(text, sizeof(text), "/a/%d", i);
		add(text, "t", -1);
	}
	owners[0] = NULL;
	ck_assert(watch_owner_depart(owner));
	ck_assert_ptr_eq(watch_departed(watches), owner);
	ck_assert_uint_eq(watch_count(watches), 0);
	ck_assert_uint_eq(number.used, 0);
	ck_assert_uint_eq(memory.used, 0);
	match("/a/3", false);
	ck_assert_uint_eq(n_hits, 0);
	ck_assert(!watch_departed_forget(watches, 9));
	ck_assert_uint_eq(owner->count, 1);
	ck_assert(watch_departed_forget(watches, 9));
	ck_assert_ptr_null(watch_departed(watches));
}
END_TEST

START_TEST(an_owner_without_watches_departs_at_once)
{
	struct watch_owner *owner = owners[0];

	owners[0] = NULL;
	ck_assert(!watch_owner_depart(owner));
	ck_assert_ptr_null(watch_departed(watches));
}
END_TEST

START_TEST(an_index_that_was_not_made_can_be_freed)
{
	watch_index_free(NULL);
}
END_TEST

START_TEST(the_longest_paths_and_tokens_can_be_watched)
{
	static char text[PATH_ABSOLUTE_MAX + 1], token[4096];

	memset(text, 'x', sizeof(text) - 1);
	text[0] = '/';
	memset(token, 't', sizeof(token) - 1);
	struct watch *watch = add(text, token, -1);
	check_fires(watch, text, true);
	text[sizeof(text) - 2] = 'y';
	check_fires(watch, text, false);
}
END_TEST

/* ---- matching ---- */

START_TEST(a_watch_fires_for_its_path_and_all_below)
{
	struct watch *watch = add("/a/b", "t", -1);

	check_fires(watch, "/a/b", true);
	check_fires(watch, "/a/b/c", true);
	check_fires(watch, "/a/b/c/d/e/f", true);
	check_fires(watch, "/a", false);
	check_fires(watch, "/", false);
	check_fires(watch, "/a/bc", false);
	check_fires(watch, "/b/a/b", false);
	check_fires(watch, "@a", false);
}
END_TEST

START_TEST(a_watch_on_the_root_fires_for_every_path_and_no_special)
{
	struct watch *watch = add("/", "t", -1);

	check_fires(watch, "/", true);
	check_fires(watch, "/a", true);
	check_fires(watch, "/a/b/c", true);
	check_fires(watch, "@releaseDomain", false);
	check_fires(watch, "@releaseDomain/7", false);
}
END_TEST

START_TEST(depth_says_how_many_levels_below_still_fire)
{
	static const char *const below[] = {"/a", "/a/1", "/a/1/2", "/a/1/2/3", "/a/1/2/3/4"};

	for (int depth = 0; depth < 5; depth++) {
		struct watch *watch = add("/a", "t", depth);
		for (int levels = 0; levels < 5; levels++)
			check_fires(watch, below[levels], levels <= depth);
		watch_free(watch);
	}
}
END_TEST

START_TEST(depth_below_the_root_counts_components)
{
	struct watch *watch = add("/", "t", 1);

	check_fires(watch, "/", true);
	check_fires(watch, "/a", true);
	check_fires(watch, "/a/b", false);
	watch_free(watch);
	watch = add("/", "t", 0);
	check_fires(watch, "/", true);
	check_fires(watch, "/a", false);
}
END_TEST

START_TEST(the_greatest_depth_is_like_none)
{
	check_fires(add("/a", "t", INT32_MAX), "/a/b/c/d/e/f/g", true);
}
END_TEST

START_TEST(an_exact_change_fires_only_what_is_set_on_it)
{
	struct watch *watch = add("/a/b", "t", 0);

	add("/", "t", -1);
	add("/a", "t", -1);
	add("/a/b/c", "t", -1);
	match("/a/b", true);
	ck_assert_uint_eq(n_hits, 1);
	ck_assert_ptr_eq(hits[0], watch);
	match("/a/b/x", true);
	ck_assert_uint_eq(n_hits, 0);
	match("/", true);
	ck_assert_uint_eq(n_hits, 1);
}
END_TEST

START_TEST(a_special_fires_only_what_is_set_on_it)
{
	struct watch *watch = add("@releaseDomain", "t", -1);

	add("/", "t", -1);
	check_fires(watch, "@releaseDomain", true);
	clear(0);
	watch = add("@releaseDomain", "t", -1);
	check_fires(watch, "@introduceDomain", false);
	check_fires(watch, "@releaseDomainX", false);
	check_fires(watch, "/releaseDomain", false);
}
END_TEST

START_TEST(a_domains_special_fires_the_general_one_only_with_depth)
{
	struct watch *watch;

	for (int depth = -1; depth < 4; depth++) {
		watch = add("@releaseDomain", "t", depth);
		check_fires(watch, "@releaseDomain", true);
		check_fires(watch, "@releaseDomain/7", depth >= 1);
		watch_free(watch);
	}
	watch = add("@releaseDomain/7", "t", -1);
	check_fires(watch, "@releaseDomain/7", true);
	check_fires(watch, "@releaseDomain/77", false);
	check_fires(watch, "@releaseDomain", false);
}
END_TEST

START_TEST(hits_come_by_owner_and_then_in_the_order_of_registration)
{
	struct watch *expected[6];

	owners[0]->order = 9;
	owners[1]->order = 5;
	ck_assert_int_eq(add_to(0, "/a/b", "1", -1, &expected[3]), 0);
	ck_assert_int_eq(add_to(1, "/a", "2", -1, &expected[0]), 0);
	ck_assert_int_eq(add_to(0, "/", "3", -1, &expected[4]), 0);
	ck_assert_int_eq(add_to(1, "/a/b", "4", -1, &expected[1]), 0);
	ck_assert_int_eq(add_to(0, "/a", "5", -1, &expected[5]), 0);
	ck_assert_int_eq(add_to(1, "/", "6", -1, &expected[2]), 0);
	match("/a/b", false);
	ck_assert_uint_eq(n_hits, 6);
	for (size_t i = 0; i < 6; i++)
		ck_assert_ptr_eq(hits[i], expected[i]);
}
END_TEST

static int stop_at_third(void *context, struct watch *watch)
{
	int *n = context;

	(void)watch;
	return ++*n == 3 ? 77 : 0;
}

START_TEST(a_result_that_is_not_zero_ends_the_match)
{
	struct path path = path_of("/a");
	int n = 0;

	for (int i = 0; i < 100; i++) {
		char token[16];
		snprintf(token, sizeof(token), "%d", i);
		add("/a", token, -1);
	}
	ck_assert_int_eq(watch_match(watches, &path, false, may, stop_at_third, &n), 77);
	ck_assert_int_eq(n, 3);
	n = 0;
	ck_assert_int_eq(watch_match(watches, &path, true, may, stop_at_third, &n), 77);
	ck_assert_int_eq(n, 3);
}
END_TEST

static unsigned n_asked;

/* Owners of an order that ends in 20 may not; 30 cannot be told. */
static int may_by_order(void *context, const struct watch_owner *owner)
{
	(void)context;
	n_asked++;
	return owner->order == 30 ? -EIO : owner->order != 20;
}

START_TEST(each_owner_is_asked_once_and_those_who_may_not_are_not_hit)
{
	struct path path = path_of("/a/b");
	struct watch *watch;

	for (int i = 0; i < 100; i++) {
		char token[16];
		snprintf(token, sizeof(token), "%d", i);
		ck_assert_int_eq(add_to(0, i % 2 ? "/a" : "/", token, -1, &watch), 0);
		ck_assert_int_eq(add_to(1, i % 2 ? "/a" : "/", token, -1, &watch), 0);
		ck_assert_int_eq(add_to(2, "/other", token, -1, &watch), 0);
	}
	for (unsigned round = 1; round <= 3; round++) {
		n_hits = 0;
		ck_assert_int_eq(watch_match(watches, &path, false, may_by_order, note_hit, NULL), 0);
		ck_assert_uint_eq(n_asked, 2 * round);
		ck_assert_uint_eq(n_hits, 100);
		for (size_t i = 0; i < n_hits; i++)
			ck_assert_ptr_eq(hits[i]->owner, owners[0]);
	}
	path = path_of("/other");
	n_hits = 0;
	ck_assert_int_eq(watch_match(watches, &path, true, may_by_order, note_hit, NULL), -EIO);
	ck_assert_uint_eq(n_hits, 0);
}
END_TEST

START_TEST(the_nodes_of_a_deep_path_are_paid_for)
{
	static char text[2001];

	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = i % 2 ? 'x' : '/';
	add("/x", "t", -1);
	uint64_t shallow = memory.used;
	add(text, "t", -1);
	ck_assert_uint_gt(memory.used - shallow, 1000 * shallow / 4);
}
END_TEST

START_TEST(any_number_of_watches_can_be_hit_at_once)
{
	for (int i = 0; i < 5000; i++) {
		char token[16];
		snprintf(token, sizeof(token), "%d", i);
		add(i % 3 ? "/a" : "/", token, -1);
		if (i < 70 || i == 4999) {
			match("/a", false);
			ck_assert_uint_eq(n_hits, (size_t)i + 1);
		}
	}
	for (size_t i = 1; i < n_hits; i++)
		if (hits[i - 1]->serial >= hits[i]->serial)
			ck_abort_msg("hit %zu is out of order", i);
}
END_TEST

/* ---- the walks ---- */

static int count_visit(void *context, const struct watch *watch)
{
	int *n = context;

	(void)watch;
	return ++*n == 7 ? 77 : 0;
}

START_TEST(each_watch_is_visited_until_a_result_ends_it)
{
	int n = 0;

	for (int i = 0; i < 6; i++) {
		char text[16];
		snprintf(text, sizeof(text), "/%d", i);
		add(text, "t", -1);
	}
	ck_assert_int_eq(watch_each(watches, count_visit, &n), 0);
	ck_assert_int_eq(n, 6);
	n = 5;
	ck_assert_int_eq(watch_each(watches, count_visit, &n), 77);
	ck_assert_int_eq(n, 7);
}
END_TEST

static char found_texts[64][32];
static size_t n_found;

static int note_found(void *context, const struct path *path)
{
	const size_t *limit = context;

	snprintf(found_texts[n_found++], sizeof(found_texts[0]), "%.*s", (int)path->len, path->text);
	return limit && n_found == *limit ? 77 : 0;
}

static void find_below(const char *text)
{
	struct path path = path_of(text);

	n_found = 0;
	ck_assert_int_eq(watch_below(watches, &path, note_found, NULL), 0);
	qsort(found_texts, n_found, sizeof(found_texts[0]), (int (*)(const void *, const void *))strcmp);
}

START_TEST(below_a_path_are_the_watched_paths_under_it_once_each)
{
	struct watch *watch;

	add("/a", "t", -1);
	add("/a/b/c", "t", 0);
	add("/a/b/c", "u", -1);
	ck_assert_int_eq(add_to(1, "/a/b/c", "t", -1, &watch), 0);
	add("/a/d", "t", -1);
	add("/ab", "t", -1);
	add("@special", "t", -1);
	find_below("/a");
	ck_assert_uint_eq(n_found, 2);
	ck_assert_str_eq(found_texts[0], "/a/b/c");
	ck_assert_str_eq(found_texts[1], "/a/d");
	find_below("/a/b/c");
	ck_assert_uint_eq(n_found, 0);
	find_below("/nowhere");
	ck_assert_uint_eq(n_found, 0);
	find_below("/");
	ck_assert_uint_eq(n_found, 4);
}
END_TEST

START_TEST(below_a_path_a_result_ends_the_walk)
{
	struct path path = path_of("/");
	size_t limit = 2;

	add("/a", "t", -1);
	add("/b", "t", -1);
	add("/c", "t", -1);
	n_found = 0;
	ck_assert_int_eq(watch_below(watches, &path, note_found, &limit), 77);
	ck_assert_uint_eq(n_found, 2);
}
END_TEST

START_TEST(an_index_without_watches_finds_nothing)
{
	struct path path = path_of("/a");
	int n = 0;

	match("/a", false);
	ck_assert_uint_eq(n_hits, 0);
	ck_assert_int_eq(watch_each(watches, count_visit, &n), 0);
	ck_assert_int_eq(watch_below(watches, &path, note_found, NULL), 0);
	ck_assert_int_eq(n, 0);
}
END_TEST

/* ---- cost ---- */

/* Hashes that a match and a walk of what is below take. */
static size_t cost_of(const char *text)
{
	struct path path = path_of(text);

	n_hashes = 0;
	n_found = 0;
	match(text, false);
	watch_below(watches, &path, note_found, NULL);
	return n_hashes;
}

START_TEST(unrelated_watches_cost_nothing)
{
	add("/local/domain/7/device", "t", -1);
	size_t before = cost_of("/local/domain/7/device/vif/0/state"), missing = cost_of("/vm/7");

	for (int i = 0; i < 50000; i++) {
		char text[64];
		snprintf(text, sizeof(text), i % 2 ? "/local/domain/%d/device" : "/local/domain/9/device/vif/%d", 10 + i);
		add(text, "t", -1);
	}
	ck_assert_uint_eq(cost_of("/local/domain/7/device/vif/0/state"), before);
	ck_assert_uint_eq(n_hits, 1);
	ck_assert_uint_eq(cost_of("/vm/7"), missing);
	ck_assert_uint_eq(n_hits, 0);
}
END_TEST

START_TEST(a_deep_path_costs_no_more_than_its_watched_part)
{
	char text[PATH_ABSOLUTE_MAX + 1] = "/a";

	add("/a", "t", -1);
	size_t shallow = cost_of("/a/a");
	for (size_t len = 2; len + 2 <= PATH_ABSOLUTE_MAX; len += 2)
		memcpy(text + len, "/a", 3);
	ck_assert_uint_le(cost_of(text), shallow);
	ck_assert_uint_eq(n_hits, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("watch");
	TCase *registration = tcase_create("registration"), *matching = tcase_create("matching"), *walks = tcase_create("walks"),
	      *cost = tcase_create("cost");

	tcase_add_checked_fixture(registration, setup, teardown);
	tcase_add_test(registration, a_watch_keeps_what_it_was_set_with);
	tcase_add_test(registration, a_path_need_not_end_with_a_nul);
	tcase_add_test(registration, the_same_path_and_token_of_one_owner_is_refused);
	tcase_add_test(registration, another_path_token_or_owner_is_another_watch);
	tcase_add_test(registration, serials_are_never_used_twice);
	tcase_add_test(registration, serials_that_were_used_before_are_not_used_again);
	tcase_add_test(registration, a_watch_is_found_by_owner_path_and_token);
	tcase_add_test(registration, a_removed_watch_is_gone);
	tcase_add_test(registration, an_owner_that_is_cleared_leaves_those_of_others);
	tcase_add_test(registration, a_watch_that_is_taken_out_is_not_there_until_it_is_put_back);
	tcase_add_test(registration, one_like_a_watch_that_is_taken_out_may_be_set);
	tcase_add_test(registration, watches_are_paid_for_by_the_owners_budgets);
	tcase_add_test(registration, a_watch_that_takes_too_much_memory_is_refused);
	tcase_add_test(registration, watches_of_a_departed_owner_go_by_and_by_and_are_not_there_meanwhile);
	tcase_add_test(registration, an_owner_without_watches_departs_at_once);
	tcase_add_test(registration, an_index_that_was_not_made_can_be_freed);
	tcase_add_test(registration, the_longest_paths_and_tokens_can_be_watched);
	tcase_add_checked_fixture(matching, setup, teardown);
	tcase_add_test(matching, a_watch_fires_for_its_path_and_all_below);
	tcase_add_test(matching, a_watch_on_the_root_fires_for_every_path_and_no_special);
	tcase_add_test(matching, depth_says_how_many_levels_below_still_fire);
	tcase_add_test(matching, depth_below_the_root_counts_components);
	tcase_add_test(matching, the_greatest_depth_is_like_none);
	tcase_add_test(matching, an_exact_change_fires_only_what_is_set_on_it);
	tcase_add_test(matching, a_special_fires_only_what_is_set_on_it);
	tcase_add_test(matching, a_domains_special_fires_the_general_one_only_with_depth);
	tcase_add_test(matching, hits_come_by_owner_and_then_in_the_order_of_registration);
	tcase_add_test(matching, a_result_that_is_not_zero_ends_the_match);
	tcase_add_test(matching, each_owner_is_asked_once_and_those_who_may_not_are_not_hit);
	tcase_add_test(registration, the_nodes_of_a_deep_path_are_paid_for);
	tcase_add_test(matching, any_number_of_watches_can_be_hit_at_once);
	tcase_add_checked_fixture(walks, setup, teardown);
	tcase_add_test(walks, each_watch_is_visited_until_a_result_ends_it);
	tcase_add_test(walks, below_a_path_are_the_watched_paths_under_it_once_each);
	tcase_add_test(walks, below_a_path_a_result_ends_the_walk);
	tcase_add_test(walks, an_index_without_watches_finds_nothing);
	tcase_add_checked_fixture(cost, setup, teardown);
	tcase_set_timeout(cost, 60);
	tcase_add_test(cost, unrelated_watches_cost_nothing);
	tcase_add_test(cost, a_deep_path_costs_no_more_than_its_watched_part);
	suite_add_tcase(suite, registration);
	suite_add_tcase(suite, matching);
	suite_add_tcase(suite, walks);
	suite_add_tcase(suite, cost);
	return suite_run(suite);
}
