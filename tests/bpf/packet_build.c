// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "packet_build.h"

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define PROTOCOL_ICMP 1
#define PROTOCOL_TCP 6
#define PROTOCOL_ICMPV6 58
#define DONT_FRAGMENT 0x40 /* in the first byte of IPv4's fragment field */

/* Locally administered, told apart at a glance. */
static const __u8 mac_remote[6] = { 0x02, 0, 0, 0, 0, 0x07 };
static const __u8 mac_local[6] = { 0x02, 0, 0, 0, 0, 0x01 };

static void put16(__u8 *p, __u16 value)
{
	p[0] = value >> 8;
	p[1] = value & 0xff;
}

static void put32(__u8 *p, __u32 value)
{
	put16(p, value >> 16);
	put16(p + 2, value & 0xffff);
}

/* RFC 1071, over any number of bytes. */
static __u32 sum_bytes(__u32 sum, const __u8 *p, __u32 length)
{
	for (__u32 i = 0; i < length; i++)
		sum += i % 2 ? p[i] : (__u32)p[i] << 8;
	return sum;
}

static __u16 fold(__u32 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

/* The sum of a message with its pseudo-header: 0 after folding where the checksum in it is right. */
static __u16 checksum(__u8 protocol, const __u8 *addresses, __u32 address_bytes, const __u8 *message, __u32 bytes)
{
	__u32 sum = sum_bytes(protocol + bytes, addresses, 2 * address_bytes);

	return fold(sum_bytes(sum, message, bytes));
}

static __u16 tcp_checksum(const __u8 *addresses, __u32 address_bytes, const __u8 *tcp, __u32 tcp_bytes)
{
	return checksum(PROTOCOL_TCP, addresses, address_bytes, tcp, tcp_bytes);
}

static void append(struct packet_spec *spec, const void *bytes, __u8 length)
{
	memcpy(spec->options + spec->option_bytes, bytes, length);
	spec->option_bytes += length;
}

static void append_option(struct packet_spec *spec, __u8 kind, const struct tcp_options *o)
{
	__u8 bytes[10] = { kind };

	switch (kind) {
	case TCP_OPTION_NOP:
		append(spec, bytes, 1);
		return;
	case TCP_OPTION_MSS:
		put16(bytes + 2, o->mss);
		break;
	case TCP_OPTION_WSCALE:
		bytes[2] = o->wscale;
		break;
	case TCP_OPTION_TIMESTAMPS:
		put32(bytes + 2, o->tsval);
		put32(bytes + 6, o->tsecr);
		break;
	default:
		break;
	}
	bytes[1] = kind == TCP_OPTION_MSS	       ? 4
		   : kind == TCP_OPTION_WSCALE	       ? 3
		   : kind == TCP_OPTION_SACK_PERMITTED ? 2
						       : 10;
	append(spec, bytes, bytes[1]);
}

static bool is_wanted(__u8 kind, const struct tcp_options *o)
{
	switch (kind) {
	case TCP_OPTION_MSS:
		return o->mss;
	case TCP_OPTION_WSCALE:
		return o->wscale != TCP_WSCALE_NONE;
	case TCP_OPTION_SACK_PERMITTED:
		return o->sack_permitted;
	default:
		return o->has_timestamps;
	}
}

void packet_build_options(struct packet_spec *spec, enum option_layout layout, const struct tcp_options *wanted)
{
	enum {
		MSS = TCP_OPTION_MSS,
		WS = TCP_OPTION_WSCALE,
		SACK = TCP_OPTION_SACK_PERMITTED,
		TS = TCP_OPTION_TIMESTAMPS
	};
	/* an option, and the NOPs before it */
	static const struct {
		__u8 kind, nops;
	} layouts[LAYOUT_COUNT][4] = {
		[LAYOUT_LINUX] = { { MSS, 0 }, { SACK, 0 }, { TS, 0 }, { WS, 1 } },
		[LAYOUT_MACOS] = { { MSS, 0 }, { WS, 1 }, { TS, 2 }, { SACK, 0 } },
		[LAYOUT_WINDOWS] = { { MSS, 0 }, { WS, 1 }, { SACK, 2 }, { TS, 2 } },
		[LAYOUT_TIGHT] = { { WS, 0 }, { TS, 0 }, { MSS, 0 }, { SACK, 0 } },
	};

	spec->option_bytes = 0;
	for (int i = 0; i < 4; i++) {
		__u8 kind = layouts[layout][i].kind;

		if (!is_wanted(kind, wanted))
			continue;
		for (int nop = 0; nop < layouts[layout][i].nops; nop++)
			append_option(spec, TCP_OPTION_NOP, wanted);
		append_option(spec, kind, wanted);
	}
	while (spec->option_bytes % 4)
		spec->options[spec->option_bytes++] = TCP_OPTION_EOL;
}

void packet_build_timestamps(struct packet_spec *spec, __u32 tsval, __u32 tsecr)
{
	const struct tcp_options o = { .tsval = tsval, .tsecr = tsecr, .has_timestamps = true };

	spec->option_bytes = 0;
	append_option(spec, TCP_OPTION_NOP, &o);
	append_option(spec, TCP_OPTION_NOP, &o);
	append_option(spec, TCP_OPTION_TIMESTAMPS, &o);
}

static __u32 tcp_bytes_of(const struct packet_spec *spec)
{
	return FRAME_TCP_BYTES + spec->option_bytes + spec->payload_bytes;
}

static void build_ipv4(__u8 *ip, const struct packet_spec *spec)
{
	bool from_remote = spec->direction == DIRECTION_RCV;

	ip[0] = 0x45;
	put16(ip + 2, FRAME_IPV4_BYTES + tcp_bytes_of(spec));
	ip[6] = DONT_FRAGMENT;
	ip[8] = 57;
	ip[9] = PROTOCOL_TCP;
	memcpy(ip + 12, from_remote ? spec->tuple.remote : spec->tuple.local, 4);
	memcpy(ip + 16, from_remote ? spec->tuple.local : spec->tuple.remote, 4);
}

static void build_ipv6(__u8 *ip, const struct packet_spec *spec)
{
	bool from_remote = spec->direction == DIRECTION_RCV;

	ip[0] = 0x60;
	put16(ip + 4, tcp_bytes_of(spec));
	ip[6] = PROTOCOL_TCP;
	ip[7] = 57;
	memcpy(ip + 8, from_remote ? spec->tuple.remote : spec->tuple.local, 16);
	memcpy(ip + 24, from_remote ? spec->tuple.local : spec->tuple.remote, 16);
}

static void build_tcp(__u8 *tcp, const struct packet_spec *spec)
{
	bool from_remote = spec->direction == DIRECTION_RCV;

	put16(tcp, from_remote ? spec->tuple.remote_port : spec->tuple.local_port);
	put16(tcp + 2, from_remote ? spec->tuple.local_port : spec->tuple.remote_port);
	put32(tcp + 4, spec->seq);
	put32(tcp + 8, spec->ack);
	tcp[12] = (__u8)((FRAME_TCP_BYTES + spec->option_bytes) / 4 << 4);
	tcp[13] = spec->flags;
	put16(tcp + 14, spec->window);
	memcpy(tcp + FRAME_TCP_BYTES, spec->options, spec->option_bytes);
	memset(tcp + FRAME_TCP_BYTES + spec->option_bytes, FRAME_PAYLOAD_BYTE, spec->payload_bytes);
}

void packet_build(struct frame *out, const struct packet_spec *spec)
{
	bool ipv4 = spec->tuple.family == FAMILY_IPV4, from_remote = spec->direction == DIRECTION_RCV;
	__u32 ip_bytes = ipv4 ? FRAME_IPV4_BYTES : FRAME_IPV6_BYTES;
	__u8 *ip = out->bytes + FRAME_ETH_BYTES;

	memset(out, 0, sizeof(*out));
	memcpy(out->bytes, from_remote ? mac_local : mac_remote, 6);
	memcpy(out->bytes + 6, from_remote ? mac_remote : mac_local, 6);
	put16(out->bytes + 12, ipv4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
	if (ipv4)
		build_ipv4(ip, spec);
	else
		build_ipv6(ip, spec);
	build_tcp(ip + ip_bytes, spec);
	out->length = FRAME_ETH_BYTES + ip_bytes + tcp_bytes_of(spec);
	packet_build_checksums(out);
}

void packet_build_put16(struct frame *f, __u32 offset, __u16 value)
{
	put16(f->bytes + offset, value);
}

void packet_build_checksums(struct frame *f)
{
	__u8 *ip = f->bytes + FRAME_ETH_BYTES, *tcp;
	bool ipv4 = get_be16(f->bytes + 12) == ETHERTYPE_IPV4;
	__u32 header_bytes = ipv4 ? (ip[0] & 15) * 4U : FRAME_IPV6_BYTES;
	__u32 tcp_bytes = ipv4 ? get_be16(ip + 2) - header_bytes : get_be16(ip + 4);

	tcp = ip + header_bytes;
	if (ipv4) {
		put16(ip + 10, 0);
		put16(ip + 10, fold(sum_bytes(0, ip, header_bytes)));
	}
	put16(tcp + 16, 0);
	put16(tcp + 16, tcp_checksum(ip + (ipv4 ? 12 : 8), ipv4 ? 4 : 16, tcp, tcp_bytes));
}

/* A TCP packet of the same length becomes the message: its length and addresses stay. */
void packet_build_icmp(struct frame *out, const struct tuple *t, __u8 type, __u8 code, __u32 word)
{
	const struct packet_spec quoted = { .tuple = *t, .direction = DIRECTION_SND, .seq = FRAME_QUOTED_SEQ };
	bool ipv4 = t->family == FAMILY_IPV4;
	__u32 ip_bytes = ipv4 ? FRAME_IPV4_BYTES : FRAME_IPV6_BYTES, bytes = 8 + ip_bytes + 8;
	struct packet_spec message = { .tuple = *t, .payload_bytes = bytes - FRAME_TCP_BYTES };
	__u8 *ip = out->bytes + FRAME_ETH_BYTES, *icmp = ip + ip_bytes;
	struct frame segment;

	message.tuple.remote[0] ^= net32(1 << 16); /* the router's */
	packet_build(out, &message);
	packet_build(&segment, &quoted);
	memset(icmp, 0, bytes);
	icmp[0] = type;
	icmp[1] = code;
	put32(icmp + 4, word);
	memcpy(icmp + 8, segment.bytes + FRAME_ETH_BYTES, ip_bytes + 8);
	ip[ipv4 ? 9 : 6] = ipv4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6;
	put16(icmp + 2, ipv4 ? fold(sum_bytes(0, icmp, bytes)) : checksum(PROTOCOL_ICMPV6, ip + 8, 16, icmp, bytes));
	if (!ipv4)
		return;
	put16(ip + 10, 0);
	put16(ip + 10, fold(sum_bytes(0, ip, ip_bytes)));
}

static void insert(struct frame *f, __u32 at, const __u8 *bytes, __u32 length)
{
	memmove(f->bytes + at + length, f->bytes + at, f->length - at);
	memcpy(f->bytes + at, bytes, length);
	f->length += length;
}

void packet_build_put_ip_options(struct frame *f, const __u8 *options, __u32 bytes)
{
	__u8 *ip = f->bytes + FRAME_ETH_BYTES;

	insert(f, FRAME_ETH_BYTES + FRAME_IPV4_BYTES, options, bytes);
	ip[0] += bytes / 4;
	put16(ip + 2, get_be16(ip + 2) + bytes);
	packet_build_checksums(f);
}

void packet_build_put_ipv6_extension(struct frame *f, __u8 kind, const __u8 header[8])
{
	__u8 *ip = f->bytes + FRAME_ETH_BYTES, next = ip[6];

	insert(f, FRAME_ETH_BYTES + FRAME_IPV6_BYTES, header, 8);
	ip[FRAME_IPV6_BYTES] = next;
	ip[6] = kind;
	put16(ip + 4, get_be16(ip + 4) + 8);
}

void packet_build_put_tag(struct frame *f, __u16 type, __u16 tci)
{
	memmove(f->bytes + FRAME_ETH_BYTES + 2, f->bytes + FRAME_ETH_BYTES - 2, f->length - FRAME_ETH_BYTES + 2);
	put16(f->bytes + FRAME_ETH_BYTES - 2, type);
	put16(f->bytes + FRAME_ETH_BYTES, tci);
	f->length += 4;
}

__u32 packet_build_take_tag(struct frame *f)
{
	__u32 tag = get_be32(f->bytes + FRAME_ETH_BYTES - 2);

	f->length -= 4;
	memmove(f->bytes + FRAME_ETH_BYTES - 2, f->bytes + FRAME_ETH_BYTES + 2, f->length - FRAME_ETH_BYTES + 2);
	return tag;
}

struct segment packet_build_segment(const struct packet_spec *spec)
{
	__u8 options[TCP_OPTIONS_BUFFER_BYTES] = {};
	struct tcp_options parsed;
	struct segment s;
	struct frame f;

	packet_build(&f, spec);
	memcpy(options, spec->options, spec->option_bytes);
	tcp_options_parse(options, spec->option_bytes, &parsed);
	s = (struct segment){
		.seq = spec->seq,
		.ack = spec->ack,
		.payload_bytes = spec->payload_bytes,
		.packet_bytes =
			(spec->tuple.family == FAMILY_IPV4 ? FRAME_IPV4_BYTES : FRAME_IPV6_BYTES) + tcp_bytes_of(spec),
		.packets = 1,
		.tsval = parsed.tsval,
		.tsecr = parsed.tsecr,
		.window = spec->window,
		.flags = spec->flags,
		.has_timestamps = parsed.has_timestamps,
	};
	memcpy(&s.ip_first, f.bytes + FRAME_ETH_BYTES, sizeof(s.ip_first));
	if (spec->direction == DIRECTION_SND)
		memcpy(s.next_hop, f.bytes, sizeof(s.next_hop));
	return s;
}

static const char *read_tcp(struct packet_view *view, const __u8 *tcp, __u32 tcp_bytes)
{
	__u8 options[TCP_OPTIONS_BUFFER_BYTES] = {};
	__u32 header_bytes = (__u32)(tcp[12] >> 4) * 4;

	if (header_bytes < FRAME_TCP_BYTES || header_bytes > tcp_bytes)
		return "TCP data offset";
	view->tuple.local_port = get_be16(tcp);
	view->tuple.remote_port = get_be16(tcp + 2);
	view->seq = get_be32(tcp + 4);
	view->ack = get_be32(tcp + 8);
	view->flags = tcp[13];
	view->window = get_be16(tcp + 14);
	view->option_bytes = header_bytes - FRAME_TCP_BYTES;
	view->payload_bytes = tcp_bytes - header_bytes;
	memcpy(options, tcp + FRAME_TCP_BYTES, view->option_bytes);
	if (!tcp_options_parse(options, view->option_bytes, &view->options))
		return "TCP options";
	return NULL;
}

static const char *read_ipv4(struct packet_view *view, const __u8 *ip, __u32 bytes)
{
	__u32 ip_bytes = get_be16(ip + 2);

	if (ip[0] != 0x45 || ip[9] != PROTOCOL_TCP)
		return "IPv4 header";
	if (ip_bytes > bytes || ip_bytes < FRAME_IPV4_BYTES + FRAME_TCP_BYTES)
		return "IPv4 total length";
	if (fold(sum_bytes(0, ip, FRAME_IPV4_BYTES)))
		return "IPv4 header checksum";
	if (tcp_checksum(ip + 12, 4, ip + FRAME_IPV4_BYTES, ip_bytes - FRAME_IPV4_BYTES))
		return "TCP checksum";
	view->tuple.family = FAMILY_IPV4;
	memcpy(view->tuple.local, ip + 12, 4);
	memcpy(view->tuple.remote, ip + 16, 4);
	view->traffic_class = ip[1];
	view->dont_fragment = ip[6] == DONT_FRAGMENT && !ip[7];
	view->ttl = ip[8];
	view->padding = ip + ip_bytes;
	view->padding_bytes = bytes - ip_bytes;
	return read_tcp(view, ip + FRAME_IPV4_BYTES, ip_bytes - FRAME_IPV4_BYTES);
}

static const char *read_ipv6(struct packet_view *view, const __u8 *ip, __u32 bytes)
{
	__u32 tcp_bytes = get_be16(ip + 4);

	if (ip[0] >> 4 != 6 || ip[6] != PROTOCOL_TCP)
		return "IPv6 header";
	if (FRAME_IPV6_BYTES + tcp_bytes > bytes || tcp_bytes < FRAME_TCP_BYTES)
		return "IPv6 payload length";
	if (tcp_checksum(ip + 8, 16, ip + FRAME_IPV6_BYTES, tcp_bytes))
		return "TCP checksum";
	view->tuple.family = FAMILY_IPV6;
	memcpy(view->tuple.local, ip + 8, 16);
	memcpy(view->tuple.remote, ip + 24, 16);
	view->traffic_class = (__u8)(get_be16(ip) >> 4);
	view->dont_fragment = true;
	view->ttl = ip[7];
	view->padding = ip + FRAME_IPV6_BYTES + tcp_bytes;
	view->padding_bytes = bytes - FRAME_IPV6_BYTES - tcp_bytes;
	return read_tcp(view, ip + FRAME_IPV6_BYTES, tcp_bytes);
}

const char *packet_build_read(struct packet_view *view, const struct frame *f)
{
	const __u8 *ip = f->bytes + FRAME_ETH_BYTES;

	memset(view, 0, sizeof(*view));
	if (f->length < FRAME_ETH_BYTES + FRAME_IPV4_BYTES + FRAME_TCP_BYTES)
		return "frame length";
	view->eth_destination = f->bytes;
	view->eth_source = f->bytes + 6;
	switch (get_be16(f->bytes + 12)) {
	case ETHERTYPE_IPV4:
		return read_ipv4(view, ip, f->length - FRAME_ETH_BYTES);
	case ETHERTYPE_IPV6:
		return read_ipv6(view, ip, f->length - FRAME_ETH_BYTES);
	default:
		return "EtherType";
	}
}
