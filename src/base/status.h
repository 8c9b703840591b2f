/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Results of functions.
 *
 *   0         done
 *   positive  an enum status: an outcome that a client may be told. The caller handles it or hands it on; only
 *             src/request/reply.c turns it into the error name that goes over the wire.
 *   negative  a fault of ours or of the machine: -errno. Handed on unchanged to whoever can undo the work.
 */
enum status {
	STATUS_OK = 0,
	STATUS_EINVAL,
	STATUS_EACCES,
	STATUS_EEXIST,
	STATUS_EISDIR,
	STATUS_ENOENT,
	STATUS_ENOMEM,
	STATUS_ENOSPC,
	STATUS_EIO,
	STATUS_ENOTEMPTY,
	STATUS_ENOSYS,
	STATUS_EROFS,
	STATUS_EBUSY,
	STATUS_EAGAIN,
	STATUS_EISCONN,
	STATUS_E2BIG,
	STATUS_EPERM,
	STATUS_COUNT
};
