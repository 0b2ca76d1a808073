// SPDX-License-Identifier: BSD-3-Clause
// Names of hosts, and what is not asked for.
#include "origin/socks/socks_destination.h"

#include <ctype.h>
#include <string.h>

#include "crypto/digest.h"
#include "crypto/ed25519.h"
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

enum { ONION_NAME_LEN = 56, ONION_BYTES = 35, ONION_VERSION = 3 };

// A name ends in this; upper and lower case are one already, and a dot at the end is left out.
static bool ends_in(const char *host, const char *suffix, size_t *before)
{
    size_t length = strlen(host), n = strlen(suffix);
    if (length > 0 && host[length - 1] == '.')
        length--;
    *before = length - n;
    return length >= n && memcmp(host + length - n, suffix, n) == 0;
}

static bool base32_decode(const char *text, uint8_t out[ONION_BYTES])
{
    unsigned bits = 0, held = 0;
    for (size_t i = 0, n = 0; i < ONION_NAME_LEN; i++) {
        unsigned value = text[i] >= 'a' && text[i] <= 'z'   ? (unsigned)(text[i] - 'a')
                         : text[i] >= '2' && text[i] <= '7' ? (unsigned)(text[i] - '2' + 26)
                                                            : 32;
        if (value == 32)
            return false;
        held = (held << 5 | value) & 0xfff;
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            out[n++] = (uint8_t)(held >> bits);
        }
    }
    return true;
}

// PUBKEY | CHECKSUM | VERSION (rend-spec-v3, 6). What is before the last part of the name is for
// the service to see.
static bool is_onion_address(const char *host, size_t length)
{
    static const char label[] = ".onion checksum";
    const char *dot = memrchr(host, '.', length);
    const char *part = dot ? dot + 1 : host;
    uint8_t bytes[ONION_BYTES], hashed[sizeof(label) - 1 + 33], digest[SHA3_256_LEN];
    if ((size_t)(host + length - part) != ONION_NAME_LEN || !base32_decode(part, bytes) ||
        bytes[34] != ONION_VERSION)
        return false;
    memcpy(hashed, label, sizeof(label) - 1);
    memcpy(hashed + sizeof(label) - 1, bytes, 32);
    hashed[sizeof(hashed) - 1] = ONION_VERSION;
    sha3_256(hashed, sizeof(hashed), digest);
    return memcmp(digest, bytes + 32, 2) == 0;
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

int socks_destination_check(const struct socks_request *q, const struct config_socks *config,
                            bool private_addresses, enum socks_complaint *complaint,
                            unsigned *extended)
{
    size_t before;
    *complaint = SOCKS_NO_COMPLAINT;
    *extended = 0;
    if (ends_in(q->host, ".exit", &before))
        return refused(END_TORPROTOCOL, SOCKS_EXIT_NAME, complaint);
    if (ends_in(q->host, ".onion", &before)) {
        if (is_onion_address(q->host, before))
            return refused(SOCKS_REASON_POLICY, SOCKS_ONION, complaint);
        *extended = SOCKS5_ONION_MALFORMED;
        return refused(END_TORPROTOCOL, SOCKS_ONION_NAME, complaint);
    }
    if (!listener_allows(q, config))
        return refused(SOCKS_REASON_POLICY, SOCKS_POLICY, complaint);
    if (q->command == APP_CONNECT && q->port == 0)
        return refused(END_TORPROTOCOL, SOCKS_PORT_0, complaint);
    if (!private_addresses && is_private(q) && q->command != APP_RESOLVE)
        return refused(SOCKS_REASON_PRIVATE, SOCKS_PRIVATE, complaint);
    return 0;
}
