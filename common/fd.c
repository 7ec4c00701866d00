/* SPDX-License-Identifier: MIT */
/*
 * File descriptors: see fd.h.  Used by every program as the user, and by the plugin in the
 * child that it forks from slurmstepd, so fd_close_from must be async-signal-safe.
 */
#include "fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "text.h"

/* The first buffer of fd_read_all: a page holds most of what is read. */
enum { READ_FIRST = 4096 };

/* Descriptors to try one by one when nothing tells which are open: the kernel's default
 * fs.nr_open. */
enum { BLIND_MAX = 1 << 20 };

void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

/*
 * One pass over an open /proc/self/fd by getdents64, because opendir allocates.  1 when it has
 * closed something, 0 when nothing was left to close, -1 when the directory cannot be read.
 */
static int proc_close_pass(int proc, int first)
{
	/* The kernel's linux_dirent64, which libc's struct dirent64 equals. */
	_Alignas(struct dirent64) char buffer[4096];
	int closed = 0;

	if (lseek(proc, 0, SEEK_SET) < 0)
		return -1;
	for (;;) {
		long got = syscall(SYS_getdents64, proc, buffer, sizeof(buffer));

		if (got < 0)
			return -1;
		if (got == 0)
			return closed;
		for (long at = 0; at < got;) {
			const struct dirent64 *entry = (const struct dirent64 *) (buffer + at);
			unsigned long number;

			at += entry->d_reclen;
			if (text_to_ulong(entry->d_name, 0, INT_MAX, &number) != 0)
				continue; /* "." and ".." */
			if ((int) number < first || (int) number == proc)
				continue;
			if (close((int) number) == 0)
				closed = 1;
		}
	}
}

/* Closes what /proc/self/fd names.  -1 when it cannot tell. */
static int proc_close(int first)
{
	int proc, result;

	/* Makes room when every descriptor is taken. */
	close(first);
	proc = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return -1;
	do {
		result = proc_close_pass(proc, first);
	} while (result > 0);
	close(proc);
	return result;
}

void fd_close_from(int first)
{
	int saved = errno;
	struct rlimit limit;

	if (first < 0)
		first = 0;
#ifdef SYS_close_range
	if (syscall(SYS_close_range, (unsigned) first, ~0U, 0U) == 0)
		goto done;
#endif
	/* Kernels before 5.9, and containers that forbid what they do not know. */
	if (proc_close(first) == 0)
		goto done;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max > BLIND_MAX)
		limit.rlim_max = BLIND_MAX;
	for (int fd = first; fd < (int) limit.rlim_max; fd++)
		close(fd);
done:
	errno = saved;
}

int fd_write_all(int fd, const void *data, size_t size)
{
	const char *at = data;

	while (size > 0) {
		ssize_t done = write(fd, at, size);

		if (done < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		if (done == 0) { /* no progress and no reason: never loop on it */
			errno = EIO;
			return -1;
		}
		at += done;
		size -= (size_t) done;
	}
	return 0;
}

int fd_read_all(int fd, size_t max, char **data, size_t *size)
{
	size_t used = 0, room = READ_FIRST;
	char *buffer, *larger;
	ssize_t got;
	int saved;

	if (max > SSIZE_MAX / 2)
		max = SSIZE_MAX / 2;
	if (room > max + 1)
		room = max + 1; /* one byte more than allowed shows that there is more */
	buffer = malloc(room + 1);
	if (buffer == NULL)
		return -1;
	for (;;) {
		if (used == room) {
			if (used > max) { /* room ends at max + 1 */
				errno = EFBIG;
				goto error;
			}
			room = room > max / 2 ? max + 1 : room * 2;
			larger = realloc(buffer, room + 1);
			if (larger == NULL)
				goto error;
			buffer = larger;
		}
		got = read(fd, buffer + used, room - used);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			goto error;
		if (got == 0)
			break;
		used += (size_t) got;
	}
	buffer[used] = '\0';
	*data = buffer;
	if (size != NULL)
		*size = used;
	return 0;

error:
	saved = errno;
	free(buffer);
	errno = saved;
	return -1;
}
