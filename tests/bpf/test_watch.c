// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What watchers are told of connections, event by event: this process takes slots as `synkeep flows --watch` does, and
 * reads the rings.
 *
 * Not here: what the daemon tells of its own connections (tests/unit/test_tcp_change.c), and the command
 * (tests/net/test_watch.py).
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ladder.h"
#include "talk.h"
#include "watch.h"

#define EVENTS_MAX 128
#define SWEEP_PATIENCE_S 8
#define SMALL_RING_BYTES 4096
#define EVENT_BYTES (sizeof(struct flow_event) + 8) /* with the ring's own header */

struct watcher {
	struct ring_buffer *ring;
	struct flow_event events[EVENTS_MAX];
	int count;
};

static struct watcher watchers[WATCHERS_MAX];
static __u64 began_ns; /* the test, CLOCK_MONOTONIC */

static int take(void *context, void *data, size_t size)
{
	struct watcher *w = context;

	assert_int_equal(size, sizeof(struct flow_event));
	assert_true(w->count < EVENTS_MAX);
	memcpy(&w->events[w->count++], data, size);
	return 0;
}

static struct watch read_watch(void)
{
	struct watch watch;
	__u32 zero = 0;

	assert_int_equal(bpf_map_lookup_elem(shield_map("watch"), &zero, &watch), 0);
	return watch;
}

static void lease(__u32 slot, __u64 until_ns)
{
	struct watch watch = read_watch();
	__u32 zero = 0;

	watch.slots[slot].lease_ns = until_ns;
	assert_int_equal(bpf_map_update_elem(shield_map("watch"), &zero, &watch, BPF_ANY), 0);
}

/* Takes a slot, with an empty ring and a lease that does not run out. */
static struct watcher *begin(__u32 slot, __u32 ring_bytes)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "events", 0, 0, ring_bytes, NULL);
	struct watcher *w = &watchers[slot];

	assert_true(fd >= 0);
	assert_int_equal(bpf_map_update_elem(shield_map("watchers"), &slot, &fd, BPF_ANY), 0);
	ring_buffer__free(w->ring);
	w->count = 0;
	w->ring = ring_buffer__new(fd, take, w, NULL);
	assert_non_null(w->ring);
	close(fd);
	lease(slot, ~0ULL);
	return w;
}

/* What has come since. */
static const struct flow_event *look(struct watcher *w)
{
	w->count = 0;
	ring_buffer__consume(w->ring);
	return w->events;
}

static __u64 monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

static int reset(void **state)
{
	const struct watch nobody = {};
	__u32 zero = 0;

	began_ns = monotonic_ns();
	assert_int_equal(bpf_map_update_elem(shield_map("watch"), &zero, &nobody, BPF_ANY), 0);
	return shield_reset(state);
}

static void assert_event(const struct flow_event *e, const struct tuple *t, enum tcp_state before, enum tcp_state state,
			 enum flow_end end)
{
	assert_memory_equal(&e->tuple, t, sizeof(*t));
	assert_state(e->before, before);
	assert_state(e->state, state);
	assert_string_equal(flow_end_name(e->end), flow_end_name(end));
	assert_int_equal(e->owner, FLOW_OWNER_KERNEL);
	assert_in_range(e->time_ns, began_ns, monotonic_ns());
}

/* The only event since the last look. */
static const struct flow_event *assert_one(struct watcher *w, const struct tuple *t, enum tcp_state before,
					   enum tcp_state state, enum flow_end end)
{
	const struct flow_event *e = look(w);

	assert_int_equal(w->count, 1);
	assert_event(e, t, before, state, end);
	return e;
}

static void assert_none(struct watcher *w)
{
	look(w);
	assert_int_equal(w->count, 0);
}

/* --- lives -------------------------------------------------------------------------------------------------------- */

static void test_cookie_owner_closes_told_step_by_step(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(ladder_families); i++) {
		const struct flow_event *e;
		struct watcher *w;
		struct talk t;

		reset(state);
		w = begin(0, SMALL_RING_BYTES);
		talk_init(&t, ladder_families[i], PORT_ALWAYS);
		talk_open(&t);
		e = look(w);
		assert_int_equal(w->count, 2);
		assert_event(&e[0], &t.tuple, TCPS_CLOSED, TCPS_SYN_RECEIVED, FLOW_END_NONE);
		assert_int_equal(flow_event_kind(&e[0]), FLOW_EVENT_NEW);
		assert_event(&e[1], &t.tuple, TCPS_SYN_RECEIVED, TCPS_ESTABLISHED, FLOW_END_NONE);
		assert_int_equal(flow_event_kind(&e[1]), FLOW_EVENT_STATE);
		assert_true(e[1].flags & FLOW_COOKIE);
		talk_peer_sends(&t, TCP_FLAG_ACK, 100);
		talk_owner_sends(&t, TCP_FLAG_ACK, 1000);
		assert_none(w);
		talk_owner_sends(&t, TCP_FLAG_FIN | TCP_FLAG_ACK, 0);
		assert_one(w, &t.tuple, TCPS_ESTABLISHED, TCPS_FIN_WAIT_1, FLOW_END_NONE);
		talk_peer_sends(&t, TCP_FLAG_ACK, 0);
		assert_one(w, &t.tuple, TCPS_FIN_WAIT_1, TCPS_FIN_WAIT_2, FLOW_END_NONE);
		talk_peer_sends(&t, TCP_FLAG_FIN | TCP_FLAG_ACK, 0);
		e = assert_one(w, &t.tuple, TCPS_FIN_WAIT_2, TCPS_TIME_WAIT, FLOW_END_CLOSED);
		assert_int_equal(flow_event_kind(e), FLOW_EVENT_END);
		assert_int_equal(e->rcv_packets, t.model.rcv_packets);
		assert_int_equal(e->snd_packets, t.model.snd_packets);
		assert_int_equal(e->rcv_bytes, t.model.rcv_bytes);
		assert_int_equal(e->snd_bytes, t.model.snd_bytes);
		assert_true(e->rcv_packets == 4 && e->snd_packets == 2 && e->rcv_bytes && e->snd_bytes > e->rcv_bytes);
	}
}

/* clang-format off */

static void test_half_open_completed_told_as_one_connection(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(ladder_families); i++) {
		struct packet_spec ack = { .flags = ACK, .window = 500 };
		struct ladder l = ladder_begin(ladder_families[i], PORT_OFF);
		struct watcher *w;

		reset(state);
		w = begin(0, SMALL_RING_BYTES);
		ladder(&l,
		{ OWNER, SYN | ACK, 0, 1, 0, V_OWN_SYN_ACK,   TCPS_SYN_RECEIVED, 0, 0, 1, 0 });
		assert_one(w, &l.tuple, TCPS_CLOSED, TCPS_SYN_RECEIVED, FLOW_END_NONE);
		ladder(&l,
		{ OWNER, SYN | ACK, 0, 1, 0, V_OWN_SYN_ACK,   TCPS_SYN_RECEIVED, 0, 0, 1, 0 });
		assert_none(w);
		ack.tuple = l.tuple;
		ack.seq = l.irs + 1;
		ack.ack = l.iss + 1;
		assert_verdict(shield_receive_packet(&ack), V_HALF_OPEN_ACK);
		assert_one(w, &l.tuple, TCPS_SYN_RECEIVED, TCPS_ESTABLISHED, FLOW_END_NONE);
	}
}

static void test_outgoing_answered_told_as_one_connection(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(ladder_families); i++) {
		struct ladder l = ladder_begin(ladder_families[i], PORT_EPHEMERAL);
		const struct flow_event *e;
		struct watcher *w;

		reset(state);
		shield_track_outgoing(true);
		w = begin(0, SMALL_RING_BYTES);
		ladder(&l,
		{ OWNER, SYN,       0, 0, 0, V_OWN_SYN, TCPS_SYN_SENT,    0, 0, 1, 0 },
		{ OWNER, SYN,       0, 0, 0, V_OWN_SYN, TCPS_SYN_SENT,    0, 0, 1, 0 });
		e = assert_one(w, &l.tuple, TCPS_CLOSED, TCPS_SYN_SENT, FLOW_END_NONE);
		assert_true(e->flags & FLOW_OUTGOING);
		ladder(&l,
		{ PEER,  SYN | ACK, 0, 1, 0, V_SYN_ACK, TCPS_ESTABLISHED, 1, 1, 1, 1 });
		e = assert_one(w, &l.tuple, TCPS_SYN_SENT, TCPS_ESTABLISHED, FLOW_END_NONE);
		assert_true(e->flags & FLOW_OUTGOING);
	}
}

static void test_outgoing_syns_cross_told(void **state)
{
	struct ladder l = ladder_begin(FAMILY_IPV4, PORT_EPHEMERAL);
	struct watcher *w;

	(void)state;
	shield_track_outgoing(true);
	w = begin(0, SMALL_RING_BYTES);
	ladder(&l,
	{ OWNER, SYN, 0, 0, 0, V_OWN_SYN, TCPS_SYN_SENT, 0, 0, 1, 0 });
	look(w);
	shield_receive_packet(&(struct packet_spec){ .tuple = l.tuple, .seq = l.irs, .flags = SYN, .window = 500 });
	assert_one(w, &l.tuple, TCPS_SYN_SENT, TCPS_SYN_RECEIVED, FLOW_END_NONE);
}

static void test_half_open_ends_told_with_cause(void **state)
{
	struct ladder l = ladder_begin(FAMILY_IPV4, PORT_OFF);
	struct watcher *w;

	(void)state;
	w = begin(0, SMALL_RING_BYTES);
	ladder(&l,
	{ OWNER, SYN | ACK, 0, 1, 0, V_OWN_SYN_ACK,       TCPS_SYN_RECEIVED, 0, 0, 1, 0 });
	look(w);
	ladder(&l,
	{ PEER,  RST,       1, 0, 0, V_HALF_OPEN_SEGMENT, NO_RECORD,         0, 0, 0, 0 });
	assert_one(w, &l.tuple, TCPS_SYN_RECEIVED, TCPS_CLOSED, FLOW_END_RESET_BY_PEER);
	ladder(&l,
	{ OWNER, SYN | ACK, 0, 1, 0, V_OWN_SYN_ACK,       TCPS_SYN_RECEIVED, 0, 0, 1, 0 });
	look(w);
	ladder(&l,
	{ OWNER, RST,       1, 0, 0, V_OWN_ANSWER,        NO_RECORD,         0, 0, 0, 0 });
	assert_one(w, &l.tuple, TCPS_SYN_RECEIVED, TCPS_CLOSED, FLOW_END_RESET_BY_OWNER);
}

/* clang-format on */

static void test_half_open_completed_table_full_told_as_untracked(void **state)
{
	struct ladder l = ladder_begin(FAMILY_IPV4, PORT_OFF);
	struct watcher *w;

	(void)state;
	ladder(&l, { OWNER, SYN | ACK, 0, 1, 0, V_OWN_SYN_ACK, TCPS_SYN_RECEIVED, 0, 0, 1, 0 });
	shield_fill_flows();
	w = begin(0, SMALL_RING_BYTES);
	shield_receive_packet(&(struct packet_spec){
		.tuple = l.tuple, .seq = l.irs + 1, .ack = l.iss + 1, .flags = ACK, .window = 500 });
	assert_one(w, &l.tuple, TCPS_SYN_RECEIVED, TCPS_CLOSED, FLOW_END_UNTRACKED);
}

/* --- ends --------------------------------------------------------------------------------------------------------- */

static struct watcher *established(struct talk *t, __u8 family)
{
	struct watcher *w;

	talk_init(t, family, PORT_ALWAYS);
	talk_establish(t);
	w = begin(0, SMALL_RING_BYTES);
	return w;
}

static void test_established_reset_told_whose_it_was(void **state)
{
	struct watcher *w;
	struct talk t;

	w = established(&t, FAMILY_IPV4);
	talk_peer_sends(&t, TCP_FLAG_RST, 0);
	assert_one(w, &t.tuple, TCPS_ESTABLISHED, TCPS_CLOSED, FLOW_END_RESET_BY_PEER);
	reset(state);
	w = established(&t, FAMILY_IPV6);
	talk_owner_sends(&t, TCP_FLAG_RST, 0);
	assert_one(w, &t.tuple, TCPS_ESTABLISHED, TCPS_CLOSED, FLOW_END_RESET_BY_OWNER);
}

/* The daemon has closed the socket of a peer that answered no probe, and the socket sends a RST. */
static void test_established_found_dead_reset_told_as_dead(void **state)
{
	struct watcher *w;
	struct flow f;
	struct talk t;

	(void)state;
	w = established(&t, FAMILY_IPV4);
	assert_true(shield_flow(&t.tuple, &f));
	f.probes = FLOW_PROBES_OVER | 3;
	shield_put_flow(&t.tuple, &f);
	t.model.probes = f.probes;
	talk_owner_sends(&t, TCP_FLAG_RST, 0);
	assert_one(w, &t.tuple, TCPS_ESTABLISHED, TCPS_CLOSED, FLOW_END_DEAD);
}

static void test_last_ack_acknowledged_told_as_closed(void **state)
{
	struct watcher *w;
	struct talk t;

	(void)state;
	w = established(&t, FAMILY_IPV4);
	talk_peer_sends(&t, TCP_FLAG_FIN | TCP_FLAG_ACK, 0);
	talk_owner_sends(&t, TCP_FLAG_FIN | TCP_FLAG_ACK, 0);
	look(w);
	talk_peer_sends(&t, TCP_FLAG_ACK, 0);
	assert_one(w, &t.tuple, TCPS_LAST_ACK, TCPS_CLOSED, FLOW_END_CLOSED);
}

/* A new handshake on the tuple, as of a peer that has rebooted: its cookie is right. */
static void test_established_new_handshake_told_as_replaced(void **state)
{
	const struct flow_event *e;
	struct packet_spec ack;
	struct talk t, next;
	struct watcher *w;

	(void)state;
	w = established(&t, FAMILY_IPV4);
	next = t;
	next.peer_nxt += 0x1000000;
	talk_get_cookie(&next);
	ack = talk_peer_segment(&next, TCP_FLAG_ACK, 0);
	assert_noted(shield_receive_packet(&ack), V_FLOW_REPLACED);
	e = look(w);
	assert_int_equal(w->count, 3);
	assert_event(&e[0], &t.tuple, TCPS_ESTABLISHED, TCPS_CLOSED, FLOW_END_REPLACED);
	assert_event(&e[1], &t.tuple, TCPS_CLOSED, TCPS_SYN_RECEIVED, FLOW_END_NONE);
	assert_event(&e[2], &t.tuple, TCPS_SYN_RECEIVED, TCPS_ESTABLISHED, FLOW_END_NONE);
}

/* Nobody has taken its slot back yet. */
static void test_deadline_passed_new_connection_tells_old_one_as_expired(void **state)
{
	const struct flow_event *e;
	struct watcher *w;
	struct talk t;

	(void)state;
	w = established(&t, FAMILY_IPV4);
	shield_advance(6 * 24 * 3600 * NSEC_PER_SEC);
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_open(&t);
	e = look(w);
	assert_int_equal(w->count, 3);
	assert_event(&e[0], &t.tuple, TCPS_ESTABLISHED, TCPS_CLOSED, FLOW_END_EXPIRED);
	assert_event(&e[1], &t.tuple, TCPS_CLOSED, TCPS_SYN_RECEIVED, FLOW_END_NONE);
}

/* Without a daemon, by the sweep. Both tables of live connections. */
static void test_deadline_passed_swept_told_as_expired(void **state)
{
	bool seen[2] = {};
	struct watcher *w;
	struct ladder l;
	struct talk t;

	(void)state;
	w = established(&t, FAMILY_IPV6);
	l = ladder_begin(FAMILY_IPV4, PORT_OFF);
	ladder(&l, { OWNER, SYN | ACK, 0, 1, 0, V_OWN_SYN_ACK, TCPS_SYN_RECEIVED, 0, 0, 1, 0 });
	look(w);
	shield_advance(6 * 24 * 3600 * NSEC_PER_SEC);
	shield_start_sweep();
	for (int s = 0; s < SWEEP_PATIENCE_S && !(seen[0] && seen[1]); s++) {
		sleep(1);
		look(w);
		for (int i = 0; i < w->count; i++) {
			bool half = w->events[i].tuple.family == FAMILY_IPV4;

			assert_event(&w->events[i], half ? &l.tuple : &t.tuple,
				     half ? TCPS_SYN_RECEIVED : TCPS_ESTABLISHED, TCPS_CLOSED, FLOW_END_EXPIRED);
			assert_false(seen[half]);
			seen[half] = true;
		}
	}
	assert_true(seen[0] && seen[1]);
}

/* --- slots -------------------------------------------------------------------------------------------------------- */

static void test_lease_over_nothing_is_told(void **state)
{
	struct watcher *w;
	struct talk t;

	(void)state;
	w = begin(3, SMALL_RING_BYTES);
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_get_cookie(&t); /* and the programs' clock is read */
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	lease(3, shield_now_ns());
	talk_open(&t);
	assert_none(w);
	lease(3, shield_now_ns() + 60 * NSEC_PER_SEC);
	talk_peer_sends(&t, TCP_FLAG_FIN | TCP_FLAG_ACK, 0);
	assert_one(w, &t.tuple, TCPS_ESTABLISHED, TCPS_CLOSE_WAIT, FLOW_END_NONE);
}

static void test_ring_full_its_watcher_alone_loses(void **state)
{
	const int fit = SMALL_RING_BYTES / EVENT_BYTES, lives = fit / 2 + 3;
	__u64 lost_before = shield_count(V_WATCH_LOST);
	struct watcher *slow, *quick;

	(void)state;
	slow = begin(1, SMALL_RING_BYTES);
	quick = begin(2, 16 * SMALL_RING_BYTES);
	for (int i = 0; i < lives; i++) {
		struct talk t;

		talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
		t.tuple.remote_port = 1000 + i;
		talk_open(&t); /* two events */
	}
	look(slow);
	look(quick);
	assert_in_range(slow->count, fit - 1, fit);
	assert_int_equal(quick->count, 2 * lives);
	assert_int_equal(read_watch().slots[1].lost, 2 * lives - slow->count);
	assert_int_equal(read_watch().slots[2].lost, 0);
	assert_int_equal(shield_count(V_WATCH_LOST) - lost_before, 2 * lives - slow->count);
}

/* --- the daemon's ------------------------------------------------------------------------------------------------- */

static void test_daemon_tells_passed_on_as_it_is(void **state)
{
	const struct flow_event told[] = {
		{ .time_ns = 1,
		  .tuple = shield_tuple(FAMILY_IPV6, PORT_DAEMON_OFF),
		  .state = TCPS_SYN_RECEIVED,
		  .owner = FLOW_OWNER_DAEMON },
		{ .time_ns = 2,
		  .tuple = shield_tuple(FAMILY_IPV4, PORT_DAEMON_OFF),
		  .before = TCPS_LAST_ACK,
		  .end = FLOW_END_CLOSED,
		  .rcv_bytes = 7,
		  .owner = FLOW_OWNER_DAEMON },
	};
	struct watch_call call = { .events = (uintptr_t)told, .count = ARRAY_LEN(told) };
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &call, .ctx_size_in = sizeof(call));
	struct watcher *w;

	(void)state;
	w = begin(0, SMALL_RING_BYTES);
	assert_int_equal(bpf_prog_test_run_opts(shield_program("watch_tell"), &options), 0);
	assert_int_equal(options.retval, 0);
	look(w);
	assert_int_equal(w->count, ARRAY_LEN(told));
	assert_memory_equal(w->events, told, sizeof(told));
	lease(0, 1);
	assert_int_equal(bpf_prog_test_run_opts(shield_program("watch_tell"), &options), 0);
	assert_none(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_cookie_owner_closes_told_step_by_step, reset),
		cmocka_unit_test_setup(test_half_open_completed_told_as_one_connection, reset),
		cmocka_unit_test_setup(test_outgoing_answered_told_as_one_connection, reset),
		cmocka_unit_test_setup(test_outgoing_syns_cross_told, reset),
		cmocka_unit_test_setup(test_half_open_ends_told_with_cause, reset),
		cmocka_unit_test_setup(test_half_open_completed_table_full_told_as_untracked, reset),
		cmocka_unit_test_setup(test_established_reset_told_whose_it_was, reset),
		cmocka_unit_test_setup(test_established_found_dead_reset_told_as_dead, reset),
		cmocka_unit_test_setup(test_last_ack_acknowledged_told_as_closed, reset),
		cmocka_unit_test_setup(test_established_new_handshake_told_as_replaced, reset),
		cmocka_unit_test_setup(test_deadline_passed_new_connection_tells_old_one_as_expired, reset),
		cmocka_unit_test_setup(test_deadline_passed_swept_told_as_expired, reset),
		cmocka_unit_test_setup(test_lease_over_nothing_is_told, reset),
		cmocka_unit_test_setup(test_ring_full_its_watcher_alone_loses, reset),
		cmocka_unit_test_setup(test_daemon_tells_passed_on_as_it_is, reset),
	};

	return shield_run_tests("watch", tests, ARRAY_LEN(tests));
}
