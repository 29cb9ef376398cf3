// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The crowd's side of each connection, in XDP. See crowd.h. An answer is never longer than what it answers.
 */
#include "crowd.h"

#include "checksum.h"
#include "judge.h"

#define ETH_P_IP 0x0800

const volatile struct crowd_config config = {};

struct crowd_variables variables = {};

struct frame_headers {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

_Static_assert(sizeof(struct frame_headers) == CROWD_HEADER_BYTES, "frame_headers: no gaps");

/* What is to be answered: nothing, or these flags and so many bytes of text. */
struct answer {
	__u8 flags;
	__u8 text_bytes;
};

static __always_inline bool is_from_server(const struct frame_headers *h)
{
	return h->eth.h_proto == net16(ETH_P_IP) && h->ip.ihl == 5 && h->ip.protocol == IPPROTO_TCP &&
	       h->ip.saddr == config.server && h->tcp.source == config.port;
}

/* taken: how much of what this client sends the server has. */
static __always_inline struct answer decide(const struct frame_headers *h, __u32 taken, __u32 text_bytes)
{
	const struct answer none = {}, ack = { TCP_FLAG_ACK, 0 }, fin = { TCP_FLAG_FIN | TCP_FLAG_ACK, 0 };

	if (h->tcp.rst) {
		variables.reset++;
		return none;
	}
	if (h->tcp.syn)
		return variables.way == CROWD_TAKE ? ack : (struct answer){ TCP_FLAG_PSH | TCP_FLAG_ACK, 1 };
	if (h->tcp.fin) {
		variables.closed++;
		return variables.way == CROWD_TAKE ? fin : ack;
	}
	if (text_bytes && variables.way == CROWD_ECHO)
		return fin;
	if (text_bytes) {
		variables.opened++;
		return ack;
	}
	if (taken != CROWD_TAKEN_OPEN || variables.way == CROWD_OPEN || variables.way == CROWD_ECHO)
		return none;
	variables.answered++;
	return variables.way == CROWD_CLOSE ? fin : none;
}

static __always_inline void turn_round(struct frame_headers *h)
{
	__u8 mac[sizeof(h->eth.h_source)];
	__be32 address = h->ip.saddr;
	__be16 port = h->tcp.source;

	__builtin_memcpy(mac, h->eth.h_source, sizeof(mac));
	__builtin_memcpy(h->eth.h_source, h->eth.h_dest, sizeof(mac));
	__builtin_memcpy(h->eth.h_dest, mac, sizeof(mac));
	h->ip.saddr = h->ip.daddr;
	h->ip.daddr = address;
	h->tcp.source = h->tcp.dest;
	h->tcp.dest = port;
}

/* SEG.SEQ is what the peer waits for, SEG.ACK what it has sent. One byte of text is a zero, which no sum sees. */
static __always_inline void write_answer(struct frame_headers *h, struct answer answer, __u32 seg_len)
{
	__be32 seq = h->tcp.ack_seq, ack = net32(host32(h->tcp.seq) + seg_len);
	__u8 *tcp = (__u8 *)&h->tcp;

	turn_round(h);
	h->ip.tot_len = net16(CROWD_HEADER_BYTES - sizeof(h->eth) + answer.text_bytes);
	h->ip.check = 0;
	h->ip.check = checksum_fold(checksum_add_words(0, &h->ip, sizeof(h->ip) / 4));
	h->tcp.seq = seq;
	h->tcp.ack_seq = ack;
	tcp[12] = sizeof(h->tcp) / 4 << 4;
	tcp[13] = answer.flags;
	h->tcp.window = net16(0xffff);
	h->tcp.check = 0;
	h->tcp.urg_ptr = 0;
	h->tcp.check = checksum_fold(checksum_add_words((__u64)h->ip.saddr + h->ip.daddr + net16(IPPROTO_TCP) +
								net16(sizeof(h->tcp) + answer.text_bytes),
							&h->tcp, sizeof(h->tcp) / 4));
}

SEC("xdp")
int crowd(struct xdp_md *ctx)
{
	struct frame_headers *h = (void *)(long)ctx->data;
	__u8 *end = (void *)(long)ctx->data_end;
	__u32 taken, text_bytes, seg_len, frame_bytes;
	struct answer answer;

	if ((void *)(h + 1) > (void *)end || !is_from_server(h))
		return XDP_PASS;
	taken = host32(h->tcp.ack_seq) - crowd_isn(h->ip.daddr, h->tcp.dest);
	text_bytes = host16(h->ip.tot_len) - sizeof(h->ip) - 4 * h->tcp.doff;
	seg_len = text_bytes + h->tcp.syn + h->tcp.fin;
	answer = decide(h, taken, text_bytes);
	if (!answer.flags)
		return XDP_DROP;
	frame_bytes = end - (__u8 *)h;
	if (bpf_xdp_adjust_tail(ctx, (int)(CROWD_HEADER_BYTES + answer.text_bytes) - (int)frame_bytes))
		return XDP_ABORTED;
	h = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if ((void *)(h + 1) > (void *)end)
		return XDP_ABORTED;
	write_answer(h, answer, seg_len);
	if (answer.text_bytes && (__u8 *)(h + 1) + 1 <= end)
		*(__u8 *)(h + 1) = 0;
	return XDP_TX;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
