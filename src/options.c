/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One table has every option with its letter, its name, its help and what it sets. Options of C xenstored that mean nothing
 * here (the daemon has no database in memory and introduces no domain at its start by itself) are accepted and remembered,
 * to be logged.
 */
#include "options.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "wire/path.h"

/* Options without a letter. */
enum {
	OPTION_STORE = 256,
	OPTION_STORE_SIZE,
	OPTION_STORE_MODE,
	OPTION_STORE_SYNC,
	OPTION_NO_KEEPER,
	OPTION_NO_XEN,
	OPTION_CONFLICT_BURST,
	OPTION_CONFLICT_INTERVAL,
	OPTION_RING_SCAN,
	OPTION_RESTART_PAUSE,
	OPTION_UPDATE_TRIAL,
	OPTION_SYSTEMD_DESCRIPTORS,
	OPTION_WATCHDOG,
	OPTION_VERSION,
	OPTION_TRACE_CONTROL,
	OPTION_LIVE,
	OPTION_RESTART,
	OPTION_CONFIG_FILE,
	OPTION_OTHER_OF_OXENSTORED
};

static const uint32_t default_ring_scan_seconds = 20;
static const uint32_t default_restart_pause_seconds = 30;
static const uint32_t default_update_trial_milliseconds = 1000;
static const uint32_t default_watchdog_seconds = 10;
static const uint32_t default_event_seconds = 20;
static const struct conflict_settings default_conflict = {5, 50};
static const size_t default_store_size = (size_t)1 << 30;
static const size_t least_store_size = 256 * 1024;
static const uint64_t greatest_store_size = UINT64_C(1) << 44;

struct option_description {
	int code;
	const char *name;
	int argument; /* no_argument, required_argument, optional_argument */
	const char *argument_name;
	const char *help; /* NULL: means nothing here */
};

static const struct option_description descriptions[] = {
    {'F', "pid-file", required_argument, "FILE", "write the process id to FILE (default: xenstored.pid in the run directory)"},
    {'H', "help", no_argument, NULL, "show this and end"},
    {'N', "no-fork", no_argument, NULL, "stay in the foreground, messages to standard error"},
    {'P', "output-pid", no_argument, NULL, "print the process id"},
    {'T', "trace-file", required_argument, "FILE", "write a line per request and reply to FILE"},
    {OPTION_TRACE_CONTROL, "trace-control", required_argument, "+SWITCH,-SWITCH...",
     "what the trace holds: obj, io, wrl, acc, tdb"},
    {'E', "entry-nb", required_argument, "N", "nodes that a domain may own (default 1000)"},
    {'S', "entry-size", required_argument, "N", "bytes of a node (default 2048)"},
    {'W', "watch-nb", required_argument, "N", "watches that a domain may have (default 128)"},
    {'t', "transaction", required_argument, "N", "transactions that a domain may have open (default 10)"},
    {'A', "perm-nb", required_argument, "N", "permission entries of a node (default 5)"},
    {'M', "path-max", required_argument, "N", "bytes of a path (default 2048)"},
    {'Q', "quota", required_argument, "NAME=N", "set a quota; xenstore-control quota lists the names"},
    {'q', "quota-soft", required_argument, "NAME=N", "set a soft quota"},
    {'p', "priv-domid", required_argument, "DOMID", "domain with all rights (default 0)"},
    {'m', "master-domid", required_argument, "DOMID", "domain whose connections the socket serves (default 0)"},
    {OPTION_STORE, "store", required_argument, "FILE", "the store (default: store.mdb in the run directory)"},
    {OPTION_STORE_SIZE, "store-size", required_argument, "SIZE", "bytes it may grow to; K, M, G may follow (default 1G)"},
    {OPTION_STORE_MODE, "store-mode", required_argument, "plain|map",
     "how it is written: safe against stray pointers, or faster"},
    {OPTION_STORE_SYNC, "store-sync", no_argument, NULL, "sync each commit: for a store on a disk"},
    {OPTION_NO_KEEPER, "no-keeper", no_argument, NULL, "run without the process that holds connections"},
    {OPTION_RESTART_PAUSE, "restart-pause", required_argument, "SECONDS",
     "longest pause of the keeper before it starts a daemon that dies again and again (default 30; 0: none)"},
    {OPTION_UPDATE_TRIAL, "update-trial", required_argument, "MILLISECONDS",
     "how long the program of a live update has to serve before it is the one to go on with (default 1000)"},
    {OPTION_WATCHDOG, "watchdog", required_argument, "SECONDS",
     "the keeper ends a daemon that gives no sign of life for so long (default 10; 0: never)"},
    {OPTION_SYSTEMD_DESCRIPTORS, "systemd-descriptors", no_argument, NULL,
     "let systemd's descriptor store hold connections, in place of a keeper; for a unit"},
    {OPTION_NO_XEN, "no-xen", no_argument, NULL, "serve the socket only, touch no hypervisor"},
    {'w', "timeout", required_argument, "watch-event=SECONDS",
     "drop an event that a guest does not read for so long; 0: never (default 20)"},
    {OPTION_CONFLICT_BURST, "conflict-burst", required_argument, "N",
     "times that a domain may make transactions of others fail before its requests wait; 0: never (default 5)"},
    {OPTION_CONFLICT_INTERVAL, "conflict-interval", required_argument, "MILLISECONDS",
     "after which one such time is given back (default 50)"},
    {OPTION_RING_SCAN, "ring-scan-interval", required_argument, "SECONDS",
     "look at all rings after so long, for guests that send no event (default 20; 0: never)"},
    {OPTION_VERSION, "version", no_argument, NULL, "show the version and end"},
    {'D', "no-domain-init", no_argument, NULL, NULL},
    {'I', "internal-db", optional_argument, "on|off", NULL},
    {'K', "keep-orphans", no_argument, NULL, NULL},
    {'R', "no-recovery", no_argument, NULL, NULL},
    {'U', "live-update", no_argument, NULL, "take over from C xenstored, which has executed this program in its place"},
    {OPTION_LIVE, "live", no_argument, NULL, "the same from oxenstored"},
    {OPTION_RESTART, "restart", no_argument, NULL, NULL},
    {OPTION_CONFIG_FILE, "config-file", required_argument, "FILE", NULL},
    {OPTION_OTHER_OF_OXENSTORED, "disable-socket", no_argument, NULL, NULL},
    {OPTION_OTHER_OF_OXENSTORED, "no-access-log", no_argument, NULL, NULL},
    {OPTION_OTHER_OF_OXENSTORED, "reraise-top-level", no_argument, NULL, NULL},
    {'V', "verbose", no_argument, NULL, NULL},
    {'e', "event", required_argument, "PORT", NULL},
};

enum { N_DESCRIPTIONS = sizeof(descriptions) / sizeof(descriptions[0]) };

void options_print_help(const char *program)
{
	printf("Usage: %s [OPTION]...\nServe XenStore from a store that outlives the daemon.\n\n", program);
	for (size_t i = 0; i < N_DESCRIPTIONS; i++) {
		const struct option_description *description = &descriptions[i];
		char letter[] = "-?, ", text[64];
		letter[1] = (char)description->code;
		snprintf(text, sizeof(text), "%s--%s%s%s", description->code < 256 ? letter : "    ", description->name,
			 description->argument ? " " : "", description->argument ? description->argument_name : "");
		printf("  %-36s %s\n", text, description->help ? description->help : "accepted, means nothing here");
	}
	printf("\nRun directory: $XENSTORED_RUNDIR, else /run/xenstored. Socket: $XENSTORED_PATH, else socket in the run "
	       "directory.\n");
}

static int complain(const char *option, const char *value)
{
	fprintf(stderr, "lxenstored: --%s: \"%s\" is not understood; see --help\n", option, value);
	return STATUS_EINVAL;
}

static bool parse_number(const char *text, uint64_t max, uint64_t *out, const char **end)
{
	char *rest;

	if (*text < '0' || *text > '9')
		return false;
	*out = strtoull(text, &rest, 10);
	*end = rest;
	return *out <= max;
}

static int set_number(const char *option, const char *text, uint32_t *out)
{
	const char *end;
	uint64_t number;

	if (!parse_number(text, INT32_MAX, &number, &end) || *end)
		return complain(option, text);
	*out = (uint32_t)number;
	return 0;
}

/* What is more than a path can have is the most that it can have, as C xenstored takes it. */
static int set_path_max(const char *option, const char *text, uint32_t *out)
{
	int result = set_number(option, text, out);

	if (!result && *out > PATH_RELATIVE_MAX)
		*out = PATH_RELATIVE_MAX;
	return result;
}

static int set_domid(const char *option, const char *text, uint16_t *out)
{
	const char *end;
	uint64_t number;

	if (!parse_number(text, DOMID_FIRST_RESERVED_NUMBER - 1, &number, &end) || *end)
		return complain(option, text);
	*out = (uint16_t)number;
	return 0;
}

static int set_size(const char *option, const char *text, size_t *out)
{
	static const char units[] = "KMG";
	const char *end;
	uint64_t number;

	if (!parse_number(text, greatest_store_size, &number, &end))
		return complain(option, text);
	const char *unit = *end ? strchr(units, *end) : NULL;
	int shift = unit ? 10 * (int)(unit - units + 1) : 0;
	if (number > greatest_store_size >> shift || end[unit != NULL])
		return complain(option, text);
	number <<= shift;
	if (number < least_store_size)
		return complain(option, text);
	*out = number & ~(size_t)4095;
	return 0;
}

/* NAME=N */
static int set_named_quota(const char *option, const char *text, bool soft, struct quotas *quotas)
{
	const char *equals = strchr(text, '=');
	uint32_t value;
	char name[32];

	if (!equals || (size_t)(equals - text) >= sizeof(name))
		return complain(option, text);
	memcpy(name, text, (size_t)(equals - text));
	name[equals - text] = 0;
	if (set_number(option, equals + 1, &value))
		return STATUS_EINVAL;
	return quota_set(quotas, soft, name, value) ? complain(option, text) : 0;
}

/* watch-event=SECONDS, the only one that there is. */
static int set_timeout(const char *option, const char *text, uint32_t *event_seconds)
{
	static const char name[] = "watch-event=";
	const char *seconds = text + sizeof(name) - 1, *end;
	uint64_t number;

	if (strncmp(text, name, sizeof(name) - 1) || !parse_number(seconds, INT32_MAX, &number, &end) || *end)
		return complain(option, text);
	*event_seconds = (uint32_t)number;
	return 0;
}

static int set_store_mode(const char *option, const char *text, struct options *out)
{
	out->map = !strcmp(text, "map");
	return out->map || !strcmp(text, "plain") ? 0 : complain(option, text);
}

static int set_option(const struct option_description *description, const char *value, struct options *out)
{
	const char *name = description->name;
	uint32_t *quotas = out->quotas.hard;

	switch (description->code) {
	case 'F':
		out->pid_file = value;
		return 0;
	case 'H':
		out->help = true;
		return 0;
	case 'N':
		out->no_fork = true;
		return 0;
	case 'P':
		out->output_pid = true;
		return 0;
	case 'T':
		out->trace_file = value;
		return 0;
	case OPTION_TRACE_CONTROL:
		if (out->n_trace_controls == sizeof(out->trace_controls) / sizeof(out->trace_controls[0]))
			return complain(name, value);
		out->trace_controls[out->n_trace_controls++] = value;
		return 0;
	case 'E':
		return set_number(name, value, &quotas[QUOTA_NODES]);
	case 'S':
		return set_number(name, value, &quotas[QUOTA_NODE_SIZE]);
	case 'W':
		return set_number(name, value, &quotas[QUOTA_WATCHES]);
	case 't':
		return set_number(name, value, &quotas[QUOTA_TRANSACTIONS]);
	case 'A':
		return set_number(name, value, &quotas[QUOTA_NODE_PERMISSIONS]);
	case 'M':
		return set_path_max(name, value, &quotas[QUOTA_PATH_MAX]);
	case 'Q':
		return set_named_quota(name, value, false, &out->quotas);
	case 'q':
		return set_named_quota(name, value, true, &out->quotas);
	case 'p':
		return set_domid(name, value, &out->privileged_domid);
	case 'm':
		return set_domid(name, value, &out->own_domid);
	case OPTION_STORE:
		out->store = value;
		return 0;
	case OPTION_STORE_SIZE:
		return set_size(name, value, &out->store_size);
	case OPTION_STORE_MODE:
		return set_store_mode(name, value, out);
	case OPTION_STORE_SYNC:
		out->sync = true;
		return 0;
	case OPTION_NO_KEEPER:
		out->no_keeper = true;
		return 0;
	case OPTION_NO_XEN:
		out->no_xen = true;
		return 0;
	case OPTION_SYSTEMD_DESCRIPTORS:
		out->systemd_descriptors = true;
		return 0;
	case OPTION_WATCHDOG:
		return set_number(name, value, &out->watchdog_seconds);
	case OPTION_RESTART_PAUSE:
		return set_number(name, value, &out->restart_pause_seconds);
	case OPTION_UPDATE_TRIAL:
		return set_number(name, value, &out->update_trial_milliseconds);
	case OPTION_RING_SCAN:
		return set_number(name, value, &out->ring_scan_seconds);
	case OPTION_CONFLICT_BURST:
		return set_number(name, value, &out->conflict.burst);
	case OPTION_CONFLICT_INTERVAL:
		return set_number(name, value, &out->conflict.interval);
	case 'w':
		return set_timeout(name, value, &out->event_seconds);
	case 'U':
		out->takes_over = "state_dump";
		return 0;
	case OPTION_LIVE:
		out->takes_over = "db";
		return 0;
	case OPTION_VERSION:
		out->version = true;
		return 0;
	default:
		if (out->n_ignored < sizeof(out->ignored) / sizeof(out->ignored[0]))
			out->ignored[out->n_ignored++] = name;
		return 0;
	}
}

int options_parse(int argc, char **argv, struct options *out)
{
	struct option longs[N_DESCRIPTIONS + 1] = {{0}};
	char letters[3 * N_DESCRIPTIONS + 1];
	size_t n_letters = 0;
	int code, which;

	*out = (struct options){
	    .store_size = default_store_size,
	    .ring_scan_seconds = default_ring_scan_seconds,
	    .restart_pause_seconds = default_restart_pause_seconds,
	    .update_trial_milliseconds = default_update_trial_milliseconds,
	    .watchdog_seconds = default_watchdog_seconds,
	    .event_seconds = default_event_seconds,
	    .conflict = default_conflict,
	};
	quotas_init(&out->quotas);
	optind = 0; /* begin anew, whoever has used getopt before */
	for (size_t i = 0; i < N_DESCRIPTIONS; i++) {
		const struct option_description *description = &descriptions[i];
		longs[i] = (struct option){description->name, description->argument, NULL, description->code};
		if (description->code >= 256)
			continue;
		letters[n_letters++] = (char)description->code;
		for (int colons = 0; colons < description->argument; colons++)
			letters[n_letters++] = ':';
	}
	letters[n_letters] = 0;
	while (which = -1, (code = getopt_long(argc, argv, letters, longs, &which)) != -1) {
		const struct option_description *description = which >= 0 ? &descriptions[which] : NULL;
		for (size_t i = 0; i < N_DESCRIPTIONS && !description; i++) {
			if (descriptions[i].code == code)
				description = &descriptions[i];
		}
		if (code == '?')
			description = NULL;
		int result = description ? set_option(description, optarg, out) : STATUS_EINVAL;
		if (result)
			return result;
	}
	if (optind < argc) {
		fprintf(stderr, "lxenstored: \"%s\" is not an option; see --help\n", argv[optind]);
		return STATUS_EINVAL;
	}
	return 0;
}
