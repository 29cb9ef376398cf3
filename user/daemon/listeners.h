/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A TCP's listeners, kept in step with the services of the device that are the daemon's. No system call.
 */
#ifndef SYNKEEP_DAEMON_LISTENERS_H
#define SYNKEEP_DAEMON_LISTENERS_H

#include "service_spec.h"
#include "tcp/tcp.h"

struct listeners;

/* NULL: no memory. memory: of all connections of the TCP. settings are copied. */
struct listeners *listeners_new(struct tcp *tcp, struct memory_account *memory, const struct tcp_settings *settings);

/* The TCP must be gone already. Takes NULL. */
void listeners_free(struct listeners *listeners);

/*
 * From now on the daemon's among these services are listened for, and no others. Connections of those that are gone
 * stay, and those of a service that has changed go on as they began. 0, or -ENOMEM: some are not listened for yet.
 */
int listeners_follow(struct listeners *listeners, const struct service_spec *specs, int count);

/*
 * Tells the services' sentries which handshakes their TCP has completed since the last time: XDP sees a SYN pass, but
 * not what becomes of it. sentries: the map of that name; now_ns: the programs' time.
 */
void listeners_relieve(struct listeners *listeners, struct sentry *sentries, __u64 now_ns);

/* Tells them that the room for handshakes, which all of them share, is taken: few SYNs a second do that in time. */
void listeners_press(struct listeners *listeners, struct sentry *sentries, __u64 now_ns);

#endif /* SYNKEEP_DAEMON_LISTENERS_H */
