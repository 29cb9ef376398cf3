/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a device's ager tells about itself: the element of the pinned map "ager", which the commands read without asking
 * the process.
 */
#ifndef SYNKEEP_DAEMON_AGER_STATE_H
#define SYNKEEP_DAEMON_AGER_STATE_H

#include "ageing.h"
#include "daemon/state_map.h"

#define AGER_SILENCE_NS                                                                                                \
	(3 * NSEC_PER_SEC) /* an ager that has not said for so long that it is there is gone, or stuck */
#define AGER_LATE_CLASSES 24

struct ager_state {
	__u64 alive_ns; /* CLOCK_MONOTONIC, renewed twice a second; 0: it has ended */
	/* The reading of the tables. */
	__u64 scans;
	__u64 scans_failed;
	__u64 scan_cpu_ns; /* of the last */
	__u64 period_ms;
	__u64 waiting; /* keys that are in the horizon */
	/* What was taken away, and how late behind its deadline. */
	__u64 expired[AGE_TABLES];
	__u64 late[AGER_LATE_CLASSES]; /* records: class 0 by less than 1 ms, class n by 2^(n-1) to 2^n - 1 ms */
	__u64 late_max_ms;
	/* Keepalive for connections that the kernel owns. */
	__u64 probes_sent;
	__u64 probes_put_off;	 /* to their turn, or till there is room */
	__u64 probes_unanswered; /* until the next was due, or for so long */
	__u64 no_path;		 /* probes that could not be made: the record does not know enough yet */
	__u64 refused;		 /* peers found gone by an ICMP error */
	__u64 dead_closed;
	__u64 dead_reported;
	__u64 dead_heard; /* spared: their sockets had heard something */
	__u64 dead_no_socket;
	__u64 destroy_failed;
	__u64 standstills;
	__u64 failures; /* programs that could not be run */
};

/* Counts a record that was taken away. */
void ager_state_expired(struct ager_state *state, enum age_table table, __u32 late_ms);

/* At most so late were so many per cent of all: milliseconds, rounded up to what the classes can tell. */
__u64 ager_state_late_ms(const struct ager_state *state, __u32 per_cent);

bool ager_state_is_alive(const struct ager_state *state, __u64 now_ns);

/* Makes and pins it anew. 0 or -errno. */
int ager_state_make(const char *pin_dir, struct state_map *map);

/* A copy; zeros where no ager ever was. 0 or -errno; -EPROTO: it is of another version. */
int ager_state_read(const char *pin_dir, struct ager_state *state);

#endif /* SYNKEEP_DAEMON_AGER_STATE_H */
