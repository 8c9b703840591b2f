/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "request/client.h"
#include "request/turn.h"
#include "store/tree.h"
#include "wire/message.h"

/* One request while it is run. All it points to lives until the reply has been appended. */
struct request {
	struct turn *turn;
	struct client *client;
	const struct message_header *header;
	uint64_t end;		 /* offset in the client's input behind it */
	struct reader arguments; /* the payload, not yet decoded */
	struct tree tree;	 /* as this request sees it */
	char path_buffer[PATH_BUFFER];
};

/* What goes back. Zeroed: "OK" and its NUL. */
struct reply {
	const char *bytes; /* borrowed: from the map, the arena or a constant */
	size_t len;
	bool is_set;		   /* bytes and len count, even if len is 0 */
	const struct watch *watch; /* just set: its first event follows the reply */
	bool waits;		   /* none yet: the request is run again after turn_resume */
};

void reply_set(struct reply *reply, const char *bytes, size_t len);
void reply_set_string(struct reply *reply, const char *text); /* with its NUL */

/* The error name of a result that is not 0; faults have one too. The only place that knows both. */
const char *reply_error_name(int result);

/*
 * Operations: decode the arguments, do it, fill the reply. Return 0, a status (then nothing was changed), or a fault (then the
 * turn is run anew, see turn.h). They never write to a connection nor end one.
 */
typedef int operation_function(struct request *request, struct reply *reply);

enum {
	OPERATION_CHANGES_MEMORY = 1, /* changes what is not in the store: only in a turn that has changed nothing yet */
	OPERATION_PRIVILEGED = 2,     /* STATUS_EACCES for others */
	OPERATION_IN_TRANSACTION = 4, /* works in the transaction that the header names; others only want one to exist */
	OPERATION_ANY_NUMBER = 8      /* whatever the header names is ignored (XSA-115) */
};

struct operation {
	operation_function *run; /* NULL: no such operation */
	unsigned flags;
};

/* Never NULL; for unknown types one without function. */
const struct operation *operation_of(uint32_t type);

/* `given` in its absolute form (in request->path_buffer), within the caller's path-max. STATUS_EINVAL. */
int request_path_of(struct request *request, const char *given, size_t len, bool specials, struct path *out);

/* The next argument as a path in its absolute form (in request->path_buffer). STATUS_EINVAL. */
int request_path(struct request *request, bool specials, struct path *out);

/* The next argument as a number of at most `max`, decimal digits only. STATUS_EINVAL. */
int request_number(struct request *request, uint64_t max, uint64_t *out);

/* STATUS_EINVAL unless all arguments are used up. */
int request_end(struct request *request);

/* control.c */
int operation_control(struct request *request, struct reply *reply);

/* watch_operations.c */
int operation_watch(struct request *request, struct reply *reply);
int operation_unwatch(struct request *request, struct reply *reply);
int operation_reset_watches(struct request *request, struct reply *reply);

/* domain_operations.c */
int operation_get_domain_path(struct request *request, struct reply *reply);
int operation_is_domain_introduced(struct request *request, struct reply *reply);
int operation_introduce(struct request *request, struct reply *reply);
int operation_release(struct request *request, struct reply *reply);
int operation_resume(struct request *request, struct reply *reply);
int operation_set_target(struct request *request, struct reply *reply);
int operation_get_feature(struct request *request, struct reply *reply);
int operation_set_feature(struct request *request, struct reply *reply);

/* quota_operations.c */
int operation_get_quota(struct request *request, struct reply *reply);
int operation_set_quota(struct request *request, struct reply *reply);

/* The next argument as the number of a domain, which need not exist. STATUS_EINVAL. */
int request_domid(struct request *request, uint16_t *out);

/* A number as the reply. STATUS_ENOMEM. */
int reply_set_number(struct reply *reply, struct arena *arena, uint32_t number);
