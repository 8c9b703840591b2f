/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* oxenstored's dump: what it writes is read, and what is written for it reads the same. */
#include "handover/text_dump.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/sample_state.h"
#include "support/suite.h"

static struct text_reader reader;
static struct state_record record;

static void teardown(void)
{
	text_close(&reader);
}

static void open_text(const char *text)
{
	text_close(&reader);
	ck_assert_msg(!text_open(&reader, text, strlen(text)), "%s", reader.problem);
}

#define HEADER "$xenstored-dump-format\n"

/* Lines of oxenstored 4.17. */
START_TEST(the_lines_of_oxenstored_are_read)
{
	open_text(HEADER "global,5\nevtchn-dev,7,16\ndom,0,0,3,17\ndom,5,1048577,1,18\n"
			 "watch,5,646576696365,746f6b802c656e\nsocket,13\nwatch,-13,4072656c65617365446f6d61696e,72656c\n"
			 "store,2f,6e30,\nstore,2f61,6e35007230,610a017a00\nstore,2f4072656c65617365446f6d61696e,6e30,\n");
	ck_assert_int_eq(text_next(&reader, &record), 1);
	ck_assert(record.kind == STATE_GLOBAL && record.global.listener == 5 && record.global.events == -1);
	ck_assert_int_eq(text_next(&reader, &record), 1);
	ck_assert(record.kind == STATE_GLOBAL && record.global.listener == -1 && record.global.events == 7);
	ck_assert_int_eq(text_next(&reader, &record), 1);
	ck_assert(record.kind == STATE_CONNECTION && !record.connection.domid && record.connection.port == 17);
	ck_assert_int_eq(text_next(&reader, &record), 1);
	ck_assert_uint_eq(record.connection.domid, 5);
	ck_assert_uint_eq(record.connection.remote_port, 1);
	ck_assert_uint_eq(record.connection.port, 18);
	ck_assert_uint_eq(record.connection.target, DOMID_NONE);
	uint32_t ring = record.connection.number;
	ck_assert_int_eq(text_next(&reader, &record), 1);
	ck_assert_uint_eq(record.watch.connection, ring);
	ck_assert_str_eq(record.watch.path, "device");
	ck_assert_str_eq(record.watch.token, "tok\x80,en");
	ck_assert_int_eq(text_next(&reader, &record), 1);
	ck_assert(record.connection.is_socket && record.connection.fd == 13);
	uint32_t socket = record.connection.number;
	ck_assert_int_eq(text_next(&reader, &record), 1);
	ck_assert_uint_eq(record.watch.connection, socket);
	ck_assert_str_eq(record.watch.path, "@releaseDomain");
	ck_assert_int_eq(text_next(&reader, &record), 1);
	ck_assert_str_eq(record.node.path, "/");
	ck_assert_int_eq(text_next(&reader, &record), 1);
	ck_assert_str_eq(record.node.path, "/a");
	ck_assert_uint_eq(record.node.value_len, 5);
	ck_assert_mem_eq(record.node.value, "a\n\1z\0", 5);
	ck_assert_uint_eq(record.node.n_permissions, 2);
	ck_assert_uint_eq(record.node.permissions[0].domid, 5);
	ck_assert_uint_eq(record.node.permissions[1].access, PERMISSION_READ);
	ck_assert_int_eq(text_next(&reader, &record), 1);
	ck_assert_str_eq(record.node.path, "@releaseDomain");
	ck_assert_int_eq(text_next(&reader, &record), 0);
}
END_TEST

/* Reads `text` and writes what was read. */
static void copy(const struct buffer *text, struct buffer *out)
{
	struct state_global global = {-1, -1, -1, 0};
	int result;

	text_close(&reader);
	ck_assert_int_eq(text_open(&reader, text->bytes, text->len), 0);
	text_put_header(out);
	while ((result = text_next(&reader, &record)) == 1) {
		if (record.kind == STATE_GLOBAL && record.global.events < 0) {
			global = record.global;
			continue;
		}
		if (record.kind == STATE_GLOBAL)
			record.global.listener = global.listener;
		text_put(out, &record, 0);
	}
	ck_assert_msg(!result, "%s", reader.problem);
}

START_TEST(what_is_written_reads_the_same)
{
	struct buffer text = {0}, again = {0};

	sample_text(&text);
	copy(&text, &again);
	ck_assert_uint_eq(again.len, text.len);
	ck_assert_mem_eq(again.bytes, text.bytes, text.len);
	buffer_deinit(&text);
	buffer_deinit(&again);
}
END_TEST

START_TEST(lines_of_unknown_kinds_are_skipped_and_counted)
{
	open_text(HEADER "future,1,2,3\nglobal,5\n\n");
	ck_assert_int_eq(text_next(&reader, &record), 1);
	ck_assert_int_eq(record.kind, STATE_GLOBAL);
	ck_assert_int_eq(text_next(&reader, &record), 0);
	ck_assert_uint_eq(reader.n_unknown, 2);
}
END_TEST

START_TEST(lines_that_are_not_whole_are_refused)
{
	static const char *const lines[] = {
	    "global,\n",
	    "global,5,6\n",
	    "global,x\n",
	    "global,99999999999999999999\n",
	    "evtchn-dev,7\n",
	    "dom,5,1,1\n",
	    "dom,-1,1,1,1\n",
	    "dom,32752,1,1,1\n",
	    "dom,5,1,1,None\n",
	    "socket,-1\n",
	    "socket,2147483647\n",
	    "watch,5,2f61\n",
	    "watch,5,2f6,74\n",
	    "watch,5,2g61,74\n",
	    "watch,5,,74\n",
	    "watch,5,2f0061,74\n",
	    "watch,99999,2f61,74\n",
	    "store,2f61,6e30\n",
	    "store,,6e30,\n",
	    "store,2f61,,\n",
	    "store,2f61,7830,\n",
	    "store,2f61,6e302c7235,\n",
	    "store,2f61,6e30,,,,,\n",
	    "store,2f61,6e30,1\n",
	    "global,5",
	};
	char text[128];

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		snprintf(text, sizeof(text), HEADER "%s", lines[i]);
		open_text(text);
		ck_assert_msg(text_next(&reader, &record) == -EPROTO, "%s", lines[i]);
		ck_assert_msg(!strncmp(reader.problem, "line 2: ", 8), "%s", reader.problem);
	}
	ck_assert_int_eq(text_open(&reader, "$xenstored-dump", 15), -EPROTO);
	ck_assert_int_eq(text_open(&reader, "", 0), -EPROTO);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("text dump");
	TCase *cases = tcase_create("text dump");

	tcase_add_checked_fixture(cases, NULL, teardown);
	tcase_add_test(cases, the_lines_of_oxenstored_are_read);
	tcase_add_test(cases, what_is_written_reads_the_same);
	tcase_add_test(cases, lines_of_unknown_kinds_are_skipped_and_counted);
	tcase_add_test(cases, lines_that_are_not_whole_are_refused);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
