/* A chart of the last hour as SVG in the page: lines from left to right, one step for each half minute, from nothing to the largest value.
 * It has no text in it, so it may be stretched to any width; what it says stands beside it, and for who does not see it in its label. */
#include "pipeline/admin/console.h"

#include "pipeline/base/human.h"

#include <math.h>

#define HEIGHT 40.0

static double value_of(const struct chart_line *l, const struct chronicle_view *v, size_t i)
{
    double x = (double)l->value(&v->points[i]);
    nsec lasts = i + 1 == v->point_count ? v->last_point : HISTORY_SLOT;

    if (!l->by_second)
        return x;
    return lasts > 0 ? x * (double)NSEC_PER_SEC / (double)lasts : 0;
}

/* The last slot may have begun just now, and says little. */
static size_t shown(const struct chronicle_view *v)
{
    return v->point_count > 1 ? v->point_count - 1 : v->point_count;
}

static double most(const struct chart_line *l, const struct chronicle_view *v)
{
    double top = 0;

    for (size_t i = 0; l && i < shown(v); i++)
        top = fmax(top, value_of(l, v, i));
    return top;
}

static double height_of(double value, double top)
{
    return HEIGHT - 1 - (HEIGHT - 2) * (top > 0 ? value / top : 0);
}

/* A value stands at the end of its half minute; the first one at both of its ends. */
static void line(struct page *p, const struct chart_line *l, const struct chronicle_view *v, double top,
                 const char *class)
{
    size_t n = shown(v);

    page_printf(p, "<polyline class=\"%s\" points=\"", class);
    if (n > 0)
        page_printf(p, "%zu,%.1f", HISTORY_SLOTS - n, height_of(value_of(l, v, 0), top));
    for (size_t i = 0; i < n; i++)
        page_printf(p, " %zu,%.1f", HISTORY_SLOTS - n + i + 1, height_of(value_of(l, v, i), top));
    page_add(p, "\"/>");
}

void console_chart(struct page *p, const struct chronicle_view *v, const char *title,
                   const char *(*words)(double value, char *out, size_t size), const struct chart_line *a,
                   const struct chart_line *b)
{
    double top = fmax(most(a, v), most(b, v));
    char now_a[HUMAN_MAX], now_b[HUMAN_MAX], most_text[HUMAN_MAX] = "nothing";
    size_t last = shown(v);

    words(last ? value_of(a, v, last - 1) : 0, now_a, sizeof(now_a));
    words(b && last ? value_of(b, v, last - 1) : 0, now_b, sizeof(now_b));
    if (top > 0)
        words(top, most_text, sizeof(most_text));
    page_printf(p, "<figure><figcaption>%s <span class=\"soft\">at most %s</span></figcaption>\n", title, most_text);
    page_printf(
        p,
        "<svg class=\"chart\" role=\"img\" aria-label=\"%s in the last hour, at most %s\" viewBox=\"0 0 %d %d\" "
        "preserveAspectRatio=\"none\">",
        title, most_text, (int)HISTORY_SLOTS, (int)HEIGHT);
    if (b)
        line(p, b, v, top, "second");
    line(p, a, v, top, "first");
    page_printf(p, "</svg>\n<p><span class=\"key first\">%s</span> <b>%s</b>", a->name, now_a);
    if (b)
        page_printf(p, " <span class=\"key second\">%s</span> <b>%s</b>", b->name, now_b);
    page_add(p, "</p></figure>\n");
}
