/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The other end of a veth, which decides what becomes of frames that XDP sends, and in what state frames come. It is
 * seen in this network namespace, and in those that have a name below /run/netns. Reads only; the caller is in those
 * for a moment.
 */
#ifndef SYNKEEP_VETH_PEER_H
#define SYNKEEP_VETH_PEER_H

#include <limits.h>
#include <net/if.h>
#include <stdbool.h>

enum veth_peer_sight {
	VETH_PEER_NONE,	  /* the device is no veth */
	VETH_PEER_HIDDEN, /* its peer is in a namespace without a name, or that the caller may not enter */
	VETH_PEER_SEEN,
};

struct veth_peer {
	enum veth_peer_sight sight;
	/* If seen. */
	char name[IF_NAMESIZE];
	char netns[NAME_MAX + 1]; /* "": this one */
	bool has_xdp;		  /* a program, without which frames that native XDP sends to it are lost */
	bool leaves_sums;	  /* its checksum offload is on: frames come with partial checksums */
};

/* 0 or -errno; after an error the caller may be in another namespace. */
int veth_peer_read(int ifindex, struct veth_peer *peer);

#endif /* SYNKEEP_VETH_PEER_H */
