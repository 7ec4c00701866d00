/* SPDX-License-Identifier: MIT */
/*
 * Tests of the choice of the node's address (launcher/head/address.h), in network namespaces
 * of their own where that is allowed.  Run by `make check`, as anybody; as root more.
 */
#include "launcher/head/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "scratch.h"

static char ip[INET6_ADDRSTRLEN];
static struct reason reason;

static void test_network(void)
{
	static const char *const wrong[] = {"",
					    "x",
					    "127.0.0.0/33",
					    "127.0.0.1/8",
					    "127.0.0.0/-1",
					    "127.0.0.0/8/8",
					    "127.0.0.0/",
					    "/8",
					    "::/129",
					    "127.0.0.0/8,10.0.0.0/8"};

	is_int(address_choose("127.0.0.0/8", "n", ip, &reason), 0, "in a network");
	is_str(ip, "127.0.0.1", "the address in it, loopback too");
	is_int(address_choose("127.0.0.1", "n", ip, &reason), 0, "a network of one address");
	strcpy(ip, "untouched");
	fails_with(address_choose("203.0.113.0/24", "n7", ip, &reason), EADDRNOTAVAIL,
		   "a network without us");
	ok(strstr(reason.text, "n7") && strstr(reason.text, "203.0.113.0/24"), "%s",
	   reason.text);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		fails_with(address_choose(wrong[i], "n", ip, &reason), EINVAL, "\"%s\" is none",
			   wrong[i]);
		ok(!strncmp(reason.text, "network of the site's settings: ", 32), "%s",
		   reason.text);
	}
	is_str(ip, "untouched", "and nothing is returned");
}

static int set_interface(const char *name, const char *address)
{
	struct ifreq request = {.ifr_flags = 0};
	struct sockaddr_in in = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = -1;

	strcpy(request.ifr_name, name);
	if (address) {
		inet_pton(AF_INET, address, &in.sin_addr);
		memcpy(&request.ifr_addr, &in, sizeof(in));
		rc = ioctl(fd, SIOCSIFADDR, &request);
	} else if (ioctl(fd, SIOCGIFFLAGS, &request) == 0) {
		request.ifr_flags |= IFF_UP;
		rc = ioctl(fd, SIOCSIFFLAGS, &request);
	}
	close(fd);
	return rc;
}

static bool chooses(const char *network, const char *node, const char *expected)
{
	return address_choose(network, node, ip, &reason) == 0 && !strcmp(ip, expected);
}

static int loopback_alone(int dir)
{
	(void) dir;
	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0)
		return CANNOT;
	if (address_choose(NULL, "192.0.2.1", ip, &reason) == 0 || errno != EADDRNOTAVAIL)
		return 1; /* all down */
	if (set_interface("lo", NULL) < 0)
		return CANNOT;
	return chooses(NULL, "192.0.2.1", "127.0.0.1") ? 0 : 2;
}

/* Two interfaces, made by ip(8). */
static int interfaces(int dir)
{
	(void) dir;
	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0 || set_interface("lo", NULL) < 0 ||
	    system("ip link add one type veth peer name two 2>/dev/null") != 0 ||
	    set_interface("one", "192.0.2.1") < 0 || set_interface("two", "198.51.100.1") < 0)
		return CANNOT;
	if (set_interface("one", NULL) < 0 || set_interface("two", NULL) < 0)
		return CANNOT;
	if (!chooses(NULL, "198.51.100.1", "198.51.100.1"))
		return 1; /* that which the name has */
	/* A name that is not ours, or loopback: the first, whichever the kernel lists first. */
	char any[sizeof(ip)];
	if (address_choose(NULL, "203.0.113.9", any, &reason) < 0 ||
	    (strcmp(any, "192.0.2.1") != 0 && strcmp(any, "198.51.100.1") != 0) ||
	    !chooses(NULL, "127.0.0.1", any))
		return 2;
	if (!chooses("198.51.100.0/24", "192.0.2.1", "198.51.100.1"))
		return 3; /* the network before the name */
	if (address_choose("fe80::/10", "n", ip, &reason) == 0)
		return 4; /* link-local is never offered */
	if (system("ip -6 address add 2001:db8::1/64 dev one nodad 2>/dev/null") == 0) {
		if (!chooses("2001:db8::/32", "n", "2001:db8::1") ||
		    !chooses(NULL, "2001:db8::1", "2001:db8::1") ||
		    !chooses(NULL, "203.0.113.9", any))
			return 5;
	}
	if (system("ip link set one down") != 0)
		return CANNOT;
	return chooses(NULL, "192.0.2.1", "198.51.100.1") ? 0 : 6; /* down is not offered */
}

int main(void)
{
	test_network();
	is_child(in_child(loopback_alone, -1), "loopback, when there is nothing else");
	is_child(in_child(interfaces, -1), "the right one of several");
	return done_testing();
}
