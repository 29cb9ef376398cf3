/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A probe's headers, word by word. See probe.h.
 */
#include "daemon/probe.h"

#include <errno.h>
#include <string.h>

#include "checksum.h"
#include "packet.h"
#include "tcp_options.h"

#define MAC_BYTES 6
#define TTL_DEFAULT 64 /* RFC 9293, MUST-49 */
#define IPV4_DONT_FRAGMENT 0x4000
#define ECN_BITS 3 /* of the traffic class: what carries no text is not ECN-capable (RFC 3168, 6.1.4) */

/* The hooks read their clock once a jiffy, at 100 Hz at least, and the record has it in whole milliseconds. */
#define SEEN_LATE_MS 11

/* Headers as they leave. */
struct words {
	__be32 at[(IPV6_HEADER_BYTES + TCP_HEADER_BYTES + 12) / 4];
	int count;
};

static void put(struct words *w, __u32 word)
{
	w->at[w->count++] = net32(word);
}

static void put_address(struct words *w, const __be32 *address, int count)
{
	memcpy(w->at + w->count, address, count * sizeof(*address));
	w->count += count;
}

/* RFC 7323, 3.2: never behind the last that was sent, nor ahead of the clock. */
static __u32 tsval_now(const struct flow *f, __u64 now_ns)
{
	__s32 passed_ms = (__s32)((__u32)(now_ns / NSEC_PER_MSEC) - f->snd_seen_ms - SEEN_LATE_MS);

	return f->snd_tsval + (passed_ms > 0 ? passed_ms : 0);
}

/* RFC 6864, 4: never to be fragmented, so its identification says nothing. */
static void put_ipv4(struct words *w, const struct flow *f, const struct tuple *t, __u32 tcp_bytes)
{
	__u32 tos = host32(f->ip_first) >> 16 & 0xff & ~ECN_BITS;

	put(w, 0x45000000 | tos << 16 | (IPV4_HEADER_BYTES + tcp_bytes));
	put(w, IPV4_DONT_FRAGMENT);
	put(w, TTL_DEFAULT << 24 | IPPROTO_TCP << 16);
	put_address(w, t->local, 1);
	put_address(w, t->remote, 1);
	w->at[2] |= net32(host16(checksum_fold(checksum_add_words(0, w->at, IPV4_HEADER_BYTES / 4))));
}

/* RFC 6437, 2: a flow label stays the connection's. */
static void put_ipv6(struct words *w, const struct flow *f, const struct tuple *t, __u32 tcp_bytes)
{
	put(w, 6U << 28 | (host32(f->ip_first) & 0x0fffffff & ~(ECN_BITS << 20)));
	put(w, tcp_bytes << 16 | IPPROTO_TCP << 8 | TTL_DEFAULT);
	put_address(w, t->local, 4);
	put_address(w, t->remote, 4);
}

/* A cookie does not keep what window it offered, and until the owner has sent there is no other: the most it can be. */
static __u32 window_of(const struct flow *f)
{
	return f->flags & FLOW_HANDOVER ? (f->rcv_edge - f->rcv_wup) >> f->rcv_wscale : f->rcv_wnd;
}

static void put_tcp(struct words *w, const struct flow *f, const struct tuple *t, __u64 now_ns, __u32 tcp_bytes)
{
	__be32 *tcp = w->at + w->count;
	__u64 pseudo = (__u64)net32(tcp_bytes) + net32(IPPROTO_TCP);

	put(w, (__u32)t->local_port << 16 | t->remote_port);
	put(w, f->snd_nxt - 1);
	put(w, f->rcv_wup);
	put(w, tcp_bytes / 4 << 28 | TCP_FLAG_ACK << 16 | window_of(f));
	put(w, 0);
	if (f->flags & FLOW_TIMESTAMPS) {
		put(w, TCP_OPTION_NOP << 24 | TCP_OPTION_NOP << 16 | TCP_OPTION_TIMESTAMPS << 8 | 10);
		put(w, tsval_now(f, now_ns));
		put(w, f->rcv_tsval);
	}
	pseudo = checksum_add_words(pseudo, t->local, ARRAY_LEN(t->local));
	pseudo = checksum_add_words(pseudo, t->remote, ARRAY_LEN(t->remote));
	tcp[4] = net32((__u32)host16(checksum_fold(checksum_add_words(pseudo, tcp, tcp_bytes / 4))) << 16);
}

/* Returns its length. */
static size_t write_ethernet(__u8 *frame, const struct flow *f, const __u8 *local_mac, __u8 family)
{
	const struct vlan_tag tag = { net16(f->vlan_tci), net16(ETH_P_8021Q) };
	__be16 type = net16(family == FAMILY_IPV4 ? ETH_P_IP : ETH_P_IPV6);
	size_t type_at = 2 * MAC_BYTES;

	memcpy(frame, f->next_hop, MAC_BYTES);
	memcpy(frame + MAC_BYTES, local_mac, MAC_BYTES);
	if (f->vlan_tci) {
		memcpy(frame + type_at, &tag.type, sizeof(tag.type));
		memcpy(frame + type_at + sizeof(tag.type), &tag.tci, sizeof(tag.tci));
		type_at += sizeof(tag);
	}
	memcpy(frame + type_at, &type, sizeof(type));
	return type_at + sizeof(type);
}

int probe_make(const struct flow *flow, const struct tuple *tuple, const __u8 local_mac[MAC_BYTES], __u64 now_ns,
	       __u8 *frame, size_t size)
{
	static const __u8 not_known[MAC_BYTES];
	bool has_timestamps = flow->flags & FLOW_TIMESTAMPS;
	__u32 tcp_bytes = TCP_HEADER_BYTES + (has_timestamps ? 12 : 0);
	struct words w = {};
	size_t link_bytes;

	if (!memcmp(flow->next_hop, not_known, MAC_BYTES))
		return -EHOSTUNREACH;
	if (has_timestamps && !flow->snd_tsval)
		return -EAGAIN;
	if (size < PROBE_BYTES_MAX)
		return -ENOBUFS;
	if (tuple->family == FAMILY_IPV4)
		put_ipv4(&w, flow, tuple, tcp_bytes);
	else
		put_ipv6(&w, flow, tuple, tcp_bytes);
	put_tcp(&w, flow, tuple, now_ns, tcp_bytes);
	link_bytes = write_ethernet(frame, flow, local_mac, tuple->family);
	memcpy(frame + link_bytes, w.at, w.count * sizeof(w.at[0]));
	return (int)(link_bytes + w.count * sizeof(w.at[0]));
}
