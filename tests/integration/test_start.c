/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon as a process: how it starts and fails to, in the foreground and in the background, what it says, and the files it
 * leaves and removes. A daemon in the background is nobody's child; the test program takes in such orphans, so that the
 * teardown can end what a failed test has left.
 */
#include "support/expect.h"
#include "support/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct daemon served; /* only its names are used where `run` starts the process */
static char pid_file[128];
static pid_t *background; /* 0: none; shared by the tests' processes */

static void end_background(void)
{
	if (!*background)
		return;
	kill(*background, SIGKILL);
	waitpid(*background, NULL, 0);
	*background = 0;
}

static void set_names(void)
{
	long pid = (long)getpid();

	end_background(); /* of a test that failed */
	snprintf(served.socket, sizeof(served.socket), "%.50s/socket-%ld", served.directory, pid);
	snprintf(served.store, sizeof(served.store), "%.50s/store-%ld.mdb", served.directory, pid);
	snprintf(served.log, sizeof(served.log), "%.50s/log-%ld", served.directory, pid);
	snprintf(pid_file, sizeof(pid_file), "%.50s/pid-%ld", served.directory, pid);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static void end_daemon(void)
{
	if (served.pid)
		daemon_stop(&served, SIGTERM, NULL);
	end_background();
}

/* ---- running it ---- */

/* Runs `lxenstored` with the words until it, or its first process, ends. What it said is appended to served.log. */
static int run(const char *directory, const char *const words[])
{
	const char *program = getenv("LXENSTORED");
	const char *arguments[40] = {program};
	int status;

	for (size_t i = 0; words[i]; i++)
		arguments[i + 1] = words[i];
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		int log = open(served.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (!getenv("XENSTORED_RUNDIR"))
			setenv("XENSTORED_RUNDIR", served.directory, 1);
		if (!getenv("XENSTORED_PATH"))
			setenv("XENSTORED_PATH", served.socket, 1);
		if (program && log >= 0 && dup2(log, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0 && !chdir(directory))
			execv(program, (char **)(uintptr_t)arguments);
		_exit(127);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "ended by a signal: %x", (unsigned)status);
	return WEXITSTATUS(status);
}

#define RUN(...) run("/", (const char *const[]){__VA_ARGS__, NULL})

static void expect_said(const char *words)
{
	char *messages = daemon_messages(&served);

	ck_assert_ptr_nonnull(messages);
	ck_assert_msg(strstr(messages, words) != NULL, "\"%s\" is missing in: %s", words, messages);
	free(messages);
}

static long number_in(const char *path)
{
	FILE *file = fopen(path, "re");
	long number = 0;

	ck_assert_msg(file != NULL, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(fscanf(file, "%ld", &number), 1);
	ck_assert_int_eq(fgetc(file), '\n');
	fclose(file);
	return number;
}

static bool exists(const char *path)
{
	return !access(path, F_OK);
}

/* Starts one in the background; it serves when this returns. */
static void start_in_background(const char *const words[], const char *directory)
{
	int status = run(directory, words);
	char *messages = daemon_messages(&served);

	ck_assert_msg(!status, "status %d: %s", status, messages);
	free(messages);
	*background = (pid_t)number_in(pid_file);
	ck_assert_int_eq(kill(*background, 0), 0);
}

static void stop_background(int *status)
{
	ck_assert_int_eq(kill(*background, SIGTERM), 0);
	ck_assert_int_eq(waitpid(*background, status, 0), *background);
	*background = 0;
}

/* A daemon takes connections before it is ready, but answers once it is. */
static void start_in_foreground(const char *const arguments[])
{
	expect_restart(&served, arguments);
	struct client *client = expect_client(&served);
	expect_read(client, 0, "/tool", "");
	client_close(client);
}

/* Asks until the file is there: for what the daemon does in its own time. */
static void await_file(struct client *client, const char *path)
{
	for (int i = 0; !exists(path); i++) {
		ck_assert_msg(i < 1000000, "%s does not appear", path);
		expect_read(client, 0, "/tool", "");
	}
}

/* ---- in the foreground ---- */

START_TEST(the_pid_file_is_written_and_removed_at_the_end)
{
	char usual[128];

	snprintf(usual, sizeof(usual), "%s/xenstored.pid", served.directory);
	start_in_foreground(NULL);
	ck_assert_int_eq(number_in(usual), served.pid);
	daemon_stop(&served, SIGTERM, NULL);
	ck_assert(!exists(usual));
	const char *const arguments[] = {"-F", pid_file, NULL};
	start_in_foreground(arguments);
	ck_assert_int_eq(number_in(pid_file), served.pid);
	ck_assert(!exists(usual));
	daemon_stop(&served, SIGINT, NULL);
	ck_assert(!exists(pid_file));
}
END_TEST

START_TEST(a_pid_file_left_by_a_killed_daemon_is_written_anew)
{
	const char *const arguments[] = {"--pid-file", pid_file, NULL};

	start_in_foreground(arguments);
	daemon_stop(&served, SIGKILL, NULL);
	ck_assert(exists(pid_file));
	start_in_foreground(arguments);
	ck_assert_int_eq(number_in(pid_file), served.pid);
}
END_TEST

START_TEST(the_socket_is_for_its_owner_and_is_removed_at_the_end)
{
	struct stat file;

	start_in_foreground(NULL);
	ck_assert_int_eq(stat(served.socket, &file), 0);
	ck_assert(S_ISSOCK(file.st_mode));
	ck_assert_int_eq(file.st_mode & 0777, 0600);
	daemon_stop(&served, SIGTERM, NULL);
	ck_assert(!exists(served.socket));
}
END_TEST

START_TEST(a_socket_left_by_a_killed_daemon_is_replaced)
{
	start_in_foreground(NULL);
	daemon_stop(&served, SIGKILL, NULL);
	ck_assert(exists(served.socket));
	start_in_foreground(NULL);
}
END_TEST

START_TEST(in_the_foreground_messages_go_to_standard_error)
{
	start_in_foreground(NULL);
	struct client *client = expect_client(&served);
	expect_ok(client, MESSAGE_CONTROL, 0, ARGUMENTS("print", "said by the test"));
	expect_said("said by the test");
	client_close(client);
}
END_TEST

START_TEST(the_process_id_is_printed_where_that_is_asked_for)
{
	const char *const words[] = {"-P", "--no-xen", "--no-keeper", "-F", pid_file, "--store", served.store, NULL};
	char line[32];

	start_in_background(words, "/");
	snprintf(line, sizeof(line), "%ld\n", (long)*background);
	char *said = daemon_messages(&served);
	ck_assert_str_eq(said, line);
	free(said);
	stop_background(NULL);
}
END_TEST

/* ---- in the background ---- */

START_TEST(the_background_start_ends_with_success_once_the_daemon_serves)
{
	const char *const words[] = {"--no-xen", "--no-keeper", "-F", pid_file, "--store", served.store, NULL};
	int status;

	for (int i = 0; i < 5; i++) {
		start_in_background(words, "/");
		struct client *client = expect_client(&served);
		expect_read(client, 0, "/tool", "");
		expect_sound(client);
		client_close(client);
		ck_assert_int_eq(getsid(*background), *background);
		stop_background(&status);
		ck_assert(WIFEXITED(status) && !WEXITSTATUS(status));
		ck_assert(!exists(pid_file) && !exists(served.socket));
	}
}
END_TEST

START_TEST(in_the_background_no_descriptor_of_the_starter_is_kept)
{
	const char *const words[] = {"--no-xen", "--no-keeper", "-F", pid_file, "--store", served.store, NULL};

	start_in_background(words, "/");
	for (int fd = 0; fd <= 2; fd++) {
		char link[64], target[64] = "";
		snprintf(link, sizeof(link), "/proc/%ld/fd/%d", (long)*background, fd);
		ck_assert_int_gt(readlink(link, target, sizeof(target) - 1), 0);
		ck_assert_str_eq(target, "/dev/null");
	}
	stop_background(NULL);
}
END_TEST

/* The daemon leaves the directory it was started in; the files it was given relative to that stay where they are. */
START_TEST(files_with_relative_names_are_those_of_the_directory_of_the_start)
{
	char pid[48], store[48], trace[48], trace_path[128], moved[140];
	long number = (long)getpid();

	snprintf(pid, sizeof(pid), "pid-%ld", number);
	snprintf(store, sizeof(store), "store-%ld.mdb", number);
	snprintf(trace, sizeof(trace), "trace-%ld", number);
	snprintf(trace_path, sizeof(trace_path), "%.60s/%s", served.directory, trace);
	snprintf(moved, sizeof(moved), "%s.old", trace_path);
	const char *const words[] = {"--no-xen", "--no-keeper", "-F", pid, "--store", store, "-T", trace, NULL};
	start_in_background(words, served.directory);
	ck_assert(exists(served.store) && exists(trace_path));
	ck_assert_int_eq(rename(trace_path, moved), 0);
	struct client *client = expect_client(&served);
	ck_assert_int_eq(kill(*background, SIGHUP), 0);
	await_file(client, trace_path);
	client_close(client);
	stop_background(NULL);
	ck_assert(!exists(pid_file));
}
END_TEST

START_TEST(a_background_start_that_fails_says_why_and_ends_with_failure)
{
	ck_assert_int_ne(RUN("--no-xen", "--no-keeper", "-F", pid_file, "--store", "/nonexistent-directory/store"), 0);
	expect_said("/nonexistent-directory/store");
	ck_assert(!exists(pid_file) && !exists(served.socket));
	ck_assert_int_ne(RUN("--no-xen", "--no-keeper", "-F", "/nonexistent-directory/pid", "--store", served.store), 0);
	expect_said("/nonexistent-directory/pid");
	ck_assert(!exists(served.socket));
	ck_assert_int_ne(
	    RUN("--no-xen", "--no-keeper", "-F", pid_file, "--store", served.store, "-T", "/nonexistent-directory/trace"), 0);
	expect_said("/nonexistent-directory/trace");
	ck_assert_int_ne(RUN("--no-xen", "--no-keeper", "-F", pid_file, "--store", served.store, "--trace-control", "+nothing"),
			 0);
	expect_said("+nothing");
}
END_TEST

START_TEST(a_second_background_start_on_the_same_store_fails_and_the_first_serves_on)
{
	const char *const words[] = {"--no-xen", "--no-keeper", "-F", pid_file, "--store", served.store, NULL};
	char other[sizeof(pid_file) + 8];

	start_in_background(words, "/");
	pid_t first = *background;
	snprintf(other, sizeof(other), "%s.other", pid_file);
	ck_assert_int_ne(RUN("--no-xen", "--no-keeper", "-F", other, "--store", served.store), 0);
	expect_said("another lxenstored is running on it");
	ck_assert(!exists(other));
	ck_assert_int_eq(number_in(pid_file), first);
	struct client *client = expect_client(&served);
	expect_read(client, 0, "/tool", "");
	client_close(client);
	stop_background(NULL);
}
END_TEST

START_TEST(a_second_start_with_the_same_pid_file_has_nothing_to_do)
{
	const char *const words[] = {"--no-xen", "--no-keeper", "-F", pid_file, "--store", served.store, NULL};

	start_in_background(words, "/");
	pid_t first = *background;
	ck_assert_int_eq(run("/", words), 0);
	expect_said("runs already");
	ck_assert_int_eq(number_in(pid_file), first);
	struct client *client = expect_client(&served);
	expect_read(client, 0, "/tool", "");
	client_close(client);
	stop_background(NULL);
}
END_TEST

START_TEST(without_xen_the_message_names_the_option_for_that)
{
	if (exists("/dev/xen/evtchn") || exists("/proc/xen"))
		return; /* here is Xen */
	ck_assert_int_ne(RUN("--no-keeper", "-F", pid_file, "--store", served.store), 0);
	expect_said("--no-xen");
	unlink(served.log);
	ck_assert_int_ne(RUN("-N", "--no-keeper", "-F", pid_file, "--store", served.store), 0);
	expect_said("--no-xen");
	ck_assert(!exists(pid_file) && !exists(served.socket) && !exists(served.store));
}
END_TEST

/* ---- places ---- */

START_TEST(the_run_directory_is_made_and_holds_everything_by_default)
{
	static const char *const names[] = {"socket", "store.mdb", "xenstored.pid"};
	char directory[100], path[140];

	snprintf(directory, sizeof(directory), "%s/run-%ld", served.directory, (long)getpid());
	setenv("XENSTORED_RUNDIR", directory, 1);
	snprintf(path, sizeof(path), "%s/socket", directory);
	setenv("XENSTORED_PATH", "", 1); /* as if not set */
	snprintf(served.socket, sizeof(served.socket), "%.78s", path);
	snprintf(pid_file, sizeof(pid_file), "%s/xenstored.pid", directory);
	const char *const words[] = {"--no-xen", "--no-keeper", NULL};
	start_in_background(words, "/");
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		ck_assert_msg(exists(path), "%s is missing", path);
	}
	struct client *client = expect_client(&served);
	expect_read(client, 0, "/tool", "");
	client_close(client);
	stop_background(NULL);
}
END_TEST

START_TEST(a_run_directory_that_cannot_be_made_is_named_in_the_message)
{
	setenv("XENSTORED_RUNDIR", "/nonexistent-directory/run", 1);
	ck_assert_int_ne(RUN("-N", "--no-xen", "--no-keeper"), 0);
	expect_said("/nonexistent-directory/run");
}
END_TEST

START_TEST(a_path_too_long_for_a_socket_is_named_in_the_message)
{
	char path[200];

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = 0;
	setenv("XENSTORED_PATH", path, 1);
	ck_assert_int_ne(RUN("-N", "--no-xen", "--no-keeper", "--store", served.store, "-F", pid_file), 0);
	expect_said("too long");
	ck_assert(!exists(pid_file));
}
END_TEST

/* ---- options ---- */

/* What C xenstored of Xen 4.17 or of today has and lxenstored has no use for. */
START_TEST(options_without_a_meaning_are_accepted_and_logged)
{
	static const char *const names[] = {"no-domain-init", "internal-db", "keep-orphans", "no-recovery", "verbose", "event"};
	const char *const arguments[] = {"-D", "-I", "-K", "-R", "-V", "-e", "5", NULL};

	start_in_foreground(arguments);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char words[64];
		snprintf(words, sizeof(words), "--%s is accepted", names[i]);
		expect_said(words);
	}
}
END_TEST

START_TEST(quotas_of_the_command_line_are_in_force)
{
	static const char *const lines[] = {"nodes            :       11 ", "node-size        :       12 ",
					    "watches          :       13 ", "transactions     :       14 ",
					    "node-permissions :       15 ", "path-max         :       16 ",
					    "outstanding      :       17 ", "transaction-nodes:       18 "};
	const char *const arguments[] = {"-E",	    "11",
					 "-S",	    "12",
					 "-W",	    "13",
					 "-t",	    "14",
					 "-A",	    "15",
					 "-M",	    "16",
					 "-Q",	    "outstanding=17",
					 "--quota", "transaction-nodes=18",
					 "-q",	    "memory=19",
					 NULL};

	start_in_foreground(arguments);
	struct client *client = expect_client(&served);
	struct client_message answer = expect_any(client, MESSAGE_CONTROL, 0, ARGUMENTS("quota"));
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		ck_assert_msg(strstr(answer.payload, lines[i]) != NULL, "\"%s\" is missing in %s", lines[i], answer.payload);
	answer = expect_any(client, MESSAGE_CONTROL, 0, ARGUMENTS("quota-soft"));
	ck_assert(strstr(answer.payload, "memory           :       19 ") != NULL);
	client_close(client);
}
END_TEST

START_TEST(wrong_options_end_the_start_with_a_message)
{
	ck_assert_int_eq(RUN("--nothing"), 2);
	expect_said("nothing");
	ck_assert_int_eq(RUN("--store-mode", "odd"), 2);
	expect_said("--store-mode: \"odd\"");
	ck_assert_int_eq(RUN("--store-size", "1"), 2);
	expect_said("--store-size: \"1\"");
	ck_assert_int_eq(RUN("-E", "many"), 2);
	expect_said("--entry-nb: \"many\"");
	ck_assert_int_eq(RUN("word"), 2);
	expect_said("\"word\"");
}
END_TEST

START_TEST(help_and_version_are_shown_without_a_start)
{
	ck_assert_int_eq(RUN("--help"), 0);
	expect_said("Usage: ");
	expect_said("--store FILE");
	expect_said("-F, --pid-file FILE");
	ck_assert_int_eq(RUN("--version"), 0);
	expect_said("lxenstored ");
	ck_assert(!exists(served.socket) && !exists(served.store));
}
END_TEST

/* ---- the trace ---- */

static char *trace_path(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/trace-%ld", served.directory, (long)getpid());
	return path;
}

static bool file_has(const char *path, const char *words)
{
	char *line = NULL;
	size_t size = 0;
	bool found = false;
	FILE *file = fopen(path, "re");

	while (file && !found && getline(&line, &size, file) >= 0)
		found = strstr(line, words) != NULL;
	free(line);
	if (file)
		fclose(file);
	return found;
}

START_TEST(sighup_opens_the_trace_file_again)
{
	const char *const arguments[] = {"-T", trace_path(), NULL};
	char moved[140];

	snprintf(moved, sizeof(moved), "%s.old", trace_path());
	start_in_foreground(arguments);
	struct client *client = expect_client(&served);
	expect_write(client, 0, "/before", "");
	ck_assert_int_eq(rename(trace_path(), moved), 0);
	expect_write(client, 0, "/moved", "");
	ck_assert_int_eq(kill(served.pid, SIGHUP), 0);
	await_file(client, trace_path());
	expect_write(client, 0, "/after", "");
	ck_assert(file_has(moved, "/before") && file_has(moved, "/moved") && !file_has(moved, "/after"));
	ck_assert(file_has(trace_path(), "/after") && !file_has(trace_path(), "/before"));
	client_close(client);
}
END_TEST

START_TEST(sighup_without_a_trace_does_nothing)
{
	start_in_foreground(NULL);
	struct client *client = expect_client(&served);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(kill(served.pid, SIGHUP), 0);
		expect_read(client, 0, "/tool", "");
	}
	client_close(client);
}
END_TEST

START_TEST(trace_control_chooses_what_is_traced)
{
	const char *const arguments[] = {"--trace-file", trace_path(), "--trace-control=-io,+wrl", NULL};

	start_in_foreground(arguments);
	struct client *client = expect_client(&served);
	expect_write(client, 0, "/silent", "");
	struct client_message answer = expect_any(client, MESSAGE_CONTROL, 0, ARGUMENTS("log"));
	ck_assert(strstr(answer.payload, "io      : off\nwrl     : on\n") != NULL);
	ck_assert(!file_has(trace_path(), "/silent"));
	client_close(client);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    the_pid_file_is_written_and_removed_at_the_end,
	    a_pid_file_left_by_a_killed_daemon_is_written_anew,
	    the_socket_is_for_its_owner_and_is_removed_at_the_end,
	    a_socket_left_by_a_killed_daemon_is_replaced,
	    in_the_foreground_messages_go_to_standard_error,
	    the_process_id_is_printed_where_that_is_asked_for,
	    the_background_start_ends_with_success_once_the_daemon_serves,
	    in_the_background_no_descriptor_of_the_starter_is_kept,
	    files_with_relative_names_are_those_of_the_directory_of_the_start,
	    a_background_start_that_fails_says_why_and_ends_with_failure,
	    a_second_background_start_on_the_same_store_fails_and_the_first_serves_on,
	    a_second_start_with_the_same_pid_file_has_nothing_to_do,
	    without_xen_the_message_names_the_option_for_that,
	    the_run_directory_is_made_and_holds_everything_by_default,
	    a_run_directory_that_cannot_be_made_is_named_in_the_message,
	    a_path_too_long_for_a_socket_is_named_in_the_message,
	    options_without_a_meaning_are_accepted_and_logged,
	    quotas_of_the_command_line_are_in_force,
	    wrong_options_end_the_start_with_a_message,
	    help_and_version_are_shown_without_a_start,
	    sighup_opens_the_trace_file_again,
	    sighup_without_a_trace_does_nothing,
	    trace_control_chooses_what_is_traced,
	};

	background = mmap(NULL, sizeof(*background), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (background == MAP_FAILED || prctl(PR_SET_CHILD_SUBREAPER, 1))
		return EXIT_FAILURE;
	unsetenv("XENSTORED_RUNDIR");
	unsetenv("XENSTORED_PATH");
	int failed = suite_run(expect_suite("start", &served, set_names, end_daemon, tests, sizeof(tests) / sizeof(tests[0])));
	end_background();
	return failed;
}
