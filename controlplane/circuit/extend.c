// SPDX-License-Identifier: BSD-3-Clause
// Reads EXTEND2 and filters where it leads.
#include "circuit/extend.h"

#include <string.h>

#include <sodium.h>

#include "base/cursor.h"
#include "circuit/onion_skin.h"
#include "crypto/ntor.h"

enum link_specifier {
    SPECIFIER_IPV4 = 0,
    SPECIFIER_IPV6 = 1,
    SPECIFIER_RSA_ID = 2,
    SPECIFIER_ED_ID = 3,
};

static void read_address(struct reader *specifier, uint8_t family, size_t length,
                         struct link_target *target)
{
    struct address a = {.family = family};
    read_into(specifier, a.bytes, length);
    a.port = read_u16(specifier);
    for (unsigned i = 0; i < target->n_addresses; i++)
        if (target->addresses[i].family == family)
            return; // only the first of a family counts (2.29)
    if (!specifier->failed && target->n_addresses < LINK_TARGET_ADDRESSES_MAX)
        target->addresses[target->n_addresses++] = a;
}

// False for what rejects the whole message.
static bool read_specifier(struct reader *r, struct link_target *target, bool *has_rsa_id)
{
    uint8_t type = read_u8(r);
    uint8_t length = read_u8(r);
    struct reader specifier = read_sub(r, length);
    switch (type) {
    case SPECIFIER_IPV4:
        read_address(&specifier, ADDRESS_IPV4, 4, target);
        break;
    case SPECIFIER_IPV6:
        read_address(&specifier, ADDRESS_IPV6, 16, target);
        break;
    case SPECIFIER_RSA_ID:
        if (*has_rsa_id)
            return false;
        *has_rsa_id = true;
        read_into(&specifier, target->rsa_id, sizeof(target->rsa_id));
        break;
    case SPECIFIER_ED_ID:
        if (target->has_ed_id)
            return false;
        target->has_ed_id = true;
        read_into(&specifier, target->ed_id, sizeof(target->ed_id));
        break;
    default:
        return !r->failed; // unknown ones are skipped
    }
    return reader_done(&specifier);
}

bool extend_parse(const uint8_t *body, size_t length, struct extend_request *out)
{
    memset(out, 0, sizeof(*out));
    struct reader r = reader_of(body, length);
    bool has_rsa_id = false;
    for (unsigned n = read_u8(&r); n > 0; n--)
        if (!read_specifier(&r, &out->target, &has_rsa_id))
            return false;
    const uint8_t *create2 = r.at;
    uint16_t handshake = read_u16(&r);
    uint16_t data_length = read_u16(&r);
    if (!read_bytes(&r, data_length) || data_length > CREATE2_DATA_MAX)
        return false;
    if (handshake == HANDSHAKE_TAP || handshake == HANDSHAKE_FAST ||
        (handshake == HANDSHAKE_NTOR && data_length != NTOR_SKIN_LEN))
        return false;
    out->create2_length = (uint16_t)(4 + data_length);
    memcpy(out->create2, create2, out->create2_length);
    if (sodium_is_zero(out->target.ed_id, sizeof(out->target.ed_id)))
        out->target.has_ed_id = false; // how a sender says that it knows none
    return has_rsa_id && !sodium_is_zero(out->target.rsa_id, sizeof(out->target.rsa_id)) &&
           out->target.n_addresses > 0;
}

// Addresses that no single host can have, whatever the network.
static bool is_nobodys(const struct address *a)
{
    uint32_t ipv4 = address_ipv4_host(a);
    return ipv4 == 0 || ipv4 == UINT32_MAX || ipv4 >> 28 == 0xe; // multicast
}

bool extend_filter_addresses(struct link_target *target, bool internal_allowed)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < target->n_addresses; i++) {
        const struct address *a = &target->addresses[i];
        bool usable = a->family == ADDRESS_IPV4 && a->port != 0 && // links are IPv4 so far
                      !is_nobodys(a) && (internal_allowed || !address_is_internal(a));
        if (usable)
            target->addresses[kept++] = *a;
    }
    target->n_addresses = kept;
    return kept > 0;
}
