// SPDX-License-Identifier: BSD-3-Clause
// Descriptors that C tor 0.4.9.11 made in a private network: `tor-descriptor` with proof of work,
// `tor-descriptor-closed` for one client, whose secret key is below.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../crypto/hex.h"
#include "crypto/random.h"
#include "onion/descriptor/hs_descriptor.h"
#include "onion/descriptor/onion_descriptor.h"
#include "onion/key/onion_address.h"
#include "onion/key/onion_keys.h"

enum { NOW_S = 1795412860 };

static const char client_secret[] =
    "8811111111111111111111111111111111111111111111111111111111111151";

static enum descriptor_result read_from(const char *file, const char *address,
                                        const char *client_hex, struct onion_descriptor *out)
{
    static uint8_t text[65536];
    char path[512];
    uint8_t identity[32], subcredential[32], client[32];
    struct hs_descriptor outer;
    snprintf(path, sizeof(path), "%s/%s", ONION_DATA, file);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t length = fread(text, 1, sizeof(text), f);
    fclose(f);
    assert_int_equal(onion_address_parse(address, identity), ONION_ADDRESS_GOOD);
    assert_int_equal(hs_descriptor_parse(text, length, &outer), 0);
    onion_subcredential(identity, outer.blinded_key, subcredential);
    if (client_hex)
        unhex(client_hex, client, sizeof(client));
    return onion_descriptor_read(text, length, outer.blinded_key, subcredential,
                                 client_hex ? client : NULL, NOW_S, out);
}

static void test_open_to_all(void **state)
{
    (void)state;
    struct onion_descriptor d;
    assert_int_equal(read_from("tor-descriptor",
                               "el6vcpu5xvjcrbhu6q5lktaizmigzcvvi6e45gs22qherx5ak776hsid.onion",
                               NULL, &d),
                     DESCRIPTOR_GOOD);
    assert_int_equal(d.lifetime_min, 180);
    assert_false(d.single_onion);
    assert_true(d.congestion_control);
    assert_int_equal(d.sendme_inc_cells, 31);
    assert_true(d.pow.present);
    assert_int_equal(d.pow.effort, 0);
    assert_true(d.pow.expires_s == 1795419629); // 2026-11-23 07:40:29
    assert_hex(d.pow.seed, "a8420a33cdd991d8f4985802f316b87f4fd1013df5dd6de1018cfc3f9bd6e26f");
    assert_int_equal(d.n_intro_points, 3);
    const struct onion_intro_point *p = &d.intro_points[0];
    assert_hex(p->specifiers, "0300060a5a000c13880214b4700db147dd06b1d3fee72baf46cdd4ae0d06b9032036"
                              "ececb6daa0fec629172a63274120076f6fb5aff9759ce05fa7243328b1333b");
    assert_int_equal(p->specifiers_length, 65);
    assert_hex(p->onion_key, "2d51019915f1a8652b301265d06688f413454aef022803e811e3c4efb6cbbe37");
    assert_hex(p->auth_key, "30f9c5bd1d3f3561dddf0dfd1f10b6920433d5318f4baedbfa837ffd2e644353");
    assert_hex(p->enc_key, "5adb4c152a061cdbf36d6130e467860e33f9d8b1ef2c84ec8e8c0a5d83e54601");
}

static void test_closed(void **state)
{
    (void)state;
    static const char address[] = "5ybeoas4ne2dph6kq53stu3qsfkllvy4y3ytaco6w4d6os6bp723lead.onion";
    struct onion_descriptor d;
    assert_int_equal(read_from("tor-descriptor-closed", address, client_secret, &d),
                     DESCRIPTOR_GOOD);
    assert_int_equal(d.n_intro_points, 3);
    assert_false(d.pow.present);
    assert_int_equal(read_from("tor-descriptor-closed", address, NULL, &d), DESCRIPTOR_NEEDS_AUTH);
    char other[sizeof(client_secret)];
    memcpy(other, client_secret, sizeof(other));
    other[10] = '2';
    assert_int_equal(read_from("tor-descriptor-closed", address, other, &d), DESCRIPTOR_BAD_AUTH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_to_all),
        cmocka_unit_test(test_closed),
    };
    if (crypto_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
