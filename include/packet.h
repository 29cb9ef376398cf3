/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A packet, cut into what is judged: Ethernet, up to two VLAN tags, IPv4 or IPv6, TCP. Bounds are checked here, once.
 *
 * packet_parse() reads the headers, which are in the frame's first buffer; packet_weigh() compares the lengths in them
 * with the whole frame's. What is not understood (other protocols) is PACKET_OTHER and none of our business. Pure: the
 * frame's bytes go in. The IP header must be aligned to four bytes where the machine or a sanitizer asks for it.
 *
 * A connection has no VLAN here, as the kernel's sockets have none: a listener takes connections of every device and
 * tag alike, told apart by addresses and ports only, so a record by VLAN would find no other socket. Where VLANs use
 * the same addresses for different hosts (VRFs), the connections of one tuple share a record, and the socket judges.
 */
#ifndef SYNKEEP_PACKET_H
#define SYNKEEP_PACKET_H

#include "judge.h"

#ifdef __bpf__
#define ETH_P_IP 0x0800
#define ETH_P_8021Q 0x8100
#define ETH_P_8021AD 0x88a8
#define ETH_P_IPV6 0x86dd
#define IPPROTO_HOPOPTS 0
#define IPPROTO_ROUTING 43
#define IPPROTO_FRAGMENT 44
#define IPPROTO_ICMPV6 58
#define IPPROTO_DSTOPTS 60
#else
#include <netinet/in.h>
#include <netinet/tcp.h> /* <linux/tcp.h> has other TCP_FLAG_* than judge.h */
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#endif

#define ETH_HEADER_BYTES 14
#define VLAN_TAGS_MAX 2 /* 802.1Q, or 802.1ad around it (QinQ); a priority tag is one of VLAN 0 */
#define PACKET_IP_OFFSET_MAX (ETH_HEADER_BYTES + VLAN_TAGS_MAX * sizeof(struct vlan_tag))
#define PACKET_IP_OFFSET_MASK 31 /* has all bits of such an offset */
#define IPV4_HEADER_BYTES 20
#define IPV6_HEADER_BYTES 40
#define TCP_HEADER_BYTES 20
#define IPV6_JUMBO_BYTES 8  /* hop-by-hop options with a Jumbo Payload option (RFC 2675) */
#define IP_LENGTH_MAX 65535 /* what the length field of an IP header can say */
#define IPV4_FRAGMENT_OFFSET 0x1fff
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV6_FRAGMENT_OFFSET 0xfff8
#define IPV6_MORE_FRAGMENTS 0x0001
#define IPV6_EXTENSIONS_MAX                                                                                            \
	4 /* a packet that needs more is no honest one; each doubles what the verifier goes through */

enum packet_kind {
	PACKET_OTHER,	 /* not TCP, or not as this program understands it */
	PACKET_ICMP,	 /* of either version: tuple.family, the offsets and segment.packet_bytes are valid */
	PACKET_OBSCURE,	 /* IPv6 headers, or tags, that hide what they carry: the addresses are valid, or nothing */
	PACKET_TCP,	 /* everything below is valid, the lengths once packet_weigh() has seen them */
	PACKET_FRAGMENT, /* the first of several: the tuple is valid, the segment is not */
	PACKET_LATER_FRAGMENT, /* of TCP, or of what may be: the addresses are valid */
	PACKET_MALFORMED,      /* TCP whose lengths contradict each other: the tuple is valid, the segment is not */
};

struct vlan_tag {
	__be16 tci;
	__be16 type; /* of what is behind it */
};

struct packet {
	struct tuple tuple;
	struct segment segment;
	__u16 ip_offset;  /* from the start of the frame: behind Ethernet's header and the tags */
	__u16 tcp_offset; /* from the start of the frame; of ICMP likewise */
	__u16 tcp_options_bytes;
	__u16 headers_bytes; /* IP and TCP, on the wire; by packet_weigh() */
	bool has_ip_options; /* IPv4 options or IPv6 extension headers */
	bool source_allowed; /* by the list: written by who asks that (bpf/source_list.bpf.h) */
};

/* Where a frame's headers are, and which end of it is ours. */
struct frame {
	void *data;
	void *end;
	enum direction direction;
};

static __always_inline void packet_ports(struct packet *p, const struct tcphdr *tcp, enum direction direction)
{
	__u16 source = host16(tcp->source), destination = host16(tcp->dest);

	p->tuple.remote_port = direction == DIRECTION_RCV ? source : destination;
	p->tuple.local_port = direction == DIRECTION_RCV ? destination : source;
}

/*
 * NOP, NOP, TIMESTAMPS is how every common stack begins the options of a segment, and all that a flow's record needs;
 * whoever needs more parses the options in full.
 */
static __always_inline void packet_fast_timestamps(struct segment *s, const struct tcphdr *tcp, const void *end)
{
	const __be32 *words = (const void *)(tcp + 1);

	s->has_timestamps = false;
	if ((const void *)(words + 3) > end || tcp->doff < 8 || words[0] != net32(0x0101080a))
		return;
	s->has_timestamps = true;
	s->tsval = host32(words[1]);
	s->tsecr = host32(words[2]);
}

/* TCP at p->tcp_offset. */
static __always_inline enum packet_kind packet_parse_tcp(struct packet *p, const struct frame *f,
							 const struct tcphdr *tcp)
{
	struct segment *s = &p->segment;

	if ((const void *)(tcp + 1) > f->end || tcp->doff * 4 < TCP_HEADER_BYTES)
		return PACKET_MALFORMED;
	p->tcp_options_bytes = tcp->doff * 4 - TCP_HEADER_BYTES;
	s->seq = host32(tcp->seq);
	s->ack = host32(tcp->ack_seq);
	s->window = host16(tcp->window);
	s->flags = ((const __u8 *)tcp)[13];
	s->packets = 1;
	packet_fast_timestamps(s, tcp, f->end);
	return PACKET_TCP;
}

/* What is looked at further is an error of a whole packet; in a fragment nothing of it is sure. */
static __always_inline enum packet_kind packet_parse_icmpv4(struct packet *p, const struct iphdr *ip, __u32 ip_offset)
{
	if (ip->protocol != IPPROTO_ICMP || (ip->frag_off & net16(IPV4_FRAGMENT_OFFSET | IPV4_MORE_FRAGMENTS)))
		return PACKET_OTHER;
	p->tuple.family = FAMILY_IPV4;
	p->ip_offset = ip_offset;
	p->tcp_offset = ip_offset + ip->ihl * 4;
	p->segment.packet_bytes = host16(ip->tot_len);
	return PACKET_ICMP;
}

static __always_inline enum packet_kind packet_parse_ipv4(struct packet *p, const struct frame *f, __u32 ip_offset)
{
	struct iphdr *ip = f->data + ip_offset;
	struct tcphdr *tcp;
	__u32 header_bytes;
	__u16 fragment;

	if ((void *)(ip + 1) > f->end || ip->version != 4 || ip->ihl < 5)
		return PACKET_OTHER;
	if (ip->protocol != IPPROTO_TCP)
		return packet_parse_icmpv4(p, ip, ip_offset);
	fragment = host16(ip->frag_off);
	header_bytes = ip->ihl * 4;
	tcp = (void *)ip + header_bytes;
	if (!(fragment & IPV4_FRAGMENT_OFFSET) && (void *)&tcp->seq > f->end)
		return PACKET_OTHER;
	p->tuple.family = FAMILY_IPV4;
	p->tuple.remote[0] = f->direction == DIRECTION_RCV ? ip->saddr : ip->daddr;
	p->tuple.local[0] = f->direction == DIRECTION_RCV ? ip->daddr : ip->saddr;
	if (fragment & IPV4_FRAGMENT_OFFSET)
		return PACKET_LATER_FRAGMENT;
	packet_ports(p, tcp, f->direction);
	p->ip_offset = ip_offset;
	p->tcp_offset = ip_offset + header_bytes;
	p->has_ip_options = header_bytes > IPV4_HEADER_BYTES;
	__builtin_memcpy(&p->segment.ip_first, ip, sizeof(p->segment.ip_first));
	p->segment.packet_bytes = host16(ip->tot_len);
	/* with eight bytes of TCP, perhaps: what the kernel puts together is a segment */
	if (fragment & IPV4_MORE_FRAGMENTS)
		return PACKET_FRAGMENT;
	return packet_parse_tcp(p, f, tcp);
}

/* How far the IPv6 headers go, and what is behind them. */
struct ipv6_chain {
	__u32 tcp_offset; /* from the start of the frame, if kind is PACKET_TCP, PACKET_FRAGMENT or PACKET_ICMP */
	enum packet_kind kind;
};

/* What an extension header begins with; none is shorter (RFC 8200, 4; RFC 4302, 2). */
struct ipv6_extension {
	__u8 next;
	__u8 length;	 /* beyond the least, in units of its kind; reserved in a fragment header */
	__be16 fragment; /* a fragment header's offset and "more"; a routing header's type and segments left */
	__u8 rest[4];
};

static __always_inline bool packet_is_ipv6_extension(__u8 next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
	       next == IPPROTO_FRAGMENT || next == IPPROTO_AH;
}

static __always_inline __u32 packet_ipv6_extension_bytes(__u8 kind, __u8 length)
{
	if (kind == IPPROTO_FRAGMENT)
		return sizeof(struct ipv6_extension);
	if (kind == IPPROTO_AH)
		return (length + 2) * 4;
	return (length + 1) * 8;
}

/*
 * Whether only its owner can answer a SYN behind this one: an answer to AH carries AH, and a route that has segments
 * left does not end here.
 */
static __always_inline bool packet_ipv6_extension_needs_owner(__u8 kind, const struct ipv6_extension *extension)
{
	return kind == IPPROTO_AH || (kind == IPPROTO_ROUTING && (extension->fragment & net16(0x00ff)));
}

/* A fragment that is not the first has no ports. Of what there are more headers of, TCP may be behind them. */
static __always_inline enum packet_kind packet_later_fragment(__u8 next)
{
	return next == IPPROTO_TCP || packet_is_ipv6_extension(next) ? PACKET_LATER_FRAGMENT : PACKET_OTHER;
}

/*
 * Walks the extension headers (RFC 8200, 4) to TCP or ICMP. Who has more of them than any honest sender, or hides them
 * beyond what can be read, is PACKET_OBSCURE: behind them may be a SYN.
 */
static __always_inline struct ipv6_chain packet_walk_ipv6(const struct frame *f, __u32 ip_offset, __u8 next)
{
	struct ipv6_chain chain = { .tcp_offset = ip_offset + IPV6_HEADER_BYTES, .kind = PACKET_TCP };

	for (int i = 0; i < IPV6_EXTENSIONS_MAX && packet_is_ipv6_extension(next); i++) {
		const struct ipv6_extension *extension = f->data + chain.tcp_offset;

		if ((const void *)(extension + 1) > f->end)
			return (struct ipv6_chain){ .kind = PACKET_OBSCURE };
		if (next == IPPROTO_FRAGMENT) {
			__u16 fragment = host16(extension->fragment);

			if (fragment & IPV6_FRAGMENT_OFFSET)
				return (struct ipv6_chain){ .kind = packet_later_fragment(extension->next) };
			if (fragment & IPV6_MORE_FRAGMENTS)
				chain.kind = PACKET_FRAGMENT;
		}
		chain.tcp_offset += packet_ipv6_extension_bytes(next, extension->length);
		next = extension->next;
	}
	if (next == IPPROTO_ICMPV6 && chain.kind == PACKET_TCP)
		chain.kind = PACKET_ICMP;
	else if (next != IPPROTO_TCP)
		chain.kind = packet_is_ipv6_extension(next) ? PACKET_OBSCURE : PACKET_OTHER;
	return chain;
}

static __always_inline void packet_ipv6_addresses(struct packet *p, const struct ipv6hdr *ip, enum direction direction)
{
	const struct in6_addr *remote = direction == DIRECTION_RCV ? &ip->saddr : &ip->daddr;
	const struct in6_addr *local = direction == DIRECTION_RCV ? &ip->daddr : &ip->saddr;

	p->tuple.family = FAMILY_IPV6;
	__builtin_memcpy(p->tuple.remote, remote, sizeof(p->tuple.remote));
	__builtin_memcpy(p->tuple.local, local, sizeof(p->tuple.local));
}

static __always_inline enum packet_kind packet_parse_ipv6(struct packet *p, const struct frame *f, __u32 ip_offset)
{
	struct ipv6hdr *ip = f->data + ip_offset;
	struct ipv6_chain chain;
	struct tcphdr *tcp;

	if ((void *)(ip + 1) > f->end || ip->version != 6)
		return PACKET_OTHER;
	chain = packet_walk_ipv6(f, ip_offset, ip->nexthdr);
	if (chain.kind == PACKET_OTHER)
		return PACKET_OTHER;
	packet_ipv6_addresses(p, ip, f->direction);
	if (chain.kind == PACKET_LATER_FRAGMENT)
		return PACKET_LATER_FRAGMENT;
	tcp = f->data + chain.tcp_offset;
	if (chain.kind == PACKET_OBSCURE || (chain.kind != PACKET_ICMP && (void *)&tcp->seq > f->end))
		return PACKET_OBSCURE;
	p->ip_offset = ip_offset;
	p->tcp_offset = chain.tcp_offset;
	p->has_ip_options = chain.tcp_offset - ip_offset > IPV6_HEADER_BYTES;
	__builtin_memcpy(&p->segment.ip_first, ip, sizeof(p->segment.ip_first));
	p->segment.packet_bytes = IPV6_HEADER_BYTES + host16(ip->payload_len);
	if (chain.kind == PACKET_ICMP)
		return PACKET_ICMP;
	packet_ports(p, tcp, f->direction);
	if (chain.kind == PACKET_FRAGMENT)
		return PACKET_FRAGMENT;
	return packet_parse_tcp(p, f, tcp);
}

static __always_inline bool packet_is_tag(__be16 type)
{
	return type == net16(ETH_P_8021Q) || type == net16(ETH_P_8021AD);
}

/* What the tags are around: its type, and in *offset its place. A type of 0: the frame ends within a tag. */
static __always_inline __be16 packet_walk_tags(const struct frame *f, __be16 type, __u32 *offset)
{
	for (int i = 0; i < VLAN_TAGS_MAX && packet_is_tag(type); i++) {
		const struct vlan_tag *tag = f->data + *offset;

		if ((const void *)(tag + 1) > f->end)
			return 0;
		type = tag->type;
		*offset += sizeof(*tag);
	}
	return type;
}

/*
 * Reads the headers into p, which the caller has zeroed; segment.packet_bytes is what the IP header says. More tags
 * than two are PACKET_OBSCURE: the kernel takes priority tags off one after another, so there may be a SYN for a
 * service behind any number of them.
 */
static __always_inline enum packet_kind packet_parse(struct packet *p, const struct frame *f)
{
	struct ethhdr *eth = f->data;
	__u32 offset = ETH_HEADER_BYTES;
	__be16 type;

	if ((void *)(eth + 1) > f->end)
		return PACKET_OTHER;
	type = eth->h_proto;
	if (type != net16(ETH_P_IP) && type != net16(ETH_P_IPV6))
		type = packet_walk_tags(f, type, &offset);
	if (type == net16(ETH_P_IP))
		return packet_parse_ipv4(p, f, offset);
	if (type == net16(ETH_P_IPV6))
		return packet_parse_ipv6(p, f, offset);
	return packet_is_tag(type) ? PACKET_OBSCURE : PACKET_OTHER;
}

/*
 * The lengths of a PACKET_TCP, in a frame of frame_bytes, in one buffer or in several. The IP header says how long the
 * packet is; what the frame has beyond is padding. The socket buffer measures what is sent, and what GRO made too long
 * for the header's field, which is 0 then (BIG TCP). An IPv6 one has a jumbo header of the kernel's own, which was
 * never on the wire, nor will be. PACKET_MALFORMED: the frame is shorter than its headers say, and p->segment is as
 * before.
 */
static __always_inline enum packet_kind packet_weigh(struct packet *p, __u32 frame_bytes, enum direction direction)
{
	__u32 headers_bytes = p->tcp_offset - p->ip_offset + TCP_HEADER_BYTES + p->tcp_options_bytes;
	__u32 not_counted = p->tuple.family == FAMILY_IPV4 ? 0 : IPV6_HEADER_BYTES;
	__u32 room = frame_bytes - p->ip_offset, bytes = p->segment.packet_bytes;
	bool big = bytes == not_counted && room > not_counted + IP_LENGTH_MAX;
	__u32 jumbo_bytes = big && not_counted && p->has_ip_options ? IPV6_JUMBO_BYTES : 0;

	if (direction == DIRECTION_SND || big)
		bytes = room;
	if (bytes < headers_bytes || bytes > room)
		return PACKET_MALFORMED;
	p->headers_bytes = headers_bytes - jumbo_bytes;
	p->segment.packet_bytes = bytes - jumbo_bytes;
	p->segment.payload_bytes = bytes - headers_bytes;
	return PACKET_TCP;
}

/* One packet here is several on the wire (GSO, GRO): each has a copy of the headers that are here once. */
static __always_inline void packet_count_segments(struct packet *p, __u32 segments)
{
	p->segment.packets = segments;
	p->segment.packet_bytes += (segments - 1) * p->headers_bytes;
}

/* Whether the segment can belong to no connection at all. */
static __always_inline bool packet_flags_impossible(__u8 flags)
{
	if (flags & TCP_FLAG_SYN)
		return flags & (TCP_FLAG_FIN | TCP_FLAG_RST);
	if (flags & TCP_FLAG_RST)
		return flags & TCP_FLAG_FIN;
	return !(flags & (TCP_FLAG_ACK | TCP_FLAG_FIN));
}

#endif /* SYNKEEP_PACKET_H */
