// SPDX-License-Identifier: BSD-3-Clause
// Reads what services and clients say to an introduction point.
#include "onion/message/intro_cell.h"

#include <string.h>

#include <sodium.h>

#include "base/cell.h"
#include "base/cursor.h"
#include "crypto/digest.h"
#include "crypto/ed25519.h"

enum {
    AUTH_KEY_ED25519 = 2,
    EXTENSION_DOS = 1,
    DOS_INTRODUCTIONS_PER_S = 1,
    DOS_INTRODUCTIONS_BURST = 2,
    NONCE_LEN = 20,
    LEGACY_ID_LEN = 20,
};

static const char signature_prefix[] = "Tor establish-intro cell v1";

static bool read_auth_key(struct reader *r, uint8_t key[32])
{
    uint8_t type = read_u8(r);
    uint16_t length = read_u16(r);
    read_into(r, key, ED25519_PUBLIC_LEN);
    return !r->failed && type == AUTH_KEY_ED25519 && length == ED25519_PUBLIC_LEN;
}

// One that is malformed, or has a parameter that we don't know, is as good as none; one that makes
// no sense means that there is no limit.
static void read_dos_extension(struct reader r, struct establish_intro *out)
{
    uint64_t rate = 0, burst = 0;
    for (unsigned n = read_u8(&r); n > 0; n--) {
        uint8_t type = read_u8(&r);
        uint64_t value = read_u64(&r);
        if (type == DOS_INTRODUCTIONS_PER_S)
            rate = value;
        else if (type == DOS_INTRODUCTIONS_BURST)
            burst = value;
        else
            return;
    }
    if (r.failed)
        return;
    bool sensible = rate > 0 && rate <= burst && burst <= INT32_MAX;
    out->has_limit = true;
    out->rate_per_s = sensible ? (uint32_t)rate : 0;
    out->burst = sensible ? (uint32_t)burst : 0;
}

static void read_extensions(struct reader *r, struct establish_intro *out)
{
    for (unsigned n = read_u8(r); n > 0 && !r->failed; n--) {
        uint8_t type = read_u8(r);
        uint8_t length = read_u8(r);
        struct reader extension = read_sub(r, length);
        if (type == EXTENSION_DOS && !r->failed && out)
            read_dos_extension(extension, out);
    }
}

bool establish_intro_parse(const uint8_t *body, size_t length, struct establish_intro *out)
{
    struct reader r = reader_of(body, length);
    *out = (struct establish_intro){.body = body};
    if (!read_auth_key(&r, out->auth_key))
        return false;
    read_extensions(&r, out);
    out->mac_covers = length - reader_left(&r);
    out->mac = read_bytes(&r, SHA3_256_LEN);
    out->signature_covers = length - reader_left(&r);
    uint16_t signature_length = read_u16(&r);
    out->signature = read_bytes(&r, ED25519_SIG_LEN);
    return !r.failed && signature_length == ED25519_SIG_LEN;
}

static bool mac_is_good(const struct establish_intro *e, const uint8_t nonce[NONCE_LEN])
{
    uint8_t mac[SHA3_256_LEN];
    sha3_256_mac(nonce, NONCE_LEN, e->body, e->mac_covers, mac); // 7.09
    return sodium_memcmp(mac, e->mac, sizeof(mac)) == 0;
}

static bool signature_is_good(const struct establish_intro *e)
{
    uint8_t input[sizeof(signature_prefix) - 1 + RELAY_BODY_MAX];
    struct writer w = writer_of(input, sizeof(input));
    write_bytes(&w, signature_prefix, sizeof(signature_prefix) - 1);
    write_bytes(&w, e->body, e->signature_covers);
    return !w.failed && ed25519_verify(e->auth_key, input, writer_length(&w), e->signature);
}

bool establish_intro_verify(const struct establish_intro *e, const uint8_t nonce[NONCE_LEN])
{
    return mac_is_good(e, nonce) && signature_is_good(e);
}

static void write_dos_extension(struct writer *w, uint32_t rate_per_s, uint32_t burst)
{
    write_u8(w, EXTENSION_DOS);
    write_u8(w, 1 + 2 * 9);
    write_u8(w, 2); // parameters
    write_u8(w, DOS_INTRODUCTIONS_PER_S);
    write_u64(w, rate_per_s);
    write_u8(w, DOS_INTRODUCTIONS_BURST);
    write_u64(w, burst);
}

size_t establish_intro_make(const struct ed25519_key *auth, const uint8_t nonce[NONCE_LEN],
                            uint32_t rate_per_s, uint32_t burst, uint8_t *out, size_t capacity)
{
    uint8_t input[sizeof(signature_prefix) - 1 + RELAY_BODY_MAX], mac[SHA3_256_LEN];
    struct writer w = writer_of(out, capacity);
    bool has_limit = rate_per_s != 0 || burst != 0;
    write_u8(&w, AUTH_KEY_ED25519);
    write_u16(&w, ED25519_PUBLIC_LEN);
    write_bytes(&w, auth->public_key, ED25519_PUBLIC_LEN);
    write_u8(&w, has_limit);
    if (has_limit)
        write_dos_extension(&w, rate_per_s, burst);
    if (w.failed)
        return 0;
    sha3_256_mac(nonce, NONCE_LEN, out, writer_length(&w), mac);
    write_bytes(&w, mac, sizeof(mac));
    if (w.failed)
        return 0;

    struct writer covered = writer_of(input, sizeof(input));
    write_bytes(&covered, signature_prefix, sizeof(signature_prefix) - 1);
    write_bytes(&covered, out, writer_length(&w));
    write_u16(&w, ED25519_SIG_LEN);
    uint8_t *signature = write_room(&w, ED25519_SIG_LEN);
    if (!signature || covered.failed)
        return 0;
    ed25519_sign(auth, input, writer_length(&covered), signature);
    return writer_length(&w);
}

enum introduce1_form introduce1_parse(const uint8_t *body, size_t length, uint8_t auth_key[32])
{
    struct reader r = reader_of(body, length);
    const uint8_t *legacy_id = read_bytes(&r, LEGACY_ID_LEN);
    if (!legacy_id)
        return INTRODUCE1_SHORT;
    if (!sodium_is_zero(legacy_id, LEGACY_ID_LEN))
        return INTRODUCE1_OLD;
    if (!read_auth_key(&r, auth_key))
        return INTRODUCE1_MALFORMED;
    read_extensions(&r, NULL);
    return reader_left(&r) > 0 ? INTRODUCE1_GOOD : INTRODUCE1_MALFORMED;
}
