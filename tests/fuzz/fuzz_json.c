/* fuzz_json.c -- the reader against the reference: the same documents are valid, and every value is the same.
 */
#include "pipeline/base/json.h"
#include "pipeline/base/mem.h"
#include "tests/fuzz/reference.h"
#include "transforms/lua/doc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_string(struct json_string s, const struct ref *want)
{
    struct buf decoded;

    buf_init(&decoded, 1 << 20);
    check(json_unescape(s, &decoded) == 0);
    check(decoded.n == want->n && (want->n == 0 || memcmp(decoded.p, want->text, want->n) == 0));
    check(s.escaped || slice_eq(s.raw, buf_slice(&decoded)));
    check(json_escaped_is(s.raw, slice_of(want->text, want->n)));
    buf_clear(&decoded); /* quoted again, it is the same string */
    check(json_quote(slice_of(want->text, want->n), &decoded) == 0);
    struct ref *again = ref_parse(decoded.p, decoded.n, 1);
    check(again && ref_equal(again, want));
    ref_free(again);
    buf_release(&decoded);
}

/* Reads the next value with the pull functions and compares. */
static void check_value(struct json_reader *r, const struct ref *want)
{
    static const char kinds[] = {
        [JSON_OBJECT] = '{', [JSON_ARRAY] = '[', [JSON_STRING] = '"', [JSON_NUMBER] = '0',
        [JSON_TRUE] = 't',   [JSON_FALSE] = 'f', [JSON_NULL] = 'n',
    };
    enum json_type type = json_peek(r);
    struct json_string s;
    struct slice number;

    check(type != JSON_NONE && kinds[type] == want->kind);
    if (type == JSON_OBJECT) {
        check(json_enter(r));
        for (size_t i = 0; i < want->count; i++) {
            check(json_member(r, &s));
            check_string(s, want->keys[i]);
            check_value(r, want->items[i]);
        }
        check(!json_member(r, &s) && !r->error);
    } else if (type == JSON_ARRAY) {
        check(json_enter(r));
        for (size_t i = 0; i < want->count; i++) {
            check(json_element(r));
            check_value(r, want->items[i]);
        }
        check(!json_element(r) && !r->error);
    } else if (type == JSON_STRING) {
        check(json_string(r, &s));
        check_string(s, want);
    } else if (type == JSON_NUMBER) {
        check(json_number(r, &number));
        check(number.n == want->n && memcmp(number.p, want->text, number.n) == 0);
    } else {
        check(json_literal(r, type));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { DEPTH = 16 };
    char *text = malloc(size ? size : 1); /* its end is known to the sanitizer */
    struct ref *want;
    struct json_reader r;

    if (size)
        memcpy(text, data, size);
    want = ref_parse(text, size, DEPTH);
    check(json_valid(slice_of(text, size), DEPTH) == (want != NULL));
    json_open(&r, slice_of(text, size), DEPTH);
    if (want) {
        check_value(&r, want);
        check(json_end(&r));
    }
    ref_free(want);
    free(text);
    return 0;
}
