// SPDX-License-Identifier: BSD-3-Clause
// What a client says to a service through an introduction point.
#include "onion/message/introduce.h"

#include <string.h>

#include <sodium.h>

#include "base/cell.h"
#include "base/cursor.h"
#include "crypto/aes_ctr.h"
#include "crypto/digest.h"

enum {
    LEGACY_ID_LEN = 20, // zeros, which tell it from version 2
    AUTH_KEY_ED25519 = 2,
    ONION_KEY_NTOR = 1,
    EXTENSION_CONGESTION_CONTROL = 1,
    EXTENSION_POW = 2,
    POW_VERSION_EQUIX = 1,
    CLIENT_KEY_LEN = 32,
    MAC_LEN = SHA3_256_LEN,
    HEADER_LEN = LEGACY_ID_LEN + 1 + 2 + ED25519_PUBLIC_LEN + 1, // without extensions
    TRIED_AT_ONCE = 16, // subcredentials, for one exchange of keys
};

// ---- making it

static void write_pow(struct writer *w, const struct pow_proof *p)
{
    write_u8(w, EXTENSION_POW);
    write_u8(w, 1 + sizeof(p->nonce) + 4 + sizeof(p->seed_head) + sizeof(p->solution));
    write_u8(w, POW_VERSION_EQUIX);
    write_bytes(w, p->nonce, sizeof(p->nonce));
    write_u32(w, p->effort);
    write_bytes(w, p->seed_head, sizeof(p->seed_head));
    write_bytes(w, p->solution, sizeof(p->solution));
}

static void write_plain(struct writer *w, const struct introduction *i)
{
    write_bytes(w, i->cookie, sizeof(i->cookie));
    write_u8(w, (uint8_t)(i->congestion_control + i->pow.present));
    if (i->congestion_control) {
        write_u8(w, EXTENSION_CONGESTION_CONTROL);
        write_u8(w, 0);
    }
    if (i->pow.present)
        write_pow(w, &i->pow);
    write_u8(w, ONION_KEY_NTOR);
    write_u16(w, sizeof(i->onion_key));
    write_bytes(w, i->onion_key, sizeof(i->onion_key));
    write_bytes(w, i->specifiers, i->specifiers_length);
    size_t length = HEADER_LEN + writer_length(w);
    if (length < INTRODUCE_PADDED_LEN)
        write_zeros(w, INTRODUCE_PADDED_LEN - length);
}

size_t introduce1_make(const struct introduction *i, const struct onion_intro_point *point,
                       const uint8_t subcredential[32], const struct curve25519_key *ephemeral,
                       uint8_t *out, size_t capacity)
{
    struct hs_ntor_point keys_of_point;
    struct hs_ntor_intro_keys keys;
    memcpy(keys_of_point.auth_key, point->auth_key, sizeof(point->auth_key));
    memcpy(keys_of_point.enc_key, point->enc_key, sizeof(point->enc_key));
    if (!hs_ntor_client_introduce(&keys_of_point, ephemeral, subcredential, &keys))
        return 0;

    struct writer w = writer_of(out, capacity);
    write_zeros(&w, LEGACY_ID_LEN);
    write_u8(&w, AUTH_KEY_ED25519);
    write_u16(&w, ED25519_PUBLIC_LEN);
    write_bytes(&w, point->auth_key, sizeof(point->auth_key));
    write_u8(&w, 0); // extensions
    write_bytes(&w, ephemeral->public_key, CLIENT_KEY_LEN);

    uint8_t plain[RELAY_BODY_MAX];
    struct writer inner = writer_of(plain, sizeof(plain));
    write_plain(&inner, i);
    uint8_t *sealed = inner.failed ? NULL : write_room(&w, writer_length(&inner));
    uint8_t *mac = sealed ? write_room(&w, MAC_LEN) : NULL;
    bool good = mac != NULL &&
                aes256_ctr_zero_iv(keys.encryption, plain, writer_length(&inner), sealed) == 0;
    if (good)
        hs_ntor_mac(keys.mac, out, (size_t)(mac - out), mac);
    explicit_bzero(&keys, sizeof(keys));
    explicit_bzero(plain, sizeof(plain));
    return good ? writer_length(&w) : 0;
}

// ---- reading it

// Up to the encrypted section.
static bool read_header(struct reader *r, const uint8_t **key)
{
    read_bytes(r, LEGACY_ID_LEN);
    uint8_t type = read_u8(r);
    uint16_t key_length = read_u16(r);
    *key = read_bytes(r, ED25519_PUBLIC_LEN);
    for (unsigned n = read_u8(r); n > 0 && !r->failed; n--) {
        read_u8(r); // there are none that we know
        read_bytes(r, read_u8(r));
    }
    return !r->failed && type == AUTH_KEY_ED25519 && key_length == ED25519_PUBLIC_LEN;
}

bool introduce2_encrypted(const uint8_t *body, size_t length, const uint8_t **out,
                          size_t *out_length)
{
    struct reader r = reader_of(body, length);
    const uint8_t *key;
    if (!read_header(&r, &key) || reader_left(&r) == 0)
        return false;
    *out_length = reader_left(&r);
    *out = read_bytes(&r, *out_length);
    return true;
}

// What follows it in its extension is ignored.
static bool read_pow(struct reader *r, struct pow_proof *out)
{
    if (out->present) // C tor takes the second for a replay of the first
        return false;
    uint8_t version = read_u8(r);
    read_into(r, out->nonce, sizeof(out->nonce));
    out->effort = read_u32(r);
    read_into(r, out->seed_head, sizeof(out->seed_head));
    read_into(r, out->solution, sizeof(out->solution));
    out->present = true;
    return !r->failed && version == POW_VERSION_EQUIX;
}

static bool read_extensions(struct reader *r, struct introduction *out)
{
    for (unsigned n = read_u8(r); n > 0 && !r->failed; n--) {
        uint8_t type = read_u8(r);
        uint8_t length = read_u8(r);
        struct reader extension = read_sub(r, length);
        if (type == EXTENSION_CONGESTION_CONTROL)
            out->congestion_control = true;
        else if (type == EXTENSION_POW && !read_pow(&extension, &out->pow))
            return false;
    }
    return !r->failed;
}

bool introduce2_read_plain(const uint8_t *bytes, size_t length, struct introduction *out)
{
    struct reader r = reader_of(bytes, length);
    out->congestion_control = false;
    out->pow = (struct pow_proof){.present = false};
    read_into(&r, out->cookie, sizeof(out->cookie));
    if (!read_extensions(&r, out))
        return false;
    uint8_t type = read_u8(&r);
    uint16_t key_length = read_u16(&r);
    read_into(&r, out->onion_key, sizeof(out->onion_key));
    if (r.failed || type != ONION_KEY_NTOR || key_length != sizeof(out->onion_key))
        return false;
    // The rest is padding.
    size_t specifiers = link_specifiers_length(r.at, reader_left(&r));
    if (specifiers == 0 || specifiers > sizeof(out->specifiers))
        return false;
    read_into(&r, out->specifiers, specifiers);
    out->specifiers_length = (uint16_t)specifiers;
    return true;
}

// Sets `out` and `which` if `take`, in a time that does not say so.
static void take_if(bool take, const struct hs_ntor_intro_keys *keys, unsigned index,
                    struct hs_ntor_intro_keys *out, unsigned *which)
{
    const uint8_t *from = (const uint8_t *)keys;
    uint8_t *to = (uint8_t *)out;
    volatile unsigned chosen = take;
    unsigned mask = 0U - chosen;
    for (size_t i = 0; i < sizeof(*keys); i++)
        to[i] ^= (uint8_t)(mask & (to[i] ^ from[i]));
    *which ^= mask & (*which ^ index);
}

// The keys with which the MAC at the body's end is right. False: none.
static bool find_keys(const uint8_t *body, size_t length, const uint8_t auth_key[32],
                      const struct curve25519_key *enc_key, const uint8_t client_public[32],
                      const uint8_t (*subcredentials)[32], unsigned n,
                      struct hs_ntor_intro_keys *out, unsigned *which)
{
    struct hs_ntor_intro_keys keys[TRIED_AT_ONCE];
    const uint8_t *mac = body + length - MAC_LEN;
    bool exchanged = true, found = false;
    for (unsigned first = 0; first < n && exchanged; first += TRIED_AT_ONCE) {
        unsigned some = n - first < TRIED_AT_ONCE ? n - first : TRIED_AT_ONCE;
        exchanged = hs_ntor_service_introduce(auth_key, enc_key, client_public,
                                              subcredentials + first, some, keys);
        for (unsigned i = 0; exchanged && i < some; i++) {
            uint8_t expected[MAC_LEN];
            hs_ntor_mac(keys[i].mac, body, length - MAC_LEN, expected);
            bool equal = sodium_memcmp(expected, mac, MAC_LEN) == 0;
            take_if(equal, &keys[i], first + i, out, which);
            found |= equal;
        }
    }
    explicit_bzero(keys, sizeof(keys));
    return exchanged & found;
}

enum introduce2_result introduce2_read(const uint8_t *body, size_t length,
                                       const uint8_t auth_key[32],
                                       const struct curve25519_key *enc_key,
                                       const uint8_t (*subcredentials)[32], unsigned n,
                                       struct introduction *out)
{
    struct reader r = reader_of(body, length);
    struct hs_ntor_intro_keys keys = {.mac = {0}};
    uint8_t plain[RELAY_BODY_MAX];
    const uint8_t *key;
    *out = (struct introduction){.specifiers_length = 0};
    if (!read_header(&r, &key) || memcmp(key, auth_key, ED25519_PUBLIC_LEN) != 0 ||
        reader_left(&r) < CLIENT_KEY_LEN + MAC_LEN)
        return INTRODUCE2_MALFORMED;
    read_into(&r, out->client_public, sizeof(out->client_public));
    size_t sealed_length = reader_left(&r) - MAC_LEN;
    const uint8_t *sealed = read_bytes(&r, sealed_length);
    if (sealed_length > sizeof(plain))
        return INTRODUCE2_MALFORMED;

    enum introduce2_result result = INTRODUCE2_UNREADABLE;
    if (find_keys(body, length, auth_key, enc_key, out->client_public, subcredentials, n, &keys,
                  &out->subcredential) &&
        aes256_ctr_zero_iv(keys.encryption, sealed, sealed_length, plain) == 0)
        result = introduce2_read_plain(plain, sealed_length, out) ? INTRODUCE2_GOOD
                                                                  : INTRODUCE2_MALFORMED;
    explicit_bzero(&keys, sizeof(keys));
    explicit_bzero(plain, sizeof(plain));
    return result;
}
