// SPDX-License-Identifier: BSD-3-Clause
// The body of a CREATE2 or CREATE_FAST cell, and the handshake in it. A client encrypts ntor-v3's
// message, so that noise never gets there: the parameters are read from the input themselves, too.
#include <string.h>

#include "circuit/onion_skin.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void read_parameters(const uint8_t *bytes, size_t length)
{
    const struct circuit_params offer = {true, 31, true};
    struct circuit_params granted;
    uint8_t reply[CIRCUIT_PARAMS_REPLY_MAX];
    int n = circuit_params_answer(bytes, length, &offer, &granted, reply, sizeof(reply));
    if (n > (int)sizeof(reply))
        __builtin_trap();
    n = circuit_params_accept(bytes, length, &offer, &granted);
    if (n > 0)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct onion_keys keys = {.key_count = 2};
    uint8_t body[CELL_BODY_LEN] = {0};
    struct onion_skin skin;
    read_parameters(bytes, length);
    if (length == 0)
        return 0;
    size_t n = length - 1 < sizeof(body) ? length - 1 : sizeof(body);
    memcpy(body, bytes + 1, n);
    uint8_t command = bytes[0] & 1 ? CELL_CREATE_FAST : CELL_CREATE2;
    if (onion_skin_parse(command, body, &skin) == DESTROY_NONE) {
        const struct onion_skin *one = &skin;
        static struct onion_answer answer;
        onion_skins_answer(NULL, &keys, &onion_skin_default_offer, &one, &answer, 1);
    }
    return 0;
}
