// SPDX-License-Identifier: BSD-3-Clause
// Names of hosts, and what is not asked for.
#include "origin/socks/socks_destination.h"

#include <ctype.h>
#include <string.h>

#include "onion/key/onion_address.h"
#include "origin/socks/socks_reply.h"

// ---- as text

static bool read_address(const char *text, size_t length, struct address *out)
{
    char plain[ADDRESS_TEXT_MAX];
    bool bracketed = length >= 2 && text[0] == '[' && text[length - 1] == ']';
    if (length >= sizeof(plain))
        return false;
    memcpy(plain, text + bracketed, length - 2 * bracketed);
    plain[length - 2 * bracketed] = '\0';
    return address_parse(plain, out) && (!bracketed || out->family == ADDRESS_IPV6);
}

// Letters, digits, '-' and '_' in parts of at least one, not with one of the latter in front. A
// dot may end it. More than RFC 1123 allows, and what resolvers of exits can bear.
static bool is_name(const char *text, size_t length)
{
    bool part_begins = true;
    if (length > 1 && text[length - 1] == '.')
        length--;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        bool mark = c == '-' || c == '_';
        if (c == '.' ? part_begins : !(mark ? !part_begins : (unsigned char)c < 0x80 && isalnum(c)))
            return false;
        part_begins = c == '.';
    }
    return !part_begins;
}

bool socks_destination_read(const void *bytes, size_t length, struct socks_request *out)
{
    const char *text = bytes;
    out->host[0] = '\0';
    out->address = (struct address){0};
    if (length == 0 || length > APP_HOST_MAX || memchr(text, '\0', length))
        return false;
    if (read_address(text, length, &out->address))
        return true;
    if (!is_name(text, length))
        return false;
    for (size_t i = 0; i < length; i++)
        out->host[i] = (char)tolower((unsigned char)text[i]);
    out->host[length] = '\0';
    return true;
}

// ---- names that are none of DNS

// A name ends in this; upper and lower case are one already, and a dot at the end is left out.
static bool ends_in(const char *host, const char *suffix, size_t *before)
{
    size_t length = strlen(host), n = strlen(suffix);
    if (length > 0 && host[length - 1] == '.')
        length--;
    *before = length - n;
    return length >= n && memcmp(host + length - n, suffix, n) == 0;
}

// ---- what is not asked for

static bool is_private(const struct socks_request *q)
{
    static const char *const names[] = {"localhost", "local", ".local"};
    size_t before;
    if (q->address.family != ADDRESS_NONE)
        return address_is_internal(&q->address);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (ends_in(q->host, names[i], &before) && (before == 0 || names[i][0] == '.'))
            return true;
    return false;
}

static bool listener_allows(const struct socks_request *q, const struct config_socks *config)
{
    bool ipv6 = config->ipv6 && q->protocol != SOCKS_4; // which has no room for such an address
    switch (q->address.family) {
    case ADDRESS_IPV4:
        return config->ipv4;
    case ADDRESS_IPV6:
        return config->ipv6 && (ipv6 || q->command != APP_CONNECT);
    default:
        return config->dns && (config->ipv4 || ipv6);
    }
}

static int refused(int reason, enum socks_complaint what, enum socks_complaint *complaint)
{
    *complaint = what;
    return reason;
}

static int check_onion(const struct socks_request *q, enum socks_complaint *complaint,
                       unsigned *extended)
{
    uint8_t key[ONION_KEY_LEN];
    if (onion_address_parse(q->host, key) != ONION_ADDRESS_GOOD) {
        *extended = SOCKS5_ONION_MALFORMED;
        return refused(END_TORPROTOCOL, SOCKS_ONION_NAME, complaint);
    }
    if (q->command != APP_CONNECT)
        return refused(END_TORPROTOCOL, SOCKS_ONION_RESOLVE, complaint);
    return q->port == 0 ? refused(END_TORPROTOCOL, SOCKS_PORT_0, complaint) : 0;
}

int socks_destination_check(const struct socks_request *q, const struct config_socks *config,
                            bool private_addresses, enum socks_complaint *complaint,
                            unsigned *extended)
{
    size_t before;
    *complaint = SOCKS_NO_COMPLAINT;
    *extended = 0;
    if (ends_in(q->host, ".exit", &before))
        return refused(END_TORPROTOCOL, SOCKS_EXIT_NAME, complaint);
    if (ends_in(q->host, ".onion", &before))
        return check_onion(q, complaint, extended);
    if (!listener_allows(q, config))
        return refused(SOCKS_REASON_POLICY, SOCKS_POLICY, complaint);
    if (q->command == APP_CONNECT && q->port == 0)
        return refused(END_TORPROTOCOL, SOCKS_PORT_0, complaint);
    if (!private_addresses && is_private(q) && q->command != APP_RESOLVE)
        return refused(SOCKS_REASON_PRIVATE, SOCKS_PRIVATE, complaint);
    return 0;
}
