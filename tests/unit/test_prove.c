/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The proof that store and ledger can be read: given for good ones, refused with a reason for all others, and nothing is changed.
 */
#include "handover/prove.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ledger/ledger.h"
#include "lxenstored/handover_format.h"
#include "lxenstored/ledger_format.h"
#include "support/store_file.h"
#include "support/suite.h"

static struct store_file file;
static char ledger_path[128];
static char said[4096];

static void begin(void)
{
	struct ledger *ledger;

	store_file_init(&file);
	snprintf(ledger_path, sizeof(ledger_path), "%s-ledger", file.path);
	ck_assert_int_eq(ledger_open(ledger_path, 0, &ledger), 0);
	ck_assert_int_eq(ledger_begin(ledger, file.store->meta.id), 0);
	ledger_close(ledger);
}

static void end(void)
{
	unlink(ledger_path);
	store_file_deinit(&file);
}

/* In a process of its own, as it is meant to be; what it says is in `said`. */
static bool is_proved_for(const char *boot_id, bool serves_rings)
{
	const struct proof_subject subject = {file.path, ledger_path, boot_id, serves_rings};
	int output = memfd_create("output", MFD_CLOEXEC), status;

	fflush(NULL);
	pid_t child = fork();
	if (!child) {
		dup2(output, STDOUT_FILENO);
		dup2(output, STDERR_FILENO);
		_exit(prove(&subject));
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ssize_t len = pread(output, said, sizeof(said) - 1, 0);
	said[len > 0 ? len : 0] = 0;
	close(output);
	ck_assert_msg(WIFEXITED(status), "it has died: %x", (unsigned)status);
	return WEXITSTATUS(status) == EXIT_SUCCESS;
}

static bool is_proved(void)
{
	return is_proved_for(STORE_FILE_BOOT_ID, true);
}

static void refused(const char *why)
{
	ck_assert_msg(!is_proved(), "%s", said);
	ck_assert_msg(strstr(said, why), "not \"%s\" but \"%s\"", why, said);
	ck_assert_ptr_null(strstr(said, "lxenstored-proof"));
}

static void change_ledger(size_t at, const void *to, size_t len)
{
	int fd = open(ledger_path, O_WRONLY | O_CLOEXEC);

	ck_assert_int_eq(pwrite(fd, to, len, (off_t)at), (ssize_t)len);
	close(fd);
}

START_TEST(good_ones_are_named_by_device_and_inode)
{
	unsigned long long store[2], ledger[2];
	struct stat status;
	int serves_rings;

	ck_assert(is_proved()); /* beside the daemon that has it open */
	ck_assert_int_eq(sscanf(said, PROOF_FORMAT, &store[0], &store[1], &ledger[0], &ledger[1], &serves_rings), 5);
	ck_assert_int_eq(stat(file.path, &status), 0);
	ck_assert_uint_eq(store[1], status.st_ino);
	ck_assert_int_eq(stat(ledger_path, &status), 0);
	ck_assert_uint_eq(ledger[1], status.st_ino);
	ck_assert_int_eq(serves_rings, 1);
	ck_assert(is_proved_for(STORE_FILE_BOOT_ID, false));
	ck_assert_int_eq(sscanf(said, PROOF_FORMAT, &store[0], &store[1], &ledger[0], &ledger[1], &serves_rings), 5);
	ck_assert_int_eq(serves_rings, 0);
}
END_TEST

START_TEST(a_store_of_another_boot_or_format_is_refused)
{
	char name = STORE_KEY_META;
	struct store_meta meta = file.store->meta;

	ck_assert(!is_proved_for("another", true));
	meta.version = STORE_VERSION + 1;
	store_file_put(&file, &name, 1, &meta, sizeof(meta));
	refused("has format");
	meta.version = STORE_VERSION_OLDEST;
	store_file_put(&file, &name, 1, &meta, sizeof(meta));
	ck_assert_msg(is_proved(), "%s", said);
}
END_TEST

START_TEST(records_that_a_start_would_load_and_cannot_are_refused)
{
	static const struct {
		const char *key;
		size_t len;
	} keys[] = {{"d\0\5", 3}, {"q", 1}, {"w\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\1", 17}};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		store_file_put(&file, keys[i].key, keys[i].len, "short", 5);
		refused("cannot be read");
		store_file_put(&file, keys[i].key, keys[i].len, NULL, 0);
	}
	ck_assert_msg(is_proved(), "%s", said);
}
END_TEST

START_TEST(a_ledger_of_another_store_or_format_is_refused)
{
	struct ledger_header header;
	int fd = open(ledger_path, O_RDONLY | O_CLOEXEC);
	uint32_t newer = LEDGER_VERSION + 1, older = LEDGER_VERSION_OLDEST - 1;

	ck_assert_int_eq(read(fd, &header, sizeof(header)), sizeof(header));
	close(fd);
	change_ledger(offsetof(struct ledger_header, version), &newer, sizeof(newer));
	refused("does not understand");
	change_ledger(offsetof(struct ledger_header, version), &older, sizeof(older));
	refused("does not understand");
	change_ledger(0, &header, sizeof(header));
	change_ledger(offsetof(struct ledger_header, store_id), "another", 7);
	refused("is not the ledger of this store");
	ck_assert_int_eq(truncate(ledger_path, 100), 0);
	refused("is not the ledger of this store");
	unlink(ledger_path);
	refused("cannot be read");
}
END_TEST

START_TEST(a_store_that_is_none_is_refused)
{
	store_file_close(&file);
	ck_assert_int_eq(truncate(file.path, 0), 0);
	ck_assert(!is_proved());
	unlink(file.path);
	ck_assert(!is_proved());
	store_file_open(&file);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    good_ones_are_named_by_device_and_inode,
	    a_store_of_another_boot_or_format_is_refused,
	    records_that_a_start_would_load_and_cannot_are_refused,
	    a_ledger_of_another_store_or_format_is_refused,
	    a_store_that_is_none_is_refused,
	};
	Suite *suite = suite_create("prove");
	TCase *cases = tcase_create("prove");

	tcase_add_checked_fixture(cases, begin, end);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(cases, tests[i]);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
