// SPDX-License-Identifier: BSD-3-Clause
// What a new consensus means for the rest of the relay: the network's parameters, the protocols
// that it requires (6.34), whether it lists us (6.14), and what the origin knows of it. Control
// thread only.
#pragma once

struct relay;

// The store has another consensus in force.
void network_view_changed(struct relay *relay);
// … or more microdescriptors: more can be said of the relays that it lists.
void network_microdescriptors_came(struct relay *relay);
