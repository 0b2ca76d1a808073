// SPDX-License-Identifier: BSD-3-Clause
// Which stream sends next: circuits in turns, and the streams of each in turns. A turn of the loop
// sends but so much, so that handshakes are not kept waiting; and what can't be sent soon is not
// asked for, so that bytes wait with their users and not in the worker's cells.
#include <stdlib.h>

#include <uv.h>

#include "stream/stream_internal.h"

enum {
    CELLS_PER_TURN = 256,
    CELLS_AT_A_TIME = 8, // of one circuit
    ENDED_PER_TURN = 256,
    PACER_MS = 10,
};

static void start(struct streams *all);

// ---- who can send

static bool stream_can_send(const struct stream *s)
{
    return s->of && s->wants && (s->connected || s->begun_with) && s->ops && s->ops->produce &&
           !s->xoff && !s->paced && (s->of->circuit->congestion_control || s->window > 0);
}

static bool circuit_can_send(struct circuit_streams *of)
{
    enum circuit_state state = of->circuit->state;
    return !TAILQ_EMPTY(&of->sending) && !of->awaits_drained &&
           (state == CIRCUIT_OPEN || state == CIRCUIT_EXTENDED) && flow_open(of);
}

void pump_circuit(struct circuit_streams *of)
{
    if (of->ready || !circuit_can_send(of))
        return;
    TAILQ_INSERT_TAIL(&of->all->ready, of, ready_entry);
    of->ready = true;
    start(of->all);
}

void pump_stream(struct stream *s)
{
    if (s->queued || !stream_can_send(s))
        return;
    TAILQ_INSERT_TAIL(&s->of->sending, s, entry);
    s->queued = true;
    pump_circuit(s->of);
}

static void leave_queue(struct stream *s)
{
    if (s->queued)
        TAILQ_REMOVE(&s->of->sending, s, entry);
    s->queued = false;
}

void pump_forget_stream(struct stream *s)
{
    leave_queue(s);
    if (s->paced)
        TAILQ_REMOVE(&s->of->all->paced, s, paced_entry);
    s->paced = false;
}

void pump_forget_circuit(struct circuit_streams *of)
{
    if (of->ready)
        TAILQ_REMOVE(&of->all->ready, of, ready_entry);
    of->ready = false;
}

// ---- the rate that the other side has asked for (4.14, 4.16)

static void refill(struct stream *s, uint64_t now_us)
{
    uint64_t passed_us = now_us - s->tokens_at_us;
    uint64_t burst = s->rate_bytes; // of a second
    uint64_t more = passed_us >= 1000000 ? burst : s->rate_bytes * passed_us / 1000000;
    if (more == 0)
        return; // the time is kept until it is worth a byte
    s->tokens_at_us = now_us;
    s->tokens_bytes += (int64_t)more;
    if (s->tokens_bytes > (int64_t)burst)
        s->tokens_bytes = (int64_t)burst;
}

static void pace(uv_timer_t *timer)
{
    struct streams *all = timer->data;
    uint64_t now_us = all->now_us();
    for (struct stream *s = TAILQ_FIRST(&all->paced), *next; s; s = next) {
        next = TAILQ_NEXT(s, paced_entry);
        refill(s, now_us);
        if (s->tokens_bytes <= 0)
            continue;
        TAILQ_REMOVE(&all->paced, s, paced_entry);
        s->paced = false;
        pump_stream(s);
    }
    if (TAILQ_EMPTY(&all->paced))
        uv_timer_stop(timer);
}

static void take_tokens(struct stream *s, unsigned bytes)
{
    struct streams *all = s->of->all;
    if (s->rate_bytes == 0)
        return;
    refill(s, all->now_us());
    s->tokens_bytes -= bytes;
    if (s->tokens_bytes > 0)
        return;
    s->paced = true;
    TAILQ_INSERT_TAIL(&all->paced, s, paced_entry);
    if (!uv_is_active((uv_handle_t *)all->pacer))
        uv_timer_start(all->pacer, pace, PACER_MS, PACER_MS);
}

void pump_set_rate(struct stream *s, uint64_t bytes_per_s)
{
    s->rate_bytes = bytes_per_s;
    s->tokens_bytes = (int64_t)bytes_per_s;
    s->tokens_at_us = s->of->all->now_us();
    if (s->paced) {
        TAILQ_REMOVE(&s->of->all->paced, s, paced_entry);
        s->paced = false;
    }
}

// ---- sending

static unsigned undrained_max(const struct streams *all)
{
    unsigned each = UNDRAINED_TOTAL_CELLS / (all->n_circuits > 0 ? all->n_circuits : 1);
    if (each > UNDRAINED_MAX_CELLS)
        return UNDRAINED_MAX_CELLS;
    return each < UNDRAINED_MIN_CELLS ? UNDRAINED_MIN_CELLS : each;
}

static void send_data(struct stream *s, struct message *m)
{
    struct circuit_streams *of = s->of;
    m->relay.command = RELAY_DATA;
    m->relay.stream_id = s->id;
    m->relay.hop = of->hop;
    flow_sent(of, m);
    if (++of->undrained_cells >= undrained_max(of->all)) {
        m->relay.tell |= ORIGINATE_TELL_DRAINED;
        of->undrained_cells = 0;
        of->awaits_drained = true;
    }
    if (of->circuit->congestion_control)
        stream_note_sent(s, m->length);
    else
        s->window--;
    of->all->relay->counters.stream_cells_sent++;
    take_tokens(s, m->length);
    circuit_send(of->circuit, m);
}

// Asks the first of the circuit's streams for a cell.
static void send_one(struct circuit_streams *of)
{
    struct stream *s = TAILQ_FIRST(&of->sending);
    struct message *m =
        circuit_message(of->circuit, circuit_holder(of->circuit), MSG_CIRCUIT_ORIGINATE);
    unsigned room = flow_room(of);
    leave_queue(s);
    s->wants = false; // unless it says so
    int n = s->ops->produce(s, m->payload, room);
    if (s->of && n > 0 && (unsigned)n <= room) {
        m->length = (uint16_t)n;
        s->wants = true;
        send_data(s, m);
        pump_stream(s);
        return;
    }
    channel_free(m); // nothing came, or it was closed meanwhile
    if (n != 0)
        stream_close(s, n == STREAM_END ? END_DONE : END_INTERNAL);
}

static unsigned send_some(struct circuit_streams *of, unsigned most)
{
    unsigned n = 0;
    for (; n < most && circuit_can_send(of); n++)
        send_one(of);
    pump_circuit(of); // behind the others
    return n;
}

static void tell_ended(struct streams *all, unsigned most)
{
    for (unsigned n = 0; n < most && !TAILQ_EMPTY(&all->ended); n++) {
        struct stream *s = TAILQ_FIRST(&all->ended);
        TAILQ_REMOVE(&all->ended, s, entry);
        if (s->ops)
            s->ops->closed(s, s->reason);
        all->n_streams--;
        free(s);
    }
}

static void turn(uv_idle_t *idle)
{
    struct streams *all = idle->data;
    tell_ended(all, ENDED_PER_TURN);
    for (unsigned left = CELLS_PER_TURN; left > 0 && !TAILQ_EMPTY(&all->ready);) {
        struct circuit_streams *of = TAILQ_FIRST(&all->ready);
        pump_forget_circuit(of);
        unsigned n = send_some(of, left < CELLS_AT_A_TIME ? left : CELLS_AT_A_TIME);
        left -= n > 0 ? n : 1;
    }
    if (TAILQ_EMPTY(&all->ready) && TAILQ_EMPTY(&all->ended))
        uv_idle_stop(idle);
}

static void start(struct streams *all)
{
    if (!uv_is_active((uv_handle_t *)all->idle))
        uv_idle_start(all->idle, turn);
}

void pump_wake(struct streams *all)
{
    start(all);
}

// ---- life

static void handle_closed(uv_handle_t *handle)
{
    free(handle);
}

bool pump_create(struct streams *all)
{
    TAILQ_INIT(&all->ready);
    TAILQ_INIT(&all->ended);
    TAILQ_INIT(&all->paced);
    all->idle = calloc(1, sizeof(*all->idle));
    all->pacer = calloc(1, sizeof(*all->pacer));
    if (!all->idle || !all->pacer) {
        free(all->idle);
        free(all->pacer);
        return false;
    }
    uv_idle_init(all->relay->loop, all->idle);
    uv_timer_init(all->relay->loop, all->pacer);
    all->idle->data = all->pacer->data = all;
    return true;
}

void pump_free(struct streams *all)
{
    tell_ended(all, UINT32_MAX);
    uv_idle_stop(all->idle);
    uv_timer_stop(all->pacer);
    uv_close((uv_handle_t *)all->idle, handle_closed);
    uv_close((uv_handle_t *)all->pacer, handle_closed);
}
