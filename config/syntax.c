/* libyaml says where it stopped, in the words of a grammar. The two causes that its words never name, a tab and ${...} without
 * quotes, are looked for in the text; then a table says the rest as a person would. */
#include "config/syntax.h"

#include "config/text.h"
#include "config/unquoted.h"
#include "pipeline/base/buf.h"

#include <string.h>

#define MENDED_MAX 400

struct saying {
    const char *problem; /* libyaml's words */
    bool at_context;     /* what began there is the thing to look at */
    const char *words;
};

static const struct saying SAYINGS[] = {
    {"mapping values are not allowed in this context", false,
     "`:` cannot stand here: check the indentation, look for a missing `:` in the line above, or quote the value if "
     "`: ` belongs to it"},
    {"did not find expected key", false,
     "expected a key here: check the indentation of this line and the ones above, and that every quote is closed"},
    {"could not find expected ':'", true, "this line has no `key: value`: is a `:` with a space behind it missing?"},
    {"did not find expected '-' indicator", false, "expected `- `: check the indentation of this list"},
    {"block sequence entries are not allowed in this context", false,
     "a list cannot begin here: put `- ` on a line of its own below its key"},
    {"block mapping", false, "a mapping cannot begin here"},
    {"found unexpected end of stream", true, "the quote that begins here is never closed"},
    {"found unexpected document indicator", true, "the quote that begins here is not closed before `---` or `...`"},
    {"did not find expected ',' or ']'", true,
     "the list that begins here with `[` is not closed with `]`, or lacks a `,`"},
    {"did not find expected ',' or '}'", true,
     "the mapping that begins here with `{` is not closed with `}`, or lacks a `,`"},
    {"found unknown escape character", false,
     "unknown `\\` escape: in double quotes write `\\\\`, or use single quotes"},
    {"found character that cannot start any token", false, "a value cannot begin with this character: quote it"},
    {"did not find expected node content", false, "expected a value here"},
    {"did not find expected <document start>", false,
     "this stands outside of the configuration: check its indentation"},
    {"did not find expected alphabetic or numeric character", false,
     "anchors and aliases (`&`, `*`) are not supported: quote the value if it begins with such a character"},
    {"found undefined tag handle", false, "tags (`!`) are not supported: quote the value if it begins with `!`"},
    {"did not find expected tag URI", false, "tags (`!`) are not supported: quote the value if it begins with `!`"},
    {"did not find the expected '>'", false, "tags (`!`) are not supported: quote the value if it begins with `!`"},
    {"did not find expected whitespace or line break", false,
     "tags (`!`) are not supported: quote the value if it begins with `!`"},
};

/* A tab is the cause when it stands at the mark, or in the white space that begins the mark's line. */
static bool tab_before(struct slice text, yaml_mark_t mark, unsigned *column)
{
    size_t line = 0, i = 0;

    for (; i < text.n && line < mark.line; i++)
        if (text.p[i] == '\n')
            line++;
    for (size_t start = i; i < text.n && (text.p[i] == ' ' || text.p[i] == '\t'); i++)
        if (text.p[i] == '\t') {
            *column = (unsigned)(i - start) + 1;
            return true;
        }
    if (mark.index < text.n && text.p[mark.index] == '\t') { /* exact where everything before is ASCII */
        *column = (unsigned)mark.column + 1;
        return true;
    }
    return false;
}

/* The byte at a mark, whose column counts characters. */
static size_t index_of(struct slice text, yaml_mark_t mark)
{
    size_t i = 0, column = 0;

    for (size_t line = 0; i < text.n && line < mark.line; i++)
        line += text.p[i] == '\n';
    for (; i < text.n && text.p[i] != '\n' && column < mark.column; column++)
        do
            i++;
        while (i < text.n && ((unsigned char)text.p[i] & 0xC0) == 0x80);
    return i;
}

/* A ${...} or !{...} without quotes inside { } or [ ]. False: it is not that. */
static bool report_unquoted(struct cfg_errors *errs, const char *name, struct slice text, yaml_mark_t mark)
{
    struct srcpos at = {.file = name};
    struct buf mended;
    size_t value;

    if (!unquoted_at(text, index_of(text, mark), &value))
        return false;
    text_place(text, value, &at.line, &at.column);
    buf_init(&mended, MENDED_MAX);
    if (unquoted_mend(text, value, &mended) < 0) {
        buf_clear(&mended);
        if (buf_add_str(&mended, "\"${env:NAME}\"") < 0)
            buf_clear(&mended);
    }
    cfg_error(errs, at, "inside { } and [ ] a value with ${...} or !{...} must stand in quotes: %s", buf_cstr(&mended));
    buf_release(&mended);
    return true;
}

void syntax_report(struct cfg_errors *errs, const char *name, struct slice text, const yaml_parser_t *y)
{
    const char *problem = y->problem ? y->problem : "unreadable";
    const struct saying *saying = NULL;
    yaml_mark_t mark = y->problem_mark;

    struct srcpos at = {name, (unsigned)y->problem_mark.line + 1, 0};

    if (tab_before(text, y->problem_mark, &at.column)) {
        cfg_error(errs, at, "a tab cannot be used here: indent with spaces");
        return;
    }
    if (report_unquoted(errs, name, text, y->problem_mark))
        return;
    for (size_t i = 0; i < ARRAY_LEN(SAYINGS) && !saying; i++)
        if (strcmp(SAYINGS[i].problem, problem) == 0)
            saying = &SAYINGS[i];
    if (saying && saying->at_context && y->context)
        mark = y->context_mark;
    at.line = (unsigned)mark.line + 1;
    at.column = (unsigned)mark.column + 1;
    if (saying)
        cfg_error(errs, at, "%s", saying->words);
    else
        cfg_error(errs, at, "this is not valid YAML: %s%s%s", problem, y->context ? ", " : "",
                  y->context ? y->context : "");
}
