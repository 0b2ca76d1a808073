// SPDX-License-Identifier: BSD-3-Clause
// Which ports applications will want, as far as the last hour tells (protocol 9.23). Control thread
// only; times are origin_now_ms.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { PREDICTED_PORTS_MAX = 32 };

struct predicted_port {
    uint16_t port;
    uint64_t used_ms;
};

struct predicted_ports {
    unsigned n;
    struct predicted_port list[PREDICTED_PORTS_MAX];
    bool internal; // onion services
    uint64_t internal_used_ms;
    uint64_t last_ms;      // of all uses
    uint64_t relevance_ms; // for how long a use counts
};

// Begins with 443 and 80. `relevance_ms` is used again when nothing is predicted any more.
void predicted_ports_begin(struct predicted_ports *p, uint64_t now_ms, uint64_t relevance_ms);
// A port was used; when there is no room, that which was used longest ago is forgotten.
void predicted_ports_note(struct predicted_ports *p, uint16_t port, uint64_t now_ms);
void predicted_ports_note_internal(struct predicted_ports *p, uint64_t now_ms);
// Forgets what was used too long ago.
void predicted_ports_expire(struct predicted_ports *p, uint64_t now_ms);
bool predicted_ports_any(const struct predicted_ports *p);
// How long circuits will still be built ahead, when nothing more is used.
uint64_t predicted_ports_left_ms(const struct predicted_ports *p, uint64_t now_ms);
