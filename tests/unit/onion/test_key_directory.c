// SPDX-License-Identifier: BSD-3-Clause
// A service's directory in C tor's layout: what is made, what is read, and what is said of files
// that are not what they should be. With a path: loads or makes it and prints the hostname.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/encoding.h"
#include "crypto/random.h"
#include "onion/key/authorization_file.h"
#include "onion/key/client_authorization.h"
#include "onion/key/key_directory.h"
#include "onion/key/onion_keys.h"
#include "temp_dir.h"

struct said {
    unsigned n;
    char last[KEY_DIRECTORY_ERROR_MAX];
};

static void hear(void *user, const char *line)
{
    struct said *said = user;
    said->n++;
    snprintf(said->last, sizeof(said->last), "%s", line);
}

struct loaded {
    struct temp_dir dir;
    struct key_directory keys;
    struct said said;
    char error[KEY_DIRECTORY_ERROR_MAX];
};

static int load_again(struct loaded *l, bool create)
{
    memset(&l->said, 0, sizeof(l->said));
    key_directory_release(&l->keys);
    return key_directory_load(l->dir.path, create, &l->keys, hear, &l->said, l->error);
}

static int setup(void **state)
{
    struct loaded *l = calloc(1, sizeof(*l));
    assert_non_null(l);
    l->dir = temp_dir_make();
    assert_int_equal(chmod(l->dir.path, 0700), 0);
    assert_int_equal(load_again(l, true), 0);
    *state = l;
    return 0;
}

static int teardown(void **state)
{
    struct loaded *l = *state;
    key_directory_release(&l->keys);
    temp_dir_remove(&l->dir);
    free(l);
    return 0;
}

static void put(const struct loaded *l, const char *name, const char *text)
{
    temp_write(&l->dir, name, text, strlen(text));
}

static void remove_file(const struct loaded *l, const char *name)
{
    assert_int_equal(unlink(temp_path(&l->dir, name)), 0);
}

static unsigned mode_of(const struct loaded *l, const char *name)
{
    struct stat st;
    assert_int_equal(stat(temp_path(&l->dir, name), &st), 0);
    return st.st_mode & 07777;
}

// One line that names all of these.
static void assert_refused(struct loaded *l, const char *file, const char *word)
{
    assert_true(load_again(l, true) < 0);
    assert_non_null(strstr(l->error, file));
    assert_non_null(strstr(l->error, word));
    assert_non_null(strstr(l->error, "found"));
    assert_non_null(strstr(l->error, "expected"));
    assert_null(strchr(l->error, '\n'));
    assert_false(l->keys.has_secret);
    assert_null(l->keys.clients);
}

static void test_made(void **state)
{
    struct loaded *l = *state;
    uint8_t bytes[128], identity[32];
    char text[128] = {0};
    assert_true(l->keys.has_secret);
    assert_int_equal(l->said.n, 0);
    assert_int_equal(temp_read(&l->dir, "hs_ed25519_secret_key", bytes, sizeof(bytes)), 96);
    assert_memory_equal(bytes, "== ed25519v1-secret: type0 ==\0\0\0", 32);
    assert_memory_equal(bytes + 32, l->keys.identity.expanded, 64);
    assert_int_equal(temp_read(&l->dir, "hs_ed25519_public_key", bytes, sizeof(bytes)), 64);
    assert_memory_equal(bytes, "== ed25519v1-public: type0 ==\0\0\0", 32);
    assert_memory_equal(bytes + 32, l->keys.identity.public_key, 32);
    assert_int_equal(temp_read(&l->dir, "hostname", text, sizeof(text) - 1), 63);
    assert_int_equal(text[62], '\n');
    text[62] = '\0';
    assert_string_equal(text, l->keys.hostname);
    assert_int_equal(onion_address_parse(text, identity), ONION_ADDRESS_GOOD);
    assert_memory_equal(identity, l->keys.identity.public_key, 32);
    assert_int_equal(mode_of(l, "hs_ed25519_secret_key"), 0600);
    assert_int_equal(mode_of(l, "hs_ed25519_public_key"), 0600);
    assert_int_equal(mode_of(l, "hostname"), 0600);
    assert_int_equal(mode_of(l, "authorized_clients"), 0700);
}

static void test_loaded_as_it_is(void **state)
{
    struct loaded *l = *state;
    struct ed25519_key was = l->keys.identity;
    put(l, "hostname", "something\nelse");
    remove_file(l, "hs_ed25519_public_key");
    assert_int_equal(load_again(l, false), 0);
    assert_memory_equal(&l->keys.identity, &was, sizeof(was));
    assert_false(temp_exists(&l->dir, "hs_ed25519_public_key")); // nothing is written
    assert_int_equal(load_again(l, true), 0);
    assert_memory_equal(&l->keys.identity, &was, sizeof(was));
    assert_true(temp_exists(&l->dir, "hs_ed25519_public_key"));
    test_made(state);
}

static void test_mixed_up(void **state)
{
    struct loaded *l = *state;
    struct temp_dir other = temp_dir_make();
    struct key_directory keys;
    char error[KEY_DIRECTORY_ERROR_MAX];
    assert_int_equal(key_directory_load(other.path, true, &keys, NULL, NULL, error), 0);
    temp_copy(&other, &l->dir, "hs_ed25519_public_key");
    assert_refused(l, "hs_ed25519_public_key", "pair");
    key_directory_release(&keys);
    temp_dir_remove(&other);
    remove_file(l, "hs_ed25519_secret_key");
    assert_refused(l, "alone", "offline_keys");
    put(l, "hs_ed25519_secret_key", "rubbish");
    assert_refused(l, "hs_ed25519_secret_key", "rubbish");
    remove_file(l, "hs_ed25519_secret_key");
    remove_file(l, "hs_ed25519_public_key");
    assert_int_equal(load_again(l, false), -ENOENT);
    assert_non_null(strstr(l->error, "hs_ed25519_secret_key"));
}

static void test_never_over_another(void **state)
{
    struct loaded *l = *state;
    struct ed25519_key key;
    ed25519_generate(&key);
    assert_int_equal(key_directory_write(l->dir.path, &key, l->error), -EEXIST);
    assert_non_null(strstr(l->error, "hs_ed25519_secret_key"));
    remove_file(l, "hs_ed25519_secret_key");
    assert_int_equal(key_directory_write(l->dir.path, &key, l->error), -EEXIST);
    assert_non_null(strstr(l->error, "hs_ed25519_public_key"));
    remove_file(l, "hs_ed25519_public_key");
    assert_int_equal(key_directory_write(l->dir.path, &key, l->error), 0);
    assert_int_equal(load_again(l, false), 0);
    assert_memory_equal(&l->keys.identity, &key, sizeof(key));
    test_made(state);
}

static void test_open_to_others(void **state)
{
    struct loaded *l = *state;
    assert_int_equal(chmod(l->dir.path, 0755), 0);
    assert_int_equal(load_again(l, false), 0);
    assert_int_equal(l->said.n, 1);
    assert_non_null(strstr(l->said.last, "0755"));
    assert_int_equal(mode_of(l, "."), 0750); // the group may read, if somebody wants it to
    assert_int_equal(load_again(l, false), 0);
    assert_int_equal(l->said.n, 0);
}

static const char client_file[] =
    "descriptor:x25519:N5PAYWYSWZRRWSTHQZUTTRU4TSGUI2XIWWZ2MBTRP4I6OJNWCVOQ\n";

static void test_clients(void **state)
{
    struct loaded *l = *state;
    put(l, "authorized_clients/bob.auth", client_file);
    put(l, "authorized_clients/alice.auth",
        " descriptor : x25519:\tm5payWyswzrrwsthqzuttru4tsgui2xiwwz2mbtrp4i6ojnwcvoq");
    put(l, "authorized_clients/.hidden", "x");
    assert_int_equal(load_again(l, false), 0);
    assert_int_equal(l->said.n, 0);
    assert_int_equal(l->keys.n_clients, 2);
    assert_string_equal(l->keys.clients[0].name, "alice");
    assert_string_equal(l->keys.clients[1].name, "bob");
    assert_int_equal(l->keys.clients[0].public_key[0], 0x67);
    assert_int_equal(l->keys.clients[1].public_key[0], 0x6f);
}

static void test_malformed_clients(void **state)
{
    static const struct {
        const char *text, *word;
    } cases[] = {
        {"", "parts"},
        {"descriptor", "parts"},
        {"descriptor:x25519", "parts"},
        {"descriptor:x25519:", "52"},
        {"descriptor:x25519:N5PAYWYSWZRRWSTHQZUTTRU4TSGUI2XIWWZ2MBTRP4I6OJNWCVO", "52"},
        {"descriptor:x25519:N5PAYWYSWZRRWSTHQZUTTRU4TSGUI2XIWWZ2MBTRP4I6OJNWCVO1", "52"},
        {"descriptor:x25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "zero"},
        {"intro:x25519:N5PAYWYSWZRRWSTHQZUTTRU4TSGUI2XIWWZ2MBTRP4I6OJNWCVOQ", "kind"},
        {"descriptor:rsa:N5PAYWYSWZRRWSTHQZUTTRU4TSGUI2XIWWZ2MBTRP4I6OJNWCVOQ", "type"},
        {"descriptor:x25519:N5PAYWYSWZRRWSTHQZUTTRU4TSGUI2XIWWZ2MBTRP4I6OJNWCVOQ:", "parts"},
    };
    struct loaded *l = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put(l, "authorized_clients/bad.auth", cases[i].text);
        assert_refused(l, "authorized_clients", "everybody");
        assert_int_equal(l->said.n, 1);
        assert_non_null(strstr(l->said.last, "bad.auth"));
        assert_non_null(strstr(l->said.last, cases[i].word));
    }
    put(l, "authorized_clients/good.auth", client_file);
    put(l, "authorized_clients/note.txt", "x");
    assert_int_equal(load_again(l, false), 0);
    assert_int_equal(l->keys.n_clients, 1);
    assert_int_equal(l->said.n, 2);
    assert_non_null(strstr(l->said.last, "note.txt"));
}

static void test_onionbalance(void **state)
{
    struct loaded *l = *state;
    char text[512];
    assert_int_equal(l->keys.n_masters, 0);
    snprintf(text, sizeof(text),
             "# front ends\n\nMasterOnionAddress %s\n  masteronionaddress\t%s # again\n",
             l->keys.hostname, l->keys.hostname);
    put(l, "ob_config", text);
    assert_int_equal(load_again(l, false), 0);
    assert_int_equal(l->keys.n_masters, 2);
    assert_memory_equal(l->keys.masters[1], l->keys.identity.public_key, 32);
    put(l, "ob_config",
        "\nMasterOnionAddress "
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.onion\n");
    assert_refused(l, "ob_config:2", "MasterOnionAddress");
    put(l, "ob_config", "SlaveOnionAddress x\n");
    assert_refused(l, "ob_config:1", "MasterOnionAddress");
}

// ---- an offline master key

static void go_offline(struct loaded *l, const char *text, size_t length)
{
    temp_write(&l->dir, "offline_keys", text, length);
    if (temp_exists(&l->dir, "hs_ed25519_secret_key"))
        remove_file(l, "hs_ed25519_secret_key");
}

static void test_offline(void **state)
{
    struct loaded *l = *state;
    struct ed25519_key identity = l->keys.identity;
    const struct time_period first = {20000, 1440};
    struct ed_cert cert;
    char *text;
    size_t length;
    assert_int_equal(premade_keys_make(&identity, first, 3, &text, &length), 0);
    go_offline(l, text, length);
    assert_int_equal(load_again(l, true), 0);
    assert_false(l->keys.has_secret);
    assert_memory_equal(l->keys.identity.public_key, identity.public_key, 32);
    assert_int_equal(l->keys.n_premade, 3);
    for (unsigned i = 0; i < 3; i++) {
        const struct time_period period = {first.number + i, first.length_minutes};
        const struct premade_key *k = key_directory_premade(&l->keys, period);
        struct ed25519_key blinded;
        assert_non_null(k);
        assert_true(onion_blind_secret(&identity, period, &blinded));
        assert_memory_equal(k->blinded_public, blinded.public_key, 32);
        assert_int_equal(ed_cert_parse(k->cert, sizeof(k->cert), &cert), 0);
        // Good as long as descriptors of the period may be asked for, and not for ever.
        uint64_t end_s = ((period.number + 1) * 1440 + 720) * 60;
        assert_int_equal(ed_cert_check(&cert, blinded.public_key, end_s + 47 * 3600), 0);
        assert_int_equal(ed_cert_check(&cert, blinded.public_key, end_s + 49 * 3600), -EKEYEXPIRED);
    }
    assert_null(key_directory_premade(&l->keys, (struct time_period){20003, 1440}));
    assert_null(key_directory_premade(&l->keys, (struct time_period){20000, 1439}));
    free(text);
}

static void test_offline_malformed(void **state)
{
    struct loaded *l = *state;
    struct ed25519_key other;
    char *text, *wrong;
    size_t length;
    ed25519_generate(&other);
    assert_int_equal(
        premade_keys_make(&other, (struct time_period){20000, 1440}, 1, &wrong, &length), 0);
    go_offline(l, wrong, length);
    assert_refused(l, "offline_keys:2", "another service");
    // Its identity line changed, the keys are still certified by another.
    uint8_t public_key[64];
    assert_int_equal(temp_read(&l->dir, "hs_ed25519_public_key", public_key, 64), 64);
    char hostname[ONION_ADDRESS_LEN + 1];
    onion_address_format(public_key + 32, hostname);
    memcpy(strstr(wrong, "identity ") + 9, hostname, ONION_ADDRESS_LEN);
    go_offline(l, wrong, length);
    assert_refused(l, "offline_keys:3", "certified");
    free(wrong);

    remove_file(l, "hs_ed25519_public_key");
    remove_file(l, "offline_keys");
    assert_int_equal(load_again(l, true), 0);
    assert_int_equal(
        premade_keys_make(&l->keys.identity, (struct time_period){20000, 1440}, 2, &text, &length),
        0);
    go_offline(l, text, length);
    for (size_t cut = 0; cut < length - 1; cut += 7) {
        go_offline(l, text, cut);
        // At the end of a whole entry it is good.
        if (load_again(l, true) == 0)
            assert_int_equal(l->keys.n_premade, 1);
    }
    char *twice = malloc(2 * length);
    assert_non_null(twice);
    const char *entry = strstr(text, "signing-key");
    size_t head = (size_t)(entry - text), body = length - head;
    memcpy(twice, text, length);
    memcpy(twice + length, entry, body);
    go_offline(l, twice, length + body);
    assert_refused(l, "offline_keys", "twice");
    free(twice);
    free(text);
    assert_int_equal(premade_keys_make(&other, (struct time_period){20000, 0}, 1, &text, &length),
                     -EINVAL);
    assert_int_equal(premade_keys_make(&other, (struct time_period){20000, 1440},
                                       PREMADE_KEYS_MAX + 1, &text, &length),
                     -EINVAL);
}

// ---- a visitor's keys

static void test_visitor(void **state)
{
    struct loaded *l = *state;
    struct said said = {0};
    char error[256], line[AUTHORIZATION_LINE_MAX], address[ONION_ADDRESS_LEN + 1];
    uint8_t secret[32], identity[32];
    struct ed25519_key other;
    memset(secret, 7, sizeof(secret));
    memcpy(identity, l->keys.identity.public_key, 32);
    authorization_write_secret(identity, secret, line);
    assert_int_equal(strlen(line), 56 + 1 + 10 + 1 + 6 + 1 + 52);
    assert_int_equal(mkdir(temp_path(&l->dir, "auth"), 0700), 0);
    char directory[128];
    snprintf(directory, sizeof(directory), "%s/auth", l->dir.path);
    put(l, "auth/a.auth_private", line);
    put(l, "auth/b.auth_private", line); // a second one for the same
    ed25519_generate(&other);
    onion_address_format(other.public_key, address);
    snprintf(line, sizeof(line), "%s:descriptor:x25519:%s\n", address,
             "N5PAYWYSWZRRWSTHQZUTTRU4TSGUI2XIWWZ2MBTRP4I6OJNWCVOQ");
    put(l, "auth/c.auth_private", line);
    line[20] = line[20] == 'a' ? 'b' : 'a';
    put(l, "auth/d.auth_private", line);
    put(l, "auth/readme", line);
    struct client_authorization *a =
        client_authorization_load(directory, hear, &said, error, sizeof(error));
    assert_non_null(a);
    assert_int_equal(said.n, 3);
    assert_memory_equal(client_authorization_find(a, identity), secret, 32);
    assert_non_null(client_authorization_find(a, other.public_key));
    identity[0] ^= 1;
    assert_null(client_authorization_find(a, identity));
    client_authorization_free(a);
    assert_null(client_authorization_find(NULL, identity));
    snprintf(directory, sizeof(directory), "%s/none", l->dir.path);
    assert_null(client_authorization_load(directory, hear, &said, error, sizeof(error)));
    assert_non_null(strstr(error, "none"));
}

static int print_hostname(const char *path)
{
    struct key_directory keys;
    char error[KEY_DIRECTORY_ERROR_MAX];
    if (key_directory_load(path, true, &keys, NULL, NULL, error) < 0) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    puts(keys.hostname);
    key_directory_release(&keys);
    return 0;
}

#define directory_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        directory_test(test_made),
        directory_test(test_loaded_as_it_is),
        directory_test(test_mixed_up),
        directory_test(test_never_over_another),
        directory_test(test_open_to_others),
        directory_test(test_clients),
        directory_test(test_malformed_clients),
        directory_test(test_onionbalance),
        directory_test(test_offline),
        directory_test(test_offline_malformed),
        directory_test(test_visitor),
    };
    if (crypto_init() < 0)
        return 1;
    return argc > 1 ? print_hostname(argv[1]) : cmocka_run_group_tests(tests, NULL, NULL);
}
