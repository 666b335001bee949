/* SPDX-License-Identifier: MIT */
/*
 * Tells a perf that wraps the run when the measured window begins and ends, so that
 * its counters leave out set-up, warm-up and checks: `perf stat|record -D -1 --control
 * fifo:CTL,ACK` and SHMBENCH_PERF_CONTROL=CTL,ACK in the environment of both.
 *
 * Manual: perf-stat(1), perf-record(1), --control.
 */
#ifndef SHMBENCH_PERF_CONTROL_H
#define SHMBENCH_PERF_CONTROL_H

#include <stdbool.h>

#define PERF_CONTROL_ENV "SHMBENCH_PERF_CONTROL"

/*
 * Counting on or off, and back when perf has said that it is; nothing without that
 * variable, or when it is so already. 0, or a negative errno: -EINVAL for a variable
 * that is not CTL,ACK, -ETIMEDOUT when perf does not answer within 2 s.
 */
int perf_control(bool on);

#endif
