// SPDX-License-Identifier: BSD-3-Clause
// `ramson-bench scale`: what a cell costs as links and circuits grow.
#pragma once

#include <stdbool.h>

// Runs `program relay` once for each point. Exit status of the program.
int bench_scale(const char *program, bool json, const char *report);
