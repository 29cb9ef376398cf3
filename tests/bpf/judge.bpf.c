// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The state machine and the judge as the BPF compiler builds them, to be called with any state, event and record. */
#include "judge_call.h"

struct fsm_call fsm_call;
struct judge_call judge_call;

SEC("syscall")
int fsm_next(void *ctx)
{
	fsm_call.next = tcp_fsm_next(fsm_call.state, fsm_call.event);
	return 0;
}

SEC("syscall")
int judge(void *ctx)
{
	struct judge_call *call = &judge_call;
	struct segment segment = call->segment;
	struct flow flow;

	__builtin_memcpy(&flow, call->flow, sizeof(flow));
	call->judgement = flow_judge(&flow, &segment, call->direction, call->now_ns, call->msl_ns);
	__builtin_memcpy(call->flow, &flow, sizeof(flow));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
