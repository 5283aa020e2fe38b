/* fuzz_query.c -- queries for partition keys: whatever they and the record are, they end, and a plain path gives the text that libjq gives.
 *
 *     .a.b[0] // "x"      the query; with `field ` in front, the name of a field
 *     {"a":1}             all the rest: the record
 */
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/partition/jq.h"
#include "transforms/partition/query.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

#ifdef HAVE_LIBJQ

/* `q` as libjq understands it. False: it does not, which only shows when it is asked. */
static bool ask_jq(const struct query *q, struct slice record, struct jq_answer *a, struct jq_program **j)
{
    const struct query asked = {.text = q->text, .record_max = q->plain ? RECORD_MAX_BYTES : q->record_max};
    const struct query *all = &asked;
    struct err e = {.msg = ""};

    *a = (struct jq_answer){.answer = QUERY_MISSING};
    if (jq_program_new(j, &all, 1, &e) < 0) {
        check(e.msg[0] != '\0');
        return false;
    }
    jq_program_run(*j, record, a);
    check(a->answer != QUERY_FAILED || a->why);
    return true;
}

#else

static bool ask_jq(const struct query *q, struct slice record, struct jq_answer *a, struct jq_program **j)
{
    (void)q, (void)record, (void)a, (void)j;
    return false;
}

#endif

static void ask_plain(const struct query *q, bool by_jq, struct slice record)
{
    struct query_found found = {.wrong = NULL};
    bool is_object;
    const char *why = query_find(&q, 1, record, &found, &is_object), *failed = NULL;
    struct jq_program *j = NULL;
    struct jq_answer a;
    enum query_answer answer;
    struct buf text;

    check(!why == json_valid(record, JSON_DEPTH_MAX));
    if (why)
        return;
    buf_init(&text, QUERY_MADE_MAX);
    answer = query_text(q, &found, &text, &failed);
    check(answer != QUERY_FAILED || failed);
    if (by_jq && ask_jq(q, record, &a, &j)) {
        check(a.answer == answer);
        check(answer != QUERY_TEXT || slice_eq(a.text, buf_slice(&text)));
    }
    jq_program_free(&j);
    buf_release(&text);
}

/* What names a field is no query of jq. */
static void ask(const struct query *q, bool field, struct slice record)
{
    struct jq_program *j = NULL;
    struct jq_answer a;

    if (q->plain)
        ask_plain(q, !field, record);
    else if (json_valid(record, JSON_DEPTH_MAX))
        (void)ask_jq(q, record, &a, &j);
    jq_program_free(&j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data, *end = size ? memchr(bytes, '\n', size) : NULL;
    size_t n = end ? (size_t)(end - bytes) : size;
    char *text = mem_strndup(size ? bytes : "", n);
    struct slice record = end ? slice_of(end + 1, size - n - 1) : slice_of(NULL, 0);
    bool field = strncmp(text, "field ", 6) == 0;
    struct query q;
    struct err e = {.msg = ""};

    if ((field ? query_field(&q, text + 6, &e) : query_parse(&q, text, &e)) == 0) {
        ask(&q, field, record);
        query_release(&q);
    } else {
        check(e.msg[0] != '\0');
    }
    mem_free(text);
    return 0;
}
