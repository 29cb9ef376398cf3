/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The TCP options of a packet, in whatever order they come. The parser (include/tcp_options.h) reads a copy at a known
 * place; it is a function of its own so that the verifier goes through its loop once.
 */
#ifndef SYNKEEP_OPTIONS_BPF_H
#define SYNKEEP_OPTIONS_BPF_H

#include "packet.bpf.h"

struct options_copy {
	__u8 bytes[TCP_OPTIONS_BUFFER_BYTES];
};

/* False: an option has an illegal length. */
__noinline bool options_parse(const struct options_copy *copy, __u32 length, struct tcp_options *options)
{
	if (!copy || !options)
		return false;
	return tcp_options_parse(copy->bytes, length, options);
}

/* ctx is a struct xdp_md or, where is_xdp is false, a struct __sk_buff. */
static __always_inline bool options_read(void *ctx, bool is_xdp, const struct packet *p, struct tcp_options *options)
{
	struct options_copy copy = {};
	__u32 from, bytes;
	long err;

	if (!p || !options)
		return false;
	*options = TCP_OPTIONS_NONE;
	from = p->tcp_offset + TCP_HEADER_BYTES;
	bytes = p->tcp_options_bytes;
	if (!bytes)
		return true;
	if (bytes > TCP_OPTIONS_MAX_BYTES)
		return false;
	err = is_xdp ? bpf_xdp_load_bytes(ctx, from, copy.bytes, bytes)
		     : bpf_skb_load_bytes(ctx, from, copy.bytes, bytes);
	return !err && options_parse(&copy, bytes, options);
}

/* False: an option has an illegal length, or the frame is shorter than its headers say. */
__noinline bool options_read_xdp(struct xdp_md *ctx, const struct packet *p, struct tcp_options *options)
{
	return options_read(ctx, true, p, options);
}

__noinline bool options_read_skb(struct __sk_buff *skb, const struct packet *p, struct tcp_options *options)
{
	return options_read(skb, false, p, options);
}

/* Whether the packet may have timestamps in an order that packet_parse() does not look for. */
static __always_inline bool options_may_hide_timestamps(const struct packet *p)
{
	return !p->segment.has_timestamps && p->tcp_options_bytes;
}

static __always_inline void options_take_timestamps(struct packet *p, const struct tcp_options *options)
{
	p->segment.has_timestamps = options->has_timestamps;
	p->segment.tsval = options->tsval;
	p->segment.tsecr = options->tsecr;
}

#endif /* SYNKEEP_OPTIONS_BPF_H */
