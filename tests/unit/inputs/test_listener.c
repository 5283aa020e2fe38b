/* Listeners that are open in a program: each is opened once, they start in that order, and end and close in the opposite one. */
#include "tests/support/cmocka.h"

#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/listener.h"

#include <stdio.h>
#include <string.h>

struct listener {
    char letter;
};

static char said[128];
static bool opens_not, has_spare;

static void say(char what, char letter)
{
    size_t n = strlen(said);

    snprintf(said + n, sizeof(said) - n, "%c%c ", what, letter);
}

static void expect(const char *want)
{
    assert_string_equal(said, want);
    said[0] = '\0';
}

static int open_one(struct listener **l, char letter)
{
    *l = mem_alloc(sizeof(**l));
    (*l)->letter = letter;
    say('o', letter);
    return 0;
}

static void start_one(struct listener *l)
{
    say('s', l->letter);
}

static void stop_one(struct listener *l)
{
    say('t', l->letter);
}

static void end_one(struct listener *l)
{
    say('e', l->letter);
}

static void close_one(struct listener **l)
{
    say('c', (*l)->letter);
    MEM_CLEAR(*l);
}

static bool let_go(struct listener *l)
{
    say('g', l->letter);
    return has_spare;
}

static int open_plain(struct listener **l, const void *conf, struct listeners *all, struct err *e)
{
    (void)all, (void)e;
    assert_null(conf);
    return open_one(l, 'p');
}

static const struct listener_ops PLAIN = {.name = "plain", .open = open_plain, .close = close_one, .let_go = let_go};

/* One with a section, that uses another one. */
static int open_whole(struct listener **l, const void *conf, struct listeners *all, struct err *e)
{
    assert_string_equal(conf, "conf");
    assert_string_equal(all->env.base_dir, "/");
    assert_non_null(listeners_find(all, &PLAIN));
    return opens_not ? err_set(e, ERR_IO, "not now") : open_one(l, 'w');
}

static const struct listener_section SECTION = {.check_conf = NULL};
static const struct listener_ops WHOLE = {.name = "whole",
                                          .section = &SECTION,
                                          .open = open_whole,
                                          .start = start_one,
                                          .stop = stop_one,
                                          .end = end_one,
                                          .close = close_one};

static void each_is_opened_once_and_the_last_one_ends_first(void **state)
{
    struct listeners all;
    struct listeners_one one;
    struct listener *plain;
    struct err e;

    (void)state;
    listeners_init(&all, &(struct listener_env){.base_dir = "/"});
    assert_false(listeners_at(&all, 0, &one));
    assert_null(listeners_find(&all, &WHOLE)); /* it wants its options */
    assert_int_equal(listeners_open(&all, &WHOLE, "conf", &e), 0);
    assert_int_equal(listeners_open(&all, &WHOLE, "conf", &e), 0);
    plain = listeners_find(&all, &PLAIN);
    assert_ptr_equal(listeners_find(&all, &PLAIN), plain);
    assert_true(listeners_at(&all, 0, &one) && one.ops == &PLAIN && one.l == plain);
    assert_true(listeners_at(&all, 1, &one) && one.ops == &WHOLE && one.l == listeners_find(&all, &WHOLE));
    assert_false(listeners_at(&all, 2, &one));
    expect("op ow ");
    listeners_start(&all);
    listeners_stop(&all);
    listeners_end(&all);
    expect("sw tw ew ");
    listeners_release(&all);
    expect("cw cp ");
}

static void one_that_does_not_open_may_open_later(void **state)
{
    struct listeners all;
    struct err e;

    (void)state;
    listeners_init(&all, &(struct listener_env){.base_dir = "/"});
    opens_not = true;
    assert_int_equal(listeners_open(&all, &WHOLE, "conf", &e), -1);
    assert_string_equal(e.msg, "not now");
    assert_null(listeners_find(&all, &WHOLE));
    listeners_start(&all);
    opens_not = false;
    assert_int_equal(listeners_open(&all, &WHOLE, "conf", &e), 0);
    expect("op ow ");
    listeners_release(&all); /* never started: it was no use to anybody */
    expect("cw cp ");
}

static void who_keeps_addresses_is_asked_for_them(void **state)
{
    struct listeners all;

    (void)state;
    listeners_init(&all, &(struct listener_env){.base_dir = "/"});
    assert_false(listeners_let_go(&all));
    (void)listeners_find(&all, &PLAIN);
    has_spare = true;
    assert_true(listeners_let_go(&all));
    has_spare = false;
    assert_false(listeners_let_go(&all));
    expect("op gp gp ");
    listeners_release(&all);
    expect("cp ");
}

/* The rows: names differ, and what the engine asks for is there. */
static void every_row_is_whole(void **state)
{
    const struct listener_ops *l;

    (void)state;
    for (size_t i = 0; (l = listener_at(i)); i++) {
        assert_true(i < LISTENERS_MAX && l->name && l->called && l->open && l->close);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(listener_at(k)->name, l->name);
        if (l->section)
            assert_true(l->section->check_conf && l->section->needs && l->section->place && l->section->change &&
                        l->section->limit && l->section->memory && l->section->address);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_opened_once_and_the_last_one_ends_first),
        cmocka_unit_test(one_that_does_not_open_may_open_later),
        cmocka_unit_test(who_keeps_addresses_is_asked_for_them),
        cmocka_unit_test(every_row_is_whole),
    };

    return cmocka_run_group_tests_name("listener", tests, NULL, NULL);
}
