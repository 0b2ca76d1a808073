// SPDX-License-Identifier: BSD-3-Clause
// Defaults, and the checks that look at more than one key.
#include "check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// ---- defaults

void config_defaults(struct config *c)
{
    c->bandwidth_rate = 1U << 30;
    snprintf(c->exit_policy[0], sizeof(c->exit_policy[0]), "reject *:*");
    c->exit_policy_count = 1;
    c->log.level = LOG_LEVEL_NOTICE;
    c->hsdir_cache_mb = 256; // several times what a relay's share of the public network's takes
    c->nodes.distinct_subnets = true;
    c->dataplane.workers[0] = 1;
    c->dataplane.worker_count = 1;
    c->dataplane.control = 0;
    c->dataplane.hugepages = true;
    c->dataplane.memory_mb = 1024;
    c->dataplane.poll = CONFIG_POLL_ADAPTIVE;
    for (unsigned i = 0; i < CONFIG_INTERFACES_MAX; i++)
        c->dataplane.interfaces[i].mtu = 1500;
    for (unsigned i = 0; i < CONFIG_SOCKS_MAX; i++) {
        c->socks[i].mode = 0600;
        c->socks[i].ipv4 = c->socks[i].ipv6 = c->socks[i].dns = c->socks[i].http = true;
    }
}

void config_onion_service_defaults(void *service)
{
    struct config_onion_service *s = service;
    s->introduction_points = 3;
    s->intro_dos_rate = 25;
    s->intro_dos_burst = 200;
    s->pow_queue_rate = 250;
    s->pow_queue_burst = 2500;
}

// How memory_mb is shared out: what one object takes, with its pool's own overhead, and its part of
// what messages and queues leave.
enum {
    LINK_BYTES = 8192,
    CIRCUIT_BYTES = 1152, // both ends
    CELL_BYTES = 704,
    PACKET_DATA_BYTES_MIN = 2176, // what every driver can receive into
    PACKET_OVERHEAD_BYTES = 320,
    MESSAGES_BYTES = 4096 * 2432, // of a worker's pool of messages, and of the control thread's

    SMALL_PAGE_BYTES = 4096,
    BASE_MB = 8,        // DPDK's own, rings, queues of ports, caches of pools
    POOLS_MB_MIN = 16,  // for the pools below
    POOLS_PERCENT = 75, // of what is left; the rest is lost between large areas, or used by drivers
};

struct pool {
    unsigned *size; // 0: not set
    unsigned percent;
    uint64_t object_bytes;
    unsigned min, max;
};

enum { POOLS = 4 };

// DPDK puts no object across the edge of a page, which without huge pages are small.
static uint64_t bytes_in_pages(const struct config_dataplane *d, uint64_t bytes)
{
    if (d->hugepages)
        return bytes;
    uint64_t per_page = SMALL_PAGE_BYTES / bytes;
    return per_page ? SMALL_PAGE_BYTES / per_page
                    : (bytes + SMALL_PAGE_BYTES - 1) / SMALL_PAGE_BYTES * SMALL_PAGE_BYTES;
}

static uint64_t packet_bytes(const struct config_dataplane *d)
{
    unsigned largest = PACKET_DATA_BYTES_MIN;
    for (unsigned i = 0; i < d->interface_count; i++)
        if (d->interfaces[i].mtu > largest)
            largest = d->interfaces[i].mtu;
    return largest + PACKET_OVERHEAD_BYTES;
}

static void list_pools(struct config_dataplane *d, struct pool pools[POOLS])
{
    uint64_t cell = bytes_in_pages(d, CELL_BYTES);
    uint64_t packet = bytes_in_pages(d, packet_bytes(d));
    pools[0] = (struct pool){&d->max_links, 15, LINK_BYTES, 16, 1000000};
    pools[1] = (struct pool){&d->max_circuits, 15, CIRCUIT_BYTES, 64, 16000000};
    pools[2] = (struct pool){&d->max_cells, 30, cell, 1024, 100000000};
    pools[3] = (struct pool){&d->max_packets, 40, packet, 1024, 16000000};
}

// What is gone before there is any pool.
static uint64_t base_bytes(const struct config_dataplane *d)
{
    uint64_t messages = bytes_in_pages(d, MESSAGES_BYTES / 4096) * 4096;
    return ((uint64_t)BASE_MB << 20) + (d->worker_count + 1) * messages;
}

static uint64_t pools_bytes(struct pool pools[POOLS], unsigned *percent_not_set)
{
    uint64_t bytes = 0;
    *percent_not_set = 0;
    for (unsigned i = 0; i < POOLS; i++) {
        bytes += *pools[i].size * pools[i].object_bytes;
        if (*pools[i].size == 0)
            *percent_not_set += pools[i].percent;
    }
    return bytes;
}

// Pools that are not set share what the others leave.
static void derive_pools(struct config_dataplane *d)
{
    struct pool pools[POOLS];
    unsigned percent;
    list_pools(d, pools);
    uint64_t memory = (uint64_t)d->memory_mb << 20;
    uint64_t taken = base_bytes(d) + pools_bytes(pools, &percent);
    uint64_t rest = taken < memory ? (memory - taken) / 100 * POOLS_PERCENT : 0;
    for (unsigned i = 0; i < POOLS; i++) {
        struct pool *p = &pools[i];
        if (*p->size)
            continue;
        uint64_t n = rest / percent * p->percent / p->object_bytes;
        *p->size = n < p->min ? p->min : n > p->max ? p->max : (unsigned)n;
    }
}

// Listeners of the same name are one group, the others are each their own.
static void derive_socks(struct config *c)
{
    for (unsigned i = 0; i < c->socks_count; i++) {
        struct config_socks *s = &c->socks[i];
        s->isolates = 1U << CONFIG_ISOLATE_CREDENTIALS | 1U << CONFIG_ISOLATE_CLIENT;
        for (unsigned j = 0; j < s->isolate_count; j++)
            s->isolates |= 1U << s->isolate[j];
        for (unsigned j = 0; j < s->share_count; j++)
            s->isolates &= ~(1U << s->share[j]);
        s->group = i + 1;
        for (unsigned j = 0; j < i && s->group_name[0]; j++)
            if (strcmp(s->group_name, c->socks[j].group_name) == 0) {
                s->group = c->socks[j].group;
                break;
            }
    }
}

// A port without a target means the same port of this machine.
static void derive_onion_services(struct config *c)
{
    for (unsigned i = 0; i < c->onion_service_count; i++) {
        struct config_onion_service *s = &c->onion_services[i];
        for (unsigned j = 0; j < s->port_count; j++) {
            struct config_onion_port *p = &s->ports[j];
            if (p->target.family == ADDRESS_NONE && p->unix_path[0] == '\0')
                p->target = address_ipv4(0x7f000001, p->port);
        }
    }
}

void config_derive(struct config *c)
{
    if (!config_is_relay(c))
        c->address_count = 0; // it tells nobody where it is
    for (unsigned i = 0; i < c->address_count; i++)
        c->addresses[i].port = c->or_port;
    for (unsigned i = 0; i < c->directory_authority_count; i++)
        c->directory_authorities[i].address.port = c->directory_authorities[i].or_port;
    for (unsigned i = 0; i < c->fallback_directory_count; i++) {
        static const uint8_t none[CONFIG_ED_ID_LEN];
        struct config_fallback *f = &c->fallback_directories[i];
        f->address.port = f->or_port;
        f->has_ed_identity = memcmp(f->ed_identity, none, sizeof(none)) != 0;
    }
    if (c->bandwidth_burst == 0)
        c->bandwidth_burst = c->bandwidth_rate;
    if (c->testing_network) // where all have addresses of one subnet
        c->nodes.distinct_subnets = false;
    derive_pools(&c->dataplane);
    derive_socks(c);
    derive_onion_services(c);
}

// ---- checks across keys

struct check {
    const struct config *config;
    struct config_error *error;
    char path[sizeof(((struct config_error *)0)->key_path)];
};

// Says what is wrong at the key path that `check->path` holds.
static bool wrong(struct check *check, const char *found, const char *expected)
{
    config_error_at(check->config, check->path, found, expected, check->error);
    return false;
}

static void name_path(struct check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void name_path(struct check *check, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(check->path, sizeof(check->path), format, arguments);
    va_end(arguments);
}

static const char *host_text(const struct address *a, char text[ADDRESS_TEXT_MAX])
{
    address_format(a, text);
    char *colon = strrchr(text, ':');
    if (colon)
        *colon = '\0';
    return text;
}

// A worker that sleeps when it has nothing to do can share the control thread's cpu, as on a small
// machine; one that never sleeps would leave it nothing.
static bool check_cpus(struct check *check)
{
    const struct config_dataplane *d = &check->config->dataplane;
    char found[96];
    for (unsigned i = 0; i < d->worker_count; i++) {
        name_path(check, "dataplane.workers[%u]", i);
        snprintf(found, sizeof(found), "%u, the cpu of dataplane.control", d->workers[i]);
        if (d->workers[i] == d->control && d->poll == CONFIG_POLL_BUSY)
            return wrong(check, found, "a cpu of the worker's own, or \"poll\": \"adaptive\"");
        snprintf(found, sizeof(found), "%u a second time", d->workers[i]);
        for (unsigned j = 0; j < i; j++)
            if (d->workers[i] == d->workers[j])
                return wrong(check, found, "a cpu of the worker's own");
        for (unsigned j = 0; j < d->helper_count; j++) {
            name_path(check, "dataplane.helpers[%u]", j);
            snprintf(found, sizeof(found), "%u, a worker's cpu", d->helpers[j]);
            if (d->helpers[j] == d->workers[i] && d->poll == CONFIG_POLL_BUSY)
                return wrong(check, found, "another cpu, or \"poll\": \"adaptive\"");
        }
    }
    return true;
}

static bool is_interface_address(const struct config_dataplane *d, const struct address *a)
{
    for (unsigned i = 0; i < d->interface_count; i++)
        for (unsigned j = 0; j < d->interfaces[i].address_count; j++)
            if (address_same_host(&d->interfaces[i].addresses[j].address, a))
                return true;
    return false;
}

// Ranges kept for documentation are let through, so that examples can be checked.
static bool is_documentation(const struct address *a)
{
    uint32_t network = address_ipv4_host(a) >> 8;
    return network == 0xc00002 || network == 0xc63364 || network == 0xcb0071;
}

// What a client may go without.
static bool check_relay(struct check *check)
{
    const struct config *c = check->config;
    if (!config_is_relay(c))
        return true;
    name_path(check, "nickname");
    if (c->nickname[0] == '\0')
        return wrong(check, "nothing beside or_port", "a relay's name, 1 to 19 letters and digits");
    name_path(check, "address");
    return c->address_count > 0 ||
           wrong(check, "nothing beside or_port", "a list of the relay's addresses");
}

static bool check_addresses(struct check *check)
{
    const struct config *c = check->config;
    char text[ADDRESS_TEXT_MAX], found[160];
    for (unsigned i = 0; i < c->address_count; i++) {
        const struct address *a = &c->addresses[i];
        host_text(a, text);
        name_path(check, "address[%u]", i);
        snprintf(found, sizeof(found), "%s a second time", text);
        for (unsigned j = 0; j < i; j++)
            if (address_same_host(a, &c->addresses[j]))
                return wrong(check, found, "each address once");
        snprintf(found, sizeof(found), "%s, which no interface has", text);
        if (!is_interface_address(&c->dataplane, a))
            return wrong(check, found, "one of dataplane.interfaces' addresses");
        snprintf(found, sizeof(found), "%s, which is not on the public Internet", text);
        if (!c->testing_network && address_is_internal(a) && !is_documentation(a))
            return wrong(check, found, "a public address, or \"testing_network\": true");
    }
    return true;
}

static bool in_prefix(const struct config_prefix *p, const struct address *a)
{
    uint32_t differ = address_ipv4_host(&p->address) ^ address_ipv4_host(a);
    return p->bits == 0 || differ >> (32 - p->bits) == 0;
}

static bool check_gateway(struct check *check, unsigned i)
{
    const struct config_interface *n = &check->config->dataplane.interfaces[i];
    char text[ADDRESS_TEXT_MAX], found[160];
    if (n->gateway.family == ADDRESS_NONE)
        return true;
    name_path(check, "dataplane.interfaces[%u].gateway", i);
    host_text(&n->gateway, text);
    snprintf(found, sizeof(found), "%s, the relay's own address", text);
    if (is_interface_address(&check->config->dataplane, &n->gateway))
        return wrong(check, found, "the address of a router");
    for (unsigned j = 0; j < n->address_count; j++)
        if (in_prefix(&n->addresses[j], &n->gateway))
            return true;
    return wrong(check, text, "an address inside a prefix of the interface's addresses");
}

static bool check_interface_addresses(struct check *check, unsigned i)
{
    const struct config_dataplane *d = &check->config->dataplane;
    char text[ADDRESS_TEXT_MAX], found[160];
    for (unsigned j = 0; j < d->interfaces[i].address_count; j++) {
        const struct address *a = &d->interfaces[i].addresses[j].address;
        name_path(check, "dataplane.interfaces[%u].addresses[%u]", i, j);
        snprintf(found, sizeof(found), "%s a second time", host_text(a, text));
        for (unsigned k = 0; k <= i; k++)
            for (unsigned l = 0; l < (k == i ? j : d->interfaces[k].address_count); l++)
                if (address_same_host(&d->interfaces[k].addresses[l].address, a))
                    return wrong(check, found, "each address on one interface");
    }
    return true;
}

static bool check_interfaces(struct check *check)
{
    const struct config_dataplane *d = &check->config->dataplane;
    for (unsigned i = 0; i < d->interface_count; i++) {
        name_path(check, "dataplane.interfaces[%u].device", i);
        for (unsigned j = 0; j < i; j++)
            if (strcmp(d->interfaces[i].device, d->interfaces[j].device) == 0)
                return wrong(check, "the same device a second time", "each device once");
        if (!check_interface_addresses(check, i) || !check_gateway(check, i))
            return false;
    }
    return true;
}

static bool check_authorities(struct check *check)
{
    const struct config *c = check->config;
    for (unsigned i = 0; i < c->directory_authority_count; i++) {
        name_path(check, "directory_authorities[%u].identity", i);
        for (unsigned j = 0; j < i; j++)
            if (memcmp(c->directory_authorities[i].identity, c->directory_authorities[j].identity,
                       CONFIG_DIGEST_LEN) == 0)
                return wrong(check, "an identity a second time", "each authority once");
    }
    return true;
}

static bool check_fallbacks(struct check *check)
{
    const struct config *c = check->config;
    for (unsigned i = 0; i < c->fallback_directory_count; i++) {
        name_path(check, "fallback_directories[%u].identity", i);
        for (unsigned j = 0; j < i; j++)
            if (memcmp(c->fallback_directories[i].identity, c->fallback_directories[j].identity,
                       CONFIG_DIGEST_LEN) == 0)
                return wrong(check, "an identity a second time", "each directory once");
    }
    return true;
}

static bool check_bandwidth(struct check *check)
{
    char found[64];
    name_path(check, "bandwidth_burst");
    snprintf(found, sizeof(found), "%" PRIu32, check->config->bandwidth_burst);
    return check->config->bandwidth_burst >= check->config->bandwidth_rate ||
           wrong(check, found, "at least bandwidth_rate");
}

static bool check_memory(struct check *check)
{
    struct config_dataplane d = check->config->dataplane;
    struct pool pools[POOLS];
    unsigned percent;
    char found[160], expected[64];
    list_pools(&d, pools);
    uint64_t base_mb = (base_bytes(&d) >> 20) + 1;
    uint64_t pools_mb = pools_bytes(pools, &percent) >> 20;
    if (pools_mb < POOLS_MB_MIN)
        pools_mb = POOLS_MB_MIN;
    if (base_mb + pools_mb <= d.memory_mb)
        return true;
    name_path(check, "dataplane.memory_mb");
    snprintf(found, sizeof(found), "%u with %u worker%s and pools of %" PRIu64 " MB", d.memory_mb,
             d.worker_count, d.worker_count == 1 ? "" : "s", pools_mb);
    snprintf(expected, sizeof(expected), "at least %" PRIu64, base_mb + pools_mb);
    return wrong(check, found, expected);
}

static bool check_socks(struct check *check)
{
    const struct config *c = check->config;
    for (unsigned i = 0; i < c->socks_count; i++) {
        const struct config_socks *s = &c->socks[i];
        name_path(check, "socks[%u].listen", i);
        for (unsigned j = 0; j < i; j++)
            if (strcmp(s->listen.path, c->socks[j].listen.path) == 0 &&
                (s->listen.path[0] ||
                 address_equal(&s->listen.address, &c->socks[j].listen.address)))
                return wrong(check, "the same place a second time", "each place once");
        name_path(check, "socks[%u].ipv4", i);
        if (!s->ipv4 && !s->ipv6)
            return wrong(check, "neither ipv4 nor ipv6", "at least one of them");
    }
    return true;
}

static bool check_onion_services(struct check *check)
{
    const struct config *c = check->config;
    char found[64];
    for (unsigned i = 0; i < c->onion_service_count; i++) {
        const struct config_onion_service *s = &c->onion_services[i];
        name_path(check, "onion_services[%u].directory", i);
        for (unsigned j = 0; j < i; j++)
            if (strcmp(s->directory, c->onion_services[j].directory) == 0)
                return wrong(check, "a directory a second time", "each service's own");
        name_path(check, "onion_services[%u].introduction_dos.burst", i);
        snprintf(found, sizeof(found), "%" PRIu32, s->intro_dos_burst);
        if (s->intro_dos_burst < s->intro_dos_rate)
            return wrong(check, found, "at least the rate");
        name_path(check, "onion_services[%u].proof_of_work.queue_burst", i);
        snprintf(found, sizeof(found), "%" PRIu32, s->pow_queue_burst);
        if (s->pow_queue_burst < s->pow_queue_rate)
            return wrong(check, found, "at least queue_rate");
    }
    return true;
}

bool config_check(const struct config *config, struct config_error *error)
{
    static bool (*const checks[])(struct check *) = {
        check_relay,  check_bandwidth,  check_authorities, check_fallbacks, check_cpus,
        check_memory, check_interfaces, check_addresses,   check_socks,     check_onion_services};
    struct check check = {.config = config, .error = error};
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
        if (!checks[i](&check))
            return false;
    return true;
}
