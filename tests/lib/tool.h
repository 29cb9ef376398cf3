/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the traffic tools share: errors, numbers, clocks, CPUs, and their programs. A tool is short-lived and
 * single-threaded, and ends at the first error: 1, or 2 for wrong usage.
 */
#ifndef SYNKEEP_TESTS_TOOL_H
#define SYNKEEP_TESTS_TOOL_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t tool_stopped;

__attribute__((noreturn)) static inline void tool_fail(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

__attribute__((noreturn)) static inline void tool_wrong_usage(const char *what)
{
	fprintf(stderr, "%s: %s; try --help\n", program_invocation_short_name, what);
	exit(2);
}

/* A number in min..max, with a fraction where fraction is set. */
static inline double tool_number(const char *text, double min, double max, bool fraction)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= min && value <= max) ||
	    (!fraction && value != (double)(long long)value)) {
		fprintf(stderr, "%s: %s is not a number from %.0f to %.0f\n", program_invocation_short_name, text, min,
			max);
		exit(2);
	}
	return value;
}

static inline double tool_seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline void tool_pin_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		tool_fail("setting the CPU");
}

static inline void tool_stop(int signal_number)
{
	(void)signal_number;
	tool_stopped = 1;
}

/* From here on SIGINT, SIGTERM and SIGALRM set tool_stopped, and interrupt what waits. */
static inline void tool_catch_signals(void)
{
	struct sigaction action = { .sa_handler = tool_stop };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
}

/* Sets tool_stopped after seconds, more than 0, in the same way. */
static inline void tool_stop_after(double seconds)
{
	struct itimerval timer = { .it_value = { (time_t)seconds, (suseconds_t)(seconds * 1e6) % 1000000 } };

	setitimer(ITIMER_REAL, &timer, NULL);
}

static inline int tool_print_warnings(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, arguments) : 0;
}

/* Opens the programs that stand beside the tool as TOOL.bpf.o, with its read-only data set to config. */
static inline struct bpf_object *tool_open_programs(const void *config, size_t config_bytes)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - sizeof(".bpf.o"));
	struct bpf_object *object;

	if (length < 0)
		tool_fail("/proc/self/exe");
	strcpy(path + length, ".bpf.o");
	libbpf_set_print(tool_print_warnings);
	object = bpf_object__open_file(path, NULL);
	if (!object)
		tool_fail(path);
	if (bpf_map__set_initial_value(bpf_object__find_map_by_name(object, ".rodata"), config, config_bytes))
		tool_fail("setting the programs' configuration");
	return object;
}

/* A map or a program of a loaded device, by its pin's name. */
static inline int tool_open_pin(const char *pin_dir, const char *name)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", pin_dir, name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		tool_fail(path);
	return fd;
}

#endif /* SYNKEEP_TESTS_TOOL_H */
