// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * handshake.h: handshakes in which the owner has sent its SYN, segment by segment (RFC 9293, 3.10.7.3, 3.10.7.4 and
 * figure 7). test_<state>_<stimulus>_<outcome>; after each the whole record is compared.
 */
#include "flow_fixture.h"
#include "handshake.h"

#define TERMS (FLOW_WSCALE | FLOW_SACK | FLOW_TIMESTAMPS)
#define SYN_ACK (SYN | ACK)
#define ECE TCP_FLAG_ECE
#define CWR TCP_FLAG_CWR

static const struct tcp_options own_options = {
	.tsval = 200, .mss = 1460, .wscale = OWN_WSCALE, .sack_permitted = true, .has_timestamps = true
};
static const struct tcp_options peers_options = {
	.tsval = 100, .mss = 1400, .wscale = PEER_WSCALE, .sack_permitted = true, .has_timestamps = true
};

static struct segment own_syn(__u8 flags)
{
	return (struct segment){ .seq = own(0), .ack = flags & ACK ? peer(1) : 0, .window = 64000, .flags = flags };
}

static struct segment peers_syn(__u8 flags)
{
	return (struct segment){ .seq = peer(0), .ack = flags & ACK ? own(1) : 0, .window = 32000, .flags = flags };
}

/* --- records ------------------------------------------------------------------------------------------------------ */

static struct half_open half_open_in_syn_sent(void)
{
	return (struct half_open){
		.iss = own(0),
		.snd_nxt = own(1),
		.snd_tsval = 200,
		.rcv_wnd = 64000,
		.flags = FLOW_OUTGOING | TERMS,
		.state = TCPS_SYN_SENT,
		.rcv_wscale = OWN_WSCALE,
		.syns = 1,
	};
}

/* After the peer's SYN, whatever it carried besides. */
static struct half_open half_open_crossed(void)
{
	struct half_open h = half_open_in_syn_sent();

	h.state = TCPS_SYN_RECEIVED;
	h.irs = peer(0);
	h.mss = 1400;
	h.rcv_tsval = 100;
	h.snd_wscale = PEER_WSCALE;
	return h;
}

/* The owner has answered a SYN. */
static struct half_open half_open_in_syn_received(void)
{
	struct half_open h = half_open_crossed();

	h.flags = TERMS;
	return h;
}

static void assert_half_open_equal(const struct half_open *got, const struct half_open *want)
{
	assert_string_equal(tcp_state_name(got->state), tcp_state_name(want->state));
	assert_int_equal(got->irs, want->irs);
	assert_int_equal(got->snd_nxt, want->snd_nxt);
	assert_int_equal(got->flags, want->flags);
	assert_memory_equal(got, want, sizeof(*want));
}

/* The segment leads to this step, and to this record. */
static void assert_receives(struct half_open h, const struct segment *s, enum handshake step,
			    const struct half_open *want)
{
	assert_int_equal(handshake_receive(&h, s, &peers_options), step);
	assert_half_open_equal(&h, want);
}

static void assert_stays(struct half_open h, const struct segment *s)
{
	const struct half_open before = h;

	assert_receives(h, s, HANDSHAKE_STAYS, &before);
}

/* --- SYN-SENT ----------------------------------------------------------------------------------------------------- */

static void test_closed_own_syn_syn_sent(void **state)
{
	struct half_open h = {}, want = half_open_in_syn_sent();
	struct segment s = own_syn(SYN);

	(void)state;
	handshake_send_syn(&h, &s, &own_options);
	assert_half_open_equal(&h, &want);
}

static void test_closed_own_syn_without_options_offers_nothing(void **state)
{
	struct half_open h = {}, want = half_open_in_syn_sent();
	struct segment s = own_syn(SYN);

	(void)state;
	handshake_send_syn(&h, &s, &TCP_OPTIONS_NONE);
	want.flags = FLOW_OUTGOING;
	want.snd_tsval = 0;
	want.rcv_wscale = 0;
	assert_half_open_equal(&h, &want);
}

/* RFC 3168, 6.1.1.1: who hears nothing tries without ECN. */
static void test_syn_sent_own_syn_again_may_offer_less(void **state)
{
	struct half_open h = {}, want = half_open_in_syn_sent();
	struct segment s = own_syn(SYN | ECE | CWR);

	(void)state;
	handshake_send_syn(&h, &s, &own_options);
	assert_int_equal(h.flags, FLOW_OUTGOING | TERMS | FLOW_ECN);
	s.flags = SYN;
	handshake_send_syn(&h, &s, &own_options);
	want.syns = 2;
	assert_half_open_equal(&h, &want);
}

/* RFC 7413, 4.2.1: the text goes with the first SYN only; it has been sent all the same. */
static void test_syn_sent_own_text_is_in_snd_nxt_even_if_not_sent_again(void **state)
{
	struct half_open h = {}, want = half_open_in_syn_sent();
	struct segment s = own_syn(SYN);

	(void)state;
	s.payload_bytes = 300;
	handshake_send_syn(&h, &s, &own_options);
	s.payload_bytes = 0;
	handshake_send_syn(&h, &s, &own_options);
	want.snd_nxt = own(301);
	want.syns = 2;
	assert_half_open_equal(&h, &want);
}

static void test_syn_sent_own_syn_with_another_number_begins_anew(void **state)
{
	struct half_open h = half_open_crossed(), want = half_open_in_syn_sent();
	struct segment s = own_syn(SYN);

	(void)state;
	s.seq = own(0x1000000);
	handshake_send_syn(&h, &s, &own_options);
	want.iss = own(0x1000000);
	want.snd_nxt = own(0x1000001);
	assert_half_open_equal(&h, &want);
}

static void test_syns_are_counted_up_to_255(void **state)
{
	struct segment s = own_syn(SYN);
	struct half_open h = {};

	(void)state;
	for (int i = 0; i < 300; i++)
		handshake_send_syn(&h, &s, &own_options);
	assert_int_equal(h.syns, 255);
}

static void test_syn_sent_syn_ack_complete(void **state)
{
	struct half_open want = half_open_crossed();
	struct segment s = peers_syn(SYN_ACK);

	(void)state;
	want.state = TCPS_SYN_SENT;
	assert_receives(half_open_in_syn_sent(), &s, HANDSHAKE_COMPLETE, &want);
}

/* 3.10.7.3, first: SEG.ACK =< ISS, or SEG.ACK > SND.NXT. */
static void test_syn_sent_wrong_ack_stays(void **state)
{
	const __u8 flags[] = { SYN_ACK, ACK, RST | ACK, ACK | FIN };
	const __u32 acks[] = { own(0), own(2), own(0) - 1, own(0x80000001), own(0x40000000) };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(flags) * ARRAY_LEN(acks); i++) {
		struct segment s = peers_syn(flags[i % ARRAY_LEN(flags)]);

		s.ack = acks[i / ARRAY_LEN(flags)];
		assert_stays(half_open_in_syn_sent(), &s);
	}
}

static void test_syn_sent_rst_with_right_ack_ended(void **state)
{
	struct half_open h = half_open_in_syn_sent();
	struct segment s = peers_syn(RST | ACK);

	(void)state;
	assert_receives(h, &s, HANDSHAKE_ENDED, &h);
}

static void test_syn_sent_rst_without_ack_stays(void **state)
{
	struct segment s = peers_syn(RST);

	(void)state;
	assert_stays(half_open_in_syn_sent(), &s);
}

static void test_syn_sent_neither_syn_nor_rst_stays(void **state)
{
	const __u8 flags[] = { ACK, ACK | FIN, FIN, 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		struct segment s = peers_syn(flags[i]);

		s.payload_bytes = 10;
		assert_stays(half_open_in_syn_sent(), &s);
	}
}

static void test_syn_sent_syn_syn_received(void **state)
{
	struct half_open want = half_open_crossed();
	struct segment s = peers_syn(SYN);

	(void)state;
	assert_receives(half_open_in_syn_sent(), &s, HANDSHAKE_STEPPED, &want);
}

/* --- what is agreed on -------------------------------------------------------------------------------------------- */

static __u16 agreed(__u16 offered, const struct tcp_options *o, __u8 flags)
{
	struct half_open h = half_open_in_syn_sent();
	struct segment s = peers_syn(flags);

	h.flags = FLOW_OUTGOING | offered;
	handshake_receive(&h, &s, o);
	assert_true(h.flags & FLOW_OUTGOING);
	assert_int_equal(h.rcv_wscale, h.flags & FLOW_WSCALE ? OWN_WSCALE : 0);
	assert_int_equal(h.snd_wscale, h.flags & FLOW_WSCALE ? PEER_WSCALE : 0);
	return h.flags & HANDSHAKE_TERMS;
}

static void test_syn_sent_terms_are_what_both_offer(void **state)
{
	(void)state;
	assert_int_equal(agreed(TERMS, &peers_options, SYN_ACK), TERMS);
	assert_int_equal(agreed(0, &peers_options, SYN_ACK), 0);
	assert_int_equal(agreed(TERMS, &TCP_OPTIONS_NONE, SYN_ACK), 0);
	assert_int_equal(agreed(FLOW_SACK, &peers_options, SYN), FLOW_SACK);
	assert_int_equal(agreed(FLOW_TIMESTAMPS | FLOW_ECN, &peers_options, SYN), FLOW_TIMESTAMPS);
}

/* RFC 3168, 6.1.1: a SYN-ACK answers with ECE alone; both bits are those of a SYN, or of a mirror. */
static void test_syn_sent_ecn_by_the_kind_of_syn(void **state)
{
	(void)state;
	assert_int_equal(agreed(FLOW_ECN, &peers_options, SYN_ACK | ECE), FLOW_ECN);
	assert_int_equal(agreed(FLOW_ECN, &peers_options, SYN_ACK | ECE | CWR), 0);
	assert_int_equal(agreed(FLOW_ECN, &peers_options, SYN | ECE | CWR), FLOW_ECN);
	assert_int_equal(agreed(FLOW_ECN, &peers_options, SYN | ECE), 0);
	assert_int_equal(agreed(0, &peers_options, SYN_ACK | ECE), 0);
}

/* --- SYN-RECEIVED ------------------------------------------------------------------------------------------------- */

static void test_closed_own_syn_ack_syn_received(void **state)
{
	struct half_open h = {}, want = { .irs = peer(0),
					  .iss = own(0),
					  .snd_nxt = own(1),
					  .snd_tsval = 200,
					  .syns = 1,
					  .rcv_wnd = 64000,
					  .state = TCPS_SYN_RECEIVED };
	struct segment s = own_syn(SYN_ACK);

	(void)state;
	assert_true(handshake_send_syn_ack(&h, &s, &own_options)); /* the terms are the caller's to find */
	assert_half_open_equal(&h, &want);
	assert_false(handshake_send_syn_ack(&h, &s, &own_options));
	want.syns = 2;
	assert_half_open_equal(&h, &want);
}

static void test_syn_received_own_syn_ack_with_another_number_begins_anew(void **state)
{
	struct half_open h = half_open_in_syn_received();
	struct segment s = own_syn(SYN_ACK);

	(void)state;
	s.seq = own(77);
	assert_true(handshake_send_syn_ack(&h, &s, &own_options));
	assert_int_equal(h.iss, own(77));
	assert_int_equal(h.flags, 0);
	assert_int_equal(h.syns, 1);
}

/* The owner has seen a SYN that was not shown to the record. */
static void test_syn_sent_own_syn_ack_syn_received(void **state)
{
	struct half_open h = half_open_in_syn_sent(), want = h;
	struct segment s = own_syn(SYN_ACK);

	(void)state;
	assert_false(handshake_send_syn_ack(&h, &s, &own_options));
	want.state = TCPS_SYN_RECEIVED;
	want.irs = peer(0);
	want.syns = 2;
	assert_half_open_equal(&h, &want);
}

static void test_crossed_own_syn_again_takes_nothing_back(void **state)
{
	struct half_open h = half_open_crossed(), want = h;
	struct segment s = own_syn(SYN);

	(void)state;
	handshake_send_syn(&h, &s, &TCP_OPTIONS_NONE);
	want.syns = 2;
	want.snd_tsval = 0;
	assert_half_open_equal(&h, &want);
}

static void test_crossed_syn_ack_complete(void **state)
{
	struct half_open h = half_open_crossed(), want = h;
	struct segment s = peers_syn(SYN_ACK);

	(void)state;
	h.rcv_tsval = 90; /* of the SYN before */
	assert_receives(h, &s, HANDSHAKE_COMPLETE, &want);
}

static void test_crossed_other_syns_stay(void **state)
{
	struct segment s = peers_syn(SYN);

	(void)state;
	assert_stays(half_open_crossed(), &s);
	s = peers_syn(SYN_ACK);
	s.seq = peer(1);
	assert_stays(half_open_crossed(), &s);
	s = peers_syn(SYN_ACK);
	s.ack = own(2);
	assert_stays(half_open_crossed(), &s);
}

/* A SYN that the owner answered comes again with an ACK that nobody asked for: the owner challenges it (RFC 5961, 4).
 */
static void test_syn_received_syn_ack_stays(void **state)
{
	struct segment s = peers_syn(SYN_ACK);

	(void)state;
	assert_stays(half_open_in_syn_received(), &s);
}

static void test_syn_received_ack_complete(void **state)
{
	const __u32 seqs[] = { peer(1), peer(1 + 64000) };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(seqs) * 2; i++) {
		struct half_open h = i % 2 ? half_open_crossed() : half_open_in_syn_received();
		struct segment s = peers_syn(ACK);

		s.seq = seqs[i / 2];
		assert_receives(h, &s, HANDSHAKE_COMPLETE, &h);
	}
}

static void test_syn_received_wrong_ack_stays(void **state)
{
	const struct {
		__u8 flags;
		__u32 seq, ack;
	} wrong[] = { { ACK, peer(1), own(0) },		{ ACK, peer(1), own(2) }, { ACK, peer(0), own(1) },
		      { ACK, peer(1 + 64001), own(1) }, { 0, peer(1), own(1) },	  { FIN, peer(1), own(1) } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct segment s = { .flags = wrong[i].flags, .seq = wrong[i].seq, .ack = wrong[i].ack };

		assert_stays(half_open_in_syn_received(), &s);
	}
}

static void test_syn_received_rst_ended_if_exact(void **state)
{
	struct half_open h = half_open_in_syn_received();
	struct segment s = peers_syn(RST);

	(void)state;
	s.seq = peer(1);
	assert_receives(h, &s, HANDSHAKE_ENDED, &h);
	s.seq = peer(2);
	assert_stays(h, &s);
	s.seq = peer(0);
	assert_stays(h, &s);
}

/* --- what the owner sends that is no SYN -------------------------------------------------------------------------- */

static void test_half_open_own_rst_ended_if_exact(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct half_open h = i ? half_open_in_syn_sent() : half_open_in_syn_received();
		struct segment s = { .flags = RST, .seq = own(1) };

		assert_int_equal(handshake_send(&h, &s), HANDSHAKE_ENDED);
		s.seq = own(12345); /* answers a forged segment: SEQ = SEG.ACK */
		assert_int_equal(handshake_send(&h, &s), HANDSHAKE_STAYS);
		s.seq = own(0);
		assert_int_equal(handshake_send(&h, &s), HANDSHAKE_STAYS);
	}
}

/* A server with TCP Fast Open answers before the handshake is complete, and the peer acknowledges that with its SYN. */
static void test_syn_received_own_text_moves_snd_nxt(void **state)
{
	struct half_open h = half_open_in_syn_received(), want = h;
	struct segment s = { .flags = ACK, .seq = own(1), .payload_bytes = 500 }, ack = peers_syn(ACK);

	(void)state;
	assert_int_equal(handshake_send(&h, &s), HANDSHAKE_STEPPED);
	want.snd_nxt = own(501);
	assert_half_open_equal(&h, &want);
	assert_int_equal(handshake_send(&h, &s), HANDSHAKE_STAYS);
	ack.seq = peer(1);
	ack.ack = own(501);
	assert_receives(h, &ack, HANDSHAKE_COMPLETE, &want);
}

/* --- the flow ----------------------------------------------------------------------------------------------------- */

/* The flow that the complete handshake makes, the segment judged. */
static struct flow flow_of(struct half_open h, const struct segment *s)
{
	struct flow f = {};

	assert_int_equal(handshake_receive(&h, s, &peers_options), HANDSHAKE_COMPLETE);
	handshake_to_flow(&h, s, &f);
	judge(&f, s, DIRECTION_RCV);
	return f;
}

/* After the handshake, with nothing sent yet. */
static struct flow flow_begun(const struct segment *s, __u16 flags)
{
	struct flow f = {
		.flags = flags | TERMS,
		.snd_wscale = PEER_WSCALE,
		.rcv_wscale = OWN_WSCALE,
		.mss = 1400,
		.irs = peer(0),
		.iss = own(0),
		.rcv_nxt = peer(1),
		.rcv_wup = peer(1),
		.rcv_edge = peer(1 + 64000),
		.snd_nxt = own(1),
		.snd_una = own(1),
		.rcv_wnd = 64000 >> OWN_WSCALE,
		.snd_wnd = 32000 >> PEER_WSCALE,
		.rcv_tsval = 100,
		.snd_tsval = 200,
	};

	f = flow_counted(f, s, DIRECTION_RCV);
	f.state = TCPS_ESTABLISHED;
	return f;
}

static void test_flow_of_syn_ack_is_established(void **state)
{
	struct segment s = peers_syn(SYN_ACK);
	struct flow f = flow_of(half_open_in_syn_sent(), &s), want = flow_begun(&s, FLOW_OUTGOING);

	(void)state;
	assert_flow_equal(&f, &want);
}

static void test_flow_of_crossed_syn_ack_is_established(void **state)
{
	struct segment s = peers_syn(SYN_ACK);
	struct flow f = flow_of(half_open_crossed(), &s), want = flow_begun(&s, FLOW_OUTGOING);

	(void)state;
	assert_flow_equal(&f, &want);
}

static void test_flow_of_ack_is_established(void **state)
{
	struct segment s = peers_syn(ACK);
	struct flow f, want;

	(void)state;
	s.seq = peer(1);
	s.has_timestamps = true;
	s.tsval = 103;
	f = flow_of(half_open_in_syn_received(), &s);
	want = flow_taken(flow_begun(&s, 0), &s, DIRECTION_RCV, TCPS_ESTABLISHED);
	want.rcv_packets -= s.packets;
	want.rcv_tsval = 103;
	want.snd_wnd = 32000; /* no SYN's: it was shifted */
	assert_flow_equal(&f, &want);
}

/* Linux drops text and FIN of a SYN-ACK and acknowledges the SYN alone. */
static void test_flow_of_syn_ack_with_text_and_fin_has_none_of_it(void **state)
{
	struct segment s = peers_syn(SYN_ACK | FIN);
	struct flow f, want;

	(void)state;
	s.payload_bytes = 100;
	f = flow_of(half_open_in_syn_sent(), &s);
	want = flow_begun(&s, FLOW_OUTGOING);
	assert_flow_equal(&f, &want);
}

/* RFC 7413, 4.2.2: the peer takes the SYN's text, some of it, or none. */
static void test_flow_of_syn_ack_acknowledges_what_it_says_of_the_syns_text(void **state)
{
	const __u32 acks[] = { own(1), own(151), own(301) };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(acks); i++) {
		struct half_open h = half_open_in_syn_sent();
		struct segment s = peers_syn(SYN_ACK);
		struct flow f;

		h.snd_nxt = own(301);
		s.ack = acks[i];
		f = flow_of(h, &s);
		assert_int_equal(f.snd_una, acks[i]);
		assert_int_equal(f.snd_nxt, own(301));
		assert_int_equal(f.state, TCPS_ESTABLISHED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closed_own_syn_syn_sent),
		cmocka_unit_test(test_closed_own_syn_without_options_offers_nothing),
		cmocka_unit_test(test_syn_sent_own_syn_again_may_offer_less),
		cmocka_unit_test(test_syn_sent_own_text_is_in_snd_nxt_even_if_not_sent_again),
		cmocka_unit_test(test_syn_sent_own_syn_with_another_number_begins_anew),
		cmocka_unit_test(test_syns_are_counted_up_to_255),
		cmocka_unit_test(test_syn_sent_syn_ack_complete),
		cmocka_unit_test(test_syn_sent_wrong_ack_stays),
		cmocka_unit_test(test_syn_sent_rst_with_right_ack_ended),
		cmocka_unit_test(test_syn_sent_rst_without_ack_stays),
		cmocka_unit_test(test_syn_sent_neither_syn_nor_rst_stays),
		cmocka_unit_test(test_syn_sent_syn_syn_received),
		cmocka_unit_test(test_syn_sent_terms_are_what_both_offer),
		cmocka_unit_test(test_syn_sent_ecn_by_the_kind_of_syn),
		cmocka_unit_test(test_closed_own_syn_ack_syn_received),
		cmocka_unit_test(test_syn_received_own_syn_ack_with_another_number_begins_anew),
		cmocka_unit_test(test_syn_sent_own_syn_ack_syn_received),
		cmocka_unit_test(test_crossed_own_syn_again_takes_nothing_back),
		cmocka_unit_test(test_crossed_syn_ack_complete),
		cmocka_unit_test(test_crossed_other_syns_stay),
		cmocka_unit_test(test_syn_received_syn_ack_stays),
		cmocka_unit_test(test_syn_received_ack_complete),
		cmocka_unit_test(test_syn_received_wrong_ack_stays),
		cmocka_unit_test(test_syn_received_rst_ended_if_exact),
		cmocka_unit_test(test_half_open_own_rst_ended_if_exact),
		cmocka_unit_test(test_syn_received_own_text_moves_snd_nxt),
		cmocka_unit_test(test_flow_of_syn_ack_is_established),
		cmocka_unit_test(test_flow_of_crossed_syn_ack_is_established),
		cmocka_unit_test(test_flow_of_ack_is_established),
		cmocka_unit_test(test_flow_of_syn_ack_with_text_and_fin_has_none_of_it),
		cmocka_unit_test(test_flow_of_syn_ack_acknowledges_what_it_says_of_the_syns_text),
	};

	return run_over_flow_bases(tests);
}
