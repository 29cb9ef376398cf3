/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TIME-WAIT of the daemon's connections, answered from the record: their TCBs are gone, and the daemon may be, too. One
 * of the kernel's has a socket, which answers (ingress_segment.bpf.h).
 *
 * The acknowledgement is written into the frame that came. Its numbers are the record's. Its window is 0, for nothing
 * more can come. No clock is kept for its timestamp: TSval is the segment's TSecr, the last of ours that the peer has
 * seen, and equal is not old (RFC 7323, 5.3); what was not echoed right fools nobody but who wrote it.
 *
 * The element may be given to another tuple while it is read: then an acknowledgement has numbers that mean nothing to
 * its receiver, once. The checksum of what came is not verified: a wrong one is acknowledged at most.
 */
#ifndef SYNKEEP_TIME_WAIT_BPF_H
#define SYNKEEP_TIME_WAIT_BPF_H

#include "answer.bpf.h"
#include "budget.bpf.h"
#include "daemon.bpf.h"
#include "options.bpf.h"
#include "time_wait_judge.h"

/* False: the frame could not be made into the answer. */
__noinline bool time_wait_acknowledge(struct xdp_md *ctx, const struct packet *p, __u32 seq,
				      const struct time_wait_numbers *numbers)
{
	struct answer answer = { .wscale = TCP_WSCALE_NONE, .flags = TCP_FLAG_ACK };
	const struct segment *s;

	if (!p || !numbers)
		return false;
	s = &p->segment;
	answer.tuple = p->tuple;
	answer.ip_offset = p->ip_offset;
	answer.frame_bytes = p->ip_offset + s->packet_bytes;
	answer.seq = seq;
	answer.ack = numbers->rcv_nxt;
	answer.timestamps = numbers->has_timestamps && s->has_timestamps;
	answer.tsval = s->tsecr;
	answer.tsecr = seq_max(numbers->ts_recent, s->tsval);
	return answer_write(ctx, &answer);
}

/* The daemon's TCP makes the new connection's numbers begin behind the old one's (3.6.1, MAY-2). */
static __always_inline enum verdict time_wait_give(struct xdp_md *ctx, __u32 snd_nxt, enum service_policy policy,
						   const struct cpu_clock *clock, const struct config *conf)
{
	const struct daemon_hint hint = { .mark = DAEMON_MARK, .kind = DAEMON_SYN_AGAIN, .snd_nxt = snd_nxt };
	enum verdict verdict = budget_spend(policy, BUDGET_SYN_LIVE, V_DAEMON_SYN_AGAIN, clock, conf);

	return verdict == V_DAEMON_SYN_AGAIN ? daemon_give_hint(ctx, &hint) : verdict;
}

/* A segment for a tuple that daemon_tuple() says is in TIME-WAIT. policy: which budget a SYN is given from. */
__noinline enum verdict time_wait_segment(struct xdp_md *ctx, struct packet *p, enum service_policy policy,
					  const struct cpu_clock *clock, const struct config *conf)
{
	struct time_wait_numbers numbers;
	struct ended *e;
	__u32 snd_nxt;

	if (!p || !clock || !conf)
		return V_NO_FLOW;
	e = daemon_ended(&p->tuple, clock);
	if (!e)
		return V_NO_FLOW;	 /* it ends just now */
	options_read_timestamps(ctx, p); /* options that contradict themselves have none */
	snd_nxt = e->snd_nxt;
	numbers = (struct time_wait_numbers){
		.rcv_nxt = e->rcv_nxt,
		.ts_recent = e->rcv_tsval,
		.has_timestamps = e->flags & FLOW_TIMESTAMPS,
	};
	switch (time_wait_judge(&numbers, &p->segment)) {
	case TIME_WAIT_RESET:
		return V_TIME_WAIT_RST;
	case TIME_WAIT_ANEW:
		return time_wait_give(ctx, snd_nxt, policy, clock, conf);
	case TIME_WAIT_NO_TIMESTAMP:
		return V_TIME_WAIT_NO_TIMESTAMP;
	case TIME_WAIT_SILENT:
		return V_TIME_WAIT_SILENT;
	case TIME_WAIT_FIN_AGAIN:
		ended_restart(p, clock, conf);
		presence_mark(conf, &p->tuple);
		break;
	case TIME_WAIT_OLD:
		break;
	}
	return time_wait_acknowledge(ctx, p, snd_nxt, &numbers) ? V_TIME_WAIT_ACK : V_SYN_NO_ROOM;
}

#endif /* SYNKEEP_TIME_WAIT_BPF_H */
