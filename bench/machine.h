// SPDX-License-Identifier: BSD-3-Clause
// The machine that a benchmark ran on, and who else used it meanwhile, for the reports.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

// CPU time in clock ticks, of all CPUs together.
struct machine_ticks {
    uint64_t all, busy, stolen, own;
};

struct machine {
    char cpu[128];
    char flags[160]; // those of the CPU's that the ciphers can use
    char kernel[160];
    char governor[48];
    char huge_pages[64];
    char load[16]; // of the last minute, before the benchmark
    double others; // share of the CPUs' time that other programs had during it
    double stolen; // and that the hypervisor kept
    double tsc_hz; // of the time-stamp counter
    long cpus;
    char cell_cipher[32], record_aead[32]; // implementations chosen at run time
    struct machine_ticks before;
};

// Before the benchmark; `machine_end` behind it.
void machine_describe(struct machine *m);
void machine_end(struct machine *m);

void machine_print(FILE *f, const struct machine *m);      // some lines of text
void machine_print_html(FILE *f, const struct machine *m); // a paragraph
json_t *machine_json(const struct machine *m);             // an object of the caller's
// `ramson-bench machine`.
int bench_machine(bool json);

const char *cipher_suite_name(uint16_t suite);
