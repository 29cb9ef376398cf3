/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether there is the application that a service asks for. Pure.
 */
#ifndef SYNKEEP_SERVICE_APP_H
#define SYNKEEP_SERVICE_APP_H

#include "service_spec.h"

/* 0, or -EINVAL and a complaint that names those that there are. */
int service_app_check(const struct service_spec *spec, char *error, size_t size);

#endif /* SYNKEEP_SERVICE_APP_H */
