/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Without a hypervisor there is nothing to serve but the socket; a machine that has one says so otherwise. */
#include "front/xen.h"

#include <check.h>
#include <errno.h>
#include <unistd.h>

#include "support/suite.h"

START_TEST(on_a_machine_without_xen_it_is_enodev)
{
	struct log log;
	struct xen *xen = NULL;

	log_init(&log, false);
	int error = xen_open(&log, 0, -1, &xen);
	if (!access("/proc/xen/capabilities", F_OK) || !access("/dev/xen/evtchn", F_OK)) {
		ck_assert(error == 0 || error == -ENODEV);
	} else {
		ck_assert_int_eq(error, -ENODEV);
		ck_assert_ptr_null(xen);
	}
	xen_close(xen);
	log_deinit(&log);
}
END_TEST

START_TEST(closing_nothing_is_allowed)
{
	xen_close(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("xen");
	TCase *tcase = tcase_create("all");

	tcase_add_test(tcase, on_a_machine_without_xen_it_is_enodev);
	tcase_add_test(tcase, closing_nothing_is_allowed);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
