/* PCRE2 compiles to machine code where it can. A long subject is searched in windows of positions where a match may
 * begin; between two windows the host is told how much was done, and may jump out. Blocks carry their size in
 * front, as the host counts what is given back. When the machine code needs more stack than there is, a larger one
 * is made and the search repeated. */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "transforms/text/regex.h"

#include "pipeline/base/clock.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <pcre2.h>

#define WALK_COST 16 /* bytes walked by machine code for one unit of the host's */

struct regex {
    const struct regex_host *host;
    pcre2_general_context *memory;
    pcre2_match_context *context;
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_jit_stack *stack; /* NULL until one is needed */
    bool anchored, utf;
    size_t groups;
    const char *names;
    uint32_t name_count, name_size;
    const char *subject;
    bool matched;
};

/* PCRE2 frees without telling the size, which the host wants to know. */
union block {
    size_t size;
    max_align_t align;
};

static void *default_resize(void *ctx, void *p, size_t old_size, size_t size)
{
    (void)ctx, (void)old_size;
    if (size > 0)
        return mem_grow(p, size, 1);
    mem_free(p);
    return NULL;
}

static const struct regex_host DEFAULT_HOST = {.resize = default_resize};

static void *host_alloc(PCRE2_SIZE size, void *data)
{
    const struct regex_host *host = data;
    union block *b = NULL;

    if (size <= SIZE_MAX - sizeof(*b))
        b = host->resize(host->ctx, NULL, 0, size + sizeof(*b));
    if (!b)
        return NULL;
    b->size = size + sizeof(*b);
    return b + 1;
}

static void host_free(void *p, void *data)
{
    const struct regex_host *host = data;
    union block *b = p;

    if (p)
        host->resize(host->ctx, b - 1, b[-1].size, 0);
}

static int compile(struct regex *re, struct slice pattern, unsigned flags, struct err *e)
{
    pcre2_compile_context *context = pcre2_compile_context_create(re->memory);
    uint32_t options = PCRE2_USE_OFFSET_LIMIT | PCRE2_NEVER_BACKSLASH_C;
    unsigned char why[256];
    size_t at;
    int rc;

    if (!context)
        return err_set(e, ERR_NOMEM, "regular expression: no memory");
    options |= flags & REGEX_CASELESS ? PCRE2_CASELESS : 0;
    options |= flags & REGEX_MULTILINE ? PCRE2_MULTILINE : 0;
    options |= flags & REGEX_DOTALL ? PCRE2_DOTALL : 0;
    options |= flags & REGEX_EXTENDED ? PCRE2_EXTENDED : 0;
    options |= flags & REGEX_UTF ? PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF : 0;
    pcre2_set_max_pattern_length(context, REGEX_PATTERN_MAX);
    re->code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n, options, &rc, &at, context);
    pcre2_compile_context_free(context);
    if (re->code)
        return 0;
    if (rc == PCRE2_ERROR_HEAP_FAILED)
        return err_set(e, ERR_NOMEM, "regular expression: no memory");
    pcre2_get_error_message(rc, why, sizeof(why));
    return err_set(e, ERR_CONFIG, "regular expression: %s at byte %zu", (const char *)why, at + 1);
}

static int build(struct regex *re, struct slice pattern, unsigned flags, struct err *e)
{
    uint32_t options = 0, captures = 0;

    /* The context only reads `host` back out to its two functions. */
    re->memory = pcre2_general_context_create(host_alloc, host_free, (void *)(uintptr_t)re->host);
    if (re->memory)
        re->context = pcre2_match_context_create(re->memory);
    if (!re->context)
        return err_set(e, ERR_NOMEM, "regular expression: no memory");
    pcre2_set_match_limit(re->context, REGEX_MATCH_LIMIT);
    pcre2_set_heap_limit(re->context, REGEX_HEAP_KIB);
    if (compile(re, pattern, flags, e) < 0)
        return -1;
    pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE); /* without it the interpreter works, slower */
    pcre2_pattern_info(re->code, PCRE2_INFO_ALLOPTIONS, &options);
    pcre2_pattern_info(re->code, PCRE2_INFO_CAPTURECOUNT, &captures);
    pcre2_pattern_info(re->code, PCRE2_INFO_NAMECOUNT, &re->name_count);
    pcre2_pattern_info(re->code, PCRE2_INFO_NAMEENTRYSIZE, &re->name_size);
    pcre2_pattern_info(re->code, PCRE2_INFO_NAMETABLE, &re->names);
    re->anchored = options & PCRE2_ANCHORED;
    re->groups = captures + 1;
    if (re->groups > REGEX_GROUPS_MAX)
        return err_set(e, ERR_CONFIG, "regular expression: more than %d groups", REGEX_GROUPS_MAX - 1);
    re->match = pcre2_match_data_create_from_pattern(re->code, re->memory);
    return re->match ? 0 : err_set(e, ERR_NOMEM, "regular expression: no memory");
}

int regex_new(struct regex **out, struct slice pattern, unsigned flags, const struct regex_host *host, struct err *e)
{
    const struct regex_host *h = host ? host : &DEFAULT_HOST;
    struct regex *re = h->resize(h->ctx, NULL, 0, sizeof(*re));

    *out = NULL;
    if (!re)
        return err_set(e, ERR_NOMEM, "regular expression: no memory");
    *re = (struct regex){.host = h, .utf = flags & REGEX_UTF};
    *out = re;
    if (build(re, pattern, flags, e) == 0)
        return 0;
    regex_free(out);
    return -1;
}

void regex_free(struct regex **out)
{
    struct regex *re = *out;

    if (!re)
        return;
    pcre2_jit_stack_free(re->stack);
    pcre2_match_data_free(re->match);
    pcre2_code_free(re->code);
    pcre2_match_context_free(re->context);
    pcre2_general_context_free(re->memory);
    re->host->resize(re->host->ctx, re, sizeof(*re), 0);
    *out = NULL;
}

size_t regex_jit_size(const struct regex *re)
{
    size_t size = 0;

    pcre2_pattern_info(re->code, PCRE2_INFO_JITSIZE, &size);
    return size;
}

/* Once more with a larger stack when the machine's was too small for the pattern's nesting. */
static int match_at(struct regex *re, struct slice subject, size_t start)
{
    PCRE2_SPTR text = (PCRE2_SPTR)(subject.p ? subject.p : "");
    int rc = pcre2_match(re->code, text, subject.n, start, 0, re->match, re->context);

    if (rc != PCRE2_ERROR_JIT_STACKLIMIT || re->stack)
        return rc;
    re->stack = pcre2_jit_stack_create(REGEX_JIT_STACK_START, REGEX_JIT_STACK_MAX, re->memory);
    if (!re->stack)
        return rc;
    pcre2_jit_stack_assign(re->context, NULL, re->stack);
    return pcre2_match(re->code, text, subject.n, start, 0, re->match, re->context);
}

static void tick(const struct regex *re, size_t walked)
{
    if (re->host->tick)
        re->host->tick(re->host->ctx, walked / WALK_COST + 1);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

enum regex_result regex_match(struct regex *re, struct slice subject, size_t start)
{
    size_t window_max = REGEX_WINDOW_WALK / (subject.n + 1) + 1, window = smaller(REGEX_WINDOW_FIRST, window_max);
    unsigned slow = 0;
    int rc;

    re->matched = false;
    re->subject = subject.p;
    if (start > subject.n)
        return REGEX_NO_MATCH;
    for (;;) {
        bool last = re->anchored || subject.n - start < window;
        nsec began = last ? 0 : clock_mono(), took;

        tick(re, last ? subject.n - start : window * (subject.n - start));
        pcre2_set_offset_limit(re->context, last ? PCRE2_UNSET : start + window - 1);
        rc = match_at(re, subject, start);
        if (rc != PCRE2_ERROR_NOMATCH || last)
            break;
        took = clock_mono() - began;
        if (took > REGEX_WINDOW_TIME && re->host->tick)
            re->host->tick(re->host->ctx, (size_t)took); /* far more than its bytes said */
        else if (took > REGEX_WINDOW_TIME && ++slow == REGEX_WINDOWS_SLOW)
            return REGEX_GAVE_UP; /* nobody else will end it */
        start += window;
        while (re->utf && start < subject.n && ((unsigned char)subject.p[start] & 0xc0) == 0x80)
            start++; /* to where a character begins */
        if (took <= REGEX_WINDOW_TIME)
            window = smaller(window * REGEX_WINDOW_STEP, window_max);
        else
            window = window > REGEX_WINDOW_STEP ? window / REGEX_WINDOW_STEP : 1;
    }
    re->matched = rc > 0;
    if (rc > 0)
        return REGEX_MATCH;
    return rc == PCRE2_ERROR_NOMATCH ? REGEX_NO_MATCH : REGEX_GAVE_UP;
}

size_t regex_group_count(const struct regex *re)
{
    return re->groups;
}

bool regex_group(const struct regex *re, size_t group, struct slice *out)
{
    const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(re->match);
    PCRE2_SIZE from, to;

    if (!re->matched || group >= re->groups || offsets[2 * group] == PCRE2_UNSET)
        return false;
    from = offsets[2 * group];
    to = offsets[2 * group + 1];
    *out = slice_of(re->subject + from, to > from ? to - from : 0); /* \K may turn them round */
    return true;
}

bool regex_name(const struct regex *re, size_t index, const char **name, size_t *group)
{
    const unsigned char *row = (const unsigned char *)re->names + index * re->name_size;

    if (index >= re->name_count)
        return false;
    *group = (size_t)row[0] << 8 | row[1];
    *name = (const char *)row + 2;
    return true;
}
