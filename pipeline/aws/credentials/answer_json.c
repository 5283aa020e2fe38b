#include "pipeline/aws/credentials/answer.h"

#include "pipeline/aws/credentials/check_keys.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"

#include <stdio.h>

enum member { ACCESS_KEY, SECRET, TOKEN, EXPIRATION, CODE, VERSION, MEMBERS };

static const char *const NAMES[MEMBERS] = {"AccessKeyId", "SecretAccessKey", NULL, "Expiration", "Code", "Version"};

/* A text that was given; of a member that is there twice the last counts. null counts as left out. */
static int read_member(struct json_reader *r, struct buf *out, bool *given)
{
    struct json_string s;
    struct slice digits;

    buf_clear(out);
    *given = true;
    switch (json_peek(r)) {
    case JSON_STRING:
        return json_string(r, &s) && json_unescape(s, out) == 0 ? 0 : -1;
    case JSON_NUMBER:
        return json_number(r, &digits) && buf_add_slice(out, digits) == 0 ? 0 : -1;
    case JSON_NULL:
        *given = false;
        return json_skip(r) ? 0 : -1;
    default:
        return -1;
    }
}

static int read_all(struct slice text, const char *token, struct buf values[MEMBERS], bool given[MEMBERS])
{
    struct json_reader r;
    struct json_string key;

    json_open(&r, text, AWS_ANSWER_DEPTH_MAX);
    if (!json_enter(&r))
        return -1;
    while (json_member(&r, &key)) {
        enum member m = 0;

        while (m < MEMBERS && !json_string_is(key, m == TOKEN ? token : NAMES[m]))
            m++;
        if (m == MEMBERS ? !json_skip(&r) : read_member(&r, &values[m], &given[m]) < 0)
            return -1;
    }
    return json_end(&r) ? 0 : -1;
}

/* A word of the far end that may be shown. */
static bool is_word(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z')))
            return false;
    return s.n > 0 && s.n < 64;
}

static int check(enum key_dialect dialect, struct buf values[MEMBERS], const bool given[MEMBERS], struct err *e)
{
    struct slice code = buf_slice(&values[CODE]);

    if (dialect == KEYS_OF_INSTANCE && given[CODE] && !slice_is(code, "Success"))
        return err_set(e, ERR_REMOTE, "it says `%.*s` instead of keys", is_word(code) ? (int)code.n : 1,
                       is_word(code) ? code.p : "?");
    if (dialect == KEYS_OF_PROCESS && !(given[VERSION] && slice_is(buf_slice(&values[VERSION]), "1")))
        return err_set(e, ERR_FORMAT, "it is not version 1 of the format (`\"Version\": 1` is missing)");
    if (!given[ACCESS_KEY] || !given[SECRET])
        return err_set(e, ERR_FORMAT, "`%s` is missing in it", NAMES[given[ACCESS_KEY] ? SECRET : ACCESS_KEY]);
    if (dialect != KEYS_OF_PROCESS && (!given[TOKEN] || !given[EXPIRATION]))
        return err_set(e, ERR_FORMAT, "`%s` is missing in it", given[TOKEN] ? NAMES[EXPIRATION] : "Token");
    return 0;
}

int aws_answer_json(struct slice text, enum key_dialect dialect, struct aws_keys *out, struct err *e)
{
    struct buf values[MEMBERS];
    bool given[MEMBERS] = {false};
    int rc = -1;

    out->expires = 0;
    for (enum member m = 0; m < MEMBERS; m++)
        buf_init(&values[m], AWS_ANSWER_MAX);
    if (read_all(text, dialect == KEYS_OF_PROCESS ? "SessionToken" : "Token", values, given) < 0) {
        err_set(e, ERR_FORMAT, "it is not the JSON of keys");
        goto out;
    }
    if (check(dialect, values, given, e) < 0)
        goto out;
    if (given[EXPIRATION] && !aws_expiry_parse(buf_slice(&values[EXPIRATION]), &out->expires)) {
        err_set(e, ERR_FORMAT, "its `Expiration` is not a time like 2026-11-27T05:00:00Z");
        goto out;
    }
    rc = aws_keys_set_slices(out, buf_slice(&values[ACCESS_KEY]), buf_slice(&values[SECRET]), buf_slice(&values[TOKEN]),
                             e);
out:
    for (enum member m = 0; m < MEMBERS; m++) {
        if (values[m].n > 0)
            explicit_bzero(values[m].p, values[m].n);
        buf_release(&values[m]);
    }
    return rc;
}
