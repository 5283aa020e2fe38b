#!/usr/bin/env python3
"""Files and functions that comments and documents name and that are not there: renamed, merged or gone. Prints file:line
of each.

A file is there when it has that path, or a path that ends with it; names with a pattern in them (`test_*.c`, `NAME.sh`) are
passed over. A function, `like_this()`, is there when the word stands in some code."""
import os
import re
import sys

TOPS = ("config", "sinks", "transforms", "pipeline", "tests", "docs")
NAME = re.compile(r"(?<![\w*}>/.-])((?:[\w-]+/)*[\w-]+\.(?:[ch]|py|sh)|docs/[\w-]+\.md)(?![\w(*-]|\.\w)")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
FUNCTION = re.compile(r"(?<![\w.:])([a-z]\w*_\w+)\(\)")
TOKEN = re.compile(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S)


def tree():
    for top in TOPS:
        for folder, _, names in os.walk(top):
            for name in sorted(names):
                yield os.path.join(folder, name)
    yield from (name for name in sorted(os.listdir(".")) if os.path.isfile(name))


def prose_of(path, text):
    """(where it begins, text) of what is written for people."""
    if path.endswith((".c", ".h")):
        for token in TOKEN.finditer(text):
            if token[0][0] == "/":
                yield token.start(), token[0]
    elif path.endswith(".py"):
        for token in re.finditer(r'#[^\n]*|""".*?"""', text, re.S):
            yield token.start(), token[0]
    elif path.endswith(".sh") or path.endswith("CMakeLists.txt"):
        for token in re.finditer(r"#[^\n]*", text):
            yield token.start(), token[0]
    elif path.endswith(".md") and path != "CHANGELOG.md":  # which tells of the past
        yield 0, text


def words_of(path, text):
    """Those of the code; comments are what is checked."""
    if path.endswith((".c", ".h")):
        text = TOKEN.sub(lambda m: " " if m[0][0] == "/" else m[0], text)
    return re.findall(r"\w+", text)


def missing(path, prose, there, words):
    """(where, what) of each name that leads nowhere."""
    for name in NAME.finditer(prose):
        if name[1] not in there and "NAME" not in name[1]:
            yield name.start(), name[1]
    for name in FUNCTION.finditer(prose):
        if name[1] not in words:
            yield name.start(), name[1] + "()"
    if path.endswith(".md"):
        for link in LINK.finditer(prose):
            if not os.path.exists(os.path.join(os.path.dirname(path), link[1])):
                yield link.start(), link[1]


def main():
    texts, there, words = {}, set(), set()
    for path in tree():
        parts = path.split("/")
        there.update("/".join(parts[i:]) for i in range(len(parts)))
        if path.endswith((".c", ".h", ".py", ".sh", ".md", "CMakeLists.txt")):
            with open(path, encoding="utf-8") as f:
                texts[path] = f.read()
            if not path.endswith(".md"):
                words.update(words_of(path, texts[path]))
    for path, text in texts.items():
        for start, prose in prose_of(path, text):
            for at, what in missing(path, prose, there, words):
                print("%s:%d: names %s, which is not there" % (path, text.count("\n", 0, start + at) + 1, what))


if __name__ == "__main__":
    sys.exit(main())
