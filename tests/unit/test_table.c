/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hash table, also while it grows and shrinks, and when it gets no memory to do so. */
#include "base/table.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>

#include "support/random.h"
#include "support/suite.h"

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool memory_is_short;

void *__wrap_realloc(void *old, size_t size)
{
	return memory_is_short ? NULL : __real_realloc(old, size);
}

enum { ITEMS = 5000, HASHES = 1700 };

struct item {
	struct table_link link;
	uint32_t hash;
	bool is_in;
};

static struct table table;
static struct item items[ITEMS];

static void setup(void)
{
	memory_is_short = false;
	ck_assert_int_eq(table_init(&table), 0);
}

static void teardown(void)
{
	table_deinit(&table);
}

static void add(size_t i, uint32_t hash)
{
	items[i].hash = hash;
	items[i].is_in = true;
	table_add(&table, &items[i].link, hash);
}

static void take(size_t i)
{
	items[i].is_in = false;
	table_remove(&table, &items[i].link);
}

/* Those of this hash are found, each once, and no others. */
static void check_hash(uint32_t hash)
{
	size_t expected = 0, found = 0;

	for (size_t i = 0; i < ITEMS; i++)
		expected += items[i].is_in && items[i].hash == hash;
	for (struct table_link *link = table_first(&table, hash); link; link = table_next(link)) {
		const struct item *item = (const struct item *)link;
		if (!item->is_in || item->hash != hash || found++ > expected)
			ck_abort_msg("hash %u: a link that is not there, or is there twice", hash);
	}
	if (found != expected)
		ck_abort_msg("hash %u: %zu of %zu are found", hash, found, expected);
}

static size_t longest_chain(void)
{
	size_t longest = 0;

	for (size_t i = 0; i < table.n_buckets; i++) {
		size_t n = 0;
		for (const struct table_link *link = table.buckets[i]; link; link = link->next)
			n++;
		longest = n > longest ? n : longest;
	}
	return longest;
}

START_TEST(an_empty_table_finds_nothing)
{
	ck_assert_ptr_null(table_first(&table, 0));
	ck_assert_ptr_null(table_first(&table, UINT32_MAX));
}
END_TEST

START_TEST(a_link_is_found_by_its_whole_hash)
{
	add(0, 0x10);
	ck_assert_ptr_eq(table_first(&table, 0x10), &items[0].link);
	ck_assert_ptr_null(table_first(&table, 0x20));
	ck_assert_ptr_null(table_first(&table, 0x80000010));
	take(0);
	ck_assert_ptr_null(table_first(&table, 0x10));
}
END_TEST

START_TEST(chains_stay_short_at_every_size)
{
	for (size_t i = 0; i < ITEMS; i++) {
		add(i, (uint32_t)i);
		ck_assert_uint_le(longest_chain(), 2);
	}
	for (size_t i = 0; i < ITEMS; i++)
		check_hash((uint32_t)i);
	for (size_t i = 0; i < ITEMS; i++)
		take(i);
	ck_assert_uint_le(table.n_buckets, 16);
	ck_assert_uint_le(table.capacity, 64);
}
END_TEST

START_TEST(without_memory_it_goes_on_with_longer_chains)
{
	memory_is_short = true;
	for (size_t i = 0; i < 200; i++)
		add(i, (uint32_t)i * 7);
	for (size_t i = 0; i < 200; i++)
		check_hash((uint32_t)i * 7);
	memory_is_short = false;
	for (size_t i = 200; i < 1000; i++)
		add(i, (uint32_t)i * 7);
	for (size_t i = 0; i < 1000; i++)
		check_hash((uint32_t)i * 7);
	memory_is_short = true;
	for (size_t i = 0; i < 1000; i++)
		take(i);
	ck_assert_uint_eq(table.n, 0);
}
END_TEST

START_TEST(it_answers_like_a_list)
{
	struct random random_numbers;

	random_begin(&random_numbers, "TABLE_SEED");
	for (int step = 0; step < 60000; step++) {
		size_t i = random_below(&random_numbers, ITEMS);
		/* Grows, then shrinks, then grows again. */
		bool wants_more = step / 20000 != 1;
		if (items[i].is_in && (!wants_more || random_below(&random_numbers, 4) == 0))
			take(i);
		else if (!items[i].is_in && (wants_more || random_below(&random_numbers, 4) == 0))
			add(i, (uint32_t)random_below(&random_numbers, HASHES) * 2654435761u);
		memory_is_short = random_below(&random_numbers, 8) == 0;
		if (step % 20 == 0)
			check_hash(items[i].hash);
	}
	for (uint32_t i = 0; i < HASHES; i++)
		check_hash(i * 2654435761u);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("table");
	TCase *tcase = tcase_create("links");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, an_empty_table_finds_nothing);
	tcase_add_test(tcase, a_link_is_found_by_its_whole_hash);
	tcase_add_test(tcase, chains_stay_short_at_every_size);
	tcase_add_test(tcase, without_memory_it_goes_on_with_longer_chains);
	tcase_add_test(tcase, it_answers_like_a_list);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
