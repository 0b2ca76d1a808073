// SPDX-License-Identifier: BSD-3-Clause
// Link specifiers of a descriptor or an introduction, and what is written of the hop that they say.
#include "onion/message/introduce.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const uint8_t key[32] = {9};
    struct own_circuit_hop hop, back;
    uint8_t out[LINK_SPECIFIERS_MAX];
    size_t formed = link_specifiers_length(bytes, length);
    if (!link_specifiers_hop(bytes, length, key, true, &hop))
        return 0;
    size_t written = link_specifiers_of(&hop, out, sizeof(out));
    if (formed != length || written == 0 || link_specifiers_length(out, written) != written ||
        !link_specifiers_hop(out, written, key, true, &back) ||
        memcmp(back.target.rsa_id, hop.target.rsa_id, 20) != 0 ||
        back.target.has_ed_id != hop.target.has_ed_id ||
        memcmp(back.target.ed_id, hop.target.ed_id, 32) != 0 || back.target.n_addresses != 1)
        __builtin_trap();
    return 0;
}
