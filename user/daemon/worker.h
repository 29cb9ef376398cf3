/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A worker: a TCP of its own, the AF_XDP sockets that feed it, and the maps that it reports to. It shares nothing with
 * other workers and takes no lock. Who owns it calls, for ever:
 *
 *   worker_turn()   takes what came, lets the TCP work, sends what is to go
 *   worker_wait()   sleeps until something comes or is due
 *
 * The time in which neither is done, as after SIGSTOP, does not count for its TCP: see running_clock.h.
 */
#ifndef SYNKEEP_DAEMON_WORKER_H
#define SYNKEEP_DAEMON_WORKER_H

#include <poll.h>

#include "daemon/outbox.h"
#include "daemon/worker_states.h"
#include "device.h"

#define WORKER_QUEUES_MAX 64
#define WORKER_OTHERS_MAX 4 /* descriptors besides its own that worker_wait() waits for */

struct worker_options {
	const struct device *device; /* must outlive the worker */
	struct outbox *outbox;	     /* whose frames it sends; NULL: none */
	__u32 queue;		     /* the first of those that it serves */
	__u32 queue_count;
	__u32 ring; /* frames each way, of each queue */
	bool busy_poll;
	__u64 msl_ns;
	__u32 connections_max;
	__u32 syn_received_max;
	__u32 time_wait_max;
	__u64 memory_bytes;
};

struct worker;

/* 0 and *out, or -errno and the reason in error. Nothing comes before worker_begin(). */
int worker_open(const struct worker_options *options, struct worker **out, char *error, size_t size);

/* Aborts every connection, and gives all back. Takes NULL. */
void worker_close(struct worker *worker);

/* From now on XDP gives it frames. 0, or -errno; -EEXIST: another process has taken a queue's place. */
int worker_begin(struct worker *worker);

/* How many frames came. */
__u32 worker_turn(struct worker *worker);

/* Sleeps for at most_ns. others: at most WORKER_OTHERS_MAX; their revents are set. */
void worker_wait(struct worker *worker, struct pollfd *others, nfds_t count, __u64 most_ns);

struct tcp *worker_tcp(struct worker *worker);
struct paths *worker_paths(struct worker *worker);
struct link *worker_link(struct worker *worker);
struct memory_account *worker_memory(struct worker *worker); /* of all its connections */
__u64 worker_now_ns(const struct worker *worker);	     /* of its last turn */
bool worker_is_pressed(const struct worker *worker);	     /* by handshakes, see tcp_is_pressed() */
__u64 worker_tcp_now_ns(const struct worker *worker);	     /* the same for calls of its TCP's */
void worker_tell(const struct worker *worker, struct worker_state *state);

#endif /* SYNKEEP_DAEMON_WORKER_H */
