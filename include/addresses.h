/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Addresses that no TCP connection can have (RFC 9293, MUST-57 and MUST-63; RFC 1122, 3.2.1.3; RFC 4291). A SYN from or
 * to one is forged, and an answer would go to many, to this host itself, or to nobody.
 *
 * The broadcast address of a network that this host is on can not be told from the host's own by what a program may
 * ask: bpf_fib_lookup() says the same of both. A SYN to it that came to this host's own MAC address is answered by a
 * service of every address, with one packet no longer than the cause.
 */
#ifndef SYNKEEP_ADDRESSES_H
#define SYNKEEP_ADDRESSES_H

#include "packet.h"

static __always_inline bool addresses_ipv4_possible(__be32 address)
{
	__u32 host = host32(address);

	/* 0/8, 127/8, multicast 224/4 and the limited broadcast; the rest of 240/4 is in use */
	return host >> 24 != 0 && host >> 24 != 127 && host >> 28 != 14 && host != 0xffffffff;
}

/*
 * Neither multicast, nor IPv4-compatible (with :: and ::1 among them), nor IPv4-mapped: the wire has none of these.
 * Link-local addresses are as good as others on their link, which is where a SYN from one came from.
 */
static __always_inline bool addresses_ipv6_possible(const __be32 *address)
{
	bool holds_ipv4 = !address[0] && !address[1] && (!address[2] || address[2] == net32(0x0000ffff));

	return !holds_ipv4 && host32(address[0]) >> 24 != 0xff;
}

/* Whether one of the tuple's ends may connect to the other. */
static __always_inline bool addresses_tuple_possible(const struct tuple *t)
{
	bool same = t->remote[0] == t->local[0] && t->remote[1] == t->local[1] && t->remote[2] == t->local[2] &&
		    t->remote[3] == t->local[3];

	if (same)
		return false;
	if (t->family == FAMILY_IPV4)
		return addresses_ipv4_possible(t->remote[0]) && addresses_ipv4_possible(t->local[0]);
	return addresses_ipv6_possible(t->remote) && addresses_ipv6_possible(t->local);
}

/* The same in a frame between two hosts: neither MAC address has the group bit. */
static __always_inline bool addresses_possible(const struct tuple *t, const struct ethhdr *eth)
{
	return !((eth->h_dest[0] | eth->h_source[0]) & 1) && addresses_tuple_possible(t);
}

#endif /* SYNKEEP_ADDRESSES_H */
