/* SPDX-License-Identifier: MIT */
/* What kernels.c and kernels_answer.c share; see kernels.h for who uses those. */
#ifndef KERNEL_KERNELS_PRIVATE_H
#define KERNEL_KERNELS_PRIVATE_H

#include "common/options.h"
#include "launcher/kernel/kernels.h"

struct one {
	struct kernels *kernels;
	unsigned number;
	char name[OPTIONS_NAME_MAX]; /* its kernelspec's */
	struct kernel *kernel;	     /* NULL: it has ended, see reason */
	struct reason reason;
	/* Who has had it started while nobody was led to it yet; NULL: nobody waits for it. */
	const void *client;
	bool is_left; /* by him */
	unsigned restarts;
	bool is_own; /* the session's: own is to be called */
	struct kernel_callbacks own;
	struct kernel_choice choice;
	struct kernel_options options;
	struct memory_kill *memory;
	char *path; /* of its directory */
	int fd;	    /* likewise; -1: the session's */
};

struct kernels {
	struct loop *loop;
	const struct kernel_options *options;
	struct kernels_callbacks callbacks;
	unsigned last; /* number given */
	struct one *ones[KERNELS_MAX];
};

/* Also one that has ended; NULL: not known. */
struct one *kernels_one(const struct kernels *kernels, unsigned number);

#endif
