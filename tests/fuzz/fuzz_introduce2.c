// SPDX-License-Identifier: BSD-3-Clause
// What a client says to a service: the decrypted part of INTRODUCE2, and where it leads; with a
// first byte of 1, the whole, of which nobody has the keys.
#include "onion/message/introduce.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void read_plain(const uint8_t *bytes, size_t length)
{
    struct introduction i = {.specifiers_length = 0};
    struct own_circuit_hop hop;
    if (!introduce2_read_plain(bytes, length, &i))
        return;
    if (i.specifiers_length == 0 || i.specifiers_length > sizeof(i.specifiers) ||
        link_specifiers_length(i.specifiers, i.specifiers_length) != i.specifiers_length)
        __builtin_trap();
    if (link_specifiers_hop(i.specifiers, i.specifiers_length, i.onion_key, false, &hop) &&
        (hop.target.n_addresses == 0 || address_is_internal(&hop.target.addresses[0])))
        __builtin_trap();
}

static void read_whole(const uint8_t *bytes, size_t length)
{
    static const struct curve25519_key key = {.secret = {8, [31] = 64}};
    static const uint8_t subcredentials[2][32];
    const uint8_t *encrypted;
    size_t encrypted_length;
    struct introduction i;
    bool formed = introduce2_encrypted(bytes, length, &encrypted, &encrypted_length);
    if (formed && encrypted + encrypted_length != bytes + length)
        __builtin_trap();
    if (introduce2_read(bytes, length, subcredentials[0], &key, subcredentials, 2, &i) !=
            INTRODUCE2_MALFORMED &&
        !formed)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length == 0)
        return 0;
    if (bytes[0] == 1)
        read_whole(bytes + 1, length - 1);
    else
        read_plain(bytes + 1, length - 1);
    return 0;
}
