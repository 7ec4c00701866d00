# SPDX-License-Identifier: MIT
"""Prints a notebook for t/54-run.bats: make_notebook.py [--kernel=NAME] CELL...

A cell that begins with "parameters:" gets that tag; --kernel= makes one without kernelspec.
"""
import json
import sys

kernel, cells = "python3", []
for word in sys.argv[1:]:
    if word.startswith("--kernel="):
        kernel = word[len("--kernel="):]
        continue
    tagged = word.startswith("parameters:")
    cells.append({
        "cell_type": "code",
        "metadata": {"tags": ["parameters"]} if tagged else {},
        "source": word[len("parameters:"):] if tagged else word,
        "outputs": [],
        "execution_count": None,
    })
metadata = {"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}} if kernel else {}
print(json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": metadata, "cells": cells}))
