/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The daemon: a worker for each receive queue of a loaded device, each in a thread of its own, an ager for its records,
 * and what keeps them in step with the device's services.
 */
#ifndef SYNKEEP_DAEMON_DAEMON_H
#define SYNKEEP_DAEMON_DAEMON_H

#include "daemon/worker.h"

struct daemon_options {
	const char *pin_root;
	const char *name; /* of the device */
	__u32 ring;
	bool busy_poll;
	__u64 msl_ns;	    /* the device's from now on; 0: as it has it */
	__u32 connections;  /* in all; 0: as many as the device has records for */
	__u64 memory_bytes; /* in all; 0: a quarter of what is available */
	struct tcp_settings settings;
	__u32 probes_per_second; /* keepalive probes for connections that the kernel owns, in all */
	__u32 probes_per_prefix; /* and to one destination prefix (pacer.h) */
};

struct daemon;

/* What it is when it serves. */
struct daemon_summary {
	__u32 workers;
	__u32 zero_copy; /* of these */
	__u32 services;
	__u32 kernel_services; /* whose records it ages, and nothing else */
	__u32 connections;
	__u64 memory_bytes;
};

/*
 * Opens what is needed, and tells the programs what the TCP can do; nothing comes yet. 0 and *out, or -errno and the
 * reason in error.
 */
int daemon_open(const struct daemon_options *options, struct daemon **out, char *error, size_t size);

/* Serves from now on. 0, or -errno and the reason; then daemon_close() is due all the same. */
int daemon_start(struct daemon *daemon, struct daemon_summary *summary, char *error, size_t size);

/*
 * Keeps it in step with its device until stop_fd is readable. 0, or -errno; -ESTALE: the device was unloaded; -ENODEV:
 * it is gone.
 */
int daemon_run(struct daemon *daemon, int stop_fd);

/* Aborts every connection, and ends. Takes NULL. */
void daemon_close(struct daemon *daemon);

#endif /* SYNKEEP_DAEMON_DAEMON_H */
