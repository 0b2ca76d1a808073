// SPDX-License-Identifier: BSD-3-Clause
// Looks through the relay's CGO layers. A flow is one direction of a circuit: circuit << 1 |
// backward. Its cells hang on one another, but only by their first 16 bytes: those can be told when
// the cell before was seen, too, the rest always.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cell.h"
#include "crypto/cgo.h"

struct cgo_flows;

// NULL without memory.
struct cgo_flows *cgo_flows_create(unsigned circuits);
void cgo_flows_destroy(struct cgo_flows *f);
void cgo_flows_set(struct cgo_flows *f, unsigned circuit, const uint8_t material[CGO_MATERIAL_LEN]);
// The relay's EXTENDED2, which changes the keys. False: it is none.
bool cgo_flows_extended(struct cgo_flows *f, unsigned circuit, const uint8_t body[CELL_BODY_LEN]);
// Decrypts; the first 16 bytes are right if the cell follows on the one that was opened last.
void cgo_flows_open(struct cgo_flows *f, uint32_t flow, const uint8_t body[CELL_BODY_LEN],
                    uint8_t plain[CELL_BODY_LEN]);
// Whether this number, of the cell that was just opened, follows on the one before; notes it.
bool cgo_flows_follows(struct cgo_flows *f, uint32_t flow, uint64_t number);
