/* The lines of `expect` are those behind its key that stand further right, and list elements below the key itself
 * (`- ` may stand there). Comments and empty lines behind the last of them belong to what follows. The new text is
 * written beside the file and read back before it takes the file's place, so that a form of YAML that is not
 * understood here spoils nothing. */
#include "pipeline/cli/test/file.h"

#include "pipeline/base/io.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct lines {
    struct buf text;
    size_t *at; /* where each begins; at[count] is the end */
    size_t count;
};

static void find_lines(struct lines *l)
{
    size_t from = 0;

    l->at = mem_grow(NULL, 1, sizeof(*l->at));
    while (from < l->text.n) {
        const char *newline = memchr(l->text.p + from, '\n', l->text.n - from);

        l->at[l->count++] = from;
        l->at = mem_grow(l->at, l->count + 1, sizeof(*l->at));
        from = newline ? (size_t)(newline - l->text.p) + 1 : l->text.n;
    }
    l->at[l->count] = l->text.n;
}

static struct slice line_at(const struct lines *l, size_t i)
{
    return slice_of(l->text.p + l->at[i], l->at[i + 1] - l->at[i]);
}

static size_t indent_of(struct slice line)
{
    size_t n = 0;

    while (n < line.n && line.p[n] == ' ')
        n++;
    return n;
}

/* An empty line, or a comment. */
static bool says_nothing(struct slice line)
{
    size_t n = indent_of(line);

    return n == line.n || line.p[n] == '\n' || line.p[n] == '\r' || line.p[n] == '#';
}

/* The line behind the last of `expect`, whose key stands in line `first` (from 0) at `column`. */
static size_t end_of(const struct lines *l, size_t first, size_t column)
{
    size_t end = first + 1;

    for (size_t i = end; i < l->count; i++) {
        struct slice line = line_at(l, i);
        size_t indent = indent_of(line);

        if (says_nothing(line))
            continue;
        if (indent < column ||
            (indent == column && !slice_starts(slice_of(line.p + indent, line.n - indent), SLICE("- "))))
            break;
        end = i + 1;
    }
    return end;
}

static int add_outcomes(struct buf *out, const struct test_outcomes *outcomes, size_t column)
{
    int rc = outcomes->count ? buf_add_str(out, "expect:\n") : buf_add_str(out, "expect: []\n");

    for (size_t i = 0; i < outcomes->count; i++) {
        for (const char *line = outcomes->at[i].yaml; *line && rc == 0;) {
            size_t n = strcspn(line, "\n") + 1;

            if (n > 1)
                rc = buf_printf(out, "%*s", (int)column + 2, "");
            if (rc == 0)
                rc = buf_add(out, line, n);
            line += n;
        }
    }
    return rc;
}

/* One test's new lines behind what stands in the file from line *from on; -1 when the file's form does not allow it. */
static int add_updated(const struct lines *l, const struct test_update *u, size_t *from, struct buf *out, struct err *e)
{
    struct srcpos at = u->of->expect_at;
    size_t first = at.line ? at.line - 1 : 0, column = at.column ? at.column - 1 : 0;
    struct slice line;

    if (at.line == 0)
        return err_at(e, ERR_CONFIG, u->of->at, "there is no `expect:` to fill; write it below `input`");
    line = first < l->count ? line_at(l, first) : (struct slice){0};
    if (first < *from || line.n <= column || indent_of(line) != column)
        return err_at(e, ERR_CONFIG, at, "`expect` must begin a line of its own to be rewritten");
    if (buf_add(out, l->text.p + l->at[*from], l->at[first] + column - l->at[*from]) < 0 ||
        add_outcomes(out, u->outcomes, column) < 0)
        return err_set(e, ERR_LIMIT, "%s grows too large", at.file);
    *from = end_of(l, first, column);
    return 0;
}

static int make_text(const struct test_file *f, const struct test_update *updates, size_t count, struct buf *out,
                     struct err *e)
{
    struct lines l = {0};
    size_t from = 0;
    int rc = 0, fd = open(f->path, O_RDONLY | O_CLOEXEC);

    buf_init(&l.text, TEST_TEXT_MAX);
    if (fd < 0 || io_read_all(fd, &l.text) < 0)
        rc = err_errno(e, "cannot read %s", f->path);
    else if (l.text.n == TEST_TEXT_MAX)
        rc = err_set(e, ERR_LIMIT, "%s is too large", f->path);
    if (fd >= 0)
        close(fd);
    if (rc == 0)
        find_lines(&l);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = add_updated(&l, &updates[i], &from, out, e);
    if (rc == 0 && buf_add(out, l.text.p + l.at[from], l.text.n - l.at[from]) < 0)
        rc = err_set(e, ERR_LIMIT, "%s grows too large", f->path);
    mem_free(l.at);
    buf_release(&l.text);
    return rc;
}

static bool says(const struct test_outcomes *a, const struct test_outcomes *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->at[i].yaml, b->at[i].yaml) != 0)
            return false;
    return true;
}

/* Are the tests what they were, with the new expectations? */
static bool reads_back(const char *path, const struct test_file *f, const struct test_update *updates, size_t count)
{
    struct cfg_errors *errs = cfg_errors_new();
    struct test_file *now = test_file_load(path, errs);
    bool same = now && now->count == f->count;
    size_t next = 0;

    for (size_t i = 0; i < f->count && same; i++) {
        const struct test_outcomes *want = &f->cases[i].expect;

        if (next < count && updates[next].of == &f->cases[i])
            want = updates[next++].outcomes;
        same = says(want, &now->cases[i].expect) && strcmp(f->cases[i].name, now->cases[i].name) == 0;
    }
    test_file_free(&now);
    cfg_errors_free(&errs);
    return same && next == count;
}

int cli_test_update(const struct test_file *f, const struct test_update *updates, size_t count, struct err *e)
{
    /* The same folder and ending: the new file must read as the old one does. */
    char *fresh = mem_printf("%s.new" TEST_FILE_SUFFIX, f->path);
    struct stat st;
    struct buf text;
    int rc;

    buf_init(&text, TEST_TEXT_MAX);
    rc = stat(f->path, &st) < 0 ? err_errno(e, "cannot look at %s", f->path) : make_text(f, updates, count, &text, e);
    if (rc == 0) {
        mode_t mode = st.st_mode & 0777;
        int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

        if (fd < 0 || io_write_all(fd, buf_slice(&text)) < 0 || fchmod(fd, mode) < 0 || fsync(fd) < 0)
            rc = err_errno(e, "cannot write %s", fresh);
        if (fd >= 0)
            close(fd);
        if (rc == 0 && !reads_back(fresh, f, updates, count))
            rc = err_set(e, ERR_CONFIG, "%s: `expect` is written in a form that cannot be rewritten; it is left alone",
                         f->path);
        if (rc == 0 && rename(fresh, f->path) < 0)
            rc = err_errno(e, "cannot replace %s", f->path);
        if (rc < 0)
            unlink(fresh);
    }
    buf_release(&text);
    mem_free(fresh);
    return rc;
}
