// SPDX-License-Identifier: BSD-3-Clause
// X25519 four at a time with AVX2.
#include "curve25519_vec_avx2.h"

#include "curve25519_field25.h"

#include "curve25519_lanes.h"

static bool usable(void)
{
    return __builtin_cpu_supports("avx2");
}

const struct curve25519_kernel curve25519_avx2 = {
    .name = "avx2",
    .lanes = LANES,
    .worth = 2,
    .table_bytes = sizeof(struct table),
    .usable = usable,
    .make_table = curve25519_lanes_table,
    .run = curve25519_lanes_run,
};
