#include "transforms/text/log_lines.h"

static struct slice from(struct slice s, size_t n)
{
    return slice_of(s.p + n, s.n - n);
}

static struct slice present(struct slice s)
{
    return slice_is(s, "-") || s.n == 0 ? slice_of(NULL, 0) : s;
}

/* Cuts off what stands before the next space. False at the end. */
static bool word(struct slice *rest, struct slice *out)
{
    const char *space;

    if (rest->n == 0)
        return false;
    space = memchr(rest->p, ' ', rest->n);
    *out = slice_of(rest->p, space ? (size_t)(space - rest->p) : rest->n);
    *rest = from(*rest, out->n + (space != NULL));
    return out->n > 0;
}

/* --- web servers ---------------------------------------------------------------------------------------------------- */

/* "..." or [...], with backslashes inside quotes, and the space behind it. */
static bool enclosed(struct slice *rest, char open, char close, struct slice *out)
{
    size_t n = 1;

    if (rest->n < 2 || rest->p[0] != open)
        return false;
    while (n < rest->n && rest->p[n] != close)
        n += rest->p[n] == '\\' && close == '"' ? 2 : 1;
    if (n >= rest->n)
        return false;
    *out = slice_of(rest->p + 1, n - 1);
    *rest = from(*rest, n + 1);
    if (rest->n > 0 && rest->p[0] == ' ')
        *rest = from(*rest, 1);
    return true;
}

static bool is_number(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0;
}

static void split_request(struct apache_line *l)
{
    struct slice rest = l->request, method, path;

    if (!word(&rest, &method) || !word(&rest, &path))
        return;
    if (rest.n > 0 && !slice_starts(rest, SLICE("HTTP/")))
        return;
    l->method = method;
    l->path = path;
    l->protocol = present(rest);
}

static bool read_status(struct apache_line *l, struct slice *rest)
{
    if (!word(rest, &l->status) || !word(rest, &l->bytes))
        return false;
    l->status = present(l->status);
    l->bytes = present(l->bytes);
    return (!l->status.p || is_number(l->status)) && (!l->bytes.p || is_number(l->bytes));
}

bool apache_parse(struct apache_line *l, struct slice line)
{
    struct slice rest = line;

    *l = (struct apache_line){0};
    while (rest.n > 0 && (rest.p[rest.n - 1] == '\n' || rest.p[rest.n - 1] == '\r'))
        rest.n--;
    if (!word(&rest, &l->host) || !word(&rest, &l->ident) || !word(&rest, &l->user) ||
        !enclosed(&rest, '[', ']', &l->time) || !enclosed(&rest, '"', '"', &l->request) || !read_status(l, &rest))
        return false;
    l->ident = present(l->ident);
    l->user = present(l->user);
    split_request(l);
    if (rest.n == 0)
        return true;
    if (!enclosed(&rest, '"', '"', &l->referrer) || !enclosed(&rest, '"', '"', &l->agent))
        return false;
    l->referrer = present(l->referrer);
    l->agent = present(l->agent);
    return true; /* nginx and others append fields of their own */
}

/* --- syslog --------------------------------------------------------------------------------------------------------- */

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
    *rest = from(*rest, n + 1);
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

static bool parameters_fit(struct slice data)
{
    struct syslog_data d;
    struct syslog_parameter p;

    syslog_data_open(&d, data);
    while (syslog_data_next(&d, &p))
        ;
    return d.rest.n == 0 && d.element.p == NULL;
}

static bool take_data(struct slice *rest, struct slice *data)
{
    size_t n = 0, one;

    if (rest->n > 0 && rest->p[0] == '-') {
        *rest = from(*rest, 1);
        return true;
    }
    while ((one = element_length(from(*rest, n))) > 0)
        n += one;
    *data = slice_of(rest->p, n);
    *rest = from(*rest, n);
    return n > 0 && parameters_fit(*data);
}

static bool parse_5424(struct syslog_line *l, struct slice rest)
{
    struct slice *const words[] = {&l->time, &l->host, &l->app, &l->proc_id, &l->msg_id};

    l->version = 1;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!word(&rest, words[i]))
            return false;
        *words[i] = present(*words[i]);
    }
    if (!take_data(&rest, &l->data) || (rest.n > 0 && rest.p[0] != ' '))
        return false;
    if (rest.n > 0)
        rest = from(rest, 1);
    if (slice_starts(rest, SLICE("\xef\xbb\xbf")))
        rest = from(rest, 3);
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
    *rest = from(*rest, sizeof(FORM) - 1);
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
    *rest = from(*rest, close + 1);
    if (rest->n > 0 && rest->p[0] == ' ')
        *rest = from(*rest, 1);
}

static bool parse_3164(struct syslog_line *l, struct slice rest)
{
    if (!take_bsd_time(&rest, &l->time) || !word(&rest, &l->host))
        return false;
    take_tag(l, &rest);
    l->message = rest;
    return true;
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
        return parse_5424(l, from(rest, 2));
    return parse_3164(l, rest);
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

/* Enters `[id`; true when the element ends right there. */
static bool enter(struct syslog_data *d)
{
    size_t n = name_length(from(d->rest, 1));

    d->element = slice_of(d->rest.p + 1, n);
    d->rest = from(d->rest, n + 1);
    return d->rest.n > 0 && d->rest.p[0] == ']';
}

static bool parameter(struct syslog_data *d, struct syslog_parameter *out)
{
    struct slice rest = from(d->rest, 1); /* the space */
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
    d->rest = from(rest, end + 1);
    return true;
}

bool syslog_data_next(struct syslog_data *d, struct syslog_parameter *out)
{
    *out = (struct syslog_parameter){0};
    if (!d->element.p) {
        if (d->rest.n == 0 || d->rest.p[0] != '[')
            return false;
        if (enter(d)) {
            out->element = d->element;
            d->element = slice_of(NULL, 0);
            d->rest = from(d->rest, 1);
            return true;
        }
    }
    out->element = d->element;
    if (d->rest.n == 0 || d->rest.p[0] != ' ' || !parameter(d, out))
        return false;
    if (d->rest.n > 0 && d->rest.p[0] == ']') {
        d->rest = from(d->rest, 1);
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
