// SPDX-License-Identifier: BSD-3-Clause
// INTRODUCE2: opened, looked at for replays, and made a rendezvous (protocol 8.26–8.32).
#include <string.h>

#include "base/log.h"
#include "onion/pow/pow.h"
#include "onion/service/service_internal.h"
#include "origin/origin.h"
#include "relay.h"

static struct counters *counters_of(const struct onion_service *s)
{
    return &s->origin->relay->counters;
}

static void drop(uint64_t *counter, const char *why)
{
    ++*counter;
    log_debug("onion service: an introduction is dropped: %s", why);
}

static void drop_replay(struct onion_service *s)
{
    s->replays++;
    drop(&counters_of(s)->drop_service_replay, "it has come before");
}

static void refuse(struct onion_service *s, const char *why)
{
    s->refused++;
    drop(&counters_of(s)->drop_service_refused, why);
}

// False: replayed. What a set can't hold any more is new to it. All that fills the point's counts
// for its retirement, so that it is full only once the point retires; and that takes no longer than
// cookies are remembered.
static bool is_new(struct intro_point *p, const struct introduction *i, const uint8_t *encrypted,
                   size_t length)
{
    struct replay_set *cookies = &p->service->cookies;
    if (replay_set_add(&p->seen, encrypted, length) == REPLAY_SEEN)
        return false;
    p->introductions++;
    enum replay_answer cookie = replay_set_add(cookies, i->cookie, sizeof(i->cookie));
    if (cookie == REPLAY_FULL) {
        replay_set_turn(cookies);
        cookie = replay_set_add(cookies, i->cookie, sizeof(i->cookie));
    }
    return cookie != REPLAY_SEEN;
}

// Which of the credentials opened it is in i->subcredential.
static enum introduce2_result open_it(const struct intro_point *p, const uint8_t *body,
                                      size_t length, const struct service_credential *credentials,
                                      unsigned n, struct introduction *i)
{
    uint8_t subcredentials[SERVICE_SUBCREDENTIALS_MAX][32];
    for (unsigned j = 0; j < n; j++)
        memcpy(subcredentials[j], credentials[j].subcredential, 32);
    return introduce2_read(body, length, p->auth.public_key, &p->enc,
                           (const uint8_t(*)[32])subcredentials, n, i);
}

static void serve(struct intro_point *p, const struct introduction *i,
                  const struct service_credential *credential)
{
    struct onion_service *s = p->service;
    if (i->congestion_control && service_sendme_inc(s->origin) == 0) {
        refuse(s, "it asks for congestion control, which there is none of");
        return;
    }
    struct rendezvous *r = service_rendezvous_make(p, i);
    if (!r) {
        refuse(s, "its rendezvous point can't be, or there are too many");
        return;
    }
    log_info("onion service: an introduction came by %s, for a rendezvous at %s",
             service_relay_name(s->origin, p->hop.target.rsa_id),
             service_relay_name(s->origin, r->point.target.rsa_id));
    if (!s->pow) {
        service_rendezvous_begin(r);
    } else if (!pow_defence_queue(s->pow, credential->blinded_public, &i->pow, r)) {
        service_rendezvous_free(r);
        refuse(s, "its proof of work is not good");
    }
}

bool introduction_take(struct intro_point *p, const uint8_t *body, size_t length)
{
    struct onion_service *s = p->service;
    struct counters *counters = counters_of(s);
    struct service_credential credentials[SERVICE_SUBCREDENTIALS_MAX];
    struct introduction i;
    const uint8_t *encrypted;
    size_t encrypted_length;
    counters->service_introductions++;
    if (!introduce2_encrypted(body, length, &encrypted, &encrypted_length)) {
        drop(&counters->drop_service_malformed, "it is malformed");
        return false;
    }
    // Before it is opened, which costs the most.
    if (replay_set_has(&p->seen, encrypted, encrypted_length)) {
        drop_replay(s);
        return true;
    }
    unsigned n = service_credentials(s, credentials, SERVICE_SUBCREDENTIALS_MAX);
    if (open_it(p, body, length, credentials, n, &i) != INTRODUCE2_GOOD || i.subcredential >= n) {
        drop(&counters->drop_service_malformed, "it can't be read");
    } else if (!is_new(p, &i, encrypted, encrypted_length)) {
        drop_replay(s);
    } else {
        s->introductions++;
        serve(p, &i, &credentials[i.subcredential]);
    }
    explicit_bzero(&i, sizeof(i));
    return true;
}
