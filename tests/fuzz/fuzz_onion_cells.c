// SPDX-License-Identifier: BSD-3-Clause
// Circuits that take roles: relay messages of onion services and others in any order on four
// circuits, some of them well-formed, with circuits that close and time that passes in between.
#include <string.h>

#include "../unit/onion/onion_desk.h"
#include "base/cursor.h"
#include "onion/relay/onion.h"

enum { CIRCUITS = 4, COOKIE_LEN = 20 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static struct desk *the_desk(void)
{
    static struct desk *desk;
    if (!desk) {
        desk_eal();
        desk = onion_desk_open();
    }
    return desk;
}

static void drain(struct desk *desk)
{
    while (desk->inbox_length)
        channel_free(desk->inbox[--desk->inbox_length]);
}

// One step, of the bytes that are left.
static void step(struct desk *desk, struct reader *r, struct handle ends[CIRCUITS])
{
    static const uint8_t commands[] = {
        RELAY_ESTABLISH_INTRO,
        RELAY_ESTABLISH_RENDEZVOUS,
        RELAY_INTRODUCE1,
        RELAY_RENDEZVOUS1,
        RELAY_INTRODUCE2,
        RELAY_RENDEZVOUS2,
        RELAY_INTRODUCE_ACK,
        RELAY_EXTEND2,
        RELAY_TRUNCATE,
        RELAY_BEGIN_DIR,
        RELAY_DATA,
        RELAY_SENDME,
        RELAY_DROP,
        RELAY_RENDEZVOUS_ESTABLISHED,
    };
    uint8_t what = read_u8(r), argument = read_u8(r), body[RELAY_BODY_MAX] = {0};
    size_t length = read_u16(r) % (RELAY_BODY_MAX + 1);
    struct handle end = ends[what % CIRCUITS];
    length = length < reader_left(r) ? length : reader_left(r);
    read_into(r, body, length);
    bool stands = circuit_at(desk, 0, end) != NULL;
    if (r->failed)
        return;
    switch (what / CIRCUITS % 8) {
    case 0: // the service's side, as it should be
        if (stands && length > 0 && length < 300) {
            uint8_t extensions[RELAY_BODY_MAX];
            memcpy(extensions, body, length);
            length = establish_intro(desk, end, argument % 2, extensions, length, body);
            say(desk, 0, end, RELAY_ESTABLISH_INTRO, body, length);
        }
        break;
    case 1:
        introduce1(argument % 3, argument, body, 57 + length % 434);
        say(desk, 0, end, RELAY_INTRODUCE1, body, 57 + length % 434);
        break;
    case 2:
    case 3:
        memset(body, argument % 2, COOKIE_LEN);
        say(desk, 0, end, what / CIRCUITS % 2 ? RELAY_RENDEZVOUS1 : RELAY_ESTABLISH_RENDEZVOUS,
            body, what / CIRCUITS % 2 ? COOKIE_LEN + length % 479 : COOKIE_LEN);
        break;
    case 4:
        desk_tell_closed(desk, 0, end, 0, DESTROY_FINISHED, argument % 2);
        break;
    case 5:
        desk->relay.uptime_s += argument * 4;
        onion_tick(&desk->relay);
        break;
    default:
        say(desk, 0, end, commands[argument % sizeof(commands)], body, length);
        break;
    }
    drain(desk);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct desk *desk = the_desk();
    struct reader r = reader_of(bytes, length);
    struct handle ends[CIRCUITS];
    for (unsigned i = 0; i < CIRCUITS; i++)
        ends[i] = desk_circuit(desk, i == 0 ? CLIENT : PREVIOUS);
    for (unsigned i = 0; i < 64 && reader_left(&r) > 0; i++)
        step(desk, &r, ends);
    circuit_table_close_all(desk->relay.circuits);
    desk_run(desk);
    drain(desk);
    const struct counters *c = &desk->relay.counters;
    if (circuit_table_count(desk->relay.circuits) != 0 || c->intro_points_open != 0 ||
        c->rendezvous_waiting != 0 || c->circuits_open != 0)
        __builtin_trap();
    return 0;
}
