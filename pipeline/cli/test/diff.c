/* The longest common subsequence of outcomes, by the usual table: tests have tens of records. Beyond TEST_DIFF_TABLE_MAX cells
 * nothing is looked for, and all is shown. */
#include "pipeline/cli/test/diff.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <stdint.h>
#include <string.h>

struct diff {
    const struct test_outcomes *expected, *got;
    struct buf *out;
    uint32_t *table; /* [e * width + g]: length of what is common behind e and g; NULL: too large */
    size_t width;
    int rc;
};

static void fill_table(struct diff *d)
{
    size_t rows = d->expected->count + 1;

    d->width = d->got->count + 1;
    if (d->width > TEST_DIFF_TABLE_MAX / rows)
        return;
    d->table = mem_array(rows * d->width, sizeof(*d->table));
    for (size_t e = d->expected->count; e-- > 0;) {
        for (size_t g = d->got->count; g-- > 0;) {
            uint32_t *cell = &d->table[e * d->width + g], down = cell[d->width], right = cell[1];

            if (test_outcome_fits(&d->expected->at[e], &d->got->at[g]))
                *cell = cell[d->width + 1] + 1;
            else
                *cell = down >= right ? down : right;
        }
    }
}

/* All lines of an outcome with the mark in front. */
static void show(struct diff *d, char mark, const struct test_outcome *outcome)
{
    for (const char *line = outcome->yaml; *line && d->rc == 0;) {
        size_t n = strcspn(line, "\n");

        d->rc = buf_printf(d->out, "    %c %.*s\n", mark, (int)n, line);
        line += n + (line[n] == '\n');
    }
}

/* Columns count characters, so that the mark stands below the one that differs. */
static void point(struct diff *d, const char *a, const char *b)
{
    size_t columns = 0;

    for (; *a == *b && *a; a++, b++)
        columns += ((unsigned char)*a & 0xc0) != 0x80;
    if (((unsigned char)*a & 0xc0) == 0x80)
        columns--;
    if (d->rc == 0 && columns > 2)
        d->rc = buf_printf(d->out, "    ? %*s^\n", (int)columns, "");
}

static bool is_one_line(const struct test_outcome *f)
{
    const char *newline = strchr(f->yaml, '\n');

    return newline && newline[1] == '\0';
}

/* The ones between two that are common. */
static void show_hunk(struct diff *d, size_t e, size_t e_end, size_t g, size_t g_end)
{
    while ((e < e_end || g < g_end) && d->rc == 0) {
        const struct test_outcome *want = e < e_end ? &d->expected->at[e++] : NULL;
        const struct test_outcome *came = g < g_end ? &d->got->at[g++] : NULL;

        if (want)
            show(d, '-', want);
        if (came)
            show(d, '+', came);
        if (want && came && is_one_line(want) && is_one_line(came))
            point(d, want->yaml, came->yaml);
    }
}

/* The next pair that belongs together, from (e, g) on; the ends when there is none. */
static void find_pair(const struct diff *d, size_t *e, size_t *g)
{
    while (d->table && *e < d->expected->count && *g < d->got->count) {
        const uint32_t *cell = &d->table[*e * d->width + *g];

        if (test_outcome_fits(&d->expected->at[*e], &d->got->at[*g]))
            return;
        if (cell[d->width] >= cell[1])
            ++*e;
        else
            ++*g;
    }
    *e = d->expected->count;
    *g = d->got->count;
}

int cli_test_diff(const struct test_outcomes *expected, const struct test_outcomes *got, struct buf *out)
{
    struct diff d = {.expected = expected, .got = got, .out = out};
    size_t e = 0, g = 0;

    fill_table(&d);
    while (d.rc == 0 && (e < expected->count || g < got->count)) {
        size_t e_end = e, g_end = g;

        find_pair(&d, &e_end, &g_end);
        show_hunk(&d, e, e_end, g, g_end);
        if (e_end < expected->count)
            show(&d, ' ', &got->at[g_end]);
        e = e_end + 1;
        g = g_end + 1;
    }
    mem_free(d.table);
    return d.rc;
}
