// SPDX-License-Identifier: BSD-3-Clause
// AES-CTR of cells with 512-bit AES instructions: four blocks to each.
#define WIDE_LANES 4
#include "cell_cipher_long.h"
#include "cell_cipher_wide.h"

const struct ctr_implementation ctr_vaes512 = {
    .name = "vaes512",
    .usable = wide_usable,
    .run = ctr_run,
    .run_long = ctr_run_long,
};
