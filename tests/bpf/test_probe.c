// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Keepalive probes that Synkeep sends for connections of the kernel's: which answer stops here, what else tells of the
 * peer, and what the owner's packets leave behind for the next probe. Every rule of the judge's is tested in
 * tests/unit/test_judge_probe.c; here are packets, and what only they have.
 */
#include <bpf/bpf.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sockets.h"
#include "talk.h"
#include "tests/bpf/tagged.skel.h"

#define ACK TCP_FLAG_ACK
#define IPV4_TOS 1
#define CE 3

static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

/* The record says that three probes are out, the last of them unanswered. */
static void probe(struct talk *t)
{
	t->model.probes = FLOW_PROBE_AWAITED | 3;
	shield_put_flow(&t->tuple, &t->model);
}

static struct connection owner = { .local = -1, .remote = -1 };

/* From now on it is a socket's on that port, which has other numbers: the answer is judged by the record alone. */
static void give_to_socket(struct talk *t, __u16 port)
{
	__u8 family = t->tuple.family;
	int listener = port == PORT_EPHEMERAL ? sockets_listen(family, port) : shield_listener(family, port);

	sockets_close(&owner);
	owner = sockets_connect(listener, family, port);
	if (port == PORT_EPHEMERAL)
		close(listener);
	t->tuple = owner.tuple;
	t->model.tag = flow_tag(&t->tuple);
}

/* A connection of a socket's whose peer was silent for a minute, and then asked. */
static struct talk talk_probed(__u8 family)
{
	struct talk t;

	shield_reset(NULL);
	talk_init(&t, family, PORT_ALWAYS);
	talk_establish(&t);
	talk_peer_sends(&t, ACK, 100);
	talk_owner_sends(&t, ACK, 0);
	shield_advance(60 * NSEC_PER_SEC);
	t.offer.tsval += 60000;
	give_to_socket(&t, PORT_ALWAYS);
	probe(&t);
	return t;
}

static struct frame answer_frame(const struct talk *t)
{
	struct packet_spec spec = talk_peer_segment(t, ACK, 0);
	struct frame f;

	packet_build(&f, &spec);
	return f;
}

static void assert_passes(const struct talk *t, const struct frame *f)
{
	struct outcome o = shield_receive(f);
	struct flow after;

	assert_verdict(o, V_SEGMENT);
	assert_noted(o, V_PROBE_ANSWERED);
	assert_true(shield_flow(&t->tuple, &after));
	assert_int_equal(after.probes, 0);
}

/* --- the answer --- */

static void test_probed_answer_dropped_and_peer_lives(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct talk t = talk_probed(families[i]);
		struct packet_spec spec = talk_peer_segment(&t, ACK, 0);
		struct outcome o = talk_passes(&t, &spec); /* compares the records */

		assert_verdict(o, V_PROBE_ANSWER);
		assert_noted(o, V_PROBE_ANSWERED);
		assert_int_equal(t.model.probes, 0);
		assert_int_equal(t.model.deadline_ns, shield_now_ns() + tcp_state_timeout_ns(TCPS_ESTABLISHED, 0));
		o = talk_passes(&t, &spec); /* another one was not asked for */
		assert_verdict(o, V_SEGMENT);
		assert_false(o.noted[V_PROBE_ANSWERED]);
	}
}

static void test_probed_answer_in_a_padded_or_tagged_frame_dropped(void **state)
{
	static const __u32 tags[] = { 0, 0x81000005, 0x88a80005 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tags) * ARRAY_LEN(families); i++) {
		struct talk t = talk_probed(families[i % ARRAY_LEN(families)]);
		__u32 tag = tags[i / ARRAY_LEN(families)];
		struct packet_spec spec;
		struct frame f;

		t.offer.has_timestamps = false;
		t.model.flags &= ~FLOW_TIMESTAMPS;
		shield_put_flow(&t.tuple, &t.model);
		spec = talk_peer_segment(&t, ACK, 0);
		packet_build(&f, &spec);
		if (f.length < 60)
			f.length = 60;
		if (tag)
			packet_build_put_tag(&f, tag >> 16, tag);
		assert_verdict(shield_receive(&f), V_PROBE_ANSWER);
	}
}

/* Keepalive is a choice of its own: so under every policy, and for what this host opened. */
static void test_probed_answer_dropped_under_any_policy(void **state)
{
	static const __u16 ports[] = { PORT_OFF, PORT_MONITOR, PORT_WILDCARD, PORT_EPHEMERAL };

	for (size_t i = 0; i < ARRAY_LEN(ports) * ARRAY_LEN(families); i++) {
		__u8 family = families[i % ARRAY_LEN(families)];
		struct talk t = talk_probed(family);
		struct frame f;

		shield_reset(state);
		shield_track_outgoing(true);
		shield_fill_presence();
		give_to_socket(&t, ports[i / ARRAY_LEN(families)]);
		probe(&t);
		f = answer_frame(&t);
		assert_verdict(shield_receive(&f), V_PROBE_ANSWER);
	}
}

/* --- what is not one --- */

static void test_probed_next_text_passes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct talk t = talk_probed(families[i]);
		struct outcome o = talk_peer_sends(&t, ACK, 10);

		assert_verdict(o, V_SEGMENT);
		assert_noted(o, V_PROBE_ANSWERED);
	}
}

static void test_probed_answer_with_ip_options_passes(void **state)
{
	static const __u8 no_operations[4] = { 1, 1, 1, 1 }, padding[8] = { 0, 0, 1, 4 };
	struct talk t;
	struct frame f;

	(void)state;
	t = talk_probed(FAMILY_IPV4);
	f = answer_frame(&t);
	packet_build_put_ip_options(&f, no_operations, sizeof(no_operations));
	assert_passes(&t, &f);
	t = talk_probed(FAMILY_IPV6);
	f = answer_frame(&t);
	packet_build_put_ipv6_extension(&f, 60, padding);
	assert_passes(&t, &f);
}

static void test_probed_answer_with_further_options_passes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct talk t = talk_probed(families[i]);
		struct packet_spec spec = talk_peer_segment(&t, ACK, 0);
		struct frame f;

		memset(spec.options + spec.option_bytes, 1, 4);
		spec.option_bytes += 4;
		packet_build(&f, &spec);
		assert_passes(&t, &f);
	}
}

/* TIMESTAMPS, NOP, NOP: as good, but not as this kernel and its like write them. */
static void test_probed_answer_with_timestamps_elsewhere_passes(void **state)
{
	struct talk t = talk_probed(FAMILY_IPV4);
	struct packet_spec spec = talk_peer_segment(&t, ACK, 0);
	struct frame f;

	(void)state;
	memmove(spec.options, spec.options + 2, 10);
	memset(spec.options + 10, 1, 2);
	packet_build(&f, &spec);
	assert_passes(&t, &f);
}

static void put_traffic_class(struct frame *f, __u8 family, __u8 class)
{
	__u8 *ip = f->bytes + FRAME_ETH_BYTES;

	if (family == FAMILY_IPV4)
		ip[IPV4_TOS] = class;
	else
		packet_build_put16(f, FRAME_ETH_BYTES, 0x6000 | class << 4);
	packet_build_checksums(f);
}

static void test_probed_answer_marked_on_its_way_passes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		for (__u8 ecn = 0; ecn < 4; ecn++) {
			struct talk t = talk_probed(families[i]);
			struct frame f = answer_frame(&t);

			put_traffic_class(&f, families[i], 0xb8 | ecn);
			if (ecn == CE)
				assert_passes(&t, &f);
			else
				assert_verdict(shield_receive(&f), V_PROBE_ANSWER);
		}
	}
}

/* A Linux peer answers one of two probes in half a second, and the socket's may be the other. */
static void test_probed_socket_that_probes_itself_answer_passes(void **state)
{
	int one = 1;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct talk t = talk_probed(families[i]);
		struct frame f = answer_frame(&t);

		assert_int_equal(setsockopt(owner.local, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)), 0);
		assert_passes(&t, &f);
	}
}

/* An orphan in FIN-WAIT-2 is given up after a minute, and its peer may wait for ever. */
static void test_probed_socket_is_gone_answer_passes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct talk t = talk_probed(families[i]);
		struct frame f = answer_frame(&t);

		sockets_close(&owner);
		assert_passes(&t, &f);
		t = talk_probed(families[i]);
		f = answer_frame(&t);
		sockets_close_to_time_wait(&owner);
		assert_passes(&t, &f);
	}
}

static void test_probed_owner_sends_answer_passes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct talk t = talk_probed(families[i]);
		struct frame f;

		talk_owner_sends(&t, ACK, 0); /* as its own keepalive would */
		assert_int_equal(t.model.probes, 3);
		f = answer_frame(&t);
		assert_passes(&t, &f);
	}
}

/* --- what the owner's packets leave behind --- */

static void assert_way(const struct talk *t, const __u8 *next_hop, __u16 tci, const struct frame *f, __u32 ip_offset)
{
	struct flow after;

	assert_true(shield_flow(&t->tuple, &after));
	assert_memory_equal(after.next_hop, next_hop, sizeof(after.next_hop));
	assert_int_equal(after.vlan_tci, tci);
	assert_memory_equal(&after.ip_first, f->bytes + ip_offset, sizeof(after.ip_first));
	assert_int_equal(after.snd_seen_ms, (__u32)(shield_now_ns() / NSEC_PER_MSEC));
}

static void test_own_segment_next_hop_class_and_label_are_learnt(void **state)
{
	static const __u8 gateway[6] = { 2, 0, 0, 0, 0, 77 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct talk t = talk_probed(families[i]);
		struct packet_spec spec = talk_owner_segment(&t, ACK, 20);
		struct frame f;

		packet_build(&f, &spec);
		memcpy(f.bytes, gateway, sizeof(gateway));
		put_traffic_class(&f, families[i], 0xb8);
		if (families[i] == FAMILY_IPV6)
			packet_build_put16(&f, FRAME_ETH_BYTES + 2, 0xabcd);
		assert_verdict(shield_send(&f), V_OWN_SEGMENT);
		assert_way(&t, gateway, 0, &f, FRAME_ETH_BYTES);
	}
}

/* --- tags beside the frame --- */

static struct tagged *tagged;

static int load_tagged(void **state)
{
	__u32 zero = 0;
	int egress = shield_program("tc_egress");

	(void)state;
	tagged = tagged__open_and_load();
	return tagged ? bpf_map_update_elem(bpf_map__fd(tagged->maps.egress), &zero, &egress, BPF_ANY) : -1;
}

static int unload_tagged(void **state)
{
	(void)state;
	tagged__destroy(tagged);
	return 0;
}

static void send_tagged(const struct frame *f, const __u32 tags[2])
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = f->bytes, .data_size_in = f->length);

	memcpy(tagged->bss->tags, tags, sizeof(tagged->bss->tags));
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(tagged->progs.tag_and_send), &run), 0);
	assert_int_equal(run.retval, (__u32)-1); /* TC_ACT_UNSPEC */
}

static const struct tagging {
	__u32 within;	 /* a tag that the frame has already; 0: none */
	__u32 pushed[2]; /* as tagged.bpf.c has them: the last one is beside the frame */
	bool is_known;
	__u16 tci;
} taggings[] = {
	{ .is_known = true },
	{ .pushed = { 0x81006005 }, .is_known = true, .tci = 0x6005 },
	{ .within = 0x8100a007, .is_known = true, .tci = 0xa007 },
	{ .within = 0x81000006, .pushed = { 0x81000005 } },
	{ .pushed = { 0x81000005, 0x81000006 } },
	{ .pushed = { 0x81000005, 0x88a80006 } },
	{ .pushed = { 0x88a80005 } },
	{ .within = 0x88a80005 },
};

/* Where nobody can follow it, the connection is not probed: its next hop is not known. */
static void test_own_segment_behind_tags_next_hop_known_behind_one(void **state)
{
	static const __u8 zeros[6];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(taggings) * ARRAY_LEN(families); i++) {
		const struct tagging *tagging = &taggings[i / ARRAY_LEN(families)];
		struct talk t = talk_probed(families[i % ARRAY_LEN(families)]);
		struct packet_spec spec = talk_owner_segment(&t, ACK, 0);
		struct flow after;
		struct frame f;

		packet_build(&f, &spec);
		if (tagging->within)
			packet_build_put_tag(&f, tagging->within >> 16, tagging->within);
		send_tagged(&f, tagging->pushed);
		assert_true(shield_flow(&t.tuple, &after));
		assert_memory_equal(after.next_hop, tagging->is_known ? f.bytes : zeros, sizeof(zeros));
		assert_int_equal(after.probes, 3);
		if (tagging->is_known)
			assert_int_equal(after.vlan_tci, tagging->tci);
	}
}

/* --- ICMP --- */

/* A connection whose probe has the number that the errors here quote. */
static struct talk talk_probed_in_icmp(__u8 family)
{
	struct talk t = talk_probed(family);

	t.model.snd_nxt = t.model.snd_una = FRAME_QUOTED_SEQ + 1;
	shield_put_flow(&t.tuple, &t.model);
	return t;
}

/* The error passes as it came; whether it was taken. */
static bool refuses(const struct talk *t, __u8 type, __u8 code)
{
	struct flow want, after;
	struct outcome o;
	struct frame f;

	assert_true(shield_flow(&t->tuple, &want));
	packet_build_icmp(&f, &t->tuple, type, code, 0);
	o = shield_receive(&f);
	assert_verdict(o, V_OTHER);
	assert_true(shield_flow(&t->tuple, &after));
	if (o.noted[V_PROBE_REFUSED])
		want.probes |= FLOW_PROBE_REFUSED;
	assert_memory_equal(&after, &want, sizeof(after));
	return o.noted[V_PROBE_REFUSED];
}

/* RFC 9293, 3.9.2.2: that the host itself has nobody there is taken, and nothing else. */
static void test_probed_icmp_error_only_a_refusal_is_taken(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct talk t = talk_probed_in_icmp(families[i]);

		for (int type = 0; type < 16; type++) {
			for (int code = 0; code < 16; code++) {
				bool refusal = families[i] == FAMILY_IPV4 ? type == 3 && (code == 2 || code == 3)
									  : type == 1 && code == 4;

				shield_put_flow(&t.tuple, &t.model);
				assert_int_equal(refuses(&t, type, code), refusal);
			}
		}
	}
}

static void assert_not_refused(const struct talk *t)
{
	shield_put_flow(&t->tuple, &t->model);
	assert_false(refuses(t, t->tuple.family == FAMILY_IPV4 ? 3 : 1, t->tuple.family == FAMILY_IPV4 ? 3 : 4));
}

static void test_icmp_error_that_answers_no_probe_is_not_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		const struct talk t = talk_probed_in_icmp(families[i]);
		struct talk changed = t;

		changed.model.snd_nxt++;
		assert_not_refused(&changed);
		changed.model.snd_nxt -= 2;
		assert_not_refused(&changed);
		changed = t;
		changed.model.probes &= ~FLOW_PROBE_AWAITED;
		assert_not_refused(&changed);
		changed = t;
		changed.model.owner = FLOW_OWNER_DAEMON; /* on a port where none of its connections are */
		assert_not_refused(&changed);
		changed = t;
		changed.model.deadline_ns = shield_now_ns();
		assert_not_refused(&changed);
	}
}

static void test_icmp_error_of_an_opened_connection_is_taken(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct talk t = talk_probed_in_icmp(families[i]);

		shield_reset(state);
		t.tuple = shield_tuple(families[i], PORT_EPHEMERAL);
		t.model.tag = flow_tag(&t.tuple);
		assert_not_refused(&t); /* nothing is tracked on this port */
		shield_track_outgoing(true);
		assert_true(refuses(&t, families[i] == FAMILY_IPV4 ? 3 : 1, families[i] == FAMILY_IPV4 ? 2 : 4));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_probed_answer_dropped_and_peer_lives, shield_reset),
		cmocka_unit_test_setup(test_probed_answer_in_a_padded_or_tagged_frame_dropped, shield_reset),
		cmocka_unit_test_setup(test_probed_answer_dropped_under_any_policy, shield_reset),
		cmocka_unit_test_setup(test_probed_next_text_passes, shield_reset),
		cmocka_unit_test_setup(test_probed_answer_with_ip_options_passes, shield_reset),
		cmocka_unit_test_setup(test_probed_answer_with_further_options_passes, shield_reset),
		cmocka_unit_test_setup(test_probed_answer_with_timestamps_elsewhere_passes, shield_reset),
		cmocka_unit_test_setup(test_probed_answer_marked_on_its_way_passes, shield_reset),
		cmocka_unit_test_setup(test_probed_socket_that_probes_itself_answer_passes, shield_reset),
		cmocka_unit_test_setup(test_probed_socket_is_gone_answer_passes, shield_reset),
		cmocka_unit_test_setup(test_probed_owner_sends_answer_passes, shield_reset),
		cmocka_unit_test_setup(test_own_segment_next_hop_class_and_label_are_learnt, shield_reset),
		cmocka_unit_test_setup_teardown(test_own_segment_behind_tags_next_hop_known_behind_one, load_tagged,
						unload_tagged),
		cmocka_unit_test_setup(test_probed_icmp_error_only_a_refusal_is_taken, shield_reset),
		cmocka_unit_test_setup(test_icmp_error_that_answers_no_probe_is_not_taken, shield_reset),
		cmocka_unit_test_setup(test_icmp_error_of_an_opened_connection_is_taken, shield_reset),
	};

	return shield_run_tests("probe", tests, ARRAY_LEN(tests));
}
