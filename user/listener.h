/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The TCP sockets that listen in this network namespace, asked by sock_diag, and which of them a service means.
 */
#ifndef SYNKEEP_LISTENER_H
#define SYNKEEP_LISTENER_H

#include "service_spec.h"

/* What sock_diag shows of a socket that listens. */
struct listener_view {
	__u8 family; /* FAMILY_IPV4 or FAMILY_IPV6 */
	bool ipv6_only;
	bool mptcp;
	ipv6_bytes address; /* zeros: any */
	__u16 port;
	__u32 ifindex; /* of the device that it is bound to; 0: any */
	__u32 queued;  /* connections that wait to be accepted */
	__u32 backlog; /* how many may */
};

/* How many listeners of each kind would get a service's connections. */
struct listener_match {
	int tcp;
	int mptcp;
};

/* What they come to for SYNs that a cookie may answer. */
enum listener_kind {
	LISTENER_NONE,
	LISTENER_TCP,
	LISTENER_MPTCP, /* only such: a cookie's connection can not be handed over */
};

/* All listeners. Their number, *listeners for the caller to free, or -errno. */
int listener_list(struct listener_view **listeners);

/*
 * Which listeners get the connections to a service on a device. As in the kernel, a listener on the address itself is
 * preferred to those on any address. Pure.
 */
struct listener_match listener_match(const struct listener_view *listeners, int count,
				     const struct service_spec *service, __u32 ifindex);

enum listener_kind listener_kind(const struct listener_match *match);

#endif /* SYNKEEP_LISTENER_H */
