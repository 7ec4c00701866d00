/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target over the files given as arguments: what `make check` does with the corpus,
 * and how an input that libFuzzer has found is tried under another compiler, valgrind or a
 * debugger.  Linked with one fuzz_*.c.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/fd.h"

/* Bytes of one input; libFuzzer's own default is less. */
enum { INPUT_MAX = 16 << 20 };

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE...\n", argv[0]);
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		char *data;
		size_t size;

		if (file_read(AT_FDCWD, argv[i], INPUT_MAX, &data, &size) != 0) {
			fprintf(stderr, "cannot read %s: %s\n", argv[i], strerror(errno));
			return 1;
		}
		LLVMFuzzerTestOneInput((const uint8_t *) data, size);
		free(data);
	}
	printf("%d inputs, no failure\n", argc - 1);
	return 0;
}
