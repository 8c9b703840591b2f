/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <check.h>

/* Runs the suite as the environment says (CK_FORK, CK_RUN_CASE, TAP by CK_TAP_LOG_FILE_NAME), frees it, and returns main's
 * result. */
int suite_run(Suite *suite);
