// SPDX-License-Identifier: BSD-3-Clause
// The relay's keys over their life: made once, found again, renewed and rotated in virtual time,
// never replaced when they are broken or another relay's (6.18, 6.19).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/ed_cert.h"
#include "crypto/encoding.h"
#include "crypto/random.h"
#include "crypto/rsa.h"
#include "identity/identity.h"
#include "temp_dir.h"

enum { DAY = 86400 };
static const time_t start = 1700000000;

static char text[512];

static const char *const key_files[] = {
    "keys/secret_id_key",
    "keys/ed25519_master_id_secret_key",
    "keys/ed25519_master_id_public_key",
    "keys/ed25519_signing_secret_key",
    "keys/ed25519_signing_cert",
    "keys/secret_onion_key",
    "keys/secret_onion_key_ntor",
};
enum { KEY_FILES = sizeof(key_files) / sizeof(key_files[0]) };

static struct identity *load(const struct temp_dir *dir, time_t now)
{
    text[0] = '\0';
    struct identity *identity = identity_load(dir->path, "test", now, text, sizeof(text));
    if (identity == NULL)
        assert_true(text[0] != '\0' && strchr(text, '\n') == NULL);
    return identity;
}

static struct identity *must_load(const struct temp_dir *dir, time_t now)
{
    struct identity *identity = load(dir, now);
    if (identity == NULL)
        fail_msg("%s", text);
    return identity;
}

static void expect_refused(const struct temp_dir *dir, time_t now, const char *file)
{
    assert_null(load(dir, now));
    assert_non_null(strstr(text, file));
    assert_non_null(strstr(text, "expected "));
}

static void check_cert(const struct identity *identity, time_t now)
{
    struct ed_cert cert;
    assert_int_equal(ed_cert_parse(identity->signing_cert, identity->signing_cert_length, &cert),
                     0);
    assert_int_equal(cert.type, ED_CERT_ID_SIGNING);
    assert_int_equal(ed_cert_check(&cert, identity->master.public_key, (uint64_t)now), 0);
    assert_memory_equal(cert.key, identity->signing.public_key, 32);
    assert_int_equal((time_t)cert.expires_hours * 3600, identity->signing_cert_expires);
}

static void test_made_and_found_again(void **state)
{
    (void)state;
    struct temp_dir dir = temp_dir_make();
    struct temp_dir data = dir;
    strcat(data.path, "/data");
    struct identity *a = must_load(&data, start);
    struct stat st;
    assert_int_equal(stat(data.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(temp_path(&data, "keys"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    for (int i = 0; i < KEY_FILES; i++) {
        assert_int_equal(stat(temp_path(&data, key_files[i]), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    check_cert(a, start);
    assert_true(a->has_master_secret);
    assert_false(a->has_previous_onion_key);
    assert_true(a->signing_cert_expires >= start + 30 * DAY);
    assert_true(a->signing_cert_expires < start + 30 * DAY + 3600);
    assert_int_equal(a->onion_key_made, start);

    char line[128] = "", expected[128] = "test ";
    hex_encode(a->rsa_id, 20, expected + 5, sizeof(expected) - 5);
    strcat(expected, "\n");
    assert_int_equal(temp_read(&data, "fingerprint", line, sizeof(line) - 1), strlen(expected));
    assert_string_equal(line, expected);

    // A second one on the same directory is kept out as long as the first lives.
    expect_refused(&data, start, "lock");
    struct identity copy = *a;
    identity_free(a);
    struct identity *b = must_load(&data, start + DAY);
    assert_memory_equal(copy.rsa_id, b->rsa_id, 20);
    assert_memory_equal(copy.rsa_id_sha256, b->rsa_id_sha256, 32);
    assert_memory_equal(copy.master.public_key, b->master.public_key, 32);
    assert_memory_equal(&copy.signing, &b->signing, sizeof(copy.signing));
    assert_memory_equal(copy.signing_cert, b->signing_cert, copy.signing_cert_length);
    assert_memory_equal(&copy.onion_key, &b->onion_key, sizeof(copy.onion_key));
    assert_int_equal(b->onion_key_made, start);
    assert_false(identity_maintain(b, start + DAY));
    identity_free(b);
    temp_dir_remove(&dir);
}

// A file that is cut short, empty, or holds another key's header is an error and stays as it is.
static void test_broken_files_are_kept(void **state)
{
    (void)state;
    struct temp_dir dir = temp_dir_make();
    identity_free(must_load(&dir, start));
    for (int i = 0; i < KEY_FILES; i++) {
        uint8_t good[4096], bad[4096], after[4096];
        ssize_t length = temp_read(&dir, key_files[i], good, sizeof(good));
        const size_t cuts[] = {0, 1, 31, 32, (size_t)length / 2, (size_t)length - 4};
        for (size_t c = 0; c < sizeof(cuts) / sizeof(cuts[0]); c++) {
            temp_write(&dir, key_files[i], good, cuts[c]);
            expect_refused(&dir, start, strrchr(key_files[i], '/') + 1);
            assert_int_equal(temp_read(&dir, key_files[i], after, sizeof(after)), cuts[c]);
            assert_memory_equal(after, good, cuts[c]);
        }
        memcpy(bad, good, (size_t)length);
        memset(bad, 'x', 16);
        temp_write(&dir, key_files[i], bad, (size_t)length);
        expect_refused(&dir, start, strrchr(key_files[i], '/') + 1);
        assert_int_equal(temp_read(&dir, key_files[i], after, sizeof(after)), length);
        assert_memory_equal(after, bad, (size_t)length);
        temp_write(&dir, key_files[i], good, (size_t)length);
    }
    identity_free(must_load(&dir, start));
    temp_dir_remove(&dir);
}

// Keys of two relays must not be mixed up.
static void test_foreign_files(void **state)
{
    (void)state;
    struct temp_dir dir = temp_dir_make(), other = temp_dir_make(), saved = temp_dir_make();
    identity_free(must_load(&dir, start));
    identity_free(must_load(&other, start));
    identity_free(must_load(&saved, start));
    for (int i = 0; i < KEY_FILES; i++)
        temp_copy(&dir, &saved, key_files[i]);
    for (int i = 1; i <= 4; i++) {
        if (i == 3)
            continue; // see test_interrupted_renewal
        temp_copy(&other, &dir, key_files[i]);
        assert_null(load(&dir, start));
        assert_non_null(strstr(text, "ed25519_"));
        temp_copy(&saved, &dir, key_files[i]);
    }
    identity_free(must_load(&dir, start));

    // The Ed25519 identity came along, the RSA identity did not: no new one is made.
    unlink(temp_path(&dir, "keys/secret_id_key"));
    expect_refused(&dir, start, "secret_id_key");
    assert_false(temp_exists(&dir, "keys/secret_id_key"));
    temp_dir_remove(&dir);
    temp_dir_remove(&other);
    temp_dir_remove(&saved);
}

static void test_signing_key_renewal(void **state)
{
    (void)state;
    struct temp_dir dir = temp_dir_make();
    struct identity *identity = must_load(&dir, start);
    struct ed25519_key first = identity->signing;
    uint64_t generation = identity->generation;
    time_t expires = identity->signing_cert_expires;
    for (time_t now = start; now < expires - DAY; now += DAY / 4) {
        identity_maintain(identity, now);
        assert_memory_equal(&identity->signing, &first, sizeof(first));
    }
    time_t now = expires - DAY;
    assert_true(identity_maintain(identity, now));
    assert_int_equal(identity->generation, generation + 1);
    assert_memory_not_equal(identity->signing.public_key, first.public_key, 32);
    check_cert(identity, now);
    assert_true(identity->signing_cert_expires >= now + 30 * DAY);
    assert_false(identity_maintain(identity, now + 3600));
    struct ed25519_key second = identity->signing;
    identity_free(identity);
    // What was renewed is what is on disk.
    identity = must_load(&dir, now + DAY);
    assert_memory_equal(&identity->signing, &second, sizeof(second));
    time_t late = identity->signing_cert_expires + 10 * DAY;
    identity_free(identity);
    // Expired while the relay was off.
    identity = must_load(&dir, late);
    check_cert(identity, late);
    assert_memory_not_equal(identity->signing.public_key, second.public_key, 32);
    identity_free(identity);
    temp_dir_remove(&dir);
}

// The program ended between writing the new key and its certificate.
static void test_interrupted_renewal(void **state)
{
    (void)state;
    struct temp_dir dir = temp_dir_make(), other = temp_dir_make();
    identity_free(must_load(&dir, start));
    identity_free(must_load(&other, start));
    temp_copy(&other, &dir, "keys/ed25519_signing_secret_key");
    struct identity *identity = must_load(&dir, start);
    check_cert(identity, start);
    identity_free(identity);
    unlink(temp_path(&dir, "keys/ed25519_signing_cert"));
    identity = must_load(&dir, start);
    check_cert(identity, start);
    identity_free(identity);
    temp_dir_remove(&dir);
    temp_dir_remove(&other);
}

static void test_offline_master_key(void **state)
{
    (void)state;
    struct temp_dir dir = temp_dir_make(), vault = temp_dir_make();
    struct identity *identity = must_load(&dir, start);
    time_t expires = identity->signing_cert_expires;
    struct ed25519_key first = identity->signing;
    uint8_t master[32];
    memcpy(master, identity->master.public_key, 32);
    identity_free(identity);
    identity_free(must_load(&vault, start));
    for (int i = 0; i < KEY_FILES; i++)
        temp_copy(&dir, &vault, key_files[i]);
    unlink(temp_path(&dir, "keys/ed25519_master_id_secret_key"));

    identity = must_load(&dir, expires - 1);
    assert_false(identity->has_master_secret);
    assert_memory_equal(identity->signing.public_key, first.public_key, 32);
    identity_maintain(identity, expires - 1); // rotates the onion key, warns of the signing key
    assert_false(identity_maintain(identity, expires - 1));
    assert_memory_equal(identity->signing.public_key, first.public_key, 32);
    // The operator renews it elsewhere and copies the result.
    identity_free(must_load(&vault, expires));
    temp_copy(&vault, &dir, "keys/ed25519_signing_secret_key");
    temp_copy(&vault, &dir, "keys/ed25519_signing_cert");
    assert_true(identity_maintain(identity, expires - 1));
    check_cert(identity, expires);
    assert_memory_not_equal(identity->signing.public_key, first.public_key, 32);
    time_t next = identity->signing_cert_expires;
    identity_free(identity);

    // Even the public half may be missing: it is in the certificate.
    unlink(temp_path(&dir, "keys/ed25519_master_id_public_key"));
    identity = must_load(&dir, next - 1);
    assert_memory_equal(identity->master.public_key, master, 32);
    assert_true(temp_exists(&dir, "keys/ed25519_master_id_public_key"));
    identity_free(identity);

    expect_refused(&dir, next, "ed25519_signing_cert");
    assert_non_null(strstr(text, "expired"));
    unlink(temp_path(&dir, "keys/ed25519_signing_cert"));
    expect_refused(&dir, start, "ed25519_signing_cert");
    assert_false(temp_exists(&dir, "keys/ed25519_master_id_secret_key"));
    temp_dir_remove(&dir);
    temp_dir_remove(&vault);
}

static void test_onion_key_rotation(void **state)
{
    (void)state;
    struct temp_dir dir = temp_dir_make();
    struct identity *identity = must_load(&dir, start);
    struct curve25519_key first = identity->onion_key;
    char tap[RSA_PUBLIC_PEM_MAX], new_tap[RSA_PUBLIC_PEM_MAX];
    rsa_public_to_pem(identity->tap_key, tap, sizeof(tap));
    assert_false(identity_maintain(identity, start + 28 * DAY - 1));
    time_t now = start + 28 * DAY;
    assert_true(identity_maintain(identity, now));
    assert_memory_not_equal(identity->onion_key.public_key, first.public_key, 32);
    assert_true(identity->has_previous_onion_key);
    assert_memory_equal(&identity->previous_onion_key, &first, sizeof(first));
    assert_int_equal(identity->onion_key_made, now);
    assert_true(temp_exists(&dir, "keys/secret_onion_key_ntor.old"));
    rsa_public_to_pem(identity->tap_key, new_tap, sizeof(new_tap));
    assert_string_not_equal(tap, new_tap);

    // Both survive a restart within the grace period.
    struct curve25519_key second = identity->onion_key;
    identity_free(identity);
    identity = must_load(&dir, now + 3 * DAY);
    assert_memory_equal(&identity->onion_key, &second, sizeof(second));
    assert_int_equal(identity->onion_key_made, now);
    assert_true(identity->has_previous_onion_key);
    assert_memory_equal(&identity->previous_onion_key, &first, sizeof(first));

    identity_maintain(identity, now + 7 * DAY - 1);
    assert_true(identity->has_previous_onion_key);
    identity_maintain(identity, now + 7 * DAY);
    assert_false(identity->has_previous_onion_key);
    assert_false(temp_exists(&dir, "keys/secret_onion_key_ntor.old"));
    assert_false(temp_exists(&dir, "keys/secret_onion_key.old"));
    assert_memory_equal(&identity->onion_key, &second, sizeof(second));

    assert_true(identity_maintain(identity, now + 28 * DAY));
    assert_memory_equal(&identity->previous_onion_key, &second, sizeof(second));
    identity_free(identity);
    // Off for longer than the grace period.
    identity = must_load(&dir, now + 36 * DAY);
    assert_false(identity->has_previous_onion_key);
    assert_false(temp_exists(&dir, "keys/secret_onion_key_ntor.old"));
    identity_free(identity);
    temp_dir_remove(&dir);
}

static void test_clock_set_back(void **state)
{
    (void)state;
    struct temp_dir dir = temp_dir_make();
    identity_free(must_load(&dir, start + 1000 * DAY));
    struct identity *identity = must_load(&dir, start);
    assert_int_equal(identity->onion_key_made, start);
    identity_free(identity);
    identity = must_load(&dir, start + 5 * DAY);
    assert_int_equal(identity->onion_key_made, start);
    assert_false(identity_maintain(identity, start - DAY));
    assert_true(identity_maintain(identity, start + 27 * DAY));
    identity_free(identity);
    temp_dir_remove(&dir);
}

static void test_disk_that_cannot_be_written(void **state)
{
    (void)state;
    struct temp_dir dir = temp_dir_make();
    struct identity *identity = must_load(&dir, start);
    struct curve25519_key onion = identity->onion_key;
    struct ed25519_key signing = identity->signing;
    uint8_t file[128];
    // Directories in the way of the temporary files: works for root, too.
    mkdir(temp_path(&dir, "keys/ed25519_signing_secret_key.tmp"), 0700);
    mkdir(temp_path(&dir, "keys/secret_onion_key_ntor.tmp"), 0700);
    assert_false(identity_maintain(identity, start + 29 * DAY + 3600));
    assert_memory_equal(&identity->onion_key, &onion, sizeof(onion));
    assert_memory_equal(&identity->signing, &signing, sizeof(signing));
    assert_int_equal(temp_read(&dir, "keys/secret_onion_key_ntor", file, sizeof(file)), 96);
    assert_memory_equal(file + 32, onion.secret, 32);
    rmdir(temp_path(&dir, "keys/ed25519_signing_secret_key.tmp"));
    rmdir(temp_path(&dir, "keys/secret_onion_key_ntor.tmp"));
    assert_true(identity_maintain(identity, start + 29 * DAY + 7200));
    assert_memory_not_equal(identity->onion_key.public_key, onion.public_key, 32);
    assert_memory_not_equal(identity->signing.public_key, signing.public_key, 32);
    identity_free(identity);

    struct temp_dir file_in_the_way = dir;
    strcat(file_in_the_way.path, "/fingerprint");
    assert_null(load(&file_in_the_way, start));
    assert_non_null(strstr(text, "fingerprint"));
    temp_dir_remove(&dir);
}

int main(int argc, char **argv)
{
    if (crypto_init() < 0)
        return 1;
    log_set_level(LOG_LEVEL_ERROR);
    if (argc == 2) { // for test_identity_tor.sh: load this directory, at this time
        struct identity *identity = identity_load(argv[1], "test", time(NULL), text, sizeof(text));
        if (identity == NULL)
            fprintf(stderr, "%s\n", text);
        identity_free(identity);
        return identity == NULL;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_and_found_again),
        cmocka_unit_test(test_broken_files_are_kept),
        cmocka_unit_test(test_foreign_files),
        cmocka_unit_test(test_signing_key_renewal),
        cmocka_unit_test(test_interrupted_renewal),
        cmocka_unit_test(test_offline_master_key),
        cmocka_unit_test(test_onion_key_rotation),
        cmocka_unit_test(test_clock_set_back),
        cmocka_unit_test(test_disk_that_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
