/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Cookies of the kernel's own, made and checked in its place: for listeners that take no handover of ours
 * (HANDOVER_HELPER), and for connections whose SYN-ACK the kernel itself sent.
 *
 * The helpers want headers. They are given ones that are written here, with what they read of them and no more: so
 * neither options nor extension headers of the packet matter.
 */
#ifndef SYNKEEP_KERNEL_COOKIE_BPF_H
#define SYNKEEP_KERNEL_COOKIE_BPF_H

#include "kernel_cookie.h"
#include "socket.bpf.h"

struct kernel_headers {
	union {
		struct iphdr ipv4;
		struct ipv6hdr ipv6;
	};
	struct tcphdr tcp;
	__be32 mss_option;
};

static __always_inline void kernel_headers_fill(struct kernel_headers *h, const struct packet *p)
{
	if (p->tuple.family == FAMILY_IPV4) {
		h->ipv4.version = 4;
		h->ipv4.saddr = p->tuple.remote[0];
		h->ipv4.daddr = p->tuple.local[0];
	} else {
		h->ipv6.version = 6;
		__builtin_memcpy(&h->ipv6.saddr, p->tuple.remote, sizeof(h->ipv6.saddr));
		__builtin_memcpy(&h->ipv6.daddr, p->tuple.local, sizeof(h->ipv6.daddr));
	}
	h->tcp.source = net16(p->tuple.remote_port);
	h->tcp.dest = net16(p->tuple.local_port);
	h->tcp.seq = net32(p->segment.seq);
	h->tcp.ack_seq = net32(p->segment.ack);
}

/*
 * The kernel's cookie for a SYN: an initial sequence number. False: the kernel has none to give. With
 * net.ipv4.tcp_syncookies=1 it makes them only while the listener's queue of handshakes overflows, and with a full
 * accept queue it makes none.
 */
static __always_inline bool kernel_cookie_make(struct xdp_md *ctx, const struct packet *p, __u16 mss, __u32 *isn)
{
	struct kernel_headers h = {};
	struct bpf_sock *socket;
	__s64 cookie;

	socket = socket_find(ctx, &p->tuple);
	if (!socket)
		return false;
	kernel_headers_fill(&h, p);
	h.tcp.syn = 1;
	h.tcp.doff = (sizeof(h.tcp) + sizeof(h.mss_option)) / 4;
	h.mss_option = net32(TCP_OPTION_MSS << 24 | 4 << 16 | mss);
	cookie = bpf_tcp_gen_syncookie(socket, &h.ipv6, sizeof(h.ipv6), &h.tcp, sizeof(h.tcp) + sizeof(h.mss_option));
	bpf_sk_release(socket);
	*isn = cookie; /* above these bits stands the MSS that it keeps */
	return cookie > 0;
}

/* Whether a segment for the listener acknowledges a cookie that the kernel, or kernel_cookie_make(), has sent. */
static __always_inline bool kernel_cookie_is_right(struct bpf_sock *listener, const struct packet *p)
{
	struct kernel_headers h = {};

	if ((p->segment.flags & (TCP_FLAG_ACK | TCP_FLAG_SYN | TCP_FLAG_RST)) != TCP_FLAG_ACK)
		return false;
	kernel_headers_fill(&h, p);
	h.tcp.ack = 1;
	return bpf_tcp_check_syncookie(listener, &h.ipv6, sizeof(h.ipv6), &h.tcp, sizeof(h.tcp)) == 0;
}

#endif /* SYNKEEP_KERNEL_COOKIE_BPF_H */
