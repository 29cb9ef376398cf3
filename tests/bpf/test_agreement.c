// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The two builds of one code agree: the state machine for every state and event, the judge for random records and
 * segments, and random traces through the programs themselves with the record compared after each step.
 */
#include <bpf/bpf.h>
#include <string.h>

#include "judge_call.h"
#include "talk.h"
#include "tests/bpf/judge.skel.h" /* needs judge_call.h */

#define JUDGE_SEED 1ULL
#define JUDGE_CALLS 20000
#define TRACE_SEED 2ULL
#define TRACES 600
#define TRACE_STEPS 30

static struct judge *judge;

static int load_judge(void **state)
{
	(void)state;
	judge = judge__open_and_load();
	return judge ? 0 : -1;
}

static int unload_judge(void **state)
{
	(void)state;
	judge__destroy(judge);
	return 0;
}

static void call(const struct bpf_program *program)
{
	LIBBPF_OPTS(bpf_test_run_opts, run);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program), &run), 0);
	assert_int_equal(run.retval, 0);
}

static void test_fsm_every_state_and_event_agrees(void **unused)
{
	(void)unused;
	for (__u32 state = 0; state < TCPS_COUNT + 3; state++) {
		for (__u32 event = 0; event < TCPE_COUNT + 3; event++) {
			judge->bss->fsm_call = (struct fsm_call){ .state = state, .event = event };
			call(judge->progs.fsm_next);
			assert_int_equal(judge->bss->fsm_call.next, tcp_fsm_next(state, event));
		}
	}
}

/* --- random records and segments: near the numbers that decide, so that every branch is met --- */

static __u32 random_next(__u64 *series)
{
	*series = *series * 6364136223846793005ULL + 1442695040888963407ULL;
	return (__u32)(*series >> 32);
}

static __u32 random_below(__u64 *series, __u32 limit)
{
	return random_next(series) % limit;
}

/* Mostly the number itself, else a little before or after it, seldom anywhere. */
static __u32 random_near(__u64 *series, __u32 number)
{
	switch (random_below(series, 8)) {
	case 0:
		return number - random_below(series, 3000);
	case 1:
		return number + random_below(series, 3000);
	case 2:
		return number - 1;
	case 3:
		return random_below(series, 4) ? number : random_next(series);
	default:
		return number;
	}
}

static __u16 random_flow_flags(__u64 *series, enum tcp_state state)
{
	__u16 flags = random_next(series) & (FLOW_WSCALE | FLOW_SACK | FLOW_TIMESTAMPS | FLOW_ECN | FLOW_COOKIE |
					     FLOW_HANDOVER | FLOW_ADOPTED);

	if (state == TCPS_FIN_WAIT_1 || state == TCPS_FIN_WAIT_2 || state == TCPS_CLOSING || state == TCPS_LAST_ACK)
		flags |= FLOW_SND_FIN;
	if (state == TCPS_CLOSE_WAIT || state == TCPS_CLOSING || state == TCPS_LAST_ACK)
		flags |= FLOW_RCV_FIN;
	return flags;
}

/* A record in the middle of its life, in any state that the table of live connections can hold. */
static struct flow random_flow(__u64 *series, const struct tuple *t, __u64 now_ns)
{
	static const enum tcp_state states[] = { TCPS_SYN_RECEIVED, TCPS_ESTABLISHED, TCPS_FIN_WAIT_1, TCPS_FIN_WAIT_2,
						 TCPS_CLOSE_WAIT,   TCPS_CLOSING,     TCPS_LAST_ACK };
	struct flow f = {
		.tag = flow_tag(t),
		.state = states[random_below(series, ARRAY_LEN(states))],
		.snd_wscale = random_below(series, TCP_WSCALE_MAX + 1),
		.rcv_wscale = random_below(series, TCP_WSCALE_MAX + 1),
		.mss = 1460,
		.irs = random_next(series),
		.iss = random_next(series),
		.rcv_nxt = random_next(series),
		.snd_nxt = random_next(series),
		.rcv_tsval = random_next(series),
		.snd_tsval = random_next(series),
		.deadline_ns = now_ns + 1000 * NSEC_PER_SEC,
		.born_s = now_ns / NSEC_PER_SEC,
		.snd_wnd = random_next(series),
		.probes = random_below(series, 2) ? 1 + random_below(series, 10) : 0,
	};

	if (f.probes && random_below(series, 2))
		f.probes |= FLOW_PROBE_AWAITED;
	f.flags = random_flow_flags(series, f.state);
	f.rcv_wup = f.rcv_nxt - random_below(series, 2) * random_below(series, 5000);
	f.rcv_edge = f.rcv_wup + random_below(series, 100000);
	f.rcv_max = f.rcv_nxt - 1;
	f.snd_una = f.snd_nxt - random_below(series, 2) * random_below(series, 5000);
	f.snd_fin = f.snd_nxt - 1;
	return f;
}

static __u8 random_segment_flags(__u64 *series)
{
	static const __u8 flags[] = { TCP_FLAG_ACK,
				      TCP_FLAG_ACK,
				      TCP_FLAG_ACK,
				      TCP_FLAG_ACK | TCP_FLAG_PSH,
				      TCP_FLAG_ACK | TCP_FLAG_PSH,
				      TCP_FLAG_ACK | TCP_FLAG_FIN,
				      TCP_FLAG_ACK | TCP_FLAG_FIN,
				      TCP_FLAG_ACK | TCP_FLAG_SYN,
				      TCP_FLAG_RST,
				      TCP_FLAG_RST | TCP_FLAG_ACK,
				      TCP_FLAG_FIN,
				      TCP_FLAG_URG };

	return flags[random_below(series, ARRAY_LEN(flags))];
}

/* What the peer says when it is asked, or nearly that. */
static struct packet_spec random_answer(__u64 *series, const struct tuple *t, const struct flow *f)
{
	struct packet_spec spec = {
		.tuple = *t,
		.seq = f->rcv_nxt,
		.ack = f->snd_nxt,
		.window = f->snd_wnd + !random_below(series, 8),
		.flags = TCP_FLAG_ACK,
	};

	if (f->flags & FLOW_TIMESTAMPS)
		packet_build_timestamps(&spec, f->rcv_tsval + 1 - random_below(series, 3), f->snd_tsval);
	return spec;
}

/* A segment that one of the two ends might send, or somebody who would like to be one of them. */
static struct packet_spec random_segment(__u64 *series, const struct tuple *t, const struct flow *f)
{
	struct packet_spec spec = {
		.tuple = *t,
		.direction = random_below(series, 2) ? DIRECTION_RCV : DIRECTION_SND,
		.window = random_next(series),
		.flags = random_segment_flags(series),
		.payload_bytes = random_below(series, 2) * random_below(series, 300),
	};

	if (!random_below(series, 4))
		return random_answer(series, t, f);
	if (spec.direction == DIRECTION_RCV) {
		spec.seq = random_near(series, random_below(series, 4) ? f->rcv_nxt : f->rcv_edge);
		spec.ack = random_near(series, random_below(series, 4) ? f->snd_nxt : f->snd_una);
	} else {
		spec.seq = spec.flags & TCP_FLAG_SYN ? f->iss : random_near(series, f->snd_nxt);
		spec.ack = random_near(series, f->rcv_nxt);
	}
	if (random_below(series, 2))
		packet_build_timestamps(&spec, random_next(series), random_next(series));
	return spec;
}

static void test_judge_random_records_and_segments_agree(void **unused)
{
	struct tuple t = shield_tuple(FAMILY_IPV4, PORT_ALWAYS);
	struct judge_call *ask = &judge->bss->judge_call;
	int met[JUDGE_NO_ACK + 1] = {};
	__u64 series = JUDGE_SEED;

	(void)unused;
	print_message("seed %llu\n", series);
	for (int i = 0; i < JUDGE_CALLS; i++) {
		struct flow f = random_flow(&series, &t, NSEC_PER_SEC);
		struct packet_spec spec = random_segment(&series, &t, &f);

		memcpy(ask->flow, &f, sizeof(f));
		ask->segment = packet_build_segment(&spec);
		ask->now_ns = (__u64)random_next(&series) << 20;
		ask->msl_ns = SHIELD_MSL_NS;
		ask->direction = spec.direction;
		call(judge->progs.judge);
		assert_int_equal(ask->judgement,
				 flow_judge(&f, &ask->segment, spec.direction, ask->now_ns, ask->msl_ns));
		assert_memory_equal(ask->flow, &f, sizeof(f));
		met[ask->judgement]++;
	}
	for (size_t i = 0; i < ARRAY_LEN(met); i++)
		assert_true(met[i] >= 10); /* the numbers are near enough to what decides */
}

/* --- traces through the programs --- */

static void assert_ended_like_model(const struct talk *t)
{
	bool leaves_record = t->model.state == TCPS_TIME_WAIT || (t->model.flags & FLOW_COOKIE);

	talk_assert_ended(t, leaves_record ? t->model.state : TCPS_COUNT);
}

/* Steps taken until the flow ended, or all of them. */
static int run_trace(__u64 *series, __u8 family)
{
	struct talk t;

	shield_reset(NULL);
	talk_init(&t, family, PORT_ALWAYS);
	assert_verdict(shield_receive_packet(&(struct packet_spec){ .tuple = t.tuple, .flags = TCP_FLAG_RST }),
		       V_NO_FLOW); /* the programs have read their clock */
	t.model = random_flow(series, &t.tuple, shield_now_ns());
	shield_put_flow(&t.tuple, &t.model);
	shield_fill_presence(); /* as flow_make() leaves no flow without its bits */
	for (int step = 0; step < TRACE_STEPS; step++) {
		struct packet_spec spec = random_segment(series, &t.tuple, &t.model);

		talk_passes(&t, &spec); /* compares the records */
		if (!flow_has_ended(&t.model))
			continue;
		assert_ended_like_model(&t);
		return step + 1;
	}
	return TRACE_STEPS;
}

static void test_programs_random_traces_agree_with_model(void **unused)
{
	__u64 series = TRACE_SEED;
	int steps = 0;

	(void)unused;
	print_message("seed %llu\n", series);
	for (int trace = 0; trace < TRACES; trace++)
		steps += run_trace(&series, trace % 2 ? FAMILY_IPV4 : FAMILY_IPV6);
	print_message("%d segments\n", steps);
	assert_true(steps > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_fsm_every_state_and_event_agrees, load_judge, unload_judge),
		cmocka_unit_test_setup_teardown(test_judge_random_records_and_segments_agree, load_judge, unload_judge),
		cmocka_unit_test_setup(test_programs_random_traces_agree_with_model, shield_reset),
	};

	return shield_run_tests("agreement", tests, ARRAY_LEN(tests));
}
