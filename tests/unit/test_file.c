/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole reads and writes. */
#include "base/file.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/suite.h"

enum { LEN = 300000 /* more than a pipe takes at once */ };

static unsigned char bytes[LEN], copy[LEN];

static void fill(void)
{
	for (size_t i = 0; i < LEN; i++)
		bytes[i] = (unsigned char)(i % 251);
}

START_TEST(what_was_written_is_read_from_any_place)
{
	FILE *file = tmpfile();

	ck_assert_ptr_nonnull(file);
	fill();
	ck_assert_int_eq(file_write(fileno(file), bytes, LEN), 0);
	ck_assert_int_eq(file_read_at(fileno(file), copy, LEN - 1000, 1000), 0);
	ck_assert_mem_eq(copy, bytes + 1000, LEN - 1000);
	fclose(file);
}
END_TEST

START_TEST(a_file_that_ends_before_is_told)
{
	FILE *file = tmpfile();

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(file_write(fileno(file), "abc", 3), 0);
	ck_assert_int_eq(file_read_at(fileno(file), copy, 3, 0), 0);
	ck_assert_int_eq(file_read_at(fileno(file), copy, 3, 1), -EIO);
	ck_assert_int_eq(file_read_at(fileno(file), copy, 1, 7), -EIO);
	ck_assert_int_eq(file_read_at(fileno(file), copy, 0, 7), 0);
	fclose(file);
}
END_TEST

START_TEST(what_takes_only_a_part_is_written_to_until_all_is_there)
{
	int ends[2], status;
	size_t got = 0;

	fill();
	ck_assert_int_eq(pipe2(ends, 0), 0);
	pid_t writer = fork();
	ck_assert_int_ge(writer, 0);
	if (!writer) {
		close(ends[0]);
		_exit(file_write(ends[1], bytes, LEN) ? 1 : 0);
	}
	close(ends[1]);
	ssize_t n;
	while ((n = read(ends[0], copy + got, LEN - got)) > 0)
		got += (size_t)n;
	ck_assert_uint_eq(got, LEN);
	ck_assert_mem_eq(copy, bytes, LEN);
	ck_assert_int_eq(waitpid(writer, &status, 0), writer);
	ck_assert_int_eq(status, 0);
	close(ends[0]);
}
END_TEST

START_TEST(what_cannot_be_done_is_told)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(file_write(fd, "a", 1), -EBADF);
	close(fd);
	ck_assert_int_eq(file_read_at(fd, copy, 1, 0), -EBADF);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("file");
	TCase *cases = tcase_create("file");

	tcase_add_test(cases, what_was_written_is_read_from_any_place);
	tcase_add_test(cases, a_file_that_ends_before_is_told);
	tcase_add_test(cases, what_takes_only_a_part_is_written_to_until_all_is_there);
	tcase_add_test(cases, what_cannot_be_done_is_told);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
