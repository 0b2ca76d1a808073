// SPDX-License-Identifier: BSD-3-Clause
// Sets, changes and wipes the keys of both directions.
#include "tls/record_in.h"
#include "tls/record_out.h"

#include <string.h>

// RFC 8446, 5.5: an AES-GCM key is good for about 2^24.5 full records.
static const uint64_t key_records_max = UINT64_C(1) << 24;

bool tls_in_init(struct tls_in *in, const struct tls_worker *w, const struct tls_keys *keys)
{
    memset(in, 0, sizeof(*in));
    return record_key_init(w->aead, &in->key, keys->cipher, keys->key, keys->iv, keys->sequence);
}

bool tls_in_rekey(struct tls_in *in, const struct tls_worker *w, const struct tls_keys *keys)
{
    if (keys->cipher == TLS_CIPHER_NONE)
        return true;
    in->awaits_key = false;
    return record_key_init(w->aead, &in->key, keys->cipher, keys->key, keys->iv, keys->sequence);
}

void tls_in_clear(struct tls_in *in)
{
    explicit_bzero(in, sizeof(*in));
}

bool tls_out_init(struct tls_out *out, const struct tls_worker *w, const struct tls_keys *keys)
{
    memset(out, 0, sizeof(*out));
    return record_key_init(w->aead, &out->key, keys->cipher, keys->key, keys->iv, keys->sequence);
}

bool tls_out_rekey(struct tls_out *out, const struct tls_worker *w, const struct tls_keys *keys)
{
    if (keys->cipher == TLS_CIPHER_NONE)
        return true;
    return record_key_init(w->aead, &out->key, keys->cipher, keys->key, keys->iv, keys->sequence);
}

void tls_out_clear(struct tls_out *out)
{
    explicit_bzero(out, sizeof(*out));
}

bool tls_out_key_is_old(const struct tls_out *out)
{
    return out->key.sequence >= key_records_max;
}
