/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of lxenstore-dump. Whatever is wrong with it is said here. */
#include "dump_options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store_name.h"

void dump_complain(const char *format, ...)
{
	va_list arguments;

	fputs("lxenstore-dump: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputs("\n", stderr);
}

enum {
	OPTION_STORE = 256,
	OPTION_FORMAT,
	OPTION_PERMS,
	OPTION_GENERATIONS,
	OPTION_STREAM_VERSION,
	OPTION_DOMAINS,
	OPTION_WATCHES,
	OPTION_OWNERS,
	OPTION_OWED,
	OPTION_CHECK,
	OPTION_HELP,
	OPTION_VERSION
};

void dump_print_help(void)
{
	printf("Usage: lxenstore-dump [OPTION]... [PATH]\n"
	       "Show a store of lxenstored, while its daemon runs or after it died. The store is never changed.\n\n"
	       "  --store FILE      the store (default: store.mdb in $XENSTORED_RUNDIR, else in /run/xenstored)\n"
	       "  --format FORMAT   ls: as xenstore-ls -f (default); json: one document with everything; stat: figures;\n"
	       "                    state: Xen's migration stream\n"
	       "  --perms           ls: permissions too, as xenstore-ls -fp\n"
	       "  --generations     ls: generations of creation, value, permissions and children too\n"
	       "  --stream-version N  state: version 1 of the stream, or 2 (default)\n"
	       "  --domains         domains in place of nodes: who they are, their quotas, how much they have\n"
	       "  --watches         watches in place of nodes: whose, path, token, depth\n"
	       "  --owners          who owns what in place of nodes: the topmost nodes of each domain\n"
	       "  --owed            what the ledger holds in place of nodes: requests not answered, output not taken\n"
	       "  --check           show nothing, but check every record of the store\n"
	       "  --help            show this and end\n"
	       "  --version         show the version and end\n\n"
	       "PATH: what is at and below it. Without: all. Exit status: 0 done, 1 the store is damaged, 2 wrong usage, 3 it "
	       "cannot be shown.\n");
}

static int set_format(const char *name, dump_format **out)
{
	static const struct {
		const char *name;
		dump_format *function;
	} formats[] = {{"ls", format_ls}, {"json", format_json}, {"stat", format_stat}, {"state", format_state}};

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (!strcmp(name, formats[i].name)) {
			*out = formats[i].function;
			return 0;
		}
	}
	dump_complain("--format: \"%s\" is none of ls, json, stat, state", name);
	return STATUS_USAGE;
}

static int set_stream_version(const char *text, uint32_t *out)
{
	if (strcmp(text, "1") && strcmp(text, "2")) {
		dump_complain("--stream-version: \"%s\" is none of 1, 2", text);
		return STATUS_USAGE;
	}
	*out = (uint32_t)(*text - '0');
	return 0;
}

/* `given` may be NULL. */
static int set_store(const char *given, struct dump_options *out)
{
	if (store_name(given, out->store))
		return 0;
	dump_complain("--store: \"%.40s\" is no file's name", out->store);
	return STATUS_USAGE;
}

static int set_option(int code, struct dump_options *out)
{
	switch (code) {
	case OPTION_STORE:
		return set_store(optarg, out);
	case OPTION_FORMAT:
		return set_format(optarg, &out->format);
	case OPTION_PERMS:
		out->permissions = true;
		return 0;
	case OPTION_GENERATIONS:
		out->generations = true;
		return 0;
	case OPTION_STREAM_VERSION:
		return set_stream_version(optarg, &out->stream_version);
	case OPTION_DOMAINS:
		out->shown |= SHOW_DOMAINS;
		return 0;
	case OPTION_WATCHES:
		out->shown |= SHOW_WATCHES;
		return 0;
	case OPTION_OWNERS:
		out->shown |= SHOW_OWNERS;
		return 0;
	case OPTION_OWED:
		out->shown |= SHOW_OWED;
		return 0;
	case OPTION_CHECK:
		out->check = true;
		return 0;
	case OPTION_HELP:
		out->help = true;
		return 0;
	case OPTION_VERSION:
		out->version = true;
		return 0;
	default:
		return STATUS_USAGE;
	}
}

static int set_path(int n, char **words, struct dump_options *out)
{
	out->given = n ? words[0] : "/";
	if (n > 1) {
		dump_complain("\"%s\": only one path can be shown", words[1]);
		return STATUS_USAGE;
	}
	if (path_canonicalize(out->given, strlen(out->given), DOMID_PRIVILEGED, true, 0, out->path_buffer, &out->path)) {
		dump_complain("\"%s\" is no path of XenStore", out->given);
		return STATUS_USAGE;
	}
	return 0;
}

/* What is shown if nothing is said of it: all that the format can show, and of domains only together with the whole. */
static unsigned all_of(const struct dump_options *options)
{
	unsigned domains = path_is_root(&options->path) ? SHOW_DOMAINS : 0;

	if (options->format == format_ls)
		return SHOW_NODES;
	return SHOW_NODES | SHOW_WATCHES | domains | (options->format == format_stat ? SHOW_FILE : 0);
}

/* Whether the options go together; fills in what was left open. */
static int complete(bool has_path, struct dump_options *out)
{
	if (out->check && (has_path || out->format || out->shown)) {
		dump_complain("--check takes no path and nothing to show: it checks the whole store");
		return STATUS_USAGE;
	}
	if (has_path && out->shown & SHOW_DOMAINS) {
		dump_complain("--domains takes no path: domains are not at one");
		return STATUS_USAGE;
	}
	if (has_path && out->shown & SHOW_OWED) {
		dump_complain("--owed takes no path: connections are not at one");
		return STATUS_USAGE;
	}
	if (out->format == format_state && (has_path || out->shown)) {
		dump_complain("--format state is always of the whole store");
		return STATUS_USAGE;
	}
	if (out->stream_version && out->format != format_state) {
		dump_complain("--stream-version goes with --format state");
		return STATUS_USAGE;
	}
	if (!out->format)
		out->format = format_ls;
	if (!out->shown)
		out->shown = all_of(out);
	if (out->format == format_ls && out->shown & SHOW_NODES && path_is_special(&out->path)) {
		dump_complain("%s has nothing below it; --format json shows the node itself", out->given);
		return STATUS_USAGE;
	}
	return 0;
}

int dump_parse_options(int argc, char **argv, struct dump_options *out)
{
	static const struct option longs[] = {
	    {"store", required_argument, NULL, OPTION_STORE},
	    {"format", required_argument, NULL, OPTION_FORMAT},
	    {"perms", no_argument, NULL, OPTION_PERMS},
	    {"generations", no_argument, NULL, OPTION_GENERATIONS},
	    {"domains", no_argument, NULL, OPTION_DOMAINS},
	    {"watches", no_argument, NULL, OPTION_WATCHES},
	    {"owners", no_argument, NULL, OPTION_OWNERS},
	    {"owed", no_argument, NULL, OPTION_OWED},
	    {"check", no_argument, NULL, OPTION_CHECK},
	    {"help", no_argument, NULL, OPTION_HELP},
	    {"version", no_argument, NULL, OPTION_VERSION},
	    {"stream-version", required_argument, NULL, OPTION_STREAM_VERSION},
	    {0},
	};
	int code, result = 0;

	*out = (struct dump_options){0};
	while (!result && (code = getopt_long(argc, argv, "", longs, NULL)) != -1)
		result = set_option(code, out);
	if (!result && !*out->store)
		result = set_store(NULL, out);
	if (!result)
		result = set_path(argc - optind, argv + optind, out);
	if (!result)
		result = complete(argc > optind, out);
	return result;
}
