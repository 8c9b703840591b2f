/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The simulated hypervisor itself: what Xen and Linux's event device would do. The test plays the daemon too, in its own process
 * or in one that it kills.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/random.h"
#include "support/suite.h"
#include "xensim/expect_guest.h"

enum { KILLS = 200, PORTS = 20 };

static struct daemon shared; /* for its directory */
static struct sim *sim;
static struct host *host;
static int events; /* of the daemon that the test plays */
static uint16_t owner;

static void start(void)
{
	sim = expect_sim(&shared);
	host = sim_host(sim);
	int number = host_events_open(host, O_CLOEXEC | O_NONBLOCK, &events);
	ck_assert_int_gt(number, 0);
	owner = (uint16_t)number;
	ck_assert_int_eq(sim_create(sim, 5, SIM_PV), 0);
}

static void stop(void)
{
	close(events);
	sim_free(sim);
}

/* The next port that the daemon is told; 0: none. */
static uint32_t told(void)
{
	uint32_t port;

	return read(events, &port, sizeof(port)) == sizeof(port) ? port : 0;
}

static struct guest *attach(uint16_t domid)
{
	struct guest *guest;

	ck_assert_int_eq(guest_attach(sim, domid, &guest), 0);
	return guest;
}

static uint32_t bind_guest(uint16_t domid)
{
	int port = host_bind(host, owner, domid, sim_port(sim, domid));

	ck_assert_int_gt(port, 0);
	return (uint32_t)port;
}

/* The port is bound, and nothing is pending or masked. */
static uint32_t bind_quietly(uint16_t domid)
{
	uint32_t port = bind_guest(domid);

	ck_assert_uint_eq(told(), port);
	host_unmask(host, owner, port);
	return port;
}

/* ---- event channels ---- */

START_TEST(new_port_is_pending)
{
	uint32_t port = bind_guest(5);

	ck_assert_uint_eq(told(), port);
	ck_assert_uint_eq(told(), 0);
}
END_TEST

START_TEST(descriptor_is_readable_while_something_is_pending)
{
	struct pollfd pollfd = {.fd = events, .events = POLLIN};

	ck_assert_int_eq(poll(&pollfd, 1, 0), 0);
	bind_guest(5);
	ck_assert_int_eq(poll(&pollfd, 1, 0), 1);
	told();
	ck_assert_int_eq(poll(&pollfd, 1, 0), 0);
}
END_TEST

START_TEST(masked_port_tells_once_when_it_is_unmasked)
{
	struct guest *guest = attach(5);
	uint32_t port = bind_quietly(5);

	ck_assert_int_eq(guest_notify(guest), 0);
	ck_assert_uint_eq(told(), port);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(guest_notify(guest), 0);
	ck_assert_uint_eq(told(), 0);
	host_unmask(host, owner, port);
	ck_assert_uint_eq(told(), port);
	/* That was one more time that it was read. */
	ck_assert_int_eq(guest_notify(guest), 0);
	ck_assert_uint_eq(told(), 0);
	host_unmask(host, owner, port);
	ck_assert_uint_eq(told(), port);
	host_unmask(host, owner, port);
	ck_assert_uint_eq(told(), 0);
}
END_TEST

START_TEST(guest_is_told_once_until_it_looks)
{
	struct guest *guest = attach(5);
	uint32_t port = bind_guest(5);

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(host_notify(host, owner, 0, port), 0);
	ck_assert_int_eq(guest_wait(guest, 0), 0);
	ck_assert_int_eq(guest_wait(guest, 0), -ETIME);
	ck_assert_int_eq(host_notify(host, owner, 0, port), 0);
	ck_assert_ptr_eq(sim_next(sim, 0), guest);
	ck_assert_ptr_null(sim_next(sim, 0));
}
END_TEST

START_TEST(what_is_sent_to_nobody_is_lost)
{
	struct guest *guest = attach(5);

	ck_assert_int_eq(guest_notify(guest), 0);
	ck_assert_uint_eq(told(), 0);
}
END_TEST

START_TEST(port_of_another_owner_is_not_notified)
{
	uint32_t port = bind_guest(5);

	ck_assert_int_eq(host_notify(host, owner + 1, 0, port), -ENOTCONN);
	ck_assert_int_eq(host_unbind(host, owner + 1, port), -ENOTCONN);
	ck_assert_int_eq(host_notify(host, owner, 0, port + 1), -ENOTCONN);
}
END_TEST

START_TEST(only_an_unbound_port_of_a_domain_can_be_bound)
{
	bind_guest(5);
	ck_assert_int_eq(host_bind(host, owner, 5, sim_port(sim, 5)), -EINVAL);
	ck_assert_int_eq(host_bind(host, owner, 5, sim_port(sim, 5) + 1), -EINVAL);
	ck_assert_int_eq(host_bind(host, owner, 5, 0xffffffff), -EINVAL);
	ck_assert_int_eq(host_bind(host, owner, 6, 1), -ESRCH);
	/* One that waits for another domain than ours. */
	int port = host_alloc_unbound(host, owner, 5, 7);
	ck_assert_int_gt(port, 0);
	ck_assert_int_eq(host_bind(host, owner, 5, (uint32_t)port), -EINVAL);
}
END_TEST

START_TEST(unbound_port_can_be_bound_again)
{
	uint32_t port = bind_quietly(5);

	ck_assert_int_eq(host_unbind(host, owner, port), 0);
	ck_assert(!sim_is_bound(sim, 5));
	ck_assert_uint_eq(bind_guest(5), port);
}
END_TEST

START_TEST(ports_of_domains_do_not_mix)
{
	uint32_t ports[PORTS];

	for (uint16_t i = 0; i < PORTS; i++) {
		ck_assert_int_eq(sim_create(sim, 100 + i, SIM_HVM), 0);
		ports[i] = bind_quietly(100 + i);
		attach(100 + i);
	}
	for (uint16_t i = 0; i < PORTS; i++) {
		struct guest *guest = guest_find(sim, 100 + i);
		ck_assert_int_eq(guest_notify(guest), 0);
		ck_assert_uint_eq(told(), ports[i]);
		ck_assert_int_eq(host_notify(host, owner, 0, ports[i]), 0);
		ck_assert_ptr_eq(sim_next(sim, 0), guest);
	}
}
END_TEST

START_TEST(virtual_interrupt_has_one_port)
{
	int port = host_bind_virq(host, owner);

	ck_assert_int_gt(port, 0);
	ck_assert_int_eq(host_bind_virq(host, owner), -EEXIST);
	ck_assert_uint_eq(told(), 0);
	ck_assert_int_eq(sim_shutdown(sim, 5, 0), 0);
	ck_assert_uint_eq(told(), (uint32_t)port);
	ck_assert_int_eq(host_unbind(host, owner, (uint32_t)port), 0);
	sim_interrupt(sim);
	ck_assert_uint_eq(told(), 0);
	ck_assert_int_gt(host_bind_virq(host, owner), 0);
}
END_TEST

/* ---- ends ---- */

START_TEST(ports_go_with_the_last_copy_of_the_descriptor)
{
	int copy = dup(events);

	ck_assert_int_ge(copy, 0);
	bind_guest(5);
	close(events);
	ck_assert(sim_is_bound(sim, 5));
	close(copy);
	ck_assert(!sim_is_bound(sim, 5));
	int number = host_events_open(host, O_CLOEXEC | O_NONBLOCK, &events);
	ck_assert_int_gt(number, owner);
	owner = (uint16_t)number;
	/* A new owner is told nothing of before. */
	ck_assert_uint_eq(told(), 0);
	bind_quietly(5);
}
END_TEST

START_TEST(inherited_descriptor_is_known_by_its_number)
{
	ck_assert_int_eq(host_events_owner(events), owner);
	ck_assert_int_eq(host_events_owner(STDIN_FILENO), -EINVAL);
}
END_TEST

START_TEST(dying_domain_has_no_port_and_no_grant)
{
	struct guest *guest = attach(5);
	uint32_t port = bind_quietly(5);

	ck_assert_int_eq(sim_kill(sim, 5), 0);
	ck_assert_int_eq(guest_notify(guest), -ENOTCONN);
	ck_assert_uint_eq(told(), 0);
	/* Ours stays, bound to nothing. */
	ck_assert_int_eq(host_notify(host, owner, 0, port), 0);
	ck_assert_int_eq(guest_wait(guest, 0), -ETIME);
	ck_assert_int_eq(host_unbind(host, owner, port), 0);
	ck_assert_int_eq(host_bind(host, owner, 5, 1), -EINVAL);
	ck_assert(!host_domain(host, 5)->granted);
	ck_assert_int_eq(sim_destroy(sim, 5), 0);
	ck_assert_int_eq(host_bind(host, owner, 5, 1), -ESRCH);
}
END_TEST

START_TEST(number_used_again_is_another_domain)
{
	struct guest *old = attach(5);
	struct host_domain before = *host_domain(host, 5);

	ck_assert_int_eq(sim_create(sim, 5, SIM_PV), -EEXIST);
	atomic_store(&guest_page(old)->req_prod, 7);
	ck_assert_int_eq(sim_destroy(sim, 5), 0);
	ck_assert_int_eq(sim_create(sim, 5, SIM_PV), 0);
	const struct host_domain *now = host_domain(host, 5);
	ck_assert_int_ne(memcmp(now->handle, before.handle, sizeof(before.handle)), 0);
	ck_assert_uint_ne(now->frame, before.frame);
	ck_assert_uint_ne(now->page, before.page);
	ck_assert_uint_eq(atomic_load(&guest_page(attach(5))->req_prod), 0);
	ck_assert_uint_eq(atomic_load(&guest_page(old)->req_prod), 7);
}
END_TEST

/* Calls without end, as a daemon may. Its ports are its own. */
static void __attribute__((noreturn)) play_daemon(void)
{
	struct host mine;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (host_open(&mine, sim_directory(sim)))
		_exit(1);
	int number = host_events_open(&mine, O_CLOEXEC | O_NONBLOCK, &fd);
	if (number < 0 || host_bind_virq(&mine, (uint16_t)number) < 0)
		_exit(2);
	for (;;) {
		int port = host_bind(&mine, (uint16_t)number, 5, sim_port(sim, 5));
		if (port < 0 || host_notify(&mine, (uint16_t)number, 0, (uint32_t)port))
			_exit(3);
		host_unmask(&mine, (uint16_t)number, (uint32_t)port);
		if (host_unbind(&mine, (uint16_t)number, (uint32_t)port))
			_exit(4);
	}
}

/* After each kill ($KILLS of them) everything can be had again, and is heard. */
START_TEST(killed_at_any_instant)
{
	struct guest *guest = attach(5);
	const char *wanted = getenv("KILLS");
	int kills = wanted ? atoi(wanted) : KILLS;
	struct random random;

	random_begin(&random, "KILL_SEED");
	for (int i = 0; i < kills; i++) {
		int status;
		pid_t pid = fork();
		ck_assert_int_ge(pid, 0);
		if (!pid)
			play_daemon();
		/* The first that is heard of it says that it runs. */
		ck_assert_int_eq(guest_wait(guest, 60000), 0);
		nanosleep(&(struct timespec){.tv_nsec = random_below(&random, 300000)}, NULL);
		kill(pid, SIGKILL);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %#x in round %d", (unsigned)status, i);

		int virq = host_bind_virq(host, owner);
		ck_assert_msg(virq > 0, "%d in round %d", virq, i);
		while (!guest_wait(guest, 0))
			;
		uint32_t port = bind_quietly(5);
		ck_assert_int_eq(host_notify(host, owner, 0, port), 0);
		ck_assert_int_eq(guest_wait(guest, 0), 0);
		ck_assert_int_eq(guest_notify(guest), 0);
		ck_assert_uint_eq(told(), port);
		ck_assert_int_eq(host_unbind(host, owner, port), 0);
		ck_assert_int_eq(host_unbind(host, owner, (uint32_t)virq), 0);
	}
}
END_TEST

/* It has said that the guest is told, and has not told it. */
START_TEST(death_in_a_notification_does_not_stop_the_next)
{
	struct guest *guest = attach(5);
	uint32_t port = bind_quietly(5);

	atomic_store(&host_port(host, 5, sim_port(sim, 5))->signal, HOST_PENDING);
	ck_assert_int_eq(host_unbind(host, owner, port), 0);
	port = bind_quietly(5);
	ck_assert_int_eq(host_notify(host, owner, 0, port), 0);
	ck_assert_int_eq(guest_wait(guest, 0), 0);
}
END_TEST

/* ---- rules ---- */

START_TEST(rule_acts_when_and_as_often_as_it_says)
{
	ck_assert_int_ge(sim_rule(sim, HOST_CALL_MAP, 5, 2, 2, HOST_FAIL, ENOMEM), 0);
	static const int expected[] = {0, 0, -ENOMEM, -ENOMEM, 0};
	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
		ck_assert_int_eq(host_enter(host, HOST_CALL_MAP, 6), 0);
		ck_assert_int_eq(host_enter(host, HOST_CALL_BIND, 5), 0);
		ck_assert_int_eq(host_enter(host, HOST_CALL_MAP, 5), expected[i]);
	}
	ck_assert_uint_eq(sim_calls(sim, HOST_CALL_MAP), 10);
}
END_TEST

START_TEST(rule_for_ever_acts_until_it_is_cleared)
{
	ck_assert_int_ge(sim_rule(sim, HOST_CALL_NOTIFY, HOST_ANY, 0, 0, HOST_LOSE, 0), 0);
	for (uint32_t i = 0; i < 10; i++)
		ck_assert_int_eq(host_enter(host, HOST_CALL_NOTIFY, i), 1);
	sim_clear_rules(sim);
	ck_assert_int_eq(host_enter(host, HOST_CALL_NOTIFY, 5), 0);
}
END_TEST

START_TEST(gate_holds_whoever_comes)
{
	int gate = sim_rule(sim, HOST_CALL_BIND, 5, 0, 1, HOST_GATE, 0), status;

	ck_assert_int_eq(sim_gate_wait(sim, gate, 0), -ETIME);
	pid_t pid = fork();
	if (!pid)
		_exit(host_enter(host, HOST_CALL_BIND, 5));
	ck_assert_int_eq(sim_gate_wait(sim, gate, 60000), 0);
	ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
	sim_gate_open(sim, gate);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    new_port_is_pending,
	    descriptor_is_readable_while_something_is_pending,
	    masked_port_tells_once_when_it_is_unmasked,
	    guest_is_told_once_until_it_looks,
	    what_is_sent_to_nobody_is_lost,
	    port_of_another_owner_is_not_notified,
	    only_an_unbound_port_of_a_domain_can_be_bound,
	    unbound_port_can_be_bound_again,
	    ports_of_domains_do_not_mix,
	    virtual_interrupt_has_one_port,
	    ports_go_with_the_last_copy_of_the_descriptor,
	    inherited_descriptor_is_known_by_its_number,
	    dying_domain_has_no_port_and_no_grant,
	    number_used_again_is_another_domain,
	    killed_at_any_instant,
	    death_in_a_notification_does_not_stop_the_next,
	    rule_acts_when_and_as_often_as_it_says,
	    rule_for_ever_acts_until_it_is_cleared,
	    gate_holds_whoever_comes,
	};

	return suite_run(expect_suite("xensim_host", &shared, start, stop, tests, sizeof(tests) / sizeof(*tests)));
}
