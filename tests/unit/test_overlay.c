/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Overlays over their records: after each step of random histories, each open transaction is made again from the bytes that have
 * come together so far, and from bytes written at once, and is compared with itself entry by entry.
 *
 * OVERLAY_HISTORIES: how many (default: 100; check notes each assertion, so thousands take long). OVERLAY_SEED: of all that is
 * random.
 */
#include "store/overlay.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "store/snapshot.h"
#include "support/random.h"
#include "support/stage.h"
#include "support/suite.h"

enum { HISTORIES = 100, STEPS = 60, WORDS = 200 };

static const char clients[] = "AB12";

static struct stage stage;
static struct transaction_recorder recorder;
static struct buffer records[sizeof(clients)];
static struct random numbers;
static int refusal; /* of the recorder; 0: none */

static int reserve(struct transaction *transaction, size_t len)
{
	(void)transaction;
	ck_assert_uint_eq(len, recorder.change.len);
	return refusal;
}

static void setup(void)
{
	stage_open(&stage, 0);
	recorder.reserve = reserve;
	random_begin(&numbers, "OVERLAY_SEED");
}

static void teardown(void)
{
	ck_assert_str_eq(stage_problem(&stage), "");
	stage_close(&stage);
	buffer_deinit(&recorder.change);
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
		buffer_deinit(&records[i]);
}

/* ---- comparing ---- */

static bool is_needed(const struct transaction_entry *entry, bool observations)
{
	return entry->present || entry->cleared || entry->changed || entry->ensured || entry->has_value ||
	       entry->has_permissions || (observations && entry->observed);
}

static void compare_contents(const struct transaction_entry *entry, const struct transaction_entry *other)
{
	if (entry->present || entry->has_value) {
		ck_assert_uint_eq(entry->value_len, other->value_len);
		ck_assert(!memcmp(entry->value, other->value, entry->value_len));
	}
	if (entry->present || entry->has_permissions) {
		ck_assert_uint_eq(entry->n_permissions, other->n_permissions);
		ck_assert(!memcmp(entry->permissions, other->permissions, entry->n_permissions * sizeof(*entry->permissions)));
	}
}

static void compare_entry(const struct transaction_entry *entry, const struct transaction_entry *other, bool observations)
{
	ck_assert_msg(other != NULL, "%s is missing", entry->path.text);
	ck_assert_int_eq(entry->present, other->present);
	ck_assert_int_eq(entry->ensured, other->ensured);
	ck_assert_int_eq(entry->cleared, other->cleared);
	ck_assert_int_eq(entry->changed, other->changed);
	ck_assert_int_eq(entry->has_value, other->has_value);
	ck_assert_int_eq(entry->has_permissions, other->has_permissions);
	if (entry->present || entry->cleared)
		ck_assert_uint_eq(entry->list_serial, other->list_serial);
	compare_contents(entry, other);
	if (!observations)
		return;
	ck_assert_uint_eq(entry->observed, other->observed);
	ck_assert_uint_eq(entry->seen_created, other->seen_created);
	ck_assert_uint_eq(entry->seen_value, other->seen_value);
	ck_assert_uint_eq(entry->seen_permissions, other->seen_permissions);
	ck_assert_uint_eq(entry->seen_children, other->seen_children);
}

static void compare(const struct transaction *transaction, const struct transaction *other, bool observations)
{
	const struct transaction_entry *entry, *next, *theirs = other->created;

	HASH_ITER (hh, transaction->entries, entry, next) {
		if (is_needed(entry, observations))
			compare_entry(entry, transaction_entry(other, &entry->path), observations);
	}
	HASH_ITER (hh, other->entries, entry, next) {
		if (is_needed(entry, observations))
			ck_assert_msg(transaction_entry(transaction, &entry->path) != NULL, "%s is new", entry->path.text);
	}
	ck_assert_uint_eq(transaction->n_created, other->n_created);
	ck_assert_uint_eq(transaction->n_cleared, other->n_cleared);
	DL_FOREACH2 (transaction->created, entry, created_next) {
		ck_assert(theirs && path_is_below_or_equal(&entry->path, &theirs->path) && entry->path.len == theirs->path.len);
		theirs = theirs->created_next;
	}
	ck_assert_ptr_null(theirs);
	theirs = other->changed;
	DL_FOREACH2 (transaction->changed, entry, changed_next) {
		ck_assert(theirs && path_is_below_or_equal(&entry->path, &theirs->path) && entry->path.len == theirs->path.len);
		theirs = theirs->changed_next;
	}
	ck_assert_ptr_null(theirs);
}

static void restore_and_compare(const struct transaction *transaction, const struct buffer *bytes, bool observations)
{
	struct transaction *other;

	ck_assert(!bytes->failed);
	ck_assert_int_eq(transaction_restore(stage.store, &transaction->caller, bytes->bytes, bytes->len, true, &other), 0);
	compare(transaction, other, observations);
	ck_assert_int_eq(other->unobserved, !observations);
	/* What is made again from that is the same again. */
	struct buffer again = {0};
	transaction_save(other, observations, &again);
	struct transaction *third;
	ck_assert_int_eq(transaction_restore(stage.store, &transaction->caller, again.bytes, again.len, true, &third), 0);
	compare(transaction, third, observations);
	ck_assert_uint_le(third->list_serial, transaction->list_serial);
	buffer_deinit(&again);
	transaction_free(third);
	transaction_free(other);
}

static void check_all(void)
{
	for (size_t i = 0; clients[i]; i++) {
		const struct transaction *transaction = stage_client(&stage, clients[i])->transaction;
		struct buffer bytes = {0};
		if (!transaction)
			continue;
		restore_and_compare(transaction, &records[i], false);
		transaction_save(transaction, true, &bytes);
		restore_and_compare(transaction, &bytes, true);
		buffer_deinit(&bytes);
		/* Now and then the record is written anew. */
		if (random_below(&numbers, 8))
			continue;
		buffer_clear(&records[i]);
		transaction_save(transaction, false, &records[i]);
	}
}

/* ---- histories ---- */

/* The step of one client; what it changes comes to the client's record. */
static const char *say(size_t i, const char *words)
{
	struct stage_client *client = stage_client(&stage, clients[i]);
	const struct transaction *before = client->transaction;

	buffer_clear(&recorder.change);
	stage_say(&stage, words);
	if (client->transaction != before) {
		buffer_clear(&records[i]);
		if (client->transaction) {
			client->transaction->recorder = &recorder;
			transaction_save(client->transaction, false, &records[i]);
		}
	} else if (before) {
		ck_assert(!recorder.change.len || !strcmp(stage.answer, "OK"));
		buffer_add(&records[i], recorder.change.bytes, recorder.change.len);
	} else {
		ck_assert_uint_eq(recorder.change.len, 0);
	}
	return stage.answer;
}

static const char *random_path(void)
{
	static char text[64];
	size_t len = 0;

	for (uint32_t depth = 1 + random_below(&numbers, 4); depth; depth--)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "/%c", "abc"[random_below(&numbers, 3)]);
	return text;
}

static void random_step(size_t i)
{
	static const struct {
		const char *verb, *argument;
	} verbs[] = {
	    {"read", ""},   {"ls", ""},	     {"perms", ""},    {"mkdir", ""},	{"rm", ""},	    {"rm", ""},
	    {"write", "1"}, {"write", "22"}, {"write", "333"}, {"chmod", "b0"}, {"chmod", "b1,r2"}, {"chmod", "n2,b1"},
	};
	size_t verb = random_below(&numbers, sizeof(verbs) / sizeof(verbs[0]));
	uint32_t number = random_below(&numbers, 100);
	char words[WORDS];

	if (number < 12)
		snprintf(words, sizeof(words), "%c %s", clients[i],
			 stage_client(&stage, clients[i])->transaction ? number < 4 ? "end" : "read /" : "start");
	else
		snprintf(words, sizeof(words), "%c %s %s%s%s", clients[i], verbs[verb].verb, random_path(),
			 *verbs[verb].argument ? " " : "", verbs[verb].argument);
	say(i, words);
}

START_TEST(what_is_made_from_its_record_is_the_same_transaction)
{
	const char *text = getenv("OVERLAY_HISTORIES");
	long histories = text ? strtol(text, NULL, 10) : HISTORIES;

	for (long history = 0; history < histories / (_i ? 2 : 1); history++) {
		stage_clear(&stage);
		stage.limits.transaction_nodes = _i ? 8 : 1000;
		say(0, "A chmod / b0");
		for (int step = 0; step < STEPS; step++) {
			random_step(random_below(&numbers, sizeof(clients) - 1));
			if (!random_below(&numbers, 30))
				snapshots_drop_all(stage.store);
			check_all();
		}
	}
}
END_TEST

/* ---- recorders ---- */

START_TEST(a_change_that_cannot_be_recorded_is_refused_and_not_done)
{
	static const char *const steps[][2] = {{"A write /x 2", "A read /x"},
					       {"A write /n 2", "A ls /"},
					       {"A mkdir /n/m", "A ls /"},
					       {"A rm /x", "A ls /"},
					       {"A chmod /x r3", "A perms /x"}};

	say(0, "A write /x 1");
	say(0, "A start");
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		char before[STAGE_TEXT];
		snprintf(before, sizeof(before), "%s", say(0, steps[i][1]));
		refusal = i % 2 ? STATUS_ENOSPC : STATUS_ENOMEM;
		ck_assert_str_eq(say(0, steps[i][0]), i % 2 ? "ENOSPC" : "ENOMEM");
		ck_assert_uint_eq(recorder.change.len, 0);
		refusal = 0;
		ck_assert_str_eq(say(0, steps[i][1]), before);
	}
	check_all();
}
END_TEST

START_TEST(bytes_that_are_no_record_are_refused)
{
	struct transaction *other, *transaction;
	struct buffer bytes = {0};

	say(0, "A write /x 1");
	say(0, "A start");
	say(0, "A read /x");
	say(0, "A write /n/m 22");
	say(0, "A chmod /x r3");
	say(0, "A rm /n");
	transaction = stage_client(&stage, 'A')->transaction;
	for (size_t len = 0; len < records[0].len; len++) {
		int result = transaction_restore(stage.store, &transaction->caller, records[0].bytes, len, true, &other);
		if (!result) /* it ends behind an operation */
			transaction_free(other);
		else
			ck_assert_int_eq(result, STATUS_EINVAL);
	}
	transaction_save(transaction, true, &bytes);
	for (int i = 0; i < 20000; i++) {
		struct buffer wrong = {0};
		buffer_add(&wrong, bytes.bytes, bytes.len);
		for (uint32_t n = 1 + random_below(&numbers, 3); n; n--)
			wrong.bytes[random_below(&numbers, (uint32_t)wrong.len)] = (char)random_below(&numbers, 256);
		int result = transaction_restore(stage.store, &transaction->caller, wrong.bytes, wrong.len, true, &other);
		ck_assert(!result || result == STATUS_EINVAL);
		if (!result)
			transaction_free(other);
		buffer_deinit(&wrong);
	}
	buffer_deinit(&bytes);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("overlay");
	TCase *cases = tcase_create("records");

	tcase_set_timeout(cases, 600);
	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_loop_test(cases, what_is_made_from_its_record_is_the_same_transaction, 0, 2);
	tcase_add_test(cases, a_change_that_cannot_be_recorded_is_refused_and_not_done);
	tcase_add_test(cases, bytes_that_are_no_record_are_refused);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
