// SPDX-License-Identifier: BSD-3-Clause
// A proof of work as a stranger sends it: nonce, effort, solution; and once more with effort 0, for
// which any hash is low enough, so that Equi-X has to say no. Compiled and interpreted agree.
#include <string.h>

#include "crypto/equix.h"
#include "crypto/random.h"
#include "onion/pow/pow.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check(struct equix *const contexts[2], const struct pow_proof *proof)
{
    uint8_t blinded[32], seed[32]; // as in C tor's vectors
    memset(blinded, 0x11, sizeof(blinded));
    memset(seed, 0xaa, sizeof(seed));
    if (pow_check(contexts[0], blinded, seed, proof) !=
        pow_check(contexts[1], blinded, seed, proof))
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct equix *contexts[2];
    struct pow_proof proof = {.present = true};
    if (length < sizeof(proof.nonce) + sizeof(proof.effort) + sizeof(proof.solution))
        return 0;
    if (!contexts[0]) {
        if (crypto_init() != 0)
            return 0;
        contexts[0] = equix_create(false, false);
        contexts[1] = equix_create(false, true);
    }
    memcpy(proof.nonce, bytes, sizeof(proof.nonce));
    memcpy(&proof.effort, bytes + sizeof(proof.nonce), sizeof(proof.effort));
    memcpy(proof.solution, bytes + sizeof(proof.nonce) + sizeof(proof.effort),
           sizeof(proof.solution));
    check(contexts, &proof);
    proof.effort = 0;
    check(contexts, &proof);
    return 0;
}
