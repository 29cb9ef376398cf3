/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A frame as a peer would send it. See packet_craft.h.
 */
#include <errno.h>
#include <string.h>

#include "checksum.h"
#include "packet_craft.h"

#define TTL 64
#define IPV4_DONT_FRAGMENT 0x4000
#define OPTION_WORDS_MAX 5

/* Locally administered: of a neighbour that does not exist. */
static const __u8 remote_mac[6] = { 0x02, 0, 0, 0, 0, 0x01 };

static const struct {
	char letter;
	__u8 flag;
} letters_of_flags[] = {
	{ 'S', TCP_FLAG_SYN }, { 'F', TCP_FLAG_FIN }, { 'R', TCP_FLAG_RST }, { 'P', TCP_FLAG_PSH },
	{ 'A', TCP_FLAG_ACK }, { 'U', TCP_FLAG_URG }, { 'E', TCP_FLAG_ECE }, { 'C', TCP_FLAG_CWR },
};

static __u8 flag_of(char letter)
{
	for (size_t i = 0; i < ARRAY_LEN(letters_of_flags); i++) {
		if (letters_of_flags[i].letter == letter)
			return letters_of_flags[i].flag;
	}
	return 0;
}

int packet_craft_flags(const char *letters, __u8 *flags)
{
	*flags = 0;
	if (!strcmp(letters, "none"))
		return 0;
	if (!*letters)
		return -EINVAL;
	for (; *letters; letters++) {
		__u8 flag = flag_of(*letters);

		if (!flag)
			return -EINVAL;
		*flags |= flag;
	}
	return 0;
}

char *packet_craft_letters(char text[PACKET_CRAFT_FLAGS_BYTES], __u8 flags)
{
	char *at = text;

	for (size_t i = 0; i < ARRAY_LEN(letters_of_flags); i++) {
		if (flags & letters_of_flags[i].flag)
			*at++ = letters_of_flags[i].letter;
	}
	*at = '\0';
	return flags ? text : strcpy(text, "none");
}

/* Options in the order of Linux; a segment's timestamps stand alone, behind two NOPs. */
static __u32 put_options(const struct tcp_options *o, __be32 *words)
{
	__u32 count = 0;

	if (o->mss)
		words[count++] = net32(TCP_OPTION_MSS << 24 | 4 << 16 | o->mss);
	if (o->has_timestamps) {
		words[count++] = net32((o->sack_permitted ? TCP_OPTION_SACK_PERMITTED << 24 | 2 << 16
							  : TCP_OPTION_NOP << 24 | TCP_OPTION_NOP << 16) |
				       TCP_OPTION_TIMESTAMPS << 8 | 10);
		words[count++] = net32(o->tsval);
		words[count++] = net32(o->tsecr);
	} else if (o->sack_permitted) {
		words[count++] =
			net32(TCP_OPTION_NOP << 24 | TCP_OPTION_NOP << 16 | TCP_OPTION_SACK_PERMITTED << 8 | 2);
	}
	if (o->wscale != TCP_WSCALE_NONE)
		words[count++] = net32(TCP_OPTION_NOP << 24 | TCP_OPTION_WSCALE << 16 | 3 << 8 | o->wscale);
	return count;
}

/* The payload is zeros, which no sum has to count. Returns the header's length. */
static __u32 put_tcp(const struct packet_craft *craft, __u8 *to)
{
	struct {
		struct tcphdr header;
		__be32 options[OPTION_WORDS_MAX];
	} tcp = {};
	__u32 bytes = sizeof(tcp.header) + put_options(&craft->options, tcp.options) * sizeof(tcp.options[0]);
	const struct tuple *t = &craft->tuple;
	__u64 sum = (__u64)net16(IPPROTO_TCP) + net16(bytes + craft->payload_bytes);

	tcp.header.source = net16(t->remote_port);
	tcp.header.dest = net16(t->local_port);
	tcp.header.seq = net32(craft->seq);
	tcp.header.ack_seq = net32(craft->ack);
	tcp.header.doff = bytes / 4;
	((__u8 *)&tcp.header)[13] = craft->flags;
	tcp.header.window = net16(craft->window);
	sum = checksum_add_words(sum, t->remote, ARRAY_LEN(t->remote));
	sum = checksum_add_words(sum, t->local, ARRAY_LEN(t->local));
	tcp.header.check = checksum_fold(checksum_add_words(sum, &tcp, sizeof(tcp) / 4));
	memcpy(to, &tcp, bytes);
	return bytes;
}

static void put_ipv4(const struct packet_craft *craft, __u8 *to, __u32 tcp_bytes)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = IPV4_HEADER_BYTES / 4,
		.tot_len = net16(IPV4_HEADER_BYTES + tcp_bytes),
		.frag_off = net16(IPV4_DONT_FRAGMENT),
		.ttl = TTL,
		.protocol = IPPROTO_TCP,
		.saddr = craft->tuple.remote[0],
		.daddr = craft->tuple.local[0],
	};

	ip.check = checksum_fold(checksum_add_words(0, &ip, IPV4_HEADER_BYTES / 4));
	memcpy(to, &ip, sizeof(ip));
}

static void put_ipv6(const struct packet_craft *craft, __u8 *to, __u32 tcp_bytes)
{
	struct ipv6hdr ip = {
		.version = 6,
		.payload_len = net16(tcp_bytes),
		.nexthdr = IPPROTO_TCP,
		.hop_limit = TTL,
	};

	memcpy(&ip.saddr, craft->tuple.remote, sizeof(ip.saddr));
	memcpy(&ip.daddr, craft->tuple.local, sizeof(ip.daddr));
	memcpy(to, &ip, sizeof(ip));
}

__u32 packet_craft(const struct packet_craft *craft, __u8 frame[PACKET_CRAFT_BYTES_MAX])
{
	bool is_ipv4 = craft->tuple.family == FAMILY_IPV4;
	__u32 ip_bytes = is_ipv4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES, tcp_bytes;
	struct ethhdr eth = { .h_proto = net16(is_ipv4 ? ETH_P_IP : ETH_P_IPV6) };
	__u8 *ip = frame + ETH_HEADER_BYTES;

	memset(frame, 0, PACKET_CRAFT_BYTES_MAX);
	memcpy(eth.h_dest, craft->local_mac, sizeof(eth.h_dest));
	memcpy(eth.h_source, remote_mac, sizeof(eth.h_source));
	memcpy(frame, &eth, sizeof(eth));
	tcp_bytes = put_tcp(craft, ip + ip_bytes) + craft->payload_bytes;
	if (is_ipv4)
		put_ipv4(craft, ip, tcp_bytes);
	else
		put_ipv6(craft, ip, tcp_bytes);
	return ETH_HEADER_BYTES + ip_bytes + tcp_bytes;
}
