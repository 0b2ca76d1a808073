// SPDX-License-Identifier: BSD-3-Clause
// An IPv4 or IPv6 address with a port.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum address_family { ADDRESS_NONE = 0, ADDRESS_IPV4 = 4, ADDRESS_IPV6 = 6 };

// Plain data: copied by value. `bytes` are in network order (4 or 16 of them count, the rest are
// zero), `port` is in host order.
struct address {
    uint8_t family; // enum address_family
    uint8_t bytes[16];
    uint16_t port;
};

#define ADDRESS_TEXT_MAX 64 // "[IPv6]:port" and its NUL

struct address address_ipv4(uint32_t host_order, uint16_t port);
uint32_t address_ipv4_host(const struct address *a);
size_t address_length(const struct address *a); // 4, 16 or 0
// "1.2.3.4", "::1"; the port is left 0. False if `text` is no address.
bool address_parse(const char *text, struct address *out);
// "1.2.3.4:80"; returns `buffer`. For configuration and debug logs: client addresses are never
// logged at the default level.
const char *address_format(const struct address *a, char buffer[ADDRESS_TEXT_MAX]);
bool address_equal(const struct address *a, const struct address *b);
bool address_same_host(const struct address *a, const struct address *b);
// True for what a relay must not extend to unless `testing_network` is set: private, loopback,
// link-local, multicast, unspecified and other special-purpose ranges.
bool address_is_internal(const struct address *a);
