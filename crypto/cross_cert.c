// SPDX-License-Identifier: BSD-3-Clause
// Certificates between a relay's keys of different kinds (cert-spec 2.3, dir-spec).
#include "crypto/cross_cert.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "crypto/digest.h"

#define CROSS_CERT_LABEL "Tor TLS RSA/Ed25519 cross-certificate"

enum {
    SIGNED_LEN = 32 + 4, // key and expiry
    TAP_SIGNED_LEN = 20 + 32,
};

static void cross_cert_digest(const uint8_t signed_part[SIGNED_LEN], uint8_t out[SHA256_LEN])
{
    uint8_t buffer[sizeof(CROSS_CERT_LABEL) - 1 + SIGNED_LEN];
    struct writer w = writer_of(buffer, sizeof(buffer));

    write_bytes(&w, CROSS_CERT_LABEL, sizeof(CROSS_CERT_LABEL) - 1);
    write_bytes(&w, signed_part, SIGNED_LEN);
    sha256(buffer, sizeof(buffer), out);
}

int cross_cert_make(const struct rsa_key *identity, const uint8_t ed25519_id[32],
                    uint32_t expires_hours, uint8_t *out, size_t capacity)
{
    struct writer w = writer_of(out, capacity);
    size_t signature_length = (rsa_bits(identity) + 7) / 8;
    uint8_t digest[SHA256_LEN];

    if (signature_length > UINT8_MAX)
        return -EINVAL;
    write_bytes(&w, ed25519_id, 32);
    write_u32(&w, expires_hours);
    write_u8(&w, (uint8_t)signature_length);
    uint8_t *signature = write_room(&w, signature_length);
    if (signature == NULL)
        return -EMSGSIZE;
    cross_cert_digest(out, digest);
    int length = rsa_sign(identity, digest, sizeof(digest), signature, signature_length);
    return length < 0 ? length : (int)writer_length(&w);
}

int cross_cert_check(const uint8_t *bytes, size_t length, const struct rsa_key *identity,
                     const uint8_t ed25519_id[32], uint64_t now_s)
{
    struct reader r = reader_of(bytes, length);
    uint8_t digest[SHA256_LEN];

    const uint8_t *certified = read_bytes(&r, 32);
    uint64_t expires_hours = read_u32(&r);
    size_t signature_length = read_u8(&r);
    const uint8_t *signature = read_bytes(&r, signature_length);
    if (!reader_done(&r))
        return -EPROTO;
    if (memcmp(certified, ed25519_id, 32) != 0)
        return -ENOKEY;
    if (now_s > expires_hours * 3600)
        return -EKEYEXPIRED;
    cross_cert_digest(bytes, digest);
    return rsa_verify(identity, digest, sizeof(digest), signature, signature_length) ? 0 : -EBADMSG;
}

int tap_cross_cert_make(const struct rsa_key *onion_key, const uint8_t rsa_id[20],
                        const uint8_t ed25519_id[32], uint8_t *out, size_t capacity)
{
    uint8_t both[TAP_SIGNED_LEN];

    memcpy(both, rsa_id, 20);
    memcpy(both + 20, ed25519_id, 32);
    return rsa_sign(onion_key, both, sizeof(both), out, capacity);
}

int tap_cross_cert_check(const uint8_t *bytes, size_t length, const struct rsa_key *onion_key,
                         const uint8_t rsa_id[20], const uint8_t ed25519_id[32])
{
    uint8_t both[TAP_SIGNED_LEN];

    memcpy(both, rsa_id, 20);
    memcpy(both + 20, ed25519_id, 32);
    return rsa_verify(onion_key, both, sizeof(both), bytes, length) ? 0 : -EBADMSG;
}

int ntor_cross_cert_make(const struct curve25519_key *onion_key, const uint8_t ed25519_id[32],
                         uint32_t expires_hours, uint8_t out[ED_CERT_LEN], uint8_t *sign_bit)
{
    struct ed25519_key signer;

    int result = ed25519_from_curve25519(onion_key, &signer, sign_bit);
    if (result == 0)
        result = ed_cert_encode(ED_CERT_ONION_ID, ED_CERT_KEY_ED25519, ed25519_id, expires_hours,
                                &signer, false, out, ED_CERT_LEN);
    ed25519_wipe(&signer);
    return result;
}

int ntor_cross_cert_check(const uint8_t *bytes, size_t length, const uint8_t onion_key[32],
                          uint8_t sign_bit, const uint8_t ed25519_id[32], uint64_t now_s)
{
    struct ed_cert cert;
    uint8_t signer[32];

    if (sign_bit > 1 || ed_cert_parse(bytes, length, &cert) != 0 || cert.type != ED_CERT_ONION_ID ||
        cert.key_type != ED_CERT_KEY_ED25519)
        return -EPROTO;
    if (memcmp(cert.key, ed25519_id, 32) != 0)
        return -ENOKEY;
    if (ed25519_public_from_curve25519(onion_key, sign_bit, signer) != 0)
        return -EBADMSG;
    return ed_cert_check(&cert, signer, now_s);
}
