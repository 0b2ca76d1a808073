// SPDX-License-Identifier: BSD-3-Clause
// X25519 eight at a time with AVX-512 IFMA.
#include "curve25519_vec_ifma.h"

#include "curve25519_field51.h"

#include "curve25519_lanes.h"

// GCC's run-time library asks CPUID, and XCR0 whether the system keeps those registers.
static bool usable(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512ifma");
}

const struct curve25519_kernel curve25519_ifma = {
    .name = "avx512-ifma",
    .lanes = LANES,
    .worth = 2,
    .table_bytes = sizeof(struct table),
    .usable = usable,
    .make_table = curve25519_lanes_table,
    .run = curve25519_lanes_run,
};
