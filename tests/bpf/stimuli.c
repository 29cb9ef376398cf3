// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <unistd.h>

#include "listed.h"
#include "sockets.h"
#include "steered.h"
#include "stimuli.h"

#define ACK TCP_FLAG_ACK

static struct connection connection = { -1, -1, {} }; /* of the stimulus at work */

/* --- XDP: not ours, not well-formed --- */

static enum hook syn_frame(struct frame *f, __u8 family, __u16 port)
{
	struct packet_spec syn;
	struct talk t;

	talk_init(&t, family, port);
	syn = talk_syn(&t);
	packet_build(f, &syn);
	return XDP_INGRESS;
}

static enum hook segment_frame(struct frame *f, const struct talk *t, __u8 flags, __u32 ahead)
{
	struct packet_spec spec = talk_peer_segment(t, flags, 0);

	spec.seq += ahead;
	packet_build(f, &spec);
	return XDP_INGRESS;
}

static enum hook udp(struct frame *f)
{
	syn_frame(f, FAMILY_IPV4, PORT_ALWAYS);
	f->bytes[FRAME_ETH_BYTES + 9] = 17;
	return XDP_INGRESS;
}

static enum hook no_service(struct frame *f)
{
	return syn_frame(f, FAMILY_IPV6, PORT_NO_SERVICE);
}

static enum hook fragment(struct frame *f)
{
	syn_frame(f, FAMILY_IPV4, PORT_ALWAYS);
	packet_build_put16(f, FRAME_ETH_BYTES + 6, 0x2000);
	return XDP_INGRESS;
}

static enum hook source_route(struct frame *f)
{
	static const __u8 loose_source_route[4] = { 131, 3, 4 };

	syn_frame(f, FAMILY_IPV4, PORT_ALWAYS);
	packet_build_put_ip_options(f, loose_source_route, sizeof(loose_source_route));
	return XDP_INGRESS;
}

static enum hook over_budget(struct frame *f)
{
	fragment(f);
	shield_config.budget_per_second = 0; /* nothing is passed */
	shield_configure();
	return XDP_INGRESS;
}

static enum hook data_offset_of_four(struct frame *f)
{
	syn_frame(f, FAMILY_IPV6, PORT_ALWAYS);
	f->bytes[FRAME_ETH_BYTES + FRAME_IPV6_BYTES + 12] = 0x40;
	return XDP_INGRESS;
}

static enum hook syn_with_fin(struct frame *f)
{
	syn_frame(f, FAMILY_IPV4, PORT_ALWAYS);
	f->bytes[FRAME_ETH_BYTES + FRAME_IPV4_BYTES + 13] |= TCP_FLAG_FIN;
	return XDP_INGRESS;
}

static enum hook option_of_length_zero(struct frame *f)
{
	syn_frame(f, FAMILY_IPV4, PORT_ALWAYS);
	f->bytes[FRAME_ETH_BYTES + FRAME_IPV4_BYTES + FRAME_TCP_BYTES + 1] = 0;
	return XDP_INGRESS;
}

static enum hook from_loopback_address(struct frame *f)
{
	syn_frame(f, FAMILY_IPV4, PORT_ALWAYS);
	f->bytes[FRAME_ETH_BYTES + 12] = 127;
	return XDP_INGRESS;
}

static enum hook from_denied_source(struct frame *f)
{
	struct tuple t = shield_tuple(FAMILY_IPV4, PORT_ALWAYS);

	listed_put(&t, 24, SOURCE_DENY, 0);
	return syn_frame(f, FAMILY_IPV4, PORT_ALWAYS);
}

/* --- XDP: SYNs --- */

static enum hook syn(struct frame *f)
{
	return syn_frame(f, FAMILY_IPV6, PORT_ALWAYS);
}

static enum hook syn_to_forwarded_address(struct frame *f)
{
	struct packet_spec syn;
	struct talk t;

	sockets_sysctl("ip_forward", 1); /* stimuli_end() sets it back */
	talk_init(&t, FAMILY_IPV4, PORT_WILDCARD);
	t.tuple.local[0] = net32(0xcb007105); /* 203.0.113.5, behind the wire */
	syn = talk_syn(&t);
	packet_build(f, &syn);
	return XDP_INGRESS;
}

static enum hook syn_to_monitored_service(struct frame *f)
{
	return syn_frame(f, FAMILY_IPV4, PORT_MONITOR);
}

static enum hook syn_to_service_off(struct frame *f)
{
	return syn_frame(f, FAMILY_IPV6, PORT_OFF);
}

static enum hook syn_to_service_in_calm(struct frame *f)
{
	return syn_frame(f, FAMILY_IPV4, PORT_AUTO);
}

static enum hook syn_while_draining(struct frame *f)
{
	shield_config.phase = DEVICE_DRAINING;
	shield_configure();
	return syn_frame(f, FAMILY_IPV4, PORT_ALWAYS);
}

static void connect_here(struct talk *t)
{
	connection = sockets_connect(shield_listener(FAMILY_IPV4, PORT_ALWAYS), FAMILY_IPV4, PORT_ALWAYS);
	talk_init(t, FAMILY_IPV4, PORT_ALWAYS);
	t->tuple = connection.tuple;
	sockets_numbers(connection.local, &t->own_nxt, &t->peer_nxt);
}

static enum hook syn_on_connection(struct frame *f)
{
	struct talk t;

	connect_here(&t);
	return segment_frame(f, &t, TCP_FLAG_SYN, 0);
}

static enum hook syn_without_listener(struct frame *f)
{
	return syn_frame(f, FAMILY_IPV4, PORT_UNHEARD);
}

static enum hook syn_to_mptcp_listener(struct frame *f)
{
	connection.local = sockets_listen_mptcp(FAMILY_IPV4, PORT_MPTCP);
	return syn_frame(f, FAMILY_IPV4, PORT_MPTCP);
}

static enum hook syn_with_syncookies_always(struct frame *f)
{
	sockets_sysctl("tcp_syncookies", 2); /* stimuli_end() sets it back */
	return syn_to_mptcp_listener(f);
}

static int full_listener = -1, queued = -1;

static enum hook syn_to_full_queue(struct frame *f)
{
	struct packet_spec syn;
	struct talk t;

	full_listener = sockets_listen(FAMILY_IPV4, PORT_UNHEARD);
	queued = sockets_fill_queue(full_listener);
	talk_init(&t, FAMILY_IPV4, PORT_UNHEARD);
	syn = talk_syn(&t);
	packet_build(f, &syn);
	return XDP_INGRESS;
}

static enum hook syn_while_handover_passes(struct frame *f)
{
	shield_config.best_handover = HANDOVER_PASS;
	shield_configure();
	return syn_frame(f, FAMILY_IPV4, PORT_ALWAYS);
}

static enum hook syn_without_syncookies(struct frame *f)
{
	sockets_sysctl("tcp_syncookies", 0); /* stimuli_end() sets it back */
	return syn_frame(f, FAMILY_IPV4, PORT_ALWAYS);
}

/* The second within the time that one answer takes. */
static enum hook syns_from_one_prefix(struct frame *f)
{
	shield_config.answers_per_prefix = 1;
	shield_configure();
	syn(f);
	shield_receive(f);
	return syn(f);
}

static enum hook syn_with_md5(struct frame *f)
{
	__u8 *options = f->bytes + FRAME_ETH_BYTES + FRAME_IPV4_BYTES + FRAME_TCP_BYTES;

	syn_frame(f, FAMILY_IPV4, PORT_ALWAYS);
	options[0] = TCP_OPTION_MD5;
	options[1] = 18;
	options[18] = TCP_OPTION_EOL;
	return XDP_INGRESS;
}

static enum hook syn_with_md5_that_may_pass(struct frame *f)
{
	shield_pass_signed(FAMILY_IPV4, PORT_ALWAYS, true); /* stimuli_end() sets it back */
	return syn_with_md5(f);
}

/* --- XDP: segments of flows --- */

static enum hook on_flow(struct frame *f, __u8 flags, __u32 ahead)
{
	struct talk t;

	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_establish(&t);
	return segment_frame(f, &t, flags, ahead);
}

static enum hook next_segment(struct frame *f)
{
	return on_flow(f, ACK, 0);
}

static enum hook segment_far_ahead(struct frame *f)
{
	return on_flow(f, ACK, 1 << 28);
}

static enum hook rst_inexact(struct frame *f)
{
	return on_flow(f, TCP_FLAG_RST, 100);
}

static enum hook ack_of_what_was_never_sent(struct frame *f)
{
	struct packet_spec spec;
	struct talk t;

	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_establish(&t);
	spec = talk_peer_segment(&t, ACK, 0);
	spec.ack += 1000;
	packet_build(f, &spec);
	return XDP_INGRESS;
}

static enum hook fin_without_ack(struct frame *f)
{
	return on_flow(f, TCP_FLAG_FIN, 0);
}

static void half_open(struct talk *t, struct frame *f)
{
	struct packet_spec spec;

	talk_init(t, FAMILY_IPV4, PORT_OFF);
	t->peer_nxt++;
	t->own_nxt = 5000;
	spec = talk_owner_segment(t, TCP_FLAG_SYN | ACK, 0);
	packet_build(f, &spec);
	t->own_nxt++;
}

static enum hook ack_of_own_syn_ack(struct frame *f)
{
	struct talk t;

	half_open(&t, f);
	shield_send(f);
	return segment_frame(f, &t, ACK, 0);
}

static enum hook segment_before_ack_of_syn_ack(struct frame *f)
{
	struct talk t;

	half_open(&t, f);
	shield_send(f);
	t.own_nxt--;
	return segment_frame(f, &t, ACK, 0);
}

static enum hook segment_in_time_wait(struct frame *f)
{
	struct talk t;

	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_establish(&t);
	talk_owner_sends(&t, TCP_FLAG_FIN | ACK, 0);
	talk_peer_sends(&t, TCP_FLAG_FIN | ACK, 0);
	return segment_frame(f, &t, ACK, 0);
}

/* --- XDP: handshakes that this host began --- */

/* This host's SYN, from a port that no service names. */
static void own_syn(struct talk *t, struct frame *f)
{
	struct packet_spec spec;

	shield_track_outgoing(true);
	talk_init(t, FAMILY_IPV6, PORT_EPHEMERAL);
	t->own_nxt = 5000;
	spec = talk_owner_segment(t, TCP_FLAG_SYN, 0);
	packet_build(f, &spec);
}

static enum hook syn_ack_of_own_syn(struct frame *f)
{
	struct talk t;

	own_syn(&t, f);
	shield_send(f);
	t.own_nxt++;
	return segment_frame(f, &t, TCP_FLAG_SYN | ACK, 0);
}

/* --- XDP: segments without a flow --- */

static enum hook answer_to_probe(struct frame *f)
{
	struct talk t, of_socket;

	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_establish(&t);
	connect_here(&of_socket);
	t.tuple = of_socket.tuple;
	t.model.tag = flow_tag(&t.tuple);
	t.model.probes = FLOW_PROBE_AWAITED | 1;
	shield_put_flow(&t.tuple, &t.model);
	return segment_frame(f, &t, ACK, 0);
}

static enum hook cookie_ack(struct frame *f)
{
	struct talk t;

	talk_init(&t, FAMILY_IPV6, PORT_ALWAYS);
	talk_get_cookie(&t);
	return segment_frame(f, &t, ACK, 0);
}

static const struct source_limits new_1 = { .new_per_second = 1, .prefix_ipv4 = 32, .prefix_ipv6 = 64 };
static const struct source_limits open_1 = { .open = 1, .prefix_ipv4 = 32, .prefix_ipv6 = 64 };

/* Another peer of a source that has had its only connection just now. */
static enum hook limited_frame(struct frame *f, const struct source_limits *limits, __u8 flags)
{
	struct talk first, next;

	shield_set_limits(PORT_ALWAYS, limits, 0);
	talk_init(&first, FAMILY_IPV6, PORT_ALWAYS);
	next = first;
	next.tuple.remote_port++;
	if (flags == ACK)
		talk_get_cookie(&next);
	talk_open(&first);
	return segment_frame(f, &next, flags, 0);
}

static enum hook syn_over_rate(struct frame *f)
{
	return limited_frame(f, &new_1, TCP_FLAG_SYN);
}

static enum hook syn_over_open(struct frame *f)
{
	return limited_frame(f, &open_1, TCP_FLAG_SYN);
}

static enum hook ack_over_rate(struct frame *f)
{
	return limited_frame(f, &new_1, ACK);
}

static enum hook ack_over_open(struct frame *f)
{
	return limited_frame(f, &open_1, ACK);
}

static enum hook kernel_cookie_ack(struct frame *f)
{
	struct talk t;

	sockets_sysctl("tcp_syncookies", 2); /* stimuli_end() sets it back */
	shield_config.best_handover = HANDOVER_HELPER;
	shield_configure();
	talk_init(&t, FAMILY_IPV6, PORT_ALWAYS);
	talk_get_kernel_cookie(&t);
	return segment_frame(f, &t, ACK, 0);
}

static enum hook cookie_ack_after_rst(struct frame *f)
{
	struct talk t;

	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_open(&t);
	segment_frame(f, &t, ACK, 0);
	talk_peer_sends(&t, TCP_FLAG_RST, 0);
	return XDP_INGRESS;
}

static enum hook segment_of_connection(struct frame *f)
{
	struct talk t;

	connect_here(&t);
	return segment_frame(f, &t, ACK, 0);
}

static enum hook segment_of_connection_without_room(struct frame *f)
{
	struct talk t;

	connect_here(&t);
	shield_fill_flows();
	return segment_frame(f, &t, ACK, 0);
}

static enum hook segment_after_own_rst(struct frame *f)
{
	struct talk t;

	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_open(&t);
	talk_owner_sends(&t, TCP_FLAG_RST, 0);
	return segment_frame(f, &t, ACK, 0);
}

static enum hook segment_of_time_wait_socket(struct frame *f)
{
	struct talk t;

	connect_here(&t);
	sockets_close_to_time_wait(&connection);
	return segment_frame(f, &t, ACK, 0);
}

static enum hook stray_segment(struct frame *f, __u16 port)
{
	struct talk t;

	talk_init(&t, FAMILY_IPV4, port);
	return segment_frame(f, &t, ACK, 0);
}

static enum hook segment_to_service_off(struct frame *f)
{
	return stray_segment(f, PORT_OFF);
}

static enum hook segment_without_listener(struct frame *f)
{
	return stray_segment(f, PORT_UNHEARD);
}

static enum hook segment_to_service_always(struct frame *f)
{
	return stray_segment(f, PORT_ALWAYS);
}

/* --- XDP: of the daemon's --- */

static enum hook daemon_frame(struct frame *f, __u16 port, __u8 flags)
{
	struct packet_spec spec;
	struct talk t;

	talk_init(&t, FAMILY_IPV6, port);
	spec = flags & TCP_FLAG_SYN ? talk_syn(&t) : talk_peer_segment(&t, flags, 0);
	packet_build(f, &spec);
	return XDP_INGRESS;
}

static void daemon_cookie_ack_frame(struct frame *f, struct talk *t)
{
	talk_init(t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	talk_get_cookie(t);
	segment_frame(f, t, ACK, 0);
}

static enum hook daemon_cookie_ack(struct frame *f)
{
	struct talk t;

	daemon_cookie_ack_frame(f, &t);
	return XDP_INGRESS;
}

static enum hook daemon_cookie_ack_without_room(struct frame *f)
{
	daemon_cookie_ack(f);
	shield_fill_flows();
	return XDP_INGRESS;
}

static enum hook daemon_segment(struct frame *f)
{
	daemon_cookie_ack(f);
	shield_receive(f);
	return XDP_INGRESS;
}

static enum hook daemon_segment_beyond_buffer(struct frame *f)
{
	daemon_segment(f);
	shield_config.daemon_frame_bytes = f->length - 1;
	shield_configure();
	return XDP_INGRESS;
}

static enum hook daemon_syn(struct frame *f)
{
	return daemon_frame(f, PORT_DAEMON_OFF, TCP_FLAG_SYN);
}

static enum hook daemon_stranger(struct frame *f)
{
	return daemon_frame(f, PORT_DAEMON_OFF, ACK);
}

static enum hook daemon_handshake_segment(struct frame *f)
{
	struct talk t;

	steered_put_record(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS, STEERED_HALF_OPEN);
	segment_frame(f, &t, ACK, 0);
	return XDP_INGRESS;
}

static enum hook daemon_gone(struct frame *f)
{
	shield_put_daemon(false);
	return daemon_frame(f, PORT_DAEMON_ALWAYS, TCP_FLAG_SYN);
}

static enum hook daemon_gone_refused(struct frame *f)
{
	shield_put_daemon(false);
	return daemon_frame(f, PORT_DAEMON_REFUSE, TCP_FLAG_SYN);
}

static enum hook daemon_fragment(struct frame *f)
{
	syn_frame(f, FAMILY_IPV4, PORT_DAEMON_OFF);
	packet_build_put16(f, FRAME_ETH_BYTES + 6, 0x2000);
	return XDP_INGRESS;
}

/* A segment of a connection in TIME-WAIT with timestamps, whose record awaits seq. */
static enum hook time_wait_segment(struct frame *f, __u8 flags, bool timestamps, __u32 payload_bytes)
{
	struct packet_spec spec;
	struct ended e;
	struct talk t;

	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	e = (struct ended){
		.deadline_ms = shield_now_ms() + 1000000,
		.rcv_tsval = t.offer.tsval,
		.rcv_nxt = t.peer_nxt,
		.state = TCPS_TIME_WAIT,
		.owner = FLOW_OWNER_DAEMON,
		.flags = FLOW_TIMESTAMPS,
	};
	shield_put_ended(&t.tuple, &e);
	shield_fill_presence();
	t.peer_nxt += flags & TCP_FLAG_SYN;
	t.offer.has_timestamps = timestamps;
	t.offer.tsval += 10;
	spec = flags & TCP_FLAG_SYN ? talk_syn(&t) : talk_peer_segment(&t, flags, payload_bytes);
	packet_build(f, &spec);
	return XDP_INGRESS;
}

static enum hook daemon_syn_again(struct frame *f)
{
	return time_wait_segment(f, TCP_FLAG_SYN, true, 0);
}

static enum hook time_wait_text(struct frame *f)
{
	return time_wait_segment(f, ACK, true, 1);
}

static enum hook time_wait_pure_ack(struct frame *f)
{
	return time_wait_segment(f, ACK, true, 0);
}

static enum hook time_wait_rst(struct frame *f)
{
	return time_wait_segment(f, TCP_FLAG_RST, true, 0);
}

static enum hook time_wait_text_without_timestamp(struct frame *f)
{
	return time_wait_segment(f, ACK, false, 1);
}

static enum hook daemon_icmp(struct frame *f)
{
	struct talk t;

	daemon_cookie_ack_frame(f, &t);
	shield_receive(f);
	packet_build_icmp(f, &t.tuple, 3, 1, 0);
	return XDP_INGRESS;
}

/* --- TC ingress --- */

/* A cookie's flow that no socket has yet; the connection is at PORT_UNHEARD, whose listener the row may close. */
static void await_handover(struct talk *t)
{
	connection.local = sockets_listen(FAMILY_IPV4, PORT_UNHEARD);
	talk_init(t, FAMILY_IPV4, PORT_UNHEARD);
	talk_open(t);
	shield_set_metadata_missing(true);
}

static enum hook first_segment_too_late(struct frame *f)
{
	struct talk t;

	await_handover(&t);
	shield_advance(100 * NSEC_PER_SEC);
	talk_peer_sends(&t, ACK, 0);
	shield_advance(100 * NSEC_PER_SEC);
	segment_frame(f, &t, ACK, 0);
	return TC_INGRESS;
}

static enum hook second_segment_first(struct frame *f)
{
	struct talk t;

	await_handover(&t);
	segment_frame(f, &t, ACK, 10);
	assert_noted(shield_hand_over(f), V_HANDOVER_AGAIN);
	return TC_INGRESS_AGAIN;
}

static enum hook first_segment_without_listener(struct frame *f)
{
	struct talk t;

	await_handover(&t);
	close(connection.local);
	connection.local = -1;
	segment_frame(f, &t, ACK, 0);
	return TC_INGRESS;
}

static enum hook first_segment_outside_tc(struct frame *f)
{
	struct talk t;

	await_handover(&t);
	segment_frame(f, &t, ACK, 0);
	return TC_INGRESS; /* the kernel lets a test run hand nothing over */
}

/* --- TC egress --- */

static enum hook owner_segment(struct frame *f)
{
	struct packet_spec spec;
	struct talk t;

	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_open(&t);
	spec = talk_owner_segment(&t, ACK, 10);
	packet_build(f, &spec);
	return TC_EGRESS;
}

static enum hook owner_syn_ack(struct frame *f)
{
	struct talk t;

	half_open(&t, f);
	return TC_EGRESS;
}

static enum hook owner_syn(struct frame *f)
{
	struct talk t;

	own_syn(&t, f);
	return TC_EGRESS;
}

/* The ACK that a connection of the owner's ends with, by its record: the socket in TIME-WAIT can not be asked. */
static enum hook owner_ack_in_time_wait(struct frame *f)
{
	const struct ended e = { .state = TCPS_TIME_WAIT, .deadline_ms = shield_now_ms() + 60000 };
	struct packet_spec spec;
	struct talk t;

	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	shield_put_ended(&t.tuple, &e);
	spec = talk_owner_segment(&t, ACK, 0);
	packet_build(f, &spec);
	return TC_EGRESS;
}

static enum hook owner_rst_without_flow(struct frame *f)
{
	struct packet_spec spec;
	struct talk t;

	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	spec = talk_owner_segment(&t, TCP_FLAG_RST, 0);
	packet_build(f, &spec);
	return TC_EGRESS;
}

/* --- the table --- */

const struct stimulus stimuli[] = {
	{ V_OTHER, udp },
	{ V_NO_SERVICE, no_service },
	{ V_TRANSIT, syn_to_forwarded_address },
	{ V_FRAGMENT, fragment },
	{ V_NOT_UNDERSTOOD, source_route },
	{ V_UNVERIFIED_OVER_BUDGET, over_budget },
	{ V_MALFORMED, data_offset_of_four },
	{ V_BAD_FLAGS, syn_with_fin },
	{ V_BAD_OPTIONS, option_of_length_zero },
	{ V_IMPOSSIBLE_ADDRESS, from_loopback_address },
	{ V_DENIED, from_denied_source },
	{ V_MONITORED, syn_to_monitored_service },
	{ V_SYN_COOKIE, syn },
	{ V_SYN_OFF, syn_to_service_off },
	{ V_SYN_CALM, syn_to_service_in_calm },
	{ V_SYN_DRAINING, syn_while_draining },
	{ V_SYN_LIVE, syn_on_connection },
	{ V_SYN_NO_LISTENER, syn_without_listener },
	{ V_SYN_KERNEL_COOKIE, syn_with_syncookies_always },
	{ V_SYN_NO_COOKIE, syn_to_mptcp_listener },
	{ V_SYN_UNANSWERED, syn_while_handover_passes },
	{ V_SYN_SYSCTL, syn_without_syncookies },
	{ V_SYN_QUEUE_FULL, syn_to_full_queue },
	{ V_SYN_SIGNED, syn_with_md5_that_may_pass },
	{ V_SYN_SIGNED_REFUSED, syn_with_md5 },
	{ V_SYN_SOURCE_RATE, syn_over_rate },
	{ V_SYN_SOURCE_OPEN, syn_over_open },
	{ V_SYN_PREFIX_OVER_BUDGET, syns_from_one_prefix },
	{ V_SEGMENT, next_segment },
	{ V_OUT_OF_WINDOW, segment_far_ahead },
	{ V_CHALLENGED, rst_inexact },
	{ V_BAD_ACK, ack_of_what_was_never_sent },
	{ V_NO_ACK_BIT, fin_without_ack },
	{ V_HALF_OPEN_ACK, ack_of_own_syn_ack },
	{ V_HALF_OPEN_SEGMENT, segment_before_ack_of_syn_ack },
	{ V_TIME_WAIT_SEGMENT, segment_in_time_wait },
	{ V_SYN_ACK, syn_ack_of_own_syn },
	{ V_PROBE_ANSWER, answer_to_probe },
	{ V_COOKIE_ACK, cookie_ack },
	{ V_KERNEL_COOKIE_ACK, kernel_cookie_ack },
	{ V_COOKIE_REPLAY, cookie_ack_after_rst },
	{ V_ADOPTED, segment_of_connection },
	{ V_SOCKET, segment_of_time_wait_socket },
	{ V_SOCKET_NO_ROOM, segment_of_connection_without_room },
	{ V_ENDED_SEGMENT, segment_after_own_rst },
	{ V_STRANGER, segment_to_service_off },
	{ V_NO_SOCKET, segment_without_listener },
	{ V_SOURCE_RATE, ack_over_rate },
	{ V_SOURCE_OPEN, ack_over_open },
	{ V_NO_FLOW, segment_to_service_always },
	{ V_DAEMON_SEGMENT, daemon_segment },
	{ V_DAEMON_SYN, daemon_syn },
	{ V_DAEMON_COOKIE_ACK, daemon_cookie_ack },
	{ V_DAEMON_STRANGER, daemon_stranger },
	{ V_DAEMON_SYN_AGAIN, daemon_syn_again },
	{ V_DAEMON_ICMP, daemon_icmp },
	{ V_DAEMON_UNVERIFIED, daemon_handshake_segment },
	{ V_DAEMON_GONE, daemon_gone },
	{ V_DAEMON_GONE_REFUSED, daemon_gone_refused },
	{ V_DAEMON_FRAGMENT, daemon_fragment },
	{ V_DAEMON_FRAME_TOO_LARGE, daemon_segment_beyond_buffer },
	{ V_DAEMON_NO_ROOM, daemon_cookie_ack_without_room },
	{ V_TIME_WAIT_ACK, time_wait_text },
	{ V_TIME_WAIT_SILENT, time_wait_pure_ack },
	{ V_TIME_WAIT_RST, time_wait_rst },
	{ V_TIME_WAIT_NO_TIMESTAMP, time_wait_text_without_timestamp },
	{ V_HANDOVER_STALE, first_segment_too_late },
	{ V_HANDOVER_EARLY, second_segment_first },
	{ V_HANDOVER_NO_LISTENER, first_segment_without_listener },
	{ V_HANDOVER_REFUSED, first_segment_outside_tc },
	{ V_OWN_SEGMENT, owner_segment },
	{ V_OWN_SYN_ACK, owner_syn_ack },
	{ V_OWN_UNTRACKED, owner_ack_in_time_wait },
	{ V_OWN_SYN, owner_syn },
	{ V_OWN_ANSWER, owner_rst_without_flow },
};

const size_t stimuli_count = ARRAY_LEN(stimuli);

void stimuli_end(void)
{
	close(full_listener);
	close(queued);
	full_listener = queued = -1;
	sockets_close(&connection);
	shield_pass_signed(FAMILY_IPV4, PORT_ALWAYS, false);
	sockets_sysctl("tcp_syncookies", 1);
	sockets_sysctl("ip_forward", 0);
}
