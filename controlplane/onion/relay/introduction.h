// SPDX-License-Identifier: BSD-3-Clause
// The introduction point: a service's circuit waits under an authentication key, and what clients
// say to that key goes to it (protocol 7.08–7.19). Control thread only.
#pragma once

struct circuit;
struct message;

// Both answer on the circuit, or close it.
void introduction_take_establish(struct circuit *c, const struct message *m);
void introduction_take_introduce(struct circuit *c, const struct message *m);
