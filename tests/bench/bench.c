/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bench: puts lxenstored, in both store modes, beside the limit of the machine (and beside any other daemon that is
 * named), measures times with all of them running at once and taking turns, and counts instructions and system calls with
 * each alone. Times are printed and never fail the run; what is counted can, since it repeats exactly.
 */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/ceilings.h"
#include "bench/count.h"
#include "bench/measure.h"
#include "bench/report.h"
#include "bench/tree.h"

enum { EXIT_COUNTED = 1, EXIT_BROKEN = 2, WORKLOADS_MAX = 64, NAMES_MAX = 16 };
enum { COUNT_CHECKED = 2 /* READ and WRITE */ };

#define ECHO_COMMAND "\"$ECHO\" \"$XENSTORED_RUNDIR/socket\""
#define DAEMON_COMMAND(mode) "\"$LXENSTORED\" -N --no-xen --no-keeper --store \"$XENSTORED_RUNDIR/store.mdb\" --store-mode " mode

struct candidate {
	const char *name;
	const char *command;
};

struct bench {
	struct measure_options measure;
	size_t nodes;
	int cpu;
	bool quick;
	bool times;
	bool counted;
	const char *parent;
	const char *json_path;
	const char *charts;
	const char *ceilings;
	char directory[SERVER_PATH_MAX];
	const char *only[NAMES_MAX]; /* names of workloads; none: all */
	size_t n_only;
	struct candidate candidates[MEASURE_SERVERS];
	size_t n_candidates;
	struct server servers[MEASURE_SERVERS];
	size_t n_servers;
	struct row rows[WORKLOADS_MAX];
	size_t n_rows;
	json_t *json;
};

static const char usage[] =
    "usage: bench [options]\n"
    "  --server NAME=COMMAND  one more daemon (after the first of these: only the named ones and echo);\n"
    "                         NAME plain or map: goals of that mode; COMMAND makes $XENSTORED_RUNDIR/socket\n"
    "  --dir DIR              where run directories are made; /dev/shm\n"
    "  --nodes N              in the store; 100000\n"
    "  --rounds N             samples of each workload at each server\n"
    "  --only NAME            this workload; may be given again\n"
    "  --cpu N                for client and servers; the last one\n"
    "  --json FILE            everything, also each sample\n"
    "  --charts DIR           data for gnuplot, see charts.gp\n"
    "  --quick                fewer and shorter samples, smaller stores\n"
    "  --times, --counted     only this half\n"
    "  --ceilings FILE        count READ and WRITE only, and fail above what the file allows\n"
    "Environment: LXENSTORED and ECHO, the two programs.\n"
    "Exit status: 1 if what is counted grows with the store or exceeds a ceiling, 2 if something could not be run.\n";

static int last_cpu(void)
{
	cpu_set_t set;
	int last = 0;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 0;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET((size_t)cpu, &set))
			last = cpu;
	}
	return last;
}

static void add_candidate(struct bench *bench, const char *name, const char *command)
{
	if (bench->n_candidates == MEASURE_SERVERS) {
		fprintf(stderr, "bench: more than %d servers\n", MEASURE_SERVERS);
		exit(EXIT_BROKEN);
	}
	bench->candidates[bench->n_candidates++] = (struct candidate){name, command};
}

static void add_named(struct bench *bench, char *argument)
{
	char *equals = strchr(argument, '=');

	if (!equals) {
		fputs(usage, stderr);
		exit(EXIT_BROKEN);
	}
	*equals = '\0';
	add_candidate(bench, argument, equals + 1);
}

static bool known_workload(const char *name)
{
	for (const struct workload *workload = workloads; workload->name; workload++) {
		if (strcmp(workload->name, name) == 0)
			return true;
	}
	return false;
}

static void add_only(struct bench *bench, const char *name)
{
	if (!known_workload(name) || bench->n_only == NAMES_MAX) {
		fprintf(stderr, "bench: --only takes up to %d of:", NAMES_MAX);
		for (const struct workload *workload = workloads; workload->name; workload++)
			fprintf(stderr, " %s", workload->name);
		fprintf(stderr, "\n");
		exit(EXIT_BROKEN);
	}
	bench->only[bench->n_only++] = name;
}

enum {
	OPTION_SERVER = 256,
	OPTION_DIR,
	OPTION_NODES,
	OPTION_ROUNDS,
	OPTION_ONLY,
	OPTION_CPU,
	OPTION_JSON,
	OPTION_CHARTS,
	OPTION_QUICK,
	OPTION_TIMES,
	OPTION_COUNTED,
	OPTION_CEILINGS
};

static const struct option options[] = {{"server", required_argument, NULL, OPTION_SERVER},
					{"dir", required_argument, NULL, OPTION_DIR},
					{"nodes", required_argument, NULL, OPTION_NODES},
					{"rounds", required_argument, NULL, OPTION_ROUNDS},
					{"only", required_argument, NULL, OPTION_ONLY},
					{"cpu", required_argument, NULL, OPTION_CPU},
					{"json", required_argument, NULL, OPTION_JSON},
					{"charts", required_argument, NULL, OPTION_CHARTS},
					{"quick", no_argument, NULL, OPTION_QUICK},
					{"times", no_argument, NULL, OPTION_TIMES},
					{"counted", no_argument, NULL, OPTION_COUNTED},
					{"ceilings", required_argument, NULL, OPTION_CEILINGS},
					{0}};

static void take_option(struct bench *bench, int option, char *argument)
{
	switch (option) {
	case OPTION_SERVER:
		add_named(bench, argument);
		break;
	case OPTION_DIR:
		bench->parent = argument;
		break;
	case OPTION_NODES:
		bench->nodes = strtoul(argument, NULL, 10);
		break;
	case OPTION_ROUNDS:
		bench->measure.rounds = (unsigned)strtoul(argument, NULL, 10);
		break;
	case OPTION_ONLY:
		add_only(bench, argument);
		break;
	case OPTION_CPU:
		bench->cpu = (int)strtol(argument, NULL, 10);
		break;
	case OPTION_JSON:
		bench->json_path = argument;
		break;
	case OPTION_CHARTS:
		bench->charts = argument;
		break;
	case OPTION_QUICK:
		bench->quick = true;
		break;
	case OPTION_TIMES:
		bench->counted = false;
		break;
	case OPTION_COUNTED:
		bench->times = false;
		break;
	case OPTION_CEILINGS:
		bench->ceilings = argument;
		bench->times = false;
		break;
	default:
		fputs(usage, stderr);
		exit(EXIT_BROKEN);
	}
}

static void read_options(struct bench *bench, int argc, char **argv)
{
	int option;

	add_candidate(bench, "echo", ECHO_COMMAND);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		take_option(bench, option, optarg);
	if (bench->n_candidates == 1) {
		add_candidate(bench, "plain", DAEMON_COMMAND("plain"));
		add_candidate(bench, "map", DAEMON_COMMAND("map"));
	}
	if (bench->measure.rounds == 0)
		bench->measure.rounds = bench->quick ? 5 : 15;
	if (bench->measure.rounds > MEASURE_ROUNDS)
		bench->measure.rounds = MEASURE_ROUNDS;
	bench->measure.seconds = bench->quick ? 0.02 : 0.06;
	bench->measure.own_share = 0.25;
	bench->measure.leaves = tree_leaves(bench->nodes);
}

/* All the descriptors that may be had: for the bench, its crowds and the servers. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/*
 * Client and servers are batch processes: none is interrupted because another one wakes up. Otherwise who used less CPU
 * lately runs at once, in the middle of the other's turn, and an operation has two or four changes of context by chance.
 */
static int be_batch(void)
{
	return sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0}) == 0 ? 0 : -errno;
}

static int start_servers(struct bench *bench)
{
	for (size_t i = 0; i < bench->n_candidates; i++) {
		struct server *server = &bench->servers[bench->n_servers];
		int error = server_init(server, bench->candidates[i].name, bench->candidates[i].command, bench->directory);

		if (!error) {
			bench->n_servers++;
			error = server_start(server, NULL, bench->cpu);
		}
		if (!error && !server_is_echo(server))
			error = workload_fill(server, bench->measure.leaves);
		if (error) {
			fprintf(stderr, "bench: %s: %s\n", bench->candidates[i].name, strerror(-error));
			return error;
		}
	}
	return 0;
}

static bool wanted(const struct bench *bench, const struct workload *workload)
{
	if (bench->quick && workload->long_form_only)
		return false;
	for (size_t i = 0; i < bench->n_only; i++) {
		if (strcmp(bench->only[i], workload->name) == 0)
			return true;
	}
	return bench->n_only == 0;
}

static void measure_times(struct bench *bench)
{
	json_t *list = json_array();

	report_rows_head();
	for (const struct workload *first = workloads; first->name;) {
		struct row *rows = &bench->rows[bench->n_rows];
		size_t count = 1;
		bool any = wanted(bench, first);

		for (; first[count].name && first[count].with_previous; count++)
			any = any || wanted(bench, &first[count]);
		if (any) {
			measure_rows(&bench->measure, bench->servers, bench->n_servers, first, count, rows);
			for (size_t i = 0; i < count; i++) {
				report_row(&rows[i], bench->servers, bench->n_servers);
				json_array_append_new(list, report_row_json(&rows[i], bench->servers, bench->n_servers));
			}
			bench->n_rows += count;
		}
		first += count;
	}
	json_object_set_new(bench->json, "times", list);
}

static int run_times(struct bench *bench)
{
	int error = be_batch();

	if (!error)
		error = start_servers(bench);
	if (!error) {
		server_pin_here(bench->cpu);
		measure_times(bench);
	}
	for (size_t i = 0; i < bench->n_servers; i++)
		server_deinit(&bench->servers[i]);
	if (!error && bench->charts)
		error = report_charts(bench->charts, bench->rows, bench->n_rows, bench->servers, bench->n_servers);
	bench->n_servers = 0;
	return error;
}

/* How much is counted: for a look, for a check, or for the record. */
static struct count_options count_options(const struct bench *bench, size_t nodes[COUNT_SIZES])
{
	static const size_t sizes[COUNT_SIZES] = {1000, 100000, 1000000};

	memcpy(nodes, sizes, sizeof(sizes));
	if (bench->quick || bench->ceilings)
		nodes[2] = 0;
	if (bench->quick)
		nodes[1] = 20000;
	if (bench->ceilings)
		return (struct count_options){.operations = COUNT_CHECKED, .base = 200, .more = 1000};
	return (struct count_options){.operations = COUNT_OPERATIONS, .base = 200, .more = bench->quick ? 500 : 2000};
}

/* Returns 0, -errno, or 1 if the server's figures grow or are too high. */
static int count_candidate(struct bench *bench, const struct candidate *candidate, json_t *list)
{
	struct count count = {0};
	struct count_options scale = count_options(bench, count.nodes);
	struct server server;
	int error = server_init(&server, candidate->name, candidate->command, bench->directory);

	if (error)
		return error;
	if (server_is_echo(&server))
		count.nodes[1] = 0;
	error = count_server(&server, &scale, &count);
	server_deinit(&server);
	if (error)
		return error;
	report_count(candidate->name, &count);
	json_array_append_new(list, report_count_json(candidate->name, &count));
	if (bench->ceilings && !server_is_echo(&server))
		error = ceilings_check(bench->ceilings, candidate->name, &count);
	return error || count_passes(&count) ? error : 1;
}

static int run_counted(struct bench *bench)
{
	json_t *list = json_array();
	int result = 0;

	for (size_t i = 0; i < bench->n_candidates && result >= 0; i++) {
		int one = count_candidate(bench, &bench->candidates[i], list);

		result = one ? one : result;
	}
	json_object_set_new(bench->json, "counted", list);
	if (result >= 0)
		printf("counted: %s\n", result == 0 ? "PASS" : "FAIL");
	return result;
}

static int run(struct bench *bench)
{
	int error = 0, counted = 0;

	raise_limits();
	snprintf(bench->directory, sizeof(bench->directory), "%s/lxenstored-bench-XXXXXX", bench->parent);
	if (!mkdtemp(bench->directory)) {
		fprintf(stderr, "bench: %s: %s\n", bench->directory, strerror(errno));
		return EXIT_BROKEN;
	}
	bench->json = json_pack("{s:I, s:i, s:b}", "nodes", (json_int_t)bench->nodes, "rounds", (int)bench->measure.rounds,
				"quick", bench->quick);
	if (bench->counted)
		counted = run_counted(bench);
	if (bench->times)
		error = run_times(bench);
	rmdir(bench->directory);
	if (bench->json_path && json_dump_file(bench->json, bench->json_path, JSON_INDENT(1)) != 0) {
		fprintf(stderr, "bench: cannot write %s\n", bench->json_path);
		error = -EIO;
	}
	json_decref(bench->json);
	if (error || counted < 0)
		return EXIT_BROKEN;
	return counted > 0 ? EXIT_COUNTED : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	int status;

	if (!bench)
		return EXIT_BROKEN;
	*bench = (struct bench){.nodes = 100000, .cpu = last_cpu(), .times = true, .counted = true, .parent = "/dev/shm"};
	read_options(bench, argc, argv);
	status = run(bench);
	free(bench);
	return status;
}
