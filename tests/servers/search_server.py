"""A real Elasticsearch or OpenSearch, as an administrator sees it. To start one takes longer than most scenarios, so
those that want the same settings share one: each writes to indices of its own."""

import base64
import json
import os
import shutil
import signal
import sys
import tempfile
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

from harness import Case, Skip  # noqa: E402
from stores import Store  # noqa: E402

PAGE = 5000


class Search(Store):
    """One running server, by its script. It runs as a user of its own, who must get at its folder."""

    def __init__(self, t, product, version, settings):
        os.chmod(t.dir, 0o755)
        self.product = product, version
        super().__init__(t, product + ".sh", {**settings, "SEARCH_VERSION": version})

    def destination(self, **more):
        if "SEARCH_PASSWORD" in self.env:
            more = {"auth": {"basic": {"username": "admin", "password": self.env["SEARCH_PASSWORD"]}}, **more}
        return {"elasticsearch": {"url": self.env["SEARCH_URL"], "index": "app", **more}}

    def ask(self, path, body=None, method=None):
        """The answer as a dict; AssertionError when the server refuses."""
        headers = {"Content-Type": "application/json"}
        if "SEARCH_PASSWORD" in self.env:
            login = base64.b64encode(b"admin:" + self.env["SEARCH_PASSWORD"].encode()).decode()
            headers["Authorization"] = "Basic " + login
        asked = urllib.request.Request(self.env["SEARCH_URL"] + path, headers=headers, method=method,
                                       data=json.dumps(body).encode() if body is not None else None)
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as e:
            raise AssertionError(f"{path}: {e.code} {e.read(2000).decode('utf-8', 'replace')}") from None

    def put(self, path, body):
        return self.ask(path, body, method="PUT")

    def count(self, index):
        """How many documents can be found; an index that is not there yet has none."""
        self.ask(f"/{index}/_refresh?ignore_unavailable=true", method="POST")
        return self.ask(f"/{index}/_count?ignore_unavailable=true")["count"]

    def numbers(self, most, index):
        """The field `n` of every document of the indices, sorted; the numbers are below `most`."""
        self.ask(f"/{index}/_refresh", method="POST")
        found = []
        for at in range(0, most, PAGE):
            query = {"size": 10000, "query": {"range": {"n": {"gte": at, "lt": at + PAGE}}}, "_source": ["n"]}
            found += [hit["_source"]["n"] for hit in self.ask(f"/{index}/_search", query)["hits"]["hits"]]
        assert len(found) == self.ask(f"/{index}/_count")["count"], "there are documents with other numbers"
        return sorted(found)

    def sum_of(self, path, *keys):
        """The sum over all nodes of one number of _nodes/stats."""
        total = 0
        for node in self.ask("/_nodes/stats/" + path)["nodes"].values():
            for key in keys:
                node = node[key]
            total += node
        return total

    def pause(self):
        self._signal(signal.SIGSTOP)

    def resume(self):
        self._signal(signal.SIGCONT)

    def _signal(self, number):
        with open(os.path.join(self.dir, "pid"), encoding="ascii") as f:
            os.kill(int(f.read()), number)


class Group:
    """One server with its settings, for the scenarios that share it. It starts with the first of them and ends when
    another group's is wanted. A scenario that fails may leave it in any state: the next one gets a new server."""

    _running = None

    def __init__(self, product, version, config=(), secured=False):
        self.product, self.version = product, version
        self.settings = {"SEARCH_CONFIG": "\n".join(config), "SEARCH_SECURED": "1" if secured else ""}
        self._case = self._server = self._unusable = None

    def run(self, t, scenario):
        server = self._start(t)
        try:
            scenario(t, server)
        except BaseException:
            end()
            raise

    def _start(self, t):
        if self._unusable:
            raise self._unusable
        if Group._running is not self:
            end()
            Group._running = self
            self._case = Case(t.build, tempfile.mkdtemp(prefix="sluice-servers-"))
            try:
                self._server = Search(self._case, self.product, self.version, self.settings)
            except (Skip, AssertionError) as why:
                self._unusable = why
                raise
        return self._server

    def take_down(self):
        self._case.take_down()
        shutil.rmtree(self._case.dir, ignore_errors=True)


def end():
    """Ends the server that runs, if there is one."""
    group, Group._running = Group._running, None
    if group:
        group.take_down()
