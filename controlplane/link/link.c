// SPDX-License-Identifier: BSD-3-Clause
// A link's life: dialled or accepted, opened, failed, closed.
#include "link/link_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "bootstrap.h"
#include "crypto/random.h"
#include "dir/known_relay.h"
#include "dir/parameters.h"
#include "dos/dos.h"

struct link *link_new(struct link_table *table, bool initiator)
{
    struct link *link = calloc(1, sizeof *link);
    struct link_handshake *h = calloc(1, sizeof *h);
    if (!link || !h) {
        free(link);
        free(h);
        return NULL;
    }
    link->table = table;
    link->initiator = initiator;
    link->handshake = h;
    LIST_INIT(&h->requests);
    h->context = tls_context_hold(table->context);
    sha256_init(&h->log_received);
    sha256_init(&h->log_sent);
    LIST_INSERT_HEAD(&table->links, link, entry);
    table->n_links++;
    if (initiator) {
        table->n_dialling++;
    } else {
        TAILQ_INSERT_TAIL(&table->accepting, link, accepting_entry);
        table->n_accepting++;
        link->is_accepting = true;
    }
    link_stage(link, initiator ? LINK_CONNECTING : LINK_TLS);
    return link;
}

void link_stage(struct link *link, enum link_state state)
{
    link->state = state;
    link->deadline_ms = link_now_ms(link->table) + LINK_STAGE_TIMEOUT_MS;
}

// The link's from now on no more; the caller frees it.
static struct link_handshake *handshake_take(struct link *link)
{
    struct link_handshake *h = link->handshake;
    if (h && link->initiator)
        link->table->n_dialling--;
    link->handshake = NULL;
    return h;
}

static void leave_accepting(struct link *link)
{
    if (!link->is_accepting)
        return;
    TAILQ_REMOVE(&link->table->accepting, link, accepting_entry);
    link->table->n_accepting--;
    link->is_accepting = false;
}

static void leave_open(struct link *link)
{
    if (link->state != LINK_OPEN)
        return;
    link->table->relay->counters.links_open--;
    link_padding_stop(link);
    if (!link->initiator)
        dos_link_closed(link->table->relay, &link->connection->remote, link->counted_as_relay);
}

static void forget_id(struct link *link)
{
    if (link->has_id_entry)
        LIST_REMOVE(link, id_entry);
    link->has_id_entry = false;
}

void link_free(struct link *link)
{
    leave_accepting(link);
    leave_open(link);
    forget_id(link);
    link_handshake_free(handshake_take(link));
    LIST_REMOVE(link, entry);
    link->table->n_links--;
    tls_secret_wipe(&link->rx);
    tls_secret_wipe(&link->tx);
    free(link);
}

// An answer may cancel other requests, ask for new links, or close this one, whose memory stays
// until `closed`. So one request is taken at a time.
static void answer_requests(struct link *link, struct link_handshake *h, enum destroy_reason reason)
{
    while (h && !LIST_EMPTY(&h->requests)) {
        struct link_request *request = LIST_FIRST(&h->requests);
        struct link_request answered = *request;
        bool open = link->state == LINK_OPEN;
        LIST_REMOVE(request, entry);
        free(request);
        answered.ready(answered.user, open ? link : NULL, open ? DESTROY_NONE : reason);
    }
}

static void note_failed_dial(struct link *link)
{
    if (link->initiator && link->handshake && !link->table->relay->stopping)
        link_failures_add(&link->table->failures, &link->handshake->target,
                          &link->connection->remote, link_now_ms(link->table));
}

void link_fail(struct link *link, enum conn_close_reason close, uint8_t alert,
               enum destroy_reason reason, uint64_t *counter, const char *why)
{
    if (link->state == LINK_CLOSING)
        return;
    if (counter)
        ++*counter;
    log_debug("link: closing one that %s: %s", link->initiator ? "we made" : "a peer made", why);
    leave_accepting(link);
    leave_open(link);
    forget_id(link);
    note_failed_dial(link);
    link->state = LINK_CLOSING;
    connection_close(link->connection, close, alert);
    answer_requests(link, link->handshake, reason);
}

static uint32_t idle_timeout_ms(const struct link *link)
{
    // 1.37: about what the consensus says between relays, else a few minutes.
    if (link->authenticated && link->canonical && link->table->context != NULL) {
        uint32_t about_s = (uint32_t)parameters_of(link->table->relay)->connection_timeout_relays_s;
        return about_s * 750 + random_uniform(about_s * 500);
    }
    return 180 * 1000 + random_uniform(90 * 1000);
}

void link_opened(struct link *link)
{
    struct link_table *table = link->table;
    struct link_handshake *h = handshake_take(link);
    leave_accepting(link);
    link->state = LINK_OPEN;
    link->version = h->link_version;
    link->opened_ms = link_now_ms(table);
    link->idle_timeout_ms = idle_timeout_ms(link);
    link->deadline_ms = link->opened_ms + link->idle_timeout_ms;
    *(link->initiator ? &table->relay->counters.links_made
                      : &table->relay->counters.links_accepted) += 1;
    table->relay->counters.links_open++;
    link->counted_as_relay = link_peer_is_known_relay(link);
    if (!link->initiator &&
        !dos_link_opened(table->relay, &link->connection->remote, link->counted_as_relay)) {
        link_handshake_free(h);
        link_fail(link, CONN_CLOSE_LIMIT, TLS_ALERT_CLOSE_NOTIFY, DESTROY_NONE, NULL,
                  "its address has too many");
        return;
    }
    if (link->authenticated)
        link_table_add_by_id(link);
    connection_open_link(link->connection);
    if (link->initiator)
        bootstrap_link_opened(table->relay);
    if (table->context)
        link_padding_start(link);
    answer_requests(link, h, DESTROY_CHANNEL_CLOSED);
    link_handshake_free(h);
}

// ---- calls of the connection

static void on_connected(struct connection *c)
{
    struct link *link = c->user;
    if (link->state != LINK_CONNECTING)
        return;
    link_stage(link, LINK_TLS);
    link_tls_start(link);
}

static void on_data(struct connection *c, uint64_t offset, const uint8_t *bytes, size_t length)
{
    struct link *link = c->user;
    // After the handshake's end, data that was under way is the worker's to read again.
    if (link->state == LINK_TLS)
        link_tls_data(link, offset, bytes, length);
}

static void on_closed(struct connection *c, enum conn_close_reason reason)
{
    struct link *link = c->user;
    struct counters *counters = &link->table->relay->counters;
    log_debug("link: one that %s is gone in state %d, reason %d",
              link->initiator ? "we made" : "a peer made", (int)link->state, (int)reason);
    if (link->state == LINK_TLS)
        counters->drop_link_tls++;
    if (link->state == LINK_CELLS)
        counters->drop_link_handshake++;
    if (link->state != LINK_CLOSING) {
        leave_open(link);
        forget_id(link);
        note_failed_dial(link);
        link->state = LINK_CLOSING;
        answer_requests(link, link->handshake, DESTROY_CONNECTFAILED);
    }
    c->user = NULL;
    link_free(link);
}

// Only what has no meaning after the handshake is refused; what is unknown is ignored (1.17).
static void open_cell(struct link *link, const struct link_cell_info *cell, const uint8_t *bytes,
                      size_t length)
{
    switch (cell->command) {
    case CELL_PADDING_NEGOTIATE:
        if (length == CELL_BODY_LEN)
            link_padding_negotiate(link, bytes);
        break;
    case CELL_CERTS:
    case CELL_AUTH_CHALLENGE:
    case CELL_AUTHENTICATE:
        link_fail(link, CONN_CLOSE_PROTOCOL, 0, DESTROY_CHANNEL_CLOSED,
                  &link->table->relay->counters.drop_link_handshake,
                  "a handshake cell after the handshake");
        break;
    default:
        break;
    }
}

static void on_link_cell(struct connection *c, const struct link_cell_info *cell,
                         const uint8_t *bytes, size_t length)
{
    struct link *link = c->user;
    if (link->state == LINK_CELLS)
        link_handshake_cell(link, cell, bytes, length);
    else if (link->state == LINK_OPEN)
        open_cell(link, cell, bytes, length);
}

static void on_tls_handshake(struct connection *c, const uint8_t *bytes, size_t length)
{
    struct link *link = c->user;
    if (link->state == LINK_CELLS || link->state == LINK_OPEN)
        link_tls_message(link, bytes, length);
}

static void on_tls_key_old(struct connection *c)
{
    struct link *link = c->user;
    if (link->state == LINK_CELLS || link->state == LINK_OPEN)
        link_tls_key_old(link);
}

const struct connection_ops link_connection_ops = {
    .connected = on_connected,
    .data = on_data,
    .closed = on_closed,
    .link_cell = on_link_cell,
    .tls_handshake = on_tls_handshake,
    .tls_key_old = on_tls_key_old,
};

// ---- questions

struct connection *link_connection(struct link *link)
{
    return link->connection;
}

bool link_peer_is_relay(const struct link *link)
{
    return link->authenticated;
}

bool link_peer_is_known_relay(const struct link *link)
{
    return link->authenticated && known_relay(link->table->relay, link->rsa_id);
}

bool link_peer_is(const struct link *link, const uint8_t rsa_id[20], const uint8_t *ed_id)
{
    return link->authenticated && memcmp(link->rsa_id, rsa_id, 20) == 0 &&
           (!ed_id || memcmp(link->ed_id, ed_id, 32) == 0);
}
