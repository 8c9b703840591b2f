/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files that a daemon expects at fixed places: /proc/xen and /dev/xen are those of the simulated host, and what oxenstored has
 * compiled in, /var/run/xenstored and /var/log/xen, is the run directory.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "xensim/preload.h"

void *preload_real(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	if (!function) {
		fprintf(stderr, "xensim: there is no %s\n", name);
		abort();
	}
	return function;
}

struct host *preload_host(void)
{
	static struct host host;
	const char *directory = getenv("XENSIM");

	if (host.state)
		return &host;
	int error = directory ? host_open(&host, directory) : -ENOENT;
	if (!error)
		return &host;
	errno = -error;
	return NULL;
}

/* The place of `path` here, in `room` if it is another one. */
static const char *place(const char *path, char room[PATH_MAX])
{
	static const struct {
		const char *prefix, *variable, *folder;
	} places[] = {
	    {"/proc/xen", "XENSIM", "/proc"},
	    {"/dev/xen", "XENSIM", "/dev"},
	    {"/var/run/xenstored", "XENSTORED_RUNDIR", ""},
	    {"/run/xenstored", "XENSTORED_RUNDIR", ""},
	    {"/var/log/xen", "XENSTORED_RUNDIR", ""},
	    {"/var/run/xen", "XENSTORED_RUNDIR", ""},
	};

	for (size_t i = 0; path && i < sizeof(places) / sizeof(*places); i++) {
		size_t len = strlen(places[i].prefix);
		const char *to = getenv(places[i].variable);
		if (!to || strncmp(path, places[i].prefix, len) || (path[len] && path[len] != '/'))
			continue;
		snprintf(room, PATH_MAX, "%s%s%s", to, places[i].folder, path + len);
		return room;
	}
	return path;
}

#define OPEN(name)                                                                                                               \
	int name(const char *path, int flags, ...)                                                                               \
	{                                                                                                                        \
		char room[PATH_MAX];                                                                                             \
		mode_t mode = 0;                                                                                                 \
		va_list arguments;                                                                                               \
                                                                                                                                 \
		if (flags & (O_CREAT | O_TMPFILE)) {                                                                             \
			va_start(arguments, flags);                                                                              \
			mode = va_arg(arguments, mode_t);                                                                        \
			va_end(arguments);                                                                                       \
		}                                                                                                                \
		return ((int (*)(const char *, int, ...))preload_real(#name))(place(path, room), flags, mode);                   \
	}
OPEN(open)
OPEN(open64)

#define ON_PATH(type, name, parameters, ...)                                                                                     \
	type name parameters                                                                                                     \
	{                                                                                                                        \
		char room[PATH_MAX];                                                                                             \
                                                                                                                                 \
		return ((type(*) parameters)preload_real(#name))(place(path, room), ##__VA_ARGS__);                              \
	}
ON_PATH(FILE *, fopen, (const char *path, const char *mode), mode)
ON_PATH(FILE *, fopen64, (const char *path, const char *mode), mode)
ON_PATH(DIR *, opendir, (const char *path))
ON_PATH(int, access, (const char *path, int mode), mode)
ON_PATH(int, chmod, (const char *path, mode_t mode), mode)
ON_PATH(int, mkdir, (const char *path, mode_t mode), mode)
ON_PATH(int, unlink, (const char *path))
ON_PATH(int, stat, (const char *path, struct stat *out), out)
ON_PATH(int, lstat, (const char *path, struct stat *out), out)
ON_PATH(int, stat64, (const char *path, struct stat64 *out), out)
ON_PATH(int, lstat64, (const char *path, struct stat64 *out), out)

int rename(const char *from, const char *to)
{
	char room[PATH_MAX], other_room[PATH_MAX];

	return ((int (*)(const char *, const char *))preload_real("rename"))(place(from, room), place(to, other_room));
}

int bind(int fd, const struct sockaddr *address, socklen_t len)
{
	struct sockaddr_un moved = {.sun_family = AF_UNIX};
	char path[sizeof(moved.sun_path) + 1] = "", room[PATH_MAX];

	if (address->sa_family == AF_UNIX && len > offsetof(struct sockaddr_un, sun_path) && len <= sizeof(moved)) {
		memcpy(path, ((const struct sockaddr_un *)address)->sun_path, len - offsetof(struct sockaddr_un, sun_path));
		const char *at = place(path, room);
		if (at != path && strlen(at) < sizeof(moved.sun_path)) {
			strcpy(moved.sun_path, at);
			address = (const struct sockaddr *)&moved;
			len = sizeof(moved);
		}
	}
	return ((int (*)(int, const struct sockaddr *, socklen_t))preload_real("bind"))(fd, address, len);
}

/* oxenstored asks for more descriptors than there may be, and ends if it does not get them. */
int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
	int result = ((int (*)(__rlimit_resource_t, const struct rlimit *))preload_real("setrlimit"))(resource, limit);

	return resource == RLIMIT_NOFILE ? 0 : result;
}
