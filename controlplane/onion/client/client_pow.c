// SPDX-License-Identifier: BSD-3-Clause
// The proof of work that a visitor adds to an introduction (protocol 9.38).
#include "onion/pow/pow.h"

#include <openssl/crypto.h>

#include "base/log.h"
#include "onion/client/client_internal.h"

enum { RETRY_EFFORT_MIN = 8, EFFORT_DOUBLE_UNTIL = 1000 };

// More with each try that led to nothing.
static uint32_t effort_of(const struct join *j)
{
    const struct visit *v = j->visit;
    uint64_t effort = v->descriptor.pow.effort;
    unsigned tries = trouble_unreachable(v, j->point.auth_key) + j->rend_failures;
    if (effort > POW_EFFORT_MAX_CLIENT) {
        log_info("onion client: the service asks for an effort of %llu: %d is given",
                 (unsigned long long)effort, POW_EFFORT_MAX_CLIENT);
        effort = POW_EFFORT_MAX_CLIENT;
    }
    for (; tries > 0 && effort < POW_EFFORT_MAX_CLIENT; tries--) {
        effort = effort < EFFORT_DOUBLE_UNTIL ? 2 * effort : effort * 3 / 2;
        if (effort < RETRY_EFFORT_MIN)
            effort = RETRY_EFFORT_MIN;
    }
    return (uint32_t)(effort < POW_EFFORT_MAX_CLIENT ? effort : POW_EFFORT_MAX_CLIENT);
}

static void solved(void *user, const struct pow_proof *proof)
{
    struct join *j = user;
    j->solving = NULL;
    j->proof = *proof;
    if (proof->present)
        join_advance(j);
}

bool pow_ready(struct join *j)
{
    struct onion_client *c = j->visit->client;
    const struct onion_pow_params *params = &j->visit->descriptor.pow;
    uint64_t now_s = (uint64_t)relay_now(c->origin->relay);
    uint32_t effort = params->present && params->expires_s >= now_s ? effort_of(j) : 0;
    if (j->proof.present || effort == 0)
        return true;
    if (!j->solving) {
        log_info("onion client: works on a proof of effort %u", effort);
        j->solving = pow_solve(c->origin->relay, j->visit->descriptor.blinded_key, params, effort,
                               solved, j);
        client_counters(c)->onion_proofs_begun++;
    }
    return false;
}

void pow_drop(struct join *j)
{
    if (j->solving)
        pow_solving_cancel(j->solving);
    j->solving = NULL;
    OPENSSL_cleanse(&j->proof, sizeof(j->proof));
}
