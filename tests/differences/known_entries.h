/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "differences/arguments.h"
#include "differences/known.h"

/* What the entries of the table say it with. Texts of answers are as in records: "ERROR EAGAIN\\0". */

bool asks(const struct known_context *context, uint32_t type);
bool is_of_guest(const struct known_context *context); /* a request of one */

/* Was the client of the step answered so, among other lines? As the only line? */
bool answered(const struct known_context *context, const struct record *record, const char *text);
bool answered_only(const struct known_context *context, const struct record *record, const char *text);
bool is_error(const struct record *record); /* any, and nothing else */
bool is_ok(const struct record *record);    /* a single "OK" */

bool take_answer(const struct known_context *context, struct record *record, const char *text); /* false: not there */
bool take_all(struct known_context *context);							/* true */

/* The event of this line: its path in absolute form, taken to be relative to the client's home if it has no slash in front. */
bool is_event(const char *line);
bool is_to_guest(const char *line);
void event_path(const char *line, char out[ARGUMENTS_PATH]);

/*
 * Takes out of one record the events that the other has not, or not as often, and of which `is_it` is true; true if there were
 * any. Of several that are the same the first ones go.
 */
typedef bool event_test(const struct known_context *context, const char *line);
bool take_events(const struct known_context *context, struct record *record, const struct record *other, event_test *is_it);

/* Steps before this one in the script of which `is_it` is true. */
typedef bool step_test(const struct known_context *context, const struct script_step *step);
size_t count_before(const struct known_context *context, step_test *is_it);

/* What the script's command line says of this quota. */
unsigned long limit_of(const struct known_context *context, const char *option, unsigned long otherwise);

/* The domain that the step ends, by its death or RELEASE; false: none. */
bool ends_domain(const struct script_step *step, char domid[16]);

/* known_transactions.c */
bool explain_conflict_of_stock(struct known_context *context);
bool explain_conflict_of_ours(struct known_context *context);
bool explain_snapshot(struct known_context *context);
bool explain_nothing_changed(struct known_context *context);
bool explain_other_domains(struct known_context *context);
bool explain_changed_then_removed(struct known_context *context);
bool explain_rights_at_end(struct known_context *context);
bool explain_order_of_events(struct known_context *context);
bool explain_nodes_in_transaction(struct known_context *context);
bool explain_room_in_transaction(struct known_context *context);
bool explain_end_without_room(struct known_context *context);

/* known_requests.c */
bool explain_bad_path(struct known_context *context);
bool explain_death_by_bad_path(struct known_context *context);
bool explain_bad_number(struct known_context *context);
bool explain_bad_domain(struct known_context *context);
bool explain_long_path(struct known_context *context);
bool explain_one_more(struct known_context *context);
bool explain_size_of_names(struct known_context *context);
bool explain_new_operations(struct known_context *context);
bool explain_depth(struct known_context *context);
bool explain_control(struct known_context *context);
bool explain_generation(struct known_context *context);
bool explain_event_of_each_watch(struct known_context *context);
bool explain_special(struct known_context *context);
bool explain_event_of_special(struct known_context *context);
bool explain_owner_of_special(struct known_context *context);
bool explain_special_counted(struct known_context *context);
bool explain_special_in_transaction(struct known_context *context);

/* known_domains.c */
bool explain_dropped_entries(struct known_context *context);
bool explain_stripped_entries(struct known_context *context);
bool explain_old_rights(struct known_context *context);
bool explain_stopped_ring(struct known_context *context);
bool explain_introduction_of_own(struct known_context *context);
bool explain_release_for_all(struct known_context *context);
bool explain_order_of_release(struct known_context *context);
bool explain_several_ends(struct known_context *context);
bool explain_owner_of_root(struct known_context *context);
bool explain_end_of_target(struct known_context *context);
