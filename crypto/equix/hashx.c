// SPDX-License-Identifier: BSD-3-Clause
// A seed's function: two keys of it by Blake2b, the program from the one, and SipHash with the
// other before and after.
#include "equix/hashx.h"

#include <sodium.h>
#include <string.h>

static const uint8_t salt[crypto_generichash_blake2b_SALTBYTES] = "HashX v1";
static const uint8_t personal[crypto_generichash_blake2b_PERSONALBYTES];

void hashx_init(struct hashx *h, bool compile)
{
    *h = (struct hashx){.code = compile ? hashx_code_create() : NULL};
}

void hashx_release(struct hashx *h)
{
    hashx_code_free(h->code);
    h->code = NULL;
}

static uint64_t little_endian(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (unsigned i = 8; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

bool hashx_make(struct hashx *h, const void *seed, size_t length)
{
    uint8_t digest[64];
    uint64_t program_key[4];
    crypto_generichash_blake2b_salt_personal(digest, sizeof(digest), seed, length, NULL, 0, salt,
                                             personal);
    for (unsigned i = 0; i < 4; i++) {
        program_key[i] = little_endian(digest + (size_t)8 * i);
        h->key[i] = little_endian(digest + 32 + (size_t)8 * i);
    }
    if (!hashx_generate(program_key, &h->program))
        return false;
    h->compiled = h->code && !h->broken && hashx_code_compile(h->code, &h->program);
    h->broken = h->code && !h->compiled;
    return true;
}

void hashx_hash(const struct hashx *h, const uint64_t in[HASHX_LANES], uint64_t out[HASHX_LANES])
{
    hashx_lanes registers[HASHX_REGISTERS];
    sip_expand(h->key, in, registers);
    if (h->compiled)
        hashx_code_run(h->code, registers);
    else
        hashx_interpret(&h->program, registers);
    sip_finish(h->key, registers, out);
}
