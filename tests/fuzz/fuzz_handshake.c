// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * handshake.h: any segments of the peer's, and those of an owner in its senses, shown to one half-open record. Whatever
 * comes, the state follows the table, only who knows our number completes or ends the handshake, and its flow is one
 * that the judge can go on with.
 */
#include "fuzz.h"
#include "handshake.h"

struct step {
	__u8 kind; /* bit 0: the owner sends; bits 1 to 3: near; bits 4 to 7: options */
	__u8 flags;
	__u16 window;
	__s8 seq_offset;
	__s8 ack_offset;
	__u16 bytes;
	__u32 wild;
};

static struct segment segment_of(const struct half_open *h, const struct step *step)
{
	const __u32 seqs[] = { h->irs, h->irs + 1, h->iss, h->snd_nxt };
	const __u32 acks[] = { h->iss, h->iss + 1, h->snd_nxt, h->irs + 1 };
	__u32 near = step->kind >> 1 & 3;

	return (struct segment){
		.seq = step->kind & 8 ? step->wild : seqs[near] + step->seq_offset,
		.ack = acks[step->wild & 3] + step->ack_offset,
		.payload_bytes = step->bytes,
		.packets = 1,
		.window = step->window,
		.flags = step->flags,
	};
}

/* An owner in its senses leaves no hole in what it sends; SYNs and RSTs may have any number. */
static struct segment segment_of_owner(const struct half_open *h, const struct step *step)
{
	struct segment s = segment_of(h, step);

	if (!(s.flags & (TCP_FLAG_SYN | TCP_FLAG_RST)))
		s.seq = h->snd_nxt - (step->wild & 1) * step->bytes / 2;
	return s;
}

static struct tcp_options options_of(const struct step *step)
{
	return (struct tcp_options){
		.tsval = step->wild,
		.mss = step->window,
		.wscale = step->kind >> 4 & 1 ? step->window % 15 : TCP_WSCALE_NONE,
		.sack_permitted = step->kind >> 5 & 1,
		.has_timestamps = step->kind >> 6 & 1,
	};
}

static void record_is_sound(const struct half_open *h)
{
	must(h->state == TCPS_CLOSED || h->state == TCPS_SYN_SENT || h->state == TCPS_SYN_RECEIVED);
	must(h->state != TCPS_SYN_SENT || (h->flags & FLOW_OUTGOING));
	must(h->snd_wscale <= TCP_WSCALE_MAX && h->rcv_wscale <= TCP_WSCALE_MAX);
	must((h->flags & FLOW_WSCALE) || (!h->snd_wscale && !h->rcv_wscale));
	must(h->state == TCPS_CLOSED || h->snd_nxt != h->iss);
	must(!(h->flags & ~(HANDSHAKE_TERMS | FLOW_OUTGOING)));
}

/* What the flow is made of goes on under the judge: the owner's next segment is taken. */
static void flow_is_sound(const struct half_open *h, const struct segment *s)
{
	struct flow f = {};
	struct segment own;

	handshake_to_flow(h, s, &f);
	flow_judge(&f, s, DIRECTION_RCV, NSEC_PER_SEC, NSEC_PER_SEC);
	must(f.state == TCPS_ESTABLISHED || ((s->flags & TCP_FLAG_FIN) && f.state == TCPS_CLOSE_WAIT));
	must(f.snd_una - (h->iss + 1) <= h->snd_nxt - (h->iss + 1) && f.snd_nxt == h->snd_nxt);
	own = (struct segment){ .seq = f.snd_nxt, .ack = f.rcv_nxt, .flags = TCP_FLAG_ACK };
	must(flow_judge(&f, &own, DIRECTION_SND, NSEC_PER_SEC, NSEC_PER_SEC) == JUDGE_TAKEN);
}

/* False: the handshake is over. */
static bool peer_sends(struct half_open *h, const struct segment *s, const struct tcp_options *o)
{
	const struct half_open before = *h;
	enum handshake step = handshake_receive(h, s, o);
	bool acks = (s->flags & TCP_FLAG_ACK) && s->ack - (before.iss + 1) <= before.snd_nxt - (before.iss + 1);

	must(h->iss == before.iss && h->snd_nxt == before.snd_nxt && h->syns == before.syns);
	must(!(h->flags & ~before.flags)); /* nobody agrees on what was not offered */
	switch (step) {
	case HANDSHAKE_STAYS:
		must(!memcmp(h, &before, sizeof(before)));
		return true;
	case HANDSHAKE_STEPPED:
		must(h->state == TCPS_SYN_RECEIVED && before.state == TCPS_SYN_SENT && h->irs == s->seq);
		return true;
	case HANDSHAKE_COMPLETE:
		must(acks && !(s->flags & TCP_FLAG_RST));
		flow_is_sound(h, s);
		return false;
	case HANDSHAKE_ENDED:
		must((s->flags & TCP_FLAG_RST) && (before.state == TCPS_SYN_SENT ? acks : s->seq == before.irs + 1));
		return false;
	}
	must(!"a step that is none");
	return false;
}

static bool owner_sends(struct half_open *h, const struct segment *s, const struct tcp_options *o)
{
	const struct half_open before = *h;

	if (!(s->flags & TCP_FLAG_SYN)) {
		enum handshake step = handshake_send(h, s);

		must(step != HANDSHAKE_COMPLETE && h->state == before.state);
		must(step != HANDSHAKE_STAYS || !memcmp(h, &before, sizeof(before)));
		return step != HANDSHAKE_ENDED;
	}
	if (s->flags & TCP_FLAG_ACK)
		handshake_send_syn_ack(h, s, o);
	else
		handshake_send_syn(h, s, o);
	must(h->iss == s->seq && h->state != TCPS_CLOSED);
	must(h->iss != before.iss || before.state != TCPS_SYN_RECEIVED || h->state == TCPS_SYN_RECEIVED);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct half_open h = {};
	bool goes_on = true;
	struct step step;

	while (goes_on && fuzz_take(&in, &step, sizeof(step))) {
		bool own = step.kind & 1;
		struct segment s = own ? segment_of_owner(&h, &step) : segment_of(&h, &step);
		struct tcp_options o = options_of(&step);

		if (own)
			goes_on = owner_sends(&h, &s, &o);
		else if (h.state != TCPS_CLOSED)
			goes_on = peer_sends(&h, &s, &o);
		record_is_sound(&h);
	}
	return 0;
}
