/* Which objects a message names, in every form in which S3's events come; and what is no event names none. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/objects/event.h"

#include <stdio.h>
#include <string.h>

#define PLACE(bucket, object)                                                                                          \
    "{\"s3SchemaVersion\":\"1.0\",\"object\":" object ",\"bucket\":{\"name\":\"" bucket "\",\"arn\":\"x\"}}"
#define RECORD(name, bucket, object)                                                                                   \
    "{\"s3\":" PLACE(bucket, object) ",\"eventName\":\"" name "\",\"awsRegion\":\"eu-west-1\",\"x\":[{}]}"
#define OBJECT                                                                                                         \
    "{\"key\":\"a%2Fb+c%c3%bc.log\",\"size\":9,\"eTag\":\"0123\",\"versionId\":\"v\\u0031\",\"sequencer\":\"00A\"}"
#define PLAIN "{\"key\":\"k\"}"

/* Each object as bucket|key|version|tag|sequencer|region; and how many others. */
static const struct {
    const char *message, *want;
    size_t others;
} CASES[] = {
    {"{\"Records\":[" RECORD("ObjectCreated:Put", "logs", OBJECT) "]}",
     "logs|a/b c\xc3\xbc.log|v1|0123|00A|eu-west-1\n", 0},
    {"{\"Records\":[" RECORD("s3:ObjectCreated:CompleteMultipartUpload", "logs", PLAIN) "]}", "logs|k||||eu-west-1\n",
     0},
    {"{\"Records\":[" RECORD("ObjectCreated:Copy", "b", PLAIN) "," RECORD(
         "ObjectRemoved:Delete", "b", PLAIN) "," RECORD("ObjectCreated:Post", "c", "{\"key\":\"100%+%4\"}") "]}",
     "b|k||||eu-west-1\nc|100% %4||||eu-west-1\n", 1},
    {"{\"Service\":\"Amazon S3\",\"Event\":\"s3:TestEvent\",\"Bucket\":\"b\"}", "", 1},
    {"{\"Type\":\"Notification\",\"Message\":\"{\\\"Event\\\":\\\"s3:TestEvent\\\"}\"}", "", 1},
    {"{\"Message\":\"{\\\"Records\\\":[{\\\"eventName\\\":\\\"ObjectCreated:Put\\\",\\\"s3\\\":{\\\"bucket\\\":{"
     "\\\"name\\\":"
     "\\\"b\\\"},\\\"object\\\":{\\\"key\\\":\\\"x+y\\\"}}}]}\",\"Type\":\"Notification\"}",
     "b|x y||||\n", 0},
    {"{\"detail\":{\"bucket\":{\"name\":\"b\"},\"object\":{\"key\":\"a+%41\",\"etag\":\"t\",\"version-id\":\"v\","
     "\"sequencer\":\"1\"}},"
     "\"source\":\"aws.s3\",\"detail-type\":\"Object Created\",\"region\":\"us-east-2\"}",
     "b|a+%41|v|t|1|us-east-2\n", 0},
    {"{\"detail\":{\"bucket\":{\"name\":\"b\"},\"object\":{\"key\":\"k\"}},\"detail-type\":\"Object Deleted\"}", "", 1},
    {"{\"Type\":\"Notification\",\"Message\":\"{\\\"detail-type\\\":\\\"Object "
     "Created\\\",\\\"detail\\\":{\\\"bucket\\\":{\\\"name\\\":"
     "\\\"b\\\"},\\\"object\\\":{\\\"key\\\":\\\"%41\\\"}}}\"}",
     "b|%41||||\n", 0},
};

static const char *const NO_EVENTS[] = {
    "",
    "plain",
    "[]",
    "{}",
    "{\"Records\":[]}",
    "{\"Records\":[7]}",
    "{\"Records\":[{\"body\":\"x\"}]}",
    "{\"Records\":[" RECORD("ObjectCreated:Put", "", PLAIN) "]}",
    "{\"Records\":[" RECORD("ObjectCreated:Put", "b", "{\"size\":1}") "]}",
    "{\"Records\":[" RECORD("ObjectCreated:Put", "b", PLAIN) ",{}]}",
    "{\"Records\":[" RECORD("ObjectCreated:Put", "b", PLAIN) "]",
    "{\"Records\":[" RECORD("ObjectCreated:Put", "b", PLAIN) "]} x",
    "{\"Type\":\"Notification\",\"Message\":\"hello\"}",
    "{\"Type\":\"Other\",\"Message\":\"{\\\"Event\\\":\\\"s3:TestEvent\\\"}\"}",
    "{\"detail-type\":\"Object Created\",\"detail\":{\"bucket\":\"b\"}}",
    "{\"detail-type\":\"EC2 Instance State-change\",\"detail\":{\"state\":\"running\"}}",
};

static void describe(const struct object_list *l, char *out, size_t size)
{
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < l->n; i++) {
        const struct object *o = &l->at[i];

        n += (size_t)snprintf(out + n, size - n, "%.*s|%.*s|%.*s|%.*s|%.*s|%.*s\n", (int)o->bucket.n, o->bucket.p,
                              (int)o->key.n, o->key.p, (int)o->version.n, o->version.p, (int)o->tag.n, o->tag.p,
                              (int)o->sequencer.n, o->sequencer.p, (int)o->region.n, o->region.p);
    }
}

static void events_are_read(void **state)
{
    struct object_list l;
    char got[512];

    (void)state;
    object_list_init(&l);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        if (!object_list_read(&l, slice_str(CASES[i].message)))
            fail_msg("%s", CASES[i].message);
        describe(&l, got, sizeof(got));
        assert_string_equal(got, CASES[i].want);
        assert_int_equal(l.others, CASES[i].others);
    }
    object_list_release(&l);
}

static void what_is_no_event_names_nothing(void **state)
{
    struct object_list l;

    (void)state;
    object_list_init(&l);
    for (size_t i = 0; i < ARRAY_LEN(NO_EVENTS); i++) {
        if (object_list_read(&l, slice_str(NO_EVENTS[i])))
            fail_msg("%s", NO_EVENTS[i]);
        assert_int_equal(l.n, 0);
    }
    object_list_release(&l);
}

/* Cut off anywhere, an event is none. */
static void no_part_of_an_event_is_one(void **state)
{
    struct object_list l;

    (void)state;
    object_list_init(&l);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        for (size_t n = 0; n < strlen(CASES[i].message); n++) {
            char *part = mem_strndup(CASES[i].message, n); /* its end is where a sanitizer looks */

            assert_false(object_list_read(&l, slice_of(part, n)));
            mem_free(part);
        }
    object_list_release(&l);
}

static void envelopes_have_an_end(void **state)
{
    char text[4096] = "{\"Event\":\"s3:TestEvent\"}", next[4096];
    struct object_list l;
    unsigned taken = 0;

    (void)state;
    object_list_init(&l);
    for (unsigned i = 0; i < 5; i++) {
        size_t n = (size_t)snprintf(next, sizeof(next), "{\"Type\":\"Notification\",\"Message\":\"");

        taken += object_list_read(&l, slice_str(text));
        for (const char *p = text; *p; p++) {
            if (*p == '"' || *p == '\\')
                next[n++] = '\\';
            next[n++] = *p;
        }
        memcpy(next + n, "\"}", 3);
        memcpy(text, next, sizeof(text));
    }
    assert_int_equal(taken, 3);
    object_list_release(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_read),
        cmocka_unit_test(what_is_no_event_names_nothing),
        cmocka_unit_test(no_part_of_an_event_is_one),
        cmocka_unit_test(envelopes_have_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
