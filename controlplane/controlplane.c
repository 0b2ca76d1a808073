// SPDX-License-Identifier: BSD-3-Clause
// Puts the control plane together, receives the workers' messages, and takes it down again.
#include "controlplane/controlplane.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "base/log.h"
#include "bootstrap.h"
#include "circuit/circuit.h"
#include "connection.h"
#include "dir/client/client.h"
#include "dir/parameters.h"
#include "dir/publish/publish.h"
#include "dir/serve/serve.h"
#include "dir/store/store.h"
#include "dos/dos.h"
#include "identity/data_directory.h"
#include "identity/identity.h"
#include "link/link.h"
#include "onion/relay/hsdir.h"
#include "onion/relay/onion.h"
#include "origin/origin.h"
#include "relay.h"
#include "status/status.h"
#include "stream/circuit_streams.h"

enum {
    MESSAGES_PER_TURN = 256,
    TICK_MS = 1000,
    STOP_POLL_MS = 50,
    STOP_MAX_MS = 3000,
};

struct controlplane {
    struct relay relay;
    int lock_fd;        // of a pure client's data_directory; -1: none
    atomic_int *sleeps; // shared with the workers: they write to the eventfd only when it is set
    uv_poll_t wakeups;
    uv_prepare_t before_poll;
    uv_check_t after_poll;
    uv_timer_t tick_timer;
    uv_timer_t stop_timer;
    uint64_t started_ms;
    unsigned stop_waited_ms;
    unsigned handles_open;
    void (*stopped)(void *user);
    void *stopped_user;
};

static time_t system_clock(void)
{
    return time(NULL);
}

static void dispatch(struct relay *relay, const struct message *m)
{
    if (!connection_handle_message(relay->connections, m) &&
        !circuit_handle_message(relay->circuits, m))
        log_debug("a worker's message of type %u that nobody takes", m->type);
}

// Takes up to MESSAGES_PER_TURN messages of every worker. True if there may be more.
static bool receive(struct relay *relay)
{
    bool more = false;
    for (unsigned i = 0; i < relay->n_workers; i++) {
        struct message *messages[MESSAGES_PER_TURN];
        unsigned n = channel_receive_up(relay->channels[i], messages, MESSAGES_PER_TURN);
        for (unsigned j = 0; j < n; j++) {
            dispatch(relay, messages[j]);
            channel_free(messages[j]);
        }
        more |= n == MESSAGES_PER_TURN;
    }
    return more;
}

static void woken(uv_poll_t *handle, int status, int events)
{
    struct controlplane *cp = handle->data;
    (void)status, (void)events;
    uint64_t count;
    ssize_t ignored = read(cp->relay.channels[0]->up_fd, &count, sizeof(count));
    (void)ignored;
}

// Before the loop sleeps: what is there is taken. The flag is set first, so that whatever comes
// after the last look makes the eventfd readable.
static void before_poll(uv_prepare_t *handle)
{
    struct controlplane *cp = handle->data;
    atomic_store(cp->sleeps, 1);
    atomic_thread_fence(memory_order_seq_cst); // the rings' own loads are not ordered after it
    if (receive(&cp->relay)) {
        uint64_t one = 1; // more than a turn's worth: come back at once
        ssize_t ignored = write(cp->relay.channels[0]->up_fd, &one, sizeof(one));
        (void)ignored;
    }
}

static void after_poll(uv_check_t *handle)
{
    struct controlplane *cp = handle->data;
    atomic_store(cp->sleeps, 0);
}

static void tick(uv_timer_t *timer)
{
    struct controlplane *cp = timer->data;
    struct relay *relay = &cp->relay;
    relay->uptime_s = 1 + (uint32_t)((uv_now(relay->loop) - cp->started_ms) / 1000);
    onion_tick(relay);
    hsdir_tick(relay->hsdir);
    dos_tick(relay->dos);
    if (relay->origin)
        origin_tick(relay->origin);
}

// A node works without it: nobody can ask it how it is.
static void start_status(struct relay *relay)
{
    char error[512];
    relay->status = status_server_create(relay, error, sizeof(error));
    if (!relay->status)
        log_warn("ramson status will not work: %s", error);
}

static void listen_on(struct relay *relay, const struct address *address)
{
    for (unsigned i = 0; i < relay->n_workers; i++) {
        struct message *m = channel_message_down(relay->channels[i], MSG_LISTEN);
        m->address = *address;
        channel_send_down(relay->channels[i], m);
    }
}

static void start_loop_handles(struct controlplane *cp, struct uv_loop_s *loop)
{
    cp->sleeps = cp->relay.channels[0]->control_sleeps;
    cp->wakeups.data = cp->before_poll.data = cp->after_poll.data = cp;
    cp->tick_timer.data = cp->stop_timer.data = cp;
    uv_poll_init(loop, &cp->wakeups, cp->relay.channels[0]->up_fd);
    uv_prepare_init(loop, &cp->before_poll);
    uv_check_init(loop, &cp->after_poll);
    uv_timer_init(loop, &cp->tick_timer);
    uv_timer_init(loop, &cp->stop_timer);
    uv_poll_start(&cp->wakeups, UV_READABLE, woken);
    uv_prepare_start(&cp->before_poll, before_poll);
    uv_check_start(&cp->after_poll, after_poll);
    uv_timer_start(&cp->tick_timer, tick, TICK_MS, TICK_MS);
    cp->handles_open = 5;
}

// What makes it somebody: a pure client is nobody, and only has its directory for itself.
static bool take_data_directory(struct controlplane *cp, char *error, size_t error_size)
{
    struct relay *relay = &cp->relay;
    const struct config *config = relay->config;
    const struct keyfile_error file_error = {error, error_size};
    if (config_is_relay(config)) {
        relay->identity = identity_load(config->data_directory, config->nickname, relay_now(relay),
                                        error, error_size);
        return relay->identity != NULL;
    }
    if (data_directory_make(config->data_directory, &file_error) == 0)
        cp->lock_fd = data_directory_lock(config->data_directory, &file_error);
    return cp->lock_fd >= 0;
}

// What every node has.
static bool make_common_parts(struct relay *relay)
{
    return (relay->parameters = parameters_create(relay)) &&
           (relay->store = directory_store_create(relay)) && (relay->dos = dos_create(relay)) &&
           (relay->connections = connection_table_create(relay, link_accept)) &&
           (relay->links = link_table_create(relay)) &&
           (relay->circuits = circuit_table_create(relay));
}

// What only others use.
static bool make_relay_parts(struct relay *relay)
{
    return (relay->onion = onion_table_create(relay)) && (relay->hsdir = hsdir_create(relay)) &&
           (relay->directory_server = directory_server_create(relay)) &&
           (relay->publisher = publisher_create(relay));
}

// What only our own applications use.
static bool make_client_parts(struct relay *relay, char *error, size_t error_size)
{
    return (relay->bootstrap = bootstrap_create()) &&
           (relay->origin = origin_create(relay, error, error_size));
}

static bool make_parts(struct controlplane *cp, char *error, size_t error_size)
{
    struct relay *relay = &cp->relay;
    cp->lock_fd = -1;
    if (!take_data_directory(cp, error, error_size))
        return false;
    snprintf(error, error_size, "no memory for the control plane");
    return make_common_parts(relay) &&
           (!config_is_relay(relay->config) || make_relay_parts(relay)) &&
           (!config_is_client(relay->config) || make_client_parts(relay, error, error_size)) &&
           (relay->directory_client = directory_client_create(relay));
}

static void free_parts(struct controlplane *cp)
{
    struct relay *relay = &cp->relay;
    status_server_free(relay->status);
    directory_client_free(relay->directory_client); // before the origin, whose guards it uses
    origin_free(relay->origin);
    relay->origin = NULL;
    publisher_free(relay->publisher);
    directory_server_free(relay->directory_server); // before the circuits, whose streams it has
    if (relay->circuits)
        circuit_table_free(relay->circuits);
    link_table_free(relay->links);
    connection_table_free(relay->connections);
    hsdir_free(relay->hsdir);
    onion_table_free(relay->onion);
    dos_free(relay->dos);
    directory_store_free(relay->store);
    parameters_free(relay->parameters);
    bootstrap_free(relay->bootstrap);
    identity_free(relay->identity);
    if (cp->lock_fd >= 0)
        close(cp->lock_fd);
}

struct controlplane *controlplane_start(struct uv_loop_s *loop, const struct config *config,
                                        struct channel **channels, unsigned n_workers,
                                        unsigned n_helpers, char *error, size_t error_size)
{
    struct controlplane *cp = calloc(1, sizeof(*cp));
    if (!cp) {
        snprintf(error, error_size, "no memory");
        return NULL;
    }
    struct relay *relay = &cp->relay;
    relay->loop = loop;
    relay->config = config;
    relay->channels = channels;
    relay->n_workers = n_workers;
    relay->n_helpers = n_helpers;
    relay->wall_clock = system_clock;
    relay->uptime_s = 1;
    cp->started_ms = uv_now(loop);
    if (!make_parts(cp, error, error_size)) {
        free_parts(cp);
        free(cp);
        return NULL;
    }
    parameters_listen(relay, streams_parameters_changed);
    if (relay->directory_server)
        streams_accept_directory(relay, directory_server_accept);
    start_loop_handles(cp, loop);
    start_status(relay);
    for (unsigned i = 0; i < config->address_count; i++) {
        struct address address = config->addresses[i];
        address.port = config->or_port;
        if (address.family == ADDRESS_IPV4)
            listen_on(relay, &address);
    }
    return cp;
}

static void handle_closed(uv_handle_t *handle)
{
    struct controlplane *cp = handle->data;
    if (--cp->handles_open == 0)
        cp->stopped(cp->stopped_user);
}

static void close_loop_handles(struct controlplane *cp)
{
    uv_close((uv_handle_t *)&cp->wakeups, handle_closed);
    uv_close((uv_handle_t *)&cp->before_poll, handle_closed);
    uv_close((uv_handle_t *)&cp->after_poll, handle_closed);
    uv_close((uv_handle_t *)&cp->tick_timer, handle_closed);
    uv_close((uv_handle_t *)&cp->stop_timer, handle_closed);
}

static void wait_for_connections(uv_timer_t *timer)
{
    struct controlplane *cp = timer->data;
    cp->stop_waited_ms += STOP_POLL_MS;
    if (connection_table_count(cp->relay.connections) > 0 && cp->stop_waited_ms < STOP_MAX_MS)
        return;
    uv_timer_stop(timer);
    close_loop_handles(cp);
}

void controlplane_stop(struct controlplane *cp, void (*done)(void *user), void *user)
{
    if (cp->relay.stopping)
        return;
    cp->relay.stopping = true;
    cp->stopped = done;
    cp->stopped_user = user;
    status_server_free(cp->relay.status);
    cp->relay.status = NULL;
    publisher_free(cp->relay.publisher); // an authority may take its time
    cp->relay.publisher = NULL;
    directory_client_free(cp->relay.directory_client);
    cp->relay.directory_client = NULL;
    origin_free(cp->relay.origin);
    cp->relay.origin = NULL;
    directory_server_free(cp->relay.directory_server);
    cp->relay.directory_server = NULL;
    circuit_table_close_all(cp->relay.circuits);
    link_table_close_all(cp->relay.links);
    uv_timer_start(&cp->stop_timer, wait_for_connections, 0, STOP_POLL_MS);
}

void controlplane_free(struct controlplane *cp)
{
    free_parts(cp);
    free(cp);
}

void controlplane_traffic(struct controlplane *cp, uint64_t read_bytes, uint64_t written_bytes)
{
    if (cp->relay.publisher)
        publisher_traffic(cp->relay.publisher, read_bytes, written_bytes);
}

const struct counters *controlplane_counters(const struct controlplane *cp)
{
    return &cp->relay.counters;
}

void controlplane_set_counters(struct controlplane *cp,
                               void (*sum)(void *user, struct counters *sum), void *user)
{
    cp->relay.sum_counters = sum;
    cp->relay.sum_counters_user = user;
}
