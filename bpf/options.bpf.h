/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The TCP options of a packet, in whatever order they come. The parser (include/tcp_options.h) reads a copy at a known
 * place; it is a function of its own so that the verifier goes through its loop once.
 */
#ifndef SYNKEEP_OPTIONS_BPF_H
#define SYNKEEP_OPTIONS_BPF_H

#include "packet.h"
#include "tcp_options.h"

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
	if (bytes < 4) /* none: they come in words; the verifier of Linux 6.1 learns nothing from a comparison with 0 */
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

/*
 * The SYN of Linux and Android: MSS; SACK permitted, TIMESTAMPS; NOP, WSCALE. Read in place, it costs a tenth of the
 * parser. False: another SYN, for the parser.
 */
static __always_inline bool options_read_usual(struct xdp_md *ctx, const struct packet *p, struct tcp_options *options)
{
	const __be32 *words;
	__u8 wscale;

	if (p->tcp_offset > PACKET_IP_OFFSET_MAX + IPV6_HEADER_BYTES || p->tcp_options_bytes != 20)
		return false;
	words = (void *)(long)ctx->data + p->tcp_offset + TCP_HEADER_BYTES;
	if ((void *)(words + 5) > (void *)(long)ctx->data_end)
		return false;
	if (host32(words[0]) >> 16 != 0x0204 || words[1] != net32(0x0402080a) || host32(words[4]) >> 8 != 0x010303)
		return false;
	wscale = host32(words[4]);
	*options = (struct tcp_options){
		.mss = host32(words[0]),
		.sack_permitted = true,
		.has_timestamps = true,
		.tsval = host32(words[2]),
		.tsecr = host32(words[3]),
		.wscale = wscale > TCP_WSCALE_MAX ? TCP_WSCALE_MAX : wscale,
	};
	return true;
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

/* A flow's record is content with timestamps in the common place; a cookie and TIME-WAIT can not be judged without. */
static __always_inline bool options_read_timestamps(struct xdp_md *ctx, struct packet *p)
{
	struct tcp_options options;

	if (!options_may_hide_timestamps(p))
		return true;
	if (!options_read_xdp(ctx, p, &options))
		return false;
	options_take_timestamps(p, &options);
	return true;
}

#endif /* SYNKEEP_OPTIONS_BPF_H */
