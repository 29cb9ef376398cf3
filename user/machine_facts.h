/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What this machine and this network namespace are like, as far as a shield cares; doctor_machine.h judges it. Reads
 * only, but for a program of two instructions that the kernel is asked to load, and that is gone at once.
 */
#ifndef SYNKEEP_MACHINE_FACTS_H
#define SYNKEEP_MACHINE_FACTS_H

#include <linux/types.h>

#include "listener.h"
#include "sysctls.h"

/*
 * What the programs use and not every kernel has. X(identifier, name in BTF, whether it is a function, release, whether
 * a load needs it, what is without it)
 */
#define MACHINE_FEATURES(X)                                                                                            \
	X(ITER_ELEM, "bpf_iter__bpf_map_elem", false, "5.9", true, "the tables can not be read")                       \
	X(ITER_TCP, "bpf_iter__tcp", false, "5.9", true, "connections from before the load can not be found")          \
	X(TIMER, "bpf_timer", false, "5.15", true, "expired records can not be taken away without a process")          \
	X(ELEM_COUNT, "bpf_map_sum_elem_count", true, "6.6", false,                                                    \
	  "nobody can tell that a full table gave up an ended connection's record early")                              \
	X(HANDOVER, "bpf_sk_assign_tcp_reqsk", true, "6.9", false,                                                     \
	  "listeners get the kernel's own cookies, which cost more and keep fewer options")                            \
	X(WORKQUEUE, "bpf_wq", false, "6.10", false,                                                                   \
	  "the sweep walks the tables in a timer's interrupt, which holds a CPU for milliseconds")

enum machine_feature {
#define X(id, name, is_function, release, needed, sentence) FEATURE_##id,
	MACHINE_FEATURES(X)
#undef X
		FEATURE_COUNT
};

/* Where the pins are to be. */
struct machine_bpffs {
	bool there;	  /* the pin root is in a BPF file system */
	bool usual;	  /* it is to be below PINS_BPFFS, where a load mounts one that is missing */
	bool mounts_stay; /* this mount namespace is that of process 1 */
	bool shared;	  /* the file system at the pin root is one that process 1 sees there, too */
};

/* RLIMIT_MEMLOCK, which before Linux 5.11 bounds maps, and ever since the memory of AF_XDP. */
struct machine_memlock {
	__u64 bytes;	  /* ~0: no limit */
	bool may_raise;	  /* this process can, and does */
	bool exempt;	  /* CAP_IPC_LOCK: AF_XDP is not charged to it */
	bool bounds_maps; /* this kernel charges maps to it */
};

struct machine_clock {
	bool synchronized;   /* by the kernel's word, for which an NTP daemon tells it */
	__u64 tai_offset_ns; /* 0: nobody has told the kernel */
};

struct machine_facts {
	const char *pin_root;
	char release[65]; /* of the kernel */
	bool may_load;
	int probe_error; /* -errno of the program of two instructions; 0 */
	bool jited;	 /* that one was */
	bool has_types;	 /* the kernel has BTF */
	bool features[FEATURE_COUNT];
	char lockdown[24];    /* "none", "integrity", "confidentiality"; "" where the kernel has none */
	int unprivileged_bpf; /* kernel.unprivileged_bpf_disabled; -1: could not be read */
	struct machine_bpffs bpffs;
	struct machine_memlock memlock;
	__u64 available_bytes; /* for maps; 0: could not be read */
	__u64 needed_bytes;    /* by a load with the default of --flows */
	struct machine_clock clock;
	struct sysctls sysctls;
	int somaxconn;	     /* -1: could not be read, as below */
	int max_syn_backlog; /* net.ipv4.tcp_max_syn_backlog */
	struct listener_view *listeners;
	int listener_count;
	int cpus;
};

/* Fills in what can be read; machine_facts_free() is due. */
void machine_facts_read(const char *pin_root, struct machine_facts *facts);
void machine_facts_free(struct machine_facts *facts);

#endif /* SYNKEEP_MACHINE_FACTS_H */
