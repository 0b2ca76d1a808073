// SPDX-License-Identifier: BSD-3-Clause
// What a new consensus means for the rest of the relay: the network's parameters, the protocols
// that it requires of relays (6.34), and whether it lists us (6.14). Control thread only.
#pragma once

struct relay;

// The store has another consensus in force.
void network_view_changed(struct relay *relay);
