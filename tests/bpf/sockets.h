/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's side of the tests: a network namespace, listeners, connections with their sequence numbers, sysctls.
 * Everything lives in the namespace of the process and goes with it.
 */
#ifndef SYNKEEP_TEST_SOCKETS_H
#define SYNKEEP_TEST_SOCKETS_H

#include "packet_build.h"

#define WIRE_HERE "wire0"  /* this host's end of a veth pair */
#define WIRE_THERE "wire1" /* the peers' end; nobody answers there */

/* A namespace with 10.9.0.0/24, fd09::1 and fd09::2 on lo, and the wire as the way to everywhere else. */
int sockets_make_namespace(void);

/* A listener on this host's address; its file descriptor. */
int sockets_listen(__u8 family, __u16 port);
int sockets_listen_mptcp(__u8 family, __u16 port);

/* Leaves the listener no room in its accept queue: the connection that is in it, for the caller to close. */
int sockets_fill_queue(int listener);

/* A connection over lo to the listener on port, seen from the listening end. */
struct connection {
	int local;  /* what accept() gave */
	int remote; /* what connected */
	struct tuple tuple;
};

struct connection sockets_connect(int listener, __u8 family, __u16 port);

/* The same on the tuple that c names. */
void sockets_connect_from(struct connection *c, int listener);

/* Resets the connection. */
void sockets_close(struct connection *c);

/* Closes the local end, then the remote one: the local socket is then in TIME-WAIT. */
void sockets_close_to_time_wait(struct connection *c);

/* The socket's next sequence numbers, both ways. */
void sockets_numbers(int fd, __u32 *snd_nxt, __u32 *rcv_nxt);

/* Sends a frame from the peers' end of the wire. */
void sockets_inject(const struct frame *f);

/* Sets net.ipv4.NAME in the namespace; the value before. */
int sockets_sysctl(const char *name, int value);

#endif /* SYNKEEP_TEST_SOCKETS_H */
