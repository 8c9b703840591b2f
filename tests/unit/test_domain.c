/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Without rings there are the daemon's own domain and the privileged one. */
#include "domain/domain.h"

#include <check.h>

#include "support/suite.h"

static struct domains domains;

START_TEST(on_a_plain_host_domain_0_is_all_there_is)
{
	domains_init(&domains, 0, 0);
	ck_assert(domain_exists(&domains, 0));
	ck_assert(domain_is_privileged(&domains, 0));
	for (uint32_t domid = 1; domid <= UINT16_MAX; domid++)
		if (domain_exists(&domains, (uint16_t)domid) || domain_is_privileged(&domains, (uint16_t)domid))
			ck_abort_msg("domain %u", domid);
}
END_TEST

START_TEST(the_own_and_the_privileged_domain_may_be_two)
{
	domains_init(&domains, 3, 7);
	for (uint32_t domid = 0; domid <= UINT16_MAX; domid++) {
		bool is_one = domid == 3 || domid == 7;
		if (domain_exists(&domains, (uint16_t)domid) != is_one ||
		    domain_is_privileged(&domains, (uint16_t)domid) != is_one)
			ck_abort_msg("domain %u", domid);
	}
}
END_TEST

START_TEST(a_connection_speaks_for_its_domain_and_for_no_target)
{
	domains_init(&domains, 0, 0);
	struct caller caller = domain_caller(&domains, 0);

	ck_assert_uint_eq(caller.domid, 0);
	ck_assert_uint_eq(caller.target, DOMID_NONE);
	ck_assert(caller.privileged);
}
END_TEST

START_TEST(other_domains_are_not_privileged)
{
	domains_init(&domains, 0, 0);
	struct caller caller = domain_caller(&domains, 5);

	ck_assert_uint_eq(caller.domid, 5);
	ck_assert_uint_eq(caller.target, DOMID_NONE);
	ck_assert(!caller.privileged);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("domain");
	TCase *cases = tcase_create("domain");

	tcase_add_test(cases, on_a_plain_host_domain_0_is_all_there_is);
	tcase_add_test(cases, the_own_and_the_privileged_domain_may_be_two);
	tcase_add_test(cases, a_connection_speaks_for_its_domain_and_for_no_target);
	tcase_add_test(cases, other_domains_are_not_privileged);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
