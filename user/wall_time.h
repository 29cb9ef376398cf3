/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the programs' clock (CLOCK_MONOTONIC) read, as the clock on the wall is set now. now_ns: that clock's time now.
 */
#ifndef SYNKEEP_WALL_TIME_H
#define SYNKEEP_WALL_TIME_H

#include "base.h"

#define WALL_TIME_BYTES 40

/* 14:02:11.043, local time. Returns text. */
char *wall_time_of_day(char text[WALL_TIME_BYTES], __u64 then_ns, __u64 now_ns);

/* 2026-01-31 14:02:11, local time. Returns text. */
char *wall_time_local(char text[WALL_TIME_BYTES], __u64 then_ns, __u64 now_ns);

/* 2026-01-31T13:02:11.043207Z, as RFC 3339 has it. Returns text. */
char *wall_time_utc(char text[WALL_TIME_BYTES], __u64 then_ns, __u64 now_ns);

#endif /* SYNKEEP_WALL_TIME_H */
