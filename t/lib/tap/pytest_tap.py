# SPDX-License-Identifier: MIT
"""A plugin of pytest: results as the Test Anything Protocol, for t/run.

    PYTHONPATH=t/lib/tap python -m pytest -p pytest_tap -p no:terminal [--tap-fixtures=NAME,...] PATH

With --tap-fixtures only tests that use one of these fixtures, parametrized or not.
"""

import os

# What a test prints goes elsewhere: pytest has not put its capturing in place yet.
OUT = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace", buffering=1)

# What is known of the test that runs: outcome, and words about it.
current = {"outcome": "passed", "words": ""}
count = 0


def pytest_addoption(parser):
    parser.addoption("--tap-fixtures", default="", help="run only tests that use one of these fixtures")


def pytest_collection_modifyitems(config, items):
    names = set(filter(None, config.getoption("--tap-fixtures").split(",")))
    if names:
        items[:] = [item for item in items if names & set(getattr(item, "fixturenames", ()))]


def pytest_collection_finish(session):
    print("1..%d" % len(session.items), file=OUT)


def pytest_collectreport(report):
    if report.failed:
        print(report.longreprtext, file=OUT)


def pytest_runtest_logreport(report):
    """Called for setup, call and teardown: one result is printed for the three."""
    global count
    if report.failed or (report.skipped and current["outcome"] == "passed"):
        current.update(outcome=report.outcome, words=report.longreprtext)
        if report.skipped and isinstance(report.longrepr, tuple):
            current["words"] = str(report.longrepr[2])
    if report.when != "teardown":
        return
    count += 1
    outcome, words = current["outcome"], current["words"]
    current.update(outcome="passed", words="")
    line = "%sok %d - %s" % ("not " if outcome == "failed" else "", count, report.nodeid.replace("#", ""))
    if outcome == "skipped":
        line += " # skip " + " ".join(words.split())
    print(line, file=OUT)
    if outcome == "failed":
        for text in words.splitlines()[-40:]:
            print("# " + text, file=OUT)
