// SPDX-License-Identifier: BSD-3-Clause
// IPv4 and IPv6 addresses: text, comparison, and which of them are not on the public Internet.
#include "base/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct address address_ipv4(uint32_t host_order, uint16_t port)
{
    struct address a = {.family = ADDRESS_IPV4, .port = port};
    uint32_t network_order = htonl(host_order);
    memcpy(a.bytes, &network_order, 4);
    return a;
}

uint32_t address_ipv4_host(const struct address *a)
{
    uint32_t network_order;
    memcpy(&network_order, a->bytes, 4);
    return ntohl(network_order);
}

size_t address_length(const struct address *a)
{
    return a->family == ADDRESS_IPV4 ? 4 : a->family == ADDRESS_IPV6 ? 16 : 0;
}

bool address_parse(const char *text, struct address *out)
{
    *out = (struct address){0};
    if (inet_pton(AF_INET, text, out->bytes) == 1)
        out->family = ADDRESS_IPV4;
    else if (inet_pton(AF_INET6, text, out->bytes) == 1)
        out->family = ADDRESS_IPV6;
    return out->family != ADDRESS_NONE;
}

const char *address_format(const struct address *a, char buffer[ADDRESS_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN] = "(none)";
    if (a->family == ADDRESS_IPV4)
        inet_ntop(AF_INET, a->bytes, host, sizeof(host));
    else if (a->family == ADDRESS_IPV6)
        inet_ntop(AF_INET6, a->bytes, host, sizeof(host));
    const char *format = a->family == ADDRESS_IPV6 ? "[%s]:%u" : "%s:%u";
    snprintf(buffer, ADDRESS_TEXT_MAX, format, host, a->port);
    return buffer;
}

bool address_same_host(const struct address *a, const struct address *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool address_equal(const struct address *a, const struct address *b)
{
    return address_same_host(a, b) && a->port == b->port;
}

struct prefix {
    uint8_t family;
    uint8_t bits;
    uint8_t bytes[16];
};

// IANA's special-purpose registries (RFC 6890 and its updates), less what is globally reachable.
static const struct prefix internal_prefixes[] = {
    {ADDRESS_IPV4, 8, {0}},
    {ADDRESS_IPV4, 8, {10}},
    {ADDRESS_IPV4, 10, {100, 64}},
    {ADDRESS_IPV4, 8, {127}},
    {ADDRESS_IPV4, 16, {169, 254}},
    {ADDRESS_IPV4, 12, {172, 16}},
    {ADDRESS_IPV4, 24, {192, 0, 0}},
    {ADDRESS_IPV4, 24, {192, 0, 2}},
    {ADDRESS_IPV4, 16, {192, 168}},
    {ADDRESS_IPV4, 15, {198, 18}},
    {ADDRESS_IPV4, 24, {198, 51, 100}},
    {ADDRESS_IPV4, 24, {203, 0, 113}},
    {ADDRESS_IPV4, 4, {224}},
    {ADDRESS_IPV4, 4, {240}},
    {ADDRESS_IPV6, 96, {0}}, // ::, ::1 and the IPv4-compatible ones
    {ADDRESS_IPV6, 96, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}}, // IPv4-mapped
    {ADDRESS_IPV6, 64, {0x01, 0x00}},
    {ADDRESS_IPV6, 32, {0x20, 0x01, 0x0d, 0xb8}},
    {ADDRESS_IPV6, 7, {0xfc}},
    {ADDRESS_IPV6, 10, {0xfe, 0x80}},
    {ADDRESS_IPV6, 10, {0xfe, 0xc0}},
    {ADDRESS_IPV6, 8, {0xff}},
};

static bool has_prefix(const struct address *a, const struct prefix *p)
{
    if (a->family != p->family || memcmp(a->bytes, p->bytes, p->bits / 8) != 0)
        return false;
    unsigned rest = p->bits % 8;
    return rest == 0 || (a->bytes[p->bits / 8] ^ p->bytes[p->bits / 8]) >> (8 - rest) == 0;
}

bool address_is_internal(const struct address *a)
{
    for (size_t i = 0; i < sizeof(internal_prefixes) / sizeof(internal_prefixes[0]); i++)
        if (has_prefix(a, &internal_prefixes[i]))
            return true;
    return a->family == ADDRESS_NONE;
}
