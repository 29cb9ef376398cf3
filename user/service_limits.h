/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The keys of a SPEC (service_spec.h) that limit sources and shares: new=, open=, source=, limits=, share=. Pure.
 */
#ifndef SYNKEEP_SERVICE_LIMITS_H
#define SYNKEEP_SERVICE_LIMITS_H

#include "service_spec.h"

/* Whether it has limits of sources, and whether its connections count for them or for a share. */
bool service_limits_given(const struct service_spec *spec);
bool service_limits_count_flows(const struct service_spec *spec);

/* A whole number from 1 to most. 0 or -EINVAL, as the others. */
int service_limits_parse_number(const char *text, __u32 most, __u32 *number);
int service_limits_parse_source(const char *text, struct source_limits *limits);
int service_limits_parse_share(const char *text, struct service_spec *spec);

/* Why they make no sense with owner and policy; NULL: they do. */
const char *service_limits_check(const struct service_spec *spec);

/* The values of source= and share=; "" where it has no share. */
char *service_limits_format_source(const struct source_limits *limits, char text[SERVICE_NUMBER_BYTES]);
char *service_limits_format_share(const struct service_spec *spec, char text[SERVICE_NUMBER_BYTES]);

#endif /* SYNKEEP_SERVICE_LIMITS_H */
