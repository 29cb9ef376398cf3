/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What test_agreement.c asks of judge.bpf.c: globals of its programs, question and answer in one. */
#ifndef SYNKEEP_TEST_JUDGE_CALL_H
#define SYNKEEP_TEST_JUDGE_CALL_H

#include "judge.h"

struct fsm_call {
	__u32 state;
	__u32 event;
	__u32 next; /* the answer */
};

struct judge_call {
	__u8 flow[sizeof(struct flow)]; /* stepped; bytes, because its lock may not stand in a global */
	struct segment segment;
	__u64 now_ns;
	__u64 msl_ns;
	__u32 direction;
	__u32 judgement; /* the answer */
};

#endif /* SYNKEEP_TEST_JUDGE_CALL_H */
