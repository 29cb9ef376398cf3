/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What bites users on this machine. See doctor_machine.h.
 */
#include "doctor_machine.h"

#include <errno.h>
#include <string.h>

#include "attach.h"
#include "daemon/xsk.h"
#include "format.h"
#include "pins.h"
#include "service_handover.h"

#define BACKLOG_ENOUGH 4096				    /* the kernel's own default, since Linux 5.4 */
#define DAEMON_QUEUE_BYTES (2 * XSK_RING_DEFAULT * 2048ULL) /* that AF_XDP pins for a queue, by default */

/* --- programs ---------------------------------------------------------------------------------------------------- */

static void judge_kernel(const struct machine_facts *facts, const struct finding_listener *listener)
{
	static const struct {
		const char *name, *release, *without;
		bool needed;
	} features[] = {
#define X(id, name, is_function, release, needed, sentence) { name, release, sentence, needed },
		MACHINE_FEATURES(X)
#undef X
	};

	if (!facts->has_types) {
		finding_tell(listener, FINDING_PROBLEM, "btf", "",
			     "Linux %s does not show its types (/sys/kernel/btf/vmlinux), and programs are not loaded "
			     "without: a kernel with CONFIG_DEBUG_INFO_BTF has them",
			     facts->release);
		return;
	}
	finding_tell(listener, FINDING_OK, "btf", "", "Linux %s shows its types", facts->release);
	for (size_t i = 0; i < ARRAY_LEN(features); i++) {
		if (facts->features[i])
			finding_tell(listener, FINDING_OK, features[i].name, "", "there, as since Linux %s",
				     features[i].release);
		else
			finding_tell(listener, features[i].needed ? FINDING_PROBLEM : FINDING_NOTE, features[i].name,
				     "", "Linux %s has no %s, so %s: Linux %s has it", facts->release, features[i].name,
				     features[i].without, features[i].release);
	}
}

static void judge_privileges(const struct machine_facts *facts, const struct finding_listener *listener)
{
	if (!facts->may_load)
		finding_tell(listener, FINDING_PROBLEM, "capabilities", "",
			     "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are needed: run it as root");
	else if (facts->probe_error)
		finding_tell(listener, FINDING_PROBLEM, "capabilities", "",
			     "this process has them, and the kernel refuses the smallest program (%s): a security "
			     "module, a seccomp filter or a container does not let it",
			     strerror(-facts->probe_error));
	else
		finding_tell(listener, FINDING_OK, "capabilities", "", "programs may be loaded");
	if (!facts->probe_error && !facts->jited)
		finding_tell(listener, FINDING_NOTE, "bpf_jit_enable", "sysctl -w net.core.bpf_jit_enable=1",
			     "programs are interpreted, which costs several times as much a packet; it is set in the "
			     "host's network namespace");
	else if (!facts->probe_error)
		finding_tell(listener, FINDING_OK, "bpf_jit_enable", "", "programs run as machine code");
}

static void judge_protection(const struct machine_facts *facts, const struct finding_listener *listener)
{
	if (!strcmp(facts->lockdown, "confidentiality"))
		finding_tell(listener, FINDING_PROBLEM, "lockdown", "",
			     "the kernel is locked down for confidentiality, and programs may not read its memory: "
			     "boot with lockdown=integrity, or none");
	else
		finding_tell(listener, FINDING_OK, "lockdown", "", "%s", *facts->lockdown ? facts->lockdown : "none");
	if (facts->unprivileged_bpf == 0)
		finding_tell(listener, FINDING_NOTE, "unprivileged_bpf", "sysctl -w kernel.unprivileged_bpf_disabled=2",
			     "kernel.unprivileged_bpf_disabled is 0: any user may load BPF programs, which Synkeep "
			     "does not need");
	else if (facts->unprivileged_bpf > 0)
		finding_tell(listener, FINDING_OK, "unprivileged_bpf", "",
			     "only who is privileged may load BPF programs");
}

/* --- places and memory ------------------------------------------------------------------------------------------- */

static void judge_bpffs(const struct machine_facts *facts, const struct finding_listener *listener)
{
	const struct machine_bpffs *bpffs = &facts->bpffs;
	char text[ATTACH_ERROR_BYTES], command[FINDING_REMEDY_BYTES];

	if (!bpffs->there && bpffs->mounts_stay && bpffs->usual) {
		finding_tell(listener, FINDING_NOTE, "bpffs", "mount -t bpf bpf " PINS_BPFFS,
			     "no BPF file system is mounted at %s: `synkeep load` mounts one", PINS_BPFFS);
	} else if (!bpffs->there) {
		pins_explain(bpffs->usual ? -EXDEV : -ENOTDIR, facts->pin_root, text, sizeof(text));
		finding_tell(listener, FINDING_PROBLEM, "bpffs",
			     bpffs->usual ? "" : finding_remedy(command, "mount -t bpf bpf %s", facts->pin_root), "%s",
			     text);
	} else if (!bpffs->mounts_stay && !bpffs->shared) {
		finding_tell(listener, FINDING_PROBLEM, "bpffs", "",
			     "the BPF file system at %s is of this mount namespace alone, and pins vanish with it: "
			     "load from the host's, where `nsenter --net=/run/netns/NAME` stays in its mounts",
			     facts->pin_root);
	} else {
		finding_tell(listener, FINDING_OK, "bpffs", "", "%s is in a BPF file system", facts->pin_root);
	}
}

static void judge_memlock(const struct machine_facts *facts, const struct finding_listener *listener)
{
	const struct machine_memlock *memlock = &facts->memlock;
	char bytes[FORMAT_SIZE_BYTES], needed[FORMAT_SIZE_BYTES];

	format_bytes(bytes, memlock->bytes);
	if (memlock->bounds_maps && !memlock->may_raise && memlock->bytes < facts->needed_bytes)
		finding_tell(listener, FINDING_PROBLEM, "memlock", "ulimit -l unlimited",
			     "RLIMIT_MEMLOCK is %s, this process can not raise it, and before Linux 5.11 maps are "
			     "charged to it, of which a load takes %s; LimitMEMLOCK=infinity in a unit",
			     bytes, format_bytes(needed, facts->needed_bytes));
	else if (!memlock->exempt && !memlock->may_raise && memlock->bytes < DAEMON_QUEUE_BYTES)
		finding_tell(listener, FINDING_NOTE, "memlock", "ulimit -l unlimited",
			     "RLIMIT_MEMLOCK is %s, this process can not raise it and has no CAP_IPC_LOCK, and the "
			     "daemon's AF_XDP takes %s for a queue; LimitMEMLOCK=infinity in a unit",
			     bytes, format_bytes(needed, DAEMON_QUEUE_BYTES));
	else
		finding_tell(listener, FINDING_OK, "memlock", "", "%s",
			     memlock->bytes == ~0ULL ? "unlimited"
			     : memlock->may_raise    ? "raised where it is needed"
			     : memlock->exempt	     ? "CAP_IPC_LOCK needs no limit"
						     : "enough");
}

static void judge_clock(const struct machine_facts *facts, const struct finding_listener *listener)
{
	if (facts->clock.synchronized)
		finding_tell(listener, FINDING_OK, "clock", "", "kept by an NTP daemon");
	else
		finding_tell(listener, FINDING_NOTE, "clock", "timedatectl set-ntp true",
			     "by the kernel's word no NTP daemon keeps it: machines that share a key (`load "
			     "--key-file`) must agree within 5 s, or they do not take each other's cookies, and are to "
			     "be loaded when the clock is set");
}

/* --- its TCP ----------------------------------------------------------------------------------------------------- */

static void judge_syncookies(const struct machine_facts *facts, const struct finding_listener *listener)
{
	int syncookies = facts->sysctls.syncookies;

	if (syncookies == 0)
		finding_tell(listener, FINDING_PROBLEM, "tcp_syncookies", "sysctl -w net.ipv4.tcp_syncookies=1",
			     "%s: the kernel forbids the handover then, and SYNs are passed to it",
			     handover_reason_sentence(HANDOVER_BECAUSE_NO_SYNCOOKIES));
	else if (syncookies > 0)
		finding_tell(listener, FINDING_OK, "tcp_syncookies", "", "%d: the kernel allows the handover",
			     syncookies);
	/* Elsewhere cookies of its own keep the kernel from it (tcp_conn_request). */
	if (syncookies == 0 && facts->max_syn_backlog >= 0 && facts->max_syn_backlog < BACKLOG_ENOUGH)
		finding_tell(listener, FINDING_NOTE, "tcp_max_syn_backlog",
			     "sysctl -w net.ipv4.tcp_max_syn_backlog=4096",
			     "net.ipv4.tcp_max_syn_backlog is %d: without cookies SYNs of strangers are dropped when "
			     "three quarters of that are half-open",
			     facts->max_syn_backlog);
	else if (facts->max_syn_backlog >= 0)
		finding_tell(listener, FINDING_OK, "tcp_max_syn_backlog", "", "%d", facts->max_syn_backlog);
}

static void judge_backlogs(const struct machine_facts *facts, const struct finding_listener *listener)
{
	const struct listener_view *cut = NULL, *full = NULL;

	for (int i = 0; i < facts->listener_count; i++) {
		const struct listener_view *one = &facts->listeners[i];

		if (facts->somaxconn >= 0 && one->backlog == (__u32)facts->somaxconn && one->backlog < BACKLOG_ENOUGH)
			cut = one;
		if (one->queued > one->backlog)
			full = one;
	}
	if (cut)
		finding_tell(listener, FINDING_NOTE, "somaxconn", "sysctl -w net.core.somaxconn=4096",
			     "net.core.somaxconn is %d, to which the accept queue of port %u was cut: a burst that is "
			     "handed over at once does not fit; then start its server again",
			     facts->somaxconn, cut->port);
	else if (facts->somaxconn >= 0)
		finding_tell(listener, FINDING_OK, "somaxconn", "", "no accept queue was cut to %d", facts->somaxconn);
	if (full)
		finding_tell(listener, FINDING_PROBLEM, "accept-queue", "",
			     "the accept queue of port %u is full, with %u connections, and what is handed over to it "
			     "is lost: its server is too slow, or listens with too small a backlog",
			     full->port, full->queued);
	else
		finding_tell(listener, FINDING_OK, "accept-queue", "", "none is full");
}

static void judge_mptcp(const struct machine_facts *facts, const struct finding_listener *listener)
{
	const struct listener_view *mptcp = NULL;
	int count = 0;

	for (int i = 0; i < facts->listener_count; i++) {
		if (!facts->listeners[i].mptcp)
			continue;
		mptcp = &facts->listeners[i];
		count++;
	}
	if (mptcp)
		finding_tell(listener, FINDING_NOTE, "mptcp", "",
			     "%d listener%s with MPTCP, as on port %u: connections of cookies of ours can not be "
			     "handed over there, so the kernel's answer: %s",
			     count, count > 1 ? "s" : "", mptcp->port, service_handover_remedy(HANDOVER_BECAUSE_MPTCP));
	else
		finding_tell(listener, FINDING_OK, "mptcp", "", "no listener speaks it");
}

void doctor_machine_judge(const struct machine_facts *facts, const struct finding_listener *listener)
{
	judge_kernel(facts, listener);
	judge_privileges(facts, listener);
	judge_protection(facts, listener);
	judge_bpffs(facts, listener);
	judge_memlock(facts, listener);
	judge_clock(facts, listener);
	judge_syncookies(facts, listener);
	sysctls_judge(&facts->sysctls, listener);
	judge_backlogs(facts, listener);
	judge_mptcp(facts, listener);
}
