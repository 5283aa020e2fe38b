/* Mistakes that only the owner of options can see: where they are shown, and that no secret is. */
#include "tests/support/cmocka.h"

#include "config/errors.h"
#include "config/node.h"
#include "config/options.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"

#include <stdlib.h>
#include <string.h>

static const char YAML[] = "s3:\n"                                        /* 1 */
                           "  bucket: logs\n"                             /* 2 */
                           "  tls: { ca_file: ca.pem }\n"                 /* 3 */
                           "  headers: { X-A: one }\n"                    /* 4 */
                           "  url: [first, second]\n"                     /* 5 */
                           "  key: \"${env:SLUICE_TEST_KEY:-hunter2}\"\n" /* 6 */
                           "  empty:\n"                                   /* 7 */
                           "  short: \"${env:SLUICE_TEST_SHORT:-(}\"\n";  /* 8 */

struct parsed {
    struct cfg_errors *errs;
    struct cfg_tree *tree;
    struct cfg_options options;
};

static struct parsed parse(void)
{
    struct parsed p = {.errs = cfg_errors_new()};
    const struct cfg_node *s3;

    p.tree = cfg_tree_parse("c.yaml", YAML, strlen(YAML), p.errs);
    assert_non_null(p.tree);
    s3 = cfg_node_get(cfg_tree_root(p.tree), "s3");
    p.options = (struct cfg_options){.errs = p.errs, .node = s3, .at = s3->key->at};
    return p;
}

static void assert_said(struct parsed *p, const char *want)
{
    struct buf said;

    buf_init(&said, 65536);
    cfg_errors_print(p->errs, &said);
    assert_string_equal(buf_cstr(&said), want);
    buf_release(&said);
    cfg_tree_free(&p->tree);
    cfg_errors_free(&p->errs);
}

static void refused(const char *msg, const char *want)
{
    struct parsed p = parse();
    struct err e;

    err_set(&e, ERR_CONFIG, "%s", msg);
    cfg_options_refuse(&p.options, &e);
    assert_said(&p, want);
}

static void a_mistake_is_shown_where_its_words_lead(void **state)
{
    (void)state;
    refused("bucket: bad", "c.yaml:2:11: bucket: bad\n");
    refused("`bucket` is bad", "c.yaml:2:11: `bucket` is bad\n");
    refused("tls.ca_file: unreadable", "c.yaml:3:19: tls.ca_file: unreadable\n");
    refused("tls: ca_file: unreadable", "c.yaml:3:19: tls: ca_file: unreadable\n");
    refused("headers: `X-A` is bad", "c.yaml:4:19: headers: `X-A` is bad\n");
    refused("headers: too many", "c.yaml:4:3: headers: too many\n");
    refused("empty: needed", "c.yaml:7:3: empty: needed\n");
}

static void what_was_left_out_is_shown_where_it_would_belong(void **state)
{
    (void)state;
    refused("prefix: needed", "c.yaml:1:1: prefix: needed\n");
    refused("tls.key_file: needed", "c.yaml:3:3: tls.key_file: needed\n");
    refused("nothing of it works", "c.yaml:1:1: nothing of it works\n");
}

static void an_element_of_a_list_has_a_place_of_its_own(void **state)
{
    struct parsed p = parse();
    struct err e;

    (void)state;
    err_set(&e, ERR_CONFIG, "no address");
    cfg_options_refuse_item(&p.options, "url", 1, &e);
    cfg_options_warn_item(&p.options, "url", 0, &e);
    cfg_options_refuse_item(&p.options, "bucket", 0, &e); /* a single value for a list of one */
    assert_int_equal(cfg_errors_count(p.errs), 2);
    assert_int_equal(cfg_warnings_count(p.errs), 1);
    assert_said(&p, "c.yaml:2:11: no address\nc.yaml:5:9: warning: no address\nc.yaml:5:16: no address\n");
}

static void a_value_has_one_mistake(void **state)
{
    struct parsed p = parse();
    struct err e;

    (void)state;
    err_set(&e, ERR_CONFIG, "bucket: bad");
    cfg_options_refuse(&p.options, &e);
    err_set(&e, ERR_CONFIG, "bucket: bad in another way");
    cfg_options_refuse(&p.options, &e);
    err_set(&e, ERR_CONFIG, "key: cannot be without bucket, or the like");
    cfg_options_refuse(&p.options, &e);
    assert_said(&p, "c.yaml:2:11: bucket: bad\n");
}

static void warnings_make_room_for_mistakes(void **state)
{
    struct cfg_errors *errs = cfg_errors_new();
    struct buf said;

    (void)state;
    buf_init(&said, 65536);
    for (unsigned i = 0; i < CFG_ERRORS_MAX; i++)
        cfg_warning(errs, (struct srcpos){"c.yaml", i + 1, 1}, "look");
    for (unsigned i = 0; i < CFG_ERRORS_MAX + 1; i++)
        cfg_error(errs, (struct srcpos){"c.yaml", 1000 + i, 1}, "wrong");
    cfg_warning(errs, (struct srcpos){"c.yaml", 1, 1}, "look");
    cfg_errors_print(errs, &said);
    assert_null(strstr(buf_cstr(&said), "look"));
    assert_non_null(strstr(buf_cstr(&said), "c.yaml:1099:1: wrong\nand 102 more\n"));
    assert_int_equal(cfg_errors_count(errs), CFG_ERRORS_MAX + 1);
    buf_release(&said);
    cfg_errors_free(&errs);
}

static void what_came_from_outside_is_not_shown(void **state)
{
    (void)state;
    refused("key: `hunter2` is bad", "c.yaml:6:8: key: (not shown) is bad\n");
    refused("key: `unter` is bad, `two` is fine", "c.yaml:6:8: key: (not shown) is bad, `two` is fine\n");
    refused("key: hunter2 is bad", "c.yaml:6:8: key: (not shown) is bad\n");
    refused("key: `open", "c.yaml:6:8: key: `open\n");
    refused("short: ( is bad", "c.yaml:8:10: short: ... is bad\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mistake_is_shown_where_its_words_lead),
        cmocka_unit_test(what_was_left_out_is_shown_where_it_would_belong),
        cmocka_unit_test(an_element_of_a_list_has_a_place_of_its_own),
        cmocka_unit_test(a_value_has_one_mistake),
        cmocka_unit_test(warnings_make_room_for_mistakes),
        cmocka_unit_test(what_came_from_outside_is_not_shown),
    };

    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
