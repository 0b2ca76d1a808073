// SPDX-License-Identifier: BSD-3-Clause
// Makes a service's descriptor for others to read: print_onion_descriptor CLIENTS POINTS writes the
// address, what is in the descriptor, an empty line, and the descriptor. With a third argument,
// "outer" or "inner": only the text in that layer (of layered.h's own service), as tests/fuzz/seeds
// has them.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/encoding.h"
#include "crypto/random.h"
#include "layered.h"
#include "onion/key/onion_address.h"
#include "onion/key/onion_keys.h"

static void say(const char *what, const void *bytes, size_t length)
{
    char text[HEX_TEXT_SIZE(LINK_SPECIFIERS_MAX)];
    if (hex_encode(bytes, length, text, sizeof(text)) < 0)
        abort();
    printf("%s %s\n", what, text);
}

// Whose descriptor others can open, by its address.
static struct layered service_of(const struct ed25519_key *identity)
{
    struct layered l = layered_service();
    if (!onion_blind_secret(identity, (struct time_period){20000, 1440}, &l.blinded))
        abort();
    onion_subcredential(identity->public_key, l.blinded.public_key, l.subcredential);
    return l;
}

static struct blob *make(const struct layered *l, const struct onion_descriptor *d,
                         unsigned n_clients, uint64_t now_s)
{
    static uint8_t clients[64][32];
    for (unsigned i = 0; i < 64; i++) {
        uint8_t secret[32];
        struct curve25519_key client;
        memset(secret, (int)i + 9, sizeof(secret));
        curve25519_from_secret(secret, &client);
        memcpy(clients[i], client.public_key, 32);
    }
    const uint8_t(*those)[32] = (const uint8_t(*)[32])clients;
    struct descriptor_keys keys = layered_keys(l, those, n_clients);
    struct blob *made = onion_descriptor_make(d, &keys, now_s);
    if (!made)
        abort();
    return made;
}

static struct onion_descriptor describe(const struct layered *l, unsigned n_points)
{
    struct onion_descriptor d = layered_descriptor(l, n_points);
    d.single_onion = d.congestion_control = d.pow.present = true;
    d.sendme_inc_cells = 31;
    d.pow.expires_s = LAYERED_NOW_S;
    return d;
}

static void print_layer(const char *layer, unsigned n_clients, unsigned n_points)
{
    struct layered l = layered_service();
    struct onion_descriptor d = describe(&l, n_points);
    struct blob *made = make(&l, &d, n_clients, LAYERED_NOW_S);
    size_t length;
    char *text = layered_unwrap(
        &l, strcmp(layer, "inner") == 0 ? DESCRIPTOR_LAYER_INNER : DESCRIPTOR_LAYER_OUTER,
        made->bytes, made->length, NULL, &length);
    fputs(text, stdout);
    free(text);
    blob_drop(made);
}

static void print_all(unsigned n_clients, unsigned n_points)
{
    char address[ONION_ADDRESS_LEN + 1];
    const uint8_t seed[32] = {'i'};
    struct ed25519_key identity;
    ed25519_from_seed(seed, &identity);
    struct layered l = service_of(&identity);
    struct onion_descriptor d = describe(&l, n_points);
    struct blob *made = make(&l, &d, n_clients, (uint64_t)time(NULL));
    onion_address_format(identity.public_key, address);
    printf("address %s\n", address);
    say("blinded", l.blinded.public_key, 32);
    for (unsigned i = 0; i < d.n_intro_points; i++) {
        const struct onion_intro_point *p = &d.intro_points[i];
        say("specifiers", p->specifiers, p->specifiers_length);
        say("onion-key", p->onion_key, 32);
        say("auth-key", p->auth_key, 32);
        say("enc-key", p->enc_key, 32);
    }
    printf("\n%s", (const char *)made->bytes);
    blob_drop(made);
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4 || crypto_init() < 0)
        return 1;
    unsigned n_clients = (unsigned)atoi(argv[1]), n_points = (unsigned)atoi(argv[2]);
    if (argc == 4)
        print_layer(argv[3], n_clients, n_points);
    else
        print_all(n_clients, n_points);
    return 0;
}
