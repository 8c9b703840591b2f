/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Finds a small part of `n` steps for which `fails` is still true: none of its steps can be left out. On entry left_out says
 * what is left out already (the rest fails), on return what can be.
 */
void shrink(size_t n, bool left_out[], bool (*fails)(void *context, const bool left_out[]), void *context);
