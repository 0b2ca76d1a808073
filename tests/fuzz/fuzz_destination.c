// SPDX-License-Identifier: BSD-3-Clause
// Where an application wants to go: the first byte says how it asks, the rest is the host. Whatever
// goes to an exit is a name or a public address, and the same again in its own form.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "origin/stream/destination.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_host(const uint8_t *body, size_t length)
{
    const uint8_t *end = memchr(body, 0, length);
    if (!end || end == body || memmem(body, length, ".onion\0", 7))
        __builtin_trap();
    for (; body < end; body++)
        if (*body <= ' ' || *body >= 0x7f || (*body >= 'A' && *body <= 'Z'))
            __builtin_trap();
}

static void check(const struct app_request *r, bool ipv6)
{
    uint8_t body[DESTINATION_BODY_MAX];
    struct app_request again = *r;
    if (r->address.family != ADDRESS_NONE && address_is_internal(&r->address))
        __builtin_trap();
    size_t length = r->command == APP_CONNECT ? destination_begin_body(r, ipv6, body)
                                              : destination_resolve_body(r, body);
    check_host(body, length);
    if (destination_normalise(&again, false) != DESTINATION_ASK ||
        memcmp(&again, r, sizeof(again)) != 0)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct app_request r;
    if (length == 0 || length > APP_HOST_MAX + 1)
        return 0;
    memset(&r, 0, sizeof(r));
    r.command = (enum app_command)(bytes[0] % 3);
    r.ipv4 = bytes[0] & 4;
    r.ipv6 = bytes[0] & 8;
    r.prefer_ipv6 = bytes[0] & 16;
    r.port = bytes[0] & 32 ? 443 : 65535;
    memcpy(r.host, bytes + 1, length - 1);
    if (destination_normalise(&r, false) == DESTINATION_ASK)
        check(&r, bytes[0] & 64);
    return 0;
}
