// SPDX-License-Identifier: BSD-3-Clause
// All listeners together: their start and end, and what happens once in a second.
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "origin/origin.h"
#include "origin/socks/socks_internal.h"

enum { COMPLAIN_EVERY_S = 15 * 60 };

void socks_server_drop(struct socks_server *server)
{
    if (--server->holders > 0)
        return;
    free(server);
}

// ---- once in a second

void socks_server_tick(struct socks_server *server)
{
    struct socks_connection *c, *next;
    bridges_tick(server->bridges);
    for (c = TAILQ_FIRST(&server->connections); c; c = next) {
        next = TAILQ_NEXT(c, entry);
        socks_connection_tick(c, server->relay->uptime_s);
    }
    for (unsigned i = 0; i < server->n_listeners; i++)
        if (server->listeners[i].accept_waits)
            socks_connection_accept(&server->listeners[i]);
}

unsigned socks_server_connections(const struct socks_server *server)
{
    return server->n_connections;
}

void socks_complain(struct socks_connection *c, enum socks_complaint what, bool refused)
{
    struct socks_server *server = c->server;
    uint32_t now_s = server->relay->uptime_s, last_s = server->complained_s[what];
    enum log_level level = LOG_LEVEL_INFO;
    if (last_s == 0 || now_s - last_s >= COMPLAIN_EVERY_S) {
        server->complained_s[what] = now_s;
        level = LOG_LEVEL_WARN;
    }
    if (refused)
        server->relay->counters.drop_socks_request++;
    log_write(level, "socks: an application's request is %s: %s",
              refused ? "refused" : "questionable", socks_complaint_text(what));
}

// ---- start and end

struct socks_server *socks_server_create(struct origin *origin, char *error, size_t error_size)
{
    const struct config *config = origin->relay->config;
    struct socks_server *server = calloc(1, sizeof(*server));
    if (server)
        server->bridges = bridges_create(origin->relay->loop, SOCKS_BLOCKS_MAX);
    if (!server || !server->bridges) {
        free(server);
        snprintf(error, error_size, "socks: no memory");
        return NULL;
    }
    server->origin = origin;
    server->relay = origin->relay;
    server->connections_max = SOCKS_CONNECTIONS_MAX;
    server->holders = 1;
    TAILQ_INIT(&server->connections);
    for (unsigned i = 0; i < config->socks_count; i++) {
        struct socks_listener *listener = &server->listeners[i];
        char why[256];
        listener->server = server;
        listener->config = &config->socks[i];
        server->n_listeners++;
        server->holders++;
        if (socks_listen(listener, why, sizeof(why)) < 0) {
            snprintf(error, error_size, "socks[%u]: %s", i, why);
            socks_server_free(server);
            return NULL;
        }
    }
    return server;
}

void socks_server_free(struct socks_server *server)
{
    if (!server)
        return;
    struct socks_connection *c;
    for (unsigned i = 0; i < server->n_listeners; i++)
        socks_listener_close(&server->listeners[i]);
    TAILQ_FOREACH(c, &server->connections, entry)
    socks_connection_abort(c);
    bridges_free(server->bridges);
    socks_server_drop(server);
}
