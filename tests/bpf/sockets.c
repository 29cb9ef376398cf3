// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shield.h"
#include "sockets.h"

#define BACKLOG 64

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in ipv4;
		struct sockaddr_in6 ipv6;
	};
	socklen_t length;
};

static struct address address_of(__u8 family, const char *ipv4, const char *ipv6, __u16 port)
{
	struct address a = {};

	if (family == FAMILY_IPV4) {
		a.ipv4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
		inet_pton(AF_INET, ipv4, &a.ipv4.sin_addr);
		a.length = sizeof(a.ipv4);
	} else {
		a.ipv6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
		inet_pton(AF_INET6, ipv6, &a.ipv6.sin6_addr);
		a.length = sizeof(a.ipv6);
	}
	return a;
}

static struct address address_local(__u8 family, __u16 port)
{
	return address_of(family, "10.9.0.1", "fd09::1", port);
}

int sockets_make_namespace(void)
{
	static const char *const commands[] = {
		"ip link set lo up",
		"ip address add 10.9.0.1/24 dev lo",
		"ip address add fd09::1/128 dev lo nodad",
		"ip address add fd09::2/128 dev lo nodad",
		"ip link add " WIRE_HERE " address 02:00:00:00:00:01 type veth"
		"  peer name " WIRE_THERE " address 02:00:00:00:00:07",
		"ip link set " WIRE_HERE " arp off up",
		"ip link set " WIRE_THERE " arp off up",
		"ip route add default dev " WIRE_HERE,
		"ip -6 route add default dev " WIRE_HERE,
	};

	if (unshare(CLONE_NEWNET))
		return -errno;
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (system(commands[i])) {
			errno = EIO;
			return -EIO;
		}
	}
	return 0;
}

static int listen_by(__u8 family, __u16 port, int protocol)
{
	struct address a = address_local(family, port);
	int one = 1, fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, protocol);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, &a.any, a.length), 0);
	assert_int_equal(listen(fd, BACKLOG), 0);
	return fd;
}

int sockets_listen(__u8 family, __u16 port)
{
	return listen_by(family, port, IPPROTO_TCP);
}

int sockets_listen_mptcp(__u8 family, __u16 port)
{
	return listen_by(family, port, IPPROTO_MPTCP);
}

int sockets_fill_queue(int listener)
{
	struct sockaddr_storage at;
	socklen_t length = sizeof(at);
	int fd;

	assert_int_equal(listen(listener, 0), 0); /* room for one */
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &length), 0);
	fd = socket(at.ss_family, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, length), 0);
	return fd;
}

/* Where connections over lo come from. */
static struct address address_remote(__u8 family, __u16 port)
{
	return address_of(family, "10.9.0.2", "fd09::2", port);
}

struct connection sockets_connect(int listener, __u8 family, __u16 port)
{
	struct connection c = { .tuple = shield_tuple(family, port) };
	struct address any = address_remote(family, 0);

	if (family == FAMILY_IPV4)
		memcpy(c.tuple.remote, &any.ipv4.sin_addr, 4);
	else
		memcpy(c.tuple.remote, &any.ipv6.sin6_addr, 16);
	c.tuple.remote_port = 0;
	sockets_connect_from(&c, listener);
	return c;
}

void sockets_connect_from(struct connection *c, int listener)
{
	const struct tuple *t = &c->tuple;
	struct address from = address_remote(t->family, t->remote_port), to = address_local(t->family, t->local_port);
	int one = 1;

	c->remote = socket(from.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
	assert_true(c->remote >= 0);
	assert_int_equal(setsockopt(c->remote, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	assert_int_equal(bind(c->remote, &from.any, from.length), 0);
	assert_int_equal(connect(c->remote, &to.any, to.length), 0);
	c->local = accept(listener, NULL, NULL);
	assert_true(c->local >= 0);
	assert_int_equal(getsockname(c->remote, &from.any, &from.length), 0);
	c->tuple.remote_port = ntohs(t->family == FAMILY_IPV4 ? from.ipv4.sin_port : from.ipv6.sin6_port);
}

void sockets_close(struct connection *c)
{
	struct linger reset = { .l_onoff = 1 };

	if (c->remote >= 0) {
		setsockopt(c->remote, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(c->remote);
	}
	if (c->local >= 0)
		close(c->local);
	c->local = c->remote = -1;
}

void sockets_close_to_time_wait(struct connection *c)
{
	char byte;

	close(c->local);
	assert_int_equal(read(c->remote, &byte, 1), 0); /* its FIN is here */
	close(c->remote);
	c->local = c->remote = -1;
}

void sockets_numbers(int fd, __u32 *snd_nxt, __u32 *rcv_nxt)
{
	int on = TCP_REPAIR_ON, off = TCP_REPAIR_OFF_NO_WP, queue = TCP_SEND_QUEUE;
	socklen_t length = sizeof(__u32);

	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)), 0);
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)), 0);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, snd_nxt, &length), 0);
	queue = TCP_RECV_QUEUE;
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)), 0);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, rcv_nxt, &length), 0);
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)), 0);
}

void sockets_inject(const struct frame *f)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(WIRE_THERE) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(sendto(fd, f->bytes, f->length, 0, (struct sockaddr *)&to, sizeof(to)), f->length);
	close(fd);
}

int sockets_sysctl(const char *name, int value)
{
	char path[128], text[32] = "";
	int fd, before;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	before = atoi(text);
	snprintf(text, sizeof(text), "%d\n", value);
	assert_int_equal(pwrite(fd, text, strlen(text), 0), (ssize_t)strlen(text));
	close(fd);
	return before;
}
