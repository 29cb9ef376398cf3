// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tcp/origin.h"

#include <stdlib.h>

struct tcp_origin *origin_make(struct tcp *tcp, const struct tcp_app *app, const struct tcp_settings *settings,
			       struct memory_account *account)
{
	struct tcp_origin *origin = malloc(sizeof(*origin));

	if (origin)
		*origin = (struct tcp_origin){
			.tcp = tcp, .app = app, .account = account, .settings = *settings, .references = 1
		};
	return origin;
}

void origin_hold(struct tcp_origin *origin)
{
	origin->references++;
}

void origin_release(struct tcp_origin *origin)
{
	if (!--origin->references)
		free(origin);
}
