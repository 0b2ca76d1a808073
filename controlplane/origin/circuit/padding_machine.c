// SPDX-License-Identifier: BSD-3-Clause
// Padding machines at the origin.
#include "origin/circuit/padding_machine.h"

#include "base/cursor.h"

enum { VERSION = 0, STOP = 1, START = 2, RESPONSE_OK = 1, RESPONSE_ERROR = 2 };

bool padding_machine_start(struct padding_machine *m, enum padding_machine_type type,
                           uint8_t out[PADDING_NEGOTIATE_LEN])
{
    if (m->runs || m->failed)
        return false;
    m->negotiated = m->runs = true;
    m->type = (uint8_t)type;
    m->counter++;
    // The answer is not needed; it comes all the same.
    const uint8_t head[] = {VERSION, START, m->type, 0};
    struct writer w = writer_of(out, PADDING_NEGOTIATE_LEN);
    write_bytes(&w, head, sizeof(head));
    write_u32(&w, m->counter);
    return true;
}

unsigned padding_machine_cells(const struct padding_machine *m)
{
    return m->runs && m->type == PADDING_RENDEZVOUS ? 1 : 0;
}

bool padding_machine_take(struct padding_machine *m, unsigned hop, const uint8_t *body,
                          size_t length)
{
    struct reader r = reader_of(body, length);
    read_u8(&r); // version
    uint8_t command = read_u8(&r), response = read_u8(&r), type = read_u8(&r);
    uint32_t counter = read_u32(&r);
    if (!m->negotiated || hop != PADDING_HOP || r.failed || (command != START && command != STOP))
        return false;
    if (type != m->type || (counter != 0 && counter != m->counter)) // 0: whichever
        return true;                                                // of one before it
    if (command == START && response == RESPONSE_ERROR && m->runs)
        m->failed = true;
    if (command == STOP || response == RESPONSE_ERROR)
        m->runs = false;
    return true;
}

bool padding_machine_keeps(const struct padding_machine *m)
{
    return m->runs && m->type == PADDING_INTRODUCTION;
}
