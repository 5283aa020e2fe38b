#!/usr/bin/env python3
"""The queries of the dashboard and the alerts, and what they name. Alone: file:line of each metric, label and page that is not there.

docs/metrics.md is what there is; a test compares it with the program.
"""

import json
import os
import re

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DASHBOARD = os.path.join("config", "grafana", "sluice.json")
ALERTS = os.path.join("config", "prometheus", "alerts.yaml")
PAGE = os.path.join("docs", "monitoring.md")
OF_TARGETS = {"job", "instance"}  # Prometheus gives them to each series
WORDS = {"by", "on", "and", "or", "unless", "without", "ignoring", "group_left", "group_right", "bool", "offset"}


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return f.read()


class Query:
    """One expression. `shown`: the labels that a legend or a text makes use of."""

    def __init__(self, place, expr, shown=()):
        self.place, self.expr, self.shown = place, expr, set(shown)
        bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expr)
        self.matched = []  # (metric, labels of its matchers)
        for name, inside in re.findall(r"([a-zA-Z_:][\w:]*)\s*\{([^}]*)\}", bare):
            self.matched.append((name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside))))
        bare = re.sub(r"\{[^}]*\}|\[[^]]*\]", " ", bare)
        groups = r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)"
        self.grouped = {label for inside in re.findall(groups, bare) for label in re.findall(r"\w+", inside)}
        bare = re.sub(groups, " ", bare)
        self.metrics = {name for name in re.findall(r"(?<![\w.])[a-zA-Z_:][\w:]*(?!\w)(?!\s*\()", bare)} - WORDS

    def with_variables(self, **values):
        """As Grafana sends it."""
        text = self.expr
        for name, value in sorted(values.items(), key=lambda v: -len(v[0])):
            text = text.replace("$" + name, value)
        return text


def legend(text):
    return re.findall(r"{{\s*(?:\$labels\.)?(\w+)\s*}}", text)


def dashboard():
    board = json.loads(read(DASHBOARD))
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield Query(f"{DASHBOARD}: {panel['title']}", target["expr"], legend(target["legendFormat"]))
    for note in board["annotations"]["list"]:
        yield Query(f"{DASHBOARD}: {note['name']}", note["expr"], legend(note["titleFormat"]))
    for variable in board["templating"]["list"]:
        asked = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]) if variable["type"] == "query" else None
        if asked:
            yield Query(f"{DASHBOARD}: ${variable['name']}", asked[1], [asked[2]])


def alerts():
    """[(name, Query, the page that its text leads to)]. The file is written so that lines are enough."""
    text = read(ALERTS)
    for rule in re.split(r"(?m)^ *- alert: ", text)[1:]:
        name = rule.split("\n", 1)[0]
        expr = re.search(r"(?m)^ *expr: (.*)$", rule)[1]
        page = re.search(r'(?m)^ *runbook: "(.*)"$', rule)
        number = text[:text.index(f"- alert: {name}\n")].count("\n") + 1
        yield name, Query(f"{ALERTS}:{number}: {name}", expr, re.findall(r"\$labels\.(\w+)", rule)), page and page[1]


def documented():
    """{series: labels}"""
    known = {"up": set()}
    for name, kind, labels in re.findall(r"(?m)^\| `(\w+)` \| (\w+) \| ([\w, ]*) \|", read(os.path.join("docs", "metrics.md"))):
        own = set(re.findall(r"\w+", labels))
        if kind == "histogram":
            known.update({name + "_bucket": own | {"le"}, name + "_sum": own, name + "_count": own})
        else:
            known[name] = own
    return known


def mistakes(query, known):
    for name in sorted(query.metrics | {m for m, _ in query.matched}):
        if name not in known:
            yield f"{query.place}: there is no metric {name}"
    for name, labels in query.matched:
        for label in sorted(labels - known.get(name, labels) - OF_TARGETS):
            yield f"{query.place}: {name} has no label {label}"
    there = set().union(OF_TARGETS, *(known.get(m, set()) for m in query.metrics))
    for label in sorted((query.grouped | query.shown) - there):
        yield f"{query.place}: none of its metrics has a label {label}"


def main():
    known = documented()
    found = [m for q in dashboard() for m in mistakes(q, known)]
    headings = re.findall(r"(?m)^### (\w+)$", read(PAGE))
    names = []
    for name, query, page in alerts():
        names.append(name)
        found += mistakes(query, known)
        if page != f"{PAGE}#{name.lower()}":
            found.append(f"{query.place}: its runbook is not {PAGE}#{name.lower()}")
        if name not in headings:
            found.append(f"{PAGE}: says nothing of {name}")
    found += [f"{PAGE}: there is no alert {h}" for h in headings if h.startswith("Sluice") and h not in names]
    print("\n".join(found), end="\n" if found else "")


if __name__ == "__main__":
    main()
