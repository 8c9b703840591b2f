/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "support/daemon.h"
#include "support/random.h"
#include "xensim/xensim.h"

/*
 * A daemon that is updated while guests and socket clients who know exactly what they are to be told keep it busy
 * (ring_player.h; the socket client sets and removes watches, so that a request which was run twice or never is answered with an
 * error). Everything that is wrong fails the running test.
 */
struct update_load;

/* A host with guests under the daemon's directory, and the daemon on it, with its keeper or without. */
struct update_load *update_load_new(struct daemon *daemon, bool kept, const char *const arguments[]);

/* All is answered and told what it should be, and the store is sound; then all ends. */
void update_load_free(struct update_load *load);

struct sim *update_load_sim(struct update_load *load);

/* Something is asked for, or an answer is taken. */
void update_load_go_on(struct update_load *load);

/* Goes on until the process has ended; its status. */
int update_load_until_end(struct update_load *load, pid_t pid);

/*
 * xenstore-control of Xen 4.17 with these words behind "live-update", ending with NULL, while the load goes on. Returns its
 * exit status; what it complains of is in `text`. -ENOENT: it cannot be had.
 */
enum { UPDATE_TEXT = 2048 };
int update_load_ask(struct update_load *load, const char *const words[], char text[UPDATE_TEXT]);
