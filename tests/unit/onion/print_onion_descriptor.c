// SPDX-License-Identifier: BSD-3-Clause
// Makes a service's descriptor for others to read: print_onion_descriptor CLIENTS POINTS writes the
// address, what is in the descriptor, an empty line, and the descriptor.
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

int main(int argc, char **argv)
{
    static uint8_t clients[64][32];
    char address[ONION_ADDRESS_LEN + 1];
    uint8_t seed[32] = {'i'};
    struct ed25519_key identity;
    if (argc != 3 || crypto_init() < 0)
        return 1;
    ed25519_from_seed(seed, &identity);
    struct layered l = layered_service();
    if (!onion_blind_secret(&identity, (struct time_period){20000, 1440}, &l.blinded))
        return 1;
    onion_subcredential(identity.public_key, l.blinded.public_key, l.subcredential);
    onion_address_format(identity.public_key, address);
    for (unsigned i = 0; i < 64; i++)
        memset(clients[i], (int)i + 9, 32);
    struct onion_descriptor d = layered_descriptor(&l, (unsigned)atoi(argv[2]));
    d.single_onion = d.congestion_control = d.pow.present = true;
    d.sendme_inc_cells = 31;
    d.pow.expires_s = LAYERED_NOW_S;
    const uint8_t(*those)[32] = (const uint8_t(*)[32])clients;
    struct descriptor_keys keys = layered_keys(&l, those, (unsigned)atoi(argv[1]));
    struct blob *made = onion_descriptor_make(&d, &keys, (uint64_t)time(NULL));
    if (!made)
        return 1;
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
    return 0;
}
