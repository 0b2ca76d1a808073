// SPDX-License-Identifier: BSD-3-Clause
// In the place of cell_cipher_wide.h, cgo_wide.h and gcm_vaes256.c where the compiler can't take them (the fuzz
// targets'): none is usable, and the portable ones serve.
#include "cell_cipher_internal.h"
#include "cgo_internal.h"
#include "gcm.h"

static bool never(void)
{
    return false;
}

const struct ctr_implementation ctr_aesni = {.usable = never};
const struct ctr_implementation ctr_vaes256 = {.usable = never};
const struct ctr_implementation ctr_vaes512 = {.usable = never};
const struct cgo_implementation cgo_aesni = {.usable = never};
const struct cgo_implementation cgo_vaes256 = {.usable = never};
const struct cgo_implementation cgo_vaes512 = {.usable = never};
const struct gcm_implementation gcm_vaes256 = {.usable = never};
