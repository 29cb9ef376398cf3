/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * VLAN tags that the hardware takes off before XDP sees the frame. An answer to such a frame would leave without its
 * tag: native XDP has none to copy, and in generic mode the tag comes along beside the frame, but only hardware that
 * puts tags on as well brings it back. That matters where something above the device takes tagged frames; anywhere
 * else the kernel drops them itself.
 *
 * Devices in other network namespaces are not seen. Their sockets are not either, so nothing is answered for them.
 */
#ifndef SYNKEEP_VLAN_H
#define SYNKEEP_VLAN_H

#include <linux/netlink.h>
#include <net/if.h>

#include "config.h"

/* Kinds of tags, as bits. */
enum vlan_tag_kind {
	VLAN_8021Q = 1 << 0,
	VLAN_8021AD = 1 << 1,
};

/* A device as rtnetlink describes it. */
struct vlan_link {
	int ifindex;
	int below;  /* the device that it is a VLAN of; 0: it is none, or of one in another namespace */
	int master; /* the bridge, bond or team that it is a part of; 0: none */
	__u8 takes; /* enum vlan_tag_kind: tagged frames that end here */
	char name[IF_NAMESIZE];
};

/* What the hardware does with tags: enum vlan_tag_kind. */
struct vlan_offloads {
	__u8 strips;
	__u8 inserts;
};

/* Frames whose answers would leave without their tag. */
struct vlan_loss {
	__u8 kinds;		 /* enum vlan_tag_kind; 0: no tag is lost */
	char taker[IF_NAMESIZE]; /* who takes such frames */
};

/* Pure. False: the message describes no device. */
bool vlan_read_link(const struct nlmsghdr *message, struct vlan_link *link);

/* Pure: the first loss on the device among all of the namespace's. */
struct vlan_loss vlan_find_loss(const struct vlan_link *links, int count, int ifindex,
				const struct vlan_offloads *offloads, enum device_xdp_mode mode);

/* A sentence that says what is lost, and what to do about it. */
void vlan_explain(const struct vlan_loss *loss, const char *device, enum device_xdp_mode mode, char *text, size_t size);

/* The command that helps in either mode. Returns text. */
const char *vlan_remedy(const struct vlan_loss *loss, const char *device, char *text, size_t size);

/* Asks the kernel. 0 or -errno. */
int vlan_read_loss(int ifindex, enum device_xdp_mode mode, struct vlan_loss *loss);

#endif /* SYNKEEP_VLAN_H */
