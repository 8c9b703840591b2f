/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which domains are known, which are privileged, and what Xen is asked. */
#include "domain/domain.h"

#include <check.h>
#include <errno.h>

#include "base/status.h"
#include "support/suite.h"

static struct domains domains;

/* A Xen with the live domain 5 and the dying domain 6; domain 7 cannot be asked. */
static int state_of(void *context, uint16_t domid, struct domain_state *out)
{
	(void)context;
	*out = (struct domain_state){.dying = domid == 6};
	return domid == 5 || domid == 6 ? 0 : domid == 7 ? -EIO : STATUS_ENOENT;
}

static const struct hypervisor xen = {.domain_state = state_of};

START_TEST(without_xen_domain_0_is_all_there_is)
{
	ck_assert_int_eq(domains_init(&domains, 0, 0, NULL), 0);
	ck_assert_int_eq(domain_exists(&domains, 0), 1);
	ck_assert(domain_is_privileged(&domains, 0));
	for (uint32_t domid = 1; domid <= UINT16_MAX; domid++)
		if (domain_exists(&domains, (uint16_t)domid) || domain_is_privileged(&domains, (uint16_t)domid))
			ck_abort_msg("domain %u", domid);
	domains_deinit(&domains);
}
END_TEST

START_TEST(the_own_and_the_privileged_domain_may_be_two)
{
	ck_assert_int_eq(domains_init(&domains, 3, 7, NULL), 0);
	for (uint32_t domid = 0; domid <= UINT16_MAX; domid++) {
		bool is_one = domid == 3 || domid == 7;
		if (domain_exists(&domains, (uint16_t)domid) != is_one ||
		    domain_is_privileged(&domains, (uint16_t)domid) != is_one ||
		    !domain_find(&domains, (uint16_t)domid) == is_one)
			ck_abort_msg("domain %u", domid);
	}
	domains_deinit(&domains);
}
END_TEST

START_TEST(a_domain_speaks_for_itself_and_for_no_target)
{
	struct domain *own, *other;

	ck_assert_int_eq(domains_init(&domains, 0, 0, NULL), 0);
	own = domain_find(&domains, 0);
	ck_assert_int_eq(domain_get(&domains, 5, &other), 0);
	ck_assert_uint_eq(own->caller.domid, 0);
	ck_assert_uint_eq(own->caller.target, DOMID_NONE);
	ck_assert(own->caller.privileged);
	ck_assert_uint_eq(other->caller.domid, 5);
	ck_assert_uint_eq(other->caller.target, DOMID_NONE);
	ck_assert(!other->caller.privileged);
	domains_deinit(&domains);
}
END_TEST

START_TEST(a_domain_is_the_same_until_it_is_forgotten)
{
	struct domain *domain, *again;

	ck_assert_int_eq(domains_init(&domains, 0, 0, NULL), 0);
	ck_assert_ptr_null(domain_find(&domains, 5));
	ck_assert_int_eq(domain_get(&domains, 5, &domain), 0);
	ck_assert_int_eq(domain_get(&domains, 5, &again), 0);
	ck_assert_ptr_eq(domain, again);
	ck_assert_ptr_eq(domain_find(&domains, 5), domain);
	domain_forget(&domains, domain);
	ck_assert_ptr_null(domain_find(&domains, 5));
	domains_deinit(&domains);
}
END_TEST

START_TEST(xen_is_asked_about_domains_that_were_not_introduced)
{
	struct domain *introduced;

	ck_assert_int_eq(domains_init(&domains, 0, 0, &xen), 0);
	ck_assert_int_eq(domain_exists(&domains, 5), 1);
	ck_assert_int_eq(domain_exists(&domains, 6), 0);
	ck_assert_int_eq(domain_exists(&domains, 7), -EIO);
	ck_assert_int_eq(domain_exists(&domains, 8), 0);
	ck_assert_int_eq(domain_get(&domains, 8, &introduced), 0);
	ck_assert_int_eq(domain_exists(&domains, 8), 0);
	introduced->introduced = true;
	ck_assert_int_eq(domain_exists(&domains, 8), 1);
	domains_deinit(&domains);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("domain");
	TCase *cases = tcase_create("domain");

	tcase_add_test(cases, without_xen_domain_0_is_all_there_is);
	tcase_add_test(cases, the_own_and_the_privileged_domain_may_be_two);
	tcase_add_test(cases, a_domain_speaks_for_itself_and_for_no_target);
	tcase_add_test(cases, a_domain_is_the_same_until_it_is_forgotten);
	tcase_add_test(cases, xen_is_asked_about_domains_that_were_not_introduced);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
