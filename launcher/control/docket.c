/* SPDX-License-Identifier: MIT */
/* See docket.h. */
#include "launcher/control/docket.h"

#include <stdlib.h>
#include <string.h>

struct docket_gone {
	struct docket_gone *next;
	size_t rank;
	char key[CONTROL_KEY_SIZE], nonce[FRAME_NONCE_MAX];
	char reason[]; /* NUL-terminated */
};

void docket_open(struct docket *docket)
{
	*docket = (struct docket){.last = &docket->gone};
}

static void gone_pop(struct docket *docket)
{
	struct docket_gone *gone = docket->gone;

	docket->gone = gone->next;
	if (!docket->gone)
		docket->last = &docket->gone;
	free(gone);
}

void docket_close(struct docket *docket)
{
	while (docket->guests)
		docket_remove(docket, docket->guests);
	while (docket->gone)
		gone_pop(docket);
}

struct docket_guest *docket_find(const struct docket *docket, size_t rank, const char *key,
				 const char *nonce)
{
	struct docket_guest *guest = docket->guests;

	while (guest && (guest->guest.rank != rank || strcmp(guest->guest.key, key) != 0))
		guest = guest->next;
	return guest && (!nonce || strcmp(guest->guest.nonce, nonce) == 0) ? guest : NULL;
}

int docket_guest(struct docket *docket, const struct port_guest *wanting)
{
	struct docket_guest *guest = docket_find(docket, wanting->rank, wanting->key, NULL);

	if (!guest) {
		guest = calloc(1, sizeof(*guest));
		if (!guest)
			return -1;
		guest->next = docket->guests;
		docket->guests = guest;
		docket->count++;
	}
	guest->guest = *wanting;
	guest->told = false;
	return 0;
}

void docket_remove(struct docket *docket, struct docket_guest *guest)
{
	struct docket_guest **at = &docket->guests;

	while (*at != guest)
		at = &(*at)->next;
	*at = guest->next;
	docket->count--;
	free(guest);
}

int docket_gone(struct docket *docket, size_t rank, const char *key, const char *nonce,
		const char *reason)
{
	size_t size = strlen(reason) + 1;
	struct docket_gone *gone = malloc(sizeof(*gone) + size);

	if (!gone)
		return -1;
	gone->rank = rank;
	gone->next = NULL;
	memcpy(gone->key, key, strlen(key) + 1);
	memcpy(gone->nonce, nonce, strlen(nonce) + 1);
	memcpy(gone->reason, reason, size);
	*docket->last = gone;
	docket->last = &gone->next;
	return 0;
}

void docket_tell(struct docket *docket, struct batch *batch)
{
	const struct docket_gone *gone;

	while ((gone = docket->gone) &&
	       batch_add(batch, gone->rank, gone->key, gone->nonce, gone->reason))
		gone_pop(docket);
}

bool docket_ask(struct docket *docket, struct batch *batch)
{
	for (struct docket_guest *guest = docket->guests; guest; guest = guest->next) {
		if (guest->told)
			continue;
		guest->told = batch_add(batch, guest->guest.rank, guest->guest.key,
					guest->guest.nonce, guest->guest.node);
		if (!guest->told)
			return false;
	}
	return true;
}

void docket_reset(struct docket *docket)
{
	for (struct docket_guest *guest = docket->guests; guest; guest = guest->next)
		guest->told = false;
	while (docket->gone)
		gone_pop(docket);
}
