// SPDX-License-Identifier: BSD-3-Clause
// AES-CTR of cells with 256-bit AES instructions: two blocks to each.
#define WIDE_LANES 2
#include "cell_cipher_long.h"
#include "cell_cipher_wide.h"

const struct ctr_implementation ctr_vaes256 = {
    .name = "vaes256",
    .usable = wide_usable,
    .run = ctr_run,
    .run_long = ctr_run_long,
};
