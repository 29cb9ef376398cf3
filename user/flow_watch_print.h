/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prints what becomes of connections on stdout, a line an event.
 */
#ifndef SYNKEEP_FLOW_WATCH_PRINT_H
#define SYNKEEP_FLOW_WATCH_PRINT_H

#include <stdbool.h>

#include "flow_view.h"
#include "watch.h"

/* view: of the event. device: NULL, where there is only one; in JSON it always is there. 0 or -EIO. */
int flow_watch_print_text(const struct flow_event *event, const struct flow_view *view, const char *device);
int flow_watch_print_json(const struct flow_event *event, const struct flow_view *view, const char *device);

#endif /* SYNKEEP_FLOW_WATCH_PRINT_H */
