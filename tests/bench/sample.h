/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a BPF program spends this thread's time: samples by the CPU clock, each attributed to the line of the program's
 * source that ran, and to the kernel's function that the line had called, if it had.
 *
 * The clock is a timer's interrupt, so what runs with interrupts off (a spin lock's inside) is seen where they are
 * switched on again.
 */
#ifndef SYNKEEP_BENCH_SAMPLE_H
#define SYNKEEP_BENCH_SAMPLE_H

struct sample;

/* Gets ready for one program, by its file descriptor; ends the tool where it can not. */
struct sample *sample_open(int program);
void sample_close(struct sample *s);

/* Samples from start to stop; the sum of all such stretches is kept. */
void sample_start(struct sample *s);
void sample_stop(struct sample *s);

/* Prints what was seen as JSON: [{"file", "line", "helper", "samples"}, ...]. */
void sample_print(const struct sample *s);

#endif /* SYNKEEP_BENCH_SAMPLE_H */
