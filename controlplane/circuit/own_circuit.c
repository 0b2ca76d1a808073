// SPDX-License-Identifier: BSD-3-Clause
// Circuits that begin at this relay.
#include "circuit/own_circuit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <uv.h>

#include "base/cursor.h"
#include "base/log.h"
#include "circuit/circuit_internal.h"
#include "connection.h"
#include "crypto/create_fast.h"
#include "crypto/ntor.h"
#include "crypto/random.h"
#include "crypto/tor1.h"
#include "stream/circuit_streams.h"

enum {
    TICK_MS = 1000,
    BUILD_MS = 30 * 1000,
    IDLE_MS = 60 * 1000,
    AGE_MAX_MS = 10 * 60 * 1000, // then new streams get a new one
};

struct own_circuit_request {
    own_circuit_ready_fn ready;
    void *user;
    LIST_ENTRY(own_circuit_request) entry;
};

struct own_circuit {
    struct circuit *circuit;
    struct own_circuits *all;
    struct own_circuit_path path;
    bool begun;
    uint64_t made_ms;
    uint64_t deadline_ms; // until it is open; then, while it has no streams
    LIST_HEAD(, own_circuit_request) requests;
    LIST_ENTRY(own_circuit) entry;
    uint8_t fast[CREATE_FAST_LEN];
    struct ntor_client ntor;
};

struct own_circuits {
    struct circuit_table *table;
    uv_timer_t *timer; // runs while there are any
    LIST_HEAD(, own_circuit) list;
};

static uint64_t now_ms(const struct own_circuits *all)
{
    return streams_now_us(all->table->streams) / 1000;
}

// ---- who asked

// Takes the requests first: who is answered may ask again.
static void answer_all(struct own_circuit *own, struct circuit *c, enum destroy_reason reason)
{
    struct own_circuit_request *request, *waiting = LIST_FIRST(&own->requests);
    LIST_HEAD(, own_circuit_request) answered = LIST_HEAD_INITIALIZER(answered);
    LIST_INIT(&own->requests);
    if (waiting) { // the list has another head now
        LIST_FIRST(&answered) = waiting;
        waiting->entry.le_prev = &LIST_FIRST(&answered);
    }
    while ((request = LIST_FIRST(&answered))) {
        own_circuit_ready_fn ready = request->ready;
        void *user = request->user;
        LIST_REMOVE(request, entry);
        free(request);
        ready(user, c, reason);
    }
}

void own_circuit_cancel(struct own_circuit_request *request)
{
    LIST_REMOVE(request, entry);
    free(request);
}

// ---- building

static void dial(struct circuit *c, struct link *link)
{
    struct own_circuit *own = c->own;
    const struct own_circuit_hop *hop = &own->path.hops[0];
    struct connection *conn = link_connection(link);
    struct message *m = channel_message_down(c->relay->channels[conn->worker], MSG_CIRCUIT_DIAL);
    struct writer w = writer_of(m->payload, CELL_BODY_LEN);
    m->conn = conn->handle;
    m->cookie = c->id;
    if (hop->has_ntor_key) {
        m->command = CELL_CREATE2;
        write_u16(&w, HANDSHAKE_NTOR);
        write_u16(&w, NTOR_SKIN_LEN);
        ntor_client_start(&own->ntor, hop->target.rsa_id, hop->ntor_key,
                          write_room(&w, NTOR_SKIN_LEN));
    } else {
        m->command = CELL_CREATE_FAST;
        random_bytes(own->fast, sizeof(own->fast));
        write_bytes(&w, own->fast, sizeof(own->fast));
        m->secret = true; // the keys follow from it
    }
    m->length = (uint16_t)writer_length(&w);
    c->state = CIRCUIT_DIALLED;
    c->next = (struct circuit_place){.worker = conn->worker, .conn = conn->handle};
    link_note_circuit(c->relay, conn->worker, conn->handle, 1);
    circuit_send(c, m);
}

static void link_ready(void *user, struct link *link, enum destroy_reason reason)
{
    struct circuit *c = user;
    c->link_request = NULL;
    if (link)
        dial(c, link);
    else
        circuit_close(c, reason);
}

static void begin(struct circuit *c)
{
    struct circuit_table *t = c->relay->circuits;
    uint64_t id = c->id;
    c->own->begun = true;
    struct link_request *request = link_get(c->relay, &c->own->path.hops[0].target, link_ready, c);
    if (request && circuit_get(t, id))
        c->link_request = request;
}

// False if the handshake did not succeed.
static bool finish_handshake(const struct own_circuit *own, const struct message *m,
                             struct circuit_crypto *crypto)
{
    uint8_t yield[TOR1_MATERIAL_LEN + CIRCUIT_NONCE_LEN];
    struct reader r = reader_of(m->payload, m->length);
    int error = -1;
    if (!own->path.hops[0].has_ntor_key) {
        const uint8_t *reply = read_bytes(&r, CREATED_FAST_LEN);
        if (m->command == CELL_CREATED_FAST && reply)
            error = create_fast_client(own->fast, reply, yield, TOR1_MATERIAL_LEN);
    } else {
        uint16_t length = read_u16(&r);
        const uint8_t *reply = read_bytes(&r, length);
        if (m->command == CELL_CREATED2 && reply)
            error = ntor_client_finish(&own->ntor, reply, length, yield, sizeof(yield));
    }
    crypto->kind = CIRCUIT_CRYPTO_TOR1;
    if (error == 0)
        memcpy(crypto->material, yield, TOR1_MATERIAL_LEN);
    explicit_bzero(yield, sizeof(yield));
    return error == 0;
}

static void wipe_handshake(struct own_circuit *own)
{
    explicit_bzero(own->fast, sizeof(own->fast));
    ntor_client_wipe(&own->ntor);
}

void own_circuit_created(struct circuit *c, const struct message *m)
{
    struct own_circuit *own = c->own;
    struct message *accept = circuit_message(c, &c->next, MSG_CIRCUIT_ACCEPT);
    accept->secret = true;
    if (!finish_handshake(own, m, &accept->crypto)) {
        channel_free(accept);
        circuit_close(c, DESTROY_PROTOCOL);
        return;
    }
    wipe_handshake(own);
    c->crypto_kind = accept->crypto.kind;
    circuit_send(c, accept);
    c->state = CIRCUIT_OPEN;
    c->relay->counters.own_circuits_made++;
    own->deadline_ms = now_ms(own->all) + IDLE_MS;
    answer_all(own, c, DESTROY_NONE);
}

unsigned own_circuit_hops_built(const struct circuit *c)
{
    return c->state == CIRCUIT_OPEN ? c->own->path.n_hops : 0;
}

void own_circuit_gone(struct circuit *c, enum destroy_reason reason)
{
    struct own_circuit *own = c->own;
    c->own = NULL;
    c->relay->counters.own_circuits_failed += c->state != CIRCUIT_OPEN;
    LIST_REMOVE(own, entry);
    answer_all(own, NULL, reason == DESTROY_NONE ? DESTROY_DESTROYED : reason);
    wipe_handshake(own);
    free(own);
}

// ---- time

static void tick_one(struct own_circuit *own, uint64_t now)
{
    struct circuit *c = own->circuit;
    bool open = c->state == CIRCUIT_OPEN;
    if (!own->begun) {
        begin(c);
        return;
    }
    if (open && !LIST_EMPTY(&own->requests))
        answer_all(own, c, DESTROY_NONE);
    if (open && circuit_stream_count(c) > 0)
        own->deadline_ms = now + IDLE_MS;
    else if (now >= own->deadline_ms)
        circuit_close(c, open ? DESTROY_FINISHED : DESTROY_TIMEOUT);
}

static void tick(uv_timer_t *timer)
{
    struct own_circuits *all = timer->data;
    uv_unref((uv_handle_t *)timer); // that circuits grow old keeps nobody from ending
    for (struct own_circuit *own = LIST_FIRST(&all->list), *next; own; own = next) {
        next = LIST_NEXT(own, entry);
        tick_one(own, now_ms(all));
    }
    if (LIST_EMPTY(&all->list))
        uv_timer_stop(timer);
}

// ---- asking

static bool same_hop(const struct own_circuit_hop *a, const struct own_circuit_hop *b)
{
    return memcmp(a->target.rsa_id, b->target.rsa_id, sizeof(a->target.rsa_id)) == 0 &&
           a->target.has_ed_id == b->target.has_ed_id &&
           (!a->target.has_ed_id ||
            memcmp(a->target.ed_id, b->target.ed_id, sizeof(a->target.ed_id)) == 0) &&
           a->target.n_addresses == b->target.n_addresses &&
           memcmp(a->target.addresses, b->target.addresses,
                  a->target.n_addresses * sizeof(a->target.addresses[0])) == 0 &&
           a->has_ntor_key == b->has_ntor_key &&
           (!a->has_ntor_key || memcmp(a->ntor_key, b->ntor_key, sizeof(a->ntor_key)) == 0);
}

static struct own_circuit *find(struct own_circuits *all, const struct own_circuit_path *path)
{
    struct own_circuit *own = LIST_FIRST(&all->list);
    for (; own; own = LIST_NEXT(own, entry))
        if (same_hop(&own->path.hops[0], &path->hops[0]) &&
            now_ms(all) - own->made_ms < AGE_MAX_MS &&
            circuit_stream_count(own->circuit) < STREAMS_OF_CIRCUIT_MAX / 2)
            break;
    return own;
}

static struct own_circuit *make(struct own_circuits *all, const struct own_circuit_path *path)
{
    struct own_circuit *own = calloc(1, sizeof(*own));
    struct circuit *c = own ? circuit_new(all->table) : NULL;
    if (!c) {
        free(own);
        return NULL;
    }
    c->state = CIRCUIT_LINKING;
    c->own = own;
    own->circuit = c;
    own->all = all;
    own->path = *path;
    own->made_ms = now_ms(all);
    own->deadline_ms = own->made_ms + BUILD_MS;
    LIST_INSERT_HEAD(&all->list, own, entry);
    return own;
}

struct own_circuit_request *own_circuit_get(struct relay *relay,
                                            const struct own_circuit_path *path,
                                            own_circuit_ready_fn ready, void *user)
{
    struct own_circuits *all = relay->circuits->owns;
    if (path->n_hops != 1 || path->hops[0].target.n_addresses == 0)
        return NULL;
    struct own_circuit_request *request = calloc(1, sizeof(*request));
    struct own_circuit *own = request ? find(all, path) : NULL;
    if (request && !own)
        own = make(all, path);
    if (!own) {
        free(request);
        return NULL;
    }
    request->ready = ready;
    request->user = user;
    LIST_INSERT_HEAD(&own->requests, request, entry);
    uv_ref((uv_handle_t *)all->timer);
    uv_timer_start(all->timer, tick, 0, TICK_MS);
    return request;
}

// ---- life

struct own_circuits *own_circuits_create(struct circuit_table *t)
{
    struct own_circuits *all = calloc(1, sizeof(*all));
    if (all)
        all->timer = calloc(1, sizeof(*all->timer));
    if (!all || !all->timer) {
        free(all);
        return NULL;
    }
    all->table = t;
    uv_timer_init(t->relay->loop, all->timer);
    all->timer->data = all;
    return all;
}

static void timer_closed(uv_handle_t *handle)
{
    free(handle);
}

void own_circuits_free(struct own_circuits *all)
{
    if (!all)
        return;
    uv_timer_stop(all->timer);
    uv_close((uv_handle_t *)all->timer, timer_closed);
    free(all);
}
