#!/usr/bin/env python3
"""The arrows between folders, as CMakeLists.txt has them: layer(NAME FOLDER libraries...), registry(NAME FILE libraries...) and
optional_input(OPTION PACKAGE NAME FOLDER libraries...).
Prints file:line of each include that no arrow allows, of each folder without a library, and libraries that form a circle."""
import os
import re
import sys

CODE = ("config", "sinks", "transforms", "pipeline")


def read_layers(text):
    """Name of a library -> (its folder or file, the libraries it names, line)."""
    layers = {}
    for call in re.finditer(r"^(layer|registry|optional_input)\(([^)]*)\)", text, re.M):
        words = call[2].split()
        if call[1] == "optional_input":
            words = words[2:]
        if "${" not in call[2] and words[0] != "name":
            layers[words[0]] = (words[1], words[2:], text.count("\n", 0, call.start()) + 1)
    return layers


def find_circle(layers):
    """A list of libraries, each naming the next and the last the first; None: there is none."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return path[path.index(name):]
        if name in done:
            return None
        path.append(name)
        for below in layers[name][1]:
            circle = visit(below) if below in layers else None
            if circle:
                return circle
        path.pop()
        done.add(name)
        return None

    for name in layers:
        circle = visit(name)
        if circle:
            return circle
    return None


def main():
    layers = read_layers(open("CMakeLists.txt", encoding="utf-8").read())
    by_place = {place: name for name, (place, _, _) in layers.items()}
    files = [os.path.join(folder, name) for top in CODE for folder, _, names in os.walk(top) for name in sorted(names)
             if name.endswith((".c", ".h"))]

    def library_of(path):
        return by_place.get(path) or by_place.get(os.path.dirname(path))

    for path in sorted(files):
        name = library_of(path)
        if not name:
            if path != "pipeline/main.c":
                print("%s:1: its folder has no layer() in CMakeLists.txt" % path)
            continue
        for number, line in enumerate(open(path, encoding="utf-8"), 1):
            include = re.match(r'#include "([^"]+)"', line)
            below = library_of(include[1]) if include else None
            if include and below != name and below not in layers[name][1]:
                print("%s:%d: %s includes %s, and its library `%s` is not linked with `%s`" %
                      (path, number, path, include[1], name, below))
    for name, (_, libraries, number) in layers.items():
        for below in libraries:
            if "::" not in below and below != "m" and below not in layers:
                print("CMakeLists.txt:%d: `%s` names `%s`, which is no layer" % (number, name, below))
    circle = find_circle(layers)
    if circle:
        print("CMakeLists.txt:%d: a circle: %s" % (layers[circle[0]][2], " -> ".join(circle + circle[:1])))


if __name__ == "__main__":
    sys.exit(main())
