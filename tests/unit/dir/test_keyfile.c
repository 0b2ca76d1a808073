// SPDX-License-Identifier: BSD-3-Clause
// Key files: round trips, and every way in which a file is not what it should be. The layout of
// tagged files is C tor's (crypto_format.c), which test_identity_tor.sh checks with C tor itself.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "crypto/random.h"
#include "identity/keyfile.h"
#include "temp_dir.h"

static char text[512];
static const struct keyfile_error error = {text, sizeof(text)};

static void expect_line(const char *path)
{
    assert_memory_equal(text, path, strlen(path));
    assert_non_null(strstr(text, "found "));
    assert_non_null(strstr(text, "expected "));
    assert_null(strchr(text, '\n'));
    text[0] = '\0';
}

static void test_tagged_layout(void **state)
{
    (void)state;
    struct temp_dir dir = temp_dir_make();
    const char *path = temp_path(&dir, "key");
    static const char header[32] = "== ed25519v1-secret: type4 ==";
    uint8_t bytes[64], file[128], back[64];
    size_t length;
    struct stat st;
    random_bytes(bytes, sizeof(bytes));
    assert_int_equal(
        keyfile_write_tagged(path, "ed25519v1-secret", "type4", bytes, 64, 1234567890, &error), 0);
    assert_int_equal(temp_read(&dir, "key", file, sizeof(file)), 96);
    assert_memory_equal(file, header, 32);
    assert_memory_equal(file + 32, bytes, 64);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_mtime, 1234567890);
    assert_false(temp_exists(&dir, "key.tmp"));
    assert_int_equal(
        keyfile_read_tagged(path, "ed25519v1-secret", "type4", back, 64, 64, &length, &error), 0);
    assert_int_equal(length, 64);
    assert_memory_equal(back, bytes, 64);
    temp_dir_remove(&dir);
}

// Everything that is not the whole file is refused with a line that names it.
static void test_truncated_at_every_length(void **state)
{
    (void)state;
    struct temp_dir dir = temp_dir_make();
    struct curve25519_key key, back;
    uint8_t file[128];
    curve25519_generate(&key);
    assert_int_equal(keyfile_write_curve25519(temp_path(&dir, "whole"), "onion", &key, 0, &error),
                     0);
    ssize_t length = temp_read(&dir, "whole", file, sizeof(file));
    assert_int_equal(length, 32 + 64);
    for (ssize_t n = 0; n <= length + 1; n++) {
        temp_write(&dir, "cut", file, (size_t)n);
        const char *path = temp_path(&dir, "cut");
        int err = keyfile_read_curve25519(path, "onion", &back, &error);
        if (n == length) {
            assert_int_equal(err, 0);
            assert_memory_equal(&back, &key, sizeof(key));
        } else {
            assert_int_equal(err, -EINVAL);
            expect_line(path);
        }
    }
    temp_dir_remove(&dir);
}

static void test_rsa_truncated_at_every_length(void **state)
{
    (void)state;
    struct temp_dir dir = temp_dir_make();
    struct rsa_key *key = rsa_generate(1024), *back;
    char file[4096];
    assert_int_equal(keyfile_write_rsa(temp_path(&dir, "whole"), key, &error), 0);
    ssize_t length = temp_read(&dir, "whole", file, sizeof(file));
    assert_memory_equal(file, "-----BEGIN RSA PRIVATE KEY-----\n", 32);
    assert_int_equal(keyfile_read_rsa(temp_path(&dir, "whole"), &back, &error), 0);
    assert_true(rsa_equal(key, back) && rsa_is_private(back));
    rsa_free(back);
    for (ssize_t n = 0; n < length - 1; n++) { // the last newline is not missed
        temp_write(&dir, "cut", file, (size_t)n);
        const char *path = temp_path(&dir, "cut");
        assert_int_equal(keyfile_read_rsa(path, &back, &error), -EINVAL);
        assert_null(back);
        expect_line(path);
    }
    rsa_free(key);
    temp_dir_remove(&dir);
}

static void test_wrong_tags_and_types(void **state)
{
    (void)state;
    static const struct {
        const char *type, *tag;
    } others[] = {{"ed25519v1-secret", "type4"}, {"ed25519v1-secret", "type00"},
                  {"ed25519v1-secret", "type"},  {"ed25519v1-public", "type0"},
                  {"ed25519v1-cert", "type0"},   {"c25519v1", "onion"},
                  {"ed25519v1-secre", "type0"},  {"ed25519v1-secret", "fmly-id"}};
    struct temp_dir dir = temp_dir_make();
    const char *path = temp_path(&dir, "key");
    struct ed25519_key key, back;
    ed25519_generate(&key);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(
            keyfile_write_tagged(path, others[i].type, others[i].tag, key.expanded, 64, 0, &error),
            0);
        assert_int_equal(keyfile_read_ed25519(path, "type0", &back, &error), -EINVAL);
        assert_non_null(strstr(text, others[i].type));
        assert_non_null(strstr(text, "\"== ed25519v1-secret: type0 ==\""));
        expect_line(path);
    }
    temp_dir_remove(&dir);
}

static void test_wrong_contents(void **state)
{
    (void)state;
    struct temp_dir dir = temp_dir_make();
    const char *path = temp_path(&dir, "key");
    struct curve25519_key pair, other;
    struct ed25519_key ed;
    struct rsa_key *rsa;
    uint8_t random[3000] = {0};

    curve25519_generate(&pair);
    curve25519_generate(&other);
    memcpy(pair.public_key, other.public_key, 32);
    assert_int_equal(keyfile_write_curve25519(path, "onion", &pair, 0, &error), 0);
    assert_int_equal(keyfile_read_curve25519(path, "onion", &pair, &error), -EINVAL);
    expect_line(path);

    assert_int_equal(keyfile_write_tagged(path, "ed25519v1-secret", "type0", random, 64, 0, &error),
                     0);
    assert_int_equal(keyfile_read_ed25519(path, "type0", &ed, &error), -EINVAL);
    expect_line(path);

    for (int i = 0; i < 200; i++) {
        random_bytes(random, sizeof(random));
        temp_write(&dir, "key", random, (size_t)(i * 15));
        assert_int_equal(keyfile_read_ed25519(path, "type0", &ed, &error), -EINVAL);
        expect_line(path);
        assert_int_equal(keyfile_read_rsa(path, &rsa, &error), -EINVAL);
        expect_line(path);
    }
    temp_dir_remove(&dir);
}

static void test_other_rsa_keys(void **state)
{
    (void)state;
    struct temp_dir dir = temp_dir_make();
    const char *path = temp_path(&dir, "key");
    struct rsa_key *big = rsa_generate(2048), *back;
    char pem[RSA_PEM_MAX];
    assert_int_equal(keyfile_write_rsa(path, big, &error), 0);
    assert_int_equal(keyfile_read_rsa(path, &back, &error), -EINVAL);
    assert_non_null(strstr(text, "2048"));
    expect_line(path);
    int n = rsa_public_to_pem(big, pem, sizeof(pem));
    temp_write(&dir, "key", pem, (size_t)n);
    assert_int_equal(keyfile_read_rsa(path, &back, &error), -EINVAL);
    expect_line(path);
    rsa_free(big);
    temp_dir_remove(&dir);
}

static void test_not_files(void **state)
{
    (void)state;
    struct temp_dir dir = temp_dir_make();
    struct ed25519_key key;
    uint8_t large[KEYFILE_MAX + 1] = {0};
    text[0] = '\0';
    assert_int_equal(keyfile_read_ed25519(temp_path(&dir, "none"), "type0", &key, &error), -ENOENT);
    assert_string_equal(text, "");
    assert_int_equal(keyfile_read_ed25519(dir.path, "type0", &key, &error), -EINVAL);
    expect_line(dir.path);
    assert_int_equal(mkfifo(temp_path(&dir, "fifo"), 0600), 0);
    assert_int_equal(keyfile_read_ed25519(temp_path(&dir, "fifo"), "type0", &key, &error), -EINVAL);
    expect_line(temp_path(&dir, "fifo"));
    temp_write(&dir, "large", large, sizeof(large));
    assert_int_equal(keyfile_read_ed25519(temp_path(&dir, "large"), "type0", &key, &error), -EFBIG);
    expect_line(temp_path(&dir, "large"));
    assert_int_not_equal(keyfile_write(temp_path(&dir, "none/key"), large, 1, 0, &error), 0);
    temp_dir_remove(&dir);
}

int main(void)
{
    if (crypto_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tagged_layout),
        cmocka_unit_test(test_truncated_at_every_length),
        cmocka_unit_test(test_rsa_truncated_at_every_length),
        cmocka_unit_test(test_wrong_tags_and_types),
        cmocka_unit_test(test_wrong_contents),
        cmocka_unit_test(test_other_rsa_keys),
        cmocka_unit_test(test_not_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
