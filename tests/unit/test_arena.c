/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory of an arena: aligned, each piece for itself, all given back at once. */
#include "base/arena.h"

#include <check.h>
#include <malloc.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "support/suite.h"

enum { BLOCK = 16384 };

/* A request for too much memory is a result here, not the end of the program. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static struct arena arena;

static void setup(void)
{
	arena_init(&arena);
}

static void teardown(void)
{
	arena_deinit(&arena);
}

static void *take(size_t size)
{
	void *taken = arena_alloc(&arena, size);

	if (!taken)
		ck_abort_msg("no memory for %zu bytes", size);
	return taken;
}

START_TEST(every_piece_is_aligned_for_any_type)
{
	for (size_t size = 0; size < 300; size++)
		if ((uintptr_t)take(size) % alignof(max_align_t))
			ck_abort_msg("%zu bytes lie unaligned", size);
}
END_TEST

START_TEST(pieces_do_not_overlap)
{
	enum { PIECES = 2000 };
	unsigned char *pieces[PIECES];

	for (size_t i = 0; i < PIECES; i++) {
		pieces[i] = take(i % 97);
		memset(pieces[i], (int)(i & 0xff), i % 97);
	}
	for (size_t i = 0; i < PIECES; i++) {
		for (size_t k = 0; k < i % 97; k++)
			if (pieces[i][k] != (i & 0xff))
				ck_abort_msg("byte %zu of piece %zu was overwritten", k, i);
	}
}
END_TEST

START_TEST(sizes_around_that_of_a_block_can_be_taken)
{
	const size_t sizes[] = {BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 1 << 20};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memset(take(sizes[i]), 'x', sizes[i]);
		memset(take(1), 'y', 1);
	}
}
END_TEST

START_TEST(a_block_is_used_up_to_its_last_byte)
{
	unsigned char *first = take(BLOCK - 64), *second = take(64);

	ck_assert_ptr_eq(second, first + BLOCK - 64);
	memset(second, 1, 64);
}
END_TEST

START_TEST(a_reset_begins_at_the_first_block_again)
{
	void *first = take(100);

	for (int i = 0; i < 10; i++)
		take(BLOCK);
	arena_reset(&arena);
	ck_assert_ptr_eq(take(100), first);
}
END_TEST

START_TEST(a_reset_gives_back_what_a_large_request_took)
{
	take(1);
	struct mallinfo2 before = mallinfo2();
	take((size_t)64 << 20);
	take((size_t)1 << 20);
	arena_reset(&arena);
	struct mallinfo2 after = mallinfo2();

	ck_assert_uint_le(after.uordblks + after.hblkhd, before.uordblks + before.hblkhd + 4096);
}
END_TEST

START_TEST(an_empty_arena_can_be_reset_and_deinitialised_again)
{
	struct arena zeroed = {0};

	arena_reset(&arena);
	arena_reset(&zeroed);
	arena_deinit(&zeroed);
	arena_deinit(&zeroed);
	ck_assert_ptr_nonnull(arena_alloc(&arena, 1));
}
END_TEST

START_TEST(more_than_there_can_be_is_refused_and_the_arena_goes_on)
{
	const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - alignof(max_align_t), SIZE_MAX / 2 + 1, SIZE_MAX / 4};

	take(1);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		ck_assert_ptr_null(arena_alloc(&arena, sizes[i]));
	memset(take(BLOCK), 0, BLOCK);
}
END_TEST

START_TEST(a_copy_is_the_same_bytes_and_a_nul)
{
	const char bytes[] = {'a', 0, 'b'};
	const char *copy = arena_copy(&arena, bytes, sizeof(bytes));

	ck_assert_ptr_nonnull(copy);
	ck_assert_mem_eq(copy, bytes, sizeof(bytes));
	ck_assert_int_eq(copy[sizeof(bytes)], 0);
}
END_TEST

START_TEST(a_copy_of_nothing_is_an_empty_string)
{
	const char *copy = arena_copy(&arena, NULL, 0);

	ck_assert_ptr_nonnull(copy);
	ck_assert_str_eq(copy, "");
}
END_TEST

START_TEST(a_copy_of_too_much_is_refused)
{
	ck_assert_ptr_null(arena_copy(&arena, "", SIZE_MAX));
	ck_assert_ptr_null(arena_copy(&arena, "", SIZE_MAX - 1));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("arena");
	TCase *cases = tcase_create("arena");

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, every_piece_is_aligned_for_any_type);
	tcase_add_test(cases, pieces_do_not_overlap);
	tcase_add_test(cases, sizes_around_that_of_a_block_can_be_taken);
	tcase_add_test(cases, a_block_is_used_up_to_its_last_byte);
	tcase_add_test(cases, a_reset_begins_at_the_first_block_again);
	tcase_add_test(cases, a_reset_gives_back_what_a_large_request_took);
	tcase_add_test(cases, an_empty_arena_can_be_reset_and_deinitialised_again);
	tcase_add_test(cases, more_than_there_can_be_is_refused_and_the_arena_goes_on);
	tcase_add_test(cases, a_copy_is_the_same_bytes_and_a_nul);
	tcase_add_test(cases, a_copy_of_nothing_is_an_empty_string);
	tcase_add_test(cases, a_copy_of_too_much_is_refused);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
