// SPDX-License-Identifier: BSD-3-Clause
// Services and clients, as an introduction point sees them.
#include "onion_desk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cursor.h"
#include "crypto/digest.h"
#include "crypto/ed25519.h"
#include "onion/relay/onion.h"

struct desk *onion_desk_open(void)
{
    struct desk *desk = desk_open();
    desk->relay.uptime_s = 1;
    desk->relay.onion = onion_table_create(&desk->relay);
    assert_non_null(desk->relay.onion);
    return desk;
}

void onion_desk_close(struct desk *desk)
{
    struct onion_table *table = desk->relay.onion;
    circuit_table_close_all(desk->relay.circuits);
    assert_int_equal(desk->relay.counters.intro_points_open, 0);
    assert_int_equal(desk->relay.counters.rendezvous_waiting, 0);
    desk_close(desk);
    onion_table_free(table);
}

struct circuit *circuit_at(struct desk *desk, unsigned worker, struct handle end)
{
    return handle_map_get(&desk->relay.circuits->by_end[worker], end);
}

void say(struct desk *desk, unsigned worker, struct handle end, uint8_t command, const void *body,
         size_t length)
{
    struct message *m = desk_up(desk, worker, MSG_CIRCUIT_RELAY);
    m->circuit = end;
    m->command = CELL_RELAY;
    m->relay.command = command;
    m->length = (uint16_t)length;
    if (length)
        memcpy(m->payload, body, length);
    desk_tell(desk, m);
}

void expect_refused(struct desk *desk, struct handle end)
{
    desk_expect_close(desk, 0, end, DESTROY_PROTOCOL);
    desk_expect_nothing(desk);
}

static void service_key(uint8_t n, struct ed25519_key *key)
{
    const uint8_t seed[32] = {'s', n};
    ed25519_from_seed(seed, key);
}

size_t establish_intro(struct desk *desk, struct handle end, uint8_t n, const void *extensions,
                       size_t extensions_length, uint8_t body[RELAY_BODY_MAX])
{
    static const char prefix[] = "Tor establish-intro cell v1";
    uint8_t scratch[1024], *mac, *signature;
    struct ed25519_key key;
    service_key(n, &key);
    struct writer w = writer_of(body, RELAY_BODY_MAX), s = writer_of(scratch, sizeof(scratch));
    write_u8(&w, 2);
    write_u16(&w, 32);
    write_bytes(&w, key.public_key, 32);
    write_bytes(&w, extensions, extensions_length);
    write_u64(&s, 20);
    write_bytes(&s, circuit_at(desk, 0, end)->nonce, 20);
    write_bytes(&s, body, writer_length(&w));
    mac = write_room(&w, 32);
    assert_non_null(mac);
    sha3_256(scratch, writer_length(&s), mac);
    s = writer_of(scratch, sizeof(scratch));
    write_bytes(&s, prefix, strlen(prefix));
    write_bytes(&s, body, writer_length(&w));
    write_u16(&w, 64);
    signature = write_room(&w, 64);
    assert_non_null(signature);
    ed25519_sign(&key, scratch, writer_length(&s), signature);
    return writer_length(&w);
}

struct handle introduction_point(struct desk *desk, uint8_t n)
{
    static const uint8_t none = 0;
    uint8_t body[RELAY_BODY_MAX];
    struct handle end = desk_circuit(desk, PREVIOUS);
    size_t length = establish_intro(desk, end, n, &none, 1, body);
    say(desk, 0, end, RELAY_ESTABLISH_INTRO, body, length);
    desk_expect_originate(desk, 0, end, RELAY_INTRO_ESTABLISHED, 0, &none, 1);
    desk_expect_nothing(desk);
    return end;
}

void introduce1(uint8_t n, uint8_t what, uint8_t *body, size_t length)
{
    struct ed25519_key key;
    service_key(n, &key);
    struct writer w = writer_of(body, length);
    write_zeros(&w, 20);
    write_u8(&w, 2);
    write_u16(&w, 32);
    write_bytes(&w, key.public_key, 32);
    write_u8(&w, 0);
    assert_false(w.failed);
    memset(w.at, what, (size_t)(w.end - w.at));
}
