// SPDX-License-Identifier: BSD-3-Clause
// AES-CTR of cells with AES-NI: one block to an instruction.
#define WIDE_LANES 1
#include "cell_cipher_long.h"
#include "cell_cipher_wide.h"

const struct ctr_implementation ctr_aesni = {
    .name = "aesni",
    .usable = wide_usable,
    .run = ctr_run,
    .run_long = ctr_run_long,
};
