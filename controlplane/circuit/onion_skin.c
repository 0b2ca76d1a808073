// SPDX-License-Identifier: BSD-3-Clause
// Answers onion skins: CREATE_FAST, ntor, ntor-v3.
#include "circuit/onion_skin.h"

#include <string.h>

#include "base/cursor.h"
#include "crypto/cgo.h"
#include "crypto/create_fast.h"
#include "crypto/ntor.h"
#include "crypto/ntor_v3.h"
#include "crypto/tor1.h"

// What a handshake yields: the hop's key material, then KH.
enum {
    TOR1_YIELD_LEN = TOR1_MATERIAL_LEN + CIRCUIT_NONCE_BYTES,
    CGO_YIELD_LEN = CGO_MATERIAL_LEN + CIRCUIT_NONCE_BYTES,
};

const struct circuit_params onion_skin_default_offer = {
    .congestion_control = true, .sendme_inc_cells = 31, .cgo = true};

enum destroy_reason onion_skin_parse(uint8_t command, const uint8_t body[CELL_BODY_LEN],
                                     struct onion_skin *out)
{
    struct reader r = reader_of(body, CELL_BODY_LEN);
    out->command = command;
    if (command == CELL_CREATE_FAST) {
        out->handshake = HANDSHAKE_FAST;
        out->length = CREATE_FAST_LEN;
    } else if (command == CELL_CREATE2) {
        out->handshake = read_u16(&r);
        out->length = read_u16(&r);
    } else {
        return DESTROY_PROTOCOL; // CREATE carries TAP, which nobody speaks any more (2.01)
    }
    const uint8_t *data = read_bytes(&r, out->length);
    if (!data)
        return DESTROY_PROTOCOL;
    memcpy(out->data, data, out->length);
    bool known = command == CELL_CREATE_FAST || out->handshake == HANDSHAKE_NTOR ||
                 out->handshake == HANDSHAKE_NTOR_V3;
    return known ? DESTROY_NONE : DESTROY_PROTOCOL;
}

static void keep_keys(struct onion_answer *answer, const uint8_t *yield)
{
    bool cgo = answer->params.cgo;
    size_t length = cgo ? CGO_MATERIAL_LEN : TOR1_MATERIAL_LEN;
    answer->crypto.kind = cgo ? CIRCUIT_CRYPTO_CGO : CIRCUIT_CRYPTO_TOR1;
    memcpy(answer->crypto.material, yield, length);
    memcpy(answer->nonce, yield + length, CIRCUIT_NONCE_BYTES);
}

// The reply's length, or an error.
static int answer_ntor_v3(const struct onion_keys *keys, const struct ntor_exchange *exchange,
                          const struct circuit_params *offer, const struct onion_skin *skin,
                          struct writer *reply, struct onion_answer *answer)
{
    struct ntor_v3_server server;
    uint8_t request[NTOR_V3_MESSAGE_MAX];
    uint8_t response[CIRCUIT_PARAMS_REPLY_MAX];
    uint8_t yield[CGO_YIELD_LEN];
    int length = ntor_v3_server_open_with_exchange(&server, keys, exchange, NTOR_V3_CIRCUIT,
                                                   NTOR_V3_CIRCUIT_LEN, skin->data, skin->length,
                                                   request, sizeof(request));
    if (length >= 0)
        length = circuit_params_answer(request, (size_t)length, offer, &answer->params, response,
                                       sizeof(response));
    if (length >= 0)
        length = ntor_v3_server_reply_with_exchange(
            &server, exchange, NTOR_V3_CIRCUIT, NTOR_V3_CIRCUIT_LEN, response, (size_t)length,
            reply->at, (size_t)(reply->end - reply->at), yield,
            answer->params.cgo ? CGO_YIELD_LEN : TOR1_YIELD_LEN);
    if (length >= 0)
        keep_keys(answer, yield);
    ntor_v3_server_wipe(&server);
    explicit_bzero(yield, sizeof(yield));
    return length;
}

static int answer_ntor(const struct onion_keys *keys, const struct ntor_exchange *exchange,
                       const struct onion_skin *skin, struct writer *reply,
                       struct onion_answer *answer)
{
    uint8_t yield[TOR1_YIELD_LEN];
    int error = ntor_server_with_exchange(keys, exchange, skin->data, skin->length, reply->at,
                                          yield, sizeof(yield));
    if (!error)
        keep_keys(answer, yield);
    explicit_bzero(yield, sizeof(yield));
    return error ? error : NTOR_REPLY_LEN;
}

static void answer_create2(const struct onion_keys *keys, const struct ntor_exchange *exchange,
                           const struct circuit_params *offer, const struct onion_skin *skin,
                           struct onion_answer *answer)
{
    struct writer w = writer_of(answer->body, sizeof(answer->body));
    struct writer reply = w;
    write_u16(&reply, 0);
    int length = skin->handshake == HANDSHAKE_NTOR
                     ? answer_ntor(keys, exchange, skin, &reply, answer)
                     : answer_ntor_v3(keys, exchange, offer, skin, &reply, answer);
    if (length < 0) {
        answer->refused = DESTROY_PROTOCOL;
        return;
    }
    write_u16(&w, (uint16_t)length);
    answer->command = CELL_CREATED2;
    answer->body_length = (uint16_t)(2 + length);
}

static void answer_fast(const struct onion_skin *skin, struct onion_answer *answer)
{
    if (create_fast_server(skin->data, answer->body, answer->crypto.material, TOR1_MATERIAL_LEN) !=
        0) {
        answer->refused = DESTROY_INTERNAL;
        return;
    }
    answer->command = CELL_CREATED_FAST;
    answer->crypto.kind = CIRCUIT_CRYPTO_TOR1;
    answer->body_length = CREATED_FAST_LEN;
    memcpy(answer->nonce, answer->body + CREATE_FAST_LEN, CIRCUIT_NONCE_BYTES);
}

static void read_exchange(struct ntor_exchange *exchange, const struct onion_skin *skin)
{
    exchange->client_key = NULL;
    if (skin->handshake == HANDSHAKE_NTOR)
        ntor_exchange_read(exchange, skin->data, skin->length);
    else if (skin->handshake == HANDSHAKE_NTOR_V3)
        ntor_v3_exchange_read(exchange, skin->data, skin->length);
}

void onion_skins_answer(const struct curve25519_batch *batch, const struct onion_keys *keys,
                        const struct circuit_params *offer, const struct onion_skin *const *skins,
                        struct onion_answer *answers, unsigned n)
{
    struct ntor_exchange exchanges[ONION_SKINS_MAX];
    memset(answers, 0, n * sizeof(*answers));
    for (unsigned i = 0; i < n; i++)
        read_exchange(&exchanges[i], skins[i]);
    ntor_exchange_many(batch, keys, exchanges, n);
    for (unsigned i = 0; i < n; i++) {
        if (skins[i]->command == CELL_CREATE_FAST)
            answer_fast(skins[i], &answers[i]);
        else
            answer_create2(keys, &exchanges[i], offer, skins[i], &answers[i]);
    }
    explicit_bzero(exchanges, sizeof(exchanges));
}
