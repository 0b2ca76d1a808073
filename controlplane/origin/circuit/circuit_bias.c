// SPDX-License-Identifier: BSD-3-Clause
// Path bias: what becomes of circuits is counted with their guard, which could let live only those
// that lead to relays of its friends (guard-spec/path-bias). One that somebody tried to use and
// could not is asked, before it goes, for an address that no exit connects to: only a circuit that
// works can bring back what the exit says to that.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/random.h"
#include "origin/circuit/origin_circuit_internal.h"
#include "stream/stream.h"

enum { PROBE_PORT = 25 };

struct circuit_probe {
    struct origin_circuit *oc; // NULL: the circuit is gone
    uint8_t address[4];
};

// Not where others had their part in the choice of the path: who chooses introduction or rendezvous
// points could make a guard look bad.
static bool counts(struct origin_circuit *oc)
{
    oc->bias_ignored |= !oc->guard || own_circuit_path(oc->circuit)->n_hops == 1 ||
                        oc->purpose == ORIGIN_CLIENT_INTRO || oc->purpose == ORIGIN_SERVICE_REND;
    return !oc->bias_ignored;
}

static void advance(struct origin_circuit *oc, enum bias_state state, enum guard_path_count what)
{
    oc->bias = state;
    guard_use_count(oc->guard, what);
}

void bias_attempted(struct origin_circuit *oc)
{
    if (counts(oc) && oc->bias == BIAS_NEW)
        advance(oc, BIAS_ATTEMPTED, GUARD_CIRCUIT_ATTEMPT);
}

void bias_built(struct origin_circuit *oc)
{
    if (counts(oc) && oc->bias == BIAS_ATTEMPTED)
        advance(oc, BIAS_BUILT, GUARD_CIRCUIT_SUCCESS);
}

void bias_timed_out(struct origin_circuit *oc)
{
    if (counts(oc) && oc->bias != BIAS_USE_SUCCEEDED)
        guard_use_count(oc->guard, GUARD_CIRCUIT_TIMEOUT);
}

void origin_circuit_note_use(struct origin_circuit *oc, bool succeeded)
{
    if (!counts(oc) || oc->bias < BIAS_BUILT || oc->bias > BIAS_USE_SUCCEEDED)
        return;
    if (oc->bias == BIAS_BUILT)
        advance(oc, BIAS_USE_ATTEMPTED, GUARD_USE_ATTEMPT);
    if (succeeded)
        oc->bias = BIAS_USE_SUCCEEDED; // counted when it closes
}

void origin_circuit_note_detached(struct origin_circuit *oc)
{
    if (oc->bias == BIAS_USE_SUCCEEDED)
        oc->bias = BIAS_USE_ATTEMPTED;
}

// Whoever closes what was never used could not bear its path.
static void closed_unused(struct origin_circuit *oc, enum destroy_reason reason, bool by_network)
{
    bool collapsed = by_network || reason == DESTROY_CHANNEL_CLOSED;
    guard_use_count(oc->guard, collapsed ? GUARD_CIRCUIT_COLLAPSED : GUARD_CIRCUIT_CLOSED);
}

void bias_closed(struct origin_circuit *oc, enum destroy_reason reason, bool by_network)
{
    bias_forget_probe(oc);
    // The second hop's answer came, and was wrong.
    if (oc->bias == BIAS_NEW && own_circuit_hops_built(oc->circuit) == 1 && !by_network &&
        reason == DESTROY_PROTOCOL)
        bias_attempted(oc);
    if (!counts(oc))
        return;
    switch (oc->bias) {
    case BIAS_BUILT:
        closed_unused(oc, reason, by_network);
        break;
    case BIAS_USE_ATTEMPTED:
    case BIAS_USE_FAILED:
        guard_use_count(oc->guard, GUARD_CIRCUIT_UNUSABLE);
        break;
    case BIAS_USE_SUCCEEDED:
        guard_use_count(oc->guard, GUARD_CIRCUIT_CLOSED);
        guard_use_count(oc->guard, GUARD_USE_SUCCESS);
        break;
    default:
        break;
    }
    oc->bias = BIAS_COUNTED;
}

// ---- the probe

static void probe_ends(struct circuit_probe *probe, bool good)
{
    struct origin_circuit *oc = probe->oc;
    if (!oc)
        return;
    oc->bias = good ? BIAS_USE_SUCCEEDED : BIAS_USE_FAILED;
    own_circuit_close(oc->circuit, DESTROY_FINISHED);
}

static void probe_connected(struct stream *s, const uint8_t *body, size_t length)
{
    (void)body, (void)length;
    probe_ends(stream_user(s), false); // nobody can have
}

static int probe_produce(struct stream *s, uint8_t *out, size_t capacity)
{
    (void)s, (void)out, (void)capacity;
    return 0;
}

static void probe_data(struct stream *s, const uint8_t *bytes, size_t length)
{
    (void)s, (void)bytes, (void)length;
}

static void probe_closed(struct stream *s, enum end_reason reason)
{
    struct circuit_probe *probe = stream_user(s);
    size_t length = 0;
    const uint8_t *body = stream_end_body(s, &length);
    bool good = reason == END_EXITPOLICY && body && length >= 1 + sizeof(probe->address) + 4 &&
                memcmp(body + 1, probe->address, sizeof(probe->address)) == 0;
    if (probe->oc)
        probe->oc->probe = NULL;
    probe_ends(probe, good);
    free(probe);
}

static const struct stream_ops probe_ops = {
    .connected = probe_connected,
    .data = probe_data,
    .produce = probe_produce,
    .closed = probe_closed,
};

bool bias_probe(struct origin_circuit *oc)
{
    char host[32];
    if (!counts(oc) || oc->bias != BIAS_USE_ATTEMPTED || oc->probe)
        return false;
    struct circuit_probe *probe = calloc(1, sizeof(*probe));
    if (!probe)
        return false;
    random_bytes(probe->address + 1, 3); // 0.x.y.z is nobody's
    int length = snprintf(host, sizeof(host), "0.%u.%u.%u:%u", probe->address[1], probe->address[2],
                          probe->address[3], PROBE_PORT);
    if (!stream_begin(oc->circuit, RELAY_BEGIN, host, (uint16_t)(length + 1), &probe_ops, probe)) {
        free(probe);
        return false;
    }
    probe->oc = oc;
    oc->probe = probe;
    return true;
}

void bias_forget_probe(struct origin_circuit *oc)
{
    if (oc->probe)
        oc->probe->oc = NULL; // it is freed with its stream
    oc->probe = NULL;
}
