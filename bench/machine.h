// SPDX-License-Identifier: BSD-3-Clause
// The machine that a benchmark ran on, for its reports.
#pragma once

#include <stdint.h>

struct machine {
    char cpu[128];
    char kernel[160];
    char load[64]; // of the last minute, before the benchmark
    long cpus;
    char cell_cipher[32], record_aead[32]; // implementations chosen at run time
};

void machine_describe(struct machine *m);
const char *cipher_suite_name(uint16_t suite);
