// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * TIME-WAIT of the daemon's connections, answered from the record (RFC 9293, 3.6.1 and 3.10.7.4; RFC 1337; RFC 6191):
 * what each segment gets, and what becomes of the record. No daemon serves the queue unless a test says so.
 *
 * Each rule is shown for both families, with timestamps agreed on and without, bare and behind a VLAN tag.
 */
#include <linux/bpf.h>
#include <string.h>

#include "steered.h"

#define ACK TCP_FLAG_ACK
#define FIN TCP_FLAG_FIN
#define RST TCP_FLAG_RST
#define SYN TCP_FLAG_SYN

#define TAG 0x81000005
#define TS_RECENT 100000
#define ECHOED 0x70001000U /* our TSval that the peer had last */
#define LEFT_MS 20000	   /* until TIME-WAIT ends */

/* The peer's end of a connection in TIME-WAIT; the record is what it was put as. */
struct scene {
	struct talk talk;
	struct ended record;
	bool tagged;
};

static void set(void **state, struct scene *scene, __u8 family, bool timestamps, bool tagged)
{
	struct talk *t = &scene->talk;

	shield_reset(state);
	shield_put_daemon(false);
	talk_init(t, family, PORT_DAEMON_ALWAYS);
	t->own_nxt = STEERED_ISS;
	t->own_tsval = ECHOED;
	t->offer.has_timestamps = timestamps;
	t->offer.tsval = TS_RECENT;
	scene->tagged = tagged;
	scene->record = steered_ended(t, TCPS_TIME_WAIT, timestamps ? FLOW_TIMESTAMPS : 0);
	scene->record.rcv_tsval = timestamps ? TS_RECENT : 0;
	scene->record.deadline_ms = shield_now_ms() + LEFT_MS;
	shield_put_ended(&t->tuple, &scene->record);
	shield_fill_presence();
}

/* Runs what follows in each of them. */
#define for_each_scene(state, scene)                                                                                   \
	for (int i_ = 0; i_ < 8 && (set(state, scene, i_ & 1 ? FAMILY_IPV6 : FAMILY_IPV4, i_ & 2, i_ & 4), true); i_++)

static void build(struct frame *f, const struct scene *scene, const struct packet_spec *spec)
{
	packet_build(f, spec);
	if (scene->tagged)
		packet_build_put_tag(f, TAG >> 16, TAG & 0xffff);
}

static struct outcome receive(const struct scene *scene, const struct packet_spec *spec)
{
	struct frame f;

	build(&f, scene, spec);
	return shield_receive(&f);
}

static void assert_untouched(const struct scene *scene)
{
	struct ended e;

	assert_true(shield_ended(&scene->talk.tuple, &e));
	assert_memory_equal(&e, &scene->record, sizeof(e));
}

/* 2MSL began anew, and nothing else happened. */
static void assert_begun_anew(const struct scene *scene, __u64 msl_ns)
{
	__u32 left_ms = 2 * msl_ns / NSEC_PER_MSEC;
	struct ended e, want = scene->record;

	assert_true(shield_ended(&scene->talk.tuple, &e));
	assert_in_range(e.deadline_ms - shield_now_ms(), left_ms - 1000, left_ms + 1);
	want.deadline_ms = e.deadline_ms;
	assert_memory_equal(&e, &want, sizeof(e));
}

/* Dropped, by this verdict. */
static void assert_dropped(const struct scene *scene, const struct packet_spec *spec, enum verdict verdict)
{
	struct outcome o = receive(scene, spec);

	assert_verdict(o, verdict);
	assert_int_equal(o.action, XDP_DROP);
	assert_untouched(scene);
}

/* The acknowledgement, back the way that the segment came; TSecr is tsecr. */
static void assert_acknowledged(const struct scene *scene, const struct packet_spec *spec, __u32 tsecr)
{
	const struct talk *t = &scene->talk;
	struct packet_view view;
	struct outcome o;
	struct frame f;

	build(&f, scene, spec);
	o = shield_receive(&f);
	assert_verdict(o, V_TIME_WAIT_ACK);
	assert_int_equal(o.action, XDP_TX);
	assert_true(o.frame.length <= f.length);
	if (scene->tagged)
		assert_int_equal(packet_build_take_tag(&o.frame), TAG);
	assert_null(packet_build_read(&view, &o.frame));
	assert_memory_equal(&view.tuple, &t->tuple, offsetof(struct tuple, family) + 1);
	assert_memory_equal(view.eth_destination, f.bytes + 6, 6);
	assert_memory_equal(view.eth_source, f.bytes, 6);
	assert_int_equal(view.flags, ACK);
	assert_int_equal(view.seq, scene->record.snd_nxt);
	assert_int_equal(view.ack, scene->record.rcv_nxt);
	assert_int_equal(view.window, 0);
	assert_int_equal(view.payload_bytes, 0);
	assert_int_equal(view.option_bytes, tsecr ? 12 : 0);
	assert_int_equal(view.options.has_timestamps, !!tsecr);
	if (tsecr) {
		assert_int_equal(view.options.tsval, spec->flags & ACK ? ECHOED : 0);
		assert_int_equal(view.options.tsecr, tsecr);
	}
	for (__u32 i = 0; i < view.padding_bytes; i++)
		assert_int_equal(view.padding[i], 0);
}

/* The peer's last segment, so many bytes of text and its FIN. */
static struct packet_spec fin_again(const struct scene *scene, __u32 payload_bytes)
{
	struct packet_spec spec = talk_peer_segment(&scene->talk, FIN | ACK, payload_bytes);

	spec.seq -= payload_bytes + 1;
	return spec;
}

static __u32 tsecr_of(const struct scene *scene)
{
	return scene->talk.offer.has_timestamps ? scene->talk.offer.tsval : 0;
}

/* --- 3.10.7.4, eighth --- */

static void test_time_wait_fin_again_is_acknowledged_and_2msl_begins_anew(void **state)
{
	struct packet_spec spec;
	struct scene scene;

	for_each_scene(state, &scene)
	{
		spec = fin_again(&scene, 0);
		assert_acknowledged(&scene, &spec, tsecr_of(&scene));
		assert_begun_anew(&scene, SHIELD_MSL_NS);
	}
}

/* With text; that is cut off, where it lies in several buffers, too. */
static void test_time_wait_fin_with_text_again_is_acknowledged_without(void **state)
{
	static const __u32 lengths[] = { 1, 5, 6, 7, 100, 1400 };
	struct packet_spec spec;
	struct scene scene;
	struct outcome o;
	struct frame f;

	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		for_each_scene(state, &scene)
		{
			spec = fin_again(&scene, lengths[i]);
			assert_acknowledged(&scene, &spec, tsecr_of(&scene));
			assert_begun_anew(&scene, SHIELD_MSL_NS);
		}
	}
	set(state, &scene, FAMILY_IPV6, true, false);
	spec = fin_again(&scene, 1400);
	build(&f, &scene, &spec);
	o = shield_receive_in_buffers(&f, 500);
	assert_verdict(o, V_TIME_WAIT_ACK);
	assert_int_equal(o.frame.length, FRAME_ETH_BYTES + FRAME_IPV6_BYTES + FRAME_TCP_BYTES + 12);
}

/* The FIN of another number is old, or nobody's. */
static void test_time_wait_another_fin_is_acknowledged_and_begins_nothing(void **state)
{
	struct packet_spec spec;
	struct scene scene;

	for_each_scene(state, &scene)
	{
		spec = fin_again(&scene, 0);
		for (__u32 seq = spec.seq - 2; seq != spec.seq + 3; seq++) {
			struct packet_spec other = spec;

			other.seq = seq;
			if (seq == spec.seq)
				continue;
			assert_acknowledged(&scene, &other, tsecr_of(&scene));
			assert_untouched(&scene);
		}
	}
}

/* --- RFC 1337 --- */

static void test_time_wait_rst_is_dropped(void **state)
{
	static const __u8 flags[] = { RST, RST | ACK, RST | SYN, RST | FIN };
	struct packet_spec spec;
	struct scene scene;

	for_each_scene(state, &scene)
	{
		for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
			spec = talk_peer_segment(&scene.talk, flags[i], 0);
			assert_dropped(&scene, &spec, V_TIME_WAIT_RST);
		}
	}
}

/* Two ends in TIME-WAIT have nothing to say. */
static void test_time_wait_pure_ack_in_order_is_dropped(void **state)
{
	struct packet_spec spec;
	struct scene scene;

	for_each_scene(state, &scene)
	{
		spec = talk_peer_segment(&scene.talk, ACK, 0);
		assert_dropped(&scene, &spec, V_TIME_WAIT_SILENT);
	}
}

static void test_time_wait_old_segment_is_acknowledged(void **state)
{
	struct packet_spec spec;
	struct scene scene;

	for_each_scene(state, &scene)
	{
		spec = talk_peer_segment(&scene.talk, ACK, 0);
		spec.seq--;
		assert_acknowledged(&scene, &spec, tsecr_of(&scene));
		spec = talk_peer_segment(&scene.talk, ACK, 10);
		assert_acknowledged(&scene, &spec, tsecr_of(&scene));
		spec.seq -= 10;
		assert_acknowledged(&scene, &spec, tsecr_of(&scene));
		spec = talk_peer_segment(&scene.talk, SYN | ACK, 0);
		assert_acknowledged(&scene, &spec, tsecr_of(&scene));
		assert_untouched(&scene);
	}
}

/* --- timestamps --- */

/* RFC 7323, 3.2 */
static void test_time_wait_segment_without_its_timestamp_is_dropped(void **state)
{
	struct packet_spec spec;
	struct scene scene;

	for_each_scene(state, &scene)
	{
		if (!scene.talk.offer.has_timestamps)
			continue;
		scene.talk.offer.has_timestamps = false;
		spec = fin_again(&scene, 0);
		assert_dropped(&scene, &spec, V_TIME_WAIT_NO_TIMESTAMP);
		spec = talk_peer_segment(&scene.talk, ACK, 10);
		assert_dropped(&scene, &spec, V_TIME_WAIT_NO_TIMESTAMP);
	}
}

/* What it echoes is never older than TS.Recent (RFC 7323, 4.3), and newer if the segment is. */
static void test_time_wait_acknowledgement_echoes_the_later_timestamp(void **state)
{
	struct packet_spec spec;
	struct scene scene;

	set(state, &scene, FAMILY_IPV4, true, false);
	scene.talk.offer.tsval = TS_RECENT + 7;
	spec = fin_again(&scene, 0);
	assert_acknowledged(&scene, &spec, TS_RECENT + 7);
	scene.talk.offer.tsval = TS_RECENT - 7;
	spec = fin_again(&scene, 0);
	assert_acknowledged(&scene, &spec, TS_RECENT);
}

/* Nor is what was not agreed on answered. */
static void test_time_wait_timestamp_not_agreed_on_is_not_answered(void **state)
{
	struct packet_spec spec;
	struct scene scene;

	set(state, &scene, FAMILY_IPV6, false, false);
	scene.talk.offer.has_timestamps = true;
	spec = fin_again(&scene, 0);
	assert_acknowledged(&scene, &spec, 0);
}

/* Options in an order that no common stack has. */
static void test_time_wait_timestamps_in_another_place_are_found(void **state)
{
	struct packet_spec spec;
	struct scene scene;

	set(state, &scene, FAMILY_IPV4, true, false);
	spec = fin_again(&scene, 0);
	memmove(spec.options, spec.options + 2, 10);
	spec.options[10] = spec.options[11] = TCP_OPTION_NOP;
	assert_acknowledged(&scene, &spec, TS_RECENT);
}

/* --- SYNs: 3.6.1, MAY-2, and RFC 6191 --- */

static struct packet_spec syn(const struct scene *scene, __s32 ahead, __s32 later)
{
	struct talk t = scene->talk;

	t.peer_nxt += ahead;
	t.offer.tsval += later;
	return talk_syn(&t);
}

static void assert_given(const struct scene *scene, const struct packet_spec *spec)
{
	struct outcome o;

	shield_put_daemon(true);
	o = receive(scene, spec);
	steered_assert(&o, DAEMON_SYN_AGAIN);
	assert_int_equal(o.daemon.snd_nxt, scene->record.snd_nxt);
	assert_untouched(scene);
	shield_put_daemon(false);
	assert_dropped(scene, spec, V_DAEMON_GONE);
}

static void assert_syn_acknowledged(const struct scene *scene, const struct packet_spec *spec, __u32 tsecr)
{
	assert_acknowledged(scene, spec, tsecr);
	assert_untouched(scene);
}

/* Without timestamps, or with one that says nothing, the sequence number decides. */
static void test_time_wait_syn_with_a_greater_number_is_given(void **state)
{
	static const __s32 greater[] = { 1, 1000, 0x7fffffff }, less[] = { 0, -1, -1000 };
	struct packet_spec spec;
	struct scene scene;

	for_each_scene(state, &scene)
	{
		for (size_t i = 0; i < ARRAY_LEN(greater); i++) {
			spec = syn(&scene, greater[i], 0);
			assert_given(&scene, &spec);
			spec = syn(&scene, less[i], 0);
			assert_syn_acknowledged(&scene, &spec, tsecr_of(&scene));
		}
	}
}

/* RFC 6191, 2: a later timestamp, whatever the number; and an earlier one never. */
static void test_time_wait_syn_with_a_later_timestamp_is_given(void **state)
{
	static const __s32 ahead[] = { -1000, 0, 1000 };
	struct packet_spec spec;
	struct scene scene;

	for_each_scene(state, &scene)
	{
		for (size_t i = 0; i < ARRAY_LEN(ahead) && scene.talk.offer.has_timestamps; i++) {
			spec = syn(&scene, ahead[i], 1);
			assert_given(&scene, &spec);
			spec = syn(&scene, ahead[i], -1);
			assert_syn_acknowledged(&scene, &spec, TS_RECENT);
		}
	}
}

/* Where only one of the two has timestamps, there is nothing to compare. */
static void test_time_wait_syn_timestamps_not_on_both_the_number_decides(void **state)
{
	struct packet_spec spec;
	struct scene scene;

	for_each_scene(state, &scene)
	{
		scene.talk.offer.has_timestamps = !scene.talk.offer.has_timestamps;
		spec = syn(&scene, 1, -1);
		assert_given(&scene, &spec);
		spec = syn(&scene, -1, 1);
		assert_syn_acknowledged(&scene, &spec, 0);
	}
}

static void test_time_wait_syn_that_begins_anew_is_given_within_budget(void **state)
{
	struct packet_spec spec;
	struct scene scene;

	for_each_scene(state, &scene)
	{
		shield_put_daemon(true);
		shield_config.budget_per_second = 0;
		shield_configure();
		spec = syn(&scene, 1, 1);
		assert_dropped(&scene, &spec, V_UNVERIFIED_OVER_BUDGET);
		spec = syn(&scene, -1, -1); /* what is answered from here needs none */
		assert_syn_acknowledged(&scene, &spec, tsecr_of(&scene));
	}
}

/* --- what the answer comes behind --- */

/* Without them it is all the shorter. */
static void test_time_wait_headers_before_tcp_are_not_answered(void **state)
{
	static const __u8 no_operations[40] = { [0 ... 39] = 1 }, padding[8] = { 0, 0, 1, 4 };
	struct scene scene;

	for_each_scene(state, &scene)
	{
		struct packet_spec spec = fin_again(&scene, 100);
		struct packet_view view;
		struct outcome o;
		struct frame f;

		packet_build(&f, &spec);
		if (scene.talk.tuple.family == FAMILY_IPV4)
			packet_build_put_ip_options(&f, no_operations, sizeof(no_operations));
		else
			packet_build_put_ipv6_extension(&f, 60, padding);
		o = shield_receive(&f);
		assert_verdict(o, V_TIME_WAIT_ACK);
		assert_null(packet_build_read(&view, &o.frame));
		assert_int_equal(view.ack, scene.record.rcv_nxt);
		assert_int_equal(view.option_bytes, scene.talk.offer.has_timestamps ? 12 : 0);
		assert_int_equal(view.payload_bytes, 0);
	}
}

/* From a group address an answer can not come, to one it would be many. */
static void test_time_wait_frame_of_a_group_is_not_answered(void **state)
{
	struct scene scene;

	for_each_scene(state, &scene)
	{
		struct packet_spec spec = fin_again(&scene, 0);
		struct frame f;

		for (int address = 0; address < 12; address += 6) {
			build(&f, &scene, &spec);
			f.bytes[address] |= 1;
			assert_int_equal(shield_receive(&f).action, XDP_DROP);
		}
	}
}

/* --- when, and whose --- */

/* To the end, and no longer; a FIN shortly before it makes it 2MSL more. */
static void test_time_wait_ends_at_its_deadline(void **state)
{
	struct packet_spec spec;
	struct scene scene;

	for_each_scene(state, &scene)
	{
		spec = talk_peer_segment(&scene.talk, ACK, 10);
		shield_advance((LEFT_MS - 1000) * NSEC_PER_MSEC);
		assert_verdict(receive(&scene, &spec), V_TIME_WAIT_ACK);
		shield_advance(1000 * NSEC_PER_MSEC);
		assert_verdict(receive(&scene, &spec), V_NO_FLOW);
		set(state, &scene, scene.talk.tuple.family, scene.talk.offer.has_timestamps, scene.tagged);
		shield_advance((LEFT_MS - 1000) * NSEC_PER_MSEC);
		spec = fin_again(&scene, 0);
		assert_verdict(receive(&scene, &spec), V_TIME_WAIT_ACK);
		shield_advance(2 * SHIELD_MSL_NS - 1000 * NSEC_PER_MSEC);
		assert_verdict(receive(&scene, &spec), V_TIME_WAIT_ACK);
	}
}

/* The filter must know the tuple for as long, or a SYN on it would be answered with a cookie. */
static void test_time_wait_fin_again_marks_presence(void **state)
{
	struct packet_spec spec;
	struct scene scene;

	set(state, &scene, FAMILY_IPV4, true, false);
	shield_reset(state);
	shield_put_ended(&scene.talk.tuple, &scene.record);
	spec = syn(&scene, 1, 1);
	assert_verdict(receive(&scene, &spec), V_SYN_COOKIE);
	spec = fin_again(&scene, 0);
	assert_verdict(receive(&scene, &spec), V_TIME_WAIT_ACK);
	spec = syn(&scene, 1, 1);
	assert_verdict(receive(&scene, &spec), V_DAEMON_SYN_AGAIN);
}

/* A TCB that is there decides, whatever was before it: the record in tw is taken away a little later. */
static void test_time_wait_behind_a_live_record_is_given(void **state)
{
	struct packet_spec spec;
	struct scene scene;
	struct outcome o;

	for_each_scene(state, &scene)
	{
		struct half_open h = steered_half_open(TCPS_SYN_RECEIVED);

		shield_put_daemon(true);
		shield_put_half_open(&scene.talk.tuple, &h);
		spec = fin_again(&scene, 0);
		o = receive(&scene, &spec);
		steered_assert_unverified(&o);
		spec = syn(&scene, 1, 1);
		o = receive(&scene, &spec);
		steered_assert(&o, DAEMON_SYN);
		assert_untouched(&scene);
	}
}

/* Of a connection that the daemon opened: no service is on the port. */
static void test_time_wait_of_an_opened_connection_is_answered(void **state)
{
	struct packet_spec spec;
	struct scene scene;

	for_each_scene(state, &scene)
	{
		shield_put_daemon_port(PORT_EPHEMERAL, true);
		scene.talk.tuple.local_port = PORT_EPHEMERAL;
		shield_put_ended(&scene.talk.tuple, &scene.record);
		spec = fin_again(&scene, 0);
		assert_acknowledged(&scene, &spec, tsecr_of(&scene));
		shield_put_ended(&scene.talk.tuple, &scene.record);
		spec = syn(&scene, 1, 1);
		assert_given(&scene, &spec);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time_wait_fin_again_is_acknowledged_and_2msl_begins_anew),
		cmocka_unit_test(test_time_wait_fin_with_text_again_is_acknowledged_without),
		cmocka_unit_test(test_time_wait_another_fin_is_acknowledged_and_begins_nothing),
		cmocka_unit_test(test_time_wait_rst_is_dropped),
		cmocka_unit_test(test_time_wait_pure_ack_in_order_is_dropped),
		cmocka_unit_test(test_time_wait_old_segment_is_acknowledged),
		cmocka_unit_test(test_time_wait_segment_without_its_timestamp_is_dropped),
		cmocka_unit_test(test_time_wait_acknowledgement_echoes_the_later_timestamp),
		cmocka_unit_test(test_time_wait_timestamp_not_agreed_on_is_not_answered),
		cmocka_unit_test(test_time_wait_timestamps_in_another_place_are_found),
		cmocka_unit_test(test_time_wait_syn_with_a_greater_number_is_given),
		cmocka_unit_test(test_time_wait_syn_with_a_later_timestamp_is_given),
		cmocka_unit_test(test_time_wait_syn_timestamps_not_on_both_the_number_decides),
		cmocka_unit_test(test_time_wait_syn_that_begins_anew_is_given_within_budget),
		cmocka_unit_test(test_time_wait_headers_before_tcp_are_not_answered),
		cmocka_unit_test(test_time_wait_frame_of_a_group_is_not_answered),
		cmocka_unit_test(test_time_wait_ends_at_its_deadline),
		cmocka_unit_test(test_time_wait_fin_again_marks_presence),
		cmocka_unit_test(test_time_wait_behind_a_live_record_is_given),
		cmocka_unit_test(test_time_wait_of_an_opened_connection_is_answered),
	};

	shield_takes_frags = true;
	return shield_run_tests("time_wait", tests, ARRAY_LEN(tests));
}
