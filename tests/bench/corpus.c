/* corpus.c -- prints log lines that compress like real ones, for the benchmark. The same seed gives the same bytes.
 *
 *     bench_corpus mixed|json MEGABYTES [SEED] > FILE
 *     bench_corpus uniform|zipf MEGABYTES SEED KEYS > FILE
 *
 * mixed    syslog, sshd, an access log, a file system's block log and an application's JSON, interleaved as a host's are
 * json     only the JSON lines, of about 340 bytes; one in ten has the level DEBUG
 * uniform  the JSON lines with a field "customer", which has KEYS values, each as often as the others; whatever KEYS is, the lines are the
 *          same but for that value, and of the same length
 * zipf     ... of which the n-th is the n-th part as frequent as the first
 *
 * A line is a template whose %-directives are filled with fresh values. How much of a line is fresh decides the ratio:
 * the templates were tuned until the bare codecs compressed them as they do production logs (see README.md).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LINE_MAX_BYTES = 1024, MEGABYTE = 1000000, KEYS_MAX = 1000000 };

enum kind { MIXED, JSON, UNIFORM, ZIPF, KINDS };
static const char *const KIND_NAMES[KINDS] = {"mixed", "json", "uniform", "zipf"};

struct keys {
    uint64_t state; /* of random numbers of their own: the other fields do not change with the number of keys */
    unsigned count;
    double *reached; /* zipf: the sum of 1/1 + ... + 1/n */
};

struct source {
    uint64_t state;  /* of the random numbers */
    int64_t when_ms; /* the clock of the log */
    struct keys keys;
};

struct line {
    char text[LINE_MAX_BYTES];
    size_t n;
};

/* %t syslog time  %a access log time  %j ISO time with ms  %i address  %p port  %d up to 3 digits  %n 5 digits
 * %b block id  %h 8 hex digits  %u UUID  %k token of 22 characters  %w user  %r path  %s status  %l service
 * %g user agent  %v level  %c key of a partition */
static const char *const TEMPLATES[] = {
    "%t web-%d sshd[%n]: Failed password for invalid user %w%d from %i port %p ssh2\n",
    "%t web-%d sshd[%n]: Accepted publickey for %w from %i port %p ssh2: RSA SHA256:%k%k\n",
    "%t web-%d sshd[%n]: Received disconnect from %i port %p:11: Bye Bye [preauth]\n",
    "%t db-%d kernel: [%n.%n] audit: pid=%n uid=%d comm=\"%l\" inode=%b dev=%h\n",
    "%t app-%d %l[%n]: request %u took %d.%n ms (cache %h, shard %d, etag %k)\n",
    "%i - %w [%a] \"GET %r/%h?session=%k&page=%d HTTP/1.1\" %s %n \"-\" \"%g\" %d.%d\n",
    "%i - - [%a] \"POST %r HTTP/1.1\" %s %n \"https://shop.example/item/%k\" \"%g\" %n\n",
    "%j %n INFO dfs.DataNode$DataXceiver: Receiving block blk_%b src: /%i:%p dest: /%i:%p\n",
    "%j %n INFO dfs.FSNamesystem: BLOCK* addStoredBlock: %i:%p is added to blk_%b size %b\n",
    "%j %n INFO dfs.DataNode$PacketResponder: PacketResponder %d for block blk_%b terminating\n",
    /* the last but one is the JSON line, the last the same with a key */
    "{\"time\":\"%j\",\"level\":\"%v\",\"service\":\"%l\",\"host\":\"app-%d\",\"trace\":\"%u\",\"span\":\"%h%h\","
    "\"session\":\"%k\",\"user\":\"%w%d\",\"client\":\"%i\",\"path\":\"%r/%h?id=%k\",\"status\":%s,\"bytes\":%n,"
    "\"took_ms\":%d.%n}\n",
    "{\"time\":\"%j\",\"level\":\"%v\",\"service\":\"%l\",\"customer\":\"c%c\",\"host\":\"app-%d\",\"trace\":\"%u\","
    "\"span\":\"%h%h\",\"session\":\"%k\",\"user\":\"%w%d\",\"client\":\"%i\",\"path\":\"%r/%h?id=%k\",\"status\":%s,"
    "\"bytes\":%n,\"took_ms\":%d.%n}\n",
};
enum { KEYED = sizeof(TEMPLATES) / sizeof(TEMPLATES[0]) - 1, TEMPLATE_COUNT = KEYED };

static const char *const USERS[] = {"root",   "admin", "test",  "oracle", "postgres", "ubuntu", "deploy", "git",
                                    "nagios", "maria", "kchen", "jsmith", "backup",   "ftp",    "guest",  "www-data"};
static const char *const PATHS[] = {"/",           "/api/v1/orders", "/api/v1/users", "/static/app.js", "/checkout",
                                    "/search",     "/login",         "/api/v2/items", "/images/logo",   "/health",
                                    "/api/v1/cart"};
static const char *const STATUSES[] = {"200", "200", "200", "200", "200", "304", "404", "302", "500", "201"};
static const char *const SERVICES[] = {"checkout", "inventory", "gateway", "search", "auth", "mailer", "billing"};
static const char *const LEVELS[] = {"INFO", "INFO", "INFO", "INFO", "INFO", "INFO", "INFO", "WARN", "ERROR", "DEBUG"};
static const char *const AGENTS[] = {"Mozilla/5.0 (X11; Linux x86_64; rv:128.0)", "Mozilla/5.0 (Windows NT 10.0)",
                                     "curl/7.88.1", "Go-http-client/1.1", "python-requests/2.31.0"};

/* splitmix64 */
static uint64_t next_of(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static uint64_t next(struct source *s)
{
    return next_of(&s->state);
}

static unsigned below(struct source *s, unsigned n)
{
    return (unsigned)(next(s) % n);
}

static int keys_init(struct keys *k, unsigned count, enum kind kind)
{
    double sum = 0;

    k->count = count;
    if (kind != ZIPF)
        return 0;
    k->reached = calloc(count, sizeof(*k->reached));
    for (unsigned i = 0; k->reached && i < count; i++)
        k->reached[i] = sum += 1.0 / (i + 1);
    return k->reached ? 0 : -1;
}

static unsigned choose_key(struct keys *k)
{
    uint64_t random = next_of(&k->state);
    unsigned low = 0, high = k->count - 1;
    double at;

    if (!k->reached)
        return (unsigned)(random % k->count);
    at = (double)(random >> 11) / (double)(UINT64_C(1) << 53) * k->reached[k->count - 1];
    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        if (k->reached[middle] < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void put_text(struct line *l, const char *text)
{
    size_t n = strlen(text);

    if (n > sizeof(l->text) - l->n)
        n = sizeof(l->text) - l->n;
    memcpy(l->text + l->n, text, n);
    l->n += n;
}

#define PICK(s, list) (list)[below((s), sizeof(list) / sizeof((list)[0]))]

static void put_hex(struct line *l, uint64_t v, int digits)
{
    char out[17];

    snprintf(out, sizeof(out), "%016llx", (unsigned long long)v);
    put_text(l, out + 16 - digits);
}

static void put_number(struct line *l, uint64_t v)
{
    char out[24];

    snprintf(out, sizeof(out), "%llu", (unsigned long long)v);
    put_text(l, out);
}

static void put_uuid(struct line *l, struct source *s)
{
    static const int groups[] = {8, 4, 4, 4, 12};

    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        if (i > 0)
            put_text(l, "-");
        put_hex(l, next(s), groups[i]);
    }
}

static void put_token(struct line *l, struct source *s)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char out[23];

    for (size_t i = 0; i + 1 < sizeof(out); i++)
        out[i] = alphabet[below(s, sizeof(alphabet) - 1)];
    out[sizeof(out) - 1] = '\0';
    put_text(l, out);
}

static void put_address(struct line *l, struct source *s)
{
    char out[24];

    snprintf(out, sizeof(out), "%u.%u.%u.%u", 1 + below(s, 223), below(s, 256), below(s, 256), 1 + below(s, 254));
    put_text(l, out);
}

/* %t, %a, %j */
static void put_clock(struct line *l, const struct source *s, char directive)
{
    time_t seconds = s->when_ms / 1000;
    struct tm tm;
    char out[64], ms[8];

    gmtime_r(&seconds, &tm);
    if (directive == 't')
        strftime(out, sizeof(out), "%b %d %H:%M:%S", &tm);
    else if (directive == 'a')
        strftime(out, sizeof(out), "%d/%b/%Y:%H:%M:%S +0000", &tm);
    else
        strftime(out, sizeof(out), "%Y-%m-%dT%H:%M:%S", &tm);
    put_text(l, out);
    if (directive == 'j') {
        snprintf(ms, sizeof(ms), ".%03dZ", (int)(s->when_ms % 1000));
        put_text(l, ms);
    }
}

static void put_word(struct line *l, struct source *s, char directive)
{
    if (directive == 'w')
        put_text(l, PICK(s, USERS));
    else if (directive == 'r')
        put_text(l, PICK(s, PATHS));
    else if (directive == 's')
        put_text(l, PICK(s, STATUSES));
    else if (directive == 'l')
        put_text(l, PICK(s, SERVICES));
    else if (directive == 'v')
        put_text(l, PICK(s, LEVELS));
    else
        put_text(l, PICK(s, AGENTS));
}

static void put_key(struct line *l, struct source *s)
{
    char out[16];

    snprintf(out, sizeof(out), "%06u", choose_key(&s->keys));
    put_text(l, out);
}

static void put_directive(struct line *l, struct source *s, char directive)
{
    switch (directive) {
    case 'i':
        put_address(l, s);
        break;
    case 'p':
        put_number(l, 1024 + below(s, 64000));
        break;
    case 'd':
        put_number(l, below(s, 1000));
        break;
    case 'n':
        put_number(l, 10000 + below(s, 90000));
        break;
    case 'b':
        put_number(l, next(s) >> 1);
        break;
    case 'h':
        put_hex(l, next(s), 8);
        break;
    case 'u':
        put_uuid(l, s);
        break;
    case 'k':
        put_token(l, s);
        break;
    case 'c':
        put_key(l, s);
        break;
    case 't':
    case 'a':
    case 'j':
        put_clock(l, s, directive);
        break;
    default:
        put_word(l, s, directive);
    }
}

static void fill(struct line *l, struct source *s, const char *template)
{
    l->n = 0;
    for (const char *c = template; *c; c++) {
        if (*c == '%') {
            put_directive(l, s, *++c);
        } else if (l->n < sizeof(l->text)) {
            l->text[l->n++] = *c;
        }
    }
}

static const char *choose(struct source *s, enum kind kind)
{
    if (kind == MIXED)
        return TEMPLATES[below(s, TEMPLATE_COUNT)];
    return TEMPLATES[kind == JSON ? TEMPLATE_COUNT - 1 : KEYED];
}

/* KINDS: there is none of this name. */
static enum kind kind_named(const char *name)
{
    unsigned kind = 0;

    while (kind < KINDS && strcmp(name, KIND_NAMES[kind]) != 0)
        kind++;
    return kind;
}

int main(int argc, char **argv)
{
    enum kind kind = argc >= 3 && argc <= 5 ? kind_named(argv[1]) : KINDS;
    unsigned long keys = argc == 5 ? strtoul(argv[4], NULL, 10) : 0;
    struct source s = {.when_ms = 1764288000000};
    struct line l;

    if (kind == KINDS || (kind >= UNIFORM) != (keys > 0 && keys <= KEYS_MAX)) {
        fputs("usage: bench_corpus mixed|json MEGABYTES [SEED] > FILE\n"
              "       bench_corpus uniform|zipf MEGABYTES SEED KEYS > FILE\n",
              stderr);
        return 2;
    }
    s.state = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    s.keys.state = s.state + 1;
    if (keys_init(&s.keys, (unsigned)keys, kind) < 0) {
        fputs("bench_corpus: no memory for that many keys\n", stderr);
        return 1;
    }
    for (uint64_t left = strtoull(argv[2], NULL, 10) * MEGABYTE; left > 0; left -= l.n < left ? l.n : left) {
        s.when_ms += below(&s, 20);
        fill(&l, &s, choose(&s, kind));
        if (fwrite(l.text, 1, l.n, stdout) != l.n)
            break;
    }
    free(s.keys.reached);
    if (fflush(stdout) != 0) {
        perror("bench_corpus: writing");
        return 1;
    }
    return 0;
}
