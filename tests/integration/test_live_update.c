/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Live update, asked for by Xen's own client, while guests and socket clients are busy (update_load.h): to another lxenstored, to
 * programs that are none, and to some that fail at each step of the way. $UPDATES: how often it is updated; $BAD_PROGRAMS: how
 * often each of the bad ones is tried. $UPDATE_SEED: of all that is random.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "integration/update_load.h"
#include "lxenstored/handover_format.h"
#include "lxenstored/ledger_format.h"
#include "lxenstored/program_formats.h"
#include "lxenstored/store_format.h"
#include "store/reader.h"
#include "support/suite.h"
#include "xensim/expect_guest.h"

enum { UPDATES = DAEMON_IS_SANITIZED ? 5 : 20, BAD_PROGRAMS = 2 };

static struct daemon daemon_of_test;
static struct update_load *load;
static char text[UPDATE_TEXT];

static int number_from(const char *variable, int otherwise)
{
	const char *value = getenv(variable);

	return value ? atoi(value) : otherwise;
}

/* ---- the daemon ---- */

static void start_with(bool kept, const char *trial)
{
	expect_place(&daemon_of_test);
	load = update_load_new(
	    &daemon_of_test, kept,
	    (const char *[]){"--store", daemon_of_test.store, "--update-trial", trial, "--restart-pause", "0", NULL});
}

static void start_kept(void)
{
	start_with(true, "300");
}

static void start_alone(void)
{
	start_with(false, "10");
}

static void stop(void)
{
	update_load_free(load);
}

/* ---- programs ---- */

static const char *lxenstored(void)
{
	return getenv("LXENSTORED");
}

static void path_of(char out[256], const char *name)
{
	snprintf(out, 256, "%s/%s", daemon_of_test.directory, name);
}

/* An lxenstored whose formats are a number ahead, and that fails as the name says, under which it is called (bad_daemon.c). */
static const char *later(const char *name)
{
	static char link[256];
	const char *build = getenv("TOP_BUILDDIR");
	char target[4096];

	snprintf(target, sizeof(target), "%s/tests/integration/later_lxenstored", build ? build : ".");
	path_of(link, name);
	unlink(link);
	ck_assert_int_eq(symlink(target, link), 0);
	return link;
}

static const char *made(const char *name, const void *bytes, size_t len, mode_t mode)
{
	static char path[256];

	path_of(path, name);
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
	close(fd);
	return path;
}

static unsigned char *read_program(size_t *len)
{
	struct stat status;
	int fd = open(lxenstored(), O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &status), 0);
	*len = (size_t)status.st_size;
	unsigned char *bytes = malloc(*len);
	ck_assert_ptr_nonnull(bytes);
	ck_assert_int_eq(read(fd, bytes, *len), (ssize_t)*len);
	close(fd);
	return bytes;
}

/* What it says of itself; the same bytes may be elsewhere too, followed by others. */
static struct program_formats *formats_in(unsigned char *bytes, size_t len)
{
	const struct program_formats wanted = {
	    .magic = PROGRAM_MAGIC,
	    .handover = HANDOVER_VERSION,
	    .store_oldest = STORE_VERSION_OLDEST,
	    .store_newest = STORE_VERSION,
	    .ledger_oldest = LEDGER_VERSION_OLDEST,
	    .ledger_newest = LEDGER_VERSION,
	};
	struct program_formats *formats = memmem(bytes, len, &wanted, sizeof(wanted));

	ck_assert_ptr_nonnull(formats);
	return formats;
}

/* ---- asking ---- */

static int ask(const char *const words[])
{
	int status = update_load_ask(load, words, text);

	ck_assert_msg(status != -ENOENT, "there is no xenstore-control");
	return status;
}

static void expect_update(const char *program)
{
	int status = ask((const char *[]){program, NULL});

	ck_assert_msg(!status, "status %d: %s", status, text);
}

/* The client is told, and the daemon is the one that it was. */
static void expect_no_update(const char *const words[], const char *why)
{
	int status = ask(words);

	ck_assert_msg(status == 3, "%s: status %d: %s", words[0], status, text);
	ck_assert_msg(strstr(text, why), "%s: not \"%s\" but \"%s\"", words[0], why, text);
}

static void expect_refused(const char *program, const char *why)
{
	for (int i = number_from("BAD_PROGRAMS", BAD_PROGRAMS); i; i--)
		expect_no_update((const char *[]){program, NULL}, why);
}

/* ---- to lxenstored ---- */

static void update_often(void)
{
	uint64_t bound = sim_calls(update_load_sim(load), HOST_CALL_BIND);

	for (int i = number_from("UPDATES", UPDATES); i; i--)
		expect_update(lxenstored());
	ck_assert_msg(sim_calls(update_load_sim(load), HOST_CALL_BIND) == bound, "event channels were bound again");
}

START_TEST(nothing_is_lost_and_nothing_told_twice_over_updates)
{
	update_often();
}
END_TEST

START_TEST(a_domain_that_ends_after_an_update_is_noticed)
{
	struct client *client = expect_client(&daemon_of_test);

	client_close(expect_guest(update_load_sim(load), client, 50));
	expect_watch(client, "@releaseDomain", "gone");
	expect_update(lxenstored());
	expect_no_event(client);
	ck_assert_int_eq(sim_destroy(update_load_sim(load), 50), 0);
	expect_event(client, "@releaseDomain", "gone");
	expect_text(client, "F", MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS("50"));
	client_close(client);
}
END_TEST

START_TEST(what_was_sent_in_part_and_what_was_not_taken_is_there_afterwards)
{
	static const char part[] = "\x0b\0\0\0\x07\0\0\0\0\0\0\0\x05\0\0\0/ab";
	struct client *client = expect_client(&daemon_of_test), *other = expect_client(&daemon_of_test);
	struct client_message message;

	expect_watch(client, "/events", "token");
	expect_write(other, 0, "/events", "1"); /* told, and not taken */
	ck_assert_int_eq(client_send_bytes(client, part, sizeof(part) - 1), 0);
	expect_update(lxenstored());
	ck_assert_int_eq(client_send_bytes(client, "\0v", 2), 0);
	ck_assert_int_eq(client_receive_reply(client, &message), 0);
	ck_assert_uint_eq(message.header.request_id, 7);
	ck_assert_str_eq(message.payload, "OK");
	expect_event(client, "/events", "token");
	expect_read(other, 0, "/ab", "v");
	client_close(client);
	client_close(other);
}
END_TEST

START_TEST(transactions_stay_open_over_updates_and_hold_none_up)
{
	struct client *client = expect_client(&daemon_of_test), *other = expect_client(&daemon_of_test);

	expect_write(other, 0, "/seen", "1");
	expect_write(other, 0, "/changed", "1");
	uint32_t good = expect_transaction(client), late = expect_transaction(client);
	expect_read(client, good, "/seen", "1");
	expect_write(client, good, "/made", "in it");
	expect_read(client, late, "/changed", "1");
	expect_write(client, late, "/never", "there");
	expect_update(lxenstored());
	expect_read(client, good, "/made", "in it");
	expect_read(other, 0, "/made", NULL);
	expect_write(client, good, "/made-later", "in it too");
	expect_write(other, 0, "/changed", "2");
	expect_update(later("ahead"));
	expect_update(lxenstored());
	expect_end(client, good, "");
	expect_end(client, late, "EAGAIN");
	expect_read(other, 0, "/made", "in it");
	expect_read(other, 0, "/made-later", "in it too");
	expect_read(other, 0, "/never", NULL);
	client_close(client);
	client_close(other);
}
END_TEST

START_TEST(options_that_are_given_are_those_of_the_new_daemon)
{
	struct client *client = expect_client(&daemon_of_test);
	char arguments[300];

	snprintf(arguments, sizeof(arguments), "-N  --store %s --update-trial 10 --quota node-permissions=77",
		 daemon_of_test.store);
	ck_assert_msg(!ask((const char *[]){"-c", arguments, lxenstored(), NULL}), "%s", text);
	struct client_message quotas = expect_any(client, MESSAGE_CONTROL, 0, ARGUMENTS("quota"));
	ck_assert_msg(strstr(quotas.payload, "77"), "%s", quotas.payload);
	expect_update(lxenstored()); /* with those from now on */
	quotas = expect_any(client, MESSAGE_CONTROL, 0, ARGUMENTS("quota"));
	ck_assert_msg(strstr(quotas.payload, "77"), "%s", quotas.payload);
	client_close(client);
}
END_TEST

/* ---- what is said ---- */

START_TEST(the_pieces_of_the_command_belong_together)
{
	struct client *client = expect_client(&daemon_of_test), *other = expect_client(&daemon_of_test);

	expect_error(client, "EINVAL", MESSAGE_CONTROL, 0, ARGUMENTS("live-update"));
	expect_error(client, "EINVAL", MESSAGE_CONTROL, 0, ARGUMENTS("live-update", "-x"));
	expect_error(client, "EINVAL", MESSAGE_CONTROL, 0, ARGUMENTS("live-update", "-f"));
	expect_text(client, "No live-update session active.", MESSAGE_CONTROL, 0, ARGUMENTS("live-update", "-a"));
	expect_text(client, "Not in live-update session.", MESSAGE_CONTROL, 0, ARGUMENTS("live-update", "-s"));
	expect_text(client, "Not in live-update session.", MESSAGE_CONTROL, 0, ARGUMENTS("live-update", "-c", "-N"));
	expect_text(client, "OK", MESSAGE_CONTROL, 0, ARGUMENTS("live-update", "-f", lxenstored()));
	expect_text(other, "live-update session already active.", MESSAGE_CONTROL, 0,
		    ARGUMENTS("live-update", "-f", lxenstored()));
	expect_text(other, "Not in live-update session.", MESSAGE_CONTROL, 0, ARGUMENTS("live-update", "-s"));
	expect_error(client, "EINVAL", MESSAGE_CONTROL, 0, ARGUMENTS("live-update", "-s", "-y"));
	expect_text(other, "OK", MESSAGE_CONTROL, 0, ARGUMENTS("live-update", "-a"));
	expect_text(client, "Not in live-update session.", MESSAGE_CONTROL, 0, ARGUMENTS("live-update", "-s"));
	expect_text(client, "OK", MESSAGE_CONTROL, 0, ARGUMENTS("live-update", "-f", lxenstored()));
	client_close(client); /* and with it what it has begun */
	while (strcmp(expect_any(other, MESSAGE_CONTROL, 0, ARGUMENTS("live-update", "-f", lxenstored())).payload, "OK") != 0)
		continue;
	client_close(other);
}
END_TEST

START_TEST(an_update_can_be_cancelled_while_the_program_proves_itself)
{
	struct client *client = expect_client(&daemon_of_test), *other = expect_client(&daemon_of_test);
	struct client_message message;

	expect_text(client, "OK", MESSAGE_CONTROL, 0, ARGUMENTS("live-update", "-f", later("hangs-in-the-proof")));
	ck_assert_int_eq(client_send(client, MESSAGE_CONTROL, 0, "live-update\0-s", 15, NULL), 0);
	while (!strstr(expect_any(other, MESSAGE_CONTROL, 0, ARGUMENTS("live-update", "-f", lxenstored())).payload, "already"))
		continue;
	update_load_go_on(load);
	expect_text(other, "OK", MESSAGE_CONTROL, 0, ARGUMENTS("live-update", "-a"));
	ck_assert_int_eq(client_receive_reply(client, &message), 0);
	ck_assert_str_eq(message.payload, "Cancellation was requested");
	client_close(client);
	client_close(other);
	expect_update(lxenstored());
}
END_TEST

/* ---- programs that are none ---- */

START_TEST(what_cannot_be_executed_is_refused)
{
	expect_refused("/nowhere/at/all", "File not accessible.");
	expect_refused("/tmp", "File not executable.");
	expect_refused(made("no-x",
			    "\x7f"
			    "ELF",
			    4, 0600),
		       "File not executable.");
	expect_refused(made("script", "#!/bin/sh\nexit 0\n", 17, 0700), "no ELF file");
	expect_refused(made("empty", "", 0, 0700), "no ELF file");
}
END_TEST

START_TEST(another_program_is_refused_and_not_run)
{
	expect_refused("/bin/true", "is not lxenstored");
	expect_refused("/bin/sh", "is not lxenstored");
}
END_TEST

START_TEST(a_program_for_another_machine_is_refused)
{
	size_t len;
	unsigned char *bytes = read_program(&len);

	bytes[18] ^= 0x40; /* e_machine */
	expect_refused(made("other-machine", bytes, len, 0700), "another kind of machine");
	bytes[18] ^= 0x40;
	/* Cut short: it says nothing, or cannot be executed. */
	expect_refused(made("short", bytes, 300, 0700), "is not lxenstored");
	expect_refused(made("half", bytes, len / 2, 0700), "is not lxenstored");
	free(bytes);
}
END_TEST

START_TEST(a_program_of_other_formats_is_refused)
{
	size_t len;
	unsigned char *bytes = read_program(&len);
	struct program_formats *formats = formats_in(bytes, len);

	formats->store_newest = STORE_VERSION_OLDEST - 1;
	expect_refused(made("old-store", bytes, len, 0700), "understands stores");
	formats->store_newest = STORE_VERSION;
	formats->ledger_oldest = formats->ledger_newest = LEDGER_VERSION + 1;
	expect_refused(made("other-ledger", bytes, len, 0700), "understands ledgers");
	formats->ledger_oldest = LEDGER_VERSION;
	formats->handover = 0;
	expect_refused(made("old-handover", bytes, len, 0700), "understands handovers");
	free(bytes);
}
END_TEST

/* ---- programs that fail ---- */

START_TEST(wrong_arguments_are_refused)
{
	for (int i = number_from("BAD_PROGRAMS", BAD_PROGRAMS); i; i--) {
		expect_no_update((const char *[]){"-c", "--no-such-option", lxenstored(), NULL}, "no-such-option");
		expect_no_update((const char *[]){"-c", "-N --store /nowhere/store", lxenstored(), NULL}, "/nowhere/store");
		expect_no_update((const char *[]){"-c", "-N --no-xen", lxenstored(), NULL}, ""); /* and no store */
	}
}
END_TEST

START_TEST(a_program_that_fails_to_prove_itself_is_refused)
{
	expect_refused(later("crashes-in-the-proof"), "died of signal 11");
	expect_refused(later("proves-nothing"), "proved nothing");
	for (int i = number_from("BAD_PROGRAMS", BAD_PROGRAMS); i; i--)
		expect_no_update((const char *[]){"-t", "1", later("hangs-in-the-proof"), NULL}, "not proved within 1 s");
}
END_TEST

START_TEST(a_program_that_dies_when_it_has_taken_over_is_replaced_by_the_old_one)
{
	expect_refused(later("crashes-at-the-start"), "old one is back");
	expect_refused(later("ends-at-the-start"), "old one is back");
	expect_refused(later("dies-soon"), "old one is back");
	expect_update(lxenstored());
}
END_TEST

/* ---- formats ---- */

static void expect_formats(unsigned store, unsigned ledger)
{
	char path[256], said[READER_TEXT_SIZE];
	struct ledger_header header;
	struct reader_env reader;
	enum reader_result result = reader_open(daemon_of_test.store, true, &reader, said);
	unsigned version = result == READER_NEWER ? (unsigned)atoi(said) : reader.meta.version;

	if (result == READER_SOUND)
		reader_close(&reader);
	ck_assert_msg(result == READER_SOUND || result == READER_NEWER, "%d: %s", (int)result, said);
	ck_assert_uint_eq(version, store);
	snprintf(path, sizeof(path), "%s-ledger", daemon_of_test.store);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(pread(fd, &header, sizeof(header), 0), sizeof(header));
	close(fd);
	ck_assert_uint_eq(header.version, ledger);
}

START_TEST(newer_formats_are_written_once_the_new_program_has_served_and_older_ones_for_the_way_back)
{
	expect_update(later("ahead"));
	expect_formats(STORE_VERSION + 1, LEDGER_VERSION + 1);
	expect_update(later("ahead"));
	expect_formats(STORE_VERSION + 1, LEDGER_VERSION + 1);
	expect_update(lxenstored());
	expect_formats(STORE_VERSION, LEDGER_VERSION);
	expect_update(lxenstored());
}
END_TEST

START_TEST(a_program_of_newer_formats_that_fails_leaves_the_older_ones)
{
	expect_no_update((const char *[]){later("dies-soon"), NULL}, "old one is back");
	expect_formats(STORE_VERSION, LEDGER_VERSION);
	expect_no_update((const char *[]){later("crashes-at-the-start"), NULL}, "old one is back");
	expect_formats(STORE_VERSION, LEDGER_VERSION);
}
END_TEST

START_TEST(a_way_back_that_is_not_gone_leaves_the_newer_formats)
{
	size_t len;
	unsigned char *bytes = read_program(&len);
	struct program_formats *formats = formats_in(bytes, len);

	expect_update(later("ahead"));
	expect_no_update((const char *[]){"-c", "--no-such-option", lxenstored(), NULL}, "no-such-option");
	expect_formats(STORE_VERSION + 1, LEDGER_VERSION + 1);
	formats->store_newest = STORE_VERSION_OLDEST - 1;
	expect_no_update((const char *[]){made("old-store", bytes, len, 0700), NULL}, "understands stores");
	expect_formats(STORE_VERSION + 1, LEDGER_VERSION + 1);
	free(bytes);
}
END_TEST

int main(void)
{
	const TTest *const kept[] = {
	    nothing_is_lost_and_nothing_told_twice_over_updates,
	    a_domain_that_ends_after_an_update_is_noticed,
	    what_was_sent_in_part_and_what_was_not_taken_is_there_afterwards,
	    transactions_stay_open_over_updates_and_hold_none_up,
	    options_that_are_given_are_those_of_the_new_daemon,
	    the_pieces_of_the_command_belong_together,
	    an_update_can_be_cancelled_while_the_program_proves_itself,
	    what_cannot_be_executed_is_refused,
	    another_program_is_refused_and_not_run,
	    a_program_for_another_machine_is_refused,
	    a_program_of_other_formats_is_refused,
	    wrong_arguments_are_refused,
	    a_program_that_fails_to_prove_itself_is_refused,
	    a_program_that_dies_when_it_has_taken_over_is_replaced_by_the_old_one,
	    newer_formats_are_written_once_the_new_program_has_served_and_older_ones_for_the_way_back,
	    a_program_of_newer_formats_that_fails_leaves_the_older_ones,
	    a_way_back_that_is_not_gone_leaves_the_newer_formats,
	};
	const TTest *const alone[] = {
	    nothing_is_lost_and_nothing_told_twice_over_updates,
	    a_domain_that_ends_after_an_update_is_noticed,
	};
	Suite *suite = expect_suite("live update", &daemon_of_test, start_kept, stop, kept, sizeof(kept) / sizeof(kept[0]));

	expect_case(suite, "without a keeper", start_alone, stop, alone, sizeof(alone) / sizeof(alone[0]));
	return suite_run(suite);
}
