#include "pipeline/inputs/sns/address.h"

#include "pipeline/base/limits.h"

#include <string.h>

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool take(struct slice *s, struct slice what)
{
    if (!slice_starts(*s, what))
        return false;
    *s = slice_from(*s, what.n);
    return true;
}

/* How many letters and digits it begins with; cut off. */
static size_t take_word(struct slice *s)
{
    size_t n = 0;

    while (n < s->n && is_letter_or_digit(s->p[n]))
        n++;
    *s = slice_from(*s, n);
    return n;
}

/* "eu-west-1", "us-gov-east-1": two words or more of small letters, and a number. Looser, it would take "s3-us-west-2": at
 * sns.s3-us-west-2.amazonaws.com is what the owner of an S3 bucket named "sns" has put there. */
static bool take_region(struct slice *s)
{
    unsigned words = 0;
    size_t n;

    for (;; words++) {
        for (n = 0; n < s->n && s->p[n] >= 'a' && s->p[n] <= 'z';)
            n++;
        if (n == 0 || n == s->n || s->p[n] != '-')
            break;
        *s = slice_from(*s, n + 1);
    }
    for (n = 0; n < s->n && s->p[n] >= '0' && s->p[n] <= '9';)
        n++;
    *s = slice_from(*s, n);
    return words >= 2 && n > 0;
}

/* What a URL may have without meaning something else to somebody. */
static bool is_clean(struct slice url)
{
    for (size_t i = 0; i < url.n; i++)
        if (url.p[i] <= ' ' || url.p[i] > '~' || strchr("\"<>\\^`{|}#", url.p[i]))
            return false;
    return url.n > 0 && url.n <= SNS_URL_MAX;
}

/* Of "http://host:4566/aws/": with the slash behind the host. */
static struct slice origin_of(const char *prefix)
{
    const char *host = strstr(prefix, "://"), *slash = host ? strchr(host + 3, '/') : NULL;

    return slash ? slice_of(prefix, (size_t)(slash - prefix) + 1) : SLICE("");
}

bool sns_address_fits(struct slice url, enum sns_address what, const char *prefix)
{
    if (!is_clean(url))
        return false;
    if (prefix) {
        struct slice begin = what == SNS_ADDRESS_CERTIFICATE ? slice_str(prefix) : origin_of(prefix);

        return begin.n > 0 && slice_starts(url, begin);
    }
    if (!take(&url, SLICE("https://sns.")) || !take_region(&url) || !take(&url, SLICE(".amazonaws.com")))
        return false;
    (void)take(&url, SLICE(".cn"));
    if (what == SNS_ADDRESS_CONFIRMATION)
        return take(&url, SLICE("/?Action=ConfirmSubscription&"));
    return take(&url, SLICE("/SimpleNotificationService-")) && take_word(&url) > 0 && slice_is(url, ".pem");
}

int sns_prefix_check(const char *prefix, struct err *e)
{
    struct slice origin = origin_of(prefix);

    if ((strncmp(prefix, "http://", 7) != 0 && strncmp(prefix, "https://", 8) != 0) || !is_clean(slice_str(prefix)) ||
        origin.n == 0 || memchr(origin.p, '@', origin.n) || slice_is(origin, "http:///") ||
        slice_is(origin, "https:///"))
        return err_set(e, ERR_CONFIG,
                       "certificate_url_prefix: begins with http:// or https://, has no user, and has a slash behind "
                       "the host: http://127.0.0.1:4566/");
    return 0;
}
