/* The program is asked [RECORD, BYTES OF THE RECORD]. Each query becomes one output of it: null when the record is longer than the query
 * takes, an array with what it gives, or an object when it fails, so that one that fails takes no other with it. In front stand
 * definitions that guard functions of jq 1.6 against values on which they end the process. */
#include "transforms/partition/jq.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#ifdef HAVE_LIBJQ

#include <inttypes.h>
#include <jq.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct jq_program {
    jq_state *jq;
    const struct query *const *query; /* of the caller */
    size_t count;
    uint64_t record_max; /* the most that any of them takes */
    struct buf said;     /* by libjq, while a program is made */
    struct buf texts;
};

/* Functions of jq 1.6 that end the process on odd values (a time without a year in four digits, a format that is no text), or never give
 * the memory of such a call back. */
static const char GUARDS[] =
    "def _text: if type == \"string\" then . else error(\"no text\") end;"
    "def _time: if type == \"number\" then if . >= -62135596800 and . <= 253402300799 then . else error(\"no time\") "
    "end elif type == \"array\" and length >= 6 and all(.[]; type == \"number\") then . else error(\"no time\") end;"
    "def _strftime($f): strftime($f); def strftime(f): (f | _text) as $f | _time | _strftime($f);"
    "def _strptime($f): strptime($f); def strptime(f): (f | _text) as $f | _text | _strptime($f);"
    "def _gmtime: gmtime; def gmtime: _time | _gmtime; def _mktime: mktime; def mktime: _time | _mktime;"
    "def todateiso8601: strftime(\"%Y-%m-%dT%H:%M:%SZ\"); def todate: todateiso8601;"
    "def fromdateiso8601: strptime(\"%Y-%m-%dT%H:%M:%SZ\") | mktime; def fromdate: fromdateiso8601;"
    "def _both($s): type == \"string\" and ($s | type) == \"string\";"
    "def _ltrimstr($s): ltrimstr($s); def ltrimstr(f): f as $s | if _both($s) then _ltrimstr($s) else . end;"
    "def _rtrimstr($s): rtrimstr($s); def rtrimstr(f): f as $s | if _both($s) then _rtrimstr($s) else . end;";

static const char TOO_LONG[] = "the record is too long for this query: only a plain path takes records of any length";

static void on_message(void *ctx, jv message)
{
    struct buf *said = ctx;

    if (jv_get_kind(message) == JV_KIND_STRING && said->n == 0)
        (void)!buf_add_str(said, jv_string_value(message));
    jv_free(message);
}

/* "jq: error: syntax error, unexpected ... at <top-level>, line 1:" without what says nothing. */
static int say_mistake(const struct buf *said, const char *query, struct err *e)
{
    struct slice s = buf_slice(said);
    const char *end;

    if (slice_starts(s, SLICE("jq: error: ")))
        s = slice_of(s.p + 11, s.n - 11);
    end = s.n ? memmem(s.p, s.n, " at <top-level>", 15) : NULL;
    if (!end && s.n)
        end = memchr(s.p, '\n', s.n);
    if (end)
        s.n = (size_t)(end - s.p);
    end = s.n ? memmem(s.p, s.n, " (Unix shell", 12) : NULL;
    if (end)
        s.n = (size_t)(end - s.p);
    return err_set(e, ERR_CONFIG, "`%s` is no query of jq 1.6: %.*s", query, (int)s.n, s.p);
}

/* A program of the queries from `from` to before `to`. */
static int compile(struct jq_program *j, size_t from, size_t to)
{
    struct buf text;
    int rc = 0, outputs = 0;

    buf_init(&text, sizeof(GUARDS) + (to - from) * (QUERY_TEXT_MAX + 128) + 64);
    rc = buf_add_str(&text, GUARDS);
    for (size_t i = from; i < to && rc == 0; i++)
        if (!j->query[i]->plain)
            rc = buf_printf(&text, "%s(if .[1] > %" PRIu64 " then null else .[0] | try [(%s\n)] catch {} end)",
                            outputs++ ? "," : "", j->query[i]->record_max, j->query[i]->text);
    if (rc == 0) {
        buf_clear(&j->said);
        j->jq = jq_init();
        jq_set_error_cb(j->jq, on_message, &j->said);
        rc = jq_compile(j->jq, buf_cstr(&text)) ? 0 : -1;
    }
    buf_release(&text);
    return rc;
}

/* jq_compile() reads $HOME/.jq into each program, and there is no way to tell it not to: a definition there takes the place of a
 * function in the queries, and in their guards, and may go on without end. A folder of that name is not read. */
static int refuse_definitions(struct err *e)
{
    const char *home = getenv("HOME");
    char *path = home ? mem_printf("%s/.jq", home) : NULL;
    struct stat st;
    int rc = 0;

    if (path && stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
        rc = err_set(
            e, ERR_CONFIG,
            "libjq reads `%s` into every query, and what is defined there changes what a query says: move it away, or "
            "start this program with another HOME",
            path);
    mem_free(path);
    return rc;
}

int jq_program_new(struct jq_program **out, const struct query *const *q, size_t count, struct err *e)
{
    struct jq_program *j;

    *out = NULL;
    if (refuse_definitions(e) < 0)
        return -1;
    j = mem_alloc(sizeof(*j));
    j->query = q;
    j->count = count;
    buf_init(&j->said, 4096);
    buf_init(&j->texts, SIZE_MAX);
    for (size_t i = 0; i < count; i++)
        if (!q[i]->plain && q[i]->record_max > j->record_max)
            j->record_max = q[i]->record_max;
    *out = j;
    if (compile(j, 0, count) == 0)
        return 0;
    for (size_t i = 0; i < count; i++) {
        jq_teardown(&j->jq);
        if (!q[i]->plain && compile(j, i, i + 1) < 0) {
            say_mistake(&j->said, q[i]->text, e);
            break;
        }
    }
    jq_program_free(out);
    return -1;
}

void jq_program_free(struct jq_program **jp)
{
    struct jq_program *j = *jp;

    if (!j)
        return;
    if (j->jq)
        jq_teardown(&j->jq);
    buf_release(&j->said);
    buf_release(&j->texts);
    MEM_CLEAR(j);
    *jp = NULL;
}

/* libjq 1.7 keeps how a number was written (1.0, 1e400); a key must be the same with each version. */
static jv as_double(jv value)
{
    return jv_get_kind(value) == JV_KIND_NUMBER ? jv_number(jv_number_value(value)) : jv_copy(value);
}

/* Texts move while they are gathered: offsets until the end. */
static struct jq_answer text_of(struct jq_program *j, jv value)
{
    struct jq_answer a = {.answer = QUERY_TEXT};
    size_t before = j->texts.n;
    jv text;

    switch (jv_get_kind(value)) {
    case JV_KIND_NULL:
        a.answer = QUERY_MISSING;
        break;
    case JV_KIND_ARRAY:
    case JV_KIND_OBJECT:
        a = (struct jq_answer){.answer = QUERY_FAILED, .why = "it is an object or an array"};
        break;
    case JV_KIND_NUMBER:
        if (isnan(jv_number_value(value))) {
            a.answer = QUERY_MISSING;
            break;
        } /* fall through */
    default:
        text = jv_get_kind(value) == JV_KIND_STRING ? jv_copy(value) : jv_dump_string(as_double(value), 0);
        if (buf_add(&j->texts, jv_string_value(text), (size_t)jv_string_length_bytes(jv_copy(text))) < 0)
            a = (struct jq_answer){.answer = QUERY_FAILED, .why = "it is too long"};
        jv_free(text);
        break;
    }
    a.text = slice_of(NULL, j->texts.n - before);
    jv_free(value);
    return a;
}

static struct jq_answer answer_of(struct jq_program *j, jv output)
{
    struct jq_answer a = {.answer = QUERY_FAILED, .why = "the query fails on this record"};

    if (jv_get_kind(output) == JV_KIND_ARRAY && jv_array_length(jv_copy(output)) == 0)
        a.answer = QUERY_MISSING;
    else if (jv_get_kind(output) == JV_KIND_NULL)
        a.why = TOO_LONG;
    else if (jv_get_kind(output) == JV_KIND_ARRAY)
        a = text_of(j, jv_array_get(jv_copy(output), 0));
    jv_free(output);
    return a;
}

static void fail_all(const struct jq_program *j, const char *why, struct jq_answer *answers)
{
    for (size_t i = 0; i < j->count; i++)
        if (!j->query[i]->plain)
            answers[i] = (struct jq_answer){.answer = QUERY_FAILED, .why = why};
}

void jq_program_run(struct jq_program *j, struct slice record, struct jq_answer *answers)
{
    size_t at = 0;
    jv input;

    buf_trim(&j->texts, WORKER_KEEP_MAX); /* of the record before: its texts are no longer used */
    if (record.n > j->record_max) {
        fail_all(j, TOO_LONG, answers);
        return;
    }
    input = jv_parse_sized(record.p, (int)record.n);
    if (!jv_is_valid(input)) {
        jv_free(input);
        fail_all(j, "jq cannot read the record: it is nested too deep, or has half a surrogate pair", answers);
        return;
    }
    buf_clear(&j->texts);
    jq_start(j->jq, JV_ARRAY(input, jv_number((double)record.n)), 0);
    for (size_t i = 0; i < j->count; i++)
        if (!j->query[i]->plain)
            answers[i] = answer_of(j, jq_next(j->jq));
    jv_free(jq_next(j->jq)); /* there is none: the stack is given back */
    for (size_t i = 0; i < j->count; i++) {
        if (j->query[i]->plain)
            continue;
        answers[i].text.p = j->texts.n ? j->texts.p + at : NULL;
        at += answers[i].text.n;
    }
}

#else

int jq_program_new(struct jq_program **j, const struct query *const *q, size_t count, struct err *e)
{
    (void)q, (void)count;
    *j = NULL;
    return err_set(e, ERR_CONFIG, "this program was built without libjq");
}

void jq_program_free(struct jq_program **j)
{
    *j = NULL;
}

void jq_program_run(struct jq_program *j, struct slice record, struct jq_answer *answers)
{
    (void)j, (void)record, (void)answers;
}

#endif
