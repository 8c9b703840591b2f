# SPDX-License-Identifier: LGPL-2.1-or-later
# Tests, their support code and the benchmark. Every test speaks TAP.
TEST_EXTENSIONS = .sh
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
SH_LOG_DRIVER = $(LOG_DRIVER)
AM_TESTS_ENVIRONMENT = \
	CK_TAP_LOG_FILE_NAME=-; CK_VERBOSITY=silent; CK_TIMEOUT_MULTIPLIER=10; \
	export CK_TAP_LOG_FILE_NAME CK_VERBOSITY CK_TIMEOUT_MULTIPLIER; \
	LXENSTORED=$(abs_builddir)/lxenstored; LXENSTORE_DUMP=$(abs_builddir)/lxenstore-dump; \
	LXENSTORE_LOAD=$(abs_builddir)/lxenstore-load; \
	TOP_SRCDIR=$(abs_top_srcdir); TOP_BUILDDIR=$(abs_builddir); CC='$(CC)'; CPPFLAGS='$(CPPFLAGS)'; \
	BUILD_CFLAGS='$(CFLAGS) $(SANITIZER_CFLAGS)'; \
	export LXENSTORED LXENSTORE_DUMP LXENSTORE_LOAD TOP_SRCDIR TOP_BUILDDIR CC CPPFLAGS BUILD_CFLAGS;

TESTS = $(SHELL_TESTS)
SHELL_TESTS = \
	tests/bench/counted.sh \
	tests/check-demo.sh \
	tests/check-includes.sh \
	tests/check-man.sh \
	tests/check-style.sh \
	tests/integration/real-systemd.sh \
	tests/integration/stock-clients.sh
EXTRA_DIST += $(SHELL_TESTS) tests/support/fetch-xen-utils.sh
check_PROGRAMS =
check_LIBRARIES =

if HAVE_CHECK
check_PROGRAMS += $(UNIT_TESTS) $(PROTOCOL_TESTS) $(DUMP_TESTS) $(LOAD_TESTS) $(DIFFERENCES_TESTS) $(KILL_TESTS)
check_LIBRARIES += tests/libsupport.a
TESTS += $(UNIT_TESTS) $(PROTOCOL_TESTS) $(DUMP_TESTS) $(LOAD_TESTS) $(DIFFERENCES_TESTS) $(KILL_TESTS)
endif

# ---- the example, which is part of the demo ----
if HAVE_XENSTORE
check_PROGRAMS += doc/examples/transaction
doc_examples_transaction_SOURCES = doc/examples/transaction.c
doc_examples_transaction_CFLAGS = $(AM_CFLAGS) $(XENSTORE_CFLAGS)
doc_examples_transaction_LDADD = $(XENSTORE_LIBS)
endif

TEST_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests $(CHECK_CFLAGS) $(JANSSON_CFLAGS)
TEST_LIBS = tests/libsupport.a $(DAEMON_LIBS) $(CHECK_LIBS)

tests_libsupport_a_SOURCES = \
	tests/support/access.c tests/support/access.h \
	tests/support/access_check.h \
	tests/support/access_nodes.c \
	tests/support/access_others.c \
	tests/support/client.c tests/support/client.h \
	tests/support/command.c tests/support/command.h \
	tests/support/daemon.c tests/support/daemon.h \
	tests/support/expect.c tests/support/expect.h \
	tests/support/fake_systemd.c tests/support/fake_systemd.h \
	tests/support/fake_xen.c tests/support/fake_xen.h \
	tests/support/model.c tests/support/model.h tests/support/model_release.c \
	tests/support/random.c tests/support/random.h \
	tests/support/ring_stage.c tests/support/ring_stage.h \
	tests/support/sample_state.c tests/support/sample_state.h \
	tests/support/scene.c tests/support/scene.h \
	tests/support/stage.c tests/support/stage.h \
	tests/support/store_file.c tests/support/store_file.h \
	tests/support/suite.c tests/support/suite.h \
	tests/support/world.c tests/support/world.h \
	tests/support/world_death.c tests/support/world_death.h \
	tests/support/world_xen.c tests/support/world_xen.h \
	tests/xensim/expect_guest.c tests/xensim/expect_guest.h \
	tests/xensim/guest.c tests/xensim/guest.h \
	tests/xensim/scribbler.c tests/xensim/scribbler.h \
	tests/xensim/sim.h \
	tests/xensim/xensim.c tests/xensim/xensim.h \
	$(HOST_SOURCES)
tests_libsupport_a_CPPFLAGS = $(TEST_CPPFLAGS)

# ---- the simulated Xen, which daemons are started on; it is loaded into programs that were built without sanitizers too ----
HOST_SOURCES = \
	tests/xensim/host.c tests/xensim/host.h \
	tests/xensim/host_events.c \
	tests/xensim/host_faults.c
EXTRA_DIST += tests/xensim/README.md
check_PROGRAMS += tests/xensim/libxensim.so
tests_xensim_libxensim_so_SOURCES = $(HOST_SOURCES) \
	tests/xensim/preload.h \
	tests/xensim/preload_clock.c \
	tests/xensim/preload_domains.c \
	tests/xensim/preload_events.c \
	tests/xensim/preload_files.c \
	tests/xensim/preload_memory.c
tests_xensim_libxensim_so_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_xensim_libxensim_so_CFLAGS = $(WARNING_CFLAGS) $(XEN_CFLAGS) -fPIC
tests_xensim_libxensim_so_LDFLAGS = -shared

# ---- loaded into daemons that are to die ----
check_PROGRAMS += tests/support/libdeadly.so
tests_support_libdeadly_so_SOURCES = tests/support/deadly.c
tests_support_libdeadly_so_CPPFLAGS = $(AM_CPPFLAGS)
tests_support_libdeadly_so_CFLAGS = $(WARNING_CFLAGS) -O0 -fPIC
tests_support_libdeadly_so_LDFLAGS = -shared

# ---- unit tests: one for each file of src/ ----
UNIT_TESTS = \
	tests/unit/test_access \
	tests/unit/test_advisories \
	tests/unit/test_arena \
	tests/unit/test_buffer \
	tests/unit/test_changes \
	tests/unit/test_channel \
	tests/unit/test_client \
	tests/unit/test_client_transactions \
	tests/unit/test_connection \
	tests/unit/test_control \
	tests/unit/test_domain \
	tests/unit/test_domain_operations \
	tests/unit/test_domain_record \
	tests/unit/test_domain_use \
	tests/unit/test_duplicates \
	tests/unit/test_events \
	tests/unit/test_faults \
	tests/unit/test_death_note \
	tests/unit/test_escape \
	tests/unit/test_hash \
	tests/unit/test_histories \
	tests/unit/test_import \
	tests/unit/test_index \
	tests/unit/test_interleavings \
	tests/unit/test_key \
	tests/unit/test_ledger \
	tests/unit/test_ledger_ring \
	tests/unit/test_limits \
	tests/unit/test_listing \
	tests/unit/test_loading \
	tests/unit/test_log \
	tests/unit/test_message \
	tests/unit/test_node \
	tests/unit/test_notify \
	tests/unit/test_operations \
	tests/unit/test_options \
	tests/unit/test_overlay \
	tests/unit/test_path \
	tests/unit/test_permissions \
	tests/unit/test_pool \
	tests/unit/test_recovery \
	tests/unit/test_quota \
	tests/unit/test_recent \
	tests/unit/test_record \
	tests/unit/test_release \
	tests/unit/test_release_domains \
	tests/unit/test_reply \
	tests/unit/test_ring \
	tests/unit/test_ring_front \
	tests/unit/test_room \
	tests/unit/test_snapshot \
	tests/unit/test_socket \
	tests/unit/test_store \
	tests/unit/test_stream \
	tests/unit/test_tombstone \
	tests/unit/test_transaction \
	tests/unit/test_transactions \
	tests/unit/test_tree \
	tests/unit/test_turn \
	tests/unit/test_watch \
	tests/unit/test_watch_model \
	tests/unit/test_budget \
	tests/unit/test_departed \
	tests/unit/test_table \
	tests/unit/test_text_dump \
	tests/unit/test_watch_operations \
	tests/unit/test_watch_record \
	tests/unit/test_unread \
	tests/unit/test_conflict \
	tests/unit/test_xen
tests_unit_test_changes_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_changes_LDADD = $(TEST_LIBS)
tests_unit_test_histories_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_histories_LDADD = $(TEST_LIBS)
tests_unit_test_import_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_import_LDADD = $(TEST_LIBS)
tests_unit_test_stream_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_stream_LDADD = $(TEST_LIBS)
tests_unit_test_text_dump_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_text_dump_LDADD = $(TEST_LIBS)
tests_unit_test_index_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_index_LDADD = $(TEST_LIBS)
tests_unit_test_interleavings_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_interleavings_LDADD = $(TEST_LIBS)
tests_unit_test_listing_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_listing_LDADD = $(TEST_LIBS)
tests_unit_test_channel_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_channel_LDADD = $(TEST_LIBS)
tests_unit_test_notify_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_notify_LDADD = $(TEST_LIBS)
tests_unit_test_node_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_node_LDADD = $(TEST_LIBS)
tests_unit_test_recent_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_recent_LDADD = $(TEST_LIBS)
tests_unit_test_ring_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_ring_LDADD = $(TEST_LIBS)
tests_unit_test_ring_front_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_ring_front_LDADD = $(TEST_LIBS)
tests_unit_test_release_SOURCES = tests/unit/test_release.c tests/support/fault.c tests/support/fault.h
tests_unit_test_release_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_release_LDFLAGS = $(FAULT_WRAPS)
tests_unit_test_release_LDADD = $(TEST_LIBS)
tests_unit_test_room_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_room_LDADD = $(TEST_LIBS)
tests_unit_test_snapshot_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_snapshot_LDADD = $(TEST_LIBS)
tests_unit_test_store_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_store_LDADD = $(TEST_LIBS)
tests_unit_test_tombstone_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_tombstone_LDADD = $(TEST_LIBS)
tests_unit_test_transaction_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_transaction_LDADD = $(TEST_LIBS)
tests_unit_test_overlay_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_overlay_LDADD = $(TEST_LIBS)
tests_unit_test_transactions_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_transactions_LDADD = $(TEST_LIBS)
tests_unit_test_tree_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_tree_LDADD = $(TEST_LIBS)
tests_unit_test_duplicates_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_duplicates_LDADD = $(TEST_LIBS)
tests_unit_test_ledger_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_ledger_LDADD = $(TEST_LIBS)
tests_unit_test_ledger_ring_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_ledger_ring_LDADD = $(TEST_LIBS)
tests_unit_test_pool_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_pool_LDADD = $(TEST_LIBS)
tests_unit_test_recovery_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_recovery_LDADD = $(TEST_LIBS)
tests_unit_test_arena_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_arena_LDADD = $(TEST_LIBS)
tests_unit_test_buffer_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_buffer_LDADD = $(TEST_LIBS)
tests_unit_test_domain_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_domain_LDADD = $(TEST_LIBS)
tests_unit_test_domain_operations_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_domain_operations_LDADD = $(TEST_LIBS)
tests_unit_test_domain_record_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_domain_record_LDADD = $(TEST_LIBS)
tests_unit_test_domain_use_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_domain_use_LDADD = $(TEST_LIBS)
tests_unit_test_death_note_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_death_note_LDADD = $(TEST_LIBS)
tests_unit_test_escape_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_escape_LDADD = $(TEST_LIBS)
tests_unit_test_hash_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_hash_LDADD = $(TEST_LIBS)
tests_unit_test_key_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_key_LDADD = $(TEST_LIBS)
tests_unit_test_loading_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_loading_LDADD = $(TEST_LIBS)
tests_unit_test_log_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_log_LDADD = $(TEST_LIBS)
tests_unit_test_message_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_message_LDADD = $(TEST_LIBS)
tests_unit_test_options_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_options_LDADD = $(TEST_LIBS)
tests_unit_test_path_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_path_LDADD = $(TEST_LIBS)
tests_unit_test_permissions_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_permissions_LDADD = $(TEST_LIBS)
tests_unit_test_quota_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_quota_LDADD = $(TEST_LIBS)
tests_unit_test_watch_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_watch_LDADD = $(TEST_LIBS)
tests_unit_test_watch_LDFLAGS = -Wl,--wrap=hash_short
tests_unit_test_watch_model_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_watch_model_LDADD = $(TEST_LIBS)
tests_unit_test_access_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_access_LDADD = $(TEST_LIBS)
tests_unit_test_advisories_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_advisories_LDADD = $(TEST_LIBS)
tests_unit_test_limits_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_limits_LDADD = $(TEST_LIBS)
tests_unit_test_limits_LDFLAGS = -Wl,--wrap=clock_milliseconds -Wl,--wrap=log_write
tests_unit_test_client_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_client_LDADD = $(TEST_LIBS)
tests_unit_test_client_transactions_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_client_transactions_LDADD = $(TEST_LIBS)
tests_unit_test_connection_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_connection_LDADD = $(TEST_LIBS)
tests_unit_test_control_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_control_LDADD = $(TEST_LIBS)
tests_unit_test_events_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_events_LDADD = $(TEST_LIBS)
tests_unit_test_events_LDFLAGS = -Wl,--wrap=node_look
tests_unit_test_faults_SOURCES = tests/unit/test_faults.c \
	tests/support/fault.c tests/support/fault.h \
	tests/support/play.c tests/support/play.h
tests_unit_test_faults_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_faults_LDFLAGS = $(FAULT_WRAPS)
tests_unit_test_faults_LDADD = $(TEST_LIBS)
tests_unit_test_operations_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_operations_LDADD = $(TEST_LIBS)
tests_unit_test_record_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_record_LDADD = $(TEST_LIBS)
tests_unit_test_release_domains_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_release_domains_LDADD = $(TEST_LIBS)
tests_unit_test_reply_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_reply_LDADD = $(TEST_LIBS)
tests_unit_test_socket_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_socket_LDADD = $(TEST_LIBS)
tests_unit_test_budget_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_budget_LDADD = $(TEST_LIBS)
tests_unit_test_departed_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_departed_LDADD = $(TEST_LIBS)
tests_unit_test_table_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_table_LDADD = $(TEST_LIBS)
tests_unit_test_table_LDFLAGS = -Wl,--wrap=realloc
tests_unit_test_watch_operations_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_watch_operations_LDADD = $(TEST_LIBS)
tests_unit_test_watch_record_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_watch_record_LDADD = $(TEST_LIBS)
tests_unit_test_unread_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_unread_LDADD = $(TEST_LIBS)
tests_unit_test_unread_LDFLAGS = -Wl,--wrap=log_write
tests_unit_test_conflict_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_conflict_LDADD = $(TEST_LIBS)
tests_unit_test_conflict_LDFLAGS = -Wl,--wrap=clock_milliseconds -Wl,--wrap=log_write
tests_unit_test_xen_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_xen_LDADD = $(TEST_LIBS)
tests_unit_test_turn_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_turn_LDADD = $(TEST_LIBS)
# What support/fault.h makes fail.
FAULT_WRAPS = \
	-Wl,--wrap=mdb_txn_begin -Wl,--wrap=mdb_txn_renew -Wl,--wrap=mdb_txn_commit -Wl,--wrap=mdb_get \
	-Wl,--wrap=mdb_put -Wl,--wrap=mdb_del -Wl,--wrap=mdb_cursor_open -Wl,--wrap=mdb_cursor_get \
	-Wl,--wrap=mdb_cursor_del -Wl,--wrap=mdb_stat -Wl,--wrap=mdb_env_set_mapsize -Wl,--wrap=malloc -Wl,--wrap=calloc \
	-Wl,--wrap=realloc -Wl,--wrap=strdup -Wl,--wrap=strndup -Wl,--wrap=fallocate -Wl,--wrap=posix_fallocate \
	-Wl,--wrap=log_write

# ---- of live update ----
UNIT_TESTS += \
	tests/unit/test_handed \
	tests/unit/test_live_update \
	tests/unit/test_program \
	tests/unit/test_prove
tests_unit_test_handed_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_handed_LDADD = $(TEST_LIBS)
tests_unit_test_live_update_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_live_update_LDADD = $(TEST_LIBS)
tests_unit_test_program_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_program_LDADD = $(TEST_LIBS)
tests_unit_test_prove_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_prove_LDADD = $(TEST_LIBS)

# ---- of the store's file, read by others than its daemon ----
UNIT_TESTS += \
	tests/unit/test_base64 \
	tests/unit/test_file \
	tests/unit/test_check \
	tests/unit/test_check_other \
	tests/unit/test_image \
	tests/unit/test_inventory \
	tests/unit/test_pages \
	tests/unit/test_reader
tests_unit_test_file_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_file_LDADD = $(TEST_LIBS)
tests_unit_test_base64_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_base64_LDADD = $(TEST_LIBS)
tests_unit_test_check_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_check_LDADD = $(TEST_LIBS)
tests_unit_test_check_other_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_check_other_LDADD = $(TEST_LIBS)
tests_unit_test_image_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_image_LDADD = $(TEST_LIBS)
tests_unit_test_inventory_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_inventory_LDADD = $(TEST_LIBS)
tests_unit_test_pages_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_pages_LDADD = $(TEST_LIBS)
tests_unit_test_reader_CPPFLAGS = $(TEST_CPPFLAGS)
tests_unit_test_reader_LDADD = $(TEST_LIBS)

# ---- fuzz targets: with --enable-fuzzing programs of libFuzzer, else they run their corpus and random inputs as a test ----
FUZZ_TARGETS = \
	tests/fuzz/fuzz_message \
	tests/fuzz/fuzz_node \
	tests/fuzz/fuzz_path \
	tests/fuzz/fuzz_permissions \
	tests/fuzz/fuzz_request \
	tests/fuzz/fuzz_state
check_PROGRAMS += $(FUZZ_TARGETS)
EXTRA_DIST += tests/fuzz/corpus tests/fuzz/fuzz.dict
FUZZER_LIBS = $(DAEMON_LIBS)
FUZZER_FLAG =
if FUZZING
FUZZER_FLAG += -fsanitize=fuzzer
else
TESTS += $(FUZZ_TARGETS)
check_LIBRARIES += tests/libreplay.a
FUZZER_LIBS += tests/libreplay.a
tests_libreplay_a_SOURCES = tests/fuzz/replay.c tests/support/random.c tests/support/random.h
tests_libreplay_a_CPPFLAGS = $(TEST_CPPFLAGS)
endif
tests_fuzz_fuzz_message_SOURCES = tests/fuzz/fuzz_message.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_message_CPPFLAGS = $(TEST_CPPFLAGS)
tests_fuzz_fuzz_message_LDFLAGS = $(FUZZER_FLAG)
tests_fuzz_fuzz_message_LDADD = $(FUZZER_LIBS)
tests_fuzz_fuzz_node_SOURCES = tests/fuzz/fuzz_node.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_node_CPPFLAGS = $(TEST_CPPFLAGS)
tests_fuzz_fuzz_node_LDFLAGS = $(FUZZER_FLAG)
tests_fuzz_fuzz_node_LDADD = $(FUZZER_LIBS)
tests_fuzz_fuzz_path_SOURCES = tests/fuzz/fuzz_path.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_path_CPPFLAGS = $(TEST_CPPFLAGS)
tests_fuzz_fuzz_path_LDFLAGS = $(FUZZER_FLAG)
tests_fuzz_fuzz_path_LDADD = $(FUZZER_LIBS)
tests_fuzz_fuzz_permissions_SOURCES = tests/fuzz/fuzz_permissions.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_permissions_CPPFLAGS = $(TEST_CPPFLAGS)
tests_fuzz_fuzz_permissions_LDFLAGS = $(FUZZER_FLAG)
tests_fuzz_fuzz_permissions_LDADD = $(FUZZER_LIBS)
tests_fuzz_fuzz_request_SOURCES = tests/fuzz/fuzz_request.c tests/fuzz/fuzz.h tests/support/world.c tests/support/world.h tests/support/world_death.c tests/support/world_death.h tests/support/world_xen.c tests/support/world_xen.h
tests_fuzz_fuzz_request_CPPFLAGS = $(TEST_CPPFLAGS)
tests_fuzz_fuzz_request_LDFLAGS = $(FUZZER_FLAG) -Wl,--wrap=fopen -Wl,--wrap=log_trace_to
tests_fuzz_fuzz_request_LDADD = $(FUZZER_LIBS)
tests_fuzz_fuzz_state_SOURCES = tests/fuzz/fuzz_state.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_state_CPPFLAGS = $(TEST_CPPFLAGS)
tests_fuzz_fuzz_state_LDFLAGS = $(FUZZER_FLAG)
tests_fuzz_fuzz_state_LDADD = $(FUZZER_LIBS)

# ---- the real daemon, over its socket ----
PROTOCOL_TESTS = \
	tests/integration/test_bad_input \
	tests/integration/test_paths \
	tests/integration/test_protocol_control \
	tests/integration/test_protocol_errors \
	tests/integration/test_protocol_nodes \
	tests/integration/test_protocol_transactions \
	tests/integration/test_protocol_watches \
	tests/integration/test_restart \
	tests/integration/test_start
tests_integration_test_bad_input_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_bad_input_LDADD = $(TEST_LIBS)
tests_integration_test_paths_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_paths_LDADD = $(TEST_LIBS)
tests_integration_test_protocol_control_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_protocol_control_LDADD = $(TEST_LIBS)
tests_integration_test_protocol_errors_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_protocol_errors_LDADD = $(TEST_LIBS)
tests_integration_test_protocol_nodes_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_protocol_nodes_LDADD = $(TEST_LIBS)
tests_integration_test_protocol_transactions_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_protocol_transactions_LDADD = $(TEST_LIBS)
tests_integration_test_protocol_watches_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_protocol_watches_LDADD = $(TEST_LIBS)
tests_integration_test_restart_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_restart_LDADD = $(TEST_LIBS)
tests_integration_test_start_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_start_LDADD = $(TEST_LIBS)

# ---- daemons with guests, on the simulated Xen ----
PROTOCOL_TESTS += tests/integration/test_fairness tests/integration/test_rings tests/integration/test_xensim tests/integration/test_xensim_host
PROTOCOL_TESTS += tests/integration/test_damage
tests_integration_test_damage_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_damage_LDADD = $(TEST_LIBS)
PROTOCOL_TESTS += tests/integration/test_deadly_requests
PROTOCOL_TESTS += tests/integration/test_deadly_start
tests_integration_test_deadly_start_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_deadly_start_LDADD = $(TEST_LIBS)
tests_integration_test_deadly_requests_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_deadly_requests_LDADD = $(TEST_LIBS)
PROTOCOL_TESTS += tests/integration/test_keeper
tests_integration_test_keeper_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_keeper_LDADD = $(TEST_LIBS)
PROTOCOL_TESTS += tests/integration/test_keeper_dies
tests_integration_test_keeper_dies_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_keeper_dies_LDADD = $(TEST_LIBS)
PROTOCOL_TESTS += tests/integration/test_systemd
tests_integration_test_systemd_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_systemd_LDADD = $(TEST_LIBS)
tests_integration_test_rings_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_rings_LDADD = $(TEST_LIBS)
PROTOCOL_TESTS += tests/integration/test_open_transactions
tests_integration_test_open_transactions_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_open_transactions_LDADD = $(TEST_LIBS)
PROTOCOL_TESTS += tests/integration/test_live_update
tests_integration_test_live_update_SOURCES = tests/integration/test_live_update.c tests/integration/update_load.c \
	tests/integration/update_load.h tests/integration/ring_player.c tests/integration/ring_player.h
tests_integration_test_live_update_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_live_update_LDADD = $(TEST_LIBS)
EXTRA_tests_integration_test_live_update_DEPENDENCIES = tests/integration/later_lxenstored
# The daemon with formats a number ahead, which fails at the step that its name says. All files that use those numbers are here.
check_PROGRAMS += tests/integration/later_lxenstored
tests_integration_later_lxenstored_SOURCES = tests/integration/bad_daemon.c \
	src/main.c src/store/reader.c src/store/store.c src/ledger/pool.c src/ledger/recovery.c src/handover/prove.c src/handover/update.c
tests_integration_later_lxenstored_CPPFLAGS = $(AM_CPPFLAGS) -DLXENSTORED_FORMATS_AHEAD=1
tests_integration_later_lxenstored_LDADD = $(DAEMON_LIBS)
PROTOCOL_TESTS += tests/integration/test_stock_update
tests_integration_test_stock_update_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_stock_update_LDADD = $(TEST_LIBS)
PROTOCOL_TESTS += tests/integration/test_ring_recovery
tests_integration_test_ring_recovery_SOURCES = tests/integration/test_ring_recovery.c \
	tests/integration/ring_player.c tests/integration/ring_player.h
tests_integration_test_ring_recovery_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_ring_recovery_LDADD = $(TEST_LIBS)
PROTOCOL_TESTS += tests/integration/test_domains_gone
tests_integration_test_domains_gone_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_domains_gone_LDADD = $(TEST_LIBS)
PROTOCOL_TESTS += tests/integration/test_domains
tests_integration_test_domains_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_domains_LDADD = $(TEST_LIBS)
tests_integration_test_fairness_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_fairness_LDADD = $(TEST_LIBS)
tests_integration_test_xensim_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_xensim_LDADD = $(TEST_LIBS)
tests_integration_test_xensim_host_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_xensim_host_LDADD = $(TEST_LIBS)
# ---- ... who may do what there, and one test or more for each security advisory ----
PROTOCOL_TESTS += \
	tests/integration/test_access \
	tests/integration/test_xsa_access \
	tests/integration/test_xsa_accounts \
	tests/integration/test_xsa_memory \
	tests/integration/test_thousand_guests \
	tests/integration/test_xsa_rings \
	tests/integration/test_xsa_work
GUESTS_SOURCES = tests/integration/guests.c tests/integration/guests.h
tests_integration_test_access_SOURCES = tests/integration/test_access.c $(GUESTS_SOURCES)
tests_integration_test_access_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_access_LDADD = $(TEST_LIBS)
tests_integration_test_xsa_access_SOURCES = tests/integration/test_xsa_access.c $(GUESTS_SOURCES)
tests_integration_test_xsa_access_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_xsa_access_LDADD = $(TEST_LIBS)
tests_integration_test_xsa_accounts_SOURCES = tests/integration/test_xsa_accounts.c $(GUESTS_SOURCES)
tests_integration_test_xsa_accounts_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_xsa_accounts_LDADD = $(TEST_LIBS)
tests_integration_test_thousand_guests_SOURCES = tests/integration/test_thousand_guests.c tests/integration/crowd.c \
	tests/integration/crowd.h $(GUESTS_SOURCES)
tests_integration_test_thousand_guests_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_thousand_guests_LDADD = $(TEST_LIBS)
tests_integration_test_xsa_memory_SOURCES = tests/integration/test_xsa_memory.c $(GUESTS_SOURCES)
tests_integration_test_xsa_memory_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_xsa_memory_LDADD = $(TEST_LIBS)
tests_integration_test_xsa_rings_SOURCES = tests/integration/test_xsa_rings.c $(GUESTS_SOURCES)
tests_integration_test_xsa_rings_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_xsa_rings_LDADD = $(TEST_LIBS)
tests_integration_test_xsa_work_SOURCES = tests/integration/test_xsa_work.c $(GUESTS_SOURCES)
tests_integration_test_xsa_work_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_xsa_work_LDADD = $(TEST_LIBS)

# ---- lxenstore-dump, beside the real daemon and without it ----
DUMP_TESTS = \
	tests/integration/test_dump \
	tests/integration/test_dump_domains \
	tests/integration/test_dump_store \
	tests/integration/test_load
DUMP_TESTS += tests/integration/test_dump_owed
tests_integration_test_dump_owed_SOURCES = tests/integration/test_dump_owed.c tests/integration/crowd.c tests/integration/crowd.h \
	$(DUMP_SOURCES)
tests_integration_test_dump_owed_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_dump_owed_LDADD = $(TEST_LIBS) $(JANSSON_LIBS)
DUMP_SOURCES = tests/integration/dump_run.c tests/integration/dump_run.h
tests_integration_test_dump_SOURCES = tests/integration/test_dump.c $(DUMP_SOURCES)
tests_integration_test_dump_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_dump_LDADD = $(TEST_LIBS) $(JANSSON_LIBS)
tests_integration_test_dump_domains_SOURCES = tests/integration/test_dump_domains.c $(DUMP_SOURCES)
tests_integration_test_dump_domains_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_dump_domains_LDADD = $(TEST_LIBS) $(JANSSON_LIBS)
tests_integration_test_load_SOURCES = tests/integration/test_load.c $(DUMP_SOURCES)
tests_integration_test_load_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_load_LDADD = $(TEST_LIBS) $(JANSSON_LIBS)
tests_integration_test_dump_store_SOURCES = tests/integration/test_dump_store.c $(DUMP_SOURCES)
tests_integration_test_dump_store_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_dump_store_LDADD = $(TEST_LIBS) $(JANSSON_LIBS)

# ---- the daemon under load: kills ($KILLS), many clients ($CLIENTS), clients that do not read, no room ----
LOAD_TESTS = \
	tests/integration/test_full_file_system \
	tests/integration/test_full_store \
	tests/integration/test_kill \
	tests/integration/test_many_clients \
	tests/integration/test_slow_clients
FULL_SOURCES = \
	tests/integration/crowd.c tests/integration/crowd.h \
	tests/integration/full.c tests/integration/full.h
tests_integration_test_full_file_system_SOURCES = tests/integration/test_full_file_system.c $(FULL_SOURCES)
tests_integration_test_full_file_system_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_full_file_system_LDADD = $(TEST_LIBS)
tests_integration_test_full_store_SOURCES = tests/integration/test_full_store.c $(FULL_SOURCES)
tests_integration_test_full_store_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_full_store_LDADD = $(TEST_LIBS)
tests_integration_test_kill_SOURCES = \
	tests/integration/kill_counter.c tests/integration/kill_counter.h \
	tests/integration/kill_model.c tests/integration/kill_model.h \
	tests/integration/kill_tree.c tests/integration/kill_tree.h \
	tests/integration/kill_writer.c tests/integration/kill_writer.h \
	tests/integration/test_kill.c
tests_integration_test_kill_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_kill_LDADD = $(TEST_LIBS)
tests_integration_test_many_clients_SOURCES = \
	tests/integration/crowd.c tests/integration/crowd.h tests/integration/test_many_clients.c
tests_integration_test_many_clients_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_many_clients_LDADD = $(TEST_LIBS)
tests_integration_test_slow_clients_SOURCES = \
	tests/integration/crowd.c tests/integration/crowd.h tests/integration/test_slow_clients.c
tests_integration_test_slow_clients_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_slow_clients_LDADD = $(TEST_LIBS)

# ---- kills at every moment (tests/kill/README.md) ----
check_LIBRARIES += tests/libkill.a
tests_libkill_a_SOURCES = \
	tests/kill/cast.c tests/kill/cast.h \
	tests/kill/cast_death.c \
	tests/kill/cast_move.c \
	tests/kill/holder.c tests/kill/holder.h \
	tests/kill/loose.c tests/kill/loose.h \
	tests/kill/nodes.c tests/kill/nodes.h \
	tests/kill/place.c tests/kill/place.h \
	tests/kill/points.c tests/kill/points.h \
	tests/kill/run.c tests/kill/run.h \
	tests/kill/story.c tests/kill/story.h \
	tests/kill/story_text.c \
	tests/kill/survivors.c tests/kill/survivors.h \
	tests/kill/tracer.c tests/kill/tracer.h
tests_libkill_a_CPPFLAGS = $(TEST_CPPFLAGS)
check_PROGRAMS += tests/kill/enumerate $(KILL_MUTANTS)
tests_kill_enumerate_CPPFLAGS = $(TEST_CPPFLAGS)
tests_kill_enumerate_LDADD = tests/libkill.a $(TEST_LIBS)
KILL_TESTS = tests/integration/test_each_moment tests/integration/test_mistakes
tests_integration_test_each_moment_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_each_moment_LDADD = tests/libkill.a $(TEST_LIBS)
tests_integration_test_mistakes_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_mistakes_LDADD = tests/libkill.a $(TEST_LIBS)
EXTRA_DIST += tests/kill/README.md $(KILL_MUTANTS:%=%.sed)

# Daemons with one mistake each, which the checker must find: a source file of the product, and what its script makes of it.
KILL_MUTANTS = \
	tests/kill/mutants/ring-output-position-first \
	tests/kill/mutants/ring-input-index-first \
	tests/kill/mutants/ring-start-without-event \
	tests/kill/mutants/turn-answer-without-tag \
	tests/kill/mutants/turn-done-before-commit \
	tests/kill/mutants/ledger-receive-not-armed \
	tests/kill/mutants/ledger-send-not-armed \
	tests/kill/mutants/ledger-disarmed-first \
	tests/kill/mutants/ledger-event-without-tag \
	tests/kill/mutants/queue-head-first \
	tests/kill/mutants/recovery-nothing-cut
tests_kill_mutants_ring_output_position_first_SOURCES = src/main.c
nodist_tests_kill_mutants_ring_output_position_first_SOURCES = tests/kill/mutants/ring-output-position-first.c
tests_kill_mutants_ring_output_position_first_LDADD = $(DAEMON_LIBS)
tests_kill_mutants_ring_input_index_first_SOURCES = src/main.c
nodist_tests_kill_mutants_ring_input_index_first_SOURCES = tests/kill/mutants/ring-input-index-first.c
tests_kill_mutants_ring_input_index_first_LDADD = $(DAEMON_LIBS)
tests_kill_mutants_ring_start_without_event_SOURCES = src/main.c
nodist_tests_kill_mutants_ring_start_without_event_SOURCES = tests/kill/mutants/ring-start-without-event.c
tests_kill_mutants_ring_start_without_event_LDADD = $(DAEMON_LIBS)
tests_kill_mutants_turn_answer_without_tag_SOURCES = src/main.c
nodist_tests_kill_mutants_turn_answer_without_tag_SOURCES = tests/kill/mutants/turn-answer-without-tag.c
tests_kill_mutants_turn_answer_without_tag_LDADD = $(DAEMON_LIBS)
tests_kill_mutants_turn_done_before_commit_SOURCES = src/main.c
nodist_tests_kill_mutants_turn_done_before_commit_SOURCES = tests/kill/mutants/turn-done-before-commit.c
tests_kill_mutants_turn_done_before_commit_LDADD = $(DAEMON_LIBS)
tests_kill_mutants_ledger_receive_not_armed_SOURCES = src/main.c
nodist_tests_kill_mutants_ledger_receive_not_armed_SOURCES = tests/kill/mutants/ledger-receive-not-armed.c
tests_kill_mutants_ledger_receive_not_armed_LDADD = $(DAEMON_LIBS)
tests_kill_mutants_ledger_send_not_armed_SOURCES = src/main.c
nodist_tests_kill_mutants_ledger_send_not_armed_SOURCES = tests/kill/mutants/ledger-send-not-armed.c
tests_kill_mutants_ledger_send_not_armed_LDADD = $(DAEMON_LIBS)
tests_kill_mutants_ledger_disarmed_first_SOURCES = src/main.c
nodist_tests_kill_mutants_ledger_disarmed_first_SOURCES = tests/kill/mutants/ledger-disarmed-first.c
tests_kill_mutants_ledger_disarmed_first_LDADD = $(DAEMON_LIBS)
tests_kill_mutants_ledger_event_without_tag_SOURCES = src/main.c
nodist_tests_kill_mutants_ledger_event_without_tag_SOURCES = tests/kill/mutants/ledger-event-without-tag.c
tests_kill_mutants_ledger_event_without_tag_LDADD = $(DAEMON_LIBS)
tests_kill_mutants_queue_head_first_SOURCES = src/main.c
nodist_tests_kill_mutants_queue_head_first_SOURCES = tests/kill/mutants/queue-head-first.c
tests_kill_mutants_queue_head_first_LDADD = $(DAEMON_LIBS)
tests_kill_mutants_recovery_nothing_cut_SOURCES = src/main.c
nodist_tests_kill_mutants_recovery_nothing_cut_SOURCES = tests/kill/mutants/recovery-nothing-cut.c
tests_kill_mutants_recovery_nothing_cut_LDADD = $(DAEMON_LIBS)
CLEANFILES += $(KILL_MUTANTS:%=%.c)
MUTATE = $(MKDIR_P) tests/kill/mutants && sed -f $(top_srcdir)/$(@:.c=.sed) $< >$@.new && if cmp -s $< $@.new; then echo "$@: nothing has changed"; exit 1; fi && mv $@.new $@
tests/kill/mutants/ring-output-position-first.c tests/kill/mutants/ring-input-index-first.c tests/kill/mutants/ring-start-without-event.c: src/front/ring.c $(KILL_MUTANTS:%=%.sed)
	$(AM_V_GEN)$(MUTATE)
tests/kill/mutants/turn-answer-without-tag.c tests/kill/mutants/turn-done-before-commit.c: src/request/turn.c $(KILL_MUTANTS:%=%.sed)
	$(AM_V_GEN)$(MUTATE)
tests/kill/mutants/ledger-receive-not-armed.c tests/kill/mutants/ledger-send-not-armed.c tests/kill/mutants/ledger-disarmed-first.c tests/kill/mutants/ledger-event-without-tag.c: src/ledger/ledger.c $(KILL_MUTANTS:%=%.sed)
	$(AM_V_GEN)$(MUTATE)
tests/kill/mutants/queue-head-first.c: src/ledger/queue.c $(KILL_MUTANTS:%=%.sed)
	$(AM_V_GEN)$(MUTATE)
tests/kill/mutants/recovery-nothing-cut.c: src/ledger/recovery.c $(KILL_MUTANTS:%=%.sed)
	$(AM_V_GEN)$(MUTATE)

# ---- differences from the stock daemons; $DIFFERENCES steps of random scripts, $DIFFERENCES_SEED ----
DIFFERENCES_SOURCES = \
	tests/differences/arguments.c tests/differences/arguments.h \
	tests/differences/duel.c tests/differences/duel.h \
	tests/differences/generate.c tests/differences/generate.h \
	tests/differences/history.c tests/differences/history.h \
	tests/differences/known.c tests/differences/known.h \
	tests/differences/known_domains.c \
	tests/differences/known_entries.c tests/differences/known_entries.h \
	tests/differences/known_requests.c \
	tests/differences/known_transactions.c \
	tests/differences/numbers.c tests/differences/numbers.h \
	tests/differences/player.c tests/differences/player.h \
	tests/differences/record.c tests/differences/record.h \
	tests/differences/script.c tests/differences/script.h \
	tests/differences/session.c tests/differences/session.h \
	tests/differences/shrink.c tests/differences/shrink.h
check_LIBRARIES += tests/libdifferences.a
tests_libdifferences_a_SOURCES = $(DIFFERENCES_SOURCES)
tests_libdifferences_a_CPPFLAGS = $(TEST_CPPFLAGS)
check_PROGRAMS += tests/differences/play
EXTRA_DIST += tests/differences/README.md tests/differences/scripts
tests_differences_play_CPPFLAGS = $(TEST_CPPFLAGS)
tests_differences_play_LDADD = tests/libdifferences.a $(TEST_LIBS)
DIFFERENCES_TESTS = \
	tests/integration/test_differences \
	tests/integration/test_random_differences
tests_integration_test_differences_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_differences_LDADD = tests/libdifferences.a $(TEST_LIBS)
tests_integration_test_random_differences_CPPFLAGS = $(TEST_CPPFLAGS)
tests_integration_test_random_differences_LDADD = tests/libdifferences.a $(TEST_LIBS)

# What stock-clients.sh fetches.
clean-local:
	rm -rf tests/cache

# ---- the benchmark: `make bench`, or tests/bench/bench --help ----
check_PROGRAMS += tests/bench/bench tests/bench/echo tests/bench/restart
EXTRA_DIST += tests/bench/ceilings.txt tests/bench/charts.gp
tests_bench_bench_SOURCES = \
	tests/bench/bench.c \
	tests/bench/ceilings.c tests/bench/ceilings.h \
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
tests_bench_restart_SOURCES = \
	tests/bench/restart.c \
	tests/bench/load.c tests/bench/load.h \
	tests/bench/measure.c tests/bench/measure.h \
	tests/bench/server.c tests/bench/server.h \
	tests/bench/tree.c tests/bench/tree.h \
	tests/bench/workload.c tests/bench/workload.h \
	tests/bench/workload_growth.c \
	tests/bench/workload_hot.c
tests_bench_restart_CPPFLAGS = $(TEST_CPPFLAGS)
tests_bench_restart_LDADD = $(TEST_LIBS) -lm

.PHONY: bench
bench: lxenstored tests/bench/bench tests/bench/echo
	LXENSTORED=$(abs_builddir)/lxenstored ECHO=$(abs_builddir)/tests/bench/echo tests/bench/bench $(BENCH_FLAGS)

# How long a death is felt: `make bench-restart`, or tests/bench/restart.
.PHONY: bench-restart
bench-restart: lxenstored tests/bench/restart tests/xensim/libxensim.so
	LXENSTORED=$(abs_builddir)/lxenstored TOP_BUILDDIR=$(abs_builddir) tests/bench/restart $(BENCH_FLAGS)

# ---- on a real Xen: ./bootstrap check-xen ----
EXTRA_PROGRAMS = tests/xen/guest
tests_xen_guest_SOURCES = tests/xen/guest.c tests/xen/guest_bus.c tests/xen/guest_bus.h tests/xen/guest_devices.c tests/xen/guest_devices.h
tests_xen_guest_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_xen_guest_CFLAGS = $(WARNING_CFLAGS)
tests_xen_guest_LDFLAGS = -static
EXTRA_DIST += tests/support/fetch-packages.sh tests/xen/README.md tests/xen/boots tests/xen/boots.check tests/xen/debian-image.sh \
	tests/xen/dom0-init.sh tests/xen/explained-differences.sed tests/xen/hostile.c tests/xen/image.sh tests/xen/library.sh tests/xen/play.sh \
	tests/xen/run-scenario.sh tests/xen/run.sh tests/xen/scenarios.service \
	tests/xen/scenarios/arrive.sh tests/xen/scenarios/crash.sh tests/xen/scenarios/devices.sh tests/xen/scenarios/driver.sh tests/xen/scenarios/full.sh \
	tests/xen/scenarios/host.sh tests/xen/scenarios/hostile.sh tests/xen/scenarios/init.sh tests/xen/scenarios/kill.sh tests/xen/scenarios/life.sh \
	tests/xen/scenarios/save.sh tests/xen/scenarios/ten.sh tests/xen/scenarios/update.sh
