// SPDX-License-Identifier: BSD-3-Clause
// The AVX-512 IFMA code with its instructions in plain C: what it computes can be tested on any
// CPU.
#include "curve25519_vec_emulated.h"

#include "curve25519_field51.h"

#include "curve25519_lanes.h"

#include "curve25519_emulated.h"

static bool usable(void)
{
    return true;
}

const struct curve25519_kernel curve25519_emulated = {
    .name = "avx512-ifma, emulated",
    .lanes = LANES,
    .worth = 1,
    .table_bytes = sizeof(struct table),
    .usable = usable,
    .make_table = curve25519_lanes_table,
    .run = curve25519_lanes_run,
};
