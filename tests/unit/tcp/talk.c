// SPDX-License-Identifier: BSD-3-Clause
// The two programs of talk.h.
#include "talk.h"

#include <string.h>

uint8_t talk_byte(uint8_t salt, uint64_t at)
{
    return (uint8_t)(salt + at + (at >> 8) * 3 + (at >> 16) * 7);
}

void talk_open(struct talk *talk, struct sim *sim)
{
    struct address local = sim_address(1, SIM_PORT);

    *talk = (struct talk){.sim = sim};
    for (unsigned i = 0; i < 2; i++)
        talk->ends[i] = (struct talk_end){
            .stack = sim->hosts[i].stack,
            .salt = (uint8_t)i,
            .close_on_fin = true,
        };
    sim->app = talk_app;
    sim->app_arg = talk;
    assert_int_equal(tcp_listen(sim->hosts[1].stack, &local), 0);
}

void talk_connect(struct talk *talk)
{
    struct address local = sim_address(0, 0);
    struct address remote = sim_address(1, SIM_PORT);

    talk->ends[0].conn = tcp_connect(talk->ends[0].stack, &local, &remote, &talk->ends[0]);
    assert_non_null(talk->ends[0].conn);
}

bool talk_established(void *arg)
{
    struct talk *talk = arg;
    return talk->ends[0].connected && talk->ends[1].accepted;
}

void talk_establish(struct talk *talk)
{
    talk_connect(talk);
    sim_run_until(talk->sim, talk_established, talk, 60 * SIM_SECOND);
}

bool talk_all_received(void *arg)
{
    struct talk *talk = arg;
    return talk->ends[0].received == talk->ends[1].to_send &&
           talk->ends[1].received == talk->ends[0].to_send;
}

bool talk_both_closed(void *arg)
{
    struct talk *talk = arg;
    return talk->ends[0].closed && talk->ends[1].closed;
}

static void take_event(struct talk_end *end, const struct tcp_event *event)
{
    assert_int_not_equal(event->events, 0);
    if (event->events & TCP_EVENT_ACCEPTED) {
        assert_null(end->conn);
        end->accepted = true;
        end->conn = event->conn;
        tcp_set_user(end->conn, end);
    } else {
        assert_ptr_equal(event->user, end);
    }
    assert_ptr_equal(event->conn, end->conn);
    if (event->events & TCP_EVENT_CONNECTED)
        end->connected = true;
    if (event->events & TCP_EVENT_PEER_FIN)
        end->peer_fin = true;
    if (event->events & TCP_EVENT_WRITABLE)
        end->writable_events++;
    if (event->events & (TCP_EVENT_WRITABLE | TCP_EVENT_ACCEPTED | TCP_EVENT_CONNECTED))
        end->told = true;
    if (event->events & TCP_EVENT_CLOSED) {
        end->closed++;
        end->reason = event->reason;
        end->conn = NULL;
    }
}

static void read_all(struct talk_end *end)
{
    size_t offset = 0, length, total = tcp_readable(end->conn);
    const uint8_t *bytes;

    while ((bytes = tcp_peek(end->conn, offset, &length))) {
        for (size_t i = 0; i < length && !end->unchecked; i++)
            if (bytes[i] != talk_byte((uint8_t)(1 - end->salt), end->received + i))
                fail_msg("byte %llu is wrong", (unsigned long long)(end->received + i));
        offset += length;
        end->received += length;
    }
    assert_int_equal(offset, total);
    if (total)
        tcp_consume(end->conn, total);
}

static size_t write_piece(struct talk_end *end, size_t length)
{
    size_t done = 0;
    while (done < length) {
        size_t room = length - done;
        uint8_t *span = tcp_write_span(end->conn, &room);
        if (!span)
            break;
        assert_true(room > 0 && room <= length - done);
        for (size_t i = 0; i < room; i++)
            span[i] = talk_byte(end->salt, end->sent + i);
        tcp_write_commit(end->conn, room);
        done += room;
        end->sent += room;
    }
    return done;
}

static void write_all(struct talk_end *end)
{
    while (end->sent < end->to_send) {
        size_t room = RTE_MIN(end->to_send - end->sent, (uint64_t)(end->records ? 5000 : 20000));
        if (end->late)
            room = RTE_MIN(room, tcp_writable(end->conn));
        if (room == 0)
            break;
        if (end->records) {
            if (!tcp_write_reserve(end->conn, room))
                break;
            assert_int_equal(write_piece(end, room), room);
        } else if (write_piece(end, room) < room) {
            break;
        }
    }
    tcp_push(end->conn);
}

static void act(struct talk_end *end)
{
    if (!end->paused)
        read_all(end);
    if (end->sent < end->to_send && (!end->patient || end->told)) {
        end->told = false;
        write_all(end);
    }
    bool finished = end->close_when_sent && end->sent == end->to_send;
    if (finished || (end->close_on_fin && end->peer_fin && !tcp_readable(end->conn)))
        tcp_close(end->conn);
}

void talk_app(struct sim *sim, void *arg)
{
    struct talk *talk = arg;
    (void)sim;
    for (unsigned i = 0; i < 2; i++) {
        struct talk_end *end = &talk->ends[i];
        struct tcp_event event;
        while (end->stack && tcp_next_event(end->stack, &event))
            take_event(end, &event);
        if (end->conn && (end->accepted || end->connected))
            act(end);
    }
}
