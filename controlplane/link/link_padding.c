// SPDX-License-Identifier: BSD-3-Clause
// Padding of client links against netflow records (protocol 1.35, 1.36; padding-spec 2).
//
// The control thread doesn't see when a link's last cell went out, so a busy link is padded too:
// some 90 bytes/s, which leaks nothing that silence would hide.
#include "link/link_internal.h"

#include <string.h>
#include <uv.h>

#include "base/cursor.h"
#include "crypto/random.h"
#include "dir/parameters.h"

enum {
    PADDING_LINK_VERSION = 5,
    NEGOTIATE_VERSION = 0,
    NEGOTIATE_STOP = 1,
    NEGOTIATE_START = 2,
};

// The larger of two uniform draws, so that with both ends padding the mean is the middle.
static uint32_t draw_timeout_ms(const struct link *link)
{
    uint32_t range = (uint32_t)(link->padding_high_ms - link->padding_low_ms) + 1;
    uint32_t a = random_uniform(range), b = random_uniform(range);
    return link->padding_low_ms + (a > b ? a : b);
}

static void schedule(struct link *link, uint64_t now_ms)
{
    struct link_table *table = link->table;
    link->padding_next_ms = now_ms + draw_timeout_ms(link);
    uint64_t slot = link->padding_next_ms / LINK_PADDING_SLOT_MS % LINK_PADDING_SLOTS;
    LIST_INSERT_HEAD(&table->padded[slot], link, padding_entry);
}

static void on_timer(uv_timer_t *timer)
{
    struct link_table *table = timer->data;
    link_padding_run(table, link_now_ms(table));
}

static void start(struct link *link)
{
    struct link_table *table = link->table;
    uint64_t now_ms = link_now_ms(table);
    if (link->padding_next_ms != 0)
        return;
    if (table->n_padded++ == 0) {
        table->padding_slot = now_ms / LINK_PADDING_SLOT_MS;
        uv_timer_start(table->padding_timer, on_timer, LINK_PADDING_SLOT_MS, LINK_PADDING_SLOT_MS);
    }
    schedule(link, now_ms);
}

// Between relays there is none unless nf_pad_relays is set; a range of nothing turns all off.
static bool may_pad(const struct link *link, const struct parameters *p)
{
    bool between_relays = link->authenticated && link->table->context != NULL;
    return (!between_relays || p->padding_relays) &&
           (p->padding_low_ms > 0 || p->padding_high_ms > 0);
}

// Links that only directory requests use are not padded by those who make them.
void link_used_by_client(struct link *link)
{
    if (!link->table->context && link->state == LINK_OPEN)
        link_padding_start(link);
}

void link_padding_start(struct link *link)
{
    const struct parameters *p = parameters_of(link->table->relay);
    if (link->version < PADDING_LINK_VERSION || !may_pad(link, p))
        return;
    link->padding_low_ms = (uint16_t)p->padding_low_ms;
    link->padding_high_ms = (uint16_t)p->padding_high_ms;
    start(link);
}

void link_padding_stop(struct link *link)
{
    struct link_table *table = link->table;
    if (link->padding_next_ms == 0)
        return;
    LIST_REMOVE(link, padding_entry);
    link->padding_next_ms = 0;
    if (--table->n_padded == 0)
        uv_timer_stop(table->padding_timer);
}

void link_padding_negotiate(struct link *link, const uint8_t body[CELL_BODY_LEN])
{
    struct counters *counters = &link->table->relay->counters;
    const struct parameters *p = parameters_of(link->table->relay);
    if (!link->table->context)
        return; // clients pad as they like (1.35)
    struct reader r = reader_of(body, CELL_BODY_LEN);
    uint8_t version = read_u8(&r);
    uint8_t command = read_u8(&r);
    uint16_t low_ms = read_u16(&r);
    uint16_t high_ms = read_u16(&r);
    if (link->version < PADDING_LINK_VERSION || version != NEGOTIATE_VERSION ||
        (command != NEGOTIATE_STOP && command != NEGOTIATE_START)) {
        counters->drop_padding_negotiate++;
        return;
    }
    counters->padding_negotiated++;
    link_padding_stop(link);
    link->padding_low_ms = low_ms > p->padding_low_ms ? low_ms : (uint16_t)p->padding_low_ms;
    link->padding_high_ms = high_ms > link->padding_low_ms ? high_ms : link->padding_low_ms;
    if (command == NEGOTIATE_START && may_pad(link, p))
        start(link);
}

static void send_padding(struct link *link)
{
    static const uint8_t cell[CELL_LEN] = {[CELL_CIRCID_LEN] = CELL_PADDING};
    connection_send(link->connection, cell, sizeof cell);
    link->table->relay->counters.padding_sent++;
}

// Visits the slots that time has passed. A link may be in its slot a round or more too early.
void link_padding_run(struct link_table *table, uint64_t now_ms)
{
    uint64_t last = now_ms / LINK_PADDING_SLOT_MS;
    if (last - table->padding_slot > LINK_PADDING_SLOTS)
        table->padding_slot = last - LINK_PADDING_SLOTS;
    for (; table->padding_slot < last; table->padding_slot++) {
        struct link_list *slot = &table->padded[table->padding_slot % LINK_PADDING_SLOTS];
        for (struct link *link = LIST_FIRST(slot), *next; link; link = next) {
            next = LIST_NEXT(link, padding_entry);
            if (link->padding_next_ms > now_ms)
                continue;
            LIST_REMOVE(link, padding_entry);
            send_padding(link);
            schedule(link, now_ms);
        }
    }
}
