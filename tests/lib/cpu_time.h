/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * CPU time of tasks, by what the scheduler counts of each: a process with all its threads, or a kernel thread. A
 * neighbour's load makes a task wait, which is not counted.
 */
#ifndef SYNKEEP_TESTS_CPU_TIME_H
#define SYNKEEP_TESTS_CPU_TIME_H

#include <dirent.h>

#include "base.h"
#include "tool.h"

#define CPU_TIME_TASKS_MAX 4

struct cpu_time_tasks {
	int pids[CPU_TIME_TASKS_MAX];
	int count;
};

/* 0: the tool itself. */
static inline void cpu_time_add(struct cpu_time_tasks *tasks, const char *pid)
{
	if (tasks->count == CPU_TIME_TASKS_MAX)
		tool_wrong_usage("too many tasks");
	tasks->pids[tasks->count++] = (int)tool_number(pid, 0, 1 << 22, false);
}

/* Nanoseconds that all threads of a process have run; 0: this one. */
static inline __u64 cpu_time_ns(int pid)
{
	char path[PATH_MAX];
	struct dirent *entry;
	__u64 sum = 0;
	DIR *threads;

	if (!pid)
		return (__u64)(tool_seconds(CLOCK_PROCESS_CPUTIME_ID) * 1e9);
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	threads = opendir(path);
	if (!threads)
		tool_fail(path);
	while ((entry = readdir(threads))) {
		unsigned long long ns = 0;
		FILE *file;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/schedstat", pid, entry->d_name);
		file = fopen(path, "r");
		if (!file || fscanf(file, "%llu", &ns) != 1)
			tool_fail(path);
		fclose(file);
		sum += ns;
	}
	closedir(threads);
	return sum;
}

static inline void cpu_time_read(const struct cpu_time_tasks *tasks, __u64 *ns)
{
	for (int i = 0; i < tasks->count; i++)
		ns[i] = cpu_time_ns(tasks->pids[i]);
}

/* As a JSON list: what each task has run since before. */
static inline void cpu_time_print_since(const struct cpu_time_tasks *tasks, const __u64 *before)
{
	__u64 now[CPU_TIME_TASKS_MAX];

	cpu_time_read(tasks, now);
	printf("[");
	for (int i = 0; i < tasks->count; i++)
		printf("%s%.6f", i ? ", " : "", (double)(now[i] - before[i]) * 1e-9);
	printf("]");
}

#endif /* SYNKEEP_TESTS_CPU_TIME_H */
