#include "pipeline/cli/test/report.h"

#include "pipeline/base/mem.h"
#include "pipeline/base/human.h"
#include "pipeline/base/utf8.h"

#include <stdio.h>
#include <string.h>

void cli_test_report_begin(struct test_report *r)
{
    if (r->tap)
        puts("TAP version 13");
}

/* Each line of `text` with `indent` in front. */
static void print_lines(const char *indent, const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\n");

        printf("%s%.*s\n", indent, (int)n, text);
        text += n + (text[n] == '\n');
    }
}

static void print_tap(const struct test_report *r, const struct test_result *t)
{
    printf("%s %zu - %s: ", t->end == TEST_FAILED ? "not ok" : "ok", r->count, t->file);
    for (const char *c = t->name; *c; c++) {
        if (*c == '#' || *c == '\\') /* `#` begins a directive, and a backslash quotes */
            putchar('\\');
        putchar(*c == '\n' ? ' ' : *c);
    }
    putchar('\n');
    if (t->end != TEST_FAILED)
        return;
    printf("  ---\n  at: '%s:%u'\n  diff: |\n", t->file, t->line);
    print_lines("    ", t->detail);
    puts("  ...");
}

void cli_test_report_add(struct test_report *r, enum test_end end, struct srcpos at, const char *name,
                         const char *detail)
{
    struct test_result *t;

    r->results = mem_grow(r->results, r->count + 1, sizeof(*r->results));
    t = &r->results[r->count++];
    *t = (struct test_result){.end = end,
                              .file = mem_strdup(at.file),
                              .name = mem_strdup(name),
                              .detail = mem_strdup(detail),
                              .line = at.line};
    r->ends[end]++;
    if (r->tap) {
        print_tap(r, t);
    } else if (end != TEST_PASSED) {
        printf("%s %s:%u: %s\n", end == TEST_FAILED ? "FAIL" : "new ", t->file, t->line, t->name);
        print_lines("", t->detail);
    }
}

void cli_test_report_file(struct test_report *r, const char *file)
{
    size_t count = r->count - r->of_file;
    bool all = true;

    for (size_t i = r->of_file; i < r->count; i++)
        all = all && r->results[i].end == TEST_PASSED;
    if (!r->tap && all)
        printf("ok   %s: %zu test%s\n", file, count, noun_s(count));
    r->of_file = r->count;
}

void cli_test_report_end(struct test_report *r, size_t files)
{
    if (r->tap) {
        printf("1..%zu\n", r->count);
        return;
    }
    printf("%zu file%s, %zu test%s: %zu passed, %zu failed", files, noun_s(files), r->count, noun_s(r->count),
           r->ends[TEST_PASSED], r->ends[TEST_FAILED]);
    if (r->ends[TEST_UPDATED])
        printf(", %zu rewritten", r->ends[TEST_UPDATED]);
    putchar('\n');
}

/* --- JUnit --- */

/* What XML cannot hold becomes U+FFFD. */
static void put_xml(FILE *f, const char *text)
{
    static const struct {
        char c;
        const char *name;
    } entities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}};

    for (struct slice s = slice_str(text); s.n;) {
        size_t n = utf8_first(s);
        const char *entity = NULL;

        for (size_t i = 0; i < ARRAY_LEN(entities); i++)
            if (s.p[0] == entities[i].c)
                entity = entities[i].name;
        if (entity)
            fputs(entity, f);
        else if (n == 0 || ((unsigned char)s.p[0] < ' ' && !strchr("\t\n", s.p[0])))
            fputs(UTF8_REPLACEMENT, f);
        else
            fwrite(s.p, 1, n, f);
        n = n ? n : 1;
        s = slice_of(s.p + n, s.n - n);
    }
}

static void put_case(FILE *f, const struct test_result *t)
{
    fputs("    <testcase classname=\"", f);
    put_xml(f, t->file);
    fputs("\" name=\"", f);
    put_xml(f, t->name);
    fprintf(f, "\" line=\"%u\"", t->line);
    if (t->end != TEST_FAILED) {
        fputs("/>\n", f);
        return;
    }
    fputs(">\n      <failure message=\"not what was expected\">", f);
    put_xml(f, t->detail);
    fputs("</failure>\n    </testcase>\n", f);
}

static void put_suite(FILE *f, const struct test_result *t, size_t count)
{
    size_t failed = 0;

    for (size_t i = 0; i < count; i++)
        failed += t[i].end == TEST_FAILED;
    fputs("  <testsuite name=\"", f);
    put_xml(f, t->file);
    fprintf(f, "\" tests=\"%zu\" failures=\"%zu\" errors=\"0\">\n", count, failed);
    for (size_t i = 0; i < count; i++)
        put_case(f, &t[i]);
    fputs("  </testsuite>\n", f);
}

int cli_test_report_junit(const struct test_report *r, const char *path, struct err *e)
{
    FILE *f = fopen(path, "we");
    size_t begin = 0;
    bool bad;

    if (!f)
        return err_errno(e, "cannot write %s", path);
    fprintf(f, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"%zu\" failures=\"%zu\">\n", r->count,
            r->ends[TEST_FAILED]);
    for (size_t i = 1; i <= r->count; i++) {
        if (i == r->count || strcmp(r->results[i].file, r->results[begin].file) != 0) {
            put_suite(f, r->results + begin, i - begin);
            begin = i;
        }
    }
    fputs("</testsuites>\n", f);
    bad = ferror(f) != 0;
    return fclose(f) != 0 || bad ? err_errno(e, "cannot write %s", path) : 0;
}

void cli_test_report_release(struct test_report *r)
{
    for (size_t i = 0; i < r->count; i++) {
        mem_free(r->results[i].file);
        mem_free(r->results[i].name);
        mem_free(r->results[i].detail);
    }
    MEM_CLEAR(r->results);
    r->count = 0;
}
