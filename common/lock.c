/* SPDX-License-Identifier: MIT */
/* See lock.h. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/lock.h"

static int open_lock(int dirfd, const char *name, int flags)
{
	return openat(dirfd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags, 0600);
}

int lock_take(int dirfd, const char *name)
{
	/* Open file description locks: they belong to the fd, not to whoever closes any other
	 * fd of the file in this process, and other nodes see them through NFS. */
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open_lock(dirfd, name, O_CREAT);

	if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &whole) < 0) {
		if (errno == EACCES)
			errno = EWOULDBLOCK;
		fd_close(&fd);
	}
	return fd;
}

bool lock_is_held(int dirfd, const char *name)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open_lock(dirfd, name, 0);
	bool held = fd >= 0 && fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;

	fd_close(&fd);
	return held;
}
