#include "pipeline/aws/credentials/check_keys.h"

#include <stdlib.h>
#include <time.h>

static int copy_key(char *out, size_t size, struct slice value, const char *what, struct err *e)
{
    if (value.n >= size)
        return err_set(e, ERR_CONFIG, "%s: %zu characters, at most %zu are allowed", what, value.n, size - 1);
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] <= ' ' || value.p[i] > '~')
            return err_set(e, ERR_CONFIG, "%s: character %zu is white space or not ASCII", what, i + 1);
    memcpy(out, value.n > 0 ? value.p : "", value.n);
    out[value.n] = '\0';
    return 0;
}

static int set(struct aws_keys *out, struct slice id, struct slice secret, struct slice token, struct err *e)
{
    if (copy_key(out->access_key_id, sizeof(out->access_key_id), id, "access_key_id", e) < 0 ||
        copy_key(out->secret_access_key, sizeof(out->secret_access_key), secret, "secret_access_key", e) < 0 ||
        copy_key(out->session_token, sizeof(out->session_token), token, "session_token", e) < 0)
        return -1;
    if (!out->access_key_id[0] != !out->secret_access_key[0])
        return err_set(e, ERR_CONFIG, "%s: given without %s",
                       out->access_key_id[0] ? "access_key_id" : "secret_access_key",
                       out->access_key_id[0] ? "secret_access_key" : "access_key_id");
    return 0;
}

int aws_keys_set(struct aws_keys *out, const char *id, const char *secret, const char *token, struct err *e)
{
    return set(out, slice_str(id), slice_str(secret), slice_str(token), e);
}

int aws_keys_set_slices(struct aws_keys *out, struct slice id, struct slice secret, struct slice token, struct err *e)
{
    if (set(out, id, secret, token, e) < 0)
        return -1;
    return id.n > 0 ? 0 : err_set(e, ERR_FORMAT, "it has no access key");
}

/* Two digits at p[0], p[1]; -1 when they are none. */
static int two(const char *p)
{
    if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
        return -1;
    return (p[0] - '0') * 10 + p[1] - '0';
}

static const char *zone(const char *p, long *seconds)
{
    int hours, minutes;

    *seconds = 0;
    if (*p == 'Z' || *p == 'z')
        return p + 1;
    if ((*p != '+' && *p != '-') || (hours = two(p + 1)) < 0)
        return NULL;
    minutes = two(p + (p[3] == ':' ? 4 : 3));
    if (hours > 23 || minutes < 0 || minutes > 59)
        return NULL;
    *seconds = (hours * 60L + minutes) * (*p == '-' ? -60L : 60L);
    return p + (p[3] == ':' ? 6 : 5);
}

bool aws_expiry_parse(struct slice text, nsec *wall)
{
    struct tm tm = {.tm_isdst = 0}, again;
    char copy[48] = "";
    const char *end;
    long offset;
    time_t t;

    if (text.n == 0 || text.n >= sizeof(copy) - 8 || memchr(text.p, '\0', text.n))
        return false;
    memcpy(copy, text.p, text.n); /* zeros behind it: nothing is read beyond */
    end = strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm);
    if (end && *end == '.')
        end += 1 + strspn(end + 1, "0123456789");
    if (end)
        end = zone(end, &offset);
    if (!end || *end || tm.tm_year < 70 || tm.tm_year > 300)
        return false;
    again = tm;
    t = timegm(&again);
    if (again.tm_mday != tm.tm_mday) /* 31 June */
        return false;
    *wall = (nsec)(t - offset) * NSEC_PER_SEC;
    return true;
}
