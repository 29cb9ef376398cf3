/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's own socket of a connection whose peer was found dead: asked, by sock_diag(7), whether it has heard from
 * the peer after all, and closed if not. Its application gets ECONNABORTED.
 *
 * The record may have missed what the socket received: another way in, programs that were not attached for a while. So
 * the socket has the last word.
 */
#ifndef SYNKEEP_SOCK_DIAG_H
#define SYNKEEP_SOCK_DIAG_H

#include "flow.h"

enum sock_diag_answer {
	SOCK_DIAG_NONE, /* no socket has the connection, or none that lives: a listener, TIME-WAIT */
	SOCK_DIAG_HEARD,
	SOCK_DIAG_DESTROYED,
	SOCK_DIAG_FAILED, /* errno says why; EOPNOTSUPP: a kernel without CONFIG_INET_DIAG_DESTROY */
};

/* A descriptor for the caller to close, of the network namespace that the caller is in; or -errno. */
int sock_diag_open(void);

/*
 * Closes the tuple's socket, which may be bound to the device, unless it has received an acknowledgement or text within
 * silent_ms: the time since the record's last segment of the peer's. That segment itself does not count: the socket may
 * have got it a little later than the record, by a second at most, or an eighth of silent_ms.
 *
 * The socket that was asked is the one that is closed, by its cookie: if the tuple changed hands meanwhile, none is.
 */
enum sock_diag_answer sock_diag_destroy_if_silent(int fd, const struct tuple *tuple, __u32 ifindex, __u32 silent_ms);

#endif /* SYNKEEP_SOCK_DIAG_H */
