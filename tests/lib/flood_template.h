/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Makes the template of a flood's frames, by a row of flood_kinds.h and by whom they are from and for.
 */
#ifndef SYNKEEP_TESTS_FLOOD_TEMPLATE_H
#define SYNKEEP_TESTS_FLOOD_TEMPLATE_H

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <string.h>
#include <sys/socket.h>

#include "flood_kinds.h"

#define TCP_HEADER_BYTES 20
#define IPV6_FRAGMENT_BYTES 8
#define LATER_FRAGMENT_AT 1480

struct flood_ends {
	int family; /* AF_INET or AF_INET6 */
	__u8 to[16];
	__u8 from[16]; /* the first of sources */
	__u32 sources;
	__u8 to_mac[ETH_ALEN];
	__u8 from_mac[ETH_ALEN];
	struct flood_ports to_ports;
	struct flood_ports from_ports;
};

/* Of length bytes, an even number, in memory order. */
static inline __u64 sum_bytes(const void *bytes, size_t length)
{
	__u64 sum = 0;
	__u16 word;

	for (size_t i = 0; i < length; i += sizeof(word)) {
		memcpy(&word, (const __u8 *)bytes + i, sizeof(word));
		sum += word;
	}
	return sum;
}

static inline void put_be16(__u8 *p, unsigned int value)
{
	p[0] = (__u8)(value >> 8);
	p[1] = (__u8)value;
}

/* Behind the IPv6 header; more fragments are announced where more is. */
static inline void write_ipv6_fragment_header(__u8 *extension, unsigned int at, bool more)
{
	extension[0] = IPPROTO_TCP;
	put_be16(extension + 2, at | more);
	put_be16(extension + 6, 1); /* which packet it is a fragment of: sources tell them apart */
}

/* Returns the length of the IP headers, whose payload has tcp_bytes. */
static inline unsigned int write_ip(__u8 *ip, const struct flood_ends *e, enum flood_piece piece,
				    unsigned int tcp_bytes)
{
	unsigned int at = piece == FLOOD_LATER_FRAGMENT ? LATER_FRAGMENT_AT : 0;

	if (e->family == AF_INET) {
		ip[0] = 0x45; /* version, header words */
		put_be16(ip + 2, 20 + tcp_bytes);
		/* do not fragment; or more fragments, and the offset in units of eight bytes */
		put_be16(ip + 6, piece == FLOOD_WHOLE ? 0x4000 : (piece == FLOOD_FIRST_FRAGMENT ? 0x2000 : 0) | at / 8);
		ip[8] = 64; /* time to live */
		ip[9] = IPPROTO_TCP;
		memcpy(ip + 12, e->from, 4);
		memcpy(ip + 16, e->to, 4);
		return 20;
	}
	ip[0] = 0x60;
	put_be16(ip + 4, tcp_bytes + (piece == FLOOD_WHOLE ? 0 : IPV6_FRAGMENT_BYTES));
	ip[6] = piece == FLOOD_WHOLE ? IPPROTO_TCP : IPPROTO_FRAGMENT;
	ip[7] = 64; /* hop limit */
	memcpy(ip + 8, e->from, 16);
	memcpy(ip + 24, e->to, 16);
	if (piece == FLOOD_WHOLE)
		return 40;
	write_ipv6_fragment_header(ip + 40, at, piece == FLOOD_FIRST_FRAGMENT);
	return 40 + IPV6_FRAGMENT_BYTES;
}

/* Returns the length of the segment; its text is zeros. */
static inline unsigned int write_tcp(__u8 *tcp, const struct flood_kind *kind)
{
	unsigned int header_bytes = TCP_HEADER_BYTES + kind->option_bytes;

	tcp[12] = (__u8)(header_bytes / 4 << 4);
	put_be16(tcp + 14, kind->window);
	if (kind->option_bytes)
		memcpy(tcp + TCP_HEADER_BYTES, kind->options, kind->option_bytes);
	return header_bytes + kind->text_bytes;
}

static inline void flood_template_make(struct flood_template *t, const struct flood_kind *kind,
				       const struct flood_ends *e)
{
	unsigned int address_bytes = e->family == AF_INET ? 4 : 16, ip_bytes, tcp_bytes;
	__u8 segment[FLOOD_FRAME_BYTES] = {}, *frame = (__u8 *)t->words, *ip = frame + ETH_HLEN, *source;
	__be16 length, protocol = htons(IPPROTO_TCP);

	memcpy(frame, e->to_mac, ETH_ALEN);
	memcpy(frame + ETH_ALEN, e->from_mac, ETH_ALEN);
	put_be16(frame + 2 * ETH_ALEN, e->family == AF_INET ? ETH_P_IP : ETH_P_IPV6);
	tcp_bytes = write_tcp(segment, kind);
	ip_bytes = write_ip(ip, e, kind->piece, tcp_bytes);
	memcpy(ip + ip_bytes, segment, tcp_bytes);
	t->length = ETH_HLEN + ip_bytes + tcp_bytes;
	t->tcp_at = ETH_HLEN + ip_bytes;
	t->source_at = ETH_HLEN + (e->family == AF_INET ? 12 : 20);
	t->ip_checksum_at = e->family == AF_INET ? ETH_HLEN + 10 : 0;
	t->first_source = get_be32(e->from + address_bytes - 4);
	t->sources = e->sources;
	t->from = e->from_ports;
	t->to = e->to_ports;
	for (int i = 0; i < FLOOD_WORDS; i++)
		t->words_at[i] = kind->words_at[i] ? t->tcp_at + kind->words_at[i] : 0;
	for (int i = 0; i < FLOOD_TURNS; i++)
		t->flags[i] = kind->flags[kind->turns ? i % kind->turns : 0];

	memset(frame + t->source_at, 0, 4);
	source = ip + (e->family == AF_INET ? 12 : 8);
	length = htons((__u16)tcp_bytes);
	t->ip_sum = sum_bytes(ip, ip_bytes);
	t->tcp_sum = sum_bytes(segment, tcp_bytes) + sum_bytes(source, 2 * address_bytes) + protocol + length;
}

#endif /* SYNKEEP_TESTS_FLOOD_TEMPLATE_H */
