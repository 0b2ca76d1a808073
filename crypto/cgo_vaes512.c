// SPDX-License-Identifier: BSD-3-Clause
// Counter Galois Onion with 512-bit AES and carry-less multiplication: four blocks to an
// instruction.
#define WIDE_LANES 4
#include "cgo_wide.h"

const struct cgo_implementation cgo_vaes512 = {
    .name = "vaes512",
    .usable = wide_usable,
    .encrypt = encrypt,
    .decrypt = decrypt,
};
