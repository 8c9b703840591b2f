/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * C xenstored has the name of its state file among its strings, oxenstored the first line of its dump. A C xenstored that can be
 * told which version of the stream to write reads both, and one that knows GET_FEATURE serves what the ring page of its time has.
 */
#include "handover/stock.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <utlist.h>

#include "lxenstored/handover_format.h"
#include "lxenstored/ledger_format.h"
#include "request/turn.h"
#include "store/transaction.h"
#include "wire/ring_page.h"

static const char mark_of_xenstored[] = "/state_dump";
static const char mark_of_version_2[] = "Migration stream version not supported";
static const char mark_of_features[] = "GET_FEATURE";
static const char mark_of_oxenstored[] = "$xenstored-dump-format";
static const char mark_of_own[] = HANDOVER_VARIABLE; /* which reads both, so it has their marks too */

static bool has(const void *bytes, size_t len, const char *text)
{
	return memmem(bytes, len, text, strlen(text));
}

static enum stock_kind judge(const void *bytes, size_t len, struct stock *out)
{
	if (has(bytes, len, mark_of_own))
		return STOCK_NONE;
	if (has(bytes, len, mark_of_oxenstored))
		*out = (struct stock){STOCK_OXENSTORED, 0, RING_FEATURE_RECONNECTION};
	else if (has(bytes, len, mark_of_xenstored) && has(bytes, len, "live-update"))
		*out = (struct stock){
		    .kind = STOCK_XENSTORED,
		    .version = has(bytes, len, mark_of_version_2) ? 2 : 1,
		    .features = has(bytes, len, mark_of_features)
				    ? RING_FEATURE_ERROR | RING_FEATURE_WATCH_DEPTH | RING_FEATURE_DOMID_ANY
				    : 0,
		};
	return out->kind;
}

enum stock_kind stock_recognise(int fd, struct stock *out)
{
	struct stat status;

	*out = (struct stock){0};
	if (fd < 0 || fstat(fd, &status) || status.st_size <= 0)
		return STOCK_NONE;
	size_t len = (size_t)status.st_size;
	void *bytes = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return STOCK_NONE;
	judge(bytes, len, out);
	munmap(bytes, len);
	return out->kind;
}

const char *stock_state_name(const struct stock *stock)
{
	return stock->kind == STOCK_OXENSTORED ? "db" : "state_dump";
}

/* ---- its command line ---- */

struct word_list {
	char **words;
	char *to, *end;
	size_t n, capacity;
};

static void add_word(struct word_list *list, const char *word, size_t len)
{
	if (list->n + 1 >= list->capacity || len >= (size_t)(list->end - list->to))
		return; /* cannot be: the room is for all that there is */
	list->words[list->n++] = memcpy(list->to, word, len);
	list->to[len] = 0;
	list->to += len + 1;
	list->words[list->n] = NULL;
}

static void add_string(struct word_list *list, const char *word)
{
	add_word(list, word, strlen(word));
}

/* Those of oxenstored 4.17 that C xenstored has not; --pid-file has another letter there. */
enum { OPTION_OF_OXENSTORED = 256 };

/* Options of C xenstored 4.17, which all later ones of the same name have kept. */
static const char letters_of_xenstored[] = "DE:F:HI::KNPS:t:A:M:Q:q:T:RVW:w:U";
static const struct option names_of_xenstored[] = {
    {"no-domain-init", no_argument, NULL, 'D'},
    {"entry-nb", required_argument, NULL, 'E'},
    {"pid-file", required_argument, NULL, 'F'},
    {"internal-db", optional_argument, NULL, 'I'},
    {"keep-orphans", no_argument, NULL, 'K'},
    {"no-fork", no_argument, NULL, 'N'},
    {"output-pid", no_argument, NULL, 'P'},
    {"entry-size", required_argument, NULL, 'S'},
    {"transaction", required_argument, NULL, 't'},
    {"perm-nb", required_argument, NULL, 'A'},
    {"path-max", required_argument, NULL, 'M'},
    {"quota", required_argument, NULL, 'Q'},
    {"quota-soft", required_argument, NULL, 'q'},
    {"trace-file", required_argument, NULL, 'T'},
    {"no-recovery", no_argument, NULL, 'R'},
    {"verbose", no_argument, NULL, 'V'},
    {"watch-nb", required_argument, NULL, 'W'},
    {"timeout", required_argument, NULL, 'w'},
    {"live-update", no_argument, NULL, 'U'},
    {"config-file", required_argument, NULL, OPTION_OF_OXENSTORED},
    {"disable-socket", no_argument, NULL, OPTION_OF_OXENSTORED},
    {"no-access-log", no_argument, NULL, OPTION_OF_OXENSTORED},
    {"reraise-top-level", no_argument, NULL, OPTION_OF_OXENSTORED},
    {0},
};

/* Of this daemon's words those that the other one knows, each as it was given. */
static void add_known(struct word_list *list, const struct stock *stock, char *const arguments[])
{
	int n = 0, code;

	while (arguments[n])
		n++;
	char **copy = malloc(((size_t)n + 1) * sizeof(*copy));
	if (!copy)
		return;
	memcpy(copy, arguments, ((size_t)n + 1) * sizeof(*copy));
	optind = 0;
	opterr = 0;
	for (;;) {
		int before = optind ? optind : 1;
		code = getopt_long(n, copy, letters_of_xenstored, names_of_xenstored, NULL);
		if (code == -1)
			break;
		bool is_text = stock->kind == STOCK_OXENSTORED;
		if (code == '?' || code == 'U' || code == 'H' || (code == OPTION_OF_OXENSTORED && !is_text) ||
		    (is_text && code != OPTION_OF_OXENSTORED && code != 'F' && code != 'D'))
			continue;
		if (is_text && code == 'F') {
			add_string(list, "--pid-file");
			add_string(list, optarg);
			continue;
		}
		for (int i = before; i < optind; i++)
			add_string(list, copy[i]);
	}
	opterr = 1;
	free(copy);
}

static void add_blanks(struct word_list *list, const char *text)
{
	for (const char *at = text; *(at += strspn(at, " \t"));) {
		size_t len = strcspn(at, " \t");
		add_word(list, at, len);
		at += len;
	}
}

static char **make_words(const struct stock *stock, const char *program, char *const arguments[], const char *text, bool is_trial)
{
	size_t bytes = strlen(program) + 64 + (text ? strlen(text) + 1 : 0), n = 10 + (text ? strlen(text) : 0);

	for (size_t i = 0; arguments[i]; i++, n += 2)
		bytes += strlen(arguments[i]) + 16;
	struct word_list list = {.words = malloc(n * sizeof(char *) + bytes), .capacity = n};
	if (!list.words)
		return NULL;
	list.to = (char *)(list.words + n);
	list.end = list.to + bytes;
	add_string(&list, program);
	if (stock->kind == STOCK_OXENSTORED && !is_trial) {
		add_string(&list, "--live");
		add_string(&list, "--restart");
	}
	if (stock->kind == STOCK_OXENSTORED)
		add_string(&list, "--no-fork");
	if (text)
		add_blanks(&list, text);
	else
		add_known(&list, stock, arguments);
	if (is_trial)
		add_string(&list, "--help");
	else if (stock->kind == STOCK_XENSTORED)
		add_string(&list, "-U");
	return list.words;
}

char **stock_words(const struct stock *stock, const char *program, char *const arguments[], const char *text)
{
	return make_words(stock, program, arguments, text, false);
}

char **stock_words_of_trial(const struct stock *stock, const char *program, char *const arguments[], const char *text)
{
	return make_words(stock, program, arguments, text, true);
}

/* ---- what it cannot hold ---- */

static void add_transactions(struct turn *turn, struct buffer *out)
{
	const struct transaction *transaction;

	DL_FOREACH2 (turn->store->transactions, transaction, next)
		buffer_printf(out, "Domain %u: transaction %u is open\n", transaction->caller.domid, transaction->id);
}

/* oxenstored maps the page by its frame, which the toolstack writes into the tree. */
static bool has_frame(struct turn *turn, uint16_t domid)
{
	char domain[PATH_DOMAIN_BUFFER], text[PATH_DOMAIN_BUFFER + 32];
	struct node node;

	path_of_domain(domid, domain);
	int len = snprintf(text, sizeof(text), "%s/store/ring-ref", domain);
	return !node_look(turn->store, &(struct path){text, (size_t)len}, &node);
}

static void add_domains(const struct stock *stock, struct turn *turn, struct buffer *out)
{
	const struct domain *domain;

	DL_FOREACH (turn->domains->all, domain) {
		uint16_t domid = domain->caller.domid;
		if (!domain->introduced)
			continue;
		if (domain->features & ~stock->features)
			buffer_printf(out, "Domain %u: its ring was shown the features 0x%x\n", domid,
				      domain->features & ~stock->features);
		if (stock->kind != STOCK_OXENSTORED)
			continue;
		if (domain->caller.target != DOMID_NONE)
			buffer_printf(out, "Domain %u: it acts for domain %u\n", domid, domain->caller.target);
		if (domid != turn->domains->own && !has_frame(turn, domid))
			buffer_printf(out, "Domain %u: the frame of its ring is not known from store/ring-ref\n", domid);
	}
}

static int add_depth(void *context, const struct watch *watch)
{
	struct buffer *out = context;

	if (watch->depth >= 0)
		buffer_printf(out, "Watch on %.*s: it has a depth\n", (int)watch->path_len, watch->path);
	return 0;
}

void stock_obstacles(const struct stock *stock, struct turn *turn, struct buffer *out)
{
	add_transactions(turn, out);
	add_domains(stock, turn, out);
	if (stock->version < 2)
		watch_each(turn->watches, add_depth, out);
}

void stock_late_obstacles(const struct stock *stock, struct turn *turn, struct buffer *out)
{
	struct ledger_found found;
	uint32_t index = 0;
	bool has_input, has_output;

	while (stock->kind == STOCK_OXENSTORED && ledger_find(turn->ledger, &index, &found)) {
		if (found.state != LEDGER_CONNECTED || found.connection_id == turn->update.client_id)
			continue;
		ledger_look(turn->ledger, &found, &has_input, &has_output);
		if (has_input || has_output)
			buffer_printf(out, "%s %llu: %s\n", found.connection_id <= UINT16_MAX ? "Domain" : "Connection",
				      (unsigned long long)found.connection_id,
				      has_input ? "a request is on its way" : "a reply or an event waits for it");
	}
}
