// SPDX-License-Identifier: BSD-3-Clause
// Petnames on the command line. A relay that runs sees the file's change by itself.
#include "petname.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onion/petname/petname.h"

struct call {
    char path[PATH_MAX];
    struct petnames *names;
    char *const *arguments; // after "add", "remove", "list"
};

static int complain(const char *what)
{
    fprintf(stderr, "ramson: %s\n", what);
    return EXIT_FAILURE;
}

static int save(const struct call *call)
{
    char error[PETNAME_ERROR_MAX];
    return petnames_save(call->names, call->path, error) == 0 ? EXIT_SUCCESS : complain(error);
}

// "wiki.pet" is "wiki", as people see it.
static void leave_suffix_out(char *name)
{
    size_t length = strlen(name);
    if (length > 4 && strcmp(name + length - 4, ".pet") == 0)
        name[length - 4] = 0;
}

static void warn_of_lookalike(const struct call *call, const char *name)
{
    struct petname one = {0};
    const struct petname *like;
    size_t n = petnames_count(call->names);
    for (size_t i = 0; i < n && !one.name[0]; i++)
        if (petnames_find(call->names, name) == petnames_at(call->names, i)->address)
            one = *petnames_at(call->names, i);
    switch (petnames_lookalike(call->names, &one, &like)) {
    case PETNAME_UNLIKE:
        break;
    case PETNAME_LIKE_NAME:
        fprintf(stderr,
                "ramson: warning: %s looks like %s, which is another service (%s): one can be "
                "taken for the other\n",
                one.name, like->name, like->address);
        break;
    case PETNAME_LIKE_ADDRESS:
        fprintf(stderr,
                "ramson: warning: the address begins and ends like that of %s (%s) and is another: "
                "it may have been made to be mistaken for it\n",
                like->name, like->address);
        break;
    }
}

static int add(const struct call *call)
{
    char error[PETNAME_ERROR_MAX];
    char *name = call->arguments[0];
    leave_suffix_out(name);
    if (petnames_add(call->names, name, call->arguments[1], error) != 0)
        return complain(error);
    warn_of_lookalike(call, name);
    return save(call);
}

static int remove_one(const struct call *call)
{
    char what[160];
    char *name = call->arguments[0];
    leave_suffix_out(name);
    snprintf(what, sizeof(what),
             "found no petname \"%.80s\", expected one of `ramson petname list`", name);
    return petnames_remove(call->names, name) == 0 ? save(call) : complain(what);
}

static int list(const struct call *call)
{
    for (size_t i = 0; i < petnames_count(call->names); i++) {
        const struct petname *one = petnames_at(call->names, i);
        printf("%-20s %s\n", one->name, one->address);
    }
    return fflush(stdout) == 0 ? EXIT_SUCCESS : complain("nothing can be written");
}

static const struct {
    const char *name;
    unsigned arguments;
    int (*execute)(const struct call *call);
} kinds[] = {{"add", 2, add}, {"remove", 1, remove_one}, {"list", 0, list}};

int petname_command(const struct config *config, char *const words[PETNAME_WORDS_MAX + 1])
{
    char error[PETNAME_ERROR_MAX];
    unsigned n = 0;
    while (n < PETNAME_WORDS_MAX && words[n])
        n++;
    for (size_t i = 0; n > 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct call call = {.arguments = words + 1};
        if (strcmp(words[0], kinds[i].name) != 0 || n - 1 != kinds[i].arguments)
            continue;
        if (!petnames_path(config, call.path, sizeof(call.path)))
            return complain("the path of petnames.json is too long");
        call.names = petnames_load(call.path, error);
        if (!call.names)
            return complain(error);
        int status = kinds[i].execute(&call);
        petnames_free(call.names);
        return status;
    }
    return complain("found another use of petname, expected add NAME ADDRESS, remove NAME or list "
                    "(see ramson --help)");
}
