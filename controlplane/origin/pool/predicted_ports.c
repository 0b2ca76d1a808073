// SPDX-License-Identifier: BSD-3-Clause
// Which ports applications will want.
#include "origin/pool/predicted_ports.h"

void predicted_ports_begin(struct predicted_ports *p, uint64_t now_ms, uint64_t relevance_ms)
{
    *p = (struct predicted_ports){.relevance_ms = relevance_ms};
    predicted_ports_note(p, 443, now_ms);
    predicted_ports_note(p, 80, now_ms);
}

static struct predicted_port *place_for(struct predicted_ports *p, uint16_t port)
{
    struct predicted_port *oldest = &p->list[0];
    for (unsigned i = 0; i < p->n; i++) {
        if (p->list[i].port == port)
            return &p->list[i];
        if (p->list[i].used_ms < oldest->used_ms)
            oldest = &p->list[i];
    }
    return p->n < PREDICTED_PORTS_MAX ? &p->list[p->n++] : oldest;
}

void predicted_ports_note(struct predicted_ports *p, uint16_t port, uint64_t now_ms)
{
    *place_for(p, port) = (struct predicted_port){.port = port, .used_ms = now_ms};
    p->last_ms = now_ms;
}

void predicted_ports_note_internal(struct predicted_ports *p, uint64_t now_ms)
{
    p->internal = true;
    p->internal_used_ms = p->last_ms = now_ms;
}

void predicted_ports_expire(struct predicted_ports *p, uint64_t now_ms)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < p->n; i++)
        if (now_ms - p->list[i].used_ms <= p->relevance_ms)
            p->list[kept++] = p->list[i];
    p->n = kept;
    p->internal = p->internal && now_ms - p->internal_used_ms <= p->relevance_ms;
}

bool predicted_ports_any(const struct predicted_ports *p)
{
    return p->n > 0 || p->internal;
}

uint64_t predicted_ports_left_ms(const struct predicted_ports *p, uint64_t now_ms)
{
    uint64_t since = now_ms - p->last_ms;
    return since < p->relevance_ms ? p->relevance_ms - since : 0;
}
