// SPDX-License-Identifier: BSD-3-Clause
// Puts dataplane and control plane together, runs the event loop, and ends both in order.
#include "run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "controlplane/controlplane.h"
#include "crypto/random.h"
#include "dataplane/dataplane.h"
#include "eal.h"
#include "host.h"

_Static_assert((int)CONFIG_WORKERS_MAX <= (int)DATAPLANE_WORKERS_MAX,
               "more workers than the dataplane has");
_Static_assert((int)CONFIG_INTERFACES_MAX <= (int)DATAPLANE_INTERFACES_MAX, "more interfaces");
_Static_assert((int)CONFIG_ADDRESSES_MAX <= (int)DATAPLANE_INTERFACE_ADDRESSES_MAX,
               "more addresses");

enum { STOP_SECONDS_MAX = 5, TRAFFIC_EVERY_MS = 1000 };

struct run {
    const struct config *config;
    uv_loop_t loop;
    uv_signal_t interrupt, terminate, usr1;
    uv_timer_t traffic;
    uv_work_t first_work;
    struct dataplane *dataplane;
    struct controlplane *controlplane;
    struct channel *channels[DATAPLANE_WORKERS_MAX];
    bool stopping;
};

// ---- counters

static void print_counters(const struct run *run)
{
    struct counters sum = {0};
    for (unsigned i = 0; i < dataplane_workers(run->dataplane); i++) {
        char title[32];
        const struct counters *c = dataplane_counters(run->dataplane, i);
        snprintf(title, sizeof(title), "worker %u", i);
        counters_print(stderr, title, c);
        counters_add(&sum, c);
    }
    const struct counters *control = controlplane_counters(run->controlplane);
    counters_print(stderr, "control", control);
    counters_add(&sum, control);
    counters_print(stderr, "sum", &sum);
}

static void sum_counters(void *user, struct counters *sum)
{
    const struct run *run = user;
    for (unsigned i = 0; i < dataplane_workers(run->dataplane); i++)
        counters_add(sum, dataplane_counters(run->dataplane, i));
}

// The descriptor says how much the relay moves.
static void tell_traffic(uv_timer_t *timer)
{
    const struct run *run = timer->data;
    struct counters sum = {0};
    sum_counters(timer->data, &sum);
    if (!run->stopping)
        controlplane_traffic(run->controlplane, sum.rx_bytes, sum.tx_bytes);
}

// ---- stopping

// An orderly stop that hangs, or a second signal, ends the process at once.
static void end_now(int signal_number)
{
    static const char late[] = "ramson: the orderly stop took too long\n";
    if (signal_number == SIGALRM) {
        ssize_t ignored = write(STDERR_FILENO, late, sizeof(late) - 1);
        (void)ignored;
    }
    _exit(1);
}

static void close_loop_handles(struct run *run)
{
    uv_close((uv_handle_t *)&run->traffic, NULL);
    uv_close((uv_handle_t *)&run->interrupt, NULL);
    uv_close((uv_handle_t *)&run->terminate, NULL);
    uv_close((uv_handle_t *)&run->usr1, NULL);
}

static void control_plane_stopped(void *user)
{
    uv_stop(&((struct run *)user)->loop);
}

static void on_stop(uv_signal_t *handle, int signal_number)
{
    struct run *run = handle->data;
    if (run->stopping)
        end_now(signal_number);
    run->stopping = true;
    log_notice("stopping; a second signal ends at once");
    signal(SIGALRM, end_now);
    alarm(STOP_SECONDS_MAX);
    controlplane_stop(run->controlplane, control_plane_stopped, run);
}

static void on_usr1(uv_signal_t *handle, int signal_number)
{
    (void)signal_number;
    print_counters(handle->data);
}

// ---- starting

static void dataplane_settings(const struct config_dataplane *from, const uint16_t *ports,
                               struct dataplane_config *to)
{
    *to = (struct dataplane_config){
        .n_workers = from->worker_count,
        .n_interfaces = from->interface_count,
        .adaptive_poll = from->poll == CONFIG_POLL_ADAPTIVE,
        .max_links = from->max_links,
        .max_circuits = from->max_circuits,
        .max_cells = from->max_cells,
        .max_packets = from->max_packets,
        .circuit_queue_max_cells = from->circuit_queue_max_cells,
    };
    for (unsigned i = 0; i < from->worker_count; i++)
        to->lcores[i] = EAL_FIRST_WORKER_LCORE + i;
    for (unsigned i = 0; i < from->interface_count; i++) {
        const struct config_interface *in = &from->interfaces[i];
        struct dataplane_interface *out = &to->interfaces[i];
        out->port = ports[i];
        out->mtu = (uint16_t)in->mtu;
        out->gateway = in->gateway;
        out->n_addresses = in->address_count;
        for (unsigned j = 0; j < in->address_count; j++) {
            out->addresses[j].address = in->addresses[j].address;
            out->addresses[j].prefix_bits = (uint8_t)in->addresses[j].bits;
        }
    }
}

static void nothing(uv_work_t *work)
{
    (void)work;
}

// Helper threads are libuv's. It makes them all with the first work, and they are where the thread
// is that makes them. One is more than may be busy with onion skins, so that new keys of links,
// which take long, do not hold those up. Returns how many may.
static unsigned start_helpers(struct run *run)
{
    char threads[16];
    cpu_set_t own, helpers;
    unsigned n = host_helper_cpus(run->config, &helpers);
    snprintf(threads, sizeof(threads), "%u", n + 1);
    setenv("UV_THREADPOOL_SIZE", threads, 1);
    bool moved = sched_getaffinity(0, sizeof(own), &own) == 0 &&
                 sched_setaffinity(0, sizeof(helpers), &helpers) == 0;
    uv_queue_work(&run->loop, &run->first_work, nothing, NULL);
    if (moved)
        sched_setaffinity(0, sizeof(own), &own);
    return n;
}

static bool start_planes(struct run *run, const uint16_t *ports)
{
    char error[512] = "";
    struct dataplane_config settings;
    dataplane_settings(&run->config->dataplane, ports, &settings);
    run->dataplane = dataplane_start(&settings, error, sizeof(error));
    if (run->dataplane) {
        unsigned n = dataplane_workers(run->dataplane);
        for (unsigned i = 0; i < n; i++)
            run->channels[i] = dataplane_channel(run->dataplane, i);
        run->controlplane = controlplane_start(&run->loop, run->config, run->channels, n,
                                               start_helpers(run), error, sizeof(error));
    }
    if (run->controlplane) {
        controlplane_set_counters(run->controlplane, sum_counters, run);
        return true;
    }
    fprintf(stderr, "ramson: %s\n", error);
    return false;
}

static void start_loop_handles(struct run *run)
{
    uv_timer_init(&run->loop, &run->traffic);
    run->traffic.data = run;
    uv_timer_start(&run->traffic, tell_traffic, TRAFFIC_EVERY_MS, TRAFFIC_EVERY_MS);
    uv_signal_init(&run->loop, &run->interrupt);
    uv_signal_init(&run->loop, &run->terminate);
    uv_signal_init(&run->loop, &run->usr1);
    run->interrupt.data = run->terminate.data = run->usr1.data = run;
    uv_signal_start(&run->interrupt, on_stop, SIGINT);
    uv_signal_start(&run->terminate, on_stop, SIGTERM);
    uv_signal_start(&run->usr1, on_usr1, SIGUSR1);
}

// From loop to end. What is closed last says nothing any more, so that the exit status alone
// counts.
static int serve(struct run *run, const uint16_t *ports)
{
    bool started = start_planes(run, ports);
    if (started) {
        start_loop_handles(run);
        bool relay = config_is_relay(run->config);
        log_notice("%s is running", run->config->nickname[0] ? run->config->nickname : "ramson");
        if (run->config->directory_authority_count == 0)
            log_warn(
                relay ? "no directory_authorities are set: the network will not learn of this relay"
                      : "no directory_authorities are set: there is no network to be used");
        uv_run(&run->loop, UV_RUN_DEFAULT);
        close_loop_handles(run);
        signal(SIGINT, end_now);
        signal(SIGTERM, end_now);
        signal(SIGUSR1, SIG_IGN);
        controlplane_free(run->controlplane);
    }
    if (run->dataplane)
        dataplane_stop(run->dataplane);
    uv_run(&run->loop, UV_RUN_NOWAIT); // closing handles
    if (started)
        log_notice("stopped");
    return started ? 0 : 1;
}

static void say(const struct config_error *error)
{
    char line[CONFIG_ERROR_TEXT_MAX];
    fprintf(stderr, "%s\n", config_error_format(error, line));
}

int run_relay(const struct config *config)
{
    struct config_error error;
    uint16_t ports[CONFIG_INTERFACES_MAX] = {0};
    if (crypto_init() != 0) {
        fprintf(stderr, "ramson: libsodium does not start: the kernel gives no random numbers\n");
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGIO,
           SIG_IGN); // net_tap is told of packets by signals; on overflow the kernel sends this
    signal(SIGUSR1, SIG_IGN); // until there are counters
    if (!host_check_cpus(config, &error) || !host_check_memory(config, &error) ||
        !host_check_devices(config, &error) || !host_prepare_data_directory(config, &error) ||
        !eal_start(config, ports, &error)) {
        say(&error);
        return 1;
    }
    struct run *run = calloc(1, sizeof(*run));
    int status = 1;
    if (run && uv_loop_init(&run->loop) == 0) {
        run->config = config;
        status = serve(run, ports);
        uv_loop_close(&run->loop);
    } else {
        fprintf(stderr, "ramson: no memory left for the event loop\n");
    }
    free(run);
    eal_stop();
    return status;
}
