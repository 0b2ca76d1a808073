// SPDX-License-Identifier: BSD-3-Clause
// Requests to HSDirs: their circuits, one after another until one carries it, and what came of it.
// What is sent tells this client from no other: no header says what it could unpack, and what C tor
// would unpack all the same is unpacked.
#include "onion/directory/hsdir_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/encoding.h"
#include "dir/client/dir_connection.h"
#include "dir/compress.h"
#include "dir/parameters.h"
#include "origin/circuit/origin_circuit.h"
#include "origin/node/node.h"
#include "origin/origin.h"
#include "origin/pool/circuit_pool.h"
#include "relay.h"

enum { ENCODING_MAX = 32 };

struct hsdir_request {
    struct origin *origin;
    hsdir_done_fn done;
    void *user;
    struct own_circuit_hop dir;
    uint8_t blinded[32]; // of a fetch
    struct blob *text;   // to be published; NULL: a fetch
    uint64_t begun_ms;
    unsigned tries;
    bool connected; // the directory has taken the stream
    struct origin_circuit *circuit;
    struct dir_connection *connection;
};

static bool launch(struct hsdir_request *r, const char **why);

// ---- the end

static void leave(struct hsdir_request *r)
{
    dir_connection_cancel(r->connection);
    if (r->circuit)
        origin_circuit_close(r->circuit);
    r->connection = NULL;
    r->circuit = NULL;
}

void hsdir_request_cancel(struct hsdir_request *r)
{
    if (!r)
        return;
    leave(r);
    blob_drop(r->text);
    free(r);
}

static void finish(struct hsdir_request *r, enum hsdir_result result, struct blob *text)
{
    hsdir_done_fn done = r->done;
    void *user = r->user;
    hsdir_request_cancel(r);
    done(user, result, text);
}

// This circuit was of no use: another, if there is time.
static void try_again(struct hsdir_request *r, const char *what)
{
    const char *why = "no more tries";
    leave(r);
    log_info("onion: request to an HSDir: %s", what);
    if (!launch(r, &why)) {
        log_info("onion: request to an HSDir is given up: %s", why);
        finish(r, HSDIR_REQUEST_FAILED, NULL);
    }
}

// ---- the answer

// As C tor has it for requests that are to say nothing of who asks: deflate and gzip, and nothing
// else. The caller drops it; NULL: no good.
static struct blob *unpack(const struct hsdir_request *r, const struct dir_answer *answer)
{
    const size_t limit = (size_t)parameters_of(r->origin->relay)->hsdir_descriptor_max_bytes;
    enum compression compression = COMPRESSION_IDENTITY;
    char name[ENCODING_MAX];
    struct blob *text = NULL;
    if (dir_answer_header(answer, "Content-Encoding", name, sizeof(name)) &&
        !compression_by_name(name, strlen(name), &compression))
        return NULL;
    if (compression == COMPRESSION_IDENTITY)
        return blob_hold(answer->body);
    if (compression != COMPRESSION_DEFLATE && compression != COMPRESSION_GZIP)
        return NULL;
    return decompress(compression, answer->body->bytes, answer->body->length, limit, &text) == 0
               ? text
               : NULL;
}

static void take(struct hsdir_request *r, const struct dir_answer *answer)
{
    struct blob *text = NULL;
    enum hsdir_result result = HSDIR_REQUEST_REFUSED;
    if (answer->status == 200) {
        text = r->text ? NULL : unpack(r, answer);
        result = r->text || text ? HSDIR_REQUEST_DONE : HSDIR_REQUEST_REFUSED;
    } else if (answer->status == 404 && !r->text) {
        result = HSDIR_REQUEST_NOT_FOUND;
    } else if (answer->status >= 500) {
        result = HSDIR_REQUEST_FAILED;
    }
    finish(r, result, text);
    blob_drop(text);
}

static void answered(void *user, const struct dir_answer *answer)
{
    struct hsdir_request *r = user;
    r->connection = NULL; // it ends with this
    if (answer->result == DIR_ANSWERED) {
        log_info("onion: an HSDir answered %u (%s) to %s", answer->status, answer->reason,
                 r->text ? "a descriptor" : "a fetch");
        take(r, answer);
    } else if (!r->connected) {
        try_again(r, answer->why);
    } else {
        log_info("onion: request to an HSDir: %s", answer->why);
        finish(r, HSDIR_REQUEST_FAILED, NULL);
    }
}

static void progress(void *user, enum dir_stage stage)
{
    struct hsdir_request *r = user;
    if (stage == DIR_CONNECTED) {
        r->connected = true;
        origin_circuit_note_use(r->circuit, true);
    }
}

// ---- the circuit

static bool begin(struct hsdir_request *r)
{
    char path[64] = "/tor/hs/3/publish";
    if (!r->text) {
        int n = snprintf(path, sizeof(path), "/tor/hs/3/");
        (void)!base64_encode(r->blinded, 32, false, path + n, sizeof(path) - (size_t)n);
    }
    struct dir_request request = {
        .circuit = origin_circuit_circuit(r->circuit),
        .path = path,
        .body = r->text ? r->text->bytes : NULL,
        .body_length = r->text ? r->text->length : 0,
        .body_max =
            r->text ? 0 : (size_t)parameters_of(r->origin->relay)->hsdir_descriptor_max_bytes,
        .timeout_s = HSDIR_REQUEST_MAX_S,
        .idle_s = HSDIR_REQUEST_IDLE_S,
        .connect_s = HSDIR_REQUEST_CONNECT_S,
        .progress = progress,
        .done = answered,
        .user = r,
    };
    request.target.relay = r->dir.target;
    origin_circuit_note_use(r->circuit, false);
    r->connection = dir_connection_start(r->origin->relay, &request);
    return r->connection != NULL;
}

static void on_opened(struct origin_circuit *oc)
{
    struct hsdir_request *r = origin_circuit_user(oc);
    if (!begin(r))
        try_again(r, "no stream on its circuit");
}

static void on_closed(struct origin_circuit *oc, enum destroy_reason reason)
{
    struct hsdir_request *r = origin_circuit_user(oc);
    (void)reason;
    r->circuit = NULL;
    if (!r->connection) {
        try_again(r, "no circuit to it");
    } else if (!r->connected) {
        try_again(r, "the circuit was closed");
    } else {
        log_info("onion: request to an HSDir: the circuit was closed");
        finish(r, HSDIR_REQUEST_FAILED, NULL);
    }
}

static const struct origin_circuit_ops circuit_ops = {.opened = on_opened, .closed = on_closed};

// One that is ready, and one hop more.
static bool extend_ready(struct hsdir_request *r)
{
    struct origin_circuit *oc =
        circuit_pool_take_internal_to(r->origin->pool, r->dir.target.rsa_id);
    if (!oc)
        return false;
    origin_circuit_set_user(oc, ORIGIN_HS_DIR, &circuit_ops, r);
    if (!origin_circuit_extend(oc, &r->dir)) {
        origin_circuit_close(oc);
        return false;
    }
    r->circuit = oc;
    return true;
}

static bool launch(struct hsdir_request *r, const char **why)
{
    const uint64_t now = origin_now_ms(r->origin);
    if (r->tries >= HSDIR_REQUEST_TRIES ||
        now - r->begun_ms >= 1000 * (uint64_t)HSDIR_REQUEST_BEGIN_S)
        return false;
    r->tries++;
    if (r->tries == 1 && extend_ready(r))
        return true;
    struct path_request request = {.kind = PATH_VANGUARDS, .has_last = true, .last = r->dir};
    return origin_circuit_launch(r->origin, ORIGIN_HS_DIR, &request, &circuit_ops, r, &r->circuit,
                                 why) == 0;
}

// ---- the beginning

static struct hsdir_request *start(struct origin *origin, const struct node *dir,
                                   const uint8_t *blinded, struct blob *text, hsdir_done_fn done,
                                   void *user, const char **why)
{
    const char *unheard;
    if (!why)
        why = &unheard;
    struct hsdir_request *r = calloc(1, sizeof(*r));
    if (!r) {
        *why = "there is no memory";
        return NULL;
    }
    r->origin = origin;
    r->done = done;
    r->user = user;
    r->begun_ms = origin_now_ms(origin);
    if (blinded)
        memcpy(r->blinded, blinded, 32);
    r->text = text ? blob_hold(text) : NULL;
    node_hop(dir, &r->dir);
    *why = "its keys are not known";
    if (r->dir.has_ntor_key && r->dir.target.n_addresses > 0 && launch(r, why))
        return r;
    hsdir_request_cancel(r);
    return NULL;
}

struct hsdir_request *hsdir_request_fetch(struct origin *origin, const struct node *dir,
                                          const uint8_t blinded[32], hsdir_done_fn done, void *user,
                                          const char **why)
{
    return start(origin, dir, blinded, NULL, done, user, why);
}

struct hsdir_request *hsdir_request_publish(struct origin *origin, const struct node *dir,
                                            struct blob *text, hsdir_done_fn done, void *user,
                                            const char **why)
{
    return start(origin, dir, NULL, text, done, user, why);
}
