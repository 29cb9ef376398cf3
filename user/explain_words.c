/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The words in which an explanation is told. See explain_words.h.
 */
#include <linux/bpf.h>

#include "explain_words.h"

const char *explain_words_kind(enum packet_kind kind)
{
	static const char *const words[] = {
		[PACKET_OTHER] = "not TCP",
		[PACKET_ICMP] = "ICMP",
		[PACKET_OBSCURE] = "headers that hide what they carry",
		[PACKET_TCP] = "TCP",
		[PACKET_FRAGMENT] = "fragment",
		[PACKET_LATER_FRAGMENT] = "later fragment",
		[PACKET_MALFORMED] = "malformed",
	};

	return words[kind];
}

const char *explain_words_action(__u32 xdp_action)
{
	static const char *const words[] = {
		[XDP_ABORTED] = "XDP_ABORTED", [XDP_DROP] = "XDP_DROP",		[XDP_PASS] = "XDP_PASS",
		[XDP_TX] = "XDP_TX",	       [XDP_REDIRECT] = "XDP_REDIRECT",
	};

	return xdp_action < ARRAY_LEN(words) ? words[xdp_action] : "?";
}

const char *explain_words_table(const struct flow_view *view)
{
	static const char *const words[FLOW_TABLE_COUNT][2] = {
		[FLOW_TABLE_HALF] = { "half4", "half6" },
		[FLOW_TABLE_LIVE] = { "flows4", "flows6" },
		[FLOW_TABLE_ENDED] = { "tw4", "tw6" },
	};

	return words[view->table][view->family == FAMILY_IPV6];
}

const char *explain_words_budget(__u32 reason)
{
	static const char *const words[BUDGET_COUNT] = {
		[BUDGET_STRANGER] = "segments without a flow",
		[BUDGET_NO_SOCKET] = "segments where nothing listens",
		[BUDGET_HALF_OPEN] = "segments of handshakes",
		[BUDGET_SOCKET] = "segments for sockets without a record",
		[BUDGET_ENDED] = "segments of connections that the owner has reset",
		[BUDGET_LOOK_UP] = "segments that are looked up",
		[BUDGET_FRAGMENT] = "fragments",
		[BUDGET_NOT_UNDERSTOOD] = "what is not understood",
		[BUDGET_SYN_LIVE] = "SYNs on tuples that are live",
		[BUDGET_SYN_NO_LISTENER] = "SYNs where nothing listens",
		[BUDGET_SYN_SIGNED] = "SYNs that are signed",
	};

	return words[reason];
}

const char *explain_words_cause(enum sentry_cause cause)
{
	static const char *const words[] = {
#define X(id, name, sentence) sentence,
		SENTRY_CAUSES(X)
#undef X
	};

	return cause < SENTRY_CAUSE_COUNT ? words[cause] : "?";
}

const char *explain_words_listener(const struct listener_match *match)
{
	static const char *const words[] = {
		[LISTENER_NONE] = "nothing listens there",
		[LISTENER_TCP] = "TCP",
		[LISTENER_MPTCP] = "MPTCP only",
	};

	return words[listener_kind(match)];
}

const char *explain_words_unseen(const struct explanation *x)
{
	if (x->way == EXPLAIN_LEAVES)
		return "it is of no service";
	return x->service && x->service->owner == FLOW_OWNER_DAEMON ? "the daemon's own, which nobody judges"
								    : "the answer to a SYN, which nobody judges";
}

const char *explain_words_listed(enum source_action action)
{
	static const char *const words[] = {
		[SOURCE_UNLISTED] = "unlisted",
		[SOURCE_ALLOW] = "allowed",
		[SOURCE_DENY] = "denied",
		[SOURCE_DENY_MONITOR] = "denied, but only counted",
	};

	return action < ARRAY_LEN(words) ? words[action] : "?";
}

const char *explain_words_epoch(const struct explanation *x)
{
	switch (x->epoch - x->cookie_epoch) {
	case 0:
		return "which is now";
	case 1:
		return "the one before this: it is good";
	case -1U:
		return "the next one: it is good in the last 5 s of this";
	default:
		return "which is over: it is stale";
	}
}
