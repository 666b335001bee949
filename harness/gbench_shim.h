/* SPDX-License-Identifier: MIT */
/*
 * Google Benchmark for C. The library is C++; this is all of it that the
 * benchmarks need, so that harness/microbench.c, like the rest, stays C. Debian
 * builds the library without NDEBUG, and it warns of that: its own code runs
 * once per GBENCH_BATCH iterations here, which is what the warning does not know.
 */
#ifndef SHMBENCH_GBENCH_SHIM_H
#define SHMBENCH_GBENCH_SHIM_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Iterations per call across the shim: its cost, some 2 ns, is shared by so many. */
#define GBENCH_BATCH 256u

struct gbench_state;
typedef void (*gbench_fn)(struct gbench_state *state, const void *arg);

/* The name is copied, arg is kept: it must live until gbench_run() returned. */
void gbench_register(const char *name, gbench_fn fn, const void *arg);
/* True: run GBENCH_BATCH iterations more. The first call starts the clock. */
bool gbench_next(struct gbench_state *state);
/* This benchmark is reported as failed, with the reason; then return from it. */
void gbench_fail(struct gbench_state *state, const char *why);
/* Takes Google Benchmark's own flags. 0, or 2 when one is unknown: nothing ran. */
int gbench_run(int argc, char **argv);

#ifdef __cplusplus
}
#endif
#endif
