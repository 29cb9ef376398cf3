/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How a verified connection reaches a listener of the kernel. There are three ways, and each listener gets the best
 * that works for it; docs/handover.md has every case.
 *
 * Pure: the programs decide by this for each SYN, `synkeep status` explains by it.
 */
#ifndef SYNKEEP_HANDOVER_H
#define SYNKEEP_HANDOVER_H

#include "base.h"

/* From the best to the last. */
enum handover_way {
	HANDOVER_KFUNC,	 /* our cookie; its ACK is made a connection by bpf_sk_assign_tcp_reqsk() */
	HANDOVER_HELPER, /* the kernel's cookie, made by bpf_tcp_gen_syncookie(); the kernel takes its ACK by itself */
	HANDOVER_PASS,	 /* no cookie of ours or by us: the kernel sees the SYN */
} __attribute__((packed));

/* X(identifier, why it is no better way), those of a way together */
#define HANDOVER_REASONS(X)                                                                                            \
	X(BEST, "")                                                                                                    \
	X(MPTCP, "the listener is MPTCP")                                                                              \
	X(NO_KFUNC, "this kernel has no bpf_sk_assign_tcp_reqsk")                                                      \
	X(FORCED_HELPER, "loaded with --handover helper")                                                              \
	X(NO_SYNCOOKIES, "net.ipv4.tcp_syncookies is 0")                                                               \
	X(FORCED_PASS, "loaded with --handover pass")

enum handover_reason {
#define X(id, sentence) HANDOVER_BECAUSE_##id,
	HANDOVER_REASONS(X)
#undef X
		HANDOVER_REASON_COUNT
};

struct handover_facts {
	enum handover_way best; /* that the loader allows */
	bool has_kfunc;		/* the kernel does: since Linux 6.9 */
	bool syncookies;	/* net.ipv4.tcp_syncookies is not 0: without it the kernel checks no cookie at all */
	bool mptcp;		/* the kfunc refuses such a listener, the kernel's own cookies do not */
};

static __always_inline enum handover_reason handover_reason(const struct handover_facts *facts)
{
	if (facts->best == HANDOVER_PASS)
		return HANDOVER_BECAUSE_FORCED_PASS;
	if (!facts->syncookies)
		return HANDOVER_BECAUSE_NO_SYNCOOKIES;
	if (facts->best == HANDOVER_HELPER)
		return HANDOVER_BECAUSE_FORCED_HELPER;
	if (!facts->has_kfunc)
		return HANDOVER_BECAUSE_NO_KFUNC;
	return facts->mptcp ? HANDOVER_BECAUSE_MPTCP : HANDOVER_BECAUSE_BEST;
}

static __always_inline enum handover_way handover_way(enum handover_reason reason)
{
	if (reason >= HANDOVER_BECAUSE_NO_SYNCOOKIES)
		return HANDOVER_PASS;
	return reason == HANDOVER_BECAUSE_BEST ? HANDOVER_KFUNC : HANDOVER_HELPER;
}

#ifndef __bpf__
static inline const char *handover_way_name(enum handover_way way)
{
	static const char *const names[] = { "kfunc", "helper", "pass" };

	return way < ARRAY_LEN(names) ? names[way] : "?";
}

static inline const char *handover_reason_sentence(enum handover_reason reason)
{
	static const char *const sentences[] = {
#define X(id, sentence) sentence,
		HANDOVER_REASONS(X)
#undef X
	};
	return reason < HANDOVER_REASON_COUNT ? sentences[reason] : "?";
}
#endif

#endif /* SYNKEEP_HANDOVER_H */
