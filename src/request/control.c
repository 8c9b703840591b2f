/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CONTROL: commands of an operator (xenstore-control). A command gets its arguments as strings and answers with a text; with
 * none, the answer is "OK".
 */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "domain/domain_use.h"
#include "request/domain_change.h"
#include "request/live_update.h"
#include "request/request.h"
#include "store/check.h"

enum { ARGUMENTS_MAX = 7 };

struct control {
	struct turn *turn;
	struct client *client;
	const char *arguments[ARGUMENTS_MAX];
	size_t n_arguments;
	struct buffer answer;
	bool waits; /* the answer is not known yet */
};

struct control_command {
	const char *name;
	int (*run)(struct control *control);
	const char *usage;
};

static const struct control_command *command_table(size_t *n);

static bool argument_is(const struct control *control, size_t i, const char *word)
{
	return i < control->n_arguments && !strcmp(control->arguments[i], word);
}

/* A number from a string; false if it is none or above `max`. */
static bool parse_number(const char *text, uint32_t max, uint32_t *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	unsigned long long number = strtoull(text, &end, 10);
	*out = (uint32_t)number;
	return !*end && number <= max;
}

/* ---- commands ---- */

static void note_problem(void *context, const char *problem)
{
	log_error(context, "check: %s", problem);
}

static int control_check(struct control *control)
{
	struct store *store = control->turn->store;
	struct MDB_txn *txn = store_view(store);
	struct check_verdict verdict;

	if (control->n_arguments)
		return STATUS_EINVAL;
	int fault = txn ? check_records(txn, store->dbi, note_problem, control->turn->log, &verdict) : -EIO;
	if (fault)
		return fault;
	if (verdict.result != CHECK_SOUND)
		buffer_printf(&control->answer, "%" PRIu64 " problems, the first: %s\n", verdict.problems, verdict.text);
	return 0;
}

static int control_help(struct control *control)
{
	size_t n;
	const struct control_command *commands = command_table(&n);

	if (control->n_arguments)
		return STATUS_EINVAL;
	for (size_t i = 0; i < n; i++)
		buffer_printf(&control->answer, "%-15s %s\n", commands[i].name, commands[i].usage);
	return 0;
}

static int control_live_update(struct control *control)
{
	return live_update_command(control->turn, control->client, control->arguments, control->n_arguments, &control->answer,
				   &control->waits);
}

static int control_log(struct control *control)
{
	struct log *log = control->turn->log;

	if (!control->n_arguments) {
		buffer_add_string(&control->answer, "Log switch settings:\n");
		for (const struct log_trace_name *name = log_trace_names; name->name; name++)
			buffer_printf(&control->answer, "%-8s: %s\n", name->name, log->trace & name->bit ? "on" : "off");
		return 0;
	}
	if (control->n_arguments > 1)
		return STATUS_EINVAL;
	if (argument_is(control, 0, "on"))
		log_trace_open(log);
	else if (argument_is(control, 0, "off"))
		log_trace_close(log);
	else
		return log_trace_switch(log, control->arguments[0]);
	return 0;
}

static int control_logfile(struct control *control)
{
	if (control->n_arguments != 1)
		return STATUS_EINVAL;
	return log_trace_to(control->turn->log, control->arguments[0]) ? STATUS_EINVAL : 0;
}

static void report_memory(struct turn *turn, FILE *file)
{
	struct mallinfo2 heap = mallinfo2();
	struct ledger_figures ledger;
	struct store_figures store;

	ledger_figures(turn->ledger, &ledger);
	fprintf(file, "heap: %zu bytes in use, %zu free\n", heap.uordblks + heap.hblkhd, heap.fordblks);
	fprintf(file, "watches: %zu\n", watch_count(turn->watches));
	fprintf(file, "ledger: %zu connections, %zu blocks of %zu bytes in use, %zu free, file %zu bytes\n", ledger.connections,
		ledger.blocks_used, ledger.block_size, ledger.blocks_free, ledger.file_size);
	if (store_figures(turn->store, &store))
		return;
	fprintf(file, "store: %" PRIu64 " records, file %" PRIu64 " bytes, %" PRIu64 " pages of %" PRIu64 " bytes used, ",
		store.records, store.file_size, store.pages_used, store.page_size);
	fprintf(file, "%" PRIu64 " snapshots, %" PRIu64 " readers\n", store.snapshots, store.readers);
	fprintf(file, "requests: %" PRIu64 ", commits: %" PRIu64 ", conflicts: %" PRIu64 ", turns run again: %" PRIu64 "\n",
		turn->figures.requests, turn->figures.commits, turn->figures.conflicts, turn->figures.turns_run_again);
	fprintf(file, "events: %" PRIu64 ", dropped: %" PRIu64 "\n", turn->figures.events, turn->figures.events_dropped);
}

static int control_memreport(struct control *control)
{
	const char *path = control->n_arguments ? control->arguments[0] : control->turn->log->trace_path;

	if (control->n_arguments > 1)
		return STATUS_EINVAL;
	FILE *file = path ? fopen(path, "ae") : NULL;
	if (!file)
		return STATUS_EINVAL;
	report_memory(control->turn, file);
	return fclose(file) ? STATUS_EIO : 0;
}

static int control_print(struct control *control)
{
	if (control->n_arguments != 1)
		return STATUS_EINVAL;
	log_notice(control->turn->log, "control: %s", control->arguments[0]);
	return 0;
}

static int set_quota(struct control *control, bool soft)
{
	enum quota quota;
	uint32_t value;

	if (control->n_arguments != 3 || !parse_number(control->arguments[2], INT32_MAX, &value))
		return STATUS_EINVAL;
	int result = quota_find(control->arguments[1], soft, &quota);
	return result ? result : domain_change_quota_of_all(control->turn, quota, soft, value);
}

/* What one domain uses of each thing that is limited. */
static int show_domain(struct control *control)
{
	struct turn *turn = control->turn;
	uint32_t domid;

	if (control->n_arguments != 1 || !parse_number(control->arguments[0], UINT16_MAX, &domid))
		return STATUS_EINVAL;
	const struct domain *domain = domain_find(turn->domains, (uint16_t)domid);
	if (!domain)
		return STATUS_ENOENT;
	buffer_printf(&control->answer, "Domain %u:\n", domid);
	for (enum quota quota = 0; quota < QUOTA_COUNT; quota++) {
		struct quota_use use;
		int fault = domain_use(domain, turn->store, quota, &use);
		if (fault)
			return fault;
		buffer_printf(&control->answer, "%-17s: %8" PRIu64 " (max %8" PRIu64 ")\n", quota_name(quota), use.used,
			      use.most);
	}
	return 0;
}

/* The most that any one domain has used; with "-r" it is forgotten then. */
static int show_most(struct control *control)
{
	struct turn *turn = control->turn;
	bool forgets = argument_is(control, 1, "-r");

	if (control->n_arguments > (forgets ? 2 : 1))
		return STATUS_EINVAL;
	buffer_add_string(&control->answer, "Max. seen accounting values:\n");
	for (enum quota quota = 0; quota < QUOTA_COUNT; quota++) {
		uint64_t most;
		int fault = domains_most(turn->domains, turn->store, quota, &most);
		if (fault)
			return fault;
		buffer_printf(&control->answer, "%-17s: %8" PRIu64 "\n", quota_name(quota), most);
	}
	if (forgets)
		domains_forget_most(turn->domains, turn->store);
	return 0;
}

static int control_quota(struct control *control)
{
	if (!control->n_arguments) {
		quotas_format(&control->turn->domains->quotas, false, &control->answer);
		return 0;
	}
	if (argument_is(control, 0, "set"))
		return set_quota(control, false);
	if (argument_is(control, 0, "max"))
		return show_most(control);
	return show_domain(control);
}

static int control_quota_soft(struct control *control)
{
	if (!control->n_arguments) {
		quotas_format(&control->turn->domains->quotas, true, &control->answer);
		return 0;
	}
	return argument_is(control, 0, "set") ? set_quota(control, true) : STATUS_EINVAL;
}

/* Open transactions, of one domain or of all, oldest first: whose, since which generation, how they read. */
static int control_txn(struct control *control)
{
	const struct transaction *transaction;
	uint32_t domid = UINT32_MAX;

	if (control->n_arguments > 1 || (control->n_arguments && !parse_number(control->arguments[0], UINT16_MAX, &domid)))
		return STATUS_EINVAL;
	DL_FOREACH2 (control->turn->store->transactions, transaction, next) {
		if (control->n_arguments && transaction->caller.domid != domid)
			continue;
		buffer_printf(&control->answer, "domain %u transaction %u start %" PRIu64 " %s%s\n", transaction->caller.domid,
			      transaction->id, transaction->start_generation, transaction->snapshot ? "snapshot" : "validated",
			      transaction->doomed ? " doomed" : "");
	}
	return 0;
}

static int add_watch(void *context, const struct watch *watch)
{
	struct buffer *answer = context;

	buffer_printf(answer, "%" PRIu64 ": %s %s\n", watch->owner->order, watch->path, watch->token);
	return answer->len > MESSAGE_PAYLOAD_MAX ? STATUS_E2BIG : 0;
}

static int control_watches(struct control *control)
{
	if (control->n_arguments)
		return STATUS_EINVAL;
	return watch_each(control->turn->watches, add_watch, &control->answer);
}

static const struct control_command *command_table(size_t *n)
{
	static const struct control_command commands[] = {
	    {"check", control_check, ""},
	    {"help", control_help, ""},
	    {"live-update", control_live_update, "[-c <cmdline>] [-F] [-t <timeout>] <file>"},
	    {"log", control_log, "[on|off|+<switch>|-<switch>]"},
	    {"logfile", control_logfile, "<file>"},
	    {"memreport", control_memreport, "[<file>]"},
	    {"print", control_print, "<string>"},
	    {"quota", control_quota, "[set <name> <val>|<domid>|max [-r]]"},
	    {"quota-soft", control_quota_soft, "[set <name> <val>]"},
	    {"txn", control_txn, "[<domid>]"},
	    {"watches", control_watches, ""},
	};

	*n = sizeof(commands) / sizeof(commands[0]);
	return commands;
}

int operation_control(struct request *request, struct reply *reply)
{
	struct control control = {.turn = request->turn, .client = request->client};
	size_t len, n;
	const struct control_command *commands = command_table(&n);
	const char *name = reader_string(&request->arguments, &len);

	while (name && reader_left(&request->arguments) && control.n_arguments < ARGUMENTS_MAX) {
		const char *argument = reader_string(&request->arguments, &len);
		if (!argument)
			return STATUS_EINVAL;
		control.arguments[control.n_arguments++] = argument;
	}
	if (!name || request_end(request))
		return STATUS_EINVAL;
	size_t i = 0;
	while (i < n && strcmp(commands[i].name, name))
		i++;
	if (i == n)
		return STATUS_EINVAL;

	int result = commands[i].run(&control);
	if (!result && (control.answer.len || control.answer.failed)) {
		buffer_add_nul(&control.answer);
		char *copy =
		    control.answer.failed ? NULL : arena_copy(&request->turn->arena, control.answer.bytes, control.answer.len);
		if (copy)
			reply_set(reply, copy, control.answer.len);
		else
			result = STATUS_ENOMEM;
	}
	reply->waits = control.waits;
	buffer_deinit(&control.answer);
	return result;
}
