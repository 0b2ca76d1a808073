// SPDX-License-Identifier: BSD-3-Clause
// The plaintext of a link's records, in a worker: framing and dispatch of cells. The first byte
// is the length of a record.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rig.h"

enum { RECORD_MAX = 16384 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static struct rig *the_rig(void)
{
    static struct rig *rig;
    if (!rig) {
        rig_eal();
        rig = rig_create(1);
    }
    return rig;
}

static void end(struct peer_link *link)
{
    struct rig *rig = link->rig;
    if (!link->tcp->closed && !link->tcp->aborted)
        fake_gone(link->tcp, CONN_CLOSE_RESET);
    rig_run(rig);
    // What the control plane was told of is given back by it.
    rig_clear_inbox(rig);
    fake_free(link->tcp);
    peer_link_free(link);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length == 0)
        return 0;
    struct rig *rig = the_rig();
    struct peer_link *link = peer_link_accepted(rig, 0);
    size_t piece = bytes[0] ? bytes[0] : RECORD_MAX;
    for (size_t at = 1; at < length && !link->tcp->closed; at += piece)
        peer_send(link, bytes + at, length - at < piece ? length - at : piece);
    rig_run(rig);
    end(link);
    return 0;
}
