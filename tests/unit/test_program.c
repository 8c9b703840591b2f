/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a program's file says of it. This very program says that it is a daemon; damaged copies of it may say anything, but harm
 * nobody.
 */
#include "handover/program.h"

#include <check.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lxenstored/handover_format.h"
#include "support/random.h"
#include "support/suite.h"

enum { DAMAGES = 3000, HEADERS = 4096 };

static const struct program_formats formats __attribute__((section(PROGRAM_SECTION), used)) = {
    .magic = PROGRAM_MAGIC,
    .handover = HANDOVER_VERSION,
    .store_oldest = 3,
    .store_newest = 5,
    .ledger_oldest = 7,
    .ledger_newest = 9,
};

static char path[64];
static unsigned char *bytes;
static size_t len;
static char why[256];

static void read_self(void)
{
	struct stat status;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &status), 0);
	len = (size_t)status.st_size;
	bytes = malloc(len);
	ck_assert_ptr_nonnull(bytes);
	ck_assert_int_eq(read(fd, bytes, len), (ssize_t)len);
	close(fd);
	strcpy(path, "/tmp/test_program.XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	fchmod(fd, 0700);
	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

static void remove_copy(void)
{
	unlink(path);
	free(bytes);
}

static void change(size_t at, const void *to, size_t n)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	ck_assert_int_eq(pwrite(fd, to, n, (off_t)at), (ssize_t)n);
	close(fd);
}

static enum program_kind kind_of(const char *name)
{
	struct program program;
	enum program_kind kind = program_open(name, &program, why, sizeof(why));

	if (kind == PROGRAM_LXENSTORED)
		ck_assert_str_eq(program.formats.magic, PROGRAM_MAGIC);
	ck_assert_int_eq(program.fd >= 0, kind != PROGRAM_REFUSED);
	program_close(&program);
	return kind;
}

START_TEST(formats_are_those_that_the_program_was_built_with)
{
	struct program program;

	ck_assert_int_eq(program_open(path, &program, why, sizeof(why)), PROGRAM_LXENSTORED);
	ck_assert_mem_eq(&program.formats, &formats, sizeof(formats));
	program_close(&program);
}
END_TEST

START_TEST(other_programs_are_told_from_what_is_none)
{
	ck_assert_int_eq(kind_of("/bin/sh"), PROGRAM_OTHER);
	ck_assert_int_eq(kind_of("/nowhere"), PROGRAM_REFUSED);
	ck_assert_int_eq(kind_of("/tmp"), PROGRAM_REFUSED);
	ck_assert_int_eq(kind_of("/etc/passwd"), PROGRAM_REFUSED);
	ck_assert_int_eq(chmod(path, 0600), 0);
	ck_assert_int_eq(kind_of(path), PROGRAM_REFUSED);
	ck_assert_str_eq(why, "File not executable.");
}
END_TEST

START_TEST(a_program_for_another_machine_is_refused)
{
	static const size_t places[] = {EI_CLASS, EI_DATA, offsetof(ElfW(Ehdr), e_machine)};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		unsigned char other = bytes[places[i]] ^ 3;
		change(places[i], &other, 1);
		ck_assert_int_eq(kind_of(path), PROGRAM_REFUSED);
		change(places[i], &bytes[places[i]], 1);
	}
	ck_assert_int_eq(kind_of(path), PROGRAM_LXENSTORED);
}
END_TEST

/* Of the head and of the table of sections, where all that is believed stands. */
START_TEST(whatever_its_headers_say_nothing_happens)
{
	const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)(void *)bytes;
	struct random random;

	random_begin(&random, "PROGRAM_SEED");
	for (int i = 0; i < DAMAGES; i++) {
		size_t table = random_below(&random, 2) ? header->e_shoff : 0;
		size_t room = len - table < HEADERS ? len - table : HEADERS;
		size_t n = 1 + random_below(&random, 8), at = table + random_below(&random, (uint32_t)(room - n));
		unsigned char damage[8];
		for (size_t j = 0; j < n; j++)
			damage[j] = random_below(&random, 2) ? 0xff : (unsigned char)random_below(&random, 256);
		change(at, damage, n);
		kind_of(path);
		change(at, bytes + at, n);
	}
	ck_assert_int_eq(kind_of(path), PROGRAM_LXENSTORED);
}
END_TEST

START_TEST(a_file_that_was_cut_short_is_no_daemon)
{
	for (size_t end = len; end; end /= 2) {
		ck_assert_int_eq(truncate(path, (off_t)(end - 1)), 0);
		ck_assert_int_ne(kind_of(path), PROGRAM_LXENSTORED);
	}
}
END_TEST

START_TEST(only_formats_in_its_range_are_understood)
{
	ck_assert_int_eq(program_understands(&formats, 3, 7, why, sizeof(why)), 0);
	ck_assert_int_eq(program_understands(&formats, 5, 9, why, sizeof(why)), 0);
	ck_assert_int_ne(program_understands(&formats, 2, 7, why, sizeof(why)), 0);
	ck_assert_int_ne(program_understands(&formats, 6, 7, why, sizeof(why)), 0);
	ck_assert_int_ne(program_understands(&formats, 3, 6, why, sizeof(why)), 0);
	ck_assert_int_ne(program_understands(&formats, 3, 10, why, sizeof(why)), 0);
	struct program_formats older = formats;
	older.handover = HANDOVER_VERSION - 1;
	ck_assert_int_ne(program_understands(&older, 3, 7, why, sizeof(why)), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    formats_are_those_that_the_program_was_built_with,
	    other_programs_are_told_from_what_is_none,
	    a_program_for_another_machine_is_refused,
	    whatever_its_headers_say_nothing_happens,
	    a_file_that_was_cut_short_is_no_daemon,
	    only_formats_in_its_range_are_understood,
	};
	Suite *suite = suite_create("program");
	TCase *cases = tcase_create("program");

	tcase_add_checked_fixture(cases, read_self, remove_copy);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(cases, tests[i]);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
