/* One pass, line by line: the kind of a line is seen at its beginning, and what has to stand between two lines follows from the kinds of both.
 * Inside a line only a few marks mean something: `code` and **strong** become bold. For roff a line that begins with a dot or an apostrophe is a
 * request, a backslash begins an escape, and a bare minus may be printed as a hyphen that no shell takes; so these are escaped everywhere. */
#include "pipeline/cli/roff.h"

#include "pipeline/base/slice.h"
#include "pipeline/base/version.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* --- characters --------------------------------------------------------------------------------------------------- */

static int add_char(struct buf *out, char c)
{
    switch (c) {
    case '\\':
        return buf_add_str(out, "\\e");
    case '-':
        return buf_add_str(out, "\\-");
    default:
        return buf_add_char(out, c);
    }
}

/* As it is, without a line break. */
static int add_verbatim(struct buf *out, struct slice line)
{
    if (line.n && (line.p[0] == '.' || line.p[0] == '\'') && buf_add_str(out, "\\&") < 0)
        return -1;
    for (size_t i = 0; i < line.n; i++)
        if (add_char(out, line.p[i]) < 0)
            return -1;
    return 0;
}

static bool begins(struct slice s, const char *with)
{
    size_t n = strlen(with);

    return s.n >= n && memcmp(s.p, with, n) == 0;
}

struct marks {
    bool code, strong; /* open; a mark may end in a later line */
};

/* With its marks, without a line break. */
static int add_marked(struct buf *out, struct slice s, struct marks *m)
{
    if (s.n && (s.p[0] == '.' || s.p[0] == '\'') && buf_add_str(out, "\\&") < 0)
        return -1;
    for (size_t i = 0; i < s.n; i++) {
        struct slice rest = slice_of(s.p + i, s.n - i);
        bool strong = !m->code && begins(rest, "**"), code = s.p[i] == '`';
        int rc;

        m->strong ^= strong;
        m->code ^= code;
        if (strong || code)
            rc = buf_add_str(out, m->strong || m->code ? "\\fB" : "\\fR");
        else if (begins(rest, "\\|")) /* of a table's cell */
            rc = buf_add_char(out, '|');
        else
            rc = add_char(out, s.p[i]);
        if (rc < 0)
            return -1;
        i += strong || begins(rest, "\\|");
    }
    return 0;
}

static int add_text(struct buf *out, struct slice s)
{
    struct marks m = {false, false};

    return add_marked(out, s, &m);
}

static struct slice trim(struct slice s)
{
    while (s.n && s.p[0] == ' ')
        s = slice_of(s.p + 1, s.n - 1);
    while (s.n && s.p[s.n - 1] == ' ')
        s.n--;
    return s;
}

/* The next line of *text, without its end; false behind the last. */
static bool next_line(const char **text, struct slice *line)
{
    size_t n = strcspn(*text, "\n");

    if (!**text)
        return false;
    *line = slice_of(*text, n);
    *text += n + ((*text)[n] == '\n');
    return true;
}

/* --- paragraphs ---------------------------------------------------------------------------------------------------- */

enum line_kind { LINE_EMPTY, LINE_HEADING, LINE_TEXT, LINE_ITEM, LINE_ROW, LINE_VERBATIM };

struct page {
    struct buf *out;
    enum line_kind last;
    bool gap;            /* an empty line came behind it */
    struct marks marks;  /* open in the paragraph */
    struct slice titles; /* the first row of the table */
};

/* What stands in front of a line of running text. */
static int begin_text(struct page *p)
{
    int rc = 0;

    if (p->last == LINE_VERBATIM)
        rc = buf_add_str(p->out, ".EE\n");
    if (rc == 0 && p->last != LINE_HEADING && (p->gap || p->last == LINE_VERBATIM || p->last == LINE_ROW)) {
        rc = buf_add_str(p->out, ".PP\n");
        p->marks = (struct marks){false, false};
    }
    p->last = LINE_TEXT;
    p->gap = false;
    return rc;
}

static int put_text(struct page *p, struct slice line)
{
    return begin_text(p) < 0 || add_marked(p->out, trim(line), &p->marks) < 0 ? -1 : buf_add_char(p->out, '\n');
}

static int put_verbatim(struct page *p, struct slice line)
{
    int rc = 0;

    if (p->last != LINE_VERBATIM)
        rc = buf_add_str(p->out, p->last == LINE_HEADING ? ".EX\n" : ".PP\n.EX\n");
    else if (p->gap)
        rc = buf_add_char(p->out, '\n');
    p->last = LINE_VERBATIM;
    p->gap = false;
    return rc < 0 || add_verbatim(p->out, line) < 0 ? -1 : buf_add_char(p->out, '\n');
}

static int end(struct page *p)
{
    int rc = p->last == LINE_VERBATIM ? buf_add_str(p->out, ".EE\n") : 0;

    p->last = LINE_EMPTY;
    p->gap = false;
    return rc;
}

static int put_heading(struct page *p, const char *request, struct slice text)
{
    if (end(p) < 0 || buf_printf(p->out, "%s ", request) < 0 || add_text(p->out, trim(text)) < 0)
        return -1;
    p->last = LINE_HEADING;
    p->marks = (struct marks){false, false};
    return buf_add_char(p->out, '\n');
}

/* --- tables -------------------------------------------------------------------------------------------------------- */

/* The next cell of a row; false behind the last. */
static bool next_cell(struct slice *row, struct slice *cell)
{
    size_t n = 0;

    while (n < row->n && (row->p[n] != '|' || (n > 0 && row->p[n - 1] == '\\')))
        n++;
    if (n == row->n)
        return false;
    *cell = trim(slice_of(row->p, n));
    *row = slice_of(row->p + n + 1, row->n - n - 1);
    return true;
}

/* A row as an entry of a list: its first cell, the others with the titles of their columns, at the end the last of them, which explains. */
static int put_row(struct page *p, struct slice row)
{
    struct slice titles = p->titles, title, cell, last = SLICE("");
    bool any = false;

    if (end(p) < 0 || !next_cell(&row, &cell) || !next_cell(&titles, &title))
        return -1;
    if (buf_add_str(p->out, ".TP\n") < 0 || add_text(p->out, cell) < 0 || buf_add_char(p->out, '\n') < 0)
        return -1;
    while (next_cell(&row, &cell) && next_cell(&titles, &title)) {
        if (row.n == 0 && (!any || slice_eq(title, SLICE("what it is")))) {
            last = cell;
        } else if (cell.n) {
            if (buf_add_str(p->out, any ? "; " : "") < 0 || add_text(p->out, title) < 0 ||
                buf_add_str(p->out, ": ") < 0 || add_text(p->out, cell) < 0)
                return -1;
            any = true;
        }
    }
    p->last = LINE_ROW;
    if ((any && buf_add_str(p->out, last.n ? "\n.br\n" : "\n") < 0) || add_text(p->out, last) < 0)
        return -1;
    return last.n ? buf_add_char(p->out, '\n') : 0;
}

static int put_table_line(struct page *p, struct slice line)
{
    struct slice cells = slice_of(line.p + 1, line.n - 1); /* behind the first bar */

    if (begins(line, "|---"))
        return 0;
    if (p->last == LINE_ROW && !p->gap)
        return put_row(p, cells);
    p->titles = cells;
    if (end(p) < 0)
        return -1;
    p->last = LINE_ROW;
    return 0;
}

/* --- pages --------------------------------------------------------------------------------------------------------- */

int roff_begin(struct buf *out, const char *name, int section, const char *summary)
{
    struct slice title = slice_str(name);

    if (buf_add_str(out, ".\\\" made by `sluice man`\n.TH ") < 0)
        return -1;
    for (size_t i = 0; i < title.n; i++)
        if (add_char(out, (char)toupper((unsigned char)title.p[i])) < 0)
            return -1;
    if (buf_printf(out, " %d \"\" \"sluice " SLUICE_VERSION "\" \"sluice\"\n.SH NAME\n", section) < 0 ||
        add_verbatim(out, title) < 0 || buf_add_str(out, " \\- ") < 0 || add_text(out, slice_str(summary)) < 0)
        return -1;
    return buf_add_char(out, '\n');
}

int roff_markdown(struct buf *out, const char *text)
{
    struct page p = {.out = out};
    struct slice line;
    bool fenced = false;
    int rc = 0;

    while (rc == 0 && next_line(&text, &line)) {
        if (begins(line, "```")) {
            fenced = !fenced;
            if (!fenced)
                rc = end(&p);
            else
                p.gap = true;
        } else if (fenced) {
            rc = put_verbatim(&p, line);
        } else if (line.n == 0) {
            p.gap = true;
        } else if (begins(line, "### ")) {
            rc = put_heading(&p, ".SS", slice_of(line.p + 4, line.n - 4));
        } else if (begins(line, "## ")) {
            rc = put_heading(&p, ".SH", slice_of(line.p + 3, line.n - 3));
        } else if (begins(line, "# ")) {
            rc = put_heading(&p, ".SH", SLICE("DESCRIPTION"));
        } else if (line.p[0] == '|') {
            rc = put_table_line(&p, line);
        } else if (begins(line, "- ")) {
            p.marks = (struct marks){false, false};
            rc = end(&p) < 0 || buf_add_str(out, ".IP \\(bu 2\n") < 0 ? -1 : 0;
            p.last = LINE_TEXT;
            rc = rc < 0 ? -1 : put_text(&p, slice_of(line.p + 2, line.n - 2));
        } else {
            rc = put_text(&p, line);
        }
    }
    return rc < 0 ? -1 : end(&p);
}

static int put_paragraphs(struct page *p, const char *text)
{
    struct slice line;
    int rc = 0;

    while (rc == 0 && next_line(&text, &line)) {
        if (line.n == 0)
            p->gap = true;
        else if (begins(line, "    ") && (p->gap || p->last == LINE_VERBATIM))
            rc = put_verbatim(p, line);
        else if (begins(line, "exit status: "))
            rc = put_heading(p, ".SH", SLICE("EXIT STATUS")) < 0 ? -1 : put_text(p, slice_of(line.p + 13, line.n - 13));
        else
            rc = put_text(p, line);
    }
    return rc < 0 ? -1 : end(p);
}

int roff_text(struct buf *out, const char *text)
{
    struct page p = {.out = out, .last = LINE_HEADING};

    return put_paragraphs(&p, text);
}

static int put_option(struct buf *out, const struct cli_option *o)
{
    const char *help = o->help;
    struct slice line;

    if (buf_add_str(out, ".TP\n") < 0 || (o->letter && buf_printf(out, "\\fB\\-%c\\fR, ", o->letter) < 0) ||
        buf_add_str(out, "\\fB\\-\\-") < 0 || add_verbatim(out, slice_str(o->name)) < 0 ||
        buf_add_str(out, "\\fR") < 0 || (o->value && buf_printf(out, " \\fI%s\\fR", o->value) < 0) ||
        buf_add_char(out, '\n') < 0)
        return -1;
    while (next_line(&help, &line))
        if (add_text(out, trim(line)) < 0 || buf_add_char(out, '\n') < 0)
            return -1;
    return 0;
}

/* "usage: sluice put ..." and the lines below it, up to the first empty one. */
static int put_usage(struct buf *out, const char **help)
{
    struct slice line;

    if (buf_add_str(out, ".SH SYNOPSIS\n.EX\n") < 0)
        return -1;
    while (next_line(help, &line) && line.n > 0) {
        size_t mark = begins(line, "usage: ") ? strlen("usage: ") : 0;

        if (add_verbatim(out, trim(slice_of(line.p + mark, line.n - mark))) < 0 || buf_add_char(out, '\n') < 0)
            return -1;
    }
    return buf_add_str(out, ".EE\n.SH DESCRIPTION\n");
}

int roff_command(struct buf *out, const struct cli_command *c)
{
    const char *help = c->help;
    int rc = put_usage(out, &help) < 0 || roff_text(out, help) < 0 ? -1 : 0;

    for (const struct cli_option *o = c->options; rc == 0 && o && o->name; o++)
        rc = (o == c->options && buf_add_str(out, ".SH OPTIONS\n") < 0) || put_option(out, o) < 0 ? -1 : 0;
    if (rc == 0 && c->help_end) {
        bool only_status = strncmp(c->help_end, "exit status: ", 13) == 0;

        rc = (!only_status && buf_add_str(out, ".SH NOTES\n") < 0) || roff_text(out, c->help_end) < 0 ? -1 : 0;
    }
    return rc;
}
