# SPDX-License-Identifier: LGPL-2.1-or-later
# Tests, their support code and the benchmark. Every test speaks TAP.
TEST_EXTENSIONS = .sh
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
SH_LOG_DRIVER = $(LOG_DRIVER)
AM_TESTS_ENVIRONMENT = \
	CK_TAP_LOG_FILE_NAME=-; CK_VERBOSITY=silent; export CK_TAP_LOG_FILE_NAME CK_VERBOSITY; \
	LXENSTORED=$(abs_builddir)/lxenstored; LXENSTORE_DUMP=$(abs_builddir)/lxenstore-dump; \
	TOP_SRCDIR=$(abs_top_srcdir); TOP_BUILDDIR=$(abs_builddir); \
	export LXENSTORED LXENSTORE_DUMP TOP_SRCDIR TOP_BUILDDIR;

TESTS = $(SHELL_TESTS)
SHELL_TESTS =
EXTRA_DIST += $(SHELL_TESTS)
check_PROGRAMS =
check_LIBRARIES =

if HAVE_CHECK
check_PROGRAMS += $(UNIT_TESTS)
check_LIBRARIES += tests/libsupport.a
TESTS += $(UNIT_TESTS)
endif

TEST_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests $(CHECK_CFLAGS) $(JANSSON_CFLAGS)
TEST_LIBS = tests/libsupport.a $(DAEMON_LIBS) $(CHECK_LIBS)

tests_libsupport_a_SOURCES = \
	tests/support/client.c tests/support/client.h \
	tests/support/suite.c tests/support/suite.h
tests_libsupport_a_CPPFLAGS = $(TEST_CPPFLAGS)

# ---- unit tests: one for each file of src/ ----
UNIT_TESTS = \
	tests/unit/test_duplicates \
	tests/unit/test_ledger \
	tests/unit/test_pool
tests_unit_test_duplicates_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_duplicates_LDADD = $(TEST_LIBS)
tests_unit_test_ledger_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_ledger_LDADD = $(TEST_LIBS)
tests_unit_test_pool_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_pool_LDADD = $(TEST_LIBS)

# ---- the benchmark: `make bench`, or tests/bench/bench --help ----
EXTRA_PROGRAMS = tests/bench/bench tests/bench/echo
tests_bench_bench_SOURCES = \
	tests/bench/bench.c \
	tests/bench/count.c tests/bench/count.h \
	tests/bench/load.c tests/bench/load.h \
	tests/bench/measure.c tests/bench/measure.h \
	tests/bench/report.c tests/bench/report.h \
	tests/bench/server.c tests/bench/server.h \
	tests/bench/tree.c tests/bench/tree.h \
	tests/bench/workload.c tests/bench/workload.h \
	tests/bench/workload_growth.c \
	tests/bench/workload_hot.c
tests_bench_bench_CPPFLAGS = $(TEST_CPPFLAGS)
tests_bench_bench_LDADD = src/liblxenstored.a $(JANSSON_LIBS) -lm
tests_bench_echo_SOURCES = tests/bench/echo.c
CLEANFILES += $(EXTRA_PROGRAMS)

.PHONY: bench
bench: lxenstored tests/bench/bench tests/bench/echo
	LXENSTORED=$(abs_builddir)/lxenstored ECHO=$(abs_builddir)/tests/bench/echo tests/bench/bench $(BENCH_FLAGS)
