/* SPDX-License-Identifier: MIT */
/* See connections.h. */
#include "launcher/control/connections.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* In order of `since`; fds. */
struct list {
	int oldest, newest;
	size_t count;
};

struct connections {
	struct connection *entries; /* by fd */
	size_t size;
	struct list fresh, turned;
	size_t fresh_max;
	unsigned port;
};

/* Strangers get half of the files that are left. */
static size_t spare_files(size_t expected)
{
	struct rlimit limit = {.rlim_cur = 0};
	size_t used = expected + CONNECTIONS_OTHER_FILES, spare;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= used)
		return 0;
	spare = (limit.rlim_cur - used) / 2;
	return spare < CONNECTIONS_SPARE ? spare : CONNECTIONS_SPARE;
}

struct connections *connections_create(unsigned port, size_t expected)
{
	size_t spare = spare_files(expected);
	struct connections *table;

	if (spare < CONNECTIONS_SPARE_MIN) {
		errno = EMFILE;
		return NULL;
	}
	table = calloc(1, sizeof(*table));
	if (!table)
		return NULL;
	table->fresh = (struct list){.oldest = -1, .newest = -1};
	table->turned = table->fresh;
	table->fresh_max = expected + spare;
	table->port = port;
	return table;
}

void connections_destroy(struct connections *table)
{
	if (!table)
		return;
	free(table->entries);
	free(table);
}

static struct list *list_of(struct connections *table, enum connection_state state)
{
	if (state == CONNECTION_FRESH)
		return &table->fresh;
	return state == CONNECTION_TURNED ? &table->turned : NULL;
}

static void list_remove(struct connections *table, struct list *list, int fd)
{
	struct connection *entry = &table->entries[fd];

	if (entry->older >= 0)
		table->entries[entry->older].newer = entry->newer;
	else
		list->oldest = entry->newer;
	if (entry->newer >= 0)
		table->entries[entry->newer].older = entry->older;
	else
		list->newest = entry->older;
	list->count--;
}

static void list_append(struct connections *table, struct list *list, int fd)
{
	struct connection *entry = &table->entries[fd];

	entry->older = list->newest;
	entry->newer = -1;
	if (list->newest >= 0)
		table->entries[list->newest].newer = fd;
	else
		list->oldest = fd;
	list->newest = fd;
	list->count++;
}

struct connection *connections_get(struct connections *table, int fd)
{
	return fd >= 0 && (size_t) fd < table->size ? &table->entries[fd] : NULL;
}

void connections_set(struct connections *table, int fd, enum connection_state state,
		     int64_t now)
{
	struct connection *entry = connections_get(table, fd);
	struct list *list;

	if (!entry)
		return;
	list = list_of(table, entry->state);
	if (list)
		list_remove(table, list, fd);
	entry->state = state;
	entry->since = now;
	list = list_of(table, state);
	if (list)
		list_append(table, list, fd);
}

static int table_grow(struct connections *table, size_t needed)
{
	size_t size = table->size ? table->size : 64;
	struct connection *entries;

	while (size < needed)
		size *= 2;
	if (size == table->size)
		return 0;
	entries = reallocarray(table->entries, size, sizeof(*entries));
	if (!entries)
		return -1;
	for (size_t fd = table->size; fd < size; fd++)
		entries[fd] = (struct connection){.rank = SIZE_MAX};
	table->entries = entries;
	table->size = size;
	return 0;
}

int connections_accepted(struct connections *table, int fd, int64_t now)
{
	if (fd < 0 || table_grow(table, (size_t) fd + 1) < 0)
		return -1;
	table->entries[fd].rank = SIZE_MAX;
	connections_set(table, fd, CONNECTION_FRESH, now);
	while (table->fresh.count > table->fresh_max)
		connections_kick(table, table->fresh.oldest);
	return 0;
}

void connections_ended(struct connections *table, int fd)
{
	connections_set(table, fd, CONNECTION_NONE, 0);
}

/*
 * The I/O thread may have closed fd by now, and the number may belong to anything.  A duplicate
 * cannot be closed under us; if it is no connection to our port it is left alone, and if it is
 * a newer one than we meant its agent connects again.
 */
void connections_kick(struct connections *table, int fd)
{
	int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	struct sockaddr_storage local = {.ss_family = AF_UNSPEC};
	socklen_t size = sizeof(local);
	in_port_t port = 0;

	connections_set(table, fd, CONNECTION_KICKED, 0);
	if (duplicate < 0)
		return;
	if (getsockname(duplicate, (struct sockaddr *) &local, &size) == 0) {
		if (local.ss_family == AF_INET)
			port = ((struct sockaddr_in *) &local)->sin_port;
		else if (local.ss_family == AF_INET6)
			port = ((struct sockaddr_in6 *) &local)->sin6_port;
	}
	size = sizeof(local);
	/* Without a peer it would be the listening socket. */
	if (port != 0 && ntohs(port) == table->port &&
	    getpeername(duplicate, (struct sockaddr *) &local, &size) == 0)
		shutdown(duplicate, SHUT_RDWR);
	close(duplicate);
}

static int64_t expire(struct connections *table, struct list *list, int64_t limit, int64_t now)
{
	while (list->oldest >= 0) {
		int64_t left = table->entries[list->oldest].since + limit - now;

		if (left > 0)
			return left;
		connections_kick(table, list->oldest);
	}
	return -1;
}

int64_t connections_expire(struct connections *table, int64_t now)
{
	int64_t fresh = expire(table, &table->fresh, CONNECTIONS_FRESH_MS, now);
	int64_t turned = expire(table, &table->turned, CONNECTIONS_TURNED_MS, now);

	if (fresh < 0 || (turned >= 0 && turned < fresh))
		return turned;
	return fresh;
}
