// SPDX-License-Identifier: BSD-3-Clause
// The rendezvous point: a client's circuit waits under a cookie until the service's circuit names
// it; then the workers make the two one path (protocol 7.20–7.23). Control thread only.
#pragma once

struct circuit;
struct message;
struct onion_table;

// Both answer on the circuit, or close it.
void rendezvous_take_establish(struct circuit *c, const struct message *m);
void rendezvous_take_rendezvous(struct circuit *c, const struct message *m);
// Closes circuits that have waited too long.
void rendezvous_tick(struct onion_table *t);
