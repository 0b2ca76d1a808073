// SPDX-License-Identifier: BSD-3-Clause
// Reads EXTEND2, filters where it leads, and writes it.
#include "circuit/extend.h"

#include <string.h>

#include <sodium.h>

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

bool extend_read_target(struct reader *r, struct link_target *out)
{
    memset(out, 0, sizeof(*out));
    bool has_rsa_id = false;
    for (unsigned n = read_u8(r); n > 0; n--)
        if (!read_specifier(r, out, &has_rsa_id))
            return false;
    if (sodium_is_zero(out->ed_id, sizeof(out->ed_id)))
        out->has_ed_id = false; // how a sender says that it knows none
    return has_rsa_id && !sodium_is_zero(out->rsa_id, sizeof(out->rsa_id)) && out->n_addresses > 0;
}

bool extend_parse(const uint8_t *body, size_t length, struct extend_request *out)
{
    memset(out, 0, sizeof(*out));
    struct reader r = reader_of(body, length);
    if (!extend_read_target(&r, &out->target))
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
    return true;
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

// ---- writing

static const struct address *first_of(const struct link_target *target, uint8_t family)
{
    for (unsigned i = 0; i < target->n_addresses; i++)
        if (target->addresses[i].family == family && target->addresses[i].port != 0)
            return &target->addresses[i];
    return NULL;
}

static void write_address(struct writer *w, enum link_specifier type, const struct address *a,
                          uint8_t length)
{
    write_u8(w, (uint8_t)type);
    write_u8(w, (uint8_t)(length + 2));
    write_bytes(w, a->bytes, length);
    write_u16(w, a->port);
}

void extend_write_target(const struct link_target *target, bool with_ed_id, bool with_ipv6,
                         struct writer *w)
{
    const struct address *ipv4 = first_of(target, ADDRESS_IPV4);
    const struct address *ipv6 = with_ipv6 || !ipv4 ? first_of(target, ADDRESS_IPV6) : NULL;
    with_ed_id = with_ed_id && target->has_ed_id;
    write_u8(w, (uint8_t)(1 + !!ipv4 + with_ed_id + !!ipv6));
    if (ipv4)
        write_address(w, SPECIFIER_IPV4, ipv4, 4);
    write_u8(w, SPECIFIER_RSA_ID);
    write_u8(w, sizeof(target->rsa_id));
    write_bytes(w, target->rsa_id, sizeof(target->rsa_id));
    if (with_ed_id) {
        write_u8(w, SPECIFIER_ED_ID);
        write_u8(w, sizeof(target->ed_id));
        write_bytes(w, target->ed_id, sizeof(target->ed_id));
    }
    if (ipv6)
        write_address(w, SPECIFIER_IPV6, ipv6, 16);
    w->failed |= !ipv4 && !ipv6;
}
