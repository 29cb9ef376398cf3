/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which way the kernel would send: asked of its routing table. Reads only.
 */
#ifndef SYNKEEP_ROUTE_H
#define SYNKEEP_ROUTE_H

#include "flow.h"

struct route {
	int ifindex;
	__be32 source[4];   /* the address to send from, as in struct tuple */
	__be32 next_hop[4]; /* a gateway, or the destination itself */
};

/*
 * ifindex: 0, or the device that the route must lead to. 0 or -errno; -ENETUNREACH: there is none; -EADDRNOTAVAIL: the
 * destination is this host, or no single one; -EAFNOSUPPORT: its gateway has an address of the other family.
 */
int route_find(__u8 family, const __be32 *destination, int ifindex, struct route *route);

#endif /* SYNKEEP_ROUTE_H */
