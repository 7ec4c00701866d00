# SPDX-License-Identifier: MIT
"""Runs the unittest tests of a directory and prints the Test Anything Protocol, for t/run.

    python unittest_tap.py DIRECTORY

Exits with 0 when all have passed.  What the tests print goes to stderr.
"""

import os
import sys
import traceback
import unittest

OUT = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace", buffering=1)
os.dup2(2, 1)


class Result(unittest.TestResult):
    """One line for each test; a test with subtests has failed when one of them has."""

    failed_one = None

    def _say(self, good, test, extra=""):
        # On a line of its own: what a kernel has printed may have ended in the middle of one.
        print("\n%sok %d - %s%s" % ("" if good else "not ", self.testsRun, test.id().replace("#", ""), extra), file=OUT)

    def _fail(self, test, error):
        if self.failed_one != self.testsRun:
            self.failed_one = self.testsRun
            self._say(False, test)
        for text in "".join(traceback.format_exception(*error)).splitlines()[-40:]:
            print("# " + text, file=OUT)

    def addSuccess(self, test):
        super().addSuccess(test)
        if self.failed_one != self.testsRun:
            self._say(True, test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._fail(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._fail(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._fail(test, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._say(True, test, " # skip " + " ".join(reason.split()))

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self._say(True, test)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self._fail(test, (AssertionError, AssertionError("passed, and was not to"), None))


def main():
    suite = unittest.defaultTestLoader.discover(sys.argv[1])
    print("1..%d" % suite.countTestCases(), file=OUT)
    result = suite.run(Result())
    sys.exit(0 if result.wasSuccessful() else 1)


main()
