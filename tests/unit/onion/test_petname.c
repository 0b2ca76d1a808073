// SPDX-License-Identifier: BSD-3-Clause
// Petnames: what is a name, what looks alike, the file, and the book that follows it.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <sodium.h>

#include "base/log.h"
#include "onion/petname/petname.h"

// Addresses of services that exist (the Tor Project's, DuckDuckGo's).
#define TOR "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"
#define DUCK "duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion"

static char directory[] = "/tmp/ramson-petname-XXXXXX", path[64];

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof(path), "%s/petnames.json", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory);
}

static void write_file(const char *text)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static struct petnames *parse(const char *text)
{
    char error[PETNAME_ERROR_MAX] = "";
    struct petnames *p = petnames_parse("p.json", text, strlen(text), error);
    if (!p)
        fail_msg("%s", error);
    return p;
}

// ---- names

static void test_names(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "-wiki", "wiki-", "wi ki", "wi_ki", "wi.ki", "w\xc3\xad"};
    char error[PETNAME_ERROR_MAX], longest[PETNAME_MAX + 2];
    struct petnames *p = parse("{}");
    assert_int_equal(petnames_add(p, "Wiki-2", TOR, error), 0);
    assert_string_equal(petnames_find(p, "wiki-2"), TOR);
    assert_string_equal(petnames_find(p, "WIKI-2"), TOR);
    assert_null(petnames_find(p, "wiki"));
    assert_int_equal(petnames_add(p, "wiki-2", DUCK, error), -EEXIST);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(petnames_add(p, bad[i], TOR, error), -EINVAL);
        assert_non_null(strstr(error, "a name of 1 to 63"));
        assert_null(petnames_find(p, bad[i]));
    }
    memset(longest, 'x', sizeof(longest));
    longest[PETNAME_MAX + 1] = 0;
    assert_int_equal(petnames_add(p, longest, TOR, error), -EINVAL);
    longest[PETNAME_MAX] = 0;
    assert_int_equal(petnames_add(p, longest, TOR, error), 0);
    assert_int_equal(petnames_count(p), 2);
    assert_int_equal(petnames_remove(p, "wiki-2"), 0);
    assert_int_equal(petnames_remove(p, "wiki-2"), -ENOENT);
    assert_string_equal(petnames_find(p, longest), TOR);
    petnames_free(p);
}

static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *address, *why;
    } bad[] = {
        {"2gyyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion", "checksum"},
        {"duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzcza.onion", "56 characters"},
        {"example.com", ".onion"},
        {"", ".onion"},
    };
    char error[PETNAME_ERROR_MAX];
    struct petnames *p = parse("{}");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(petnames_add(p, "wiki", bad[i].address, error), -EINVAL);
        assert_non_null(strstr(error, bad[i].why));
    }
    // In one form, whatever way it was written.
    assert_int_equal(petnames_add(p, "duck",
                                  "DuckDuckGogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.ONION",
                                  error),
                     0);
    assert_string_equal(petnames_find(p, "duck"), DUCK);
    assert_int_equal(petnames_count(p), 1);
    petnames_free(p);
}

static void test_limit(void **state)
{
    (void)state;
    char error[PETNAME_ERROR_MAX], name[16];
    struct petnames *p = parse("{}");
    for (unsigned i = 0; i < PETNAMES_MAX; i++) {
        snprintf(name, sizeof(name), "n%u", i * 7919 % PETNAMES_MAX);
        assert_int_equal(petnames_add(p, name, TOR, error), 0);
    }
    assert_int_equal(petnames_add(p, "one-more", TOR, error), -EINVAL);
    for (size_t i = 1; i < petnames_count(p); i++)
        assert_true(strcmp(petnames_at(p, i - 1)->name, petnames_at(p, i)->name) < 0);
    petnames_free(p);
}

// ---- what looks alike

static void test_lookalikes(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        enum petname_likeness likeness;
    } pairs[] = {
        {"google", "g00gle", PETNAME_LIKE_NAME}, // each kind of what looks the same
        {"paypal", "paypa1", PETNAME_LIKE_NAME},  {"ai", "al", PETNAME_LIKE_NAME},
        {"modern", "modem", PETNAME_LIKE_NAME},   {"vv", "w", PETNAME_LIKE_NAME},
        {"my-bank", "mybank", PETNAME_LIKE_NAME}, {"b4", "84", PETNAME_LIKE_NAME},
        {"wiki", "wikis", PETNAME_LIKE_NAME}, // one edit
        {"wiki", "wike", PETNAME_LIKE_NAME},      {"forum", "froum", PETNAME_LIKE_NAME},
        {"forum", "forrum", PETNAME_LIKE_NAME},   {"wiki", "forum", PETNAME_UNLIKE},
        {"abc", "abd", PETNAME_UNLIKE},           {"forum", "frmou", PETNAME_UNLIKE},
        {"wiki", "wiki-de", PETNAME_UNLIKE},      {"market", "markers", PETNAME_UNLIKE},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct petname a = {.address = TOR}, b = {.address = DUCK};
        snprintf(a.name, sizeof(a.name), "%s", pairs[i].a);
        snprintf(b.name, sizeof(b.name), "%s", pairs[i].b);
        if (petname_compare(&a, &b) != pairs[i].likeness ||
            petname_compare(&b, &a) != pairs[i].likeness)
            fail_msg("%s, %s", a.name, b.name);
        memcpy(b.address, TOR, sizeof(b.address)); // which is where the other leads
        assert_int_equal(petname_compare(&a, &b), PETNAME_UNLIKE);
    }
}

static enum petname_likeness compare_addresses(const char *a, const char *b)
{
    struct petname x = {.name = "wiki"}, y = {.name = "market"};
    memcpy(x.address, a, sizeof(x.address));
    memcpy(y.address, b, sizeof(y.address));
    return petname_compare(&x, &y);
}

static void test_alike_addresses(void **state)
{
    (void)state;
    char other[] = TOR;
    other[20] = other[20] == 'a' ? 'b' : 'a';
    assert_int_equal(compare_addresses(TOR, other), PETNAME_LIKE_ADDRESS);
    memset(other + 4, 'a', 40); // the first and last characters alone
    assert_int_equal(compare_addresses(TOR, other), PETNAME_LIKE_ADDRESS);
    other[0] = 'a';
    assert_int_equal(compare_addresses(TOR, other), PETNAME_UNLIKE);
    assert_int_equal(compare_addresses(TOR, DUCK), PETNAME_UNLIKE);
    char begins[] = DUCK;
    memset(begins + 7, 'a', 45);
    assert_int_equal(compare_addresses(DUCK, begins), PETNAME_LIKE_ADDRESS);
    assert_int_equal(compare_addresses(TOR, TOR), PETNAME_UNLIKE);
}

static void test_lookalike_among_others(void **state)
{
    (void)state;
    const struct petname *like;
    struct petname one = {.name = "wikl", .address = DUCK};
    struct petnames *p =
        parse("{\"forum\": \"" TOR "\", \"wiki\": \"" TOR "\", \"wikl\": \"" DUCK "\"}");
    assert_int_equal(petnames_lookalike(p, &one, &like), PETNAME_LIKE_NAME);
    assert_string_equal(like->name, "wiki");
    snprintf(one.name, sizeof(one.name), "duck");
    assert_int_equal(petnames_lookalike(p, &one, &like), PETNAME_UNLIKE);
    assert_null(like);
    petnames_free(p);
}

// ---- the file

static void test_errors_have_places(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error; // how it begins
    } bad[] = {
        {"", "p.json:1:"},
        {"[]", "p.json:1:1: found a list"},
        {"{\n  \"wiki\": \"" TOR "\",\n}", "p.json:3:1: "},
        {"{\n  \"wiki\": 1\n}", "p.json:2:11: found no text"},
        {"{\n  \"wiki\": \"x.onion\"}", "p.json:2:11: found \"x.onion\" (there are not 56"},
        {"{\n  \"a\": \"" TOR "\",\n  \"wi ki\": \"" TOR "\"}", "p.json:3:3: found \"wi ki\""},
        {"{\"a\": \"" TOR "\", \"a\": \"" TOR "\"}", "p.json:1:"},
        {"{\"a\": \"" TOR "\",\n \"A\": \"" TOR "\"}", "p.json:2:2: found the name \"a\" a second"},
        {"{\"wiki\": {\"wiki\": \"" TOR "\"}}", "p.json:1:10: found no text"},
        {"{} x", "p.json:1:"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char error[PETNAME_ERROR_MAX] = "";
        assert_null(petnames_parse("p.json", bad[i].text, strlen(bad[i].text), error));
        if (strncmp(error, bad[i].error, strlen(bad[i].error)) != 0)
            fail_msg("%s: %s", bad[i].text, error);
        assert_null(strchr(error, '\n'));
    }
}

static void test_file(void **state)
{
    (void)state;
    char error[PETNAME_ERROR_MAX] = "";
    struct stat st;
    unlink(path);
    struct petnames *p = petnames_load(path, error); // is not there
    assert_non_null(p);
    assert_int_equal(petnames_count(p), 0);
    assert_int_equal(petnames_add(p, "wiki", TOR, error), 0);
    assert_int_equal(petnames_add(p, "duck", DUCK, error), 0);
    assert_int_equal(petnames_save(p, path, error), 0);
    petnames_free(p);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    p = petnames_load(path, error);
    assert_non_null(p);
    assert_int_equal(petnames_count(p), 2);
    assert_string_equal(petnames_find(p, "wiki"), TOR);
    assert_string_equal(petnames_find(p, "duck"), DUCK);
    assert_true(petnames_save(p, "/proc/none/petnames.json", error) < 0);
    assert_non_null(strstr(error, "/proc/none/petnames.json: "));
    petnames_free(p);
    assert_null(petnames_load(directory, error)); // no file
    assert_non_null(strstr(error, directory));
}

// ---- the book

static enum petname_answer resolve(struct petname_book *b, const char *host, const char *wanted)
{
    char address[ONION_ADDRESS_LEN + 1] = "";
    enum petname_answer answer = petname_book_resolve(b, host, address);
    assert_string_equal(address, wanted);
    return answer;
}

static void test_book(void **state)
{
    (void)state;
    write_file("{\"wiki\": \"" TOR "\"}");
    struct petname_book *b = petname_book_create(path);
    assert_non_null(b);
    assert_int_equal(resolve(b, "wiki.pet", TOR), PETNAME_KNOWN);
    assert_int_equal(resolve(b, "wiki.pet.", TOR), PETNAME_KNOWN);
    assert_int_equal(resolve(b, "WIKI.Pet", TOR), PETNAME_KNOWN);
    assert_int_equal(resolve(b, "www.wiki.pet", TOR), PETNAME_KNOWN);
    assert_int_equal(resolve(b, "wiki.example.pet", ""), PETNAME_UNKNOWN);
    assert_int_equal(resolve(b, ".pet", ""), PETNAME_UNKNOWN);
    assert_int_equal(resolve(b, "wiki..pet", ""), PETNAME_UNKNOWN);
    static const char *const others[] = {"",  ".",        "pet", "carpet", "wiki.pet.com",
                                         TOR, "wiki.pets"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_int_equal(resolve(b, others[i], ""), PETNAME_NONE);
    assert_int_equal(resolve(NULL, "wiki.pet", ""), PETNAME_UNKNOWN);
    assert_int_equal(resolve(NULL, "wiki.org", ""), PETNAME_NONE);
    char longest[256];
    memset(longest, 'x', sizeof(longest));
    memcpy(longest + sizeof(longest) - 5, ".pet", 5);
    assert_int_equal(resolve(b, longest, ""), PETNAME_UNKNOWN);
    petname_book_free(b);
}

static enum petname_answer lent(struct petname_book *b, uint32_t address, const char *wanted)
{
    char onion[ONION_ADDRESS_LEN + 1] = "";
    struct address a = address_ipv4(address, 0);
    enum petname_answer answer = petname_book_lent(b, &a, onion);
    assert_string_equal(onion, wanted);
    return answer;
}

static void test_lent_addresses(void **state)
{
    (void)state;
    struct address first, a;
    write_file("{\"wiki\": \"" TOR "\", \"duck\": \"" DUCK "\"}");
    struct petname_book *b = petname_book_create(path);
    assert_int_equal(lent(b, 0xc6120001, ""), PETNAME_UNKNOWN);
    assert_int_equal(lent(NULL, 0xc6120001, ""), PETNAME_UNKNOWN);
    assert_false(petname_book_lend(b, "none.pet", &a));
    assert_false(petname_book_lend(b, "wiki.org", &a));
    assert_true(petname_book_lend(b, "duck.pet", &first));
    assert_true(petname_book_lend(b, "wiki.pet", &a));
    assert_int_equal(address_ipv4_host(&first), 0xc6120001);
    assert_int_equal(address_ipv4_host(&a), 0xc6120002);
    assert_true(petname_book_lend(b, "www.DUCK.pet", &a));
    assert_true(address_same_host(&a, &first));
    assert_int_equal(lent(b, 0xc6120001, DUCK), PETNAME_KNOWN);
    assert_int_equal(lent(b, 0xc6120002, TOR), PETNAME_KNOWN);
    static const uint32_t unknown[] = {0xc6120000, 0xc6120003, 0xc613ffff};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        assert_int_equal(lent(b, unknown[i], ""), PETNAME_UNKNOWN);
    assert_int_equal(lent(b, 0xc611ffff, ""), PETNAME_NONE);
    assert_int_equal(lent(b, 0xc6140000, ""), PETNAME_NONE);
    write_file("{\"wiki\": \"" DUCK "\"}"); // it leads to where the name leads now
    assert_int_equal(lent(b, 0xc6120002, DUCK), PETNAME_KNOWN);
    assert_int_equal(lent(b, 0xc6120001, ""), PETNAME_UNKNOWN);
    petname_book_free(b);
}

// As many names as a file can have, several times over: then there are no more addresses.
static void test_no_more_addresses(void **state)
{
    (void)state;
    char error[PETNAME_ERROR_MAX], host[32];
    struct address a;
    unsigned n = 0;
    bool good = true;
    unlink(path);
    struct petname_book *b = petname_book_create(path);
    for (unsigned round = 0; round < 5; round++) {
        struct petnames *p = parse("{}");
        for (unsigned i = 0; i < PETNAMES_MAX; i++) {
            snprintf(host, sizeof(host), "r%u-%u", round, i);
            assert_int_equal(petnames_add(p, host, TOR, error), 0);
        }
        assert_int_equal(petnames_save(p, path, error), 0);
        petnames_free(p);
        for (unsigned i = 0; i < PETNAMES_MAX; i++) {
            snprintf(host, sizeof(host), "r%u-%u.pet", round, i);
            good = petname_book_lend(b, host, &a);
            assert_int_equal(good, n < 4 * PETNAMES_MAX);
            n += good;
        }
    }
    assert_false(good);
    petname_book_free(b);
}

// What it says goes to a file, to be counted. It says no address, and no name.
static unsigned lines_of(const char *log)
{
    char line[1024];
    unsigned n = 0;
    FILE *f = fopen(log, "re");
    assert_non_null(f);
    for (; fgets(line, sizeof(line), f); n++) {
        assert_null(strstr(line, "duck"));
        assert_null(strstr(line, "wiki"));
    }
    fclose(f);
    return n;
}

static void test_book_follows_the_file(void **state)
{
    (void)state;
    char log[sizeof(path) + 8];
    snprintf(log, sizeof(log), "%s.log", path);
    unlink(path);
    struct petname_book *b = petname_book_create(path);
    assert_int_equal(resolve(b, "wiki.pet", ""), PETNAME_UNKNOWN);
    write_file("{\"wiki\": \"" TOR "\"}");
    assert_int_equal(resolve(b, "wiki.pet", TOR), PETNAME_KNOWN);
    char error[PETNAME_ERROR_MAX];
    struct petnames *p = parse("{\"duck\": \"" DUCK "\"}");
    assert_int_equal(petnames_save(p, path, error), 0);
    petnames_free(p);
    assert_int_equal(resolve(b, "wiki.pet", ""), PETNAME_UNKNOWN);
    assert_int_equal(resolve(b, "duck.pet", DUCK), PETNAME_KNOWN);
    // A bad one: what was read last stays, and one line says so.
    int errors = dup(STDERR_FILENO);
    assert_non_null(freopen(log, "we", stderr));
    write_file("{\"duck\": ");
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(resolve(b, "duck.pet", DUCK), PETNAME_KNOWN);
    write_file("{\"duck\": \"" DUCK "\", \"wiki\": \"x" DUCK "\"}");
    assert_int_equal(resolve(b, "duck.pet", DUCK), PETNAME_KNOWN);
    fflush(stderr);
    dup2(errors, STDERR_FILENO);
    close(errors);
    assert_int_equal(lines_of(log), 2);
    unlink(log);
    write_file("{}");
    assert_int_equal(resolve(b, "duck.pet", ""), PETNAME_UNKNOWN);
    unlink(path);
    assert_int_equal(resolve(b, "duck.pet", ""), PETNAME_UNKNOWN);
    petname_book_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_lookalikes),
        cmocka_unit_test(test_alike_addresses),
        cmocka_unit_test(test_lookalike_among_others),
        cmocka_unit_test(test_errors_have_places),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_book),
        cmocka_unit_test(test_lent_addresses),
        cmocka_unit_test(test_no_more_addresses),
        cmocka_unit_test(test_book_follows_the_file),
    };
    if (sodium_init() < 0)
        return 1;
    log_set_level(LOG_LEVEL_WARN);
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
