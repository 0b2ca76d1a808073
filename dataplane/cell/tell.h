// SPDX-License-Identifier: BSD-3-Clause
// Messages that peers cause, and how many of them may be with the control thread: of each
// connection a share of what is free, so that one that floods leaves room for the others; of each
// circuit a fixed number.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/channel.h"

struct circuit_end;
struct conn;
struct worker;

enum {
    // A connection is not read while it has more than 1/TELL_SHARE of what is free. However many
    // flood: what each may have is free once more for the next.
    TELL_SHARE = 4,
    TELL_ON_TOP = 64,       // what one record may cause, which has been opened already
    TELL_CIRCUIT_MAX = 256, // relay messages of a circuit; honest ones are answered one by one
    // Of a circuit that begins here: its last hop may send a window of cells, which is larger with
    // congestion control than all that a link may have here. So the link waits first; this is for
    // larger pools.
    TELL_CIRCUIT_OF_OURS_MAX = 1024
};

// A message of this connection, and of this circuit if it is a relay message of one (else NULL).
// NULL when there are too many.
struct message *tell_new(struct worker *w, enum message_type type, const struct conn *c,
                         const struct circuit_end *end);
// Whether more bytes of the connection may be looked at. If not, it is looked at again when the
// control thread has given messages back.
bool tell_may_read(struct worker *w, struct conn *c);
// Once per turn: connections that may be read again.
void tell_resume(struct worker *w);
