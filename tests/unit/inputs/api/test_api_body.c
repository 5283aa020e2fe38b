/* Collecting a body within a budget, and what a gzip body may turn into. */
#include "tests/support/cmocka.h"

#include "pipeline/inputs/api/body.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <string.h>
#include <zlib.h>

/* Appends the gzip form of n bytes of `c`. */
static void add_gzip(struct buf *out, size_t n, int c)
{
    z_stream z = {0};
    char *plain = mem_alloc(n + 1);

    memset(plain, c, n);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(buf_reserve(out, deflateBound(&z, (uLong)n)), 0);
    z.next_in = (Bytef *)plain;
    z.avail_in = (uInt)n;
    z.next_out = (Bytef *)out->p + out->n;
    z.avail_out = (uInt)(out->cap - out->n);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->n += z.total_out;
    deflateEnd(&z);
    mem_free(plain);
}

struct fixture {
    struct budget budget;
    struct api_body body;
    struct buf wire;
    struct api_error e;
};

static int setup(void **state)
{
    struct fixture *f = mem_alloc(sizeof(*f));

    budget_init(&f->budget, 32 * MIB);
    api_body_init(&f->body, &f->budget);
    buf_init(&f->wire, 128 * MIB);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    api_body_release(&f->body);
    assert_int_equal(f->budget.used, 0);
    buf_release(&f->wire);
    mem_free(f);
    return 0;
}

static void an_announced_body_takes_its_memory_at_once(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(api_body_expect(&f->body, 1000, &f->e), 0);
    assert_int_equal(f->budget.used, 1000);
    assert_int_equal(api_body_add(&f->body, SLICE("abc"), &f->e), 0);
    assert_int_equal(f->budget.used, 1000);
}

static void an_announced_body_over_the_limit_is_refused_before_it_comes(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(api_body_expect(&f->body, API_BODY_MAX_BYTES, &f->e), 0);
    assert_int_equal(api_body_expect(&f->body, API_BODY_MAX_BYTES + 1, &f->e), -1);
    assert_int_equal(f->e.code, API_TOO_LARGE);
}

static void a_full_budget_pushes_back(void **state)
{
    struct fixture *f = *state;

    f->budget.limit = 999;
    assert_int_equal(api_body_expect(&f->body, 1000, &f->e), -1);
    assert_int_equal(f->e.code, API_UNAVAILABLE);
    assert_string_equal(f->e.message, "Slow down.");
    assert_int_equal(f->budget.used, 0);
}

static void an_unannounced_body_grows_to_the_limit_and_no_further(void **state)
{
    struct fixture *f = *state;
    static char piece[64 * KIB];
    size_t n;

    for (n = 0; n < API_BODY_MAX_BYTES; n += sizeof(piece)) {
        assert_int_equal(api_body_add(&f->body, slice_of(piece, sizeof(piece)), &f->e), 0);
        assert_true(f->body.bytes.cap <= f->body.held);
    }
    assert_int_equal(f->budget.used, API_BODY_MAX_BYTES);
    assert_int_equal(api_body_add(&f->body, SLICE("x"), &f->e), -1);
    assert_int_equal(f->e.code, API_TOO_LARGE);
}

static int gunzip(struct fixture *f)
{
    assert_int_equal(api_body_add(&f->body, buf_slice(&f->wire), &f->e), 0);
    return api_body_gunzip(&f->body, &f->e);
}

static void a_gzip_body_is_replaced_by_its_content(void **state)
{
    struct fixture *f = *state;

    add_gzip(&f->wire, 100000, 'a');
    add_gzip(&f->wire, 50000, 'b'); /* a second member, as `cat a.gz b.gz` makes */
    assert_int_equal(gunzip(f), 0);
    assert_int_equal(f->body.bytes.n, 150000);
    assert_int_equal(f->body.bytes.p[99999], 'a');
    assert_int_equal(f->body.bytes.p[100000], 'b');
}

static void a_gzip_bomb_ends_at_the_limit(void **state)
{
    const struct {
        size_t n;
        enum api_code code;
    } cases[] = {{API_BODY_MAX_BYTES, API_OK}, {API_BODY_MAX_BYTES + 1, API_TOO_LARGE}, {100 * MIB, API_TOO_LARGE}};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_clear(&f->wire);
        api_body_release(&f->body);
        f->e.code = API_OK;
        add_gzip(&f->wire, cases[i].n, 'x');
        assert_int_equal(gunzip(f), cases[i].code == API_OK ? 0 : -1);
        assert_int_equal(f->e.code, cases[i].code);
        assert_true(f->budget.peak <= 2 * API_BODY_MAX_BYTES);
    }
}

static void what_is_not_gzip_is_refused(void **state)
{
    struct fixture *f = *state;
    size_t whole;

    assert_int_equal(api_body_gunzip(&f->body, &f->e), -1); /* empty */
    assert_int_equal(f->e.code, API_SERIALIZATION);
    add_gzip(&f->wire, 5000, 'x');
    whole = f->wire.n;
    for (size_t n = 0; n < whole; n++) {
        api_body_release(&f->body);
        f->wire.n = n;
        f->e.code = API_OK;
        assert_int_equal(gunzip(f), -1);
        assert_int_equal(f->e.code, API_SERIALIZATION);
    }
    f->wire.n = whole;
    assert_int_equal(buf_add_str(&f->wire, "and more"), 0);
    api_body_release(&f->body);
    assert_int_equal(gunzip(f), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_announced_body_takes_its_memory_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(an_announced_body_over_the_limit_is_refused_before_it_comes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_budget_pushes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unannounced_body_grows_to_the_limit_and_no_further, setup, teardown),
        cmocka_unit_test_setup_teardown(a_gzip_body_is_replaced_by_its_content, setup, teardown),
        cmocka_unit_test_setup_teardown(a_gzip_bomb_ends_at_the_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_gzip_is_refused, setup, teardown),
    };

    return cmocka_run_group_tests_name("api_body", tests, NULL, NULL);
}
