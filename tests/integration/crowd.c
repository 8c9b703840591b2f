/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bare sockets, since ten thousand of the other clients would take more memory than the daemon. */
#include "integration/crowd.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "wire/message.h"

enum { CLIENTS_DEFAULT = 10000, OTHER_DESCRIPTORS = 200, SECONDS = 60, SLEEPS_SEEN = 3 };

size_t crowd_size(void)
{
	const char *number = getenv("CLIENTS");
	size_t n = number ? strtoul(number, NULL, 10) : CLIENTS_DEFAULT;
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = n + OTHER_DESCRIPTORS;
	if (limit.rlim_max < limit.rlim_cur)
		limit.rlim_max = limit.rlim_cur;
	if (setrlimit(RLIMIT_NOFILE, &limit)) {
		ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
		limit.rlim_cur = limit.rlim_max;
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
		n = limit.rlim_max - OTHER_DESCRIPTORS;
		printf("# only %zu descriptors are allowed here: %zu clients\n", (size_t)limit.rlim_max, n);
	}
	return n;
}

int crowd_connect(const struct daemon *daemon)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval patience = {.tv_sec = SECONDS};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_msg(fd >= 0, "no socket: %s", strerror(errno));
	strcpy(address.sun_path, daemon->socket);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
	ck_assert_msg(!connect(fd, (const struct sockaddr *)&address, sizeof(address)), "no connection: %s", strerror(errno));
	return fd;
}

static size_t put_request(unsigned char *bytes, uint32_t type, uint32_t id, const void *payload, size_t len)
{
	struct message_header header = {.type = type, .request_id = id, .len = (uint32_t)len};

	message_write_header(bytes, &header);
	memcpy(bytes + MESSAGE_HEADER_SIZE, payload, len);
	return MESSAGE_HEADER_SIZE + len;
}

void crowd_send(int fd, uint32_t type, uint32_t id, const void *payload, size_t len)
{
	unsigned char bytes[MESSAGE_SIZE_MAX];
	size_t size = put_request(bytes, type, id, payload, len);
	ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);

	ck_assert_msg(n == (ssize_t)size, "a request cannot be sent: %s", n < 0 ? strerror(errno) : "a part was");
}

static bool send_rest(int fd, struct crowd_rest *rest)
{
	while (rest->sent < rest->len) {
		ssize_t n = send(fd, rest->bytes + rest->sent, rest->len - rest->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		ck_assert_msg(n >= 0 || errno == EAGAIN, "a request cannot be sent: %s", strerror(errno));
		if (n < 0)
			return false;
		rest->sent += (size_t)n;
	}
	return true;
}

bool crowd_try_send(int fd, struct crowd_rest *rest, uint32_t type, uint32_t id, const void *payload, size_t len)
{
	if (!send_rest(fd, rest))
		return false;
	rest->len = put_request(rest->bytes, type, id, payload, len);
	rest->sent = 0;
	send_rest(fd, rest);
	return true;
}

static void receive_bytes(int fd, void *bytes, size_t len)
{
	ssize_t n = len ? recv(fd, bytes, len, MSG_WAITALL) : 0;

	ck_assert_msg(n == (ssize_t)len, "no answer: %s", n < 0 ? strerror(errno) : "the daemon has hung up");
}

void crowd_receive(int fd, struct crowd_message *out)
{
	struct message_header header;

	receive_bytes(fd, &header, sizeof(header));
	ck_assert_uint_le(header.len, MESSAGE_PAYLOAD_MAX);
	*out = (struct crowd_message){header.type, header.request_id, header.transaction_id, header.len, ""};
	receive_bytes(fd, out->payload, header.len);
	out->payload[header.len] = 0;
}

void crowd_expect_read(int fd, const char *path, const char *value)
{
	struct crowd_message answer;

	crowd_send(fd, MESSAGE_READ, 1, path, strlen(path) + 1);
	crowd_receive(fd, &answer);
	ck_assert_uint_eq(answer.type, MESSAGE_READ);
	ck_assert_str_eq(answer.payload, value);
}

/* ---- the daemon's process ---- */

static FILE *open_proc(const struct daemon *daemon, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)daemon->pid, name);
	FILE *file = fopen(path, "re");
	ck_assert_msg(file, "%s: %s", path, strerror(errno));
	return file;
}

/* R, S, T ... */
static char state(const struct daemon *daemon, struct crowd_work *work)
{
	FILE *file = open_proc(daemon, "stat");
	unsigned long long user, system;
	char state;

	ck_assert_int_eq(
	    fscanf(file, "%*d (%*[^)]) %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &state, &user, &system), 3);
	fclose(file);
	work->ticks = user + system;
	return state;
}

struct crowd_work crowd_work(const struct daemon *daemon)
{
	FILE *file = open_proc(daemon, "status");
	struct crowd_work work = {0};
	unsigned long long number;
	char line[256];

	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "voluntary_ctxt_switches: %llu", &number) == 1 ||
		    sscanf(line, "nonvoluntary_ctxt_switches: %llu", &number) == 1)
			work.switches += number;
	}
	fclose(file);
	state(daemon, &work);
	return work;
}

size_t crowd_peak(const struct daemon *daemon)
{
	FILE *file = open_proc(daemon, "status");
	size_t kilobytes = 0;
	char line[256];

	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "VmHWM: %zu", &kilobytes) == 1)
			break;
	}
	fclose(file);
	return kilobytes * 1024;
}

static void pause_a_little(void)
{
	nanosleep(&(const struct timespec){.tv_nsec = 1000000}, NULL);
}

static void await_state(const struct daemon *daemon, char awaited)
{
	struct crowd_work work;

	while (state(daemon, &work) != awaited)
		pause_a_little();
}

void crowd_stop_daemon(const struct daemon *daemon)
{
	ck_assert_int_eq(kill(daemon->pid, SIGSTOP), 0);
	await_state(daemon, 'T');
}

void crowd_continue_daemon(const struct daemon *daemon)
{
	ck_assert_int_eq(kill(daemon->pid, SIGCONT), 0);
}

void crowd_await_idle(const struct daemon *daemon)
{
	struct crowd_work before = {0}, now;

	for (int seen = 0; seen < SLEEPS_SEEN; seen++) {
		await_state(daemon, 'S');
		now = crowd_work(daemon);
		if (now.switches != before.switches || now.ticks != before.ticks)
			seen = 0;
		before = now;
		pause_a_little();
	}
}

static size_t blocks_of(const char *path, const char *suffix)
{
	char name[128];
	struct stat file;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	ck_assert_msg(!stat(name, &file), "%s: %s", name, strerror(errno));
	return (size_t)file.st_blocks * 512;
}

struct crowd_memory crowd_measure(const struct daemon *daemon)
{
	crowd_await_idle(daemon);
	return (struct crowd_memory){
	    .anonymous = daemon_private_memory(daemon),
	    .ledger = blocks_of(daemon->store, "-ledger"),
	    .store = blocks_of(daemon->store, "") + blocks_of(daemon->store, "-lock"),
	};
}

size_t crowd_descriptors(const struct daemon *daemon)
{
	char path[64];
	size_t n = 0;

	crowd_await_idle(daemon);
	snprintf(path, sizeof(path), "/proc/%ld/fd", (long)daemon->pid);
	DIR *directory = opendir(path);
	ck_assert_ptr_nonnull(directory);
	while (readdir(directory))
		n++;
	closedir(directory);
	return n - 2;
}
