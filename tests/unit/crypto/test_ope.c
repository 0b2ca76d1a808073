// SPDX-License-Identifier: BSD-3-Clause
// Order-preserving encryption: C tor's vectors, and that it keeps the order.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/ope.h"
#include "crypto/random.h"
#include "hex.h"

// C tor, src/test/test_crypto_ope.c.
static void test_vectors(void **state)
{
    (void)state;
    static const struct {
        unsigned plain;
        uint64_t sum;
    } vectors[] = {
        {121132, 3971694514U}, {82283, 2695743564U},  {72661, 2381548866U},  {72941, 2390408421U},
        {123122, 4036781069U}, {12154, 402067100U},   {121574, 3986197593U}, {11391, 376696838U},
        {65845, 2161801517U},  {86301, 2828270975U},  {61284, 2013616892U},  {70505, 2313368870U},
        {30438, 1001394664U},  {60150, 1977329668U},  {114800, 3764946628U}, {109403, 3585352477U},
        {21893, 721388468U},   {123569, 4051780471U}, {95617, 3134921876U},  {48561, 1597596985U},
        {53334, 1753691710U},  {92746, 3040874493U},  {7110, 234966492U},    {9612, 318326551U},
        {106958, 3506124249U}, {46889, 1542219146U},  {87790, 2877361609U},  {68878, 2260369112U},
        {47917, 1576681737U},  {121128, 3971553290U}, {108602, 3559176081U}, {28217, 929692460U},
        {69498, 2280554161U},  {63870, 2098322675U},  {57542, 1891698992U},  {122148, 4004515805U},
        {46254, 1521227949U},  {42850, 1408996941U},  {92661, 3037901517U},  {57720, 1897369989U}};
    uint8_t key[32];
    unhex("19e05891d55232c08c2cad91d612fdb9cbd6691949a0742434a76c80bc6992fe", key, 32);
    for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++)
        assert_true(ope_encrypt(key, vectors[i].plain) == vectors[i].sum);
    key[8]++;
    assert_true(ope_encrypt(key, vectors[0].plain) != vectors[0].sum);
}

static void test_order(void **state)
{
    (void)state;
    static const unsigned plain[] = {1,    2,    5,    511,   512,   513,    1023,
                                     1024, 1025, 2048, 10000, 86401, 1 << 18};
    uint8_t key[32];
    for (unsigned round = 0; round < 4; round++) {
        random_bytes(key, sizeof(key));
        uint64_t last = 0;
        for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
            uint64_t sum = ope_encrypt(key, plain[i]);
            assert_true(sum > last && sum <= (uint64_t)plain[i] << 16);
            last = sum;
        }
    }
    // What is out of bounds is brought into them.
    assert_true(ope_encrypt(key, 0) == ope_encrypt(key, 1));
    assert_true(ope_encrypt(key, UINT64_MAX) == ope_encrypt(key, OPE_PLAIN_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_order),
    };
    return crypto_init() != 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
