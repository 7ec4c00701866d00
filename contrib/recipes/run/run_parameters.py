# SPDX-License-Identifier: MIT
"""The parameters of a notebook for run_notebook.py, by papermill's convention.

They are set in a cell tagged "injected-parameters" behind the one that is tagged "parameters" and has their
defaults, or before all cells where there is none; the injected cell of an earlier run is replaced.
"""
import json
import sys

import nbformat

from run_words import Failure, first_line

WORDS = {"True": True, "False": False, "None": None}


def value_of(text):
    """The value of NAME=VALUE: JSON, Python's True, False and None, or else the text itself."""
    if text in WORDS:
        return WORDS[text]
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)  # JSON has no NaN, and no number beyond all bounds
        return value
    except (ValueError, RecursionError):
        return text


def source_of(parameters, language, kernel_name):
    """The source of the cell that sets the parameters, a dict.

    Raises Failure where nobody knows how to write values in the language.
    """
    if language.lower() == "python":
        return "# Parameters\n" + "".join(f"{name} = {value!r}\n" for name, value in parameters.items())
    try:
        from papermill.translators import translate_parameters
    except ImportError:
        raise Failure(
            f"--jupyter-param: for {language} there has to be papermill, which {sys.executable} has not: "
            "python3 -m pip install papermill"
        ) from None
    try:
        return translate_parameters(kernel_name, language, parameters, "Parameters")
    except Exception as error:
        raise Failure(f"--jupyter-param: papermill cannot write it in {language}: {first_line(error)}") from None


def tagged(cells, tag):
    """The index of the first code cell with the tag, or None."""
    for index, cell in enumerate(cells):
        if cell.cell_type == "code" and tag in cell.metadata.get("tags", []):
            return index
    return None


def inject(notebook, language, kernel_name, pairs):
    """Puts the parameters, a list of [name, text], into the notebook.

    Raises Failure.
    """
    parameters = {name: value_of(text) for name, text in pairs}
    source = source_of(parameters, language, kernel_name)
    cell = nbformat.v4.new_code_cell(source.rstrip("\n"), metadata={"tags": ["injected-parameters"]})
    if (notebook.nbformat, notebook.nbformat_minor) < (4, 5):
        cell.pop("id", None)
    cells = notebook.cells
    old = tagged(cells, "injected-parameters")
    if old is not None:
        cells[old] = cell
        return
    defaults = tagged(cells, "parameters")
    cells.insert(0 if defaults is None else defaults + 1, cell)
