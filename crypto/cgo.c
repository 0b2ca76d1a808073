// SPDX-License-Identifier: BSD-3-Clause
// Counter Galois Onion: the choice of an implementation, and what is the same in all.
#include "cgo_internal.h"
#include "polyval.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

static bool prepare_openssl(struct cgo_cipher *cc)
{
    static const uint8_t no_key[16];
    cc->aes = EVP_CIPHER_fetch(NULL, "AES-128-ECB", NULL);
    cc->forward_aes = EVP_CIPHER_CTX_new();
    cc->inverse_aes = EVP_CIPHER_CTX_new();
    // A context that has had a key changes it without an allocation.
    return cc->aes && cc->forward_aes && cc->inverse_aes &&
           EVP_EncryptInit_ex2(cc->forward_aes, cc->aes, no_key, NULL, NULL) == 1 &&
           EVP_DecryptInit_ex2(cc->inverse_aes, cc->aes, no_key, NULL, NULL) == 1 &&
           EVP_CIPHER_CTX_set_padding(cc->forward_aes, 0) == 1 &&
           EVP_CIPHER_CTX_set_padding(cc->inverse_aes, 0) == 1;
}

struct cgo_cipher *cgo_cipher_create_choice(const struct cgo_implementation *choice)
{
    if (!choice->usable())
        return NULL;
    struct cgo_cipher *cc = aligned_alloc(64, (sizeof(*cc) + 63) / 64 * 64);
    if (!cc)
        return NULL;
    memset(cc, 0, sizeof(*cc));
    cc->implementation = choice;
    if (choice == &cgo_portable && !prepare_openssl(cc)) {
        cgo_cipher_destroy(cc);
        return NULL;
    }
    return cc;
}

struct cgo_cipher *cgo_cipher_create(void)
{
    static const struct cgo_implementation *const order[] = {&cgo_vaes512, &cgo_vaes256,
                                                             &cgo_aesni};
    for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        if (order[i]->usable())
            return cgo_cipher_create_choice(order[i]);
    return cgo_cipher_create_choice(&cgo_portable);
}

void cgo_cipher_destroy(struct cgo_cipher *cc)
{
    if (!cc)
        return;
    EVP_CIPHER_CTX_free(cc->forward_aes);
    EVP_CIPHER_CTX_free(cc->inverse_aes);
    EVP_CIPHER_free(cc->aes);
    OPENSSL_cleanse(cc, sizeof(*cc));
    free(cc);
}

const char *cgo_cipher_implementation(const struct cgo_cipher *cc)
{
    return cc->implementation->name;
}

void cgo_layer_set_keys(struct cgo_layer *layer, const uint8_t keys[CGO_KEYS_LEN])
{
    memcpy(layer->kb, keys, 16);
    memcpy(layer->ku, keys + 16, 16);
    memcpy(layer->k, keys + 32, 16);
    memcpy(layer->b, keys + 48, 16);
    memcpy(layer->nonce, keys + 64, sizeof(layer->nonce));
    memcpy(layer->ku_32, layer->ku, sizeof(layer->ku_32));
    for (unsigned i = 0; i < 5; i++)
        polyval_square(layer->ku_32);
}

static void layer_init(struct cgo_layer *layer, const uint8_t keys[CGO_KEYS_LEN])
{
    cgo_layer_set_keys(layer, keys);
    memset(layer->tag, 0, sizeof(layer->tag));
}

void cgo_relay_layers_init(struct cgo_cipher *cc, struct cgo_layer *forward,
                           struct cgo_layer *backward, const uint8_t material[CGO_MATERIAL_LEN])
{
    (void)cc;
    layer_init(forward, material);
    layer_init(backward, material + CGO_KEYS_LEN);
}

// The same keys: what differs is how they are used.
void cgo_client_layers_init(struct cgo_cipher *cc, struct cgo_layer *forward,
                            struct cgo_layer *backward, const uint8_t material[CGO_MATERIAL_LEN])
{
    cgo_relay_layers_init(cc, forward, backward, material);
}

void cgo_layer_clear(struct cgo_layer *layer)
{
    OPENSSL_cleanse(layer, sizeof(*layer));
}

static bool is_relays(const struct cgo_job *job)
{
    return job->operation <= CGO_RELAY_ORIGINATE;
}

void cgo_run(struct cgo_cipher *cc, struct cgo_job *jobs, unsigned n)
{
    for (unsigned i = 0, end = 0; i < n; i = end) {
        while (end < n && is_relays(&jobs[end]) == is_relays(&jobs[i]))
            end++;
        if (is_relays(&jobs[i]))
            cc->implementation->encrypt(cc, jobs + i, end - i);
        else
            cc->implementation->decrypt(cc, jobs + i, end - i);
    }
}

// Whether the cell is for, or from, the layer's hop; `tag` may be NULL.
static bool run_one(struct cgo_cipher *cc, enum cgo_operation operation, struct cgo_layer *layer,
                    uint8_t command, uint8_t *body, uint8_t *tag)
{
    struct cgo_job job = {
        .layer = layer, .src = body, .dst = body, .operation = operation, .command = command};
    cgo_run(cc, &job, 1);
    bool originated = operation == CGO_RELAY_ORIGINATE || operation == CGO_CLIENT_ORIGINATE;
    if (job.recognised || originated)
        memcpy(tag, job.tag, sizeof(job.tag));
    return job.recognised;
}

bool cgo_relay_forward(struct cgo_cipher *cc, struct cgo_layer *layer, uint8_t command,
                       uint8_t body[509], uint8_t tag[CGO_TAG_LEN])
{
    return run_one(cc, CGO_RELAY_FORWARD, layer, command, body, tag);
}

void cgo_relay_backward(struct cgo_cipher *cc, struct cgo_layer *layer, uint8_t command,
                        uint8_t body[509])
{
    run_one(cc, CGO_RELAY_BACKWARD, layer, command, body, NULL);
}

void cgo_relay_originate(struct cgo_cipher *cc, struct cgo_layer *layer, uint8_t command,
                         uint8_t body[509], uint8_t tag[CGO_TAG_LEN])
{
    run_one(cc, CGO_RELAY_ORIGINATE, layer, command, body, tag);
}

void cgo_client_originate(struct cgo_cipher *cc, struct cgo_layer *layer, uint8_t command,
                          uint8_t body[509], uint8_t tag[CGO_TAG_LEN])
{
    run_one(cc, CGO_CLIENT_ORIGINATE, layer, command, body, tag);
}

void cgo_client_forward(struct cgo_cipher *cc, struct cgo_layer *layer, uint8_t command,
                        uint8_t body[509])
{
    run_one(cc, CGO_CLIENT_FORWARD, layer, command, body, NULL);
}

bool cgo_client_backward(struct cgo_cipher *cc, struct cgo_layer *layer, uint8_t command,
                         uint8_t body[509], uint8_t tag[CGO_TAG_LEN])
{
    return run_one(cc, CGO_CLIENT_BACKWARD, layer, command, body, tag);
}
