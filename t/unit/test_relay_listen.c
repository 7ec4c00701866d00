/* SPDX-License-Identifier: MIT */
/*
 * Tests of taking a port (launcher/head/relay_listen.c) and of the networks that may use it
 * (launcher/head/network.c).  Run by `make check`, as anybody.
 */
#include <arpa/inet.h>
#include <sys/socket.h>

#include "launcher/head/relay.h"
#include "scratch.h"

static int connect_to(unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((in_port_t) port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Two ports in a row, both free a moment ago. */
static unsigned free_ports(void)
{
	struct reason reason;
	unsigned first, second;
	int fd, other;

	for (int i = 0; i < 1000; i++) {
		fd = relay_listen("127.0.0.1", 0, 0, &first, &reason);
		other = first < 65535 ? relay_listen("127.0.0.1", first + 1, first + 1, &second,
						     &reason)
				      : -1;
		close(fd);
		if (other >= 0) {
			close(other);
			return first;
		}
	}
	bail_out("no two ports in a row are free");
}

static void test_ports(void)
{
	struct reason reason = {""};
	unsigned port = 0, first, other;
	bool both[2] = {false, false};
	int fd, fds[2], client, server;

	fd = relay_listen("127.0.0.1", 0, 0, &port, &reason);
	ok(fd >= 0 && port > 0, "a port of the kernel's choice");
	client = connect_to(port);
	ok(client >= 0, "it listens");
	ok(fcntl(fd, F_GETFD) & FD_CLOEXEC && fcntl(fd, F_GETFL) & O_NONBLOCK,
	   "close-on-exec and non-blocking");
	close(client);
	fails_with(relay_listen("127.0.0.1", port, port, &other, &reason), EADDRINUSE,
		   "a taken port");
	ok(strstr(reason.text, "taken") != NULL, "%s", reason.text);
	is_int(relay_listen("0.0.0.0", port, port, &other, &reason), -1,
	       "not by another address either");
	close(fd);

	first = free_ports();
	for (int i = 0; i < 2; i++)
		fds[i] = relay_listen("127.0.0.1", first, first + 1, &port, &reason);
	ok(fds[0] >= 0 && fds[1] >= 0, "a range is used up");
	fails_with(relay_listen("127.0.0.1", first, first + 1, &port, &reason), EADDRINUSE,
		   "to its end");
	close(fds[1]);
	fd = relay_listen("127.0.0.1", first, first + 1, &port, &reason);
	ok(fd >= 0, "and what is given back is found");
	close(fd);
	close(fds[0]);
	for (int i = 0; i < 200 && !(both[0] && both[1]); i++) {
		fd = relay_listen("127.0.0.1", first, first + 1, &port, &reason);
		if (fd < 0)
			break;
		both[port - first] = true;
		close(fd);
	}
	ok(both[0] && both[1], "the search begins anywhere");

	/* The session before has closed its connections itself: they are in TIME_WAIT here. */
	fd = relay_listen("127.0.0.1", first, first, &port, &reason);
	client = connect_to(first);
	while ((server = accept(fd, NULL, NULL)) < 0 && errno == EAGAIN)
		;
	close(server);
	while (recv(client, (char[1]){0}, 1, 0) > 0)
		;
	close(client);
	close(fd);
	fd = relay_listen("127.0.0.1", first, first, &port, &reason);
	ok(fd >= 0, "a port that was just in use is free again");
	close(fd);
}

static void test_wrong_ports(void)
{
	struct reason reason;
	unsigned port = 7;

	fails_with(relay_listen("127.0.0.1", 9, 8, &port, &reason), EINVAL, "9-8");
	fails_with(relay_listen("127.0.0.1", 0, 8, &port, &reason), EINVAL, "0-8");
	fails_with(relay_listen("127.0.0.1", 1, 65536, &port, &reason), EINVAL, "1-65536");
	fails_with(relay_listen("node1", 0, 0, &port, &reason), EINVAL, "a name");
	fails_with(relay_listen("", 0, 0, &port, NULL), EINVAL, "nothing");
	fails_with(relay_listen("127.1", 0, 0, &port, &reason), EINVAL, "half an address");
	fails_with(relay_listen("192.0.2.1", 0, 0, &port, &reason), EADDRNOTAVAIL,
		   "an address that is not ours");
	ok(strstr(reason.text, "192.0.2.1") != NULL, "%s", reason.text);
	is_int(port, 7, "the port is untouched");
}

static bool contains(const char *cidr, const char *address)
{
	struct network network;
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (network_parse(cidr, &network, NULL) < 0)
		bail_out(cidr);
	if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
		return network_contains(&network, (struct sockaddr *) &v4);
	if (inet_pton(AF_INET6, address, &v6.sin6_addr) != 1)
		bail_out(address);
	return network_contains(&network, (struct sockaddr *) &v6);
}

static void test_networks(void)
{
	static const struct {
		const char *cidr, *in, *out;
	} cases[] = {
		{"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
		{"192.168.4.0/22", "192.168.7.255", "192.168.8.0"},
		{"192.168.4.0/22", "::ffff:192.168.5.1", "::ffff:192.168.3.255"},
		{"127.0.0.1", "127.0.0.1", "127.0.0.2"},
		{"128.0.0.0/1", "200.1.1.1", "127.255.255.255"},
		{"0.0.0.0/0", "1.2.3.4", "2001:db8::1"},
		{"::/0", "2001:db8::1", "1.2.3.4"},
		{"::/0", "::1", "::ffff:1.2.3.4"},
		{"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"},
		{"fe80::1/128", "fe80::1", "fe80::2"},
		{"::ffff:10.0.0.0/104", "10.1.2.3", "11.1.2.3"},
	};
	static const char *const wrong[] = {
		"",
		"/8",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0.0/-1",
		"10.0.0.0/ 8",
		"10.0.0.0/8 ",
		"10.1.0.0/8",
		"10.0.0/8",
		"::/129",
		"2001:db8::1/64",
		"node1",
		"10.0.0.0/8/8",
		"10.0.0.0/0x8",
		"2001:0db8:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/32"};
	struct network network = {.prefix = 99};
	struct sockaddr local = {.sa_family = AF_UNIX};
	struct reason reason;
	int bad = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ok(contains(cases[i].cidr, cases[i].in) &&
			   !contains(cases[i].cidr, cases[i].out),
		   "%s: %s, not %s", cases[i].cidr, cases[i].in, cases[i].out);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		errno = 0;
		reason.text[0] = '\0';
		if (network_parse(wrong[i], &network, &reason) == 0 || errno != EINVAL ||
		    !strstr(reason.text, wrong[i])) {
			bad++;
			tap_note("\"%s\": %s", wrong[i], reason.text);
		}
	}
	is_int(bad, 0, "what is no network is refused, and quoted");
	is_int(network.prefix, 99, "and the result untouched");
	network_parse("0.0.0.0/0", &network, NULL);
	ok(!network_contains(&network, &local), "a unix socket is in no network");
}

int main(void)
{
	alarm(120);
	test_ports();
	test_wrong_ports();
	test_networks();
	return done_testing();
}
