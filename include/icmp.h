/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP errors (RFC 792, RFC 4443) about a TCP segment that this host sent: whose it was, and what is said of it.
 *
 *   ICMP: type, code, checksum, a word (the MTU, in some) | the segment's IP header | its TCP header, 8 bytes at least
 *
 * Pure. Not verified here: the checksum, and whether the quoted sequence number is one that is on its way (RFC 5927,
 * 4.1), without which anybody could have sent it.
 */
#ifndef SYNKEEP_ICMP_H
#define SYNKEEP_ICMP_H

#include "packet.h"

#define ICMP_HEADER_BYTES 8
#define ICMP_QUOTED_TCP_BYTES 8 /* ports and sequence number: all that a router must quote (RFC 792) */
#define ICMP_OFFSET_MAX 1023	/* in the frame: further behind is none that is honest */

enum icmp_error_kind {
	ICMP_ERROR_SOFT,    /* may pass: unreachable for now, too far, refused somewhere (RFC 9293, 3.9.2.2, MUST-56) */
	ICMP_ERROR_HARD,    /* nobody there has TCP or this port, or an administrator forbids it (SHLD-26) */
	ICMP_ERROR_TOO_BIG, /* the segment does not fit into the next hop's MTU (RFC 1191, RFC 8201) */
	ICMP_ERROR_QUENCH,  /* a source quench, of which TCP takes no notice (RFC 6633) */
};

struct icmp_error {
	struct tuple tuple; /* the segment's, whose source is local */
	__u32 seq;	    /* its sequence number */
	__u32 mtu;	    /* if ICMP_ERROR_TOO_BIG: the next hop's, bytes; 0: a router older than RFC 1191 */
	enum icmp_error_kind kind;
	bool is_refusal; /* ICMP_ERROR_HARD: of the host itself, which has no TCP or nobody on this port */
};

/* RFC 792; RFC 1122, 3.2.2.1. Of these types only unreachable has codes that matter. */
enum icmpv4_type {
	ICMPV4_UNREACHABLE = 3,
	ICMPV4_QUENCH = 4,
	ICMPV4_TIME_EXCEEDED = 11,
	ICMPV4_PARAMETER_PROBLEM = 12,
};

enum icmpv4_unreachable {
	ICMPV4_NO_PROTOCOL = 2,
	ICMPV4_NO_PORT = 3,
	ICMPV4_FRAGMENTATION_NEEDED = 4,
};

/* RFC 4443, 3. */
enum icmpv6_type {
	ICMPV6_UNREACHABLE = 1,
	ICMPV6_TOO_BIG = 2,
	ICMPV6_TIME_EXCEEDED = 3,
	ICMPV6_PARAMETER_PROBLEM = 4,
};

enum icmpv6_unreachable {
	ICMPV6_PROHIBITED = 1,
	ICMPV6_NO_PORT = 4,
	ICMPV6_SOURCE_REFUSED = 5, /* this and the next are kinds of the first */
	ICMPV6_ROUTE_REFUSED = 6,
};

/* False: the message is no error. */
static __always_inline bool icmp_read_ipv4(const __u8 *icmp, struct icmp_error *out)
{
	__u8 type = icmp[0], code = icmp[1];

	out->kind = ICMP_ERROR_SOFT;
	if (type == ICMPV4_QUENCH)
		out->kind = ICMP_ERROR_QUENCH;
	if (type != ICMPV4_UNREACHABLE)
		return type == ICMPV4_QUENCH || type == ICMPV4_TIME_EXCEEDED || type == ICMPV4_PARAMETER_PROBLEM;
	out->is_refusal = code == ICMPV4_NO_PROTOCOL || code == ICMPV4_NO_PORT;
	if (out->is_refusal)
		out->kind = ICMP_ERROR_HARD;
	if (code == ICMPV4_FRAGMENTATION_NEEDED) {
		out->kind = ICMP_ERROR_TOO_BIG;
		out->mtu = get_be16(icmp + 6);
	}
	return true;
}

static __always_inline bool icmp_read_ipv6(const __u8 *icmp, struct icmp_error *out)
{
	__u8 type = icmp[0], code = icmp[1];

	out->kind = ICMP_ERROR_SOFT;
	if (type == ICMPV6_TOO_BIG) {
		out->kind = ICMP_ERROR_TOO_BIG;
		out->mtu = get_be32(icmp + 4);
	}
	if (type != ICMPV6_UNREACHABLE)
		return type == ICMPV6_TOO_BIG || type == ICMPV6_TIME_EXCEEDED || type == ICMPV6_PARAMETER_PROBLEM;
	out->is_refusal = code == ICMPV6_NO_PORT;
	if (code == ICMPV6_PROHIBITED || code == ICMPV6_NO_PORT || code == ICMPV6_SOURCE_REFUSED ||
	    code == ICMPV6_ROUTE_REFUSED)
		out->kind = ICMP_ERROR_HARD;
	return true;
}

/* The quoted IP header: the tuple's addresses. The length of it, or 0: the segment is not TCP, or its first part. */
static __always_inline __u32 icmp_read_quoted_ipv4(const __u8 *quote, struct tuple *t)
{
	const struct iphdr *ip = (const void *)quote;

	if (ip->version != 4 || ip->ihl < 5 || ip->protocol != IPPROTO_TCP ||
	    (ip->frag_off & net16(IPV4_FRAGMENT_OFFSET)))
		return 0;
	t->local[0] = ip->saddr;
	t->remote[0] = ip->daddr;
	return ip->ihl * 4;
}

/* No segment of ours has extension headers. */
static __always_inline __u32 icmp_read_quoted_ipv6(const __u8 *quote, struct tuple *t)
{
	const struct ipv6hdr *ip = (const void *)quote;

	if (ip->version != 6 || ip->nexthdr != IPPROTO_TCP)
		return 0;
	__builtin_memcpy(t->local, &ip->saddr, sizeof(t->local));
	__builtin_memcpy(t->remote, &ip->daddr, sizeof(t->remote));
	return IPV6_HEADER_BYTES;
}

/*
 * What the packet, which packet_parse() found to be PACKET_ICMP in this frame, says of a TCP segment of ours. False: it
 * is no error, or about something else.
 */
static __always_inline bool icmp_parse(const struct packet *p, const struct frame *f, struct icmp_error *out)
{
	bool is_ipv4 = p->tuple.family == FAMILY_IPV4;
	__u32 offset = p->tcp_offset, ip_bytes = is_ipv4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
	const __u8 *icmp, *quote, *tcp;

	*out = (struct icmp_error){ .tuple.family = p->tuple.family };
	make_opaque(offset); /* or clang compares what it was made of, and the verifier does not know its bounds */
	if (offset > ICMP_OFFSET_MAX)
		return false;
	icmp = f->data + offset;
	quote = icmp + ICMP_HEADER_BYTES;
	if ((const void *)(quote + ip_bytes) > f->end)
		return false;
	if (!(is_ipv4 ? icmp_read_ipv4(icmp, out) : icmp_read_ipv6(icmp, out)))
		return false;
	ip_bytes = is_ipv4 ? icmp_read_quoted_ipv4(quote, &out->tuple) : icmp_read_quoted_ipv6(quote, &out->tuple);
	tcp = quote + ip_bytes;
	if (!ip_bytes || (const void *)(tcp + ICMP_QUOTED_TCP_BYTES) > f->end)
		return false;
	out->tuple.local_port = get_be16(tcp);
	out->tuple.remote_port = get_be16(tcp + 2);
	out->seq = get_be32(tcp + 4);
	/* behind the packet's end is padding */
	return p->segment.packet_bytes >= offset - p->ip_offset + ICMP_HEADER_BYTES + ip_bytes + ICMP_QUOTED_TCP_BYTES;
}

#endif /* SYNKEEP_ICMP_H */
