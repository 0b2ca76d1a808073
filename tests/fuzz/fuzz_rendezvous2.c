// SPDX-License-Identifier: BSD-3-Clause
// The body of RENDEZVOUS2, and the handshake that it ends.
#include "onion/message/introduce.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const struct curve25519_key x = {.secret = {8, [31] = 64}, .public_key = {5}};
    static const struct hs_ntor_point point = {.auth_key = {1}, .enc_key = {9}};
    uint8_t service_public[32], auth[32], material[HS_NTOR_MATERIAL_LEN];
    if (rendezvous2_read(bytes, length, service_public, auth) != (length >= 64))
        __builtin_trap();
    if (length >= 64 && hs_ntor_client_rendezvous(&point, &x, service_public, auth, material))
        __builtin_trap(); // nobody can find that
    return 0;
}
