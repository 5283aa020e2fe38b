/* What SNS posts: read strictly, and what of it is signed. */
#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/inputs/sns/message.h"

#include <stdio.h>
#include <string.h>

#define SIGNATURE                                                                                                      \
    "\"Timestamp\":\"2012-04-25T21:49:25.719Z\",\"SignatureVersion\":\"1\",\"Signature\":\"EXAMPLE=\","                \
    "\"SigningCertURL\":\"https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3.pem\""
#define NOTIFICATION                                                                                                   \
    "{\"Type\":\"Notification\",\"MessageId\":\"dc1e94d9\",\"TopicArn\":\"arn:aws:sns:us-west-2:123456789012:"         \
    "MyTopic\","                                                                                                       \
    "\"Subject\":\"My \\u0053ubject\",\"Message\":\"Test\\nmessage\"," SIGNATURE                                       \
    ",\"UnsubscribeURL\":\"https://x\",\"New\":{\"a\":[1]}}"
#define CONFIRMATION(type)                                                                                             \
    "{\"Type\":\"" type                                                                                                \
    "\",\"MessageId\":\"165545c9\",\"Token\":\"2336412f\",\"TopicArn\":\"arn:t\",\"Message\":\"You\","                 \
    "\"SubscribeURL\":\"https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&x\"," SIGNATURE "}"

struct fixture {
    struct sns_message m;
    struct buf text;
    struct err e;
    char signed_text[1024];
};

static int read_it(struct fixture *f, const char *body)
{
    buf_init(&f->text, sns_text_room(strlen(body)));
    f->e.msg[0] = '\0';
    return sns_message_read(&f->m, slice_str(body), &f->text, &f->e);
}

static const char *signed_text(struct fixture *f)
{
    struct slice parts[SNS_PARTS_MAX];
    size_t n = sns_message_signed(&f->m, parts), at = 0;

    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(f->signed_text + at, sizeof(f->signed_text) - at, "%.*s", (int)parts[i].n, parts[i].p);
    return f->signed_text;
}

static void a_notification_is_read(void **state)
{
    struct fixture f;

    (void)state;
    assert_int_equal(read_it(&f, NOTIFICATION), 0);
    assert_int_equal(f.m.type, SNS_NOTIFICATION);
    assert_true(slice_is(f.m.message, "Test\nmessage"));
    assert_true(slice_is(f.m.subject, "My Subject"));
    assert_int_equal(f.m.sent, 1335390565719LL * NSEC_PER_MSEC);
    assert_string_equal(signed_text(&f), "Message\nTest\nmessage\nMessageId\ndc1e94d9\nSubject\nMy Subject\nTimestamp\n"
                                         "2012-04-25T21:49:25.719Z\nTopicArn\narn:aws:sns:us-west-2:123456789012:"
                                         "MyTopic\nType\nNotification\n");
    buf_release(&f.text);
}

static void a_subject_is_signed_when_it_is_there(void **state)
{
    static const struct {
        const char *subject, *signed_as;
    } cases[] = {{"", ""}, {"\"Subject\":null,", ""}, {"\"Subject\":\"\",", "Subject\n\n"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;
        char body[1024], want[1024];

        snprintf(body, sizeof(body),
                 "{%s\"Type\":\"Notification\",\"MessageId\":\"i\",\"TopicArn\":\"t\",\"Message\":\"\"," SIGNATURE "}",
                 cases[i].subject);
        snprintf(want, sizeof(want),
                 "Message\n\nMessageId\ni\n%sTimestamp\n2012-04-25T21:49:25.719Z\nTopicArn\nt\nType\nNotification\n",
                 cases[i].signed_as);
        assert_int_equal(read_it(&f, body), 0);
        assert_string_equal(signed_text(&f), want);
        buf_release(&f.text);
    }
}

static void confirmations_are_read(void **state)
{
    struct fixture f;

    (void)state;
    assert_int_equal(read_it(&f, CONFIRMATION("SubscriptionConfirmation")), 0);
    assert_int_equal(f.m.type, SNS_SUBSCRIPTION);
    assert_string_equal(
        signed_text(&f),
        "Message\nYou\nMessageId\n165545c9\nSubscribeURL\nhttps://sns.us-west-2.amazonaws.com/"
        "?Action=ConfirmSubscription&x\nTimestamp\n2012-04-25T21:49:25.719Z\nToken\n2336412f\nTopicArn\n"
        "arn:t\nType\nSubscriptionConfirmation\n");
    buf_release(&f.text);
    assert_int_equal(read_it(&f, CONFIRMATION("UnsubscribeConfirmation")), 0);
    assert_int_equal(f.m.type, SNS_UNSUBSCRIPTION);
    buf_release(&f.text);
}

static void attributes_are_read(void **state)
{
    struct fixture f;

    (void)state;
    assert_int_equal(
        read_it(
            &f,
            "{\"MessageAttributes\":{\"store\":{\"Type\":\"String\",\"Value\":\"a\\u0020b\",\"X\":1},\"n\":{\"Value\":"
            "\"5\",\"Type\":\"Number\"}},\"Type\":\"Notification\",\"MessageId\":\"i\",\"TopicArn\":\"t\","
            "\"Message\":\"m\"," SIGNATURE "}"),
        0);
    assert_int_equal(f.m.attribute_count, 2);
    assert_true(slice_is(f.m.attributes[0].name, "store") && slice_is(f.m.attributes[0].value, "a b"));
    assert_true(slice_is(f.m.attributes[1].type, "Number") && slice_is(f.m.attributes[1].value, "5"));
    buf_release(&f.text);
}

static const struct {
    const char *body, *why;
} REFUSED[] = {
    {"", "no JSON object"},
    {"[]", "no JSON object"},
    {"{", "no JSON"},
    {NOTIFICATION " x", "no JSON"},
    {"{\"Type\":\"Other\"}", "Type is none"},
    {"{\"Type\":5}", "Type is no string"},
    {"{\"Type\":\"Notification\",\"Type\":\"Notification\"}", "Type is there twice"},
    {"{\"T\\u0079pe\":\"Notification\",\"Type\":\"Notification\"}", "Type is there twice"},
    {"{\"MessageAttributes\":[]}", "MessageAttributes is not"},
    {"{\"MessageAttributes\":{\"a\":1}}", "MessageAttributes is not"},
    {"{\"MessageAttributes\":{},\"MessageAttributes\":{}}", "twice"},
    {"{\"Type\":\"Notification\"}", "Message is missing"},
    {"{\"Type\":\"Notification\",\"Message\":null}", "Message is no string"},
    {"{\"Type\":\"Notification\",\"Message\":\"\",\"MessageId\":\"a b\"}", "MessageId"},
    {"{\"Type\":\"Notification\",\"Message\":\"\",\"MessageId\":\"i\",\"TopicArn\":\"\"}", "TopicArn"},
    {"{\"Type\":\"Notification\",\"Message\":\"\",\"MessageId\":\"i\",\"TopicArn\":\"t\"}", "Timestamp"},
    {"{\"Type\":\"Notification\",\"Message\":\"\",\"MessageId\":\"i\",\"TopicArn\":\"t\",\"Timestamp\":\"2012-04-25T21:"
     "49:25Z\"}",
     "not signed"},
    {"{\"Type\":\"SubscriptionConfirmation\",\"Message\":\"\",\"MessageId\":\"i\",\"TopicArn\":\"t\"," SIGNATURE "}",
     "Token"},
};

static void what_is_no_message_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(REFUSED); i++) {
        struct fixture f;

        assert_int_equal(read_it(&f, REFUSED[i].body), -1);
        if (!strstr(f.e.msg, REFUSED[i].why))
            fail_msg("%s: %s", REFUSED[i].body, f.e.msg);
        buf_release(&f.text);
    }
}

static void times_are_read(void **state)
{
    static const char *const no[] = {"",
                                     "2012",
                                     "2012-04-25T21:49:25",
                                     "2012-04-25 21:49:25Z",
                                     "2012-04-31T21:49:25Z",
                                     "2012-13-01T21:49:25Z",
                                     "2012-04-25T24:00:00Z",
                                     "2012-04-25T21:49:25+00:00",
                                     "2012-04-25T21:49:25.1Zx",
                                     "9999-04-25T21:49:25Z",
                                     "1900-04-25T21:49:25Z"};
    nsec at;

    (void)state;
    assert_true(sns_time(SLICE("1970-01-01T00:00:01Z"), &at));
    assert_int_equal(at, NSEC_PER_SEC);
    assert_true(sns_time(SLICE("2026-11-27T09:30:00.1234567891Z"), &at));
    assert_int_equal(at % NSEC_PER_SEC, 123456789);
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        if (sns_time(slice_str(no[i]), &at))
            fail_msg("%s is taken", no[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_notification_is_read),        cmocka_unit_test(a_subject_is_signed_when_it_is_there),
        cmocka_unit_test(confirmations_are_read),        cmocka_unit_test(attributes_are_read),
        cmocka_unit_test(what_is_no_message_is_refused), cmocka_unit_test(times_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
