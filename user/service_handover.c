/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From listeners and sysctls to ways of handover, and to sentences. See service_handover.h.
 */
#include "service_handover.h"

#include <stdio.h>

#include "kernel_cookie.h"

static enum handover_reason reason_for(const struct status *status, bool mptcp)
{
	const struct handover_facts facts = {
		.best = status->config->best_handover,
		.has_kfunc = status->has_handover_kfunc,
		.syncookies = status->sysctls.syncookies != 0,
		.mptcp = mptcp,
	};

	return handover_reason(&facts);
}

int service_handover_list(const struct status *status, const struct status_service *service,
			  struct service_handover handovers[SERVICE_HANDOVERS_MAX])
{
	const struct service_handover plain = { reason_for(status, false), service->listeners.tcp };
	const struct service_handover mptcp = { reason_for(status, true), service->listeners.mptcp };
	int count = 0;

	if (service->spec.policy == POLICY_OFF || service->spec.owner != FLOW_OWNER_KERNEL)
		return 0;
	if (plain.listeners)
		handovers[count++] = plain;
	if (!mptcp.listeners)
		return count;
	if (count && plain.reason == mptcp.reason)
		handovers[0].listeners += mptcp.listeners;
	else
		handovers[count++] = mptcp;
	return count;
}

const char *service_handover_remedy(enum handover_reason reason)
{
	switch (reason) {
	case HANDOVER_BECAUSE_MPTCP:
		return "let it listen with plain TCP (Go programs: GODEBUG=multipathtcp=0)";
	case HANDOVER_BECAUSE_NO_KFUNC:
		return "Linux 6.9 has it";
	case HANDOVER_BECAUSE_NO_SYNCOOKIES:
		return "`sysctl -w net.ipv4.tcp_syncookies=1`";
	case HANDOVER_BECAUSE_FORCED_HELPER:
	case HANDOVER_BECAUSE_FORCED_PASS:
		return "load it without --handover";
	default:
		return "";
	}
}

bool service_handover_explain(const struct status *status, enum handover_reason reason, char *text, size_t size)
{
	const struct sysctls *sysctls = &status->sysctls;
	const char *because = handover_reason_sentence(reason);
	bool only_in_overflow = sysctls->syncookies == 1;
	bool keeps_options = sysctls->timestamps == TIMESTAMPS_WITHOUT_OFFSET;

	text[0] = '\0';
	switch (handover_way(reason)) {
	case HANDOVER_KFUNC:
		return false;
	case HANDOVER_PASS:
		snprintf(text, size, "%s, so SYNs are passed to the kernel: %s", because,
			 service_handover_remedy(reason));
		return true;
	case HANDOVER_HELPER:
		break;
	}
	snprintf(text, size, "%s, so the kernel's own cookies answer SYNs%s, and connections keep %s: %s%s%s", because,
		 only_in_overflow ? ", only while the listener's queue overflows" : "",
		 keeps_options ? "options by timestamps" : "no option but the MSS", service_handover_remedy(reason),
		 only_in_overflow ? "; `sysctl -w net.ipv4.tcp_syncookies=2` answers all" : "",
		 keeps_options ? "" : "; `sysctl -w net.ipv4.tcp_timestamps=2` keeps options");
	return only_in_overflow;
}
