// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * packet.h: any bytes, in either direction, at the end of their buffer. What the parser says must follow from the
 * frame, and agree with a second parser that reads byte by byte.
 */
#include "fuzz.h"
#include "packet.h"

/* What precedes the frame in the input. */
struct shape {
	__u8 bits; /* 0: sent; 1: Ethernet says IPv4; 2: IPv6; 3: the frame is longer than an IP header can say */
	__u8 more; /* bytes of the frame beyond those that can be read */
};

/* The same as struct packet, by places in the frame. */
struct reading {
	enum packet_kind kind;
	size_t source; /* where the addresses are */
	size_t destination;
	size_t address_bytes;
	size_t tcp;
	size_t packet_bytes;
};

static size_t number(const uint8_t *bytes, size_t at)
{
	return bytes[at] * 256U + bytes[at + 1];
}

/* Whether the segment is whole: what the frame has of it, and what the lengths say of it. */
static enum packet_kind read_tcp(const uint8_t *bytes, size_t size, const struct frame *f, const struct reading *r)
{
	size_t end = 14 + r->packet_bytes;

	if (r->tcp + 20 > size || end > f->bytes)
		return PACKET_MALFORMED;
	if (bytes[r->tcp + 12] / 16 < 5 || r->tcp + bytes[r->tcp + 12] / 16 * 4 > end)
		return PACKET_MALFORMED;
	return PACKET_TCP;
}

static struct reading read_ipv4(const uint8_t *bytes, size_t size, const struct frame *f)
{
	struct reading r = { .source = 26, .destination = 30, .address_bytes = 4 };
	size_t offset;

	if (size < 34 || bytes[14] < 0x45 || bytes[14] > 0x4f || bytes[23] != 6)
		return r;
	offset = number(bytes, 20) % 8192;
	r.tcp = 14 + bytes[14] % 16 * 4;
	if (offset || r.tcp + 4 > size)
		return r;
	r.packet_bytes = number(bytes, 16);
	if (f->direction == DIRECTION_SND || (r.packet_bytes == 0 && f->bytes - 14 >= 65536))
		r.packet_bytes = f->bytes - 14;
	r.kind = bytes[20] / 32 % 2 ? PACKET_FRAGMENT : read_tcp(bytes, size, f, &r);
	return r;
}

#define HIDDEN 256
#define LATER_FRAGMENT 257

/* What is behind the extension headers, its place in *at, and whether it is the first of several fragments. */
static unsigned int skip_extensions(const uint8_t *bytes, size_t size, size_t *at, bool *first)
{
	unsigned int next = bytes[20];

	for (int left = IPV6_EXTENSIONS_MAX; next == 0 || next == 43 || next == 44 || next == 51 || next == 60;
	     left--) {
		const uint8_t *header = bytes + *at;

		if (!left || *at + 8 > size)
			return HIDDEN;
		switch (next) {
		case 44:
			if (header[2] || header[3] >= 8)
				return LATER_FRAGMENT;
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

static struct reading read_ipv6(const uint8_t *bytes, size_t size, const struct frame *f)
{
	struct reading r = { .source = 22, .destination = 38, .address_bytes = 16, .tcp = 54 };
	bool first = false;
	unsigned int next;

	if (size < 54 || bytes[14] / 16 != 6)
		return r;
	next = skip_extensions(bytes, size, &r.tcp, &first);
	if (next != 6) {
		r.kind = next == HIDDEN ? PACKET_OBSCURE : PACKET_OTHER;
		return r;
	}
	if (r.tcp + 4 > size) {
		r.kind = PACKET_OBSCURE;
		return r;
	}
	r.packet_bytes = 40 + number(bytes, 18);
	if (f->direction == DIRECTION_SND || (r.packet_bytes == 40 && f->bytes - 54 >= 65536))
		r.packet_bytes = f->bytes - 14;
	r.kind = first ? PACKET_FRAGMENT : read_tcp(bytes, size, f, &r);
	return r;
}

static struct reading read_simply(const uint8_t *bytes, size_t size, const struct frame *f)
{
	if (size >= 14 && number(bytes, 12) == 0x0800)
		return read_ipv4(bytes, size, f);
	if (size >= 14 && number(bytes, 12) == 0x86dd)
		return read_ipv6(bytes, size, f);
	return (struct reading){ .kind = PACKET_OTHER };
}

static void tuple_is_the_frames(const struct packet *p, const uint8_t *bytes, const struct reading *r,
				enum direction direction)
{
	bool sent = direction == DIRECTION_SND;
	__be32 zero[4] = { 0 };

	must(p->tuple.family == (r->address_bytes == 4 ? FAMILY_IPV4 : FAMILY_IPV6));
	must(!memcmp(sent ? p->tuple.local : p->tuple.remote, bytes + r->source, r->address_bytes));
	must(!memcmp(sent ? p->tuple.remote : p->tuple.local, bytes + r->destination, r->address_bytes));
	must(!memcmp((const uint8_t *)p->tuple.remote + r->address_bytes, zero, 16 - r->address_bytes));
	must(!memcmp((const uint8_t *)p->tuple.local + r->address_bytes, zero, 16 - r->address_bytes));
	must((sent ? p->tuple.local_port : p->tuple.remote_port) == number(bytes, r->tcp));
	must((sent ? p->tuple.remote_port : p->tuple.local_port) == number(bytes, r->tcp + 2));
}

static void segment_is_the_frames(const struct packet *p, const uint8_t *bytes, size_t size, const struct frame *f)
{
	static const uint8_t usual[4] = { 1, 1, 8, 10 };
	const uint8_t *tcp = bytes + p->tcp_offset;
	size_t header_bytes = tcp[12] / 16 * 4, ip_headers_bytes = p->tcp_offset - 14;
	bool usual_timestamps = header_bytes >= 32 && p->tcp_offset + 32U <= size && !memcmp(tcp + 20, usual, 4);
	const struct segment *s = &p->segment;

	must(p->tcp_offset + 20U <= size);
	must(p->tcp_options_bytes <= 40 && 20U + p->tcp_options_bytes == header_bytes);
	must(s->payload_bytes <= f->bytes);
	must(s->packet_bytes == ip_headers_bytes + header_bytes + s->payload_bytes);
	must(14 + s->packet_bytes <= f->bytes);
	must(f->direction == DIRECTION_RCV || 14 + s->packet_bytes == f->bytes);
	must(s->packets == 1);
	must(s->seq == get_be32(tcp + 4) && s->ack == get_be32(tcp + 8));
	must(s->flags == tcp[13] && s->window == number(tcp, 14));
	must(p->has_ip_options == (ip_headers_bytes > (p->tuple.family == FAMILY_IPV4 ? 20 : 40)));
	must(s->has_timestamps == usual_timestamps);
	must(!usual_timestamps || (s->tsval == get_be32(tcp + 24) && s->tsecr == get_be32(tcp + 28)));
}

static void packet_is_the_frames(const uint8_t *bytes, size_t size, const struct frame *f)
{
	struct reading want = read_simply(bytes, size, f);
	struct packet p = { 0 };
	enum packet_kind kind = packet_parse(&p, f);

	must(kind == want.kind);
	if (kind == PACKET_OTHER || kind == PACKET_OBSCURE)
		return;
	must(p.tcp_offset == want.tcp && p.tcp_offset + 4U <= size);
	must(p.segment.packet_bytes == want.packet_bytes);
	tuple_is_the_frames(&p, bytes, &want, f->direction);
	if (kind == PACKET_TCP)
		segment_is_the_frames(&p, bytes, size, f);
}

/* On the heap, where the sanitizer sees an access beyond the end; two bytes in front align the IP header. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct frame f = { 0 };
	struct shape shape;
	uint8_t *buffer;

	fuzz_take(&in, &shape, sizeof(shape));
	size = in.left;
	buffer = malloc(2 + size);
	must(buffer);
	f.data = buffer + 2;
	f.end = buffer + 2 + size;
	f.bytes = size + shape.more + (shape.bits & 8 ? 65536 : 0);
	f.direction = shape.bits & 1 ? DIRECTION_SND : DIRECTION_RCV;
	if (size)
		memcpy(f.data, in.data, size);
	if (size >= 14 && (shape.bits & 6))
		memcpy(buffer + 2 + 12, shape.bits & 2 ? "\x08\x00" : "\x86\xdd", 2);
	packet_is_the_frames(f.data, size, &f);
	free(buffer);
	return 0;
}
