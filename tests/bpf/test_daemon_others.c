// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What is not the daemon's beside what is: ICMP, the kernel's connections on the same ports, what the kernel sends.
 */
#include <linux/bpf.h>

#include "steered.h"

#define ACK TCP_FLAG_ACK

static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

/* --- ICMP --- */

/* In the first row unreachable, then source quench and packet too big, time exceeded, parameter problem. */
static const struct {
	__u8 type4, type6;
} errors[] = { { 3, 1 }, { 4, 2 }, { 11, 3 }, { 12, 4 } };

static void test_every_record_icmp_error_given(void **state)
{
	static const __u16 ports[] = { PORT_DAEMON_ALWAYS, PORT_DAEMON_OFF, PORT_EPHEMERAL };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		for (size_t j = 0; j < ARRAY_LEN(errors); j++) {
			for (enum steered_record record = 0; record < STEERED_RECORDS; record++) {
				struct outcome o;
				struct frame f;
				struct talk t;

				shield_reset(state);
				shield_put_daemon_port(PORT_EPHEMERAL, true);
				steered_put_record(&t, families[i], ports[record], record);
				packet_build_icmp(&f, &t.tuple, i ? errors[j].type6 : errors[j].type4, 1, 0);
				o = shield_receive(&f);
				steered_assert(&o, DAEMON_ICMP);
				packet_build_put_tag(&f, 0x8100, 5);
				o = shield_receive(&f);
				steered_assert(&o, DAEMON_ICMP);
				steered_assert_record(&t, record);
			}
		}
	}
}

static void test_icmp_about_anything_else_passes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		__u8 unreachable = i ? 1 : 3, echo = i ? 128 : 8;
		struct talk t;
		struct frame f;
		struct flow kernels;

		steered_put_record(&t, families[i], PORT_DAEMON_ALWAYS, STEERED_FLOW);
		packet_build_icmp(&f, &t.tuple, echo, 0, 0);
		assert_verdict(shield_receive(&f), V_OTHER);
		t.tuple.remote_port++;
		packet_build_icmp(&f, &t.tuple, unreachable, 1, 0);
		assert_verdict(shield_receive(&f), V_OTHER);
		kernels = steered_flow(&t);
		kernels.owner = FLOW_OWNER_KERNEL;
		shield_put_flow(&t.tuple, &kernels);
		assert_verdict(shield_receive(&f), V_OTHER);
		steered_put_record(&t, families[i], PORT_EPHEMERAL, STEERED_FLOW); /* not a port of the daemon's */
		packet_build_icmp(&f, &t.tuple, unreachable, 1, 0);
		assert_verdict(shield_receive(&f), V_OTHER);
	}
}

static struct outcome kernel_sends(const struct talk *t, __u8 flags)
{
	struct packet_spec spec = talk_owner_segment(t, flags, 0);
	struct frame f;

	packet_build(&f, &spec);
	return shield_send(&f);
}

/* --- two owners --- */

static void test_kernels_flow_on_the_daemons_service_passes(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct flow f;
		struct talk t;

		shield_reset(state);
		talk_init(&t, families[i], PORT_DAEMON_ALWAYS);
		f = steered_flow(&t);
		f.owner = FLOW_OWNER_KERNEL;
		shield_put_flow(&t.tuple, &f);
		assert_verdict(steered_segment(&t, ACK, 0), V_SEGMENT);
	}
}

/* Of a connection that the kernel opens from a port on which the daemon has others. */
static void test_kernels_handshake_and_time_wait_on_the_daemons_port_pass(void **state)
{
	struct talk t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct half_open h = steered_half_open(TCPS_SYN_SENT);
		struct ended e;

		shield_reset(state);
		shield_track_outgoing(true);
		shield_put_daemon_port(PORT_EPHEMERAL, true);
		talk_init(&t, families[i], PORT_EPHEMERAL);
		t.own_nxt = STEERED_ISS + 1;
		h.owner = FLOW_OWNER_KERNEL;
		shield_put_half_open(&t.tuple, &h);
		assert_verdict(steered_segment(&t, TCP_FLAG_SYN | ACK, 0), V_SYN_ACK);
		shield_reset(state);
		shield_track_outgoing(true);
		shield_put_daemon_port(PORT_EPHEMERAL, true);
		e = steered_ended(&t, TCPS_TIME_WAIT, 0);
		e.owner = FLOW_OWNER_KERNEL;
		shield_put_ended(&t.tuple, &e);
		assert_verdict(steered_segment(&t, ACK, 0), V_TIME_WAIT_SEGMENT);
	}
}

/* A service changes hands; connections do not. */
static void test_daemons_connection_outlives_its_service(void **state)
{
	static const enum verdict of_record[] = { V_DAEMON_SEGMENT, V_DAEMON_UNVERIFIED, V_TIME_WAIT_ACK };
	struct outcome o;
	struct talk t;

	(void)state;
	for (enum steered_record record = 0; record < STEERED_RECORDS; record++) {
		steered_put_record(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS, record);
		shield_put_service(FAMILY_IPV4, PORT_DAEMON_ALWAYS, false, POLICY_OFF, 0);
		shield_put_daemon_port(PORT_DAEMON_ALWAYS, true);
		shield_fill_presence();
		o = steered_segment(&t, ACK, 10);
		assert_verdict(o, of_record[record]);
		t.peer_nxt++; /* so that it may begin anew */
		o = steered_syn(&t);
		assert_verdict(o, record == STEERED_TIME_WAIT ? V_DAEMON_SYN_AGAIN : V_DAEMON_SYN);
		shield_reset(state);
	}
	shield_put_daemon_service(FAMILY_IPV4, PORT_DAEMON_ALWAYS, false, POLICY_ALWAYS, GONE_DROP);
}

/* What the kernel sends on such a tuple is no step of the connection's: a RST for want of a socket, most likely. */
static void test_every_record_kernels_own_segment_passes_and_touches_nothing(void **state)
{
	static const __u8 flags[] = { ACK, TCP_FLAG_RST, TCP_FLAG_SYN, TCP_FLAG_SYN | ACK };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		for (enum steered_record record = 0; record < STEERED_RECORDS; record++) {
			for (size_t j = 0; j < ARRAY_LEN(flags); j++) {
				struct talk t;

				shield_reset(state);
				steered_put_record(&t, families[i], PORT_DAEMON_OFF, record);
				t.own_nxt += 1000;
				assert_verdict(kernel_sends(&t, flags[j]), V_OWN_UNTRACKED);
				t.own_nxt -= 1000;
				steered_assert_record(&t, record);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_every_record_icmp_error_given, shield_reset),
		cmocka_unit_test_setup(test_icmp_about_anything_else_passes, shield_reset),
		cmocka_unit_test_setup(test_kernels_flow_on_the_daemons_service_passes, shield_reset),
		cmocka_unit_test_setup(test_kernels_handshake_and_time_wait_on_the_daemons_port_pass, shield_reset),
		cmocka_unit_test_setup(test_daemons_connection_outlives_its_service, shield_reset),
		cmocka_unit_test_setup(test_every_record_kernels_own_segment_passes_and_touches_nothing, shield_reset),
	};

	return shield_run_tests("daemon_others", tests, ARRAY_LEN(tests));
}
