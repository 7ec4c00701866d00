/* SPDX-License-Identifier: MIT */
/*
 * File descriptors (fd.c) and small files (file.c): whole writes, bounded reads, atomic
 * replacement, private directories.  Used by every program as the user; the plugin uses only
 * fd_close_from() and needs only fd.c.
 */
#ifndef COMMON_FD_H
#define COMMON_FD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Closes *fd if it is not negative and sets it to -1.  Keeps errno.  For cleanup attributes. */
void fd_close(int *fd);

/* Closes every descriptor from first on; async-signal-safe (close_range, else /proc/self/fd,
 * else one by one).  Keeps errno. */
void fd_close_from(int first);

/* Writes all of it, through EINTR; fd is blocking.  0 or -1 with errno. */
int fd_write_all(int fd, const void *data, size_t size);

/*
 * Reads to the end of file.  *data is NUL-terminated, *size (may be NULL) without the NUL;
 * caller frees.  -1 with EFBIG when there are more than max bytes, or the errno of read.
 */
int fd_read_all(int fd, size_t max, char **data, size_t *size);

/* openat(O_RDONLY|O_NOFOLLOW|O_NONBLOCK), regular file only (else EINVAL), then fd_read_all.
 * A link is ELOOP. */
int file_read(int dirfd, const char *name, size_t max, char **data, size_t *size);

/* Writes a temporary file beside it, fsyncs, renames.  On failure name is untouched and nothing
 * is left.  name is a plain file name, else EINVAL.  The file gets exactly mode, whatever the
 * umask. 0 or -1 with errno. */
int file_replace(int dirfd, const char *name, mode_t mode, const void *data, size_t size);

/* Removes the directory `name` below dirfd with all in it, however deep, never following links,
 * never leaving the file system.  Goes on after an error: 0 or -1 with the first errno.  ENOENT
 * is 0.  Two descriptors besides dirfd. */
int dir_remove(int dirfd, const char *name);

/* Opens path, made (one level) with mode 0700 when missing; refuses links (ENOTDIR or ELOOP),
 * other owners (EPERM) and modes that let others write (EPERM).  A directory fd or -1. */
int dir_private(int dirfd, const char *name);

/* The same for a directory that must exist: ENOENT when missing. */
int dir_open(int dirfd, const char *name);

#endif
