/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A connection that is opened from here, between two file descriptors and a peer: what is read from one goes out, what
 * comes goes into the other.
 */
#ifndef SYNKEEP_DAEMON_CLIENT_H
#define SYNKEEP_DAEMON_CLIENT_H

#include "daemon/worker.h"

struct client {
	int input_fd;  /* at its end our direction is closed, the peer's goes on */
	int output_fd; /* when the peer has closed its direction, ours is closed, too */
	int stop_fd;   /* readable: the connection is aborted */
	/* Called when routes have changed, again and again until it returns true: it has seen to the path. */
	bool (*reroute)(void *context);
	void *context;
};

/*
 * Connects, carries both ways, and returns when it is over: 0, or why as of tcp.h; -ECANCELED: stopped; or what reading
 * and writing the descriptors gave. path: as the worker's paths count it.
 */
int client_run(struct worker *worker, const struct client *client, const struct tuple *tuple, __u32 path,
	       const struct tcp_settings *settings);

#endif /* SYNKEEP_DAEMON_CLIENT_H */
