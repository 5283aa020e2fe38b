/* Every tests/bad_config/NAME.yaml with the messages in NAME.expected, compared exactly. A secret in them is always
 * `hunter2`, and no message may hold it. */
#include "tests/support/cmocka.h"

#include "config/errors.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/input.h"
#include "pipeline/settings/settings.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER    "tests/bad_config"
#define CASES_MIN 60
#define SECRET    "hunter2"

static void read_file(const char *name, struct buf *out)
{
    char path[512];
    FILE *f;

    snprintf(path, sizeof(path), FOLDER "/%s", name);
    f = fopen(path, "rb");
    if (!f)
        fail_msg("cannot read %s", path);
    assert_int_equal(buf_reserve(out, MIB), 0);
    out->n = fread(out->p, 1, MIB, f);
    fclose(f);
}

static void messages_of(const char *name, struct buf *out)
{
    struct cfg_errors *errs = cfg_errors_new();
    struct settings *s;
    struct buf text;

    buf_init(&text, 2 * MIB);
    read_file(name, &text);
    s = settings_parse(name, FOLDER, text.p, text.n, &SETTINGS_ALL, errs);
    if (s)
        fail_msg("%s: accepted", name);
    cfg_errors_print(errs, out);
    cfg_errors_free(&errs);
    buf_release(&text);
}

/* Among the inputs that are known stand those alone that were built. */
static void strike_out_what_was_not_built(struct buf *wanted)
{
    static const char *const OPTIONAL[] = {", kafka", ", amqp10", ", amqp091", ", journald"};

    for (size_t i = 0; i < ARRAY_LEN(OPTIONAL); i++) {
        char *list = strstr(buf_cstr(wanted), "known here: api, tail, stdin, "), *at;
        size_t n = strlen(OPTIONAL[i]);

        if (!list || input_find(OPTIONAL[i] + 2) || !(at = strstr(list, OPTIONAL[i])))
            continue;
        memmove(at, at + n, wanted->n - (size_t)(at + n - wanted->p));
        wanted->n -= n;
    }
}

static void check_case(const char *yaml)
{
    struct buf said, wanted;
    char expected[256];

    buf_init(&said, MIB);
    buf_init(&wanted, 2 * MIB);
    snprintf(expected, sizeof(expected), "%.*s.expected", (int)(strlen(yaml) - strlen(".yaml")), yaml);
    messages_of(yaml, &said);
    read_file(expected, &wanted);
    strike_out_what_was_not_built(&wanted);
    if (strstr(buf_cstr(&said), "this sluice was built without") && !strstr(buf_cstr(&wanted), "built without"))
        print_message("%s: not built, so it has other mistakes\n", yaml);
    else if (said.n == 0 || !slice_eq(buf_slice(&said), buf_slice(&wanted)))
        fail_msg("%s:\n--- wanted\n%s--- said\n%s", yaml, buf_cstr(&wanted), buf_cstr(&said));
    if (strstr(buf_cstr(&said), SECRET))
        fail_msg("%s: a message shows the secret", yaml);
    buf_release(&said);
    buf_release(&wanted);
}

static int is_yaml(const struct dirent *d)
{
    const char *dot = strrchr(d->d_name, '.');

    return dot && strcmp(dot, ".yaml") == 0;
}

static void every_mistake_has_its_message_at_its_place(void **state)
{
    struct dirent **names;
    int count = scandir(FOLDER, &names, is_yaml, alphasort);

    (void)state;
    assert_true(count >= CASES_MIN);
    for (int i = 0; i < count; i++) {
        check_case(names[i]->d_name);
        free(names[i]);
    }
    free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mistake_has_its_message_at_its_place),
    };

    setenv("SLUICE_TEST_SECRET", SECRET, 1);
    setenv("SLUICE_TEST_EMPTY", "", 1);
    unsetenv("SLUICE_TEST_NOT_SET");
    unsetenv("SLUICE_TEST_UNSET");
    return cmocka_run_group_tests_name("bad_config", tests, NULL, NULL);
}
