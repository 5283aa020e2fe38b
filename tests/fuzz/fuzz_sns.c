/* fuzz_sns.c -- what anybody may post to an endpoint for SNS, and what somebody may write as a filter policy: no crash, and nothing is
 * believed that is not what it seems.
 *
 *     m                 a message follows
 *     u                 an address follows
 *     b POLICY NUL BODY                   a policy on bodies
 *     a POLICY NUL TYPE NUL VALUE         a policy on attributes
 */
#include "pipeline/inputs/sns/address.h"
#include "pipeline/inputs/sns/filter.h"
#include "pipeline/inputs/sns/message.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_within(struct slice s, const struct buf *text)
{
    check(s.n == 0 || (s.p >= text->p && s.p + s.n <= text->p + text->n));
}

static void message(struct slice body)
{
    struct slice parts[SNS_PARTS_MAX];
    struct sns_message m;
    struct buf text;
    struct err e = {.msg = ""};
    size_t n;

    buf_init(&text, sns_text_room(body.n));
    if (sns_message_read(&m, body, &text, &e) == 0) {
        n = sns_message_signed(&m, parts);
        check(n >= 5 * 4 && n <= SNS_PARTS_MAX && n % 4 == 0);
        for (size_t i = 2; i < n; i += 4)
            check_within(parts[i], &text);
        check(m.attribute_count <= SNS_ATTRIBUTES_MAX && m.id.n > 0 && m.id.n <= SNS_ID_MAX);
        for (size_t i = 0; i < m.attribute_count; i++)
            check_within(m.attributes[i].name, &text);
        check(memchr(m.id.p, ' ', m.id.n) == NULL && m.sent >= 0);
    } else {
        check(e.msg[0] != '\0');
    }
    buf_release(&text);
}

/* The host, looked at in another way. */
static void address(struct slice url)
{
    static const char BEGIN[] = "https://sns.", END[] = ".amazonaws.com", CHINA[] = ".amazonaws.com.cn";

    for (int what = SNS_ADDRESS_CERTIFICATE; what <= SNS_ADDRESS_CONFIRMATION; what++) {
        const char *slash;
        size_t host;

        if (!sns_address_fits(url, (enum sns_address)what, NULL))
            continue;
        check(url.n > 8 && memcmp(url.p, BEGIN, sizeof(BEGIN) - 1) == 0);
        slash = memchr(url.p + 8, '/', url.n - 8);
        check(slash != NULL);
        host = (size_t)(slash - url.p);
        check(!memchr(url.p + 8, '@', host - 8) && !memchr(url.p + 8, ':', host - 8));
        check(memcmp(slash - (sizeof(END) - 1), END, sizeof(END) - 1) == 0 ||
              memcmp(slash - (sizeof(CHINA) - 1), CHINA, sizeof(CHINA) - 1) == 0);
    }
}

static struct slice cut(struct slice *rest)
{
    const char *end = rest->n > 0 ? memchr(rest->p, '\0', rest->n) : NULL;
    struct slice first = end ? slice_of(rest->p, (size_t)(end - rest->p)) : *rest;

    *rest = end ? slice_from(*rest, first.n + 1) : SLICE("");
    return first;
}

static void filter(struct slice text, enum sns_scope scope)
{
    struct slice policy = cut(&text);
    struct sns_filter *f = NULL;
    struct err e = {.msg = ""};

    if (sns_filter_new(&f, policy, scope, &e) < 0) {
        check(f == NULL && strncmp(e.msg, "filter_policy: ", 15) == 0);
        return;
    }
    if (scope == SNS_SCOPE_BODY) {
        check(sns_filter_body(f, text) == sns_filter_body(f, text));
        check(!sns_filter_body(f, SLICE("[]")));
        check(!sns_filter_body(f, SLICE("{}")) || memmem(policy.p, policy.n, "anything", 8) == NULL);
    } else {
        struct sns_attribute a = {.name = SLICE("a")};

        a.type = cut(&text);
        a.value = text;
        check(sns_filter_attributes(f, &a, 1) == sns_filter_attributes(f, &a, 1));
        check(!sns_filter_attributes(f, NULL, 0));
    }
    sns_filter_free(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = slice_of((const char *)data, size), rest;

    if (size == 0)
        return 0;
    rest = slice_from(all, 1);
    switch (data[0]) {
    case 'm':
        message(rest);
        break;
    case 'u':
        address(rest);
        break;
    case 'b':
        filter(rest, SNS_SCOPE_BODY);
        break;
    case 'a':
        filter(rest, SNS_SCOPE_ATTRIBUTES);
        break;
    default:
        break;
    }
    return 0;
}
