/* Each preset is a small machine. A state is what the last line was; a rule says: behind such a line, one that this pattern finds belongs
 * to the record, and the state is another one. The rules of a state are tried in their order. A line that no rule takes begins
 * a record, and the rules for NEW say what kind of line it is; it is PLAIN when none of them finds anything. Only what surely belongs
 * to a trace is taken: a line too many in a record is worse than one too few, since it is not found where it is looked for.
 *
 * A pattern of the configuration's own is the same machine with one state or two. */
#include "pipeline/inputs/tail/multiline.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/text/regex.h"

/* One bit each, so that a rule can be for several. */
enum {
    NEW = 1 << 0, /* the line begins a record: what kind is it? */
    PLAIN = 1 << 1,
    TRACE = 1 << 2,
    LAST = 1 << 3,  /* the line that ends a trace; what comes may go on all the same */
    BLANK = 1 << 4, /* behind one of those */
    HEAD = 1 << 5,  /* what stands before a trace */
    ANY = PLAIN | TRACE | LAST | BLANK | HEAD,
};

struct rule {
    uint8_t from; /* any of these */
    uint8_t to;
    const char *pattern; /* NULL ends the table */
};

static const struct rule JAVA[] = {
    {ANY, TRACE, "^[\\t ]+(?:at[\\t ]|\\.{3}[\\t ]\\d+[\\t ]|--- End of |- (?:locked|waiting|parking))"},
    {ANY, TRACE, "^[\\t ]*(?:Caused by|Suppressed|nested exception is):"},
    {0, 0, NULL},
};

static const struct rule PYTHON[] = {
    {NEW, TRACE, "Traceback \\(most recent call last\\):\\r?$"},
    {TRACE, TRACE, "^[\\t ]"},
    {TRACE, LAST, "^\\S"},
    {LAST, BLANK, "^\\r?$"},
    {BLANK, HEAD, "^(?:During handling of the above exception, another|The above exception was the direct cause)"},
    {HEAD, HEAD, "^\\r?$"},
    {HEAD, TRACE, "^Traceback \\(most recent call last\\):\\r?$"},
    {0, 0, NULL},
};

static const struct rule GO[] = {
    {NEW, HEAD, "^(?:panic: |fatal error: |unexpected fault address |SIG[A-Z]+: )|http: panic serving "},
    {HEAD | TRACE, TRACE, "^goroutine \\d+ (?:gp=\\S+ m=\\S+ (?:mp=\\S+ )?)?\\["},
    {HEAD, HEAD, "^(?:\\r?$|[\\t ]|\\[|panic: |PC=|runtime )"},
    {TRACE, TRACE, "^(?:\\r?$|[\\t ]|created by |\\.{3}additional frames|[^\\s(]\\S*\\(.*\\)\\r?$)"},
    {TRACE, PLAIN, "^exit status \\d+\\r?$"},
    {0, 0, NULL},
};

static const struct rule NODE[] = {
    {NEW, HEAD, "^(?:/|file:|node:|[A-Za-z]:\\\\)\\S*:\\d+\\r?$"},
    {HEAD, HEAD, "^(?:\\r?$|[\\t ])"},
    {HEAD, PLAIN, "^(?:Uncaught )?\\w*(?:Error|Exception)\\b"},
    {ANY, TRACE, "^[\\t ]+(?:at |\\.{3} \\d+ lines matching |\\[(?:cause|errors)\\]: )"},
    {TRACE, TRACE, "^(?:[\\t ]+\\S|[\\t ]*[}\\]],?\\r?$)"},
    {TRACE, BLANK, "^\\r?$"},
    {BLANK, LAST, "^Node\\.js v\\d"},
    {0, 0, NULL},
};

static const struct rule RUBY[] = {
    {NEW, HEAD, "(?:^|[\\t ])Traceback \\(most recent call last\\):\\r?$"},
    {NEW, BLANK, "^[A-Z]\\w*(?:::\\w+)* \\(.*\\):\\r?$"},
    {HEAD, HEAD, "^[\\t ]+\\d+: from "},
    {HEAD, PLAIN, "^\\S+:\\d+:in "},
    {BLANK, BLANK, "^[\\t ]*(?:\\r?$|\\S+:\\d+:in )"},
    {ANY, TRACE, "^[\\t ]+(?:\\d+: )?from \\S"},
    {0, 0, NULL},
};

static const struct rule DOTNET[] = {
    {ANY, TRACE, "^[\\t ]+(?:at |--- End of )"},
    {ANY, TRACE, "^(?:[\\t ]*---> |--- End of stack trace from previous location)"},
    {0, 0, NULL},
};

static const struct rule *const PRESETS[] = {
    [MULTILINE_JAVA] = JAVA, [MULTILINE_PYTHON] = PYTHON, [MULTILINE_GO] = GO,
    [MULTILINE_NODE] = NODE, [MULTILINE_RUBY] = RUBY,     [MULTILINE_DOTNET] = DOTNET,
};

#define RULES_MAX 8

struct multiline {
    const struct rule *rules; /* NULL: start, go_on */
    struct regex *of_rule[RULES_MAX];
    struct regex *start, *go_on;
    uint64_t gave_up;
};

static int own(struct regex **re, const char *name, const char *pattern, struct err *e)
{
    return !pattern || regex_new(re, slice_str(pattern), 0, NULL, e) == 0 ? 0 : err_wrap(e, "%s", name);
}

int multiline_new(struct multiline **out, enum multiline_preset preset, const char *start, const char *go_on,
                  struct err *e)
{
    struct multiline *m = mem_alloc(sizeof(*m));
    int rc = 0;

    m->rules = PRESETS[preset];
    for (size_t i = 0; m->rules && m->rules[i].pattern && rc == 0; i++)
        rc = own(&m->of_rule[i], "preset", m->rules[i].pattern, e);
    if (rc == 0 && !m->rules)
        rc = own(&m->start, "start", start, e);
    if (rc == 0 && !m->rules)
        rc = own(&m->go_on, "continue", go_on, e);
    if (rc < 0)
        multiline_free(&m);
    *out = m;
    return rc;
}

void multiline_free(struct multiline **m)
{
    if (!*m)
        return;
    for (size_t i = 0; i < RULES_MAX; i++)
        regex_free(&(*m)->of_rule[i]);
    regex_free(&(*m)->start);
    regex_free(&(*m)->go_on);
    MEM_CLEAR(*m);
}

static bool finds(struct multiline *m, struct regex *re, struct slice line)
{
    enum regex_result r = regex_match(re, line, 0);

    m->gave_up += r == REGEX_GAVE_UP;
    return r == REGEX_MATCH;
}

/* 0: no rule takes it. */
static uint8_t next_state(struct multiline *m, uint8_t state, struct slice line)
{
    for (size_t i = 0; m->rules[i].pattern; i++)
        if ((m->rules[i].from & state) && finds(m, m->of_rule[i], line))
            return m->rules[i].to;
    return 0;
}

static bool joins_by_rules(struct multiline *m, multiline_state *state, struct slice line)
{
    uint8_t to = *state != MULTILINE_NOTHING ? next_state(m, *state, line) : 0;
    bool joins = to != 0;

    if (!joins)
        to = next_state(m, NEW, line);
    *state = to ? to : PLAIN;
    return joins;
}

/* With both patterns HEAD is a record that `start` began. */
static bool joins_by_own(struct multiline *m, multiline_state *state, struct slice line)
{
    bool begins = m->start && finds(m, m->start, line);
    bool may = *state != MULTILINE_NOTHING && !begins && !(m->start && m->go_on && *state != HEAD);
    bool joins = may && (!m->go_on || finds(m, m->go_on, line));

    if (!joins)
        *state = begins ? HEAD : PLAIN;
    return joins;
}

bool multiline_joins(struct multiline *m, multiline_state *state, struct slice line)
{
    if (line.n > MULTILINE_LOOK_BYTES)
        line.n = MULTILINE_LOOK_BYTES;
    return m->rules ? joins_by_rules(m, state, line) : joins_by_own(m, state, line);
}

uint64_t multiline_gave_up(const struct multiline *m)
{
    return m->gave_up;
}
