/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Following the kernel's news of a link. See link.h.
 */
#include "daemon/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/neighbour.h>

#include "netlink.h"

#define NEWS_BYTES 32768

struct neighbour {
	__u8 family; /* 0: a place that is free */
	__u8 mac[MAC_BYTES];
	__be32 address[4];
};

struct link {
	int fd;
	int ifindex;
	__u32 mtu;
	__u8 mac[MAC_BYTES];
	bool has_mac;
	__u32 route_changes;
	struct paths *paths;
	__u32 neighbour_count;
	struct neighbour neighbours[LINK_NEIGHBOURS_MAX];
};

static __u32 address_bytes(__u8 family)
{
	return family == FAMILY_IPV4 ? 4 : 16;
}

static struct neighbour *find(struct link *link, __u8 family, const __be32 *address)
{
	for (__u32 i = 0; i < link->neighbour_count; i++) {
		struct neighbour *neighbour = &link->neighbours[i];

		if (neighbour->family == family && !memcmp(neighbour->address, address, address_bytes(family)))
			return neighbour;
	}
	return NULL;
}

static bool has_mac(const struct link *link, __u8 family, const __u8 *mac)
{
	for (__u32 i = 0; i < link->neighbour_count; i++) {
		if (link->neighbours[i].family == family && !memcmp(link->neighbours[i].mac, mac, MAC_BYTES))
			return true;
	}
	return false;
}

static struct neighbour *take_place(struct link *link)
{
	for (__u32 i = 0; i < link->neighbour_count; i++) {
		if (!link->neighbours[i].family)
			return &link->neighbours[i];
	}
	return link->neighbour_count < LINK_NEIGHBOURS_MAX ? &link->neighbours[link->neighbour_count++] : NULL;
}

static void learn_neighbour(struct link *link, __u8 family, const __be32 *address, const __u8 *mac)
{
	struct neighbour *neighbour = find(link, family, address);
	__u8 old[MAC_BYTES];

	if (neighbour) {
		memcpy(old, neighbour->mac, MAC_BYTES);
		memcpy(neighbour->mac, mac, MAC_BYTES);
		if (link->paths && memcmp(old, mac, MAC_BYTES) && !has_mac(link, family, old))
			path_move(link->paths, old, mac, family);
		return;
	}
	neighbour = take_place(link);
	if (!neighbour)
		return;
	*neighbour = (struct neighbour){ .family = family };
	memcpy(neighbour->address, address, address_bytes(family));
	memcpy(neighbour->mac, mac, MAC_BYTES);
}

/* One that fails keeps its MAC address here: if it comes back with another, its paths are to follow. */
static void take_neighbour(struct link *link, const struct nlmsghdr *message)
{
	const struct ndmsg *head = NLMSG_DATA(message);
	const struct rtattr *attributes = (const void *)((const char *)head + NLMSG_ALIGN(sizeof(*head)));
	int length = NLMSG_PAYLOAD(message, sizeof(*head));
	const struct rtattr *address = netlink_attribute(attributes, length, NDA_DST);
	const struct rtattr *mac = netlink_attribute(attributes, length, NDA_LLADDR);
	__be32 copy[4] = {};

	if (head->ndm_ifindex != link->ifindex || !address ||
	    (head->ndm_family != FAMILY_IPV4 && head->ndm_family != FAMILY_IPV6) ||
	    RTA_PAYLOAD(address) != address_bytes(head->ndm_family))
		return;
	memcpy(copy, RTA_DATA(address), RTA_PAYLOAD(address));
	if (message->nlmsg_type == RTM_DELNEIGH) {
		struct neighbour *neighbour = find(link, head->ndm_family, copy);

		if (neighbour)
			neighbour->family = 0;
	} else if (mac && RTA_PAYLOAD(mac) == MAC_BYTES && !(head->ndm_state & (NUD_FAILED | NUD_INCOMPLETE))) {
		learn_neighbour(link, head->ndm_family, copy, RTA_DATA(mac));
	}
}

static void take_link(struct link *link, const struct nlmsghdr *message)
{
	const struct ifinfomsg *head = NLMSG_DATA(message);
	const struct rtattr *attributes = (const void *)((const char *)head + NLMSG_ALIGN(sizeof(*head)));
	int length = NLMSG_PAYLOAD(message, sizeof(*head));
	const struct rtattr *mtu = netlink_attribute(attributes, length, IFLA_MTU);
	const struct rtattr *mac = netlink_attribute(attributes, length, IFLA_ADDRESS);

	if (head->ifi_index != link->ifindex)
		return;
	if (mtu && RTA_PAYLOAD(mtu) == sizeof(link->mtu))
		memcpy(&link->mtu, RTA_DATA(mtu), sizeof(link->mtu));
	if (!mac || RTA_PAYLOAD(mac) != MAC_BYTES)
		return;
	if (link->paths && link->has_mac && memcmp(link->mac, RTA_DATA(mac), MAC_BYTES))
		path_move_source(link->paths, link->mac, RTA_DATA(mac));
	memcpy(link->mac, RTA_DATA(mac), MAC_BYTES);
	link->has_mac = true;
}

static int take_message(const struct nlmsghdr *message, void *context)
{
	switch (message->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		take_neighbour(context, message);
		return 0;
	case RTM_NEWLINK:
		take_link(context, message);
		return 0;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		((struct link *)context)->route_changes++;
		return 0;
	default:
		return 0;
	}
}

/* All that there is, asked for: at the beginning, and when news were lost. */
static int read_all(struct link *link)
{
	const struct {
		struct nlmsghdr header;
		struct ndmsg body;
	} neighbours = { .header = { .nlmsg_len = sizeof(neighbours),
				     .nlmsg_type = RTM_GETNEIGH,
				     .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP } };
	const struct {
		struct nlmsghdr header;
		struct ifinfomsg body;
	} links = { .header = { .nlmsg_len = sizeof(links),
				.nlmsg_type = RTM_GETLINK,
				.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP } };
	int err = netlink_dump(NETLINK_ROUTE, &links.header, take_message, link);

	return err ? err : netlink_dump(NETLINK_ROUTE, &neighbours.header, take_message, link);
}

/* Subscribed before all is read: nothing is missed in between. */
int link_open(int ifindex, struct paths *paths, struct link **out)
{
	const struct sockaddr_nl groups = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK | RTMGRP_NEIGH };
	struct link *link = calloc(1, sizeof(*link));
	int err;

	if (!link)
		return -ENOMEM;
	link->ifindex = ifindex;
	link->paths = paths;
	link->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (link->fd < 0 || bind(link->fd, (const struct sockaddr *)&groups, sizeof(groups)) < 0)
		err = -errno;
	else
		err = read_all(link);
	if (!err && !link->has_mac)
		err = -ENODEV;
	if (err) {
		link_close(link);
		return err;
	}
	*out = link;
	return 0;
}

void link_close(struct link *link)
{
	if (!link)
		return;
	if (link->fd >= 0)
		close(link->fd);
	free(link);
}

int link_fd(const struct link *link)
{
	return link->fd;
}

void link_follow(struct link *link)
{
	char news[NEWS_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	ssize_t length;

	while ((length = recv(link->fd, news, sizeof(news), 0)) > 0) {
		const struct nlmsghdr *message = (const void *)news;

		for (__u32 left = length; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left))
			take_message(message, link);
	}
	if (errno == ENOBUFS) { /* there were more news than the socket holds */
		read_all(link);
		link->route_changes++;
	}
}

__u32 link_mtu(const struct link *link)
{
	return link->mtu;
}

const __u8 *link_mac(const struct link *link)
{
	return link->mac;
}

const __u8 *link_neighbour(struct link *link, __u8 family, const __be32 *address)
{
	const struct neighbour *neighbour = find(link, family, address);

	return neighbour ? neighbour->mac : NULL;
}

int link_follow_routes(struct link *link)
{
	static const int groups[] = { RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE };

	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		if (setsockopt(link->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof(groups[i])) < 0)
			return -errno;
	}
	return 0;
}

__u32 link_route_changes(const struct link *link)
{
	return link->route_changes;
}

/* NTF_USE: only what is not known, or long not confirmed, is asked for on the wire. */
int link_ask(const struct link *link, __u8 family, const __be32 *address)
{
	struct {
		struct nlmsghdr header;
		struct ndmsg body;
		struct rtattr destination;
		__be32 address[4];
	} question = {
		.header = { .nlmsg_type = RTM_NEWNEIGH, .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE },
		.body = { .ndm_family = family, .ndm_ifindex = link->ifindex, .ndm_flags = NTF_USE },
		.destination = { .rta_len = RTA_LENGTH(address_bytes(family)), .rta_type = NDA_DST },
	};

	question.header.nlmsg_len = sizeof(question.header) + sizeof(question.body) + RTA_LENGTH(address_bytes(family));
	memcpy(question.address, address, address_bytes(family));
	return send(link->fd, &question, question.header.nlmsg_len, 0) < 0 ? -errno : 0;
}

void link_ask_by_header(const struct link *link, const struct path_header *header)
{
	for (__u32 i = 0; i < link->neighbour_count; i++) {
		const struct neighbour *neighbour = &link->neighbours[i];
		struct path_header sought = path_make_header(neighbour->mac, link->mac, neighbour->family);

		if (neighbour->family && !memcmp(&sought, header, sizeof(sought)))
			link_ask(link, neighbour->family, neighbour->address);
	}
}
