/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether VLAN tags are lost between hardware and XDP. See vlan.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ethtool.h"
#include "netlink.h"
#include "vlan.h"

/* --- pure -------------------------------------------------------------------------------------------------------- */

static const struct rtattr *nested(const struct rtattr *outer, int type)
{
	return outer ? netlink_attribute(RTA_DATA(outer), RTA_PAYLOAD(outer), type) : NULL;
}

/* 802.1Q where the kernel does not say: it is the default everywhere. */
static __u8 tag_kind(const struct rtattr *protocol)
{
	__be16 type = 0;

	if (protocol && RTA_PAYLOAD(protocol) >= sizeof(type))
		memcpy(&type, RTA_DATA(protocol), sizeof(type));
	return type == htons(ETH_P_8021AD) ? VLAN_8021AD : VLAN_8021Q;
}

static bool is_kind(const struct rtattr *kind, const char *name)
{
	return kind && !strncmp(RTA_DATA(kind), name, RTA_PAYLOAD(kind));
}

static __u8 bridge_takes(const struct rtattr *data)
{
	const struct rtattr *filtering = nested(data, IFLA_BR_VLAN_FILTERING);

	return filtering && *(const __u8 *)RTA_DATA(filtering) ? tag_kind(nested(data, IFLA_BR_VLAN_PROTOCOL)) : 0;
}

bool vlan_read_link(const struct nlmsghdr *message, struct vlan_link *link)
{
	const struct ifinfomsg *info = NLMSG_DATA(message);
	const struct rtattr *attributes = IFLA_RTA(info), *linkinfo, *kind, *data, *name;
	int length = message->nlmsg_len - NLMSG_LENGTH(sizeof(*info));

	if (message->nlmsg_type != RTM_NEWLINK || length < 0)
		return false;
	linkinfo = netlink_attribute(attributes, length, IFLA_LINKINFO);
	kind = nested(linkinfo, IFLA_INFO_KIND);
	data = nested(linkinfo, IFLA_INFO_DATA);
	*link = (struct vlan_link){
		.ifindex = info->ifi_index,
		.master = netlink_number(netlink_attribute(attributes, length, IFLA_MASTER), 0),
	};
	name = netlink_attribute(attributes, length, IFLA_IFNAME);
	if (name)
		snprintf(link->name, sizeof(link->name), "%.*s", (int)RTA_PAYLOAD(name), (const char *)RTA_DATA(name));
	if (is_kind(kind, "vlan")) {
		link->takes = tag_kind(nested(data, IFLA_VLAN_PROTOCOL));
		if (!netlink_attribute(attributes, length, IFLA_LINK_NETNSID))
			link->below = netlink_number(netlink_attribute(attributes, length, IFLA_LINK), 0);
	} else if (is_kind(kind, "bridge")) {
		link->takes = bridge_takes(data);
	} else if (is_kind(kind, "openvswitch")) {
		link->takes = VLAN_8021Q | VLAN_8021AD;
	}
	return true;
}

static __u8 lost_kinds(const struct vlan_offloads *offloads, enum device_xdp_mode mode)
{
	return mode == DEVICE_XDP_GENERIC ? offloads->strips & ~offloads->inserts : offloads->strips;
}

static const struct vlan_link *find_link(const struct vlan_link *links, int count, int ifindex)
{
	for (int i = 0; i < count; i++) {
		if (links[i].ifindex == ifindex)
			return &links[i];
	}
	return NULL;
}

/* Goes up from the device to its master, and that one's: each may take tagged frames, or have a VLAN that does. */
struct vlan_loss vlan_find_loss(const struct vlan_link *links, int count, int ifindex,
				const struct vlan_offloads *offloads, enum device_xdp_mode mode)
{
	const struct vlan_link *at = find_link(links, count, ifindex), *taker = NULL;
	__u8 lost = lost_kinds(offloads, mode);
	struct vlan_loss loss = {};

	for (int depth = 0; at && !taker && depth < count; depth++) {
		if (at->ifindex != ifindex && (at->takes & lost))
			taker = at;
		for (int i = 0; i < count && !taker; i++) {
			if (links[i].below == at->ifindex && (links[i].takes & lost))
				taker = &links[i];
		}
		at = at->master ? find_link(links, count, at->master) : NULL;
	}
	if (taker) {
		loss.kinds = taker->takes & lost;
		memcpy(loss.taker, taker->name, sizeof(loss.taker));
	}
	return loss;
}

const char *vlan_remedy(const struct vlan_loss *loss, const char *device, char *text, size_t size)
{
	snprintf(text, size, "ethtool -K %s %s off", device,
		 loss->kinds & VLAN_8021Q ? "rxvlan" : "rx-vlan-stag-hw-parse");
	return text;
}

void vlan_explain(const struct vlan_loss *loss, const char *device, enum device_xdp_mode mode, char *text, size_t size)
{
	char remedy[IF_NAMESIZE + 64];

	vlan_remedy(loss, device, remedy, sizeof(remedy));
	if (mode == DEVICE_XDP_GENERIC)
		snprintf(text, size,
			 "the hardware takes VLAN tags off and does not put them on, so answers to what %s takes would "
			 "leave without: `%s` leaves them in the frames",
			 loss->taker, remedy);
	else
		snprintf(text, size,
			 "the hardware takes VLAN tags off, where native XDP does not see them, so answers to what %s "
			 "takes would leave without: `%s` leaves them in the frames, and `--xdp generic` gets them "
			 "along",
			 loss->taker, remedy);
}

/* --- asking ------------------------------------------------------------------------------------------------------ */

struct link_list {
	struct vlan_link *links;
	int count;
};

static int add_link(const struct nlmsghdr *message, void *context)
{
	struct link_list *list = context;
	struct vlan_link link, *grown;

	if (!vlan_read_link(message, &link))
		return 0;
	grown = realloc(list->links, (list->count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	list->links = grown;
	grown[list->count++] = link;
	return 0;
}

static int read_offloads(const char *device, struct vlan_offloads *offloads)
{
	enum { RX_Q, RX_AD, TX_Q, TX_AD, COUNT };
	static const char *const names[COUNT] = { "rx-vlan-hw-parse", "rx-vlan-stag-hw-parse", "tx-vlan-hw-insert",
						  "tx-vlan-stag-hw-insert" };
	bool on[COUNT];
	int err = ethtool_features(device, names, on, COUNT);

	if (err)
		return err;
	offloads->strips = (on[RX_Q] ? VLAN_8021Q : 0) | (on[RX_AD] ? VLAN_8021AD : 0);
	offloads->inserts = (on[TX_Q] ? VLAN_8021Q : 0) | (on[TX_AD] ? VLAN_8021AD : 0);
	return 0;
}

int vlan_read_loss(int ifindex, enum device_xdp_mode mode, struct vlan_loss *loss)
{
	const struct {
		struct nlmsghdr header;
		struct ifinfomsg question;
	} request = {
		.header = { sizeof(request), RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0 },
		.question = { .ifi_family = AF_UNSPEC },
	};
	struct vlan_offloads offloads = {};
	const struct vlan_link *device;
	struct link_list list = {};
	int err = netlink_dump(NETLINK_ROUTE, &request.header, add_link, &list);

	*loss = (struct vlan_loss){};
	device = find_link(list.links, list.count, ifindex);
	if (!err && device)
		err = read_offloads(device->name, &offloads);
	if (!err)
		*loss = vlan_find_loss(list.links, list.count, ifindex, &offloads, mode);
	free(list.links);
	return err;
}
