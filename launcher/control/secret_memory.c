/* SPDX-License-Identifier: MIT */
/* See secret_memory.h. */
#include "launcher/control/secret_memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	SLOTS = 64, /* one bit each of `used`; a handshake has at most three at a time */
	/* The largest, of an INITIATE, has 160 bytes and the metadata, which are ours to keep
	 * short: socket type and an empty routing id. */
	SLOT_SIZE = 512
};

static unsigned char *slots; /* NULL: none */
static _Atomic uint64_t used;

/* What stands before a buffer that has a region of its own. */
struct region {
	size_t size;	      /* of the whole mapping */
	max_align_t buffer[]; /* up to the page behind it */
};

/* size bytes between two pages that cannot be touched, or NULL. */
static void *region_map(size_t size, size_t *mapped)
{
	size_t page = (size_t) sysconf(_SC_PAGESIZE);
	size_t inner = (size + page - 1) / page * page;
	unsigned char *at;

	if (size > SIZE_MAX - 3 * page)
		return NULL;
	*mapped = inner + 2 * page;
	at = mmap(NULL, *mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return NULL;
	if (mprotect(at + page, inner, PROT_READ | PROT_WRITE) < 0) {
		munmap(at, *mapped);
		return NULL;
	}
	/* As in libsodium, a limit of locked memory is no error. */
	(void) mlock(at + page, inner);
	(void) madvise(at + page, inner, MADV_DONTDUMP);
	return at + page;
}

void secret_memory_open(void)
{
	size_t mapped;

	if (!slots)
		slots = region_map((size_t) SLOTS * SLOT_SIZE, &mapped);
}

unsigned secret_memory_used(void)
{
	return (unsigned) __builtin_popcountll(atomic_load(&used));
}

static void *slot_take(void)
{
	uint64_t before = atomic_load(&used);

	while (~before != 0) {
		int free_slot = __builtin_ctzll(~before);

		if (atomic_compare_exchange_weak(&used, &before, before | 1ULL << free_slot))
			return slots + (size_t) free_slot * SLOT_SIZE;
	}
	return NULL;
}

static void *region_take(size_t size)
{
	struct region *region;
	size_t mapped;

	if (size > SIZE_MAX - sizeof(*region))
		return NULL;
	region = region_map(sizeof(*region) + size, &mapped);
	if (!region)
		return NULL;
	region->size = mapped;
	return region->buffer;
}

static void region_give(void *buffer)
{
	size_t page = (size_t) sysconf(_SC_PAGESIZE);
	struct region *region =
		(struct region *) ((unsigned char *) buffer - offsetof(struct region, buffer));
	size_t mapped = region->size;

	explicit_bzero(region, mapped - 2 * page);
	munmap((unsigned char *) region - page, mapped);
}

/* libsodium's, see sodium_malloc in its documentation; called by libzmq alone. */
void *sodium_allocarray(size_t count, size_t size);
void sodium_free(void *buffer);

__attribute__((visibility("default"))) void *sodium_allocarray(size_t count, size_t size)
{
	void *buffer = NULL;

	if (size > 0 && count >= SIZE_MAX / size) {
		errno = ENOMEM;
		return NULL;
	}
	if (slots && count * size <= SLOT_SIZE)
		buffer = slot_take();
	return buffer ? buffer : region_take(count * size);
}

__attribute__((visibility("default"))) void sodium_free(void *buffer)
{
	uintptr_t offset = (uintptr_t) buffer - (uintptr_t) slots;

	if (!buffer)
		return;
	if (!slots || offset >= (uintptr_t) SLOTS * SLOT_SIZE) {
		region_give(buffer);
		return;
	}
	explicit_bzero(buffer, SLOT_SIZE);
	atomic_fetch_and(&used, ~(1ULL << offset / SLOT_SIZE));
}
