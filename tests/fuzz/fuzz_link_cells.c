// SPDX-License-Identifier: BSD-3-Clause
// The bodies of NETINFO, AUTH_CHALLENGE and AUTHENTICATE cells; the first byte says which.
#include <string.h>

#include "link/link_auth.h"
#include "link/link_netinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const struct auth_context context;
    static const uint8_t key[32];
    if (length == 0)
        return 0;
    const uint8_t *body = bytes + 1;
    length--;
    bool offers = false;
    if (bytes[0] % 3 == 0) {
        uint8_t cell[CELL_BODY_LEN] = {0};
        struct netinfo info;
        memcpy(cell, body, length < sizeof(cell) ? length : sizeof(cell));
        if (netinfo_parse(cell, &info) == 0) {
            if (info.n_own > NETINFO_ADDRESSES_MAX)
                __builtin_trap();
            netinfo_build(&info, cell);
        }
    } else if (bytes[0] % 3 == 1) {
        if (auth_challenge_read(body, length, &offers) != 0)
            return 0;
    } else if (authenticate_check(body, length, &context, key) == 0) {
        __builtin_trap();
    }
    return 0;
}
