// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tcp/emit.h"

#include "tcp/inet_checksum.h"

#define OPTION_SACK 5
#define IPV4_DONT_FRAGMENT 0x4000
#define TTL_DEFAULT 64 /* RFC 9293, MUST-49; for what belongs to no connection */

static __u8 *put16(__u8 *p, __u16 value)
{
	p[0] = value >> 8;
	p[1] = (__u8)value;
	return p + 2;
}

static __u8 *put32(__u8 *p, __u32 value)
{
	return put16(put16(p, value >> 16), (__u16)value);
}

__u32 emit_option_bytes(const struct outgoing *o)
{
	return (o->mss ? 4 : 0) + (o->wscale != TCP_WSCALE_NONE ? 4 : 0) + (o->has_timestamps ? 12 : 0) +
	       (o->sack_permitted && !o->has_timestamps ? 4 : 0) + (o->block_count ? 4 + 8 * o->block_count : 0);
}

/* In the order and with the padding that all stacks use: whoever parses only that understands it. */
static void write_options(__u8 *p, const struct outgoing *o)
{
	if (o->mss)
		p = put32(p, TCP_OPTION_MSS << 24 | 4 << 16 | o->mss);
	if (o->has_timestamps) {
		p = put16(p, o->sack_permitted ? TCP_OPTION_SACK_PERMITTED << 8 | 2 : 0x0101);
		p = put16(p, TCP_OPTION_TIMESTAMPS << 8 | 10);
		p = put32(put32(p, o->tsval), o->tsecr);
	} else if (o->sack_permitted) {
		p = put32(p, 0x01010000 | TCP_OPTION_SACK_PERMITTED << 8 | 2);
	}
	if (o->wscale != TCP_WSCALE_NONE)
		p = put32(p, TCP_OPTION_NOP << 24 | TCP_OPTION_WSCALE << 16 | 3 << 8 | o->wscale);
	if (!o->block_count)
		return;
	p = put32(p, 0x01010000 | OPTION_SACK << 8 | (2 + 8 * o->block_count));
	for (__u32 i = 0; i < o->block_count; i++)
		p = put32(put32(p, o->blocks[i].start), o->blocks[i].end);
}

/* RFC 791, 3.1; RFC 6864, 4: never to be fragmented, so its identification says nothing. */
static void write_ipv4(__u8 *ip, const struct outgoing *o, __u32 bytes)
{
	__u16 sum;

	put32(ip, 0x45000000 | (__u32)o->traffic_class << 16 | bytes);
	put32(ip + 4, IPV4_DONT_FRAGMENT);
	put32(ip + 8, (__u32)o->ttl << 24 | IPPROTO_TCP << 16);
	memcpy(ip + 12, o->tuple->local, 4);
	memcpy(ip + 16, o->tuple->remote, 4);
	sum = inet_checksum(ip, IPV4_HEADER_BYTES, 0);
	memcpy(ip + 10, &sum, sizeof(sum));
}

/* RFC 8200, 3; RFC 6437, 2: one flow label a connection, which tells nothing. */
static void write_ipv6(__u8 *ip, const struct outgoing *o, __u32 bytes)
{
	__u32 label = (flow_tag(o->tuple) * 0x9e3779b1U) >> 12;

	put32(ip, 6U << 28 | (__u32)o->traffic_class << 20 | label);
	put32(ip + 4, (bytes - IPV6_HEADER_BYTES) << 16 | IPPROTO_TCP << 8 | o->ttl);
	memcpy(ip + 8, o->tuple->local, 16);
	memcpy(ip + 24, o->tuple->remote, 16);
}

static void write_tcp(__u8 *tcp, const struct outgoing *o, __u32 option_bytes)
{
	__u32 header_bytes = TCP_HEADER_BYTES + option_bytes, bytes = header_bytes + o->text_bytes;
	__u16 sum;

	put32(tcp, (__u32)o->tuple->local_port << 16 | o->tuple->remote_port);
	put32(tcp + 4, o->seq);
	put32(tcp + 8, o->flags & TCP_FLAG_ACK ? o->ack : 0);
	put32(tcp + 12, header_bytes / 4 << 28 | (__u32)o->flags << 16 | o->window);
	put32(tcp + 16, o->flags & TCP_FLAG_URG ? o->urgent : 0);
	write_options(tcp + TCP_HEADER_BYTES, o);
	if (o->text_bytes)
		byte_ring_read(o->text, o->text_offset, tcp + header_bytes, o->text_bytes);
	sum = inet_checksum(tcp, bytes, inet_checksum_pseudo(o->tuple, bytes, IPPROTO_TCP));
	memcpy(tcp + 16, &sum, sizeof(sum));
}

__u32 emit_packet_bytes(const struct outgoing *o)
{
	return tcb_ip_header_bytes(o->tuple->family) + TCP_HEADER_BYTES + emit_option_bytes(o) + o->text_bytes;
}

bool emit(struct tcp *tcp, const struct outgoing *o)
{
	const struct tcp_rim *rim = &tcp->config.rim;
	__u32 ip_bytes = tcb_ip_header_bytes(o->tuple->family), bytes = emit_packet_bytes(o);
	__u8 *ip = rim->frame(rim->context, o->path, bytes);

	if (!ip) {
		tcp->counters.no_frame++;
		return false;
	}
	if (o->tuple->family == FAMILY_IPV4)
		write_ipv4(ip, o, bytes);
	else
		write_ipv6(ip, o, bytes);
	write_tcp(ip + ip_bytes, o, emit_option_bytes(o));
	rim->send(rim->context, bytes, o->to_unverified);
	tcp->counters.segments_sent++;
	return true;
}

void emit_reset(struct tcp *tcp, const struct arrival *a)
{
	const struct segment *s = &a->packet.segment;
	struct outgoing o = {
		.tuple = &a->packet.tuple,
		.path = a->path,
		.flags = TCP_FLAG_RST,
		.to_unverified = true,
		.ttl = TTL_DEFAULT,
		.wscale = TCP_WSCALE_NONE,
	};

	if (s->flags & TCP_FLAG_RST)
		return;
	if (s->flags & TCP_FLAG_ACK) {
		o.seq = s->ack;
	} else {
		o.flags |= TCP_FLAG_ACK;
		o.ack = s->seq + arrival_length(a);
	}
	if (emit(tcp, &o))
		tcp->counters.resets_sent++;
}
