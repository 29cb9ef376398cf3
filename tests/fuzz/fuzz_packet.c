// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * packet.h: any bytes, in either direction, at the end of their buffer. What the parser says must follow from the
 * frame, and agree with a second parser that reads byte by byte.
 */
#include "fuzz.h"
#include "packet.h"

/* What precedes the frame in the input. */
struct shape {
	__u8 bits; /* 0: sent; 1: Ethernet says IPv4; 2: IPv6; 3: the frame is longer than an IP header can say;
		    * 4 and 5: how many tags; 6: 802.1ad instead of 802.1Q
		    */
	__u8 more; /* bytes of the frame beyond those that can be read */
};

/* A frame of frame_bytes, the first size of which can be read. */
struct input {
	const uint8_t *bytes;
	size_t size;
	size_t frame_bytes;
	enum direction direction;
};

/* The same as struct packet, by places in the frame. */
struct reading {
	enum packet_kind kind;
	size_t source; /* where the addresses are */
	size_t destination;
	size_t address_bytes;
	size_t ip;
	size_t tcp;
	size_t packet_bytes;
	size_t jumbo_bytes; /* of the kernel's own header before a packet too long for its length field */
};

static size_t number(const uint8_t *bytes, size_t at)
{
	return bytes[at] * 256U + bytes[at + 1];
}

/* Whether the segment is whole: what the frame has of it, and what the lengths say of it. */
static void read_tcp(const struct input *in, struct reading *r, size_t not_counted)
{
	size_t room = in->frame_bytes - r->ip, says = r->packet_bytes;
	bool too_long = says == not_counted && room >= not_counted + 65536;

	r->kind = PACKET_MALFORMED;
	if (in->direction == DIRECTION_SND || too_long)
		says = room;
	if (r->tcp + 20 > in->size || says > room || in->bytes[r->tcp + 12] / 16 < 5)
		return;
	if (r->tcp + in->bytes[r->tcp + 12] / 16 * 4 > r->ip + says)
		return;
	r->jumbo_bytes = too_long && r->tcp > r->ip + 40 && not_counted ? 8 : 0;
	r->packet_bytes = says - r->jumbo_bytes;
	r->kind = PACKET_TCP;
}

static struct reading read_ipv4(const struct input *in, size_t ip)
{
	struct reading r = { .source = ip + 12, .destination = ip + 16, .address_bytes = 4, .ip = ip };
	const uint8_t *bytes = in->bytes;

	if (in->size < ip + 20 || bytes[ip] < 0x45 || bytes[ip] > 0x4f || (bytes[ip + 9] != 6 && bytes[ip + 9] != 1))
		return r;
	r.tcp = ip + bytes[ip] % 16 * 4;
	r.packet_bytes = number(bytes, ip + 2);
	if (bytes[ip + 9] == 1) {
		r.kind = number(bytes, ip + 6) % 16384 ? PACKET_OTHER : PACKET_ICMP;
		return r;
	}
	if (number(bytes, ip + 6) % 8192)
		r.kind = PACKET_LATER_FRAGMENT;
	if (r.kind == PACKET_LATER_FRAGMENT || r.tcp + 4 > in->size)
		return r;
	if (bytes[ip + 6] / 32 % 2)
		r.kind = PACKET_FRAGMENT;
	else
		read_tcp(in, &r, 0);
	return r;
}

#define HIDDEN 256
#define LATER_FRAGMENT 257
#define OTHER_FRAGMENT 258

static bool is_extension(unsigned int next)
{
	return next == 0 || next == 43 || next == 44 || next == 51 || next == 60;
}

/* What is behind the extension headers, its place in *at, and whether it is the first of several fragments. */
static unsigned int skip_extensions(const struct input *in, size_t *at, bool *first)
{
	unsigned int next = in->bytes[*at - 40 + 6];

	for (int left = IPV6_EXTENSIONS_MAX; is_extension(next); left--) {
		const uint8_t *header = in->bytes + *at;

		if (!left || *at + 8 > in->size)
			return HIDDEN;
		switch (next) {
		case 44:
			if (header[2] || header[3] >= 8)
				return header[0] == 6 || is_extension(header[0]) ? LATER_FRAGMENT : OTHER_FRAGMENT;
			*first |= header[3] % 2;
			*at += 8;
			break;
		case 51:
			*at += 8 + header[1] * 4;
			break;
		default:
			*at += 8 + header[1] * 8;
		}
		next = header[0];
	}
	return next;
}

static struct reading read_ipv6(const struct input *in, size_t ip)
{
	struct reading r = { .source = ip + 8, .destination = ip + 24, .address_bytes = 16, .ip = ip, .tcp = ip + 40 };
	bool first = false;
	unsigned int next;

	if (in->size < ip + 40 || in->bytes[ip] / 16 != 6)
		return r;
	next = skip_extensions(in, &r.tcp, &first);
	if (next == HIDDEN || (next == 6 && r.tcp + 4 > in->size))
		r.kind = PACKET_OBSCURE;
	if (next == LATER_FRAGMENT)
		r.kind = PACKET_LATER_FRAGMENT;
	r.packet_bytes = 40 + number(in->bytes, ip + 4);
	if (next == 58 && !first)
		r.kind = PACKET_ICMP;
	if (next != 6 || r.kind == PACKET_OBSCURE)
		return r;
	if (first)
		r.kind = PACKET_FRAGMENT;
	else
		read_tcp(in, &r, 40);
	return r;
}

static struct reading read_simply(const struct input *in)
{
	size_t at = 14, tags = 0;

	while (at <= in->size && (number(in->bytes, at - 2) == 0x8100 || number(in->bytes, at - 2) == 0x88a8)) {
		if (tags++ == 2)
			return (struct reading){ .kind = PACKET_OBSCURE };
		at += 4;
	}
	if (at <= in->size && number(in->bytes, at - 2) == 0x0800)
		return read_ipv4(in, at);
	if (at <= in->size && number(in->bytes, at - 2) == 0x86dd)
		return read_ipv6(in, at);
	return (struct reading){ .kind = PACKET_OTHER };
}

static void addresses_are_the_frames(const struct packet *p, const uint8_t *bytes, const struct reading *r,
				     enum direction direction)
{
	bool sent = direction == DIRECTION_SND;
	__be32 zero[4] = { 0 };

	must(p->tuple.family == (r->address_bytes == 4 ? FAMILY_IPV4 : FAMILY_IPV6));
	must(!memcmp(sent ? p->tuple.local : p->tuple.remote, bytes + r->source, r->address_bytes));
	must(!memcmp(sent ? p->tuple.remote : p->tuple.local, bytes + r->destination, r->address_bytes));
	must(!memcmp((const uint8_t *)p->tuple.remote + r->address_bytes, zero, 16 - r->address_bytes));
	must(!memcmp((const uint8_t *)p->tuple.local + r->address_bytes, zero, 16 - r->address_bytes));
}

static void tuple_is_the_frames(const struct packet *p, const uint8_t *bytes, const struct reading *r,
				enum direction direction)
{
	bool sent = direction == DIRECTION_SND;

	addresses_are_the_frames(p, bytes, r, direction);
	must((sent ? p->tuple.local_port : p->tuple.remote_port) == number(bytes, r->tcp));
	must((sent ? p->tuple.remote_port : p->tuple.local_port) == number(bytes, r->tcp + 2));
}

static void segment_is_the_frames(const struct packet *p, const struct input *in, size_t jumbo_bytes)
{
	static const uint8_t usual[4] = { 1, 1, 8, 10 };
	const uint8_t *tcp = in->bytes + p->tcp_offset;
	size_t header_bytes = tcp[12] / 16 * 4, ip_headers_bytes = p->tcp_offset - p->ip_offset;
	bool usual_timestamps = header_bytes >= 32 && p->tcp_offset + 32U <= in->size && !memcmp(tcp + 20, usual, 4);
	const struct segment *s = &p->segment;

	must(p->tcp_offset + 20U <= in->size);
	must(p->tcp_options_bytes <= 40 && 20U + p->tcp_options_bytes == header_bytes);
	must(s->payload_bytes <= in->frame_bytes);
	must(p->headers_bytes == ip_headers_bytes + header_bytes - jumbo_bytes);
	must(s->packet_bytes == p->headers_bytes + s->payload_bytes);
	must(p->ip_offset + s->packet_bytes + jumbo_bytes <= in->frame_bytes);
	must(in->direction == DIRECTION_RCV || p->ip_offset + s->packet_bytes + jumbo_bytes == in->frame_bytes);
	must(s->packets == 1);
	must(s->seq == get_be32(tcp + 4) && s->ack == get_be32(tcp + 8));
	must(s->flags == tcp[13] && s->window == number(tcp, 14));
	must(p->has_ip_options == (ip_headers_bytes > (p->tuple.family == FAMILY_IPV4 ? 20 : 40)));
	must(s->has_timestamps == usual_timestamps);
	must(!usual_timestamps || (s->tsval == get_be32(tcp + 24) && s->tsecr == get_be32(tcp + 28)));
}

static void packet_is_the_frames(const struct input *in)
{
	const struct frame f = { (void *)in->bytes, (void *)(in->bytes + in->size), in->direction };
	struct reading want = read_simply(in);
	struct packet p = { 0 };
	enum packet_kind kind = packet_parse(&p, &f);

	if (kind == PACKET_TCP)
		kind = packet_weigh(&p, in->frame_bytes, in->direction);
	must(kind == want.kind);
	if (kind == PACKET_LATER_FRAGMENT)
		addresses_are_the_frames(&p, in->bytes, &want, in->direction);
	if (kind == PACKET_OTHER || kind == PACKET_OBSCURE || kind == PACKET_LATER_FRAGMENT)
		return;
	must(p.ip_offset == want.ip && p.tcp_offset == want.tcp);
	must(p.segment.packet_bytes == want.packet_bytes);
	if (kind == PACKET_ICMP)
		return;
	must(p.tcp_offset + 4U <= in->size);
	tuple_is_the_frames(&p, in->bytes, &want, in->direction);
	if (kind == PACKET_TCP)
		segment_is_the_frames(&p, in, want.jumbo_bytes);
}

/* Writes the EtherTypes that the shape asks for, as far as the frame goes. */
static void put_types(uint8_t *bytes, size_t size, __u8 bits)
{
	size_t at = 12;

	for (int tags = bits / 16 % 4; tags && at + 2 <= size; tags--) {
		memcpy(bytes + at, bits & 64 ? "\x88\xa8" : "\x81\x00", 2);
		at += 4;
	}
	if (at + 2 <= size && (bits & 6))
		memcpy(bytes + at, bits & 2 ? "\x08\x00" : "\x86\xdd", 2);
}

/* On the heap, where the sanitizer sees an access beyond the end; two bytes in front align the IP header. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct input frame;
	struct shape shape;
	uint8_t *buffer;

	fuzz_take(&in, &shape, sizeof(shape));
	buffer = malloc(2 + in.left);
	must(buffer);
	frame.bytes = buffer + 2;
	frame.size = in.left;
	frame.frame_bytes = in.left + shape.more + (shape.bits & 8 ? 65536 : 0);
	frame.direction = shape.bits & 1 ? DIRECTION_SND : DIRECTION_RCV;
	if (in.left)
		memcpy(buffer + 2, in.data, in.left);
	put_types(buffer + 2, in.left, shape.bits);
	packet_is_the_frames(&frame);
	free(buffer);
	return 0;
}
