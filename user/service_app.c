/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Looking an application up. See service_app.h.
 */
#include "service_app.h"

#include <errno.h>
#include <stdio.h>

#include "apps/apps.h"

#define NAMES_BYTES 128

int service_app_check(const struct service_spec *spec, char *error, size_t size)
{
	char names[NAMES_BYTES];

	if (spec->owner != FLOW_OWNER_DAEMON || apps_find(spec->app))
		return 0;
	snprintf(error, size, "there is no application \"%s\": there are %s", spec->app,
		 apps_names(names, sizeof(names)));
	return -EINVAL;
}
