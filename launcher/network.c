/* SPDX-License-Identifier: MIT */
/*
 * See network.h.
 */
#include "launcher/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"

enum {
	V4_BITS = 32,
	V6_BITS = 128,
	V4_MAPPED_BITS = 96 /* of ::ffff:0:0/96, RFC 4291 section 2.5.5.2 */
};
static const uint8_t v4_mapped[V4_MAPPED_BITS / 8] = {[10] = 0xff, [11] = 0xff};

/* Whether the first prefix bits agree. */
static bool bits_equal(const uint8_t *a, const uint8_t *b, unsigned prefix)
{
	unsigned bytes = prefix / 8, bits = prefix % 8;

	if (memcmp(a, b, bytes) != 0)
		return false;
	return bits == 0 || ((a[bytes] ^ b[bytes]) >> (8 - bits)) == 0;
}

static bool bits_clear_from(const uint8_t *address, unsigned prefix, unsigned width)
{
	for (unsigned bit = prefix; bit < width; bit++)
		if (address[bit / 8] & (0x80 >> bit % 8))
			return false;
	return true;
}

int network_parse(const char *cidr, struct network *network, struct reason *reason)
{
	static const char allowed[] =
		"allowed is ADDRESS/BITS, such as 10.0.0.0/8 or 2001:db8::/32";
	struct network parsed = {.family = AF_INET};
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchrnul(cidr, '/');
	size_t length = (size_t) (slash - cidr);
	unsigned long prefix, width = V4_BITS;

	errno = EINVAL;
	if (length >= sizeof(address))
		return reason_set(reason, "network \"%s\": %s", cidr, allowed);
	memcpy(address, cidr, length);
	address[length] = '\0';
	if (inet_pton(AF_INET, address, parsed.address) != 1) {
		if (inet_pton(AF_INET6, address, parsed.address) != 1) {
			errno = EINVAL;
			return reason_set(reason, "network \"%s\": no such address: %s", cidr,
					  allowed);
		}
		parsed.family = AF_INET6;
		width = V6_BITS;
	}
	prefix = width;
	if (*slash && text_to_ulong(slash + 1, 0, width, &prefix) < 0) {
		errno = EINVAL;
		return reason_set(reason, "network \"%s\": allowed are 0 to %lu bits", cidr,
				  width);
	}
	if (!bits_clear_from(parsed.address, (unsigned) prefix, (unsigned) width)) {
		errno = EINVAL;
		return reason_set(reason,
				  "network \"%s\": the address has bits beyond the first %lu",
				  cidr, prefix);
	}
	if (parsed.family == AF_INET6 && prefix >= V4_MAPPED_BITS &&
	    bits_equal(parsed.address, v4_mapped, V4_MAPPED_BITS)) {
		memmove(parsed.address, parsed.address + sizeof(v4_mapped), V4_BITS / 8);
		memset(parsed.address + V4_BITS / 8, 0, sizeof(v4_mapped));
		parsed.family = AF_INET;
		prefix -= V4_MAPPED_BITS;
	}
	parsed.prefix = (unsigned) prefix;
	*network = parsed;
	return 0;
}

bool network_contains(const struct network *network, const struct sockaddr *address)
{
	const uint8_t *bytes;
	int family = address->sa_family;

	if (family == AF_INET) {
		bytes = (const uint8_t *) &((const struct sockaddr_in *) address)->sin_addr;
	} else if (family == AF_INET6) {
		bytes = ((const struct sockaddr_in6 *) address)->sin6_addr.s6_addr;
		if (bits_equal(bytes, v4_mapped, V4_MAPPED_BITS)) {
			bytes += sizeof(v4_mapped);
			family = AF_INET;
		}
	} else {
		return false;
	}
	return family == network->family &&
	       bits_equal(bytes, network->address, network->prefix);
}

int network_list_parse(const char *cidrs, struct network **networks, size_t *count,
		       struct reason *reason)
{
	size_t parts = 0, used = 0;

	if (!cidrs) {
		*networks = NULL;
		*count = 0;
		return 0;
	}
	for (const char *c = cidrs; c; c = strchr(c + 1, ','))
		parts++;
	struct network *parsed = calloc(parts, sizeof(*parsed));
	char *copy = strdup(cidrs), *rest = copy, *part;
	if (!parsed || !copy) {
		reason_set(reason, "networks: %s", strerror(errno));
		goto error;
	}
	while ((part = strsep(&rest, ",")))
		if (network_parse(part, &parsed[used++], reason) < 0)
			goto error;
	free(copy);
	*networks = parsed;
	*count = used;
	return 0;
error:
	free(copy);
	free(parsed);
	return -1;
}
