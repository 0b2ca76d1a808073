// SPDX-License-Identifier: BSD-3-Clause
// The life of circuits that begin here: hop by hop until they are open, and how they end.
#include "circuit/own_circuit.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>
#include <uv.h>

#include "bootstrap.h"
#include "circuit/own_internal.h"
#include "connection.h"
#include "crypto/cgo_message.h"
#include "crypto/onion_layer.h"
#include "crypto/random.h"
#include "dir/parameters.h"
#include "stream/circuit_streams.h"

static void set_due(struct own_circuit *own)
{
    struct own_circuits *all = own->all;
    if (own->due)
        return;
    own->due = true;
    TAILQ_INSERT_TAIL(&all->due, own, due_entry);
    all->n_due++;
}

// ---- handshakes

static bool is_last(const struct own_circuit *own, unsigned hop)
{
    return hop + 1 == own->path.n_hops;
}

static uint8_t start_handshake(struct own_circuit *own, struct writer *w)
{
    const struct parameters *p = parameters_of(own->circuit->relay);
    const struct circuit_params offer = {
        .congestion_control = p->cc_algorithm != CC_ALGORITHM_SENDME,
        .sendme_inc_cells = (uint8_t)p->cc_sendme_inc_cells,
        .cgo = true,
    };
    const struct own_circuit_hop *hop = &own->path.hops[own->hops_built];
    struct circuit_params ask = own_handshake_ask(hop, is_last(own, own->hops_built), &offer);
    return own_handshake_start(&own->handshake, hop, &ask, w);
}

// The first hop's: CREATE_FAST or CREATE2 on its link.
static void dial(struct circuit *c, struct link *link)
{
    struct connection *conn = link_connection(link);
    struct message *m = channel_message_down(c->relay->channels[conn->worker], MSG_CIRCUIT_DIAL);
    struct writer w = writer_of(m->payload, CELL_BODY_LEN);
    m->conn = conn->handle;
    m->cookie = c->id;
    m->command = start_handshake(c->own, &w);
    m->secret = m->command == CELL_CREATE_FAST; // the keys follow from it
    m->length = (uint16_t)writer_length(&w);
    if (m->command == 0) {
        channel_free(m);
        circuit_close(c, DESTROY_INTERNAL);
        return;
    }
    c->state = CIRCUIT_DIALLED;
    c->own->stage = OWN_EXTENDING;
    c->own->began_ms = streams_now_us(c->relay->circuits->streams) / 1000;
    c->next = (struct circuit_place){.worker = conn->worker, .conn = conn->handle};
    link_note_circuit(c->relay, conn->worker, conn->handle, 1);
    if (c->own->path.n_hops > 1) {
        link_used_by_client(link);
        bootstrap_reached(c->relay, BOOTSTRAP_BUILDING);
    }
    circuit_send(c, m);
}

// Another hop's: EXTEND2 to the last one that stands.
static void extend(struct circuit *c)
{
    struct own_circuit *own = c->own;
    const struct link_target *target = &own->path.hops[own->hops_built].target;
    uint8_t body[CGO_MESSAGE_BODY_MAX];
    struct writer w = writer_of(body, sizeof(body));
    own->stage = OWN_EXTENDING;
    c->state = CIRCUIT_BUILDING;
    // C tor's clients don't name IPv6 addresses, its relays do.
    extend_write_target(target, parameters_of(c->relay)->extend_by_ed_id,
                        c->relay->config->or_port != 0, &w);
    if (own->early_left == 0 || start_handshake(own, &w) != CELL_CREATE2)
        circuit_close(c, DESTROY_INTERNAL);
    else
        circuit_originate(c, RELAY_EXTEND2, 0, body, (uint16_t)writer_length(&w));
    explicit_bzero(body, sizeof(body));
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
    struct own_circuit *own = c->own;
    own->stage = OWN_LINKING;
    struct link_request *request = link_get(c->relay, &own->path.hops[0].target, link_ready, c);
    if (request && own->stage == OWN_LINKING)
        c->link_request = request;
}

// ---- hops answer

static void install_keys(struct circuit *c, const struct own_hop_keys *keys)
{
    struct message *m = circuit_message(c, &c->next, MSG_CIRCUIT_ADD_HOP);
    m->secret = true;
    m->crypto = keys->crypto;
    circuit_send(c, m);
}

// What streams and onion services ask of a circuit is that of its last hop.
static void become_open(struct circuit *c, const struct own_hop_keys *keys)
{
    struct own_circuit *own = c->own;
    memcpy(c->nonce, keys->nonce, sizeof(c->nonce));
    c->crypto_kind = keys->crypto.kind;
    c->congestion_control = keys->granted.congestion_control;
    c->sendme_inc_cells = c->congestion_control ? keys->granted.sendme_inc_cells : SENDME_INC_CELLS;
    c->state = CIRCUIT_OPEN;
    own->stage = OWN_OPEN;
    c->relay->counters.own_circuits_made += !own->was_open;
    own->was_open = true;
}

void own_circuit_hop_answered(struct circuit *c, const uint8_t *reply, uint16_t length)
{
    struct own_circuit *own = c->own;
    struct own_hop_keys keys;
    if (own->stage != OWN_EXTENDING ||
        !own_handshake_finish(&own->handshake, reply, length, &keys)) {
        explicit_bzero(&keys, sizeof(keys));
        circuit_close(c, DESTROY_PROTOCOL);
        return;
    }
    install_keys(c, &keys);
    own->crypto_kinds[own->hops_built++] = keys.crypto.kind;
    if (own->hops_built == own->path.n_hops)
        become_open(c, &keys);
    explicit_bzero(&keys, sizeof(keys));
    if (own->ops && own->ops->hop_built)
        own->ops->hop_built(c, own->hops_built);
    // It may have closed the circuit, which is there until `closed` has returned.
    if (own->stage == OWN_EXTENDING)
        extend(c);
    else if (own->stage == OWN_OPEN && own->ops && own->ops->opened)
        own->ops->opened(c);
}

void own_circuit_created(struct circuit *c, const struct message *m)
{
    struct reader r = reader_of(m->payload, m->length);
    c->own->all->heard = true;
    bool fast = c->own->handshake.type == HANDSHAKE_FAST;
    uint16_t length = fast ? CREATED_FAST_LEN : read_u16(&r);
    const uint8_t *reply = read_bytes(&r, length);
    if (reply && m->command == (fast ? CELL_CREATED_FAST : CELL_CREATED2))
        own_circuit_hop_answered(c, reply, length);
    else
        circuit_close(c, DESTROY_PROTOCOL);
}

// ---- sending

void own_circuit_address(const struct circuit *c, struct message *m)
{
    struct own_circuit *own = c->own;
    if (m->relay.hop == 0)
        m->relay.hop = (uint8_t)own_circuit_last_hop(c);
    bool early = m->relay.command == RELAY_EXTEND2 || m->relay.hop > 1;
    m->command = 0;
    if (!early || own->early_left == 0)
        return;
    own->early_left--;
    m->command = CELL_RELAY_EARLY;
}

void own_circuit_send(struct circuit *c, unsigned hop, enum relay_command command, const void *body,
                      uint16_t length)
{
    const struct own_circuit *own = c->own;
    if (own->stage == OWN_GONE || hop == 0 || hop > own_circuit_last_hop(c))
        return;
    bool cgo = own->crypto_kinds[hop - 1] == CIRCUIT_CRYPTO_CGO;
    if (length > (cgo ? cgo_message_body_max((uint8_t)command) : RELAY_BODY_MAX))
        return;
    struct message *m = circuit_message(c, &c->next, MSG_CIRCUIT_ORIGINATE);
    m->relay.command = (uint8_t)command;
    m->relay.hop = (uint8_t)hop;
    m->length = length;
    if (length)
        memcpy(m->payload, body, length);
    circuit_send(c, m);
}

// ---- its user

static bool hop_can_be(const struct own_circuit_hop *hop, bool only)
{
    return hop->target.n_addresses > 0 && (hop->has_ntor_key || only) &&
           !sodium_is_zero(hop->target.rsa_id, sizeof(hop->target.rsa_id));
}

static bool path_can_be(const struct own_circuit_path *path)
{
    if (path->n_hops == 0 || path->n_hops > OWN_CIRCUIT_HOPS_MAX)
        return false;
    for (unsigned i = 0; i < path->n_hops; i++)
        if (!hop_can_be(&path->hops[i], path->n_hops == 1))
            return false;
    return true;
}

static void wake(struct own_circuits *all);

struct circuit *own_circuit_build(struct relay *relay, const struct own_circuit_path *path,
                                  const struct own_circuit_ops *ops, void *user)
{
    struct own_circuits *all = relay->circuits->owns;
    bool can_be = !all->ending && path_can_be(path);
    struct own_circuit *own = can_be ? calloc(1, sizeof(*own)) : NULL;
    struct circuit *c = own ? circuit_new(all->table) : NULL;
    if (!c) {
        free(own);
        return NULL;
    }
    c->id |= CIRCUIT_ID_OWN;
    c->state = CIRCUIT_LINKING;
    c->own = own;
    own->circuit = c;
    own->all = all;
    own->path = *path;
    own->ops = ops;
    own->user = user;
    own->early_left = RELAY_EARLY_MAX - random_uniform(2);
    set_due(own);
    wake(all);
    return c;
}

void own_circuit_set_user(struct circuit *c, const struct own_circuit_ops *ops, void *user)
{
    c->own->ops = ops;
    c->own->user = user;
}

void *own_circuit_user(const struct circuit *c)
{
    return c->own->user;
}

const struct own_circuit_path *own_circuit_path(const struct circuit *c)
{
    return &c->own->path;
}

unsigned own_circuit_hops_built(const struct circuit *c)
{
    return c->own->hops_built;
}

unsigned own_circuit_last_hop(const struct circuit *c)
{
    return c->own->hops_built + c->own->has_other_side;
}

uint64_t own_circuit_began_ms(const struct circuit *c)
{
    return c->own->began_ms;
}

const uint8_t *own_circuit_nonce(const struct circuit *c)
{
    return c->nonce;
}

bool own_circuits_heard(struct relay *relay)
{
    struct own_circuits *all = relay->circuits->owns;
    bool heard = all->heard;
    all->heard = false;
    return heard;
}

bool own_circuit_extend(struct circuit *c, const struct own_circuit_hop *hop)
{
    struct own_circuit *own = c->own;
    // Streams, and their flow control, are with the hop that was the last one.
    if (own->stage != OWN_OPEN || own->path.n_hops == OWN_CIRCUIT_HOPS_MAX ||
        own->early_left == 0 || c->streams || own->has_other_side || !hop_can_be(hop, false))
        return false;
    own->path.hops[own->path.n_hops++] = *hop;
    extend(c);
    return true;
}

// Keys that are the other side's forward ones are our backward ones.
static void install_onion_keys(struct circuit *c, const uint8_t material[ONION_MATERIAL_LEN],
                               bool service)
{
    enum { HALF = ONION_MATERIAL_LEN / 4 };
    struct message *m = circuit_message(c, &c->next, MSG_CIRCUIT_ADD_HOP);
    m->secret = true;
    m->crypto.kind = CIRCUIT_CRYPTO_ONION;
    for (unsigned i = 0; i < 4; i++)
        memcpy(m->crypto.material + HALF * (i ^ service), material + HALF * i, HALF);
    circuit_send(c, m);
}

bool own_circuit_add_onion_layer(struct circuit *c, const uint8_t material[ONION_MATERIAL_LEN],
                                 bool service, uint8_t sendme_inc_cells,
                                 own_circuit_accept_fn accept)
{
    struct own_circuit *own = c->own;
    if (own->stage != OWN_OPEN || own->has_other_side || c->streams)
        return false;
    install_onion_keys(c, material, service);
    own->crypto_kinds[own->hops_built] = CIRCUIT_CRYPTO_ONION;
    own->has_other_side = true;
    own->accept = accept;
    c->crypto_kind = CIRCUIT_CRYPTO_ONION;
    c->congestion_control = sendme_inc_cells > 0;
    c->sendme_inc_cells = c->congestion_control ? sendme_inc_cells : SENDME_INC_CELLS;
    c->unacknowledged_cells = 0;
    if (!c->path_kind_is_set)
        circuit_streams_set_path_kind(c, CIRCUIT_PATH_ONION);
    return true;
}

bool own_circuit_is_gone(const struct circuit *c)
{
    return c->own->stage == OWN_GONE;
}

void own_circuit_close(struct circuit *c, enum destroy_reason reason)
{
    if (c->own->stage != OWN_GONE)
        circuit_close(c, reason);
}

// ---- how it ends

void own_circuit_ended(struct circuit *c, uint8_t reason)
{
    c->own->by_network = true;
    circuit_close(c, reason <= DESTROY_NOSUCHSERVICE ? (enum destroy_reason)reason : DESTROY_NONE);
}

void own_circuit_gone(struct circuit *c, enum destroy_reason reason)
{
    struct own_circuit *own = c->own;
    c->state = CIRCUIT_GONE;
    c->relay->counters.own_circuits_failed += !own->was_open;
    own_handshake_wipe(&own->handshake);
    own->stage = OWN_GONE;
    own->reason = reason;
    set_due(own);
    wake(own->all);
}

static void tell_gone(struct own_circuit *own)
{
    struct circuit *c = own->circuit;
    if (own->ops && own->ops->closed)
        own->ops->closed(c, own->reason, own->by_network);
    explicit_bzero(c, sizeof(*c));
    free(c);
    free(own);
}

// ---- what is due

static void run_due(struct own_circuits *all)
{
    for (unsigned n = all->n_due; n > 0; n--) { // what comes meanwhile waits for the next turn
        struct own_circuit *own = TAILQ_FIRST(&all->due);
        TAILQ_REMOVE(&all->due, own, due_entry);
        all->n_due--;
        own->due = false;
        if (own->stage == OWN_GONE)
            tell_gone(own);
        else if (own->stage == OWN_NEW)
            begin(own->circuit);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct own_circuits *all = timer->data;
    run_due(all);
    if (all->n_due > 0)
        wake(all);
}

static void wake(struct own_circuits *all)
{
    if (!uv_is_active((uv_handle_t *)all->timer))
        uv_timer_start(all->timer, on_timer, 0, 0);
}

struct own_circuits *own_circuits_create(struct circuit_table *t)
{
    struct own_circuits *all = calloc(1, sizeof(*all));
    if (all) {
        all->timer = calloc(1, sizeof(*all->timer));
        all->shared = own_shared_create(t->relay);
        all->table = t;
        TAILQ_INIT(&all->due);
    }
    if (!all || !all->timer || !all->shared) {
        if (all) {
            own_shared_free(all->shared);
            free(all->timer);
        }
        free(all);
        return NULL;
    }
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
    all->ending = true;
    while (all->n_due > 0)
        run_due(all);
    own_shared_free(all->shared);
    uv_timer_stop(all->timer);
    uv_close((uv_handle_t *)all->timer, timer_closed);
    free(all);
}
