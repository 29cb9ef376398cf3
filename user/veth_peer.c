/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Finding a veth's peer by rtnetlink, and looking at it where it is. See veth_peer.h.
 */
#include "veth_peer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "base.h"
#include "ethtool.h"
#include "netlink.h"

#define NAMED_NAMESPACES "/run/netns"
#define NO_NSID (-1)

/* What the kernel says of a veth. */
struct end {
	bool is_veth;
	int peer_ifindex;
	int peer_nsid; /* the number by which this namespace knows the peer's; NO_NSID: it is this one */
};

static int note_end(const struct nlmsghdr *message, void *context)
{
	const struct rtattr *attributes = IFLA_RTA(NLMSG_DATA(message)), *info, *kind = NULL;
	int length = NLMSG_PAYLOAD(message, sizeof(struct ifinfomsg));
	struct end *end = context;

	info = netlink_attribute(attributes, length, IFLA_LINKINFO);
	if (info)
		kind = netlink_attribute(RTA_DATA(info), RTA_PAYLOAD(info), IFLA_INFO_KIND);
	*end = (struct end){
		.is_veth = kind && !strncmp(RTA_DATA(kind), "veth", RTA_PAYLOAD(kind)),
		.peer_ifindex = netlink_number(netlink_attribute(attributes, length, IFLA_LINK), 0),
		.peer_nsid = netlink_number(netlink_attribute(attributes, length, IFLA_LINK_NETNSID), NO_NSID),
	};
	return 1;
}

static int read_end(int ifindex, struct end *end)
{
	const struct {
		struct nlmsghdr header;
		struct ifinfomsg question;
	} request = {
		.header = { sizeof(request), RTM_GETLINK, NLM_F_REQUEST, 1, 0 },
		.question = { .ifi_family = AF_UNSPEC, .ifi_index = ifindex },
	};

	return netlink_dump(NETLINK_ROUTE, &request.header, note_end, end);
}

static int note_nsid(const struct nlmsghdr *message, void *context)
{
	const struct rtattr *attributes =
		(const void *)((const char *)NLMSG_DATA(message) + NLMSG_ALIGN(sizeof(struct rtgenmsg)));

	*(int *)context = netlink_number(
		netlink_attribute(attributes, NLMSG_PAYLOAD(message, sizeof(struct rtgenmsg)), NETNSA_NSID), NO_NSID);
	return 1;
}

/* NO_NSID: this namespace has no number for that one. */
static int nsid_of(int netns)
{
	const struct {
		struct nlmsghdr header;
		struct rtgenmsg question;
		char padding[NLMSG_ALIGN(sizeof(struct rtgenmsg)) - sizeof(struct rtgenmsg)];
		struct rtattr attribute;
		int fd;
	} request = {
		.header = { sizeof(request), RTM_GETNSID, NLM_F_REQUEST, 1, 0 },
		.question = { AF_UNSPEC },
		.attribute = { RTA_LENGTH(sizeof(int)), NETNSA_FD },
		.fd = netns,
	};
	int nsid = NO_NSID;

	return netlink_dump(NETLINK_ROUTE, &request.header, note_nsid, &nsid) ? NO_NSID : nsid;
}

/* What can not be seen stays hidden. */
static void look(int ifindex, struct veth_peer *peer)
{
	static const char *const sums[] = { "tx-checksum-ip-generic", "tx-checksum-ipv4", "tx-checksum-ipv6" };
	DECLARE_LIBBPF_OPTS(bpf_xdp_query_opts, query);
	bool on[ARRAY_LEN(sums)];

	if (!if_indextoname(ifindex, peer->name) || bpf_xdp_query(ifindex, 0, &query) ||
	    ethtool_features(peer->name, sums, on, ARRAY_LEN(on)))
		return;
	peer->has_xdp = query.attach_mode == XDP_ATTACHED_DRV;
	for (size_t i = 0; i < ARRAY_LEN(on); i++)
		peer->leaves_sums |= on[i];
	peer->sight = VETH_PEER_SEEN;
}

/* Who may not go there sees nothing. 0 or -errno: there is no way back. */
static int look_from_within(int netns, int ifindex, struct veth_peer *peer)
{
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), err = 0;

	if (own < 0)
		return -errno;
	if (!setns(netns, CLONE_NEWNET)) {
		look(ifindex, peer);
		err = setns(own, CLONE_NEWNET) < 0 ? -errno : 0;
	}
	close(own);
	return err;
}

/* Looks at the peer in the namespace of this name, if it is that one. */
static int try_namespace(const char *name, const struct end *end, struct veth_peer *peer)
{
	char path[sizeof(NAMED_NAMESPACES) + sizeof(peer->netns)];
	int netns, err = 0;

	snprintf(path, sizeof(path), NAMED_NAMESPACES "/%s", name);
	netns = open(path, O_RDONLY | O_CLOEXEC);
	if (netns < 0)
		return 0; /* it has gone meanwhile */
	if (nsid_of(netns) == end->peer_nsid) {
		snprintf(peer->netns, sizeof(peer->netns), "%s", name);
		err = look_from_within(netns, end->peer_ifindex, peer);
	}
	close(netns);
	return err;
}

int veth_peer_read(int ifindex, struct veth_peer *peer)
{
	struct dirent *entry;
	struct end end = {};
	DIR *names;
	int err = read_end(ifindex, &end);

	*peer = (struct veth_peer){ .sight = end.is_veth ? VETH_PEER_HIDDEN : VETH_PEER_NONE };
	if (err || !end.is_veth)
		return err;
	if (end.peer_nsid == NO_NSID) {
		look(end.peer_ifindex, peer);
		return 0;
	}
	names = opendir(NAMED_NAMESPACES);
	while (names && !err && peer->sight == VETH_PEER_HIDDEN && (entry = readdir(names))) {
		if (entry->d_name[0] != '.')
			err = try_namespace(entry->d_name, &end, peer);
	}
	if (names)
		closedir(names);
	return err;
}
