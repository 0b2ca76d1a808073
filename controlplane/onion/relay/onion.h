// SPDX-License-Identifier: BSD-3-Clause
// The relay's part in onion services that lives on circuits: introduction point and rendezvous
// point (protocol 7.08–7.23). Control thread only.
#pragma once

#include <stdbool.h>

struct circuit;
struct message;
struct relay;
struct onion_table; // by authentication key and by cookie: which circuit

struct onion_table *onion_table_create(struct relay *relay); // NULL: no memory
void onion_table_free(struct onion_table *t);                // NULL is fine

// A relay message for us on a circuit that ends here. False: not one of these; nothing happened.
// The circuit may be closed when it returns true.
bool onion_take_relay_message(struct circuit *c, const struct message *m);
// The circuit goes: what it stood for goes with it, and the circuit that it was joined with.
void onion_circuit_closed(struct circuit *c);
// Forgets rendezvous cookies that nobody came for; every few seconds.
void onion_tick(struct relay *relay);
