// SPDX-License-Identifier: BSD-3-Clause
// A circuit that begins here, over up to five hops of any kind: their answers, right and wrong, and
// whatever else a hop may say, in any order, while its user sends, extends, meets a client or a
// service behind the last one, begins and accepts streams, and closes. Its user hears of its end
// once, and nothing is left.
//
// The input is {hops 1, kinds 2}, then steps: {what 1, hop 1, length 1, body}.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../unit/circuit/journey.h"
#include "base/cursor.h"
#include "stream/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

// Others are relay messages of that command, with a stream id that the body begins with.
enum {
    HOP_ANSWERS = 240, // the one that was asked; the body is added to the answer, from its start
    WRONG_HOP_ANSWERS,
    USER_SENDS,
    USER_EXTENDS,
    USER_BEGINS,
    USER_CLOSES,
    TURN,
    DESTROYED,
    CHANNEL_CLOSED,
    EARLY,
    USER_MEETS, // as the service if `hop` is odd
    USER_IS_CONNECTED,
};
enum { HOPS_MAX = 5 };

static struct desk *desk;
static struct journey *journey;
static struct stream *accepted; // the last one
static unsigned asked;          // 1: what asks a hop is in the desk's inbox

static struct desk *the_desk(void)
{
    static struct desk *made;
    if (!made) {
        desk_eal();
        made = desk_open();
    }
    return made;
}

static int produce(struct stream *s, uint8_t *out, size_t capacity)
{
    (void)s;
    memset(out, 'x', capacity);
    return (int)(capacity < 100 ? capacity : 100);
}

static void data(struct stream *s, const uint8_t *bytes, size_t length)
{
    (void)s;
    if (!bytes || length == 0 || length > RELAY_BODY_MAX)
        abort();
}

static void connected(struct stream *s, const uint8_t *body, size_t length)
{
    (void)s, (void)body;
    if (length > RELAY_BODY_MAX)
        abort();
}

static void closed(struct stream *s, enum end_reason reason)
{
    (void)reason;
    accepted = s == accepted ? NULL : accepted;
}

static const struct stream_ops ops = {.connected = connected,
                                      .resolved = connected,
                                      .data = data,
                                      .produce = produce,
                                      .closed = closed};

// By its id, one way or another.
static void accept_stream(struct circuit *c, uint16_t stream_id, const uint8_t *body, size_t length)
{
    if (!body || length > RELAY_BODY_MAX || stream_id == 0)
        abort();
    struct stream *s = stream_id % 8 ? stream_accept(c, stream_id, &ops, NULL) : NULL;
    if (!s && stream_id % 16)
        stream_refuse(c, stream_id, END_DONE);
    else if (s && stream_id % 8 == 1)
        stream_accepted(s, body, (uint16_t)length);
    else if (s && stream_id % 8 == 2)
        stream_close(s, END_TIMEOUT);
    else if (s)
        accepted = s;
}

// ---- what goes down

static void check_originate(const struct message *m, unsigned *early)
{
    *early += m->command == CELL_RELAY_EARLY;
    bool good = m->relay.hop >= 1 && m->relay.hop <= OWN_CIRCUIT_HOPS_MAX &&
                (m->command == 0 || m->command == CELL_RELAY_EARLY) &&
                (m->relay.command != RELAY_EXTEND2 || m->command == CELL_RELAY_EARLY);
    if (!good || *early > RELAY_EARLY_MAX || m->length > RELAY_BODY_MAX)
        abort();
}

// Forgets it all, but for what asks a hop.
static void drain(void)
{
    unsigned kept = 0;
    desk_turn(desk);
    for (unsigned i = 0; i < desk->inbox_length; i++) {
        struct message *m = desk->inbox[i];
        if (m->type == MSG_CIRCUIT_ORIGINATE && i >= asked)
            check_originate(m, &journey->early);
        bool asks = m->type == MSG_CIRCUIT_DIAL ||
                    (m->type == MSG_CIRCUIT_ORIGINATE && m->relay.command == RELAY_EXTEND2);
        if (asks && kept == 0 && journey->closed == 0)
            desk->inbox[kept++] = m;
        else
            channel_free(m);
    }
    desk->inbox_length = asked = kept;
}

// ---- steps

static bool is_gone(void)
{
    return journey->closed > 0 || own_circuit_is_gone(journey->circuit);
}

static void answer(unsigned hop, const uint8_t *wrong, size_t length)
{
    unsigned due = journey->built;
    if (!asked || is_gone())
        return;
    unsigned early = journey->early; // it was counted
    journey_take_request(journey, due);
    journey->early = early;
    asked = 0;
    for (size_t i = 0; i < length && i < sizeof(journey->answer.body); i++)
        journey->answer.body[i] ^= wrong[i];
    if (due > 0 && hop != due)
        desk_tell_relay_from(desk, 1, journey->end, hop, RELAY_EXTENDED2, 0, journey->answer.body,
                             journey->answer.body_length);
    else
        journey_tell_answer(journey, due);
}

static void user_extends(unsigned kind)
{
    unsigned next = is_gone() ? HOPS_MAX : own_circuit_path(journey->circuit)->n_hops;
    if (next >= HOPS_MAX)
        return;
    journey_make_far(journey, next, (enum relay_kind)(kind % KINDS));
    own_circuit_extend(journey->circuit, &journey->path.hops[next]);
}

static void hop_says(uint8_t command, unsigned hop, const uint8_t *body, size_t length, bool early)
{
    struct message *m = desk_up(desk, 1, MSG_CIRCUIT_RELAY);
    m->circuit = journey->end;
    m->command = early ? CELL_RELAY_EARLY : CELL_RELAY;
    m->relay.command = command;
    m->relay.hop = (uint8_t)hop;
    m->relay.stream_id = length > 0 ? body[0] : 0;
    m->relay.tag_length = 20;
    m->length = (uint16_t)(length > 0 ? length - 1 : 0);
    if (length > 1)
        memcpy(m->payload, body + 1, length - 1);
    desk_tell(desk, m);
}

static void step(struct reader *r)
{
    uint8_t what = read_u8(r), hop = read_u8(r), length = read_u8(r);
    const uint8_t *body = read_bytes(r, length);
    if (!body)
        return;
    switch (what) {
    case HOP_ANSWERS:
        answer(journey->built, body, length);
        break;
    case WRONG_HOP_ANSWERS:
        answer(hop, body, length);
        break;
    case USER_SENDS:
        if (!is_gone() && length > 0 && body[0] != RELAY_EXTEND2)
            own_circuit_send(journey->circuit, hop, body[0], body, length);
        break;
    case USER_EXTENDS:
        user_extends(hop);
        break;
    case USER_BEGINS:
        if (journey->closed == 0)
            (void)stream_begin(journey->circuit, RELAY_BEGIN, body, length, &ops, NULL);
        break;
    case USER_CLOSES:
        if (journey->closed == 0)
            own_circuit_close(journey->circuit, DESTROY_FINISHED);
        break;
    case USER_MEETS: {
        static const uint8_t material[128];
        if (!is_gone())
            (void)own_circuit_add_onion_layer(journey->circuit, material, hop & 1, length,
                                              hop & 1 ? accept_stream : NULL);
        break;
    }
    case USER_IS_CONNECTED:
        if (accepted)
            stream_accepted(accepted, body, length);
        break;
    case TURN:
        desk_turn(desk);
        break;
    case DESTROYED:
    case CHANNEL_CLOSED:
        desk_tell_closed(desk, 1, journey->end, journey->cookie, (enum destroy_reason)hop,
                         what == DESTROYED);
        break;
    default:
        hop_says(what == EARLY ? RELAY_DATA : what, hop, body, length, what == EARLY);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct reader r = reader_of(bytes, length);
    enum relay_kind kinds[HOPS_MAX];
    unsigned n = 1 + read_u8(&r) % HOPS_MAX, rest = read_u16(&r);
    for (unsigned i = 0; i < HOPS_MAX; i++, rest /= KINDS)
        kinds[i] = (enum relay_kind)(rest % KINDS);
    desk = the_desk();
    asked = 0;
    accepted = NULL;
    journey = journey_plan_at(desk, n, kinds);
    journey_begin(journey);
    drain();
    for (unsigned i = 0; i < 64 && reader_left(&r) > 0; i++) {
        step(&r);
        drain();
    }
    circuit_table_close_all(desk->relay.circuits);
    desk_turn(desk);
    desk_turn(desk);
    if (journey->closed != 1 || circuit_table_count(desk->relay.circuits) != 0 ||
        desk->links[FAR].circuits != 0)
        abort();
    while (desk->inbox_length)
        channel_free(desk->inbox[--desk->inbox_length]);
    free(journey);
    return 0;
}
