// SPDX-License-Identifier: BSD-3-Clause
// Answers onion skins: CREATE_FAST, ntor, ntor-v3.
#include "circuit/onion_skin.h"

#include <string.h>

#include "base/cursor.h"
#include "crypto/circuit_params.h"
#include "crypto/create_fast.h"
#include "crypto/ntor.h"
#include "crypto/ntor_v3.h"

enum { MATERIAL_LEN = TOR1_KEYS_LEN + CIRCUIT_NONCE_BYTES };

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

static int answer_ntor_v3(const struct onion_keys *keys, const struct onion_skin *skin,
                          struct writer *reply, uint8_t material[MATERIAL_LEN])
{
    struct ntor_v3_server server;
    uint8_t request[NTOR_V3_MESSAGE_MAX];
    uint8_t answer[CIRCUIT_PARAMS_REPLY_MAX];
    // We end no streams, so there is nothing that congestion control could govern.
    const struct circuit_params offer = {.congestion_control = false};
    struct circuit_params granted;
    int length = ntor_v3_server_open(&server, keys, NTOR_V3_CIRCUIT, NTOR_V3_CIRCUIT_LEN,
                                     skin->data, skin->length, request, sizeof(request));
    if (length >= 0)
        length = circuit_params_answer(request, (size_t)length, &offer, &granted, answer,
                                       sizeof(answer));
    if (length >= 0)
        length = ntor_v3_server_reply(&server, NTOR_V3_CIRCUIT, NTOR_V3_CIRCUIT_LEN, answer,
                                      (size_t)length, reply->at, (size_t)(reply->end - reply->at),
                                      material, MATERIAL_LEN);
    ntor_v3_server_wipe(&server);
    return length;
}

static int answer_ntor(const struct onion_keys *keys, const struct onion_skin *skin,
                       struct writer *reply, uint8_t material[MATERIAL_LEN])
{
    int error = ntor_server(keys, skin->data, skin->length, reply->at, material, MATERIAL_LEN);
    return error ? error : NTOR_REPLY_LEN;
}

static void answer_create2(const struct onion_keys *keys, const struct onion_skin *skin,
                           struct onion_answer *answer)
{
    uint8_t material[MATERIAL_LEN];
    struct writer w = writer_of(answer->body, sizeof(answer->body));
    struct writer reply = w;
    write_u16(&reply, 0);
    int length = skin->handshake == HANDSHAKE_NTOR ? answer_ntor(keys, skin, &reply, material)
                                                   : answer_ntor_v3(keys, skin, &reply, material);
    if (length < 0) {
        answer->refused = DESTROY_PROTOCOL;
    } else {
        write_u16(&w, (uint16_t)length);
        answer->command = CELL_CREATED2;
        answer->body_length = (uint16_t)(2 + length);
        memcpy(answer->keys, material, TOR1_KEYS_LEN);
        memcpy(answer->nonce, material + TOR1_KEYS_LEN, CIRCUIT_NONCE_BYTES);
    }
    explicit_bzero(material, sizeof(material));
}

static void answer_fast(const struct onion_skin *skin, struct onion_answer *answer)
{
    if (create_fast_server(skin->data, answer->body, answer->keys, TOR1_KEYS_LEN) != 0) {
        answer->refused = DESTROY_INTERNAL;
        return;
    }
    answer->command = CELL_CREATED_FAST;
    answer->body_length = CREATED_FAST_LEN;
    memcpy(answer->nonce, answer->body + CREATE_FAST_LEN, CIRCUIT_NONCE_BYTES);
}

void onion_skin_answer(const struct onion_keys *keys, const struct onion_skin *skin,
                       struct onion_answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    if (skin->command == CELL_CREATE_FAST)
        answer_fast(skin, answer);
    else
        answer_create2(keys, skin, answer);
}
