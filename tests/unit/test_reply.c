/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of errors: what is told here is what clients find in their own copy of xs_wire.h. */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <xen/io/xs_wire.h>

#include "base/status.h"
#include "request/request.h"
#include "support/suite.h"

static bool is_known_to_clients(const char *name)
{
	for (size_t i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++)
		if (!strcmp(xsd_errors[i].errstring, name))
			return true;
	return false;
}

START_TEST(every_status_has_a_name_of_its_own_that_clients_know)
{
	for (int status = STATUS_OK + 1; status < STATUS_COUNT; status++) {
		const char *name = reply_error_name(status);
		ck_assert_msg(name && is_known_to_clients(name), "status %d: %s", status, name ? name : "no name");
		for (int other = STATUS_OK + 1; other < status; other++)
			ck_assert_str_ne(name, reply_error_name(other));
	}
}
END_TEST

START_TEST(every_name_that_clients_know_belongs_to_a_status)
{
	ck_assert_uint_eq(sizeof(xsd_errors) / sizeof(xsd_errors[0]), STATUS_COUNT - 1);
}
END_TEST

START_TEST(a_status_has_the_name_that_it_is_called_after)
{
	ck_assert_str_eq(reply_error_name(STATUS_EINVAL), "EINVAL");
	ck_assert_str_eq(reply_error_name(STATUS_EACCES), "EACCES");
	ck_assert_str_eq(reply_error_name(STATUS_ENOENT), "ENOENT");
	ck_assert_str_eq(reply_error_name(STATUS_ENOMEM), "ENOMEM");
	ck_assert_str_eq(reply_error_name(STATUS_ENOSPC), "ENOSPC");
	ck_assert_str_eq(reply_error_name(STATUS_EAGAIN), "EAGAIN");
	ck_assert_str_eq(reply_error_name(STATUS_E2BIG), "E2BIG");
	ck_assert_str_eq(reply_error_name(STATUS_EPERM), "EPERM");
}
END_TEST

START_TEST(faults_of_room_and_memory_are_named_and_all_others_are_eio)
{
	ck_assert_str_eq(reply_error_name(-ENOSPC), "ENOSPC");
	ck_assert_str_eq(reply_error_name(-ENOMEM), "ENOMEM");
	for (int error = 1; error < 200; error++)
		if (error != ENOSPC && error != ENOMEM)
			ck_assert_str_eq(reply_error_name(-error), "EIO");
}
END_TEST

START_TEST(what_is_no_status_is_eio)
{
	ck_assert_str_eq(reply_error_name(STATUS_COUNT), "EIO");
	ck_assert_str_eq(reply_error_name(4711), "EIO");
}
END_TEST

START_TEST(a_reply_may_be_set_to_nothing)
{
	struct reply reply = {0};

	reply_set(&reply, NULL, 0);
	ck_assert(reply.is_set);
	ck_assert_uint_eq(reply.len, 0);
}
END_TEST

START_TEST(a_text_goes_with_its_nul)
{
	struct reply reply = {0};

	reply_set_string(&reply, "text");
	ck_assert(reply.is_set);
	ck_assert_uint_eq(reply.len, 5);
	ck_assert_str_eq(reply.bytes, "text");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reply");
	TCase *tcase = tcase_create("all");

	tcase_add_test(tcase, every_status_has_a_name_of_its_own_that_clients_know);
	tcase_add_test(tcase, every_name_that_clients_know_belongs_to_a_status);
	tcase_add_test(tcase, a_status_has_the_name_that_it_is_called_after);
	tcase_add_test(tcase, faults_of_room_and_memory_are_named_and_all_others_are_eio);
	tcase_add_test(tcase, what_is_no_status_is_eio);
	tcase_add_test(tcase, a_reply_may_be_set_to_nothing);
	tcase_add_test(tcase, a_text_goes_with_its_nul);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
