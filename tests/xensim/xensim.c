/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The test's process is one of those that use the host: it owns an event descriptor, for which all guests' ports are made.
 */
#include "xensim/xensim.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "support/command.h"
#include "xensim/guest.h"
#include "xensim/sim.h"

enum { ARGUMENTS_MAX = 32 };

#define STOCK_ADDRESS_SPACE ((rlim_t)4 << 30)

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

static int make_host(const char *parent, struct host *host)
{
	char directory[sizeof(host->directory)];

	if ((size_t)snprintf(directory, sizeof(directory), "%s/xensim-XXXXXX", parent) >= sizeof(directory))
		return -ENAMETOOLONG;
	if (!mkdtemp(directory))
		return -errno;
	int error = host_make(directory);
	return error ? error : host_open(host, directory);
}

int sim_new(const char *parent, struct sim **out)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	if (!sim)
		return -ENOMEM;
	sim->events = -1;
	int error = make_host(parent, &sim->host);
	if (error) {
		free(sim);
		return error;
	}
	int owner = host_events_open(&sim->host, O_CLOEXEC | O_NONBLOCK, &sim->events);
	sim->owner = owner > 0 ? (uint16_t)owner : 0;
	error = owner > 0 ? sim_new_port(sim, 0) : owner;
	if (error < 0) {
		sim_free(sim);
		return error;
	}
	*out = sim;
	return 0;
}

void sim_free(struct sim *sim)
{
	char directory[sizeof(sim->host.directory)];

	if (!sim)
		return;
	while (sim->all)
		guest_detach(sim->all);
	if (sim->events >= 0)
		close(sim->events);
	strcpy(directory, sim->host.directory);
	host_close(&sim->host);
	nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(sim);
}

const char *sim_directory(const struct sim *sim)
{
	return sim->host.directory;
}

struct host *sim_host(struct sim *sim)
{
	return &sim->host;
}

/* ---- domains ---- */

int sim_create(struct sim *sim, uint16_t domid, enum sim_type type)
{
	int error = host_domain_create(&sim->host, domid, type == SIM_HVM);

	if (!error)
		error = sim_new_port(sim, domid);
	return error < 0 ? error : 0;
}

int sim_new_port(struct sim *sim, uint16_t domid)
{
	int port = host_alloc_unbound(&sim->host, sim->owner, domid, 0);

	if (port > 0)
		sim->host.state->domains[domid].store_port = (uint16_t)port;
	return port;
}

/* Takes the lock if there is such a domain. */
static struct host_domain *begin(struct sim *sim, uint16_t domid)
{
	host_lock(&sim->host);
	struct host_domain *domain = host_domain(&sim->host, domid);
	if (!domain)
		host_unlock(&sim->host);
	return domain;
}

static int end(struct sim *sim, bool interrupt)
{
	host_unlock(&sim->host);
	if (interrupt)
		host_raise_virq(&sim->host);
	return 0;
}

int sim_kill(struct sim *sim, uint16_t domid)
{
	if (!begin(sim, domid))
		return -ESRCH;
	host_domain_dying(&sim->host, domid);
	return end(sim, true);
}

int sim_destroy(struct sim *sim, uint16_t domid)
{
	if (!begin(sim, domid))
		return -ESRCH;
	host_domain_gone(&sim->host, domid);
	return end(sim, true);
}

int sim_shutdown(struct sim *sim, uint16_t domid, uint8_t reason)
{
	struct host_domain *domain = begin(sim, domid);

	if (!domain)
		return -ESRCH;
	domain->shutdown = true;
	domain->reason = reason;
	return end(sim, true);
}

int sim_resume(struct sim *sim, uint16_t domid)
{
	struct host_domain *domain = begin(sim, domid);

	if (!domain)
		return -ESRCH;
	domain->shutdown = false;
	return end(sim, false);
}

int sim_pause(struct sim *sim, uint16_t domid, bool paused)
{
	struct host_domain *domain = begin(sim, domid);

	if (!domain)
		return -ESRCH;
	domain->paused = paused;
	return end(sim, false);
}

int sim_identify(struct sim *sim, uint16_t domid, const unsigned char handle[16], uint64_t frame)
{
	struct host_domain *domain = begin(sim, domid);

	if (!domain)
		return -ESRCH;
	if (handle)
		memcpy(domain->handle, handle, sizeof(domain->handle));
	domain->frame = frame;
	return end(sim, false);
}

void sim_interrupt(struct sim *sim)
{
	host_raise_virq(&sim->host);
}

unsigned long sim_frame(struct sim *sim, uint16_t domid)
{
	const struct host_domain *domain = host_domain(&sim->host, domid);

	return domain ? HOST_FIRST_FRAME + domain->page : 0;
}

unsigned sim_port(struct sim *sim, uint16_t domid)
{
	return domid < HOST_DOMAINS ? sim->host.state->domains[domid].store_port : 0;
}

int sim_close_port(struct sim *sim, uint16_t domid, unsigned port)
{
	if (!begin(sim, domid))
		return -ESRCH;
	int error = host_port(&sim->host, domid, port) ? 0 : -EINVAL;
	if (!error)
		host_close_port(&sim->host, domid, port);
	end(sim, false);
	return error;
}

bool sim_is_bound(struct sim *sim, uint16_t domid)
{
	host_reap(&sim->host);
	return host_binding(host_port(&sim->host, domid, sim_port(sim, domid))).state == HOST_PORT_BOUND;
}

/* ---- daemons ---- */

const char *sim_stock_programs(const char **why)
{
	static char programs[4096], reason[4096];
	const char *source = getenv("TOP_SRCDIR"), *build = getenv("TOP_BUILDDIR");
	char script[4096], cache[4096];
	struct command command;

	if (!*programs && !*reason) {
		snprintf(script, sizeof(script), "%s/tests/support/fetch-xen-utils.sh", source ? source : ".");
		snprintf(cache, sizeof(cache), "%s/tests/cache", build ? build : ".");
		command_run((const char *const[]){"sh", script, cache, NULL}, NULL, &command);
		if (command.status)
			snprintf(reason, sizeof(reason), "%.*s", (int)strcspn(command.messages, "\n"), command.messages);
		else
			snprintf(programs, sizeof(programs), "%.*s", (int)strcspn(command.output, "\n"), command.output);
		command_deinit(&command);
	}
	if (why)
		*why = reason;
	return *programs ? programs : NULL;
}

void sim_enter(const struct sim *sim)
{
	const char *options = getenv("ASAN_OPTIONS"), *build = getenv("TOP_BUILDDIR"), *also = getenv("SIM_PRELOAD");
	char library[4096], more[4096];

	/* Of gcc, which else wants its library to be the first. */
	snprintf(more, sizeof(more), "%s%sverify_asan_link_order=0", options ? options : "", options ? ":" : "");
	setenv("ASAN_OPTIONS", more, 1);
	snprintf(library, sizeof(library), "%s/tests/xensim/libxensim.so%s%s", build ? build : ".", also ? ":" : "",
		 also ? also : "");
	setenv("XENSIM", sim->host.directory, 1);
	setenv("LD_PRELOAD", library, 1);
}

struct surroundings {
	const struct sim *sim;
	bool is_stock;
};

static void prepare(const void *context)
{
	const struct surroundings *with = context;
	const struct rlimit limit = {STOCK_ADDRESS_SPACE, RLIM_INFINITY};

	sim_enter(with->sim);
	if (!with->is_stock)
		return;
	if (!getenv("SIM_UNBOUNDED"))
		setrlimit(RLIMIT_AS, &limit);
	/* The output of the test is TAP. */
	dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
}

/* oxenstored knows no places but from here. */
static int write_configuration(const struct daemon *daemon, char path[128])
{
	snprintf(path, 128, "%s/oxenstored.conf", daemon->directory);
	FILE *file = fopen(path, "we");
	if (!file)
		return -errno;
	fprintf(file,
		"pid-file = %s/pid\nxenstored-kva = /proc/xen/xsd_kva\nxenstored-port = /proc/xen/xsd_port\n"
		"xenstored-log-file = %s/xenstored.log\npersistent = false\naccess-log-file = %s/access.log\n",
		daemon->directory, daemon->directory, daemon->directory);
	return fclose(file) ? -errno : 0;
}

int sim_start(struct sim *sim, struct daemon *daemon, enum sim_daemon which, const char *const arguments[], int *status)
{
	static const char *const names[] = {[SIM_XENSTORED] = "xenstored", [SIM_OXENSTORED] = "oxenstored"};
	static const char *const usual[][2] = {[SIM_LXENSTORED] = {"-N", "--no-keeper"},
					       [SIM_KEPT] = {"-N"},
					       [SIM_XENSTORED] = {"-N"},
					       [SIM_OXENSTORED] = {"--no-fork"}};
	bool is_stock = which != SIM_LXENSTORED && which != SIM_KEPT;
	const char *programs = is_stock ? sim_stock_programs(NULL) : "";
	const struct surroundings with = {sim, is_stock};
	const char *words[ARGUMENTS_MAX + 8] = {getenv("LXENSTORED")};
	char program[4200], configuration[128];
	size_t n = 1;

	if (!programs)
		return -ENOENT;
	if (is_stock) {
		snprintf(program, sizeof(program), "%s/%s", programs, names[which]);
		words[0] = program;
	}
	for (size_t i = 0; i < 2 && usual[which][i]; i++)
		words[n++] = usual[which][i];
	if (which == SIM_OXENSTORED) {
		int error = write_configuration(daemon, configuration);
		if (error)
			return error;
		words[n++] = "--config-file";
		words[n++] = configuration;
	}
	for (size_t i = 0; arguments && arguments[i] && i < ARGUMENTS_MAX; i++)
		words[n++] = arguments[i];
	return daemon_run(daemon, words, prepare, &with, status);
}

/* ---- faults ---- */

int sim_rule(struct sim *sim, enum host_call call, uint16_t domid, unsigned after, unsigned times, enum host_action action,
	     unsigned argument)
{
	struct host_state *state = sim->host.state;
	int number = -ENOSPC;

	host_lock(&sim->host);
	for (int i = 0; i < HOST_RULES && number < 0; i++) {
		struct host_rule *rule = &state->rules[i];
		if (rule->set || rule->used)
			continue;
		rule->call = call;
		rule->domid = domid;
		rule->after = after;
		rule->times = times;
		rule->action = action;
		rule->argument = argument;
		rule->set = rule->used = true;
		atomic_fetch_add(&state->n_rules, 1);
		number = i;
	}
	host_unlock(&sim->host);
	return number;
}

void sim_clear_rules(struct sim *sim)
{
	host_lock(&sim->host);
	for (int i = 0; i < HOST_RULES; i++) {
		struct host_rule *rule = &sim->host.state->rules[i];
		rule->set = rule->used = false;
		while (rule->standing) {
			rule->standing--;
			sem_post(&rule->opened);
		}
		while (!sem_trywait(&rule->reached))
			;
	}
	atomic_store(&sim->host.state->n_rules, 0);
	host_unlock(&sim->host);
}

int sim_gate_wait(struct sim *sim, int rule, int timeout_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += timeout_ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	while (sem_timedwait(&sim->host.state->rules[rule].reached, &until)) {
		if (errno != EINTR)
			return errno == ETIMEDOUT ? -ETIME : -errno;
	}
	return 0;
}

void sim_gate_open(struct sim *sim, int rule)
{
	host_lock(&sim->host);
	sim->host.state->rules[rule].standing--;
	host_unlock(&sim->host);
	sem_post(&sim->host.state->rules[rule].opened);
}

uint64_t sim_calls(const struct sim *sim, enum host_call call)
{
	return atomic_load(&sim->host.state->calls[call]);
}
