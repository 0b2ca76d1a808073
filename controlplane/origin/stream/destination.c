// SPDX-License-Identifier: BSD-3-Clause
// Where an application wants to go.
#include "origin/stream/destination.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cursor.h"

enum {
    BEGIN_IPV6_OKAY = 1,
    BEGIN_IPV4_NOT_OKAY = 2,
    BEGIN_IPV6_PREFERRED = 4,
    IP6_ARPA_NIBBLES = 32,
};

static const char in_addr_arpa[] = ".in-addr.arpa", ip6_arpa[] = ".ip6.arpa";

// ---- names

static void lower(char *text)
{
    for (; *text; text++)
        *text = (char)tolower((unsigned char)*text);
}

static bool ends_with(const char *name, size_t length, const char *suffix)
{
    size_t n = strlen(suffix);
    return length >= n && memcmp(name + length - n, suffix, n) == 0;
}

// The name itself, or one below it. A dot at the end says the same name.
static bool is_in_domain(const char *name, const char *domain)
{
    size_t length = strlen(name), n = strlen(domain);
    while (length > 0 && name[length - 1] == '.')
        length--;
    return ends_with(name, length, domain) && (length == n || name[length - n - 1] == '.');
}

static bool can_be_a_name(const char *name)
{
    if (!*name)
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && !strchr("-._", *name))
            return false;
    return true;
}

// ---- names of addresses

// "4.3.2.1.in-addr.arpa"
static bool parse_in_addr(const char *name, size_t length, struct address *out)
{
    struct address reversed;
    char text[sizeof("255.255.255.255")];
    size_t n = length - strlen(in_addr_arpa);
    if (n >= sizeof(text))
        return false;
    memcpy(text, name, n);
    text[n] = 0;
    if (!address_parse(text, &reversed) || reversed.family != ADDRESS_IPV4)
        return false;
    *out = address_ipv4(__builtin_bswap32(address_ipv4_host(&reversed)), 0);
    return true;
}

static int nibble(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

// 32 nibbles, the last one first, each with a dot behind it.
static bool parse_ip6(const char *name, size_t length, struct address *out)
{
    *out = (struct address){.family = ADDRESS_IPV6};
    if (length != 2 * IP6_ARPA_NIBBLES - 1 + strlen(ip6_arpa))
        return false;
    for (unsigned i = 0; i < IP6_ARPA_NIBBLES; i++) {
        int value = nibble(name[2 * i]);
        unsigned at = IP6_ARPA_NIBBLES - 1 - i;
        if (value < 0 || name[2 * i + 1] != '.')
            return false;
        out->bytes[at / 2] |= (uint8_t)(at % 2 ? value : value << 4);
    }
    return true;
}

static bool parse_arpa(const char *name, struct address *out)
{
    size_t length = strlen(name);
    if (ends_with(name, length, in_addr_arpa))
        return parse_in_addr(name, length, out);
    return ends_with(name, length, ip6_arpa) && parse_ip6(name, length, out);
}

static void format_arpa(const struct address *a, char *out, size_t size)
{
    const uint8_t *b = a->bytes;
    if (a->family == ADDRESS_IPV4) {
        snprintf(out, size, "%u.%u.%u.%u%s", b[3], b[2], b[1], b[0], in_addr_arpa);
        return;
    }
    size_t used = 0;
    for (unsigned i = 16; i-- > 0;)
        used += (size_t)snprintf(out + used, size - used, "%x.%x%s", b[i] & 15, b[i] >> 4,
                                 i > 0 ? "." : ip6_arpa);
}

// ---- one form

static void take_address(struct app_request *r)
{
    size_t length = strlen(r->host);
    char text[ADDRESS_TEXT_MAX];
    struct address a;
    bool brackets = length > 2 && r->host[0] == '[' && r->host[length - 1] == ']';
    if (length - 2 * brackets >= sizeof(text))
        return;
    memcpy(text, r->host + brackets, length - 2 * brackets);
    text[length - 2 * brackets] = 0;
    if (!address_parse(text, &a) || (brackets && a.family != ADDRESS_IPV6))
        return;
    r->address = a;
    r->host[0] = 0;
}

static bool is_local_name(const char *name)
{
    return is_in_domain(name, "localhost") || is_in_domain(name, "local");
}

static enum destination_verdict check_connect(struct app_request *r, bool internal_allowed)
{
    bool literal = r->address.family != ADDRESS_NONE;
    if (r->port == 0)
        return DESTINATION_REFUSED;
    if (literal) {
        bool v4 = r->address.family == ADDRESS_IPV4;
        if (v4 ? !r->ipv4 : !r->ipv6)
            return DESTINATION_REFUSED;
        r->ipv4 = v4;
        r->ipv6 = !v4;
    }
    if (!r->ipv4 && !r->ipv6)
        return DESTINATION_REFUSED;
    bool internal = literal ? address_is_internal(&r->address) : is_local_name(r->host);
    return internal && !internal_allowed ? DESTINATION_REFUSED : DESTINATION_ASK;
}

static enum destination_verdict check_reverse(struct app_request *r, bool internal_allowed)
{
    if (r->address.family == ADDRESS_NONE && !parse_arpa(r->host, &r->address))
        return DESTINATION_REFUSED;
    r->host[0] = 0;
    bool internal = address_is_internal(&r->address);
    return internal && !internal_allowed ? DESTINATION_INTERNAL : DESTINATION_ASK;
}

enum destination_verdict destination_normalise(struct app_request *r, bool internal_allowed)
{
    r->host[APP_HOST_MAX] = 0;
    lower(r->host);
    if (r->address.family == ADDRESS_NONE)
        take_address(r);
    else
        r->host[0] = 0;
    r->address.port = 0;
    bool literal = r->address.family != ADDRESS_NONE;
    if (!literal &&
        (!can_be_a_name(r->host) || is_in_domain(r->host, "exit") || is_in_domain(r->host, "pet")))
        return DESTINATION_REFUSED;
    if (!literal && is_in_domain(r->host, "onion"))
        return r->command == APP_CONNECT && r->port != 0 ? DESTINATION_ONION : DESTINATION_REFUSED;
    switch (r->command) {
    case APP_CONNECT:
        return check_connect(r, internal_allowed);
    case APP_RESOLVE_PTR:
        return check_reverse(r, internal_allowed);
    case APP_RESOLVE:
        return literal ? DESTINATION_KNOWN : DESTINATION_ASK;
    }
    return DESTINATION_REFUSED;
}

// ---- how it is said

static uint32_t begin_flags(const struct app_request *r, bool exit_has_ipv6)
{
    uint32_t flags = 0;
    if (!r->ipv6)
        return 0;
    if (!r->ipv4)
        flags |= BEGIN_IPV4_NOT_OKAY;
    if (exit_has_ipv6)
        flags |= BEGIN_IPV6_OKAY;
    // A preference needs a choice.
    if (flags == BEGIN_IPV6_OKAY && r->prefer_ipv6)
        flags |= BEGIN_IPV6_PREFERRED;
    return flags;
}

size_t destination_begin_body(const struct app_request *r, bool exit_has_ipv6,
                              uint8_t out[DESTINATION_BODY_MAX])
{
    char text[APP_HOST_MAX + sizeof(":65535")];
    if (r->address.family != ADDRESS_NONE) {
        struct address a = r->address;
        a.port = r->port;
        address_format(&a, text);
    } else {
        snprintf(text, sizeof(text), "%s:%u", r->host, r->port);
    }
    struct writer w = writer_of(out, DESTINATION_BODY_MAX);
    write_bytes(&w, text, strlen(text) + 1);
    uint32_t flags = begin_flags(r, exit_has_ipv6);
    if (flags)
        write_u32(&w, flags);
    return writer_length(&w);
}

size_t destination_onion_body(const struct app_request *r, uint8_t out[DESTINATION_BODY_MAX])
{
    return (size_t)snprintf((char *)out, DESTINATION_BODY_MAX, ":%u", r->port) + 1;
}

size_t destination_resolve_body(const struct app_request *r, uint8_t out[DESTINATION_BODY_MAX])
{
    char text[APP_HOST_MAX + 1];
    if (r->command == APP_RESOLVE_PTR)
        format_arpa(&r->address, text, sizeof(text));
    else
        snprintf(text, sizeof(text), "%s", r->host);
    struct writer w = writer_of(out, DESTINATION_BODY_MAX);
    write_bytes(&w, text, strlen(text) + 1);
    return writer_length(&w);
}
