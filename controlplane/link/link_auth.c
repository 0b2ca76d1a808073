// SPDX-License-Identifier: BSD-3-Clause
// AUTH_CHALLENGE and AUTHENTICATE cells.
#include "link/link_auth.h"

#include <errno.h>
#include <openssl/crypto.h>

#include "base/cursor.h"
#include "crypto/ed25519.h"
#include "crypto/random.h"

enum {
    CHALLENGE_LEN = 32,
    RANDOM_LEN = 24,
    SIGNED_LEN = AUTHENTICATE_LEN - ED25519_SIG_LEN,
    FIXED_LEN = SIGNED_LEN - RANDOM_LEN,
};

void auth_challenge_build(uint8_t out[AUTH_CHALLENGE_LEN])
{
    struct writer w = writer_of(out, AUTH_CHALLENGE_LEN);
    random_bytes(write_room(&w, CHALLENGE_LEN), CHALLENGE_LEN);
    write_u16(&w, 1);
    write_u16(&w, AUTH_METHOD_ED25519);
}

int auth_challenge_read(const uint8_t *body, size_t length, bool *offers_ed25519)
{
    struct reader r = reader_of(body, length);
    read_bytes(&r, CHALLENGE_LEN);
    unsigned methods = read_u16(&r);
    *offers_ed25519 = false;
    for (unsigned i = 0; i < methods && !r.failed; i++)
        if (read_u16(&r) == AUTH_METHOD_ED25519 && !r.failed)
            *offers_ed25519 = true;
    return r.failed ? -EPROTO : 0;
}

static void write_fixed_part(struct writer *w, const struct auth_context *c)
{
    write_bytes(w, "AUTH0003", 8);
    write_bytes(w, c->initiator_rsa_id_sha256, 32);
    write_bytes(w, c->responder_rsa_id_sha256, 32);
    write_bytes(w, c->initiator_ed_id, 32);
    write_bytes(w, c->responder_ed_id, 32);
    write_bytes(w, c->responder_log, 32);
    write_bytes(w, c->initiator_log, 32);
    write_bytes(w, c->tls_cert_sha256, 32);
    write_bytes(w, c->tls_secrets, 32);
}

void authenticate_build(const struct auth_context *context, const struct ed25519_key *auth_key,
                        uint8_t out[AUTHENTICATE_CELL_LEN])
{
    struct writer w = writer_of(out, AUTHENTICATE_CELL_LEN);
    write_u16(&w, AUTH_METHOD_ED25519);
    write_u16(&w, AUTHENTICATE_LEN);
    write_fixed_part(&w, context);
    random_bytes(write_room(&w, RANDOM_LEN), RANDOM_LEN);
    ed25519_sign(auth_key, out + 4, SIGNED_LEN, out + 4 + SIGNED_LEN);
}

int authenticate_check(const uint8_t *body, size_t length, const struct auth_context *context,
                       const uint8_t auth_key[32])
{
    struct reader r = reader_of(body, length);
    uint16_t method = read_u16(&r);
    uint16_t auth_length = read_u16(&r);
    const uint8_t *auth = read_bytes(&r, auth_length);
    if (r.failed || method != AUTH_METHOD_ED25519 || auth_length != AUTHENTICATE_LEN)
        return -EPROTO;

    uint8_t expected[FIXED_LEN];
    struct writer w = writer_of(expected, sizeof expected);
    write_fixed_part(&w, context);
    bool same = CRYPTO_memcmp(expected, auth, FIXED_LEN) == 0;
    OPENSSL_cleanse(expected, sizeof expected);
    if (!same)
        return -EINVAL;
    return ed25519_verify(auth_key, auth, SIGNED_LEN, auth + SIGNED_LEN) ? 0 : -EBADMSG;
}
