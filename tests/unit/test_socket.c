/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The socket front end in the test's own process: the test turns the event loop by hand, one round after the other, and speaks
 * through the other ends of the connections.
 */
#include "front/socket.h"

#include <check.h>
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/suite.h"
#include "support/world.h"

enum { ROUNDS = 10000 };

static struct world world;
static struct ev_loop *loop;
static struct front front;
static struct socket_front *sockets;
static struct sockaddr_un address;

static int open_at(const char *path, struct socket_front **out)
{
	return socket_front_open(&front, &(struct socket_front_options){.path = path}, out);
}

static void start(void)
{
	ck_assert_int_eq(world_init(&world, NULL), 0);
	loop = ev_loop_new(EVFLAG_AUTO);
	ck_assert_ptr_nonnull(loop);
	front_init(&front, loop, &world.turn);
	address.sun_family = AF_UNIX;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", world.directory);
	ck_assert_int_eq(open_at(address.sun_path, &sockets), 0);
}

static void stop(void)
{
	front_finish(&front);
	socket_front_close(sockets);
	front_deinit(&front);
	world_deinit(&world);
	ev_loop_destroy(loop);
}

/* One round of the loop, without waiting. */
static void turn_loop(void)
{
	ev_run(loop, EVRUN_NOWAIT);
}

static int connect_client(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	size_t before = socket_front_connections(sockets);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	for (int i = 0; i < ROUNDS && socket_front_connections(sockets) == before; i++)
		turn_loop();
	ck_assert_uint_eq(socket_front_connections(sockets), before + 1);
	return fd;
}

/* `n` requests in one call, numbered from 0 on: many small ones would fill the socket. */
static void send_requests(int fd, uint32_t type, const char *payload, size_t len, uint32_t n)
{
	static char bytes[128 * 1024];
	size_t at = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct message_header header = {type, i, 0, (uint32_t)len};
		ck_assert_uint_le(at + sizeof(header) + len, sizeof(bytes));
		memcpy(bytes + at, &header, sizeof(header));
		memcpy(bytes + at + sizeof(header), payload, len);
		at += sizeof(header) + len;
	}
	ck_assert_int_eq(send(fd, bytes, at, 0), (ssize_t)at);
}

static void send_request(int fd, uint32_t type, const char *payload, size_t len)
{
	send_requests(fd, type, payload, len, 1);
}

/* Turns the loop until the client has got `len` bytes; false if its connection ended before. */
static bool receive_bytes(int fd, void *bytes, size_t len)
{
	size_t got = 0;

	for (int i = 0; i < ROUNDS && got < len; i++) {
		ssize_t n = recv(fd, (char *)bytes + got, len - got, MSG_DONTWAIT);
		if (!n || (n < 0 && errno == ECONNRESET))
			return false;
		if (n > 0)
			got += (size_t)n;
		else
			turn_loop();
	}
	ck_assert_uint_eq(got, len);
	return true;
}

/* The next message; false if the connection has ended. */
static bool receive_message(int fd, struct message_header *header, char payload[MESSAGE_PAYLOAD_MAX])
{
	return receive_bytes(fd, header, sizeof(*header)) && receive_bytes(fd, payload, header->len);
}

static void answered(int fd, uint32_t type, uint32_t id)
{
	struct message_header header;
	char payload[MESSAGE_PAYLOAD_MAX];

	ck_assert(receive_message(fd, &header, payload));
	ck_assert_uint_eq(header.type, type);
	ck_assert_uint_eq(header.request_id, id);
}

static void ended(int fd)
{
	struct message_header header;
	char payload[MESSAGE_PAYLOAD_MAX];

	ck_assert(!receive_message(fd, &header, payload));
	close(fd);
}

static void connections(size_t n)
{
	for (int i = 0; i < ROUNDS && socket_front_connections(sockets) != n; i++)
		turn_loop();
	ck_assert_uint_eq(socket_front_connections(sockets), n);
}

/* ---- opening and closing ---- */

START_TEST(a_name_that_does_not_fit_an_address_is_refused)
{
	char path[sizeof(address.sun_path) + 1];
	struct socket_front *other;

	memset(path, 'p', sizeof(path));
	path[sizeof(path) - 1] = 0;
	ck_assert_int_eq(open_at(path, &other), -ENAMETOOLONG);
}
END_TEST

START_TEST(a_place_where_no_socket_can_be_is_refused)
{
	struct socket_front *other;

	ck_assert_int_eq(open_at("/nonexistent/socket", &other), -ENOENT);
}
END_TEST

START_TEST(closing_nothing_is_allowed)
{
	socket_front_close(NULL);
}
END_TEST

START_TEST(only_the_owner_may_connect)
{
	struct stat status;

	ck_assert_int_eq(stat(address.sun_path, &status), 0);
	ck_assert(S_ISSOCK(status.st_mode));
	ck_assert_uint_eq(status.st_mode & 0777, 0600);
}
END_TEST

START_TEST(a_socket_that_was_left_is_replaced_and_ours_is_removed)
{
	struct socket_front *other;
	struct stat status;
	struct sockaddr_un left = {.sun_family = AF_UNIX};
	char path[sizeof(left.sun_path)];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(path, sizeof(path), "%s/left", world.directory);
	snprintf(left.sun_path, sizeof(left.sun_path), "%s", path);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&left, sizeof(left)), 0);
	close(fd);
	ck_assert_int_eq(open_at(path, &other), 0);
	socket_front_close(other);
	ck_assert_int_ne(stat(path, &status), 0);
}
END_TEST

START_TEST(closing_ends_all_connections_and_gives_all_back)
{
	int fds[] = {connect_client(), connect_client()};

	send_request(fds[0], MESSAGE_WATCH, "/\0token", 8);
	answered(fds[0], MESSAGE_WATCH, 0);
	answered(fds[0], MESSAGE_WATCH_EVENT, 0);
	send_request(fds[1], MESSAGE_TRANSACTION_START, "", 1);
	answered(fds[1], MESSAGE_TRANSACTION_START, 0);
	socket_front_close(sockets);
	sockets = NULL;
	ck_assert_uint_eq(watch_count(world.turn.watches), 0);
	ck_assert_ptr_null(world.turn.store->transactions);
	for (int i = 0; i < 2; i++) {
		char byte;
		ck_assert_int_eq(recv(fds[i], &byte, 1, MSG_DONTWAIT), 0);
		close(fds[i]);
	}
}
END_TEST

/* ---- ends of connections ---- */

START_TEST(a_client_that_goes_is_forgotten)
{
	int fd = connect_client();

	send_request(fd, MESSAGE_WATCH, "/\0token", 8);
	answered(fd, MESSAGE_WATCH, 0);
	close(fd);
	connections(0);
	ck_assert_uint_eq(watch_count(world.turn.watches), 0);
}
END_TEST

START_TEST(all_that_a_client_asked_before_its_end_is_run_and_answered)
{
	enum { REQUESTS = 500 };
	int fd = connect_client();

	send_requests(fd, MESSAGE_WRITE, "/end\0value", 10, REQUESTS);
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	for (uint32_t i = 0; i < REQUESTS; i++)
		answered(fd, MESSAGE_WRITE, i);
	ended(fd);
	connections(0);
}
END_TEST

START_TEST(a_client_that_ends_in_the_middle_of_a_message_is_answered_what_was_whole)
{
	int fd = connect_client();

	send_request(fd, MESSAGE_READ, "/tool", 6);
	ck_assert_int_eq(send(fd, "half", 4, 0), 4);
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	answered(fd, MESSAGE_READ, 0);
	ended(fd);
	connections(0);
}
END_TEST

START_TEST(a_client_that_ends_having_asked_nothing_is_closed)
{
	int fd = connect_client();

	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	ended(fd);
	connections(0);
}
END_TEST

START_TEST(a_client_that_asks_much_reads_nothing_and_ends_gets_all_its_answers_when_it_reads)
{
	enum { REQUESTS = 200 };
	int fd = connect_client();
	char value[4001] = "";

	memset(value, 'v', sizeof(value) - 1);
	ck_assert_int_eq(world_set_node(&world, "/large", value, NULL), 0);
	send_requests(fd, MESSAGE_READ, "/large", 7, REQUESTS);
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	for (int i = 0; i < 100; i++)
		turn_loop();
	ck_assert_uint_eq(socket_front_connections(sockets), 1);
	for (uint32_t i = 0; i < REQUESTS; i++)
		answered(fd, MESSAGE_READ, i);
	ended(fd);
	connections(0);
}
END_TEST

START_TEST(a_client_that_cannot_be_followed_is_answered_what_came_before_and_closed)
{
	const struct message_header header = {MESSAGE_READ, 2, 0, MESSAGE_PAYLOAD_MAX + 1};
	int fd = connect_client(), other = connect_client();

	send_request(fd, MESSAGE_READ, "/tool", 6);
	ck_assert_int_eq(send(fd, &header, sizeof(header), 0), sizeof(header));
	answered(fd, MESSAGE_READ, 0);
	ended(fd);
	connections(1);
	send_request(other, MESSAGE_READ, "/tool", 6);
	answered(other, MESSAGE_READ, 0);
	close(other);
}
END_TEST

/* ---- fairness ---- */

START_TEST(a_client_that_asks_much_does_not_keep_others_waiting)
{
	enum { REQUESTS = 2000 };
	int busy = connect_client(), other = connect_client();
	struct message_header header;
	uint32_t before = 0;
	ssize_t n;

	send_requests(busy, MESSAGE_READ, "/tool", 6, REQUESTS);
	send_request(other, MESSAGE_READ, "/tool", 6);
	while ((n = recv(other, &header, sizeof(header), MSG_DONTWAIT)) < 0 && before < ROUNDS) {
		turn_loop();
		before++;
	}
	ck_assert_int_eq(n, sizeof(header));
	/* A round runs 64 requests of a client: the busy one has long not been served. */
	ck_assert_uint_lt(before, 5);
	for (uint32_t i = 0; i < REQUESTS; i++)
		answered(busy, MESSAGE_READ, i);
	close(busy);
	close(other);
}
END_TEST

START_TEST(a_client_that_does_not_read_is_not_read_either_and_others_are)
{
	int deaf = connect_client(), other = connect_client();
	struct ledger_figures figures;
	char value[4001] = "";
	const struct message_header header = {MESSAGE_READ, 0, 0, 7};
	char request[sizeof(header) + 7];
	size_t sent = 0;

	memset(value, 'v', sizeof(value) - 1);
	ck_assert_int_eq(world_set_node(&world, "/large", value, NULL), 0);
	memcpy(request, &header, sizeof(header));
	memcpy(request + sizeof(header), "/large", 7);
	for (int idle = 0; idle < 100;) {
		ssize_t n = send(deaf, request, sizeof(request), MSG_DONTWAIT);
		if (n > 0)
			ck_assert_int_eq(n, sizeof(request));
		idle = n > 0 ? 0 : idle + 1;
		sent += n > 0;
		turn_loop();
	}
	ledger_figures(world.turn.ledger, &figures);
	ck_assert_uint_gt(sent, 100);
	ck_assert_uint_lt(figures.blocks_used * figures.block_size, 256 * 1024);
	send_request(other, MESSAGE_READ, "/tool", 6);
	answered(other, MESSAGE_READ, 0);
	for (size_t i = 0; i < sent; i++)
		answered(deaf, MESSAGE_READ, 0);
	close(deaf);
	close(other);
}
END_TEST

static void note_time(struct ev_loop *of, ev_timer *timer, int events)
{
	bool *came = timer->data;

	(void)of;
	(void)events;
	*came = true;
	front_stop_timer(&front, timer);
}

START_TEST(a_timer_ends_a_wait_and_goes_on_doing_so_when_another_one_stops)
{
	bool came = false;
	ev_timer timer, other;

	ev_init(&timer, note_time);
	timer.repeat = 0.001;
	timer.data = &came;
	ev_init(&other, note_time);
	other.repeat = 100;
	front_start_timer(&front, &other);
	front_start_timer(&front, &timer);
	front_stop_timer(&front, &other);
	front_stop_timer(&front, &other);
	while (!came)
		ev_run(loop, EVRUN_ONCE);
	came = false;
	front_start_timer(&front, &timer);
	front_start_timer(&front, &timer);
	while (!came)
		ev_run(loop, EVRUN_ONCE);
	ck_assert_uint_eq(front.n_timers, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("socket");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, start, stop);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_name_that_does_not_fit_an_address_is_refused);
	tcase_add_test(tcase, a_place_where_no_socket_can_be_is_refused);
	tcase_add_test(tcase, closing_nothing_is_allowed);
	tcase_add_test(tcase, only_the_owner_may_connect);
	tcase_add_test(tcase, a_socket_that_was_left_is_replaced_and_ours_is_removed);
	tcase_add_test(tcase, closing_ends_all_connections_and_gives_all_back);
	tcase_add_test(tcase, a_client_that_goes_is_forgotten);
	tcase_add_test(tcase, all_that_a_client_asked_before_its_end_is_run_and_answered);
	tcase_add_test(tcase, a_client_that_ends_in_the_middle_of_a_message_is_answered_what_was_whole);
	tcase_add_test(tcase, a_client_that_ends_having_asked_nothing_is_closed);
	tcase_add_test(tcase, a_client_that_asks_much_reads_nothing_and_ends_gets_all_its_answers_when_it_reads);
	tcase_add_test(tcase, a_client_that_cannot_be_followed_is_answered_what_came_before_and_closed);
	tcase_add_test(tcase, a_client_that_asks_much_does_not_keep_others_waiting);
	tcase_add_test(tcase, a_client_that_does_not_read_is_not_read_either_and_others_are);
	tcase_add_test(tcase, a_timer_ends_a_wait_and_goes_on_doing_so_when_another_one_stops);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
