/* SPDX-License-Identifier: MIT */
/*
 * The server's token: made by the head, kept in 0600 files, never in argv or a log.  As the
 * user.
 */
#ifndef HEAD_TOKEN_H
#define HEAD_TOKEN_H

/* 256 random bits as hexadecimal text: what jupyter_server's own tokens (192 bits) have and
 * more. */
enum { TOKEN_SIZE = 65 };

/* A new one into `token` of each directory (a negative fd is passed over).  0 or -1 with errno.
 */
int token_create(int private_fd, int state_fd);

#endif
