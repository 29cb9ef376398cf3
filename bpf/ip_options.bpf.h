/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * IPv4 options and IPv6 extension headers before a SYN: whether an answer without them is good. Few packets have any,
 * so they are looked at apart from the parser, which every packet pays for.
 */
#ifndef SYNKEEP_IP_OPTIONS_BPF_H
#define SYNKEEP_IP_OPTIONS_BPF_H

#include <bpf/bpf_helpers.h>

#include "ipv4_options.h"
#include "packet.h"

static __always_inline bool ip_options_ipv4_need_owner(struct xdp_md *ctx, const struct packet *p)
{
	__u8 copy[IPV4_OPTIONS_BUFFER_BYTES] = {};
	__u32 from = p->ip_offset + IPV4_HEADER_BYTES, bytes = p->tcp_offset - from;

	barrier_var(bytes); /* clang 19 would compare the offsets instead, which tells Linux 6.18's verifier nothing */
	if (bytes < 4 || bytes > IPV4_OPTIONS_MAX_BYTES || bpf_xdp_load_bytes(ctx, from, copy, bytes))
		return true;
	return ipv4_options_need_owner(copy, bytes);
}

static __always_inline bool ip_options_ipv6_need_owner(struct xdp_md *ctx, const struct packet *p)
{
	__u32 at = p->ip_offset + IPV6_HEADER_BYTES;
	struct ipv6_extension extension;
	struct ipv6hdr ip;
	__u8 kind;

	if (bpf_xdp_load_bytes(ctx, p->ip_offset, &ip, sizeof(ip)))
		return true;
	kind = ip.nexthdr;
	for (int i = 0; i < IPV6_EXTENSIONS_MAX && at < p->tcp_offset; i++) {
		if (bpf_xdp_load_bytes(ctx, at, &extension, sizeof(extension)) ||
		    packet_ipv6_extension_needs_owner(kind, &extension))
			return true;
		at += packet_ipv6_extension_bytes(kind, extension.length);
		kind = extension.next;
	}
	return false;
}

/* True too where the frame is shorter than its headers say. */
__noinline bool ip_options_need_owner(struct xdp_md *ctx, const struct packet *p)
{
	if (!p)
		return true;
	return p->tuple.family == FAMILY_IPV4 ? ip_options_ipv4_need_owner(ctx, p) : ip_options_ipv6_need_owner(ctx, p);
}

#endif /* SYNKEEP_IP_OPTIONS_BPF_H */
