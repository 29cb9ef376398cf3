/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From the programs' clock to the one on the wall. See wall_time.h.
 */
#include <stdio.h>
#include <time.h>

#include "wall_time.h"

static struct timespec wall_time(__u64 then_ns, __u64 now_ns)
{
	__u64 ago_ns = now_ns > then_ns ? now_ns - then_ns : 0, wall_ns;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	wall_ns = (__u64)now.tv_sec * NSEC_PER_SEC + (__u64)now.tv_nsec - ago_ns;
	return (struct timespec){ .tv_sec = (time_t)(wall_ns / NSEC_PER_SEC),
				  .tv_nsec = (long)(wall_ns % NSEC_PER_SEC) };
}

char *wall_time_of_day(char text[WALL_TIME_BYTES], __u64 then_ns, __u64 now_ns)
{
	struct timespec time = wall_time(then_ns, now_ns);
	struct tm tm;
	size_t length;

	localtime_r(&time.tv_sec, &tm);
	length = strftime(text, WALL_TIME_BYTES, "%H:%M:%S", &tm);
	snprintf(text + length, WALL_TIME_BYTES - length, ".%03ld", time.tv_nsec / 1000000);
	return text;
}

char *wall_time_local(char text[WALL_TIME_BYTES], __u64 then_ns, __u64 now_ns)
{
	struct timespec time = wall_time(then_ns, now_ns);
	struct tm tm;

	localtime_r(&time.tv_sec, &tm);
	strftime(text, WALL_TIME_BYTES, "%Y-%m-%d %H:%M:%S", &tm);
	return text;
}

char *wall_time_utc(char text[WALL_TIME_BYTES], __u64 then_ns, __u64 now_ns)
{
	struct timespec time = wall_time(then_ns, now_ns);
	struct tm tm;
	size_t length;

	gmtime_r(&time.tv_sec, &tm);
	length = strftime(text, WALL_TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + length, WALL_TIME_BYTES - length, ".%06ldZ", time.tv_nsec / 1000);
	return text;
}
