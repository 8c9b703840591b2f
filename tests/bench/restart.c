/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long clients wait when the daemon dies, or is updated. A daemon under its keeper, on the simulated Xen, with nodes,
 * introduced domains and watches, is killed again and again; a client asks meanwhile. The clock starts when the process is seen
 * to be dead, as its keeper sees it, and stops with the answer. With --update it is updated instead, to itself, while a client
 * asks all the time: the longest that it waits for one answer is what counts.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/load.h"
#include "bench/server.h"
#include "bench/tree.h"
#include "bench/workload.h"
#include "wire/message.h"
#include "xensim/xensim.h"

enum { KILLS_MAX = 1000, SETTLE_NS = 300000000, FIRST_DOMAIN = 1 };

static const char command[] = "env XENSIM=\"$SIM_DIRECTORY\" LD_PRELOAD=\"$TOP_BUILDDIR/tests/xensim/libxensim.so\" "
			      "\"$LXENSTORED\" -N --restart-pause 0 --update-trial 100 --store \"$XENSTORED_RUNDIR/store.mdb\"";

struct size {
	size_t nodes;
	unsigned domains, watches, clients; /* the clients have asked nothing */
};

static const struct size sizes[] = {
    {1000, 1, 0, 0},	{1000, 1, 10000, 0},	{1000, 1000, 0, 0},    {1000, 1000, 10000, 0},	  {1000, 1, 0, 10000},
    {1000000, 1, 0, 0}, {1000000, 1, 10000, 0}, {1000000, 1000, 0, 0}, {1000000, 1000, 10000, 0}, {1000000, 1000, 10000, 10000},
};

struct subject {
	struct server server; /* its process is the keeper */
	struct sim *sim;
	struct link *link;
	struct link **clients;
	unsigned n_clients, kills;
	bool updates;					 /* instead */
	int64_t noticed[KILLS_MAX], answered[KILLS_MAX]; /* nanoseconds: from the kill to the end, from there to the answer */
	int64_t used[KILLS_MAX];			 /* of CPU time, by the next daemon up to then */
};

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* ---- what there is ---- */

static int introduce(struct subject *subject, unsigned count)
{
	char payload[64];
	int error = 0;

	for (unsigned i = 0; i < count && !error; i++) {
		uint16_t domid = (uint16_t)(FIRST_DOMAIN + i);
		error = sim_create(subject->sim, domid, SIM_PV);
		if (error)
			break;
		int len = snprintf(payload, sizeof(payload), "%u%c%lu%c%u", domid, 0, sim_frame(subject->sim, domid), 0,
				   sim_port(subject->sim, domid)) +
			  1;
		error = link_call(subject->link, MESSAGE_INTRODUCE, 0, payload, (size_t)len);
	}
	return error;
}

static int watch(struct subject *subject, unsigned count)
{
	char payload[TREE_PATH_MAX + 32];
	int error = 0;

	for (unsigned i = 0; i < count && !error; i++) {
		size_t len = tree_leaf_path(i, payload) + 1;
		len += (size_t)snprintf(payload + len, sizeof(payload) - len, "token-%u", i) + 1;
		error = link_call(subject->link, MESSAGE_WATCH, 0, payload, len);
	}
	return error;
}

static int connect_clients(struct subject *subject, unsigned count)
{
	int error = 0;

	subject->clients = calloc(count + 1, sizeof(*subject->clients));
	if (!subject->clients)
		return -ENOMEM;
	for (subject->n_clients = 0; subject->n_clients < count && !error; subject->n_clients += !error)
		error = link_open(subject->server.socket, &subject->clients[subject->n_clients]);
	return error;
}

static void close_clients(struct subject *subject)
{
	for (unsigned i = 0; i < subject->n_clients; i++)
		link_close(subject->clients[i]);
	free(subject->clients);
	subject->clients = NULL;
	subject->n_clients = 0;
}

static int fill(struct subject *subject, const struct size *size)
{
	int error = workload_fill(&subject->server, tree_leaves(size->nodes));

	if (!error)
		error = link_open(subject->server.socket, &subject->link);
	if (!error)
		error = introduce(subject, size->domains);
	if (!error)
		error = watch(subject, size->watches);
	return error ? error : connect_clients(subject, size->clients);
}

/* ---- dying ---- */

static int64_t cpu_time(pid_t pid)
{
	struct timespec time = {0};
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &time))
		return 0;
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* The process that the keeper has started; 0: none. */
static pid_t daemon_of(const struct subject *subject)
{
	char path[64];
	long pid = 0;

	snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", (long)subject->server.pid, (long)subject->server.pid);
	FILE *file = fopen(path, "re");
	if (file && fscanf(file, "%ld", &pid) != 1)
		pid = 0;
	if (file)
		fclose(file);
	return (pid_t)pid;
}

/* What else runs on the machine waits meanwhile, where we may ask for that: for this process, the keeper, and whom it starts. */
static void go_first(const struct subject *subject, bool first)
{
	const struct sched_param priority = {.sched_priority = first ? 1 : 0};
	int policy = first ? SCHED_RR : SCHED_OTHER;

	(void)sched_setscheduler(subject->server.pid, policy, &priority);
	(void)sched_setscheduler(0, policy, &priority);
}

static int measure_one(struct subject *subject, unsigned number)
{
	const struct timespec settle = {.tv_nsec = SETTLE_NS};
	pid_t pid = daemon_of(subject);
	int process = pid ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;

	if (process < 0)
		return -ESRCH;
	struct pollfd death = {.fd = process, .events = POLLIN};
	int64_t killed = now();
	kill(pid, SIGKILL);
	poll(&death, 1, -1);
	int64_t dead = now();
	close(process);
	int error = link_call(subject->link, MESSAGE_READ, 0, "/tool", sizeof("/tool"));
	subject->noticed[number] = dead - killed;
	subject->answered[number] = now() - dead;
	subject->used[number] = cpu_time(daemon_of(subject));
	nanosleep(&settle, NULL);
	return error;
}

/* A process that asks for an update; it ends once it has its answer. */
static pid_t ask_for_update(const struct subject *subject)
{
	char payload[4096];
	struct link *link;
	pid_t child = fork();

	if (child)
		return child;
	int len = snprintf(payload, sizeof(payload), "live-update%c-f%c%s", 0, 0, getenv("LXENSTORED")) + 1;
	int error = link_open(subject->server.socket, &link);
	if (!error)
		error = link_call(link, MESSAGE_CONTROL, 0, payload, (size_t)len);
	if (!error)
		error = link_call(link, MESSAGE_CONTROL, 0, "live-update\0-s", sizeof("live-update\0-s"));
	_exit(error ? EXIT_FAILURE : EXIT_SUCCESS);
}

static int measure_update(struct subject *subject, unsigned number)
{
	const struct timespec settle = {.tv_nsec = SETTLE_NS};
	pid_t daemon = daemon_of(subject), child = ask_for_update(subject);
	int status, error = 0;

	if (child < 0 || !daemon)
		return -ESRCH;
	subject->answered[number] = 0;
	while (!error && !waitpid(child, &status, WNOHANG)) {
		int64_t begin = now(), used = cpu_time(daemon);
		error = link_call(subject->link, MESSAGE_READ, 0, "/tool", sizeof("/tool"));
		if (now() - begin <= subject->answered[number])
			continue;
		subject->answered[number] = now() - begin;
		subject->used[number] = cpu_time(daemon) - used;
	}
	subject->noticed[number] = 0;
	nanosleep(&settle, NULL);
	return error || !status ? error : -EIO;
}

static int compare(const void *left, const void *right)
{
	const int64_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

static void report(struct subject *subject, const struct size *size)
{
	qsort(subject->noticed, subject->kills, sizeof(subject->noticed[0]), compare);
	qsort(subject->answered, subject->kills, sizeof(subject->answered[0]), compare);
	qsort(subject->used, subject->kills, sizeof(subject->used[0]), compare);
	printf("| %zu | %u | %u | %u | %.1f | %.1f | %.1f | %.1f |\n", size->nodes, size->domains, size->watches, size->clients,
	       (double)subject->noticed[subject->kills / 2] / 1e6, (double)subject->answered[subject->kills / 2] / 1e6,
	       (double)subject->answered[subject->kills - 1] / 1e6, (double)subject->used[subject->kills / 2] / 1e6);
	fflush(stdout);
}

static int measure(struct subject *subject, const struct size *size, const char *parent)
{
	char word[32];

	snprintf(word, sizeof(word), "restart-%ld", (long)getpid());
	int error = server_init(&subject->server, word, command, parent);
	if (error)
		return error;
	error = sim_new(subject->server.directory, &subject->sim);
	if (!error)
		error =
		    setenv("SIM_DIRECTORY", sim_directory(subject->sim), 1) ? -errno : server_start(&subject->server, NULL, -1);
	if (!error)
		error = fill(subject, size);
	go_first(subject, !subject->updates);
	for (unsigned i = 0; i < subject->kills && !error; i++)
		error = subject->updates ? measure_update(subject, i) : measure_one(subject, i);
	go_first(subject, false);
	if (!error)
		report(subject, size);
	close_clients(subject);
	link_close(subject->link);
	subject->link = NULL;
	server_stop(&subject->server);
	sim_free(subject->sim);
	subject->sim = NULL;
	server_deinit(&subject->server);
	return error;
}

static void measure_all(struct subject *subject, const struct size *one, const char *parent, int *error)
{
	printf("| nodes | domains | watches | idle clients | kill to death, ms | death to answer, median, ms | longest, ms | CPU "
	       "time, ms |\n"
	       "|---|---|---|---|---|---|---|---|\n");
	if (one->nodes)
		*error = measure(subject, one, parent);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && !one->nodes && !*error; i++)
		*error = measure(subject, &sizes[i], parent);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"kills", required_argument, NULL, 'k'},   {"dir", required_argument, NULL, 'd'},
	    {"nodes", required_argument, NULL, 'n'},   {"domains", required_argument, NULL, 'g'},
	    {"watches", required_argument, NULL, 'w'}, {"update", no_argument, NULL, 'u'},
	    {"clients", required_argument, NULL, 'c'}, {NULL, 0, NULL, 0}};
	static struct subject subject = {.kills = 10};
	struct size one = {.domains = 1};
	const char *parent = "/dev/shm";
	int option, error = 0;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		unsigned number = optarg ? (unsigned)strtoul(optarg, NULL, 10) : 0;
		if (option == 'k')
			subject.kills = number;
		else if (option == 'd')
			parent = optarg;
		else if (option == 'n')
			one.nodes = number;
		else if (option == 'g')
			one.domains = number;
		else if (option == 'u')
			subject.updates = true;
		else if (option == 'w')
			one.watches = number;
		else if (option == 'c')
			one.clients = number;
		else
			error = -EINVAL;
	}
	if (error || !subject.kills || subject.kills > KILLS_MAX) {
		fprintf(
		    stderr,
		    "usage: restart [--update] [--kills N] [--dir DIR] [--nodes N [--domains N] [--watches N] [--clients N]]\n");
		return EXIT_FAILURE;
	}
	measure_all(&subject, &one, parent, &error);
	if (error)
		fprintf(stderr, "restart: %s\n", strerror(-error));
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
