/* Numbers as jq 1.6 prints them: the double that they are, with the fewest digits that give it again. Most numbers in records are short
 * integers, which are printed as they stand there. */
#include "transforms/partition/query.h"

#include "pipeline/base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Digits that need no thought: jq prints an integer of up to 15 digits as it is. */
static bool is_short_integer(struct slice raw)
{
    size_t n = raw.n - (raw.p[0] == '-');

    for (size_t i = raw.n - n; i < raw.n; i++)
        if (raw.p[i] < '0' || raw.p[i] > '9')
            return false;
    return n <= 15;
}

/* The shortest digits that give this double again, and where the point stands: 0.DIGITS * 10 ^ point. */
static size_t shortest(double v, char digits[24], int *point)
{
    char text[32];
    size_t n = 0;

    for (int more = 0; more < 17; more++) {
        snprintf(text, sizeof(text), "%.*e", more, v);
        if (strtod(text, NULL) == v)
            break;
    }
    for (const char *p = text; *p != 'e'; p++)
        if (*p != '.')
            digits[n++] = *p;
    *point = (int)strtol(strchr(text, 'e') + 1, NULL, 10) + 1;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    return n;
}

/* As the C library of David Gay lays digits out, which jq uses. */
static int add_double(double v, struct buf *out)
{
    char digits[24];
    int point, n = (int)shortest(v, digits, &point);

    if (point <= -4 || point > n + 15) {
        int rc = n > 1 ? buf_printf(out, "%c.%.*s", digits[0], n - 1, digits + 1) : buf_add_char(out, digits[0]);

        return rc < 0 ? -1 : buf_printf(out, "e%c%02d", point <= 0 ? '-' : '+', abs(point - 1));
    }
    if (point <= 0)
        return buf_printf(out, "0.%.*s%.*s", -point, "000", n, digits);
    if (point >= n)
        return buf_printf(out, "%.*s%.*s", n, digits, point - n, "0000000000000000");
    return buf_printf(out, "%.*s.%.*s", point, digits, n - point, digits + point);
}

int query_number(struct slice raw, struct buf *out)
{
    char *text;
    double v;
    int rc;

    if (is_short_integer(raw))
        return buf_add_slice(out, raw);
    text = mem_printf("%.*s", (int)raw.n, raw.p);
    v = strtod(text, NULL);
    mem_free(text);
    if (isinf(v))
        v = copysign(1.7976931348623157e308, v);
    if (signbit(v) && buf_add_char(out, '-') < 0)
        return -1;
    rc = v == 0 ? buf_add_char(out, '0') : add_double(fabs(v), out);
    return rc;
}
