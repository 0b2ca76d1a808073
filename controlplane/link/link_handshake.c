// SPDX-License-Identifier: BSD-3-Clause
// The link handshake: VERSIONS, CERTS, AUTH_CHALLENGE, AUTHENTICATE, NETINFO (protocol 1.11–1.34).
#include "link/link_internal.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/log.h"
#include "identity/identity.h"
#include "link/link_auth.h"
#include "link/link_netinfo.h"

enum {
    LINK_VERSION_MIN = 4,
    LINK_VERSION_MAX = 5,
    SKEW_JUDGED_S = 180, // a NETINFO later than this after VERSIONS says nothing about clocks
    SKEW_WARN_S = 3600,
    SKEW_WARN_EVERY_MS = 3600 * 1000,
};

void link_handshake_free(struct link_handshake *h)
{
    if (!h)
        return;
    tls_handshake_free(h->tls);
    tls_context_release(h->context);
    free(h->cell);
    OPENSSL_cleanse(h, sizeof *h);
    free(h);
}

static void fail(struct link *link, const char *why)
{
    link_fail(link, CONN_CLOSE_PROTOCOL, 0, DESTROY_CONNECTFAILED,
              &link->table->relay->counters.drop_link_handshake, why);
}

// ---- sending

static void send_variable(struct link *link, uint8_t command, const uint8_t *body, size_t length)
{
    uint8_t cell[CELL_VAR_HEADER_LEN + CERTS_CELL_MAX];
    struct writer w = writer_of(cell, sizeof cell);
    write_zeros(&w, command == CELL_VERSIONS ? 2 : CELL_CIRCID_LEN); // 1.11
    write_u8(&w, command);
    write_u16(&w, (uint16_t)length);
    write_bytes(&w, body, length);
    if (!link->handshake->log_sent_ended)
        sha256_update(&link->handshake->log_sent, cell, writer_length(&w));
    connection_send(link->connection, cell, writer_length(&w));
}

static void send_versions(struct link *link)
{
    static const uint8_t versions[] = {0, LINK_VERSION_MIN, 0, LINK_VERSION_MAX};
    link->handshake->versions_sent = relay_now(link->table->relay);
    send_variable(link, CELL_VERSIONS, versions, sizeof versions);
}

static void send_certs(struct link *link)
{
    const struct tls_context *context = link->handshake->context;
    if (link->initiator)
        send_variable(link, CELL_CERTS, context->initiator_certs, context->initiator_certs_length);
    else
        send_variable(link, CELL_CERTS, context->responder_certs, context->responder_certs_length);
}

static void send_netinfo(struct link *link)
{
    struct relay *relay = link->table->relay;
    struct netinfo info = {.other = link->connection->remote};
    if (link_we_are_relay(link))
        info.timestamp = (uint32_t)relay_now(relay);
    for (unsigned i = 0;
         link_we_are_relay(link) && i < relay->config->address_count && i < NETINFO_ADDRESSES_MAX;
         i++)
        info.own[info.n_own++] = relay->config->addresses[i];
    uint8_t cell[CELL_LEN] = {[CELL_CIRCID_LEN] = CELL_NETINFO};
    netinfo_build(&info, cell + CELL_CIRCID_LEN + 1);
    link->handshake->log_sent_ended = true;
    link->handshake->sent_netinfo = true;
    connection_send(link->connection, cell, sizeof cell);
}

// ---- VERSIONS (1.11–1.15)

void link_handshake_start(struct link *link)
{
    link_stage(link, LINK_CELLS);
    if (link->initiator)
        send_versions(link);
}

static void on_versions(struct link *link, const uint8_t *body, size_t length)
{
    struct link_handshake *h = link->handshake;
    if (h->link_version != 0)
        return;
    if (length % 2 != 0) {
        fail(link, "VERSIONS of odd length");
        return;
    }
    struct reader r = reader_of(body, length);
    while (reader_left(&r) > 0) {
        uint16_t version = read_u16(&r);
        if (version >= LINK_VERSION_MIN && version <= LINK_VERSION_MAX && version > h->link_version)
            h->link_version = (uint8_t)version;
    }
    if (h->link_version == 0) {
        fail(link, "no link version in common");
        return;
    }
    if (link->initiator) {
        if (link_we_are_relay(link))
            send_certs(link);
        return;
    }
    uint8_t challenge[AUTH_CHALLENGE_LEN];
    auth_challenge_build(challenge);
    send_versions(link);
    send_certs(link);
    send_variable(link, CELL_AUTH_CHALLENGE, challenge, sizeof challenge);
    send_netinfo(link);
}

// ---- CERTS (1.18–1.24)

static void accept_identity(struct link *link)
{
    const struct link_handshake *h = link->handshake;
    link->authenticated = true;
    memcpy(link->rsa_id, h->peer.rsa_id, sizeof link->rsa_id);
    memcpy(link->ed_id, h->peer.ed_id, sizeof link->ed_id);
}

// Whether a responder is who we dialled (1.39). An Ed25519 id that nobody asked for is fine.
static bool is_target(const struct link_handshake *h)
{
    return memcmp(h->peer.rsa_id, h->target.rsa_id, sizeof h->peer.rsa_id) == 0 &&
           (!h->target.has_ed_id ||
            memcmp(h->peer.ed_id, h->target.ed_id, sizeof h->peer.ed_id) == 0);
}

static void on_certs(struct link *link, const uint8_t *body, size_t length)
{
    struct link_handshake *h = link->handshake;
    if (h->got_certs) {
        fail(link, "a second CERTS");
        return;
    }
    int rc = link_certs_check(body, length, link->initiator ? LINK_RESPONDER : LINK_INITIATOR,
                              h->tls_cert_sha256, relay_now(link->table->relay), &h->peer);
    if (rc != 0) {
        log_debug("link: CERTS did not verify: %s", strerror(-rc));
        fail(link, "CERTS that did not verify");
        return;
    }
    h->got_certs = true;
    if (!link->initiator)
        return; // it has to prove by AUTHENTICATE that the certificates are its own
    if (!is_target(h)) {
        link_fail(link, CONN_CLOSE_IDENTITY, 0, DESTROY_OR_IDENTITY,
                  &link->table->relay->counters.drop_link_identity,
                  "the peer is not who was asked for");
        return;
    }
    accept_identity(link);
    if (!link_we_are_relay(link))
        send_netinfo(link); // there is nothing to authenticate first (1.16)
}

// ---- AUTH_CHALLENGE, AUTHENTICATE (1.25–1.29)

static bool auth_context_of(struct link *link, struct auth_context *out)
{
    const struct link_handshake *h = link->handshake;
    const struct identity *own = link->table->relay->identity;
    const bool we = link->initiator;
    memcpy(out->initiator_rsa_id_sha256, we ? own->rsa_id_sha256 : h->peer.rsa_id_sha256, 32);
    memcpy(out->responder_rsa_id_sha256, we ? h->peer.rsa_id_sha256 : own->rsa_id_sha256, 32);
    memcpy(out->initiator_ed_id, we ? own->master.public_key : h->peer.ed_id, 32);
    memcpy(out->responder_ed_id, we ? h->peer.ed_id : own->master.public_key, 32);
    sha256_peek(we ? &h->log_received : &h->log_sent, out->responder_log);
    sha256_peek(we ? &h->log_sent : &h->log_received, out->initiator_log);
    memcpy(out->tls_cert_sha256, h->tls_cert_sha256, 32);
    return tls_export(&h->exporter, AUTH_EXPORTER_LABEL, out->initiator_rsa_id_sha256, 32,
                      out->tls_secrets, sizeof out->tls_secrets) == 0;
}

static void on_auth_challenge(struct link *link, const uint8_t *body, size_t length)
{
    struct link_handshake *h = link->handshake;
    bool offered;
    if (!link->initiator || h->got_challenge || !h->got_certs) {
        fail(link, "AUTH_CHALLENGE out of order");
        return;
    }
    if (auth_challenge_read(body, length, &offered) != 0) {
        fail(link, "a malformed AUTH_CHALLENGE");
        return;
    }
    h->got_challenge = true;
    if (offered && link_we_are_relay(link)) {
        struct auth_context context;
        uint8_t cell[AUTHENTICATE_CELL_LEN];
        if (!auth_context_of(link, &context)) {
            fail(link, "TLS exported nothing");
            return;
        }
        authenticate_build(&context, &h->context->auth_key, cell);
        OPENSSL_cleanse(&context, sizeof context);
        send_variable(link, CELL_AUTHENTICATE, cell, sizeof cell);
    }
    if (!h->sent_netinfo)
        send_netinfo(link);
}

static void on_authenticate(struct link *link, const uint8_t *body, size_t length)
{
    struct link_handshake *h = link->handshake;
    struct auth_context context;
    if (link->initiator || link->authenticated || !h->got_certs) {
        fail(link, "AUTHENTICATE out of order");
        return;
    }
    bool ok = auth_context_of(link, &context) &&
              authenticate_check(body, length, &context, h->peer.auth_key) == 0;
    OPENSSL_cleanse(&context, sizeof context);
    if (!ok) {
        fail(link, "an AUTHENTICATE that did not verify");
        return;
    }
    accept_identity(link);
}

// ---- NETINFO (1.30, 1.31)

// Directories that the configuration names; any relay could say what it likes.
static bool is_trusted(const struct config *config, const uint8_t rsa_id[20])
{
    for (unsigned i = 0; i < config->directory_authority_count; i++)
        if (memcmp(config->directory_authorities[i].identity, rsa_id, 20) == 0)
            return true;
    for (unsigned i = 0; i < config->fallback_directory_count; i++)
        if (memcmp(config->fallback_directories[i].identity, rsa_id, 20) == 0)
            return true;
    return false;
}

static void tell_of_skew(const struct link *link, int64_t skew_s)
{
    if (link_we_are_relay(link))
        log_warn("link: a relay's clock is %lld seconds behind ours; one of them is wrong",
                 (long long)skew_s);
    else
        log_warn("our clock is %lld seconds %s that of the directory that we reached: the network "
                 "can be used only with the right time; check date and time zone",
                 (long long)(skew_s < 0 ? -skew_s : skew_s), skew_s < 0 ? "behind" : "ahead of");
}

// Only relays tell the time, and only what comes at once says something about clocks. A client's
// own is the likelier one to be wrong.
static void judge_clock(struct link *link, uint32_t timestamp)
{
    struct link_table *table = link->table;
    time_t now = relay_now(table->relay);
    uint64_t now_ms = link_now_ms(table);
    int64_t skew_s = (int64_t)now - (int64_t)timestamp;
    if (timestamp == 0 || !link->authenticated ||
        now - link->handshake->versions_sent >= SKEW_JUDGED_S ||
        (skew_s >= -SKEW_WARN_S && skew_s <= SKEW_WARN_S) || now_ms < table->next_skew_warning_ms)
        return;
    if (!link_we_are_relay(link) && !is_trusted(table->relay->config, link->rsa_id))
        return;
    table->next_skew_warning_ms = now_ms + SKEW_WARN_EVERY_MS;
    tell_of_skew(link, skew_s);
}

static void judge_addresses(struct link *link, const struct netinfo *info)
{
    const struct config *config = link->table->relay->config;
    for (unsigned i = 0; i < info->n_own; i++)
        if (address_same_host(&info->own[i], &link->connection->remote))
            link->canonical = true;
    for (unsigned i = 0; i < config->address_count; i++)
        if (address_same_host(&info->other, &config->addresses[i]))
            link->canonical_to_peer = true;
}

static void on_netinfo(struct link *link, const uint8_t body[CELL_BODY_LEN])
{
    struct netinfo info;
    if (link->initiator && !link->authenticated) {
        fail(link, "NETINFO before CERTS");
        return;
    }
    if (netinfo_parse(body, &info) != 0) {
        fail(link, "a malformed NETINFO");
        return;
    }
    judge_clock(link, info.timestamp);
    judge_addresses(link, &info);
    if (!link->handshake->sent_netinfo)
        send_netinfo(link); // it challenged us to nothing
    link_opened(link);
}

// ---- cells as they come

static void log_header(struct link_handshake *h, const struct link_cell_info *cell)
{
    uint8_t header[CELL_VAR_HEADER_LEN];
    struct writer w = writer_of(header, sizeof header);
    if (cell->circid_length == 2)
        write_u16(&w, (uint16_t)cell->circid);
    else
        write_u32(&w, cell->circid);
    write_u8(&w, cell->command);
    if (cell_command_is_variable(cell->command))
        write_u16(&w, (uint16_t)cell->total_length);
    sha256_update(&h->log_received, header, writer_length(&w));
}

static void on_fixed(struct link *link, const struct link_cell_info *cell, const uint8_t *bytes,
                     size_t length)
{
    struct link_handshake *h = link->handshake;
    if (h->link_version == 0 || length != CELL_BODY_LEN ||
        (cell->command != CELL_NETINFO && cell->command != CELL_PADDING)) {
        fail(link, "a cell that has no place in the handshake");
        return;
    }
    log_header(h, cell);
    sha256_update(&h->log_received, bytes, length);
    if (cell->command == CELL_NETINFO)
        on_netinfo(link, bytes);
}

static bool is_handshake_cell(uint8_t command)
{
    return command == CELL_VERSIONS || command == CELL_CERTS || command == CELL_AUTH_CHALLENGE ||
           command == CELL_AUTHENTICATE;
}

// What a variable cell's header alone tells. False: the link has failed.
static bool begin_variable(struct link *link, const struct link_cell_info *cell)
{
    struct link_handshake *h = link->handshake;
    const bool ours = is_handshake_cell(cell->command);
    // 1.14. An initiator ignores what it does not know.
    if (h->link_version == 0 && cell->command != CELL_VERSIONS && cell->command != CELL_VPADDING &&
        cell->command != CELL_AUTHORIZE && (ours || !link->initiator)) {
        fail(link, "a cell before VERSIONS");
        return false;
    }
    if (ours && cell->command != CELL_VERSIONS && cell->circid != 0) {
        fail(link, "a handshake cell with a circuit id");
        return false;
    }
    // AUTHENTICATE is about the log so far, and not in it (1.29).
    if (cell->command != CELL_AUTHENTICATE)
        log_header(h, cell);
    free(h->cell);
    h->cell = NULL;
    h->cell_length = 0;
    if (!ours)
        return true;
    if (cell->total_length <= LINK_CELL_ASSEMBLED_MAX)
        h->cell = malloc(cell->total_length + 1);
    if (!h->cell)
        fail(link, "a handshake cell that is too long");
    return h->cell != NULL;
}

static void dispatch(struct link *link, uint8_t command)
{
    const uint8_t *body = link->handshake->cell;
    size_t length = link->handshake->cell_length;
    switch (command) {
    case CELL_VERSIONS:
        on_versions(link, body, length);
        break;
    case CELL_CERTS:
        on_certs(link, body, length);
        break;
    case CELL_AUTH_CHALLENGE:
        on_auth_challenge(link, body, length);
        break;
    case CELL_AUTHENTICATE:
        on_authenticate(link, body, length);
        break;
    default:
        break;
    }
}

static void on_piece(struct link *link, const struct link_cell_info *cell, const uint8_t *bytes,
                     size_t length)
{
    struct link_handshake *h = link->handshake;
    if (cell->offset == 0 && !begin_variable(link, cell))
        return;
    if (length > cell->total_length - cell->offset || (h->cell && cell->offset != h->cell_length)) {
        fail(link, "pieces of a cell that do not fit");
        return;
    }
    if (cell->command != CELL_AUTHENTICATE)
        sha256_update(&h->log_received, bytes, length);
    if (!h->cell)
        return;
    if (length > 0)
        memcpy(h->cell + h->cell_length, bytes, length);
    h->cell_length += (uint32_t)length;
    if (h->cell_length < cell->total_length)
        return;
    dispatch(link, cell->command); // may fail the link, but it is not freed from inside
    free(h->cell);
    h->cell = NULL;
}

void link_handshake_cell(struct link *link, const struct link_cell_info *cell, const uint8_t *bytes,
                         size_t length)
{
    if (!cell_command_is_variable(cell->command))
        on_fixed(link, cell, bytes, length);
    else if (cell->offset <= cell->total_length)
        on_piece(link, cell, bytes, length);
}
