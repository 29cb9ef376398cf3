// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Connections that the kernel has and the tables have not: the record is made from the socket at their next segment,
 * and a SYN on them is the socket's to answer. The sockets are real; the peer's segments are crafted.
 */
#include <linux/bpf.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sockets.h"
#include "talk.h"

#define ACK TCP_FLAG_ACK

/* A connection to the service, and a talk that goes on where its sockets are. */
static struct connection connect_and_talk(struct talk *t, __u8 family)
{
	struct connection c = sockets_connect(shield_listener(family, PORT_ALWAYS), family, PORT_ALWAYS);

	talk_init(t, family, PORT_ALWAYS);
	t->offer.has_timestamps = false; /* a segment without them is the tracker's business all the same */
	t->tuple = c.tuple;
	sockets_numbers(c.local, &t->own_nxt, &t->peer_nxt);
	return c;
}

static void assert_options_are_sockets(const struct flow *f, int fd)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
	assert_int_equal(f->snd_wscale, info.tcpi_snd_wscale);
	assert_int_equal(f->rcv_wscale, info.tcpi_rcv_wscale);
	assert_int_equal(!!(f->flags & FLOW_TIMESTAMPS), !!(info.tcpi_options & TCPI_OPT_TIMESTAMPS));
	assert_int_equal(!!(f->flags & FLOW_SACK), !!(info.tcpi_options & TCPI_OPT_SACK));
	assert_int_equal(!!(f->flags & FLOW_WSCALE), !!(info.tcpi_options & TCPI_OPT_WSCALE));
	assert_true(f->mss > 0);
}

static void next_segment_adopts(__u8 family)
{
	struct talk t;
	struct connection c = connect_and_talk(&t, family);
	struct packet_spec data = talk_peer_segment(&t, ACK, 100);
	struct outcome o = shield_receive_packet(&data);

	assert_verdict(o, V_ADOPTED);
	assert_int_equal(o.hint, SHIELD_HINT_NONE);
	assert_true(shield_flow(&t.tuple, &t.model));
	t.peer_nxt += 100;
	talk_assert_state(&t, TCPS_ESTABLISHED);
	assert_true(t.model.flags & FLOW_ADOPTED);
	assert_int_equal(t.model.snd_una, t.own_nxt);
	assert_options_are_sockets(&t.model, c.local);
	talk_owner_sends(&t, ACK, 10);
	assert_verdict(talk_peer_sends(&t, ACK, 10), V_SEGMENT);
	talk_assert_state(&t, TCPS_ESTABLISHED);
	sockets_close(&c);
}

static void test_socket_established_next_segment_adopted(void **state)
{
	(void)state;
	next_segment_adopts(FAMILY_IPV4);
	next_segment_adopts(FAMILY_IPV6);
}

/* Numbers come from the socket, never from the packet. */
static void test_socket_established_forged_segment_adopts_sockets_numbers(void **state)
{
	struct talk t;
	struct connection c = connect_and_talk(&t, FAMILY_IPV4);
	struct packet_spec forged = talk_peer_segment(&t, TCP_FLAG_RST | ACK, 0);

	(void)state;
	forged.seq += 0x40000000;
	forged.ack += 0x40000000;
	assert_verdict(shield_receive_packet(&forged), V_ADOPTED);
	assert_true(shield_flow(&t.tuple, &t.model));
	talk_assert_state(&t, TCPS_ESTABLISHED);
	sockets_close(&c);
}

static void test_socket_close_wait_adopted_in_close_wait(void **state)
{
	struct talk t;
	struct connection c = connect_and_talk(&t, FAMILY_IPV4);
	struct packet_spec ack;
	char byte;

	(void)state;
	shutdown(c.remote, SHUT_WR);
	assert_int_equal(read(c.local, &byte, 1), 0);
	t.peer_nxt++;
	ack = talk_peer_segment(&t, ACK, 0);
	assert_verdict(shield_receive_packet(&ack), V_ADOPTED);
	assert_true(shield_flow(&t.tuple, &t.model));
	talk_assert_state(&t, TCPS_CLOSE_WAIT);
	assert_int_equal(t.model.rcv_max, t.peer_nxt - 1);
	talk_owner_sends(&t, TCP_FLAG_FIN | ACK, 0);
	talk_assert_state(&t, TCPS_LAST_ACK);
	talk_peer_sends(&t, ACK, 0);
	talk_assert_ended(&t, TCPS_COUNT);
	sockets_close(&c);
}

static void test_socket_fin_wait_2_adopted_in_fin_wait_2(void **state)
{
	struct talk t;
	struct connection c = connect_and_talk(&t, FAMILY_IPV6);
	struct packet_spec data;
	char byte;

	(void)state;
	shutdown(c.local, SHUT_WR);
	assert_int_equal(read(c.remote, &byte, 1), 0);
	t.own_nxt++;
	data = talk_peer_segment(&t, ACK, 40);
	assert_verdict(shield_receive_packet(&data), V_ADOPTED);
	t.peer_nxt += 40;
	assert_true(shield_flow(&t.tuple, &t.model));
	talk_assert_state(&t, TCPS_FIN_WAIT_2);
	assert_int_equal(t.model.snd_fin, t.own_nxt - 1);
	talk_peer_sends(&t, TCP_FLAG_FIN | ACK, 0);
	talk_assert_ended(&t, TCPS_TIME_WAIT);
	sockets_close(&c);
}

/* The record of a cookie's connection was lost: its socket makes a new one, the cookie none. */
static void test_socket_established_cookie_ack_adopted(void **state)
{
	struct packet_spec ack;
	struct connection c;
	struct flow f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	c = sockets_connect(shield_listener(FAMILY_IPV4, PORT_ALWAYS), FAMILY_IPV4, PORT_ALWAYS);
	sockets_close(&c);
	t.tuple = c.tuple;
	talk_get_cookie(&t); /* for a tuple that is free at this moment */
	sockets_connect_from(&c, shield_listener(FAMILY_IPV4, PORT_ALWAYS));
	ack = talk_peer_segment(&t, ACK, 0);
	assert_verdict(shield_receive_packet(&ack), V_ADOPTED);
	assert_true(shield_flow(&t.tuple, &f));
	assert_int_equal(f.flags & (FLOW_COOKIE | FLOW_HANDOVER), 0);
	sockets_close(&c);
}

static void test_socket_established_syn_passed(void **state)
{
	struct talk t;
	struct connection c = connect_and_talk(&t, FAMILY_IPV6);
	struct packet_spec syn = talk_syn(&t);

	(void)state;
	assert_verdict(shield_receive_packet(&syn), V_SYN_LIVE);
	sockets_close(&c);
	assert_verdict(shield_receive_packet(&syn), V_SYN_COOKIE);
}

static void time_wait_is_the_owners(__u8 family)
{
	struct talk t;
	struct connection c = connect_and_talk(&t, family);
	struct packet_spec syn = talk_syn(&t), ack = talk_peer_segment(&t, ACK, 0);
	struct flow f;

	sockets_close_to_time_wait(&c);
	assert_verdict(shield_receive_packet(&syn), V_SYN_LIVE);
	assert_verdict(shield_receive_packet(&ack), V_SOCKET);
	assert_false(shield_flow(&t.tuple, &f));
}

static void test_socket_time_wait_syn_and_segment_passed(void **state)
{
	(void)state;
	time_wait_is_the_owners(FAMILY_IPV4);
	time_wait_is_the_owners(FAMILY_IPV6);
}

/* Whether the packet gets the verdict now or within a second: what is on the wire takes its time. */
static bool comes_to(const struct packet_spec *spec, enum verdict verdict)
{
	for (int ms = 0; ms < 1000; ms++) {
		if (shield_receive_packet(spec).verdict == verdict)
			return true;
		usleep(1000);
	}
	return false;
}

/* A request socket, made by the kernel before the programs were there. */
static void test_socket_handshake_under_way_segment_and_syn_passed(void **state)
{
	struct packet_spec syn, ack;
	struct frame f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	syn = talk_syn(&t);
	packet_build(&f, &syn);
	sockets_inject(&f);
	assert_true(comes_to(&syn, V_SYN_LIVE));
	t.peer_nxt++;
	ack = talk_peer_segment(&t, ACK, 0);
	assert_verdict(shield_receive_packet(&ack), V_SOCKET);
	ack = talk_peer_segment(&t, TCP_FLAG_RST, 0); /* sockets go, too, with their peer's reset */
	packet_build(&f, &ack);
	sockets_inject(&f);
	assert_true(comes_to(&syn, V_SYN_COOKIE));
}

/* What the socket itself sends is as good an occasion, and shows tc_egress its socket. */
static void own_segment_adopts(__u8 family)
{
	struct talk t;
	struct connection c = connect_and_talk(&t, family);
	__u64 adopted = shield_count(V_OWN_ADOPTED);

	shield_attach("lo");
	assert_int_equal(send(c.local, "0123456789", 10, 0), 10);
	assert_int_equal(recv(c.remote, (char[16]){}, 10, MSG_WAITALL), 10);
	shield_detach();
	assert_int_equal(shield_count(V_OWN_ADOPTED), adopted + 1);
	t.own_nxt += 10;
	assert_true(shield_flow(&t.tuple, &t.model));
	talk_assert_state(&t, TCPS_ESTABLISHED);
	assert_options_are_sockets(&t.model, c.local);
	sockets_close(&c);
}

static void test_socket_established_own_segment_adopted(void **state)
{
	(void)state;
	own_segment_adopts(FAMILY_IPV4);
	own_segment_adopts(FAMILY_IPV6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_socket_established_next_segment_adopted, shield_reset),
		cmocka_unit_test_setup(test_socket_established_forged_segment_adopts_sockets_numbers, shield_reset),
		cmocka_unit_test_setup(test_socket_close_wait_adopted_in_close_wait, shield_reset),
		cmocka_unit_test_setup(test_socket_fin_wait_2_adopted_in_fin_wait_2, shield_reset),
		cmocka_unit_test_setup(test_socket_established_cookie_ack_adopted, shield_reset),
		cmocka_unit_test_setup(test_socket_established_syn_passed, shield_reset),
		cmocka_unit_test_setup(test_socket_time_wait_syn_and_segment_passed, shield_reset),
		cmocka_unit_test_setup(test_socket_handshake_under_way_segment_and_syn_passed, shield_reset),
		cmocka_unit_test_setup(test_socket_established_own_segment_adopted, shield_reset),
	};

	return shield_run_tests("adoption", tests, ARRAY_LEN(tests));
}
