/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asking for a route by rtnetlink. See route.h.
 */
#include "route.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"

#define ANSWER_BYTES 4096

struct question {
	struct nlmsghdr header;
	struct rtmsg body;
	char attributes[64];
};

static __u32 address_bytes(__u8 family)
{
	return family == FAMILY_IPV4 ? 4 : 16;
}

static void add_attribute(struct question *question, int type, const void *data, __u32 bytes)
{
	struct rtattr *attribute = (void *)((char *)question + NLMSG_ALIGN(question->header.nlmsg_len));

	attribute->rta_type = type;
	attribute->rta_len = RTA_LENGTH(bytes);
	memcpy(RTA_DATA(attribute), data, bytes);
	question->header.nlmsg_len = NLMSG_ALIGN(question->header.nlmsg_len) + RTA_LENGTH(bytes);
}

static int ask(const struct question *question, void *answer, size_t size)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t length = -1;
	int err = 0;

	if (fd < 0)
		return -errno;
	if (send(fd, question, question->header.nlmsg_len, 0) < 0 || (length = recv(fd, answer, size, 0)) < 0)
		err = -errno;
	close(fd);
	if (!err && !NLMSG_OK((const struct nlmsghdr *)answer, length))
		err = -EPROTO;
	return err;
}

static int read_route(const struct nlmsghdr *answer, const __be32 *destination, struct route *route)
{
	const struct rtmsg *body = NLMSG_DATA(answer);
	const struct rtattr *attributes = RTM_RTA(body);
	int length = RTM_PAYLOAD(answer);
	const struct rtattr *device = netlink_attribute(attributes, length, RTA_OIF);
	const struct rtattr *source = netlink_attribute(attributes, length, RTA_PREFSRC);
	const struct rtattr *gateway = netlink_attribute(attributes, length, RTA_GATEWAY);
	__u32 bytes = address_bytes(body->rtm_family);

	if (body->rtm_type != RTN_UNICAST)
		return -EADDRNOTAVAIL;
	if (netlink_attribute(attributes, length, RTA_VIA))
		return -EAFNOSUPPORT;
	if (!device || !source || RTA_PAYLOAD(source) != bytes || (gateway && RTA_PAYLOAD(gateway) != bytes))
		return -ENETUNREACH;
	*route = (struct route){};
	memcpy(&route->ifindex, RTA_DATA(device), sizeof(route->ifindex));
	memcpy(route->source, RTA_DATA(source), bytes);
	memcpy(route->next_hop, gateway ? RTA_DATA(gateway) : destination, bytes);
	return 0;
}

int route_find(__u8 family, const __be32 *destination, int ifindex, struct route *route)
{
	char answer[ANSWER_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nlmsghdr *message = (const void *)answer;
	struct question question = {
		.header = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
			    .nlmsg_type = RTM_GETROUTE,
			    .nlmsg_flags = NLM_F_REQUEST },
		.body = { .rtm_family = family, .rtm_dst_len = 8 * address_bytes(family) },
	};
	int err;

	add_attribute(&question, RTA_DST, destination, address_bytes(family));
	if (ifindex)
		add_attribute(&question, RTA_OIF, &ifindex, sizeof(ifindex));
	err = ask(&question, answer, sizeof(answer));
	if (err)
		return err;
	if (message->nlmsg_type == NLMSG_ERROR)
		return ((const struct nlmsgerr *)NLMSG_DATA(message))->error;
	return read_route(message, destination, route);
}
