/* What a far end said, without the records and the credentials it repeats. */
#include "tests/support/cmocka.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/mem.h"
#include "sinks/answer/clean.h"

#include <stdio.h>
#include <string.h>

static const char *clean(const char *said, const char *body)
{
    static char out[512];
    const struct answer_sent sent = {.body = slice_str(body)};

    answer_clean(said, &sent, out, sizeof(out));
    return out;
}

static void quotes_are_cut_out(void **state)
{
    static const struct {
        const char *said, *want;
    } CASES[] = {
        {"failed to parse field [age] of type [long] in document with id '7'. Preview of field's value: 'SECRET'",
         "failed to parse field [age] of type [long] in document with id '...'. Preview of field's value: ..."},
        {"failed to parse field [age] of type [long]. Preview of field's value: '{a=SECRET, b='x'}'",
         "failed to parse field [age] of type [long]. Preview of field's value: ..."},
        {"failed to parse field [age] of type [long] in document with id '7'. Preview of field's value: 'index "
         "[SECRET]'",
         "failed to parse field [age] of type [long] in document with id '...'. Preview of field's value: ..."},
        {"failed to parse date field [SECRET] with format [strict_date_optional_time]",
         "failed to parse date field [...]"},
        {"For input string: \"SECRET\"", "For input string: ..."},
        {"For input string: SECRET", "For input string: ..."},
        {"mapping set to strict, dynamic introduction of [SECRET] within [_doc] is not allowed",
         "mapping set to strict, dynamic introduction of [...] is not allowed"},
        {"index [logs-2026] blocked by: [FORBIDDEN/8/index write (api)];",
         "index [logs-2026] blocked by: [FORBIDDEN/8/index write (api)];"},
        {"no such index [logs]", "no such index [logs]"},
        {"action [indices:data/write/bulk[s]] is unauthorized for user [w] with roles [r]",
         "action [indices:data/write/bulk[s]] is unauthorized for user [w] with roles [r]"},
        {"invalid character 'h' looking for beginning of value",
         "invalid character '...' looking for beginning of value"},
        {"Unrecognized token 'SECRET': was expecting (JSON String) at [Source: (String)\"SECRET and more\"; line: 1]",
         "Unrecognized token '...': was expecting (JSON String) at [..."},
        {"can't parse: it's wrong", "can't parse: it's wrong"},
        {"bad record 'it's a SECRET' here", "bad record '...' here"},
        {"bad record `SECRET` here", "bad record `...` here"},
        {"got {\"a\":\"SECRET\"} there", "got {...} there"},
        {"cut off in \"SECR", "cut off in \"..."},
        {"cut off in [SECR", "cut off in [..."},
        {"cut off in 'SECR", "cut off in '..."},
        {"empty \"\" quotes", "empty \"\" quotes"},
        {"limit of total fields [1000] has been exceeded", "limit of total fields [1000] has been exceeded"},
        {"no quotes at all", "no quotes at all"},
        {"", ""},
        {"'", "'"},
        {"[", "["},
        {"\"\"\"", "\"...\""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *got = clean(CASES[i].said, "");

        if (strstr(got, "SECR") || strncmp(got, CASES[i].want, strlen(CASES[i].want)) != 0)
            fail_msg("`%s`: `%s`, not `%s`", CASES[i].said, got, CASES[i].want);
    }
}

static void what_is_also_in_the_body_is_cut_out(void **state)
{
    static const char BODY[] =
        "user=alice card=4111-1111 the quick brown fox jumps\nsecond\xc3\xa9line-42 pw=hunter2 TOPSECRET SECRET\n";
    static const struct {
        const char *said, *want;
    } CASES[] = {
        {"cannot take user=alice card=4111-1111 here", "cannot take ... here"},
        {"cannot take 4111-1111 here", "cannot take ... here"},
        {"the quick brown fox", "..."},
        {"see the quick", "see the ..."},
        {"no such second", "no such second"}, /* common in error texts */
        {"bad pw: Hunter2", "bad pw: ..."},   /* letter case */
        {"BROWN is no colour", "... is no colour"},
        {"a fox", "a ..."},
        {"ALI is no user", "... is no user"}, /* cut off */
        {"code 411 of card", "code ... of ..."},
        {"row SECOND\xc3\x89LINE", "row ..."},
        {"bad value hunter2 here", "bad value ... here"},
        {"bad value hunter23 or xhunter2", "bad value hunter23 or xhunter2"},
        {"TOPSECRET is no number", "... is no number"},
        {"SECRET is no number", "... is no number"},
        {"row second\xc3\xa9line-42!", "row ...!"},
        {"cannot parse index [alice card=4111-1111]", "cannot parse index [...]"},
        {"user=al", "user=al"}, /* too short to be told from chance */
        {"nothing of it", "nothing of it"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        if (strcmp(clean(CASES[i].said, BODY), CASES[i].want) != 0)
            fail_msg("`%s`: `%s`, not `%s`", CASES[i].said, clean(CASES[i].said, BODY), CASES[i].want);
}

/* Firehose's requests have the records in base64; an endpoint that decodes them may quote what it found. */
static void a_quote_of_what_was_sent_in_base64_is_cut_out(void **state)
{
    static const char RECORD[] = "ab password is hunter-2-and-more, and so on";

    (void)state;
    for (size_t shift = 0; shift < 3; shift++) {
        char code[128] = {0}, said[128];

        base64_encode(slice_str(RECORD + shift), code);
        snprintf(said, sizeof(said), "no JSON: password is hunter-2-and-more, and");
        if (strstr(clean(said, code), "hunter"))
            fail_msg("%zu: `%s`", shift, clean(said, code));
    }
}

/* Short words and numbers of records in base64, as Firehose's requests have them, whatever the letter case. */
static void words_and_numbers_in_base64_are_cut_out(void **state)
{
    static const struct {
        const char *record, *said, *want;
    } CASES[] = {
        {"{\"pin\":4711,\"who\":\"Bob\"}", "no pin 4711 of bob here", "no ... ... of ... here"},
        {"{\"pin\":4711,\"who\":\"Bob\"}", "BOB and 4712", "... and 4712"},
        {"Eva", "eva is no JSON", "... is no JSON"},
        {"12345", "number 12345 is too large", "number ... is too large"},
        {"{\"s\":\"\\u00c9va\\nMia \\\"Leo\\\"\"}", "\xc3\xa9va, mia, LEO", "..., ..., ..."},
        {"a=%3DErika", "no erika", "no ..."},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        for (size_t before = 0; before < 2; before++) {
            char body[512], code[256] = {0};

            base64_encode(slice_str(CASES[i].record), code);
            snprintf(body, sizeof(body), "{\"requestId\":\"r\",\"records\":[%s{\"data\":\"%s\"}]}",
                     before ? "{\"data\":\"eA==\"}," : "", code);
            if (strcmp(clean(CASES[i].said, body), CASES[i].want) != 0)
                fail_msg("`%s`: `%s`, not `%s`", CASES[i].said, clean(CASES[i].said, body), CASES[i].want);
        }
}

/* Where the body lies in a file, only the words stay that servers make error texts of. */
static void of_a_body_that_is_not_seen_common_words_stay(void **state)
{
    static const struct {
        const char *said, *want;
    } CASES[] = {
        {"NoSuchBucket: The specified bucket does not exist", "NoSuchBucket: The specified bucket does not exist"},
        {"cannot parse Erika, 4711", "cannot parse ..., ..."},
        {"document_parsing_exception: [1:7] erikaBob", "document_parsing_exception: [...] ..."},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct answer_sent sent = {.unseen = true};
        char out[256];

        answer_clean(CASES[i].said, &sent, out, sizeof(out));
        if (strcmp(out, CASES[i].want) != 0)
            fail_msg("`%s`: `%s`, not `%s`", CASES[i].said, out, CASES[i].want);
    }
}

/* The far end quotes what it read, not how it was written; or it writes it as a part of an address. */
static void a_quote_with_other_escapes_is_cut_out(void **state)
{
    static const char BODY[] = "{\"n\":\"zebra\\u00e9quux-7\",\"s\":\"a \\\"plover\\\" was here\",\"who\":\"Erika "
                               "Mustermann\",\"p\":\"x\\/y\\/z\\/41\",\"h\":\"\\ud83d\"}\\";
    static const struct {
        const char *said, *want;
    } CASES[] = {
        {"found a value: zebra\xc3\xa9quux-7", "found a value: ..."},
        {"not in x/y/z/41", "not in ..."},
        {"who%3DErika%20Mustermann here", "who%3D... here"},
        {"who is Erika+Mustermann", "who is ..."},
        {"50% of it + nothing%", "50% of it + nothing%"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        if (strcmp(clean(CASES[i].said, BODY), CASES[i].want) != 0)
            fail_msg("`%s`: `%s`, not `%s`", CASES[i].said, clean(CASES[i].said, BODY), CASES[i].want);
}

/* The body is gone through a piece at a time: a quote is found wherever it lies. */
static void a_quote_across_two_pieces_of_an_escaped_body_is_cut_out(void **state)
{
    (void)state;
    for (size_t before = 4070; before < 4110; before++) {
        char *body = mem_array(before + 64, 1);

        memset(body, '.', before);
        snprintf(body + before, 64, "zebra\\u00e9quux-7 and more");
        if (strstr(clean("found zebra\xc3\xa9quux-7", body), "zebra"))
            fail_msg("%zu", before);
        mem_free(body);
    }
}

/* Whatever is said and sent: the piece they share is gone, and nothing is read beyond. */
static void a_shared_piece_is_found_wherever_it_stands(void **state)
{
    static const char PIECE[] = "k3y-0f-m1ne";

    (void)state;
    for (size_t before = 0; before < 30; before++)
        for (size_t behind = 0; behind < 12; behind++) {
            char said[128], body[128], *exact;
            struct answer_sent sent;
            char out[256];

            snprintf(said, sizeof(said), "%.*s%s", (int)before, "..............................", PIECE);
            snprintf(body, sizeof(body), "%s%.*s", PIECE, (int)behind, "############");
            exact = memcpy(mem_array(strlen(body), 1), body, strlen(body));
            sent = (struct answer_sent){.body = slice_of(exact, strlen(body))};
            answer_clean(said, &sent, out, sizeof(out));
            assert_null(strstr(out, "k3y"));
            assert_null(strstr(out, "m1ne"));
            mem_free(exact);
        }
}

static void credentials_are_cut_out_for_everybody(void **state)
{
    static const struct {
        const char *name, *value, *said, *want;
    } CASES[] = {
        {"Authorization", "Bearer abcdef123", "you sent Bearer abcdef123", "you sent ..."},
        {"Authorization", "Bearer abcdef123", "token abcdef123 has expired", "token ... has expired"},
        {"Authorization", "Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA== is wrong", "... is wrong"},
        {"Authorization", "Basic dXNlcjpwYXNzd29yZA==", "wrong password for user: password",
         "wrong ... for user: ..."}, /* a bad password hides a good word */
        {"authorization", "Splunk 1a2b-3c4d", "1a2b-3c4d?", "...?"},
        {"X-Amz-Firehose-Access-Key", "k3y-k3y", "unknown key k3y-k3y", "unknown key ..."},
        {"DD-API-KEY", "0123456789abcdef", "0123456789abcdef is disabled", "... is disabled"},
        {"x-amz-security-token", "tokentokentoken", "tokentokentoken", "..."},
        {"Authorization", "AWS4-HMAC-SHA256 Credential=AK/d/r/s/aws4_request, SignedHeaders=host, Signature=0a1b2c3d",
         "AK sent 0a1b2c3d", "AK sent ..."},
        {"Content-Type", "application/json", "no application/json here", "no application/json here"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct http_request rq = {.url = mem_strdup("http://h/x?api=quitesecret&a=b")};
        const struct answer_sent sent = {.request = &rq};
        struct sink_verdict v = {.message = "it failed"};
        char want[256];

        http_request_header(&rq, CASES[i].name, slice_str(CASES[i].value));
        snprintf(v.said, sizeof(v.said), "%s", CASES[i].said);
        answer_finish(&v, &sent);
        snprintf(want, sizeof(want), "it failed: %s", CASES[i].want);
        if (strcmp(v.message, want) != 0 || strcmp(v.detail, want) != 0)
            fail_msg("`%s`: `%s` and `%s`, not `%s`", CASES[i].said, v.message, v.detail, want);
        snprintf(v.said, sizeof(v.said), "asked for x?api=quitesecret");
        answer_finish(&v, &sent);
        assert_null(strstr(v.detail, "quitesecret"));
        http_request_release(&rq);
    }
}

static void the_backup_gets_the_quotes_and_people_do_not(void **state)
{
    struct sink_verdict v = {.message = "http://h refused it (status 400)", .said = "value 'SECRET' is no number"};
    const struct answer_sent sent = {.request = NULL};

    (void)state;
    answer_finish(&v, &sent);
    assert_string_equal(v.message, "http://h refused it (status 400): value '...' is no number");
    assert_string_equal(v.detail, "http://h refused it (status 400): value 'SECRET' is no number");
    assert_string_equal(v.said, "");
    answer_finish(&v, &sent); /* nothing more was said */
    assert_string_equal(v.message, "http://h refused it (status 400): value '...' is no number");
}

/* Whatever the record has in it, the words of the sink stay; all that was said is compared with it. */
static void of_why_a_record_was_refused_the_sinks_own_words_stay(void **state)
{
    static const char record[] = "larger than http://h:20042 takes (status 413), says Erika";
    struct sink_refusal why = {.message = "larger than http://h:20042 takes (status 413): no Erika"};
    const size_t whole = strlen(why.message), own = strlen("larger than http://h:20042 takes (status 413)");
    struct body *body = body_new("/nowhere", 4096);
    char out[128];
    struct err e;

    (void)state;
    assert_int_equal(body_add(body, slice_str(record), &e), 0);
    why.own = own;
    verdict_clean(&why, &(struct verdict_sent){.body = body}, out, sizeof(out));
    assert_string_equal(out, "larger than http://h:20042 takes (status 413): no ...");
    why.own = whole;
    verdict_clean(&why, &(struct verdict_sent){.body = body}, out, sizeof(out));
    assert_string_equal(out, why.message);
    for (size_t size = 1; size <= sizeof(out); size++) {
        why.own = size % (whole + 1);
        verdict_clean(&why, &(struct verdict_sent){.body = body}, out, size);
        assert_true(strlen(out) < size);
    }
    body_free(&body);
}

static void texts_of_any_length_are_cut_between_characters(void **state)
{
    struct sink_verdict v;
    const struct answer_sent sent = {.request = NULL};

    (void)state;
    for (size_t n = 0; n < sizeof(v.message); n++) {
        v = (struct sink_verdict){.outcomes = NULL};
        memset(v.message, 'm', n);
        for (size_t i = 0; i + 4 < sizeof(v.said); i += 3)
            memcpy(v.said + i, "\xe2\x82\xac", 3);
        answer_finish(&v, &sent);
        assert_true(strlen(v.message) < sizeof(v.message) && strlen(v.detail) < sizeof(v.detail));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotes_are_cut_out),
        cmocka_unit_test(what_is_also_in_the_body_is_cut_out),
        cmocka_unit_test(a_quote_of_what_was_sent_in_base64_is_cut_out),
        cmocka_unit_test(words_and_numbers_in_base64_are_cut_out),
        cmocka_unit_test(of_a_body_that_is_not_seen_common_words_stay),
        cmocka_unit_test(a_quote_with_other_escapes_is_cut_out),
        cmocka_unit_test(a_quote_across_two_pieces_of_an_escaped_body_is_cut_out),
        cmocka_unit_test(a_shared_piece_is_found_wherever_it_stands),
        cmocka_unit_test(credentials_are_cut_out_for_everybody),
        cmocka_unit_test(the_backup_gets_the_quotes_and_people_do_not),
        cmocka_unit_test(of_why_a_record_was_refused_the_sinks_own_words_stay),
        cmocka_unit_test(texts_of_any_length_are_cut_between_characters),
    };

    return cmocka_run_group_tests_name("answer_clean", tests, NULL, NULL);
}
