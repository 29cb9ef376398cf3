// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * judge.h: any segments of the peer's, and those that an owner in its senses sends, shown to one record. Whatever
 * comes, no number goes back, the state follows the table, and what is refused changes nothing but the counters.
 *
 * The peer's numbers lie near those that matter, or anywhere. The owner is believed, so its own stay what TCP allows:
 * they continue what it sent and acknowledge what may have come.
 */
#include "fuzz.h"
#include "judge.h"

#define MSL_NS (60 * NSEC_PER_SEC)
#define NO_EVENT TCPE_COUNT

/* One step: who sends, and what; numbers count from a place that `near` chooses. */
struct step {
	/*
	 * Bit 0: the owner sends; bits 1 to 3: near; bit 4: with timestamps; bit 5: a keepalive probe goes out before;
	 * bit 6: the peer answers one, window and TSval as good as `wild` says; bit 7: over IPv6.
	 */
	__u8 kind;
	__u8 flags;
	__u16 window;
	__s16 seq_offset;
	__s16 ack_offset;
	__u32 wild;
	__u16 bytes;
	__u16 milliseconds; /* since the step before */
};

/* The flow that a cookie has just made, or the owner's own handshake. */
static struct flow take_flow(struct fuzz_input *in)
{
	struct flow f = { .state = TCPS_SYN_RECEIVED };
	__u8 shifts;

	fuzz_take(in, &f.irs, sizeof(f.irs));
	fuzz_take(in, &f.iss, sizeof(f.iss));
	fuzz_take(in, &shifts, sizeof(shifts));
	fuzz_take(in, &f.rcv_wnd, sizeof(f.rcv_wnd));
	f.snd_wscale = (shifts & 15) % 15;
	f.rcv_wscale = (shifts >> 4) % 15;
	f.flags = FLOW_WSCALE | FLOW_SACK | (shifts == 0xff ? 0 : FLOW_TIMESTAMPS) | FLOW_HANDOVER;
	f.rcv_nxt = f.rcv_wup = f.rcv_max = f.irs + 1;
	f.rcv_edge = f.irs + 1 + f.rcv_wnd;
	f.snd_una = f.iss;
	f.snd_nxt = f.iss + 1;
	return f;
}

/* Header and payload of a packet without options but timestamps. */
static void weigh(struct segment *s, const struct step *step)
{
	bool ipv6 = step->kind & 128;

	s->packets = 1;
	s->has_timestamps = step->kind & 16;
	s->packet_bytes = s->payload_bytes + (ipv6 ? 60 : 40) + (s->has_timestamps ? 12 : 0);
	s->ip_first = net32((ipv6 ? 6U << 28 : 0x45U << 24) | (step->wild & 3) << (ipv6 ? 20 : 16));
}

static struct segment answer_of_peer(const struct flow *f, const struct step *step)
{
	return (struct segment){
		.seq = f->rcv_nxt,
		.ack = f->snd_nxt,
		.tsval = f->rcv_tsval + (step->wild >> 2 & 3) - 1,
		.window = f->snd_wnd + !(step->wild >> 4 & 3),
		.flags = TCP_FLAG_ACK | (step->flags & step->flags >> 1 & step->flags >> 2),
	};
}

static struct segment segment_of_peer(const struct flow *f, const struct step *step)
{
	const __u32 seqs[] = { f->rcv_nxt, f->rcv_wup, f->rcv_edge, f->rcv_max,
			       f->irs,	   step->wild, f->rcv_nxt,  f->rcv_nxt };
	const __u32 acks[] = { f->snd_nxt, f->snd_nxt, f->snd_una, f->snd_fin,
			       f->iss,	   f->snd_nxt, step->wild, f->snd_una };
	__u32 near = step->kind >> 1 & 7;

	return (struct segment){
		.seq = seqs[near] + step->seq_offset,
		.ack = acks[near] + step->ack_offset,
		.payload_bytes = step->bytes,
		.tsval = step->wild,
		.window = step->window,
		.flags = step->flags,
	};
}

/* Old or next octets, less than a window unacknowledged; nothing new after its FIN; acknowledging within the window. */
static struct segment segment_of_owner(const struct flow *f, const struct step *step)
{
	__u32 sent = f->snd_nxt - f->snd_una, offered = f->rcv_edge - f->rcv_wup;
	__u32 bytes = step->bytes, back = sent ? step->wild % (sent + 1) : 0;
	__u32 end = f->flags & FLOW_SND_FIN ? f->snd_fin : f->snd_nxt + 0xffff;
	__u8 flags = (step->flags & (TCP_FLAG_FIN | TCP_FLAG_RST | TCP_FLAG_PSH)) | TCP_FLAG_ACK;
	__u32 seq = f->snd_nxt - back;

	if (sent > 1 << 29 || seq_after(seq, end))
		bytes = 0;
	else if (seq_after(seq + bytes, end))
		bytes = end - seq;
	if ((f->flags & FLOW_SND_FIN) ? seq + bytes != f->snd_fin : seq_before(seq + bytes, f->snd_nxt))
		flags &= ~TCP_FLAG_FIN; /* it is the last octet, and the same each time */
	return (struct segment){
		.seq = seq,
		.ack = f->rcv_wup + (__u16)step->ack_offset % (offered + 1),
		.payload_bytes = bytes,
		.tsval = step->wild,
		.tsecr = f->rcv_tsval,
		.window = step->window,
		.flags = flags,
	};
}

/* Whether the table leads from one state to the other by some of these events, in this order. */
static bool leads_to(enum tcp_state from, enum tcp_state to, const enum tcp_event *events)
{
	if (from == to)
		return true;
	if (*events == NO_EVENT)
		return false;
	return leads_to(tcp_fsm_next(from, *events), to, events + 1) || leads_to(from, to, events + 1);
}

static bool state_may_follow(enum tcp_state from, enum tcp_state to, const struct segment *s, enum direction direction)
{
	static const enum tcp_event resets[2][2] = { { TCPE_RCV_RST, NO_EVENT }, { TCPE_SND_RST, NO_EVENT } };
	static const enum tcp_event received[] = { TCPE_RCV_ACK_OF_SYN, TCPE_RCV_ACK_OF_FIN, TCPE_RCV_FIN, NO_EVENT };
	static const enum tcp_event sent[] = { TCPE_RCV_FIN, TCPE_SND_FIN, NO_EVENT };

	if (s->flags & TCP_FLAG_RST)
		return leads_to(from, to, resets[direction]);
	return leads_to(from, to, direction == DIRECTION_RCV ? received : sent);
}

static void no_number_goes_back(const struct flow *before, const struct flow *after)
{
	must(!seq_before(after->rcv_nxt, before->rcv_nxt));
	must(!seq_before(after->rcv_wup, before->rcv_wup));
	must(!seq_before(after->rcv_edge, before->rcv_edge));
	must(!seq_before(after->snd_nxt, before->snd_nxt));
	must(!seq_before(after->snd_una, before->snd_una));
	must((before->flags & (FLOW_SND_FIN | FLOW_RCV_FIN) & ~after->flags) == 0);
}

/* What is so in every record, whoever sent last. */
static void record_is_sound(const struct flow *f)
{
	bool own_fin = f->flags & FLOW_SND_FIN, peers_fin = f->flags & FLOW_RCV_FIN;

	must(!seq_after(f->snd_una, f->snd_nxt));
	must(!seq_after(f->rcv_wup, f->rcv_nxt));
	must(!seq_after(f->rcv_nxt, f->rcv_edge + 1)); /* the FIN may lie behind the edge, nothing else */
	must(!(f->flags & FLOW_RCV_FIN) || !(f->flags & FLOW_RCV_FIN_AHEAD));
	switch (f->state) {
	case TCPS_SYN_RECEIVED:
	case TCPS_ESTABLISHED:
		must(!own_fin && !peers_fin);
		break;
	case TCPS_FIN_WAIT_1:
		must(own_fin && !peers_fin);
		break;
	case TCPS_FIN_WAIT_2:
		must(own_fin && !peers_fin && seq_after(f->snd_una, f->snd_fin));
		break;
	case TCPS_CLOSE_WAIT:
		must(!own_fin && peers_fin);
		break;
	case TCPS_CLOSING:
	case TCPS_LAST_ACK:
		must(own_fin && peers_fin && !seq_after(f->snd_una, f->snd_fin));
		break;
	case TCPS_TIME_WAIT:
		must(own_fin && peers_fin && seq_after(f->snd_una, f->snd_fin));
		break;
	case TCPS_CLOSED:
		break;
	default:
		must(!"a state that no segment leads to");
	}
}

static void refused_is_only_counted(const struct flow *before, const struct flow *after, const struct segment *s)
{
	struct flow want = *before;

	want.rcv_packets += s->packets;
	want.rcv_bytes += s->packet_bytes;
	must(!memcmp(&want, after, sizeof(want)));
}

/* Whether the peer may abort there: where it is expected next, at its FIN, or behind what came behind a hole. */
static bool is_place_of_rst(const struct flow *f, __u32 seq)
{
	if (seq == f->rcv_nxt || seq == f->rcv_wup)
		return true;
	if (f->flags & FLOW_RCV_FIN)
		return seq == f->rcv_nxt - 1;
	return seq_after(f->rcv_max, f->rcv_nxt) && !seq_after(f->rcv_max, f->rcv_edge) &&
	       seq == f->rcv_max + !!(f->flags & FLOW_RCV_FIN_AHEAD);
}

/* A refusal must have its reason, and what has a reason must be refused. */
static void refusal_is_right(const struct flow *before, const struct segment *s, enum judgement judgement, __u64 now_ns)
{
	bool old = s->has_timestamps && (before->flags & FLOW_TIMESTAMPS) && before->rcv_tsval &&
		   (__s32)(before->rcv_tsval - s->tsval) > 1 &&
		   (__u32)(now_ns / NSEC_PER_MSEC) - before->rcv_seen_ms < JUDGE_TIMESTAMP_LIFE_MS;
	__u32 end = s->seq + s->payload_bytes + !!(s->flags & TCP_FLAG_FIN);
	bool outside = seq_before(end, before->rcv_wup) || seq_after(s->seq, before->rcv_edge);
	bool taken = judgement == JUDGE_TAKEN || judgement == JUDGE_ANSWER;

	must(!(taken && outside && !(s->flags & TCP_FLAG_RST)));
	must(!(s->flags & TCP_FLAG_SYN) || judgement == JUDGE_CHALLENGED);
	must((s->flags & (TCP_FLAG_RST | TCP_FLAG_SYN)) != TCP_FLAG_RST || taken == is_place_of_rst(before, s->seq));
	if (!(s->flags & TCP_FLAG_RST)) {
		must(!(taken && old));
		must(!(taken && !(s->flags & TCP_FLAG_ACK)));
		must(!(taken && seq_after(s->ack, before->snd_nxt)));
	}
	must(judgement != JUDGE_OUT_OF_WINDOW || outside || (old && !(s->flags & TCP_FLAG_RST)));
	must(judgement != JUDGE_NO_ACK || !(s->flags & (TCP_FLAG_ACK | TCP_FLAG_RST | TCP_FLAG_SYN)));
	must(judgement != JUDGE_CHALLENGED || (s->flags & (TCP_FLAG_SYN | TCP_FLAG_RST)));
	must(judgement != JUDGE_BAD_ACK || seq_after(s->ack, before->snd_nxt) || seq_before(s->ack, before->snd_una) ||
	     (before->state == TCPS_SYN_RECEIVED && s->ack == before->snd_una));
	must(judgement != JUDGE_PROBE || s->seq == before->rcv_nxt - 1);
}

/* The owner misses nothing but that the peer lives, and has not asked whether it does. */
static void answer_is_right(const struct flow *before, const struct flow *after, const struct segment *s)
{
	__u32 first = host32(s->ip_first), ecn = (first >> 28 == 4 ? first >> 16 : first >> 20) & 3;
	struct flow want = *before;

	must((before->probes & FLOW_PROBE_AWAITED) && !(before->flags & FLOW_HANDOVER));
	must(s->flags == TCP_FLAG_ACK && !s->payload_bytes && ecn != 3);
	must(s->seq == before->rcv_nxt && s->ack == before->snd_nxt && s->ack == before->snd_una);
	must(s->window == before->snd_wnd && s->has_timestamps == !!(before->flags & FLOW_TIMESTAMPS));
	must(!s->has_timestamps || (__s32)(s->tsval - before->rcv_tsval) >= 0);
	want.rcv_packets += s->packets;
	want.rcv_bytes += s->packet_bytes;
	want.probes = 0;
	want.rcv_seen_ms = after->rcv_seen_ms;
	want.deadline_ns = after->deadline_ns;
	must(!memcmp(&want, after, sizeof(want)));
}

/* A probe that nobody answered is remembered, and what the owner sends makes the next answer its own. */
static void probes_are_right(const struct flow *before, const struct flow *after, const struct segment *s,
			     enum direction direction)
{
	if (direction == DIRECTION_SND)
		must(after->probes == (before->probes & ~FLOW_PROBE_AWAITED));
	else
		must(after->probes == (s->flags & TCP_FLAG_RST ? before->probes : 0));
}

static void judge_step(struct flow *f, const struct step *step, __u64 now_ns)
{
	enum direction direction = step->kind & 1 ? DIRECTION_SND : DIRECTION_RCV;
	enum judgement judgement;
	struct flow before;
	struct segment s;

	if (direction == DIRECTION_SND)
		s = segment_of_owner(f, step);
	else
		s = step->kind & 64 ? answer_of_peer(f, step) : segment_of_peer(f, step);
	weigh(&s, step);
	if (step->kind & 32)
		f->probes = ((f->probes + 1) & FLOW_PROBES_COUNT) | FLOW_PROBE_AWAITED;
	before = *f;
	judgement = flow_judge(f, &s, direction, now_ns, MSL_NS);
	record_is_sound(f);
	no_number_goes_back(&before, f);
	must(state_may_follow(before.state, f->state, &s, direction));
	if (direction == DIRECTION_SND) {
		must(judgement == JUDGE_TAKEN);
		must(f->snd_una == before.snd_una);
	} else {
		refusal_is_right(&before, &s, judgement, now_ns);
		must(f->snd_nxt == before.snd_nxt && f->rcv_wup == before.rcv_wup && f->rcv_edge == before.rcv_edge);
	}
	if (judgement != JUDGE_TAKEN && judgement != JUDGE_PROBE && judgement != JUDGE_ANSWER) {
		refused_is_only_counted(&before, f, &s);
		return;
	}
	if (judgement == JUDGE_ANSWER)
		answer_is_right(&before, f, &s);
	probes_are_right(&before, f, &s, direction);
	must(f->deadline_ns >= now_ns && f->deadline_ns <= now_ns + 5 * 86400 * NSEC_PER_SEC);
	must(f->state == TCPS_CLOSED || f->deadline_ns > now_ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct flow f = take_flow(&in);
	__u64 now_ns = NSEC_PER_SEC;
	struct step step;

	while (fuzz_take(&in, &step, sizeof(step)) && !flow_has_ended(&f)) {
		now_ns += step.milliseconds * NSEC_PER_MSEC;
		judge_step(&f, &step, now_ns);
	}
	return 0;
}
