/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The list of applications. See apps.h.
 */
#include "apps/apps.h"

#include <stdio.h>
#include <string.h>

static const struct tcp_app *const apps[] = {
	&app_echo,
	&app_discard,
	&app_daytime,
	&app_chargen,
};

const struct tcp_app *apps_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(apps); i++) {
		if (!strcmp(apps[i]->name, name))
			return apps[i];
	}
	return NULL;
}

char *apps_names(char *text, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < ARRAY_LEN(apps) && used < size; i++)
		used += snprintf(text + used, size - used, "%s%s", i ? ", " : "", apps[i]->name);
	return text;
}

void apps_closed(struct tcb *tcb, int error)
{
	(void)tcb;
	(void)error;
}
