// SPDX-License-Identifier: BSD-3-Clause
// The consensus's parameters, and who is told when they change.
#include "dir/parameters.h"

#include <stdlib.h>
#include <string.h>

#include "base/channel.h"
#include "base/log.h"
#include "netdoc/consensus.h"
#include "relay.h"

struct parameter_store {
    struct parameters values;
    void (*listeners[PARAMETERS_LISTENERS_MAX])(struct relay *relay);
    unsigned n_listeners;
};

static const struct parameters defaults = {
#define PARAMETER_DEFAULT(field, name, otherwise, least, most) .field = (otherwise),
    PARAMETERS(PARAMETER_DEFAULT)
#undef PARAMETER_DEFAULT
};

static int32_t at_least(int32_t value, int32_t least)
{
    return value < least ? least : value;
}

void parameters_read(const struct consensus *consensus, struct parameters *out)
{
    *out = defaults;
    if (consensus == NULL)
        return;
#define PARAMETER_READ(field, name, otherwise, least, most)                                        \
    out->field = consensus_parameter(consensus, name, otherwise, least, most);
    PARAMETERS(PARAMETER_READ)
#undef PARAMETER_READ
    // Where one bounds another, or is its default.
    out->queue_max_cells_out = consensus_parameter(consensus, "circ_max_cell_queue_size_out",
                                                   out->queue_max_cells, 50, INT32_MAX);
    out->padding_high_ms = at_least(out->padding_high_ms, out->padding_low_ms);
    out->padding_high_reduced_ms =
        at_least(out->padding_high_reduced_ms, out->padding_low_reduced_ms);
    if (out->onion_key_grace_days > out->onion_key_rotation_days)
        out->onion_key_grace_days = out->onion_key_rotation_days;
    if (out->bias_scale_factor > out->bias_scale_divisor)
        out->bias_scale_factor = out->bias_scale_divisor;
    if (out->cc_algorithm != CC_ALGORITHM_SENDME && out->cc_algorithm != CC_ALGORITHM_VEGAS)
        out->cc_algorithm = CC_ALGORITHM_VEGAS; // the others were never deployed
}

struct parameter_store *parameters_create(struct relay *relay)
{
    (void)relay;
    struct parameter_store *p = calloc(1, sizeof(*p));
    if (p != NULL)
        p->values = defaults;
    return p;
}

void parameters_free(struct parameter_store *p)
{
    free(p);
}

const struct parameters *parameters_of(const struct relay *relay)
{
    return relay->parameters != NULL ? &relay->parameters->values : &defaults;
}

void parameters_listen(struct relay *relay, void (*changed)(struct relay *relay))
{
    struct parameter_store *p = relay->parameters;
    if (p != NULL && p->n_listeners < PARAMETERS_LISTENERS_MAX)
        p->listeners[p->n_listeners++] = changed;
    changed(relay);
}

static void tell_workers(struct relay *relay, const struct parameters *now)
{
    for (unsigned i = 0; i < relay->n_workers; i++) {
        struct message *m = channel_message_down(relay->channels[i], MSG_PARAMETERS);
        m->parameters = (struct worker_parameters){
            .priority_half_life_ms = (uint32_t)now->priority_half_life_ms,
            .queue_max_cells = (uint32_t)now->queue_max_cells,
            .queue_max_cells_out = (uint32_t)now->queue_max_cells_out,
        };
        channel_send_down(relay->channels[i], m);
    }
}

void parameters_update(struct relay *relay, const struct consensus *consensus)
{
    struct parameter_store *p = relay->parameters;
    struct parameters now;
    parameters_read(consensus, &now);
    if (p == NULL || memcmp(&now, &p->values, sizeof(now)) == 0)
        return;
    p->values = now;
    log_info("the consensus changed parameters of the network");
    tell_workers(relay, &now);
    for (unsigned i = 0; i < p->n_listeners; i++)
        p->listeners[i](relay);
}
