/* "<priority>1 " begins a line of RFC 5424, which has a grammar: five words, structured data, the message. Everything else is
 * RFC 3164, which wrote down what programs did: a time in one form, a host, perhaps "app[pid]:", and a message; of these only
 * the time and the host are demanded.
 *
 * Structured data is checked as a whole when the line is read, by the same reader that gives it out parameter by parameter
 * afterwards; so who reads a line that was accepted meets no error in the middle. */
#include "transforms/text/syslog.h"

#include "transforms/text/words.h"

static bool take_priority(struct slice *rest, int *priority)
{
    size_t n = 1;

    *priority = -1;
    if (rest->n == 0 || rest->p[0] != '<')
        return true;
    for (*priority = 0; n < rest->n && n < 4 && rest->p[n] >= '0' && rest->p[n] <= '9'; n++)
        *priority = *priority * 10 + (rest->p[n] - '0');
    if (n == 1 || n >= rest->n || rest->p[n] != '>' || *priority > 191)
        return false;
    *rest = slice_from(*rest, n + 1);
    return true;
}

/* Length of one `[...]`; 0: none, or it does not end. */
static size_t element_length(struct slice s)
{
    bool quoted = false;

    if (s.n == 0 || s.p[0] != '[')
        return 0;
    for (size_t n = 1; n < s.n; n++) {
        if (quoted && s.p[n] == '\\')
            n++;
        else if (s.p[n] == '"')
            quoted = !quoted;
        else if (s.p[n] == ']' && !quoted)
            return n + 1;
    }
    return 0;
}

bool syslog_take_data(struct slice *rest, struct slice *data)
{
    struct syslog_parameter p;
    struct syslog_data d;
    size_t n = 0, one;

    if (rest->n > 0 && rest->p[0] == '-') {
        *rest = slice_from(*rest, 1);
        return true;
    }
    while ((one = element_length(slice_from(*rest, n))) > 0)
        n += one;
    *data = slice_of(rest->p, n);
    *rest = slice_from(*rest, n);
    syslog_data_open(&d, *data);
    while (syslog_data_next(&d, &p))
        ;
    return n > 0 && d.rest.n == 0 && d.element.p == NULL;
}

static bool parse_5424(struct syslog_line *l, struct slice rest)
{
    struct slice *const words[] = {&l->time, &l->host, &l->app, &l->proc_id, &l->msg_id};

    l->version = 1;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!words_next(&rest, words[i]))
            return false;
        *words[i] = words_present(*words[i]);
    }
    if (!syslog_take_data(&rest, &l->data) || (rest.n > 0 && rest.p[0] != ' '))
        return false;
    if (rest.n > 0)
        rest = slice_from(rest, 1);
    if (slice_starts(rest, SLICE("\xef\xbb\xbf")))
        rest = slice_from(rest, 3);
    l->message = rest;
    return true;
}

/* "Mmm dd hh:mm:ss " */
static bool take_bsd_time(struct slice *rest, struct slice *time)
{
    static const char FORM[] = "aaa nn nn:nn:nn ";

    if (rest->n < sizeof(FORM) - 1)
        return false;
    for (size_t i = 0; i < sizeof(FORM) - 1; i++) {
        char c = rest->p[i];
        bool digit = c >= '0' && c <= '9', letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

        if (FORM[i] == 'n' ? !digit && !(i == 4 && c == ' ') : FORM[i] == 'a' ? !letter : c != FORM[i])
            return false;
    }
    *time = slice_of(rest->p, sizeof(FORM) - 2);
    *rest = slice_from(*rest, sizeof(FORM) - 1);
    return true;
}

/* "app[123]: " or "app: "; without such a tag all of it is the message. */
static void take_tag(struct syslog_line *l, struct slice *rest)
{
    size_t n = 0, close;

    while (n < rest->n && n < 128 && !memchr(" :[", rest->p[n], 3))
        n++;
    if (n == 0 || n == rest->n || rest->p[n] == ' ' || n == 128)
        return;
    for (close = n; rest->p[n] == '[' && close < rest->n && rest->p[close] != ']' && rest->p[close] != ' ';)
        close++;
    if (rest->p[n] == '[' && (close + 1 >= rest->n || rest->p[close] != ']' || rest->p[close + 1] != ':'))
        return;
    l->app = slice_of(rest->p, n);
    if (rest->p[n] == '[')
        l->proc_id = slice_of(rest->p + n + 1, close++ - n - 1);
    *rest = slice_from(*rest, close + 1);
    if (rest->n > 0 && rest->p[0] == ' ')
        *rest = slice_from(*rest, 1);
}

bool syslog_parse(struct syslog_line *l, struct slice line)
{
    struct slice rest = line;

    *l = (struct syslog_line){0};
    while (rest.n > 0 && (rest.p[rest.n - 1] == '\n' || rest.p[rest.n - 1] == '\0'))
        rest.n--;
    if (!take_priority(&rest, &l->priority))
        return false;
    if (l->priority >= 0 && slice_starts(rest, SLICE("1 ")))
        return parse_5424(l, slice_from(rest, 2));
    if (!take_bsd_time(&rest, &l->time) || !words_next(&rest, &l->host))
        return false;
    take_tag(l, &rest);
    l->message = rest;
    return true;
}

void syslog_data_open(struct syslog_data *d, struct slice data)
{
    *d = (struct syslog_data){.rest = data};
}

static size_t name_length(struct slice s)
{
    size_t n = 0;

    while (n < s.n && !memchr("= ]\"", s.p[n], 4))
        n++;
    return n;
}

static bool parameter(struct syslog_data *d, struct syslog_parameter *out)
{
    struct slice rest = slice_from(d->rest, 1); /* the space */
    size_t n = name_length(rest), end = n + 2;

    if (n == 0 || n + 1 >= rest.n || rest.p[n] != '=' || rest.p[n + 1] != '"')
        return false;
    for (; end < rest.n && rest.p[end] != '"'; end++)
        if (rest.p[end] == '\\') {
            out->escaped = true;
            end++;
        }
    if (end >= rest.n)
        return false;
    out->name = slice_of(rest.p, n);
    out->value = slice_of(rest.p + n + 2, end - n - 2);
    d->rest = slice_from(rest, end + 1);
    return true;
}

bool syslog_data_next(struct syslog_data *d, struct syslog_parameter *out)
{
    *out = (struct syslog_parameter){0};
    if (!d->element.p) {
        if (d->rest.n == 0 || d->rest.p[0] != '[')
            return false;
        d->element = slice_of(d->rest.p + 1, name_length(slice_from(d->rest, 1)));
        d->rest = slice_from(d->rest, d->element.n + 1);
        if (d->rest.n > 0 && d->rest.p[0] == ']') { /* it has no parameters */
            out->element = d->element;
            d->element = slice_of(NULL, 0);
            d->rest = slice_from(d->rest, 1);
            return true;
        }
    }
    out->element = d->element;
    if (d->rest.n == 0 || d->rest.p[0] != ' ' || !parameter(d, out))
        return false;
    if (d->rest.n > 0 && d->rest.p[0] == ']') {
        d->rest = slice_from(d->rest, 1);
        d->element = slice_of(NULL, 0);
    }
    return true;
}

const char *syslog_facility(int priority)
{
    static const char *const NAMES[] = {"kern",   "user",   "mail",   "daemon", "auth",     "syslog",
                                        "lpr",    "news",   "uucp",   "cron",   "authpriv", "ftp",
                                        "ntp",    "audit",  "alert",  "clock",  "local0",   "local1",
                                        "local2", "local3", "local4", "local5", "local6",   "local7"};

    return NAMES[priority / 8];
}

const char *syslog_severity(int priority)
{
    static const char *const NAMES[] = {"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"};

    return NAMES[priority % 8];
}
