// SPDX-License-Identifier: BSD-3-Clause
// The strings of a configuration that mean something: from text to what is stored.
#include "values.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

static const char name_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789-_";

static bool all(const char *text, int (*is)(int))
{
    for (; *text; text++)
        if (!is((unsigned char)*text))
            return false;
    return true;
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if (iscntrl((unsigned char)*text))
            return true;
    return false;
}

const char *store_nickname(const char *text, void *out)
{
    size_t length = strlen(text);
    if (length < 1 || length > CONFIG_NICKNAME_MAX || !all(text, isalnum))
        return "1 to 19 letters and digits";
    memcpy(out, text, length + 1);
    return NULL;
}

const char *store_contact(const char *text, void *out)
{
    size_t length = strlen(text);
    if (length > CONFIG_CONTACT_MAX || has_control(text))
        return "one line of at most 511 bytes";
    memcpy(out, text, length + 1);
    return NULL;
}

const char *store_directory(const char *text, void *out)
{
    size_t length = strlen(text);
    if (text[0] != '/' || length > CONFIG_PATH_MAX || has_control(text))
        return "an absolute path of at most 1023 bytes";
    memcpy(out, text, length + 1);
    return NULL;
}

const char *store_device(const char *text, void *out)
{
    size_t length = strlen(text);
    if (length < 1 || length > CONFIG_DEVICE_MAX || !all(text, isgraph))
        return "a DPDK device such as \"0000:03:00.0\" or \"net_tap0,iface=ram0\"";
    memcpy(out, text, length + 1);
    return NULL;
}

const char *store_address(const char *text, void *out)
{
    struct address a;
    if (!address_parse(text, &a))
        return "an IPv4 address such as \"203.0.113.5\"";
    if (a.family != ADDRESS_IPV4)
        return "an IPv4 address (IPv6 isn't supported yet)";
    memcpy(out, &a, sizeof(a));
    return NULL;
}

// A decimal number of at most five digits, which is all of `text` up to `end`.
static bool parse_number(const char *text, const char *end, unsigned max, unsigned *out)
{
    unsigned value = 0;
    if (text == end || end - text > 5)
        return false;
    for (; text < end; text++) {
        if (!isdigit((unsigned char)*text))
            return false;
        value = value * 10 + (unsigned)(*text - '0');
    }
    *out = value;
    return value <= max;
}

// "ADDRESS/BITS"; the bits may be missing only if `bits_optional`.
static bool parse_prefix(const char *text, bool bits_optional, struct config_prefix *out)
{
    char host[ADDRESS_TEXT_MAX];
    const char *slash = strchr(text, '/');
    size_t length = slash ? (size_t)(slash - text) : strlen(text);
    if (length >= sizeof(host) || (!slash && !bits_optional))
        return false;
    memcpy(host, text, length);
    host[length] = '\0';
    if (!address_parse(host, &out->address))
        return false;
    unsigned max = (unsigned)address_length(&out->address) * 8;
    out->bits = max;
    return !slash || parse_number(slash + 1, text + strlen(text), max, &out->bits);
}

const char *store_prefix(const char *text, void *out)
{
    struct config_prefix prefix = {0};
    if (!parse_prefix(text, false, &prefix) || prefix.bits == 0)
        return "an IPv4 address with its prefix length, such as \"203.0.113.5/24\"";
    if (prefix.address.family != ADDRESS_IPV4)
        return "an IPv4 address with its prefix length (IPv6 isn't supported yet)";
    uint32_t host_mask = prefix.bits == 32 ? 0 : UINT32_MAX >> prefix.bits;
    uint32_t host = address_ipv4_host(&prefix.address) & host_mask;
    if (prefix.bits < 31 && (host == 0 || host == host_mask))
        return "an address of a host, not a network's own or its broadcast address";
    memcpy(out, &prefix, sizeof(prefix));
    return NULL;
}

static unsigned hex_value(char digit)
{
    return (unsigned)(digit <= '9' ? digit - '0' : tolower((unsigned char)digit) - 'a' + 10);
}

const char *store_digest(const char *text, void *out)
{
    uint8_t digest[CONFIG_DIGEST_LEN];
    if (strlen(text) != sizeof(digest) * 2 || !all(text, isxdigit))
        return "40 hexadecimal digits";
    for (size_t i = 0; i < sizeof(digest); i++)
        digest[i] = (uint8_t)(hex_value(text[2 * i]) << 4 | hex_value(text[2 * i + 1]));
    memcpy(out, digest, sizeof(digest));
    return NULL;
}

static int base64_value(char c)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

// As C tor writes it: base64, with its one '=' or without.
const char *store_ed_identity(const char *text, void *out)
{
    enum { DIGITS = 43 }; // the last one has two bits that are nothing's
    uint8_t id[CONFIG_ED_ID_LEN] = {0};
    size_t n = 0;
    uint32_t bits = 0;
    bool good = strlen(text) == DIGITS || (strlen(text) == DIGITS + 1 && text[DIGITS] == '=');
    for (unsigned i = 0; good && i < DIGITS; i++) {
        int value = base64_value(text[i]);
        good = value >= 0;
        bits = bits << 6 | (uint32_t)(value & 63);
        unsigned have = (i + 1) * 6 - (unsigned)n * 8;
        if (have >= 8 && n < sizeof(id))
            id[n++] = (uint8_t)(bits >> (have - 8));
    }
    if (!good || (bits & 3) != 0)
        return "43 characters of base64";
    memcpy(out, id, sizeof(id));
    return NULL;
}

const char *store_poll(const char *text, void *out)
{
    bool busy = strcmp(text, "busy") == 0;
    if (!busy && strcmp(text, "adaptive") != 0)
        return "\"adaptive\" or \"busy\"";
    enum config_poll poll = busy ? CONFIG_POLL_BUSY : CONFIG_POLL_ADAPTIVE;
    memcpy(out, &poll, sizeof(poll));
    return NULL;
}

const char *store_log_level(const char *text, void *out)
{
    enum log_level level;
    if (!log_level_parse(text, &level))
        return "\"error\", \"warn\", \"notice\", \"info\" or \"debug\"";
    memcpy(out, &level, sizeof(level));
    return NULL;
}

// ---- exit policy lines (dir-spec: exitpattern)

// "*", "*4", "*6", "private", "1.2.3.4", "1.2.3.0/24", "[2001:db8::]/32"
static bool policy_host_is_valid(const char *text)
{
    static const char *const names[] = {"*", "*4", "*6", "private"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(text, names[i]) == 0)
            return true;
    struct config_prefix prefix;
    char plain[CONFIG_POLICY_LINE_MAX + 1];
    const char *bracket = text[0] == '[' ? strchr(text, ']') : NULL;
    if (!bracket)
        return parse_prefix(text, true, &prefix) && prefix.address.family == ADDRESS_IPV4;
    snprintf(plain, sizeof(plain), "%.*s%s", (int)(bracket - text - 1), text + 1, bracket + 1);
    return parse_prefix(plain, true, &prefix) && prefix.address.family == ADDRESS_IPV6;
}

// "*", "80", "80-443"; a port is never 0, which authorities choke on.
static bool policy_ports_are_valid(const char *text)
{
    unsigned low, high;
    if (strcmp(text, "*") == 0)
        return true;
    const char *end = text + strlen(text);
    const char *dash = strchr(text, '-');
    if (!parse_number(text, dash ? dash : end, 65535, &low) || low == 0)
        return false;
    return !dash || (parse_number(dash + 1, end, 65535, &high) && high >= low);
}

static bool policy_line_is_valid(const char *line)
{
    char host[CONFIG_POLICY_LINE_MAX + 1];
    const char *space = strchr(line, ' ');
    if (!space)
        return false;
    size_t verb = (size_t)(space - line);
    if (!(verb == 6 && (memcmp(line, "accept", 6) == 0 || memcmp(line, "reject", 6) == 0)))
        return false;
    const char *colon = strrchr(space, ':');
    if (!colon)
        return false;
    snprintf(host, sizeof(host), "%.*s", (int)(colon - space - 1), space + 1);
    return policy_host_is_valid(host) && policy_ports_are_valid(colon + 1);
}

const char *store_exit_policy(const char *text, void *out)
{
    if (strlen(text) > CONFIG_POLICY_LINE_MAX || !policy_line_is_valid(text))
        return "\"accept ADDRESS:PORT\" or \"reject ADDRESS:PORT\"";
    if (strcmp(text, "reject *:*") != 0)
        return "\"reject *:*\" (exiting isn't supported yet)";
    memcpy(out, text, strlen(text) + 1);
    return NULL;
}

const char *store_dos_switch(const char *text, void *out)
{
    static const char *const names[] = {"consensus", "on", "off"};
    for (int i = CONFIG_DOS_CONSENSUS; i <= CONFIG_DOS_OFF; i++) {
        if (strcmp(text, names[i]) == 0) {
            *(enum config_dos_switch *)out = (enum config_dos_switch)i;
            return NULL;
        }
    }
    return "\"consensus\", \"on\" or \"off\"";
}

// ---- where applications come in

// "ADDRESS:PORT", IPv6 in brackets.
static bool parse_address_port(const char *text, struct address *out)
{
    char host[ADDRESS_TEXT_MAX];
    const char *colon = strrchr(text, ':');
    unsigned port;
    if (!colon || (size_t)(colon - text) >= sizeof(host) ||
        !parse_number(colon + 1, text + strlen(text), 65535, &port) || port == 0)
        return false;
    bool bracketed = text[0] == '[' && colon > text && colon[-1] == ']';
    snprintf(host, sizeof(host), "%.*s", (int)(colon - text) - 2 * bracketed, text + bracketed);
    if (!address_parse(host, out) || (out->family == ADDRESS_IPV6) != bracketed)
        return false;
    out->port = (uint16_t)port;
    return true;
}

const char *store_listen(const char *text, void *out)
{
    static const char expected[] = "\"127.0.0.1:9050\", \"[::1]:9050\" or \"unix:/PATH\"";
    struct config_socks socks = {0};
    if (strncmp(text, "unix:", 5) == 0) {
        const char *path = text + 5;
        if (path[0] != '/' || has_control(path))
            return expected;
        if (strlen(path) > CONFIG_SOCKET_PATH_MAX)
            return "a path of at most 107 bytes, as for every Unix socket";
        snprintf(socks.listen.path, sizeof(socks.listen.path), "%s", path);
    } else if (!parse_address_port(text, &socks.listen.address)) {
        return expected;
    }
    memcpy(out, &socks.listen, sizeof(socks.listen));
    return NULL;
}

// Leaves the port that it is the target of alone.
const char *store_target(const char *text, void *out)
{
    static const char expected[] = "\"127.0.0.1:8080\", \"[::1]:8080\" or \"unix:/PATH\"";
    struct config_onion_port *port = out;
    struct address address = {0};
    const char *path = strncmp(text, "unix:", 5) == 0 ? text + 5 : "";
    if (path[0] != '\0' ? path[0] != '/' || has_control(path) : !parse_address_port(text, &address))
        return expected;
    if (strlen(path) > CONFIG_SOCKET_PATH_MAX)
        return "a path of at most 107 bytes, as for every Unix socket";
    port->target = address;
    snprintf(port->unix_path, sizeof(port->unix_path), "%s", path);
    return NULL;
}

const char *store_mode(const char *text, void *out)
{
    static const unsigned modes[] = {0600, 0660, 0666};
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        char name[8];
        snprintf(name, sizeof(name), "%04o", modes[i]);
        if (strcmp(text, name) == 0) {
            memcpy(out, &modes[i], sizeof(modes[i]));
            return NULL;
        }
    }
    return "\"0600\", \"0660\" or \"0666\"";
}

static bool store_isolation(const char *text, enum config_isolation first,
                            enum config_isolation last, void *out)
{
    static const char *const names[] = {"credentials", "client", "destination", "port", "protocol"};
    for (enum config_isolation i = first; i <= last; i++) {
        if (strcmp(text, names[i]) == 0) {
            memcpy(out, &i, sizeof(i));
            return true;
        }
    }
    return false;
}

const char *store_isolate(const char *text, void *out)
{
    return store_isolation(text, CONFIG_ISOLATE_DESTINATION, CONFIG_ISOLATE_PROTOCOL, out)
               ? NULL
               : "\"destination\", \"port\" or \"protocol\"";
}

const char *store_share(const char *text, void *out)
{
    return store_isolation(text, CONFIG_ISOLATE_CREDENTIALS, CONFIG_ISOLATE_CLIENT, out)
               ? NULL
               : "\"credentials\" or \"client\"";
}

const char *store_group(const char *text, void *out)
{
    size_t length = strlen(text);
    if (length < 1 || length > CONFIG_GROUP_NAME_MAX || text[strspn(text, name_characters)])
        return "a name of 1 to 31 letters, digits, '-' and '_'";
    memcpy(out, text, length + 1);
    return NULL;
}

// ---- relays

static void mask_address(struct config_prefix *prefix)
{
    for (unsigned i = 0; i < sizeof(prefix->address.bytes); i++) {
        unsigned kept = prefix->bits > 8 * i ? prefix->bits - 8 * i : 0;
        if (kept < 8)
            prefix->address.bytes[i] &= (uint8_t)(0xff00 >> kept);
    }
}

const char *store_node(const char *text, void *out)
{
    static const char *const expected =
        "a relay's fingerprint (40 hexadecimal digits) or an address prefix";
    struct config_node node = {0};
    const char *digits = text[0] == '$' ? text + 1 : text;
    if (text[0] == '{')
        return "a fingerprint or an address prefix (countries aren't supported)";
    if (store_digest(digits, node.rsa_id) != NULL) {
        char plain[ADDRESS_TEXT_MAX];
        const char *bracket = text[0] == '[' ? strchr(text, ']') : NULL;
        if (bracket != NULL) {
            snprintf(plain, sizeof(plain), "%.*s%s", (int)(bracket - text - 1), text + 1,
                     bracket + 1);
            text = plain;
        }
        node.is_prefix = true;
        if (!parse_prefix(text, true, &node.prefix) ||
            (bracket != NULL && node.prefix.address.family != ADDRESS_IPV6))
            return expected;
        mask_address(&node.prefix);
    }
    memcpy(out, &node, sizeof(node));
    return NULL;
}
