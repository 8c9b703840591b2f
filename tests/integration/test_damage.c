/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Daemons that find a damaged store, a damaged ledger, or that hold nonsense: each serves and says what it has done without, or
 * ends with a message; none hangs, none dies of it. $DAMAGES: how many random ones; $DAMAGE_SEED.
 */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handover/channel.h"
#include "handover/keeper.h"
#include "lxenstored/ledger_format.h"
#include "lxenstored/store_format.h"
#include "support/command.h"
#include "support/expect.h"
#include "support/random.h"
#include "support/store_file.h"
#include "support/suite.h"

enum { PAGE_SIZE = 4096, DAMAGES = 60 };

static struct daemon shared; /* only its directory, in which each test's is */
static struct daemon served;
static struct client *client;
static struct random numbers;

static void start_new(void)
{
	ck_assert_int_eq(daemon_init_in(&served, shared.directory), 0);
	ck_assert_int_eq(daemon_start(&served, (const char *[]){"--store", served.store, NULL}, NULL), 0);
	client = expect_client(&served);
	random_begin(&numbers, "DAMAGE_SEED");
}

static void stop(void)
{
	client_close(client);
	client = NULL;
	daemon_deinit(&served);
}

static int number_of_damages(void)
{
	const char *number = getenv("DAMAGES");

	return number && atoi(number) < DAMAGES ? atoi(number) : number && atoi(number) > 1000 ? atoi(number) : DAMAGES;
}

/* ---- what there is ---- */

static void fill(void)
{
	char path[64];

	for (int i = 0; i < 60; i++) {
		snprintf(path, sizeof(path), "/local/domain/%d/device", i);
		expect_write(client, 0, path, "value");
	}
	expect_write(client, 0, "/a/b/c", "1");
	expect_ok(client, MESSAGE_SET_PERMS, 0, ARGUMENTS("/a/b", "n0", "r32757"));
	expect_write(client, 0, "/z", "2");
	expect_watch(client, "/z", "token");
}

static void end_daemon(void)
{
	ck_assert_int_eq(daemon_stop(&served, SIGKILL, NULL), 0);
	client_close(client);
	client = NULL;
}

/* Serves again; else it has ended by itself, and has said why. */
static bool goes_on(void)
{
	int status = 0;

	ck_assert_int_eq(truncate(served.log, 0), 0);
	int error = daemon_start(&served, (const char *[]){"--store", served.store, NULL}, &status);
	if (!error) {
		client = expect_client(&served);
		return true;
	}
	ck_assert_int_eq(error, -ECHILD);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status), "it ended with %#x", (unsigned)status);
	char *messages = daemon_messages(&served);
	ck_assert_msg(messages && *messages, "it ended without a word");
	free(messages);
	return false;
}

static bool has_said(const char *words)
{
	char *messages = daemon_messages(&served);
	bool has = messages && strstr(messages, words);

	free(messages);
	return has;
}

static void expect_said(const char *words)
{
	char *messages = daemon_messages(&served);

	ck_assert_msg(messages && strstr(messages, words), "it does not say: %s\n%s", words, messages);
	free(messages);
}

/* Another file beside the store, of this ending. */
static bool is_there(const char *ending)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s", served.store, ending);
	return !access(path, F_OK);
}

/* ---- records of the store ---- */

static void change_record(const void *key, size_t key_len, const void *record, size_t len)
{
	MDB_val name = {key_len, (void *)(uintptr_t)key}, value = {len, (void *)(uintptr_t)record};
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	ck_assert_int_eq(mdb_env_create(&env), 0);
	ck_assert_int_eq(mdb_env_open(env, served.store, MDB_NOSUBDIR | MDB_NOSYNC, 0600), 0);
	ck_assert_int_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
	ck_assert_int_eq(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	ck_assert_int_eq(record ? mdb_put(txn, dbi, &name, &value, 0) : mdb_del(txn, dbi, &name, NULL), 0);
	ck_assert_int_eq(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

START_TEST(a_node_that_is_none_is_left_out_with_all_below_it)
{
	fill();
	end_daemon();
	change_record("n\1a\0b", 5, "short", 5);
	ck_assert(goes_on());
	expect_said("was damaged");
	ck_assert(is_there(".damaged") && is_there(".set-aside"));
	ck_assert(!is_there(".repair") && !is_there(".repair-lock"));
	expect_read(client, 0, "/a/b/c", NULL);
	expect_names(client, 0, "/a", "");
	expect_read(client, 0, "/z", "2");
	expect_read(client, 0, "/local/domain/59/device", "value");
	expect_sound(client);
	end_daemon();
	/* Once is enough. */
	ck_assert(goes_on());
	ck_assert(!has_said("damaged"));
}
END_TEST

START_TEST(what_follows_from_other_records_is_made_anew)
{
	static const uint64_t wrong = 1000;

	fill();
	end_daemon();
	change_record("a\0\0", 3, &wrong, sizeof(wrong));
	change_record("a\0\7", 3, &wrong, sizeof(wrong));
	change_record("o\0\7\0\0\0\0\0\0\0\1", 11, "n\0", 2);
	ck_assert(goes_on());
	expect_said("without 0 records");
	expect_read(client, 0, "/a/b/c", "1");
	expect_permissions(client, 0, "/a/b", "n0 r32757");
	expect_sound(client);
}
END_TEST

START_TEST(a_watch_a_domain_and_quotas_that_are_none_are_left_out)
{
	fill();
	end_daemon();
	change_record("w12345678abcdefgh", 17, "short", 5);
	change_record("d\0\x21", 3, "short", 5);
	change_record("q", 1, "short", 5);
	change_record("?", 1, "short", 5);
	ck_assert(goes_on());
	expect_said("without 4 records");
	expect_read(client, 0, "/a/b/c", "1");
	expect_sound(client);
}
END_TEST

START_TEST(special_nodes_that_are_missing_are_made)
{
	fill();
	end_daemon();
	change_record("n@releaseDomain", 15, "short", 5);
	ck_assert(goes_on());
	expect_said("was damaged");
	expect_permissions(client, 0, "@releaseDomain", "n0 r32757");
	expect_sound(client);
}
END_TEST

START_TEST(a_store_without_a_root_is_refused_and_left_alone)
{
	size_t len, after_len;

	fill();
	end_daemon();
	change_record("n\0", 2, "short", 5);
	unsigned char *before = store_file_bytes(served.store, &len);
	ck_assert(!goes_on());
	expect_said("is damaged");
	unsigned char *after = store_file_bytes(served.store, &after_len);
	ck_assert_uint_eq(len, after_len);
	ck_assert_mem_eq(before, after, len);
	ck_assert(!is_there(".damaged") && !is_there(".repair"));
	free(before);
	free(after);
}
END_TEST

START_TEST(a_damaged_store_of_another_boot_is_renamed_like_any_other)
{
	static const char other[40] = "another-boot-as-long-as-one-of-Linux";
	struct store_meta meta;
	size_t len;

	fill();
	end_daemon();
	/* The record is there more than once, in pages that are not used any more. */
	unsigned char *bytes = store_file_bytes(served.store, &len);
	for (unsigned char *at = bytes; (at = memmem(at, len - (size_t)(at - bytes), STORE_MAGIC, sizeof(STORE_MAGIC))); at++)
		memcpy(at + offsetof(struct store_meta, boot_id), other, sizeof(meta.boot_id));
	for (size_t page = 3; page * PAGE_SIZE < len && page < 20; page++)
		bytes[page * PAGE_SIZE + 10] ^= 0x7f;
	store_file_write(served.store, bytes, len);
	free(bytes);
	ck_assert(goes_on());
	expect_said("earlier boot");
	ck_assert(is_there(".another-boot-as-long-as-one-of-Linux"));
	expect_read(client, 0, "/z", NULL);
}
END_TEST

/* ---- any bytes of the store ---- */

static void forget_repairs(void)
{
	static const char *const endings[] = {".damaged", ".set-aside", "-lock"};
	char path[128];

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", served.store, endings[i]);
		unlink(path);
	}
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* What it serves is sound, and it says so if it has less than before. */
static void expect_served(const char *before)
{
	char *now = expect_tree(client);

	expect_sound(client);
	/* Records have no sums: bytes of a value may be others. */
	if (!has_said("damaged") && !has_said("earlier boot"))
		ck_assert_uint_eq(count_lines(now), count_lines(before));
	free(now);
	end_daemon();
}

START_TEST(a_store_that_is_damaged_anywhere_is_refused_or_repaired)
{
	unsigned served_times = 0, refused = 0;
	size_t len;

	fill();
	char *tree = expect_tree(client);
	end_daemon();
	unsigned char *bytes = store_file_bytes(served.store, &len), *damaged = malloc(len);
	size_t used = 40 * PAGE_SIZE < len ? 40 * PAGE_SIZE : len;
	for (int i = number_of_damages(); i > 0; i--) {
		memcpy(damaged, bytes, len);
		for (uint32_t n = 1 + random_below(&numbers, 4); n; n--) {
			size_t at = random_below(&numbers, (uint32_t)used);
			if (random_below(&numbers, 2))
				at -= at % PAGE_SIZE - random_below(&numbers, 48);
			damaged[at] = (unsigned char)random_below(&numbers, 256);
		}
		store_file_write(served.store, damaged, len);
		if (goes_on()) {
			served_times++;
			expect_served(tree);
		} else {
			refused++;
		}
		forget_repairs();
	}
	printf("# store: %u served, %u refused\n", served_times, refused);
	free(damaged);
	free(bytes);
	free(tree);
}
END_TEST

START_TEST(a_store_that_was_cut_short_is_refused_or_repaired)
{
	size_t len;

	fill();
	char *tree = expect_tree(client);
	end_daemon();
	unsigned char *bytes = store_file_bytes(served.store, &len);
	for (size_t cut = PAGE_SIZE / 2 + 7; cut < len && cut < 30 * PAGE_SIZE; cut += PAGE_SIZE / 2 * (cut % 3 + 1)) {
		store_file_write(served.store, bytes, cut);
		if (goes_on())
			expect_served(tree);
		forget_repairs();
	}
	free(bytes);
	free(tree);
}
END_TEST

/* ---- any bytes of the ledger ---- */

static void ledger_path(char path[128])
{
	snprintf(path, 128, "%s-ledger", served.store);
}

/* The store is what it was, whatever the ledger says. */
static void expect_store(const char *tree)
{
	ck_assert_msg(goes_on(), "a damaged ledger keeps the daemon from starting");
	char *now = expect_tree(client);
	ck_assert_str_eq(now, tree);
	expect_sound(client);
	free(now);
	end_daemon();
}

START_TEST(a_ledger_that_is_damaged_anywhere_keeps_nobody_from_starting)
{
	static const size_t from[] = {12, LEDGER_HEADER_SIZE, (size_t)LEDGER_FIRST_BLOCK * LEDGER_BLOCK_SIZE};
	static const uint32_t lengths[] = {sizeof(struct ledger_header) - 12, 3 * LEDGER_SLOT_SIZE, 3 * LEDGER_BLOCK_SIZE};
	char path[128];

	fill();
	char *tree = expect_tree(client);
	end_daemon();
	ledger_path(path);
	for (int i = number_of_damages(); i > 0; i--) {
		int fd = open(path, O_RDWR | O_CLOEXEC);
		ck_assert_int_ge(fd, 0);
		for (uint32_t n = 1 + random_below(&numbers, 8); n; n--) {
			uint32_t kind = random_below(&numbers, 3);
			uint32_t value =
			    random_below(&numbers, 2) ? random_below(&numbers, 300) : random_below(&numbers, UINT32_MAX);
			off_t at = (off_t)(from[kind] + random_below(&numbers, lengths[kind]));
			ck_assert_int_eq(pwrite(fd, &value, 1 + random_below(&numbers, 4), at) > 0, 1);
		}
		close(fd);
		expect_store(tree);
	}
	free(tree);
}
END_TEST

START_TEST(a_ledger_that_was_cut_short_keeps_nobody_from_starting)
{
	static const off_t cuts[] = {0,	     1,	      7,      8, 100, 784, 4095, LEDGER_HEADER_SIZE, LEDGER_HEADER_SIZE + 100,
				     100000, 8396800, 8396900};
	char path[128];

	fill();
	char *tree = expect_tree(client);
	end_daemon();
	ledger_path(path);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		ck_assert_int_eq(truncate(path, cuts[i]), 0);
		expect_store(tree);
	}
	free(tree);
}
END_TEST

START_TEST(a_file_that_is_no_ledger_is_kept_under_another_name)
{
	char path[128];

	fill();
	char *tree = expect_tree(client);
	end_daemon();
	ledger_path(path);
	for (int i = 0; i < 2; i++) {
		store_file_write(path, "something else", 14);
		expect_store(tree);
		expect_said("damaged, or no ledger");
	}
	ck_assert(is_there("-ledger.damaged") && is_there("-ledger.damaged.1"));
	free(tree);
}
END_TEST

/* ---- what the keeper holds ---- */

static void pass_channel(const void *context)
{
	const int *ends = context;
	char number[16];

	snprintf(number, sizeof(number), "%d%s", ends[1], KEEPER_AGAIN);
	setenv(KEEPER_CHANNEL_VARIABLE, number, 1);
	close(ends[0]);
}

/* A descriptor that may be anything. */
static int any_descriptor(void)
{
	int ends[2];

	switch (random_below(&numbers, 6)) {
	case 0:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case 1:
		ck_assert_int_eq(pipe(ends), 0);
		break;
	case 2:
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
		break;
	case 3:
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
		break;
	case 4:
		return socket(AF_INET, SOCK_STREAM, 0);
	default:
		return socket(AF_UNIX, SOCK_STREAM, 0);
	}
	close(ends[1]);
	return ends[0];
}

static void send_any(int channel)
{
	struct channel_message message;
	unsigned char *bytes = (unsigned char *)&message;
	int fd = random_below(&numbers, 3) ? any_descriptor() : -1;

	memset(&message, 0, sizeof(message));
	message.kind = random_below(&numbers, 3) ? CHANNEL_HELD : random_below(&numbers, 32);
	message.id = random_below(&numbers, 3) ? 65536 + random_below(&numbers, 4) : random_below(&numbers, 3);
	message.text_len = random_below(&numbers, 2) ? 0 : random_below(&numbers, CHANNEL_TEXT_MAX);
	if (!random_below(&numbers, 10)) {
		/* No message at all. */
		size_t len = random_below(&numbers, 64);
		for (size_t i = 0; i < len; i++)
			bytes[i] = (unsigned char)random_below(&numbers, 256);
		send(channel, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	} else {
		channel_send(channel, &message, fd);
	}
	if (fd >= 0)
		close(fd);
}

/* As a keeper that has gone mad, or whose memory is damaged. */
static void start_with_nonsense(void)
{
	const char *words[] = {getenv("LXENSTORED"), "-N", "--no-xen", "--store", served.store, NULL};
	int ends[2], status = 0;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	for (uint32_t n = random_below(&numbers, 12); n; n--)
		send_any(ends[0]);
	channel_send_short(ends[0], CHANNEL_ALL, 0, -1);
	if (random_below(&numbers, 4) == 0)
		shutdown(ends[0], SHUT_RDWR);
	int error = daemon_run(&served, words, pass_channel, ends, &status);
	if (!error) {
		client = expect_client(&served);
		expect_read(client, 0, "/z", "2");
		client_close(client);
		client = NULL;
		/* Where its keeper was gone it has another one, which ends with it. */
		ck_assert_int_eq(daemon_stop(&served, SIGTERM, NULL), 0);
	} else {
		ck_assert_int_eq(error, -ECHILD);
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status), "it ended with %#x", (unsigned)status);
	}
	close(ends[0]);
	close(ends[1]);
}

START_TEST(whatever_a_keeper_passes_the_daemon_serves_or_ends)
{
	fill();
	end_daemon();
	for (int i = number_of_damages() / 2; i > 0; i--)
		start_with_nonsense();
}
END_TEST

START_TEST(a_channel_that_is_none_is_told)
{
	static const char *const values[] = {"", "x", "-1", "0", "99", "2147483648", "4294967296", "1,again", "3,again,suspects"};
	const char *words[] = {getenv("LXENSTORED"), "-N", "--no-xen", "--store", served.store, NULL};
	struct command command;

	end_daemon();
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		setenv(KEEPER_CHANNEL_VARIABLE, values[i], 1);
		setenv("XENSTORED_RUNDIR", served.directory, 1);
		setenv("XENSTORED_PATH", served.socket, 1);
		command_run(words, NULL, &command);
		ck_assert_msg(command.status > 0, "\"%s\": status %d", values[i], command.status);
		ck_assert_msg(*command.messages, "\"%s\": it says nothing", values[i]);
		command_deinit(&command);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    a_node_that_is_none_is_left_out_with_all_below_it,
	    what_follows_from_other_records_is_made_anew,
	    a_watch_a_domain_and_quotas_that_are_none_are_left_out,
	    special_nodes_that_are_missing_are_made,
	    a_store_without_a_root_is_refused_and_left_alone,
	    a_damaged_store_of_another_boot_is_renamed_like_any_other,
	    a_store_that_is_damaged_anywhere_is_refused_or_repaired,
	    a_store_that_was_cut_short_is_refused_or_repaired,
	    a_ledger_that_is_damaged_anywhere_keeps_nobody_from_starting,
	    a_ledger_that_was_cut_short_keeps_nobody_from_starting,
	    a_file_that_is_no_ledger_is_kept_under_another_name,
	    whatever_a_keeper_passes_the_daemon_serves_or_ends,
	    a_channel_that_is_none_is_told,
	};

	return suite_run(expect_suite("damage", &shared, start_new, stop, tests, sizeof(tests) / sizeof(tests[0])));
}
