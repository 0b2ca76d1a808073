// SPDX-License-Identifier: BSD-3-Clause
// What circuits are for, in words.
#include "origin/circuit/origin_circuit.h"

const char *origin_purpose_text(enum origin_purpose purpose)
{
    switch (purpose) {
    case ORIGIN_GENERAL:
        return "general";
    case ORIGIN_DIRECTORY:
        return "directory";
    case ORIGIN_MEASURE:
        return "measure";
    case ORIGIN_HS_DIR:
        return "hsdir";
    case ORIGIN_CLIENT_INTRO:
        return "client intro";
    case ORIGIN_CLIENT_REND:
        return "client rendezvous";
    case ORIGIN_SERVICE_INTRO:
        return "intro";
    case ORIGIN_SERVICE_REND:
        return "rendezvous";
    }
    return "?";
}
