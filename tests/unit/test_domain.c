/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which domains are known, which are privileged, what Xen is asked, and how long a domain stays. */
#include "domain/domain.h"

#include <check.h>
#include <errno.h>

#include "base/status.h"
#include "support/suite.h"

static struct domains domains;

/* A Xen with the live domains 5 and 8, of this identity, and the dying domain 6; domain 7 cannot be asked. */
static struct domain_identity identity_of_5;

static int state_of(void *context, uint16_t domid, struct domain_state *out)
{
	(void)context;
	*out = (struct domain_state){.dying = domid == 6};
	if (domid == 5)
		out->identity = identity_of_5;
	return domid == 5 || domid == 6 || domid == 8 ? 0 : domid == 7 ? -EIO : STATUS_ENOENT;
}

static const struct hypervisor xen = {.domain_state = state_of};

static void open_with(const struct hypervisor *hypervisor)
{
	identity_of_5 = (struct domain_identity){.unique_id = 55};
	ck_assert_int_eq(domains_init(&domains, 0, 0, NULL, hypervisor), 0);
}

static void close_domains(void)
{
	domains_deinit(&domains);
}

static int ask(uint16_t domid)
{
	struct domain *domain;

	return domain_of_xen(&domains, domid, &domain);
}

static struct domain *get(uint16_t domid)
{
	struct domain *domain;

	ck_assert_int_eq(domain_get(&domains, domid, &domain), 0);
	return domain;
}

/* ---- who there is ---- */

START_TEST(without_xen_domain_0_is_all_there_is)
{
	open_with(NULL);
	ck_assert_int_eq(ask(0), 0);
	ck_assert(domain_is_privileged(&domains, 0));
	for (uint32_t domid = 1; domid <= UINT16_MAX; domid++)
		if (ask((uint16_t)domid) != STATUS_ENOENT || domain_is_privileged(&domains, (uint16_t)domid))
			ck_abort_msg("domain %u", domid);
}
END_TEST

START_TEST(the_own_and_the_privileged_domain_may_be_two)
{
	ck_assert_int_eq(domains_init(&domains, 3, 7, NULL, NULL), 0);
	for (uint32_t domid = 0; domid <= UINT16_MAX; domid++) {
		bool is_one = domid == 3 || domid == 7;
		if (ask((uint16_t)domid) != (is_one ? 0 : STATUS_ENOENT) ||
		    domain_is_privileged(&domains, (uint16_t)domid) != is_one ||
		    domain_is_served(domain_find(&domains, (uint16_t)domid)) != is_one)
			ck_abort_msg("domain %u", domid);
	}
}
END_TEST

START_TEST(a_domain_speaks_for_itself_and_for_no_target)
{
	open_with(NULL);
	const struct domain *own = domain_find(&domains, 0), *other = get(5);

	ck_assert_uint_eq(own->caller.domid, 0);
	ck_assert_uint_eq(own->caller.target, DOMID_NONE);
	ck_assert(own->caller.privileged);
	ck_assert_uint_eq(other->caller.domid, 5);
	ck_assert_uint_eq(other->caller.target, DOMID_NONE);
	ck_assert(!other->caller.privileged);
	ck_assert(!domain_is_served(other));
}
END_TEST

START_TEST(reserved_numbers_are_no_domains)
{
	static const uint16_t reserved[] = {DOMID_SELF_NUMBER, DOMID_ANY_NUMBER, DOMID_NONE, UINT16_MAX};

	open_with(&xen);
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		ck_assert_int_eq(ask(reserved[i]), STATUS_ENOENT);
}
END_TEST

/* ---- what Xen says ---- */

START_TEST(a_domain_that_xen_has_is_known_once_it_was_asked_for)
{
	open_with(&xen);
	ck_assert_ptr_null(domain_find(&domains, 5));
	ck_assert_int_eq(ask(5), 0);
	ck_assert_uint_eq(domain_find(&domains, 5)->identity.unique_id, 55);
	ck_assert(!domain_find(&domains, 5)->introduced);
}
END_TEST

START_TEST(a_domain_that_xen_has_not_is_not_known)
{
	open_with(&xen);
	ck_assert_int_eq(ask(6), STATUS_ENOENT);
	ck_assert_int_eq(ask(7), -EIO);
	ck_assert_int_eq(ask(9), STATUS_ENOENT);
	for (uint16_t domid = 6; domid <= 9; domid++)
		ck_assert_ptr_null(domain_find(&domains, domid));
}
END_TEST

START_TEST(a_number_used_again_is_stale_until_the_old_domain_is_forgotten)
{
	open_with(&xen);
	ck_assert_int_eq(ask(5), 0);
	identity_of_5.unique_id = 56;
	ck_assert_int_eq(ask(5), -ESTALE);
	ck_assert(domain_find(&domains, 5)->is_gone);
	ck_assert(domains.to_release);
	identity_of_5.unique_id = 55;
	ck_assert_int_eq(ask(5), -ESTALE); /* the lie of a moment does not bring it back */
	domain_reset(&domains, domain_find(&domains, 5));
	identity_of_5.unique_id = 56;
	ck_assert_int_eq(ask(5), 0);
	ck_assert_uint_eq(domain_find(&domains, 5)->identity.unique_id, 56);
}
END_TEST

START_TEST(who_is_not_known_to_be_who_takes_the_identity_that_xen_tells)
{
	open_with(&xen);
	get(5)->features = 3;
	ck_assert_int_eq(ask(5), 0);
	ck_assert_uint_eq(domain_find(&domains, 5)->identity.unique_id, 55);
	ck_assert_uint_eq(domain_find(&domains, 5)->features, 3);
}
END_TEST

/* ---- identities ---- */

START_TEST(a_unique_id_alone_tells_domains_apart)
{
	const struct domain_identity a = {7, {1}, 2}, same = {7, {3}, 4}, other = {8, {1}, 2}, without = {0, {1}, 2};

	ck_assert(identity_is_same(&a, &same));
	ck_assert(!identity_is_same(&a, &other));
	ck_assert(!identity_is_same(&a, &without));
}
END_TEST

START_TEST(without_unique_ids_handle_and_frame_tell_domains_apart)
{
	const struct domain_identity a = {0, {1}, 2}, other_handle = {0, {9}, 2}, other_frame = {0, {1}, 3};
	struct domain_identity same = a;

	ck_assert(identity_is_same(&a, &same));
	ck_assert(!identity_is_same(&a, &other_handle));
	ck_assert(!identity_is_same(&a, &other_frame));
}
END_TEST

START_TEST(an_identity_is_known_by_any_part_of_it)
{
	const struct domain_identity none = {0}, id = {1, {0}, 0}, frame = {0, {0}, 1}, handle = {0, {[15] = 1}, 0};

	ck_assert(!identity_is_known(&none));
	ck_assert(identity_is_known(&id));
	ck_assert(identity_is_known(&frame));
	ck_assert(identity_is_known(&handle));
}
END_TEST

/* ---- how long they stay ---- */

START_TEST(a_domain_is_the_same_until_nothing_is_known_of_it)
{
	open_with(NULL);
	struct domain *domain = get(5);

	ck_assert_ptr_eq(domain, get(5));
	ck_assert_ptr_eq(domain, domain_find(&domains, 5));
	domain_hold(domain);
	domain_hold(domain);
	domain_drop(&domains, domain);
	ck_assert_ptr_eq(domain, domain_find(&domains, 5));
	domain_reset(&domains, domain);
	ck_assert_ptr_eq(domain, domain_find(&domains, 5));
	domain_drop(&domains, domain);
	ck_assert_ptr_null(domain_find(&domains, 5));
}
END_TEST

START_TEST(a_domain_that_is_known_needs_no_holder)
{
	open_with(NULL);
	struct domain *domain = get(5);

	domain_hold(domain);
	domain_drop(&domains, domain);
	ck_assert_ptr_eq(domain, domain_find(&domains, 5));
}
END_TEST

START_TEST(a_reset_domain_is_as_a_new_one)
{
	open_with(NULL);
	struct domain *domain = get(5);

	domain->introduced = domain->shut_down = true;
	domain->port = domain->epoch = 3;
	domain->features = 0;
	domain_set_target(&domains, domain, 6);
	domain->identity.unique_id = 1;
	quota_settings_set(&domain->own_quotas, QUOTA_NODES, false, 1);
	domain_quotas_changed(&domains, domain);
	domain_hold(domain);
	domain_reset(&domains, domain);
	ck_assert(!domain->introduced && !domain->shut_down && !domain->port && !domain->epoch);
	ck_assert_uint_eq(domain->features, 15);
	ck_assert_uint_eq(domain->caller.target, DOMID_NONE);
	ck_assert(!identity_is_known(&domain->identity));
	ck_assert_uint_eq(domain->quotas.hard[QUOTA_NODES], 1000);
	ck_assert_uint_eq(domain->limits.nodes, 1000);
	ck_assert_ptr_null(domain_acting_for(&domains, 6));
}
END_TEST

START_TEST(who_acts_for_a_domain_is_found_by_its_number)
{
	open_with(NULL);
	struct domain *first = get(5), *second = get(6), *other = get(7);

	domain_set_target(&domains, first, 9);
	domain_set_target(&domains, second, 9);
	domain_set_target(&domains, other, 8);
	ck_assert_ptr_eq(domain_acting_for(&domains, 8), other);
	ck_assert_ptr_null(domain_acting_for(&domains, 7));
	domain_set_target(&domains, second, 7);
	ck_assert_ptr_eq(domain_acting_for(&domains, 9), first);
	ck_assert_ptr_eq(domain_acting_for(&domains, 7), second);
	domain_set_target(&domains, first, DOMID_NONE);
	ck_assert_ptr_null(domain_acting_for(&domains, 9));
	ck_assert_uint_eq(first->caller.target, DOMID_NONE);
}
END_TEST

/* ---- what is to be saved ---- */

START_TEST(who_becomes_known_is_to_be_saved_once)
{
	open_with(NULL);
	ck_assert_ptr_null(domains.unsaved); /* domain 0 need not */
	struct domain *domain = get(5);

	ck_assert_ptr_eq(domains.unsaved, domain);
	domains_committed(&domains);
	ck_assert_ptr_null(domains.unsaved);
	get(5);
	ck_assert_ptr_null(domains.unsaved);
	domain_changed(&domains, domain);
	domain_changed(&domains, domain);
	ck_assert_ptr_eq(domains.unsaved, domain);
	ck_assert_ptr_null(domain->unsaved_next);
	domain_hold(domain);
	domain_reset(&domains, domain);
	ck_assert_ptr_null(domains.unsaved);
}
END_TEST

/* ---- quotas ---- */

START_TEST(a_domains_own_quotas_go_before_those_for_all)
{
	open_with(NULL);
	struct domain *domain = get(5), *other = get(8);

	quota_settings_set(&domain->own_quotas, QUOTA_NODES, false, 7);
	quota_settings_set(&domain->own_quotas, QUOTA_MEMORY, true, 8);
	domain_quotas_changed(&domains, domain);
	quota_set(&domains.quotas, false, "nodes", 50);
	quota_set(&domains.quotas, false, "watches", 60);
	domains_quotas_changed(&domains);
	ck_assert_uint_eq(domain->quotas.hard[QUOTA_NODES], 7);
	ck_assert_uint_eq(domain->quotas.soft[QUOTA_MEMORY], 8);
	ck_assert_uint_eq(domain->quotas.hard[QUOTA_WATCHES], 60);
	ck_assert_uint_eq(domain->limits.nodes, 7);
	ck_assert_uint_eq(other->quotas.hard[QUOTA_NODES], 50);
	ck_assert_uint_eq(other->limits.nodes, 50);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    without_xen_domain_0_is_all_there_is,
	    the_own_and_the_privileged_domain_may_be_two,
	    a_domain_speaks_for_itself_and_for_no_target,
	    reserved_numbers_are_no_domains,
	    a_domain_that_xen_has_is_known_once_it_was_asked_for,
	    a_domain_that_xen_has_not_is_not_known,
	    a_number_used_again_is_stale_until_the_old_domain_is_forgotten,
	    who_is_not_known_to_be_who_takes_the_identity_that_xen_tells,
	    a_unique_id_alone_tells_domains_apart,
	    without_unique_ids_handle_and_frame_tell_domains_apart,
	    an_identity_is_known_by_any_part_of_it,
	    a_domain_is_the_same_until_nothing_is_known_of_it,
	    a_domain_that_is_known_needs_no_holder,
	    a_reset_domain_is_as_a_new_one,
	    who_acts_for_a_domain_is_found_by_its_number,
	    who_becomes_known_is_to_be_saved_once,
	    a_domains_own_quotas_go_before_those_for_all,
	};
	Suite *suite = suite_create("domain");
	TCase *cases = tcase_create("domain");

	tcase_add_checked_fixture(cases, NULL, close_domains);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(cases, tests[i]);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
