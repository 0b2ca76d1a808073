// SPDX-License-Identifier: BSD-3-Clause
// Segments made by hand, for tests that play the peer.
#include "sim.h"

#include <string.h>

#include "base/cursor.h"

size_t sim_write(uint8_t *packet, const struct sim_segment *segment)
{
    uint8_t options = (uint8_t)(segment->options_length + 3) & 0xfc;
    uint16_t total = (uint16_t)(40 + options + segment->payload_length);
    struct writer w = writer_of(packet, SIM_PACKET_MAX);

    write_u16(&w, 0x4500);
    write_u16(&w, total);
    write_u32(&w, 0x00004000); // id, DF
    write_u32(&w, 0x40060000); // TTL, TCP, checksum
    write_u32(&w, segment->from_ip);
    write_u32(&w, segment->to_ip);
    write_u16(&w, segment->from_port);
    write_u16(&w, segment->to_port);
    write_u32(&w, segment->seq);
    write_u32(&w, segment->ack);
    write_u8(&w, (uint8_t)((20 + options) / 4 << 4));
    write_u8(&w, segment->flags);
    write_u16(&w, segment->window);
    write_u32(&w, 0); // checksum, urgent
    write_bytes(&w, segment->options, segment->options_length);
    write_zeros(&w, (size_t)options - segment->options_length);
    write_bytes(&w, segment->payload, segment->payload_length);
    assert_false(w.failed);
    return total;
}
