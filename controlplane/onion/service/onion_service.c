// SPDX-License-Identifier: BSD-3-Clause
// All services of this process: their start and end, what happens each second, and what an operator
// is shown.
#include "onion/service/onion_service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "dir/parameters.h"
#include "onion/pow/pow.h"
#include "onion/service/service_internal.h"
#include "origin/circuit/origin_circuit.h"
#include "origin/node/node.h"
#include "origin/origin.h"
#include "origin/pool/circuit_pool.h"
#include "relay.h"
#include "stream/circuit_streams.h"

// Introductions that are remembered by their cookie: for five minutes at least (8.31).
enum { COOKIES_MAX = 1 << 20, COOKIES_TURN_MS = 300 * 1000 };

// ---- what the parts share

uint8_t service_sendme_inc(const struct origin *origin)
{
    const struct parameters *p = parameters_of(origin->relay);
    return p->cc_algorithm == CC_ALGORITHM_VEGAS ? (uint8_t)p->cc_sendme_inc_cells : 0;
}

const char *service_relay_name(const struct origin *origin, const uint8_t rsa_id[20])
{
    const struct node *n = node_find(origin->nodes, rsa_id);
    return n ? n->status->nickname : "(unlisted)";
}

const char *service_path_text(const struct origin_circuit *oc, const struct origin *origin,
                              char out[SERVICE_PATH_TEXT_MAX])
{
    const struct own_circuit_path *path = origin_circuit_path(oc);
    size_t used = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < path->n_hops; i++)
        used += (size_t)snprintf(out + used, SERVICE_PATH_TEXT_MAX - used, "%s%s", i ? " > " : "",
                                 service_relay_name(origin, path->hops[i].target.rsa_id));
    return out;
}

// ---- one

static void take_from_queue(void *user, void *item)
{
    (void)user;
    service_rendezvous_begin(item);
}

static void drop_from_queue(void *user, void *item)
{
    struct onion_service *s = user;
    s->origin->relay->counters.drop_service_limit++;
    service_rendezvous_free(item);
}

static unsigned under_way(void *user)
{
    const struct onion_service *s = user;
    return s->n_under_way;
}

static bool begin_pow(struct onion_service *s)
{
    static const struct pow_calls calls = {take_from_queue, drop_from_queue, under_way};
    struct pow_settings settings = {
        .enabled = s->config->pow,
        .queue_rate = s->config->pow_queue_rate,
        .queue_burst = s->config->pow_queue_burst,
    };
    if (!settings.enabled)
        return true;
    s->pow = pow_defence_create(s->origin->relay, &settings, &calls, s);
    return s->pow != NULL;
}

static void warn(void *user, const char *line)
{
    (void)user;
    log_warn("onion service: %s", line);
}

// False: with one line in `error`.
static bool begin(struct onion_service *s, char *error, unsigned long error_size)
{
    char why[KEY_DIRECTORY_ERROR_MAX];
    if (key_directory_load(s->config->directory, true, &s->keys, warn, NULL, why) < 0) {
        snprintf(error, error_size, "%s", why);
        return false;
    }
    snprintf(error, error_size, "no memory for an onion service");
    if (!begin_pow(s) || !service_publish_create(s))
        return false;
    log_info("onion service: %s is served%s", s->keys.hostname,
             s->config->single_onion ? ", without hiding" : "");
    return true;
}

static void end(struct onion_service *s)
{
    service_publish_free(s);
    pow_defence_free(s->pow);
    s->pow = NULL;
    service_rendezvous_free_all(s);
    intro_points_free(s);
    replay_set_release(&s->cookies);
    key_directory_release(&s->keys);
}

static void tick(struct onion_service *s)
{
    uint64_t now_ms = origin_now_ms(s->origin);
    if (now_ms - s->cookies_turned_ms >= COOKIES_TURN_MS) {
        replay_set_turn(&s->cookies);
        s->cookies_turned_ms = now_ms;
    }
    if (!s->config->single_onion)
        circuit_pool_note_internal(s->origin->pool); // for who comes
    intro_points_tick(s);
    if (s->pow)
        pow_defence_tick(s->pow);
    service_rendezvous_tick(s);
    service_publish_tick(s);
}

// ---- all of them

// Visitors don't get all files that the process may open: what else it does goes on.
static unsigned targets_max(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur / 2 > STREAMS_MAX)
        return STREAMS_MAX;
    return (unsigned)(files.rlim_cur / 2);
}

static unsigned circuits_max(const struct config *config)
{
    unsigned share = config->dataplane.max_circuits / 8;
    if (share > RENDEZVOUS_CIRCUITS_MAX)
        return RENDEZVOUS_CIRCUITS_MAX;
    return share < RENDEZVOUS_CIRCUITS_MIN ? RENDEZVOUS_CIRCUITS_MIN : share;
}

static void init(struct onion_services *all, unsigned i)
{
    struct onion_service *s = &all->services[i];
    s->all = all;
    s->origin = all->origin;
    s->config = &all->origin->relay->config->onion_services[i];
    TAILQ_INIT(&s->points);
    TAILQ_INIT(&s->waiting);
    TAILQ_INIT(&s->rendezvous);
    replay_set_init(&s->cookies, COOKIES_MAX);
    s->cookies_turned_ms = origin_now_ms(s->origin);
}

struct onion_services *onion_services_create(struct origin *origin, char *error,
                                             unsigned long error_size)
{
    const struct config *config = origin->relay->config;
    struct onion_services *all = calloc(1, sizeof(*all));
    snprintf(error, error_size, "no memory for onion services");
    if (!all)
        return NULL;
    all->origin = origin;
    TAILQ_INIT(&all->targets);
    all->targets_max = targets_max();
    all->circuits_max = circuits_max(config);
    all->services = calloc(config->onion_service_count + 1, sizeof(*all->services));
    all->bridges = bridges_create(origin->relay->loop, TARGET_BLOCKS_MAX);
    bool good = all->services && all->bridges;
    for (unsigned i = 0; good && i < config->onion_service_count; i++) {
        init(all, i);
        all->n_services++;
        good = begin(&all->services[i], error, error_size);
    }
    if (good)
        return all;
    onion_services_free(all);
    return NULL;
}

void onion_services_free(struct onion_services *all)
{
    if (!all)
        return;
    targets_free(all);
    for (unsigned i = 0; i < all->n_services; i++)
        end(&all->services[i]);
    bridges_free(all->bridges);
    publish_rings_free(all->rings);
    free(all->services);
    free(all);
}

void onion_services_tick(struct onion_services *all)
{
    if (!all)
        return;
    for (unsigned i = 0; i < all->n_services; i++)
        tick(&all->services[i]);
    bridges_tick(all->bridges);
    targets_tick(all);
}

void onion_services_network_changed(struct onion_services *all)
{
    for (unsigned i = 0; all && i < all->n_services; i++) {
        intro_points_network_changed(&all->services[i]);
        service_publish_network_changed(&all->services[i]);
    }
}

// ---- for operators

static void describe(const struct onion_service *s, struct onion_service_info *info)
{
    const struct intro_point *p;
    *info = (struct onion_service_info){
        .config = s->config,
        .hostname = s->keys.hostname,
        .n_rendezvous = s->n_joined,
        .n_streams = s->n_streams,
        .introductions = s->introductions,
        .replays = s->replays,
        .refused = s->refused,
    };
    struct pow_defence_status pow = {0};
    if (s->pow)
        pow_defence_status(s->pow, &pow);
    info->suggested_effort = pow.effort;
    TAILQ_FOREACH(p, &s->points, entry)
    {
        if (info->n_intro_points == INTRO_POINTS_MAX)
            break;
        struct onion_intro_info *out = &info->intro_points[info->n_intro_points++];
        memcpy(out->rsa_id, p->hop.target.rsa_id, sizeof(out->rsa_id));
        out->state = p->state;
        out->introductions = p->introductions;
    }
    for (unsigned i = 0; i < 2; i++) {
        const struct service_descriptor *d = &s->descriptors[i];
        if (!d->in_force)
            continue;
        info->descriptors[i].period = d->period.number;
        info->descriptors[i].uploaded = d->uploaded;
        info->descriptors[i].wanted = d->wanted;
    }
}

void onion_services_each(const struct onion_services *all,
                         void (*each)(void *user, const struct onion_service_info *info),
                         void *user)
{
    for (unsigned i = 0; all && i < all->n_services; i++) {
        struct onion_service_info info;
        describe(&all->services[i], &info);
        each(user, &info);
    }
}
