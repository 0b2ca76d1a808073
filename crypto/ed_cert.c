// SPDX-License-Identifier: BSD-3-Clause
// Tor's Ed25519 certificates (cert-spec 2.1).
#include "crypto/ed_cert.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"

enum {
    VERSION_1 = 1,
    EXT_SIGNING_KEY = 4,
    EXT_FLAG_AFFECTS_VALIDATION = 1,
};

int ed_cert_encode(uint8_t type, uint8_t key_type, const uint8_t key[32], uint32_t expires_hours,
                   const struct ed25519_key *signer, bool embed_signing_key, uint8_t *out,
                   size_t capacity)
{
    struct writer w = writer_of(out, capacity);

    write_u8(&w, VERSION_1);
    write_u8(&w, type);
    write_u32(&w, expires_hours);
    write_u8(&w, key_type);
    write_bytes(&w, key, 32);
    write_u8(&w, embed_signing_key ? 1 : 0);
    if (embed_signing_key) {
        write_u16(&w, ED25519_PUBLIC_LEN);
        write_u8(&w, EXT_SIGNING_KEY);
        write_u8(&w, 0);
        write_bytes(&w, signer->public_key, ED25519_PUBLIC_LEN);
    }
    size_t signed_length = writer_length(&w);
    uint8_t *signature = write_room(&w, ED25519_SIG_LEN);
    if (signature == NULL)
        return -EMSGSIZE;
    ed25519_sign(signer, out, signed_length, signature);
    return (int)writer_length(&w);
}

// False if the extension invalidates the certificate.
static bool parse_extension(struct reader *r, struct ed_cert *out)
{
    uint16_t length = read_u16(r);
    uint8_t type = read_u8(r);
    uint8_t flags = read_u8(r);
    const uint8_t *body = read_bytes(r, length);

    if (r->failed)
        return false;
    if (type != EXT_SIGNING_KEY)
        return (flags & EXT_FLAG_AFFECTS_VALIDATION) == 0;
    if (length != ED25519_PUBLIC_LEN || out->has_signing_key)
        return false;
    out->has_signing_key = true;
    memcpy(out->signing_key, body, ED25519_PUBLIC_LEN);
    return true;
}

int ed_cert_parse(const uint8_t *bytes, size_t length, struct ed_cert *out)
{
    struct reader r = reader_of(bytes, length);

    memset(out, 0, sizeof(*out));
    if (read_u8(&r) != VERSION_1)
        return -EPROTO;
    out->type = read_u8(&r);
    out->expires_hours = read_u32(&r);
    out->key_type = read_u8(&r);
    read_into(&r, out->key, sizeof(out->key));
    unsigned extensions = read_u8(&r);
    for (unsigned i = 0; i < extensions; i++) {
        if (!parse_extension(&r, out))
            return -EPROTO;
    }
    read_bytes(&r, ED25519_SIG_LEN);
    if (!reader_done(&r))
        return -EPROTO;
    out->bytes = bytes;
    out->length = length;
    return 0;
}

int ed_cert_check(const struct ed_cert *cert, const uint8_t *signer, uint64_t now_s)
{
    if (signer == NULL && !cert->has_signing_key)
        return -ENOKEY;
    if (signer == NULL)
        signer = cert->signing_key;
    else if (cert->has_signing_key && memcmp(signer, cert->signing_key, ED25519_PUBLIC_LEN) != 0)
        return -ENOKEY;
    if (now_s != 0 && now_s > (uint64_t)cert->expires_hours * 3600)
        return -EKEYEXPIRED;

    size_t signed_length = cert->length - ED25519_SIG_LEN;
    return ed25519_verify(signer, cert->bytes, signed_length, cert->bytes + signed_length)
               ? 0
               : -EBADMSG;
}
