# SPDX-License-Identifier: MIT
"""Executes a notebook for --jupyter=run and writes the executed one after each cell.

Started by jupyter-agent on the job's first node, as the user, in a Python that has nbclient:

    python3 run_notebook.py REQUEST     a file of JSON: see launcher/head/run_program.c

Descriptor 3 takes what it tells the head, one JSON object a line (launcher/head/run_event.h); on 4 the head
says when the workers are there and the first cell may begin.  SIGTERM interrupts: the cell that runs is marked
in the executed notebook.  Exit status 0 when all cells have been executed, 69 without nbclient, else 1.
"""
import asyncio
import json
import os
import signal
import sys
import traceback

EXIT_NO_NBCLIENT = 69
try:
    import nbclient
    import nbformat
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from nbclient.exceptions import CellExecutionError, DeadKernelError
except ImportError as import_error:
    print(f"{sys.executable} has no nbclient ({import_error}): python3 -m pip install nbclient", file=sys.stderr)
    sys.exit(EXIT_NO_NBCLIENT)

from run_parameters import inject
from run_words import Failure, first_line, failed_cell, tell
from run_write import write_notebook

EVENTS_FD, GO_FD = 3, 4
STARTUP_TIMEOUT = 300  # seconds, for a kernel on a cold shared file system


class OneKernel(KernelSpecManager):
    """The kernelspec that the head has found, whatever this Python would find."""

    def __init__(self, kernel):
        super().__init__()
        self.kernel = kernel

    def get_kernel_spec(self, kernel_name):
        spec = KernelSpec.from_resource_dir(self.kernel["directory"])
        word = spec.argv[0] if spec.argv else ""
        if self.kernel["python"] and word.startswith("python") and "/" not in word:
            spec.argv[0] = self.kernel["python"]
        return spec


def is_executed(cell):
    """Whether nbclient will execute the cell."""
    return (
        cell.cell_type == "code"
        and bool(cell.source.strip())
        and "skip-execution" not in cell.metadata.get("tags", [])
    )


def read_notebook(path):
    """The notebook at the path as nbformat 4, without the outputs of an earlier run.

    Raises Failure.
    """
    try:
        with open(path, encoding="utf-8") as file:
            notebook = nbformat.reads(file.read(), as_version=4)
        for cell in notebook.cells:
            cell.source, cell.metadata  # what all that follows takes for granted
            if cell.cell_type == "code":
                cell.outputs = []
                cell.execution_count = None
        return notebook
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from None
    except Exception as error:
        raise Failure(f"{path} is not a right notebook: {type(error).__name__}: {first_line(error)}") from None


class Run:
    """One execution of a notebook."""

    def __init__(self, request):
        self.request = request
        self.name = os.path.basename(request["notebook"])
        self.kernel_name = request["kernel"]["name"]
        self.notebook = None
        self.manager = None
        self.client = None
        self.cell = None  # that runs
        self.number = 0  # of it, among those that are executed
        self.count = 0
        self.stopped = False
        self.complained = False

    def prepare(self):
        """Reads the notebook, and begins the executed one while there is nothing to lose yet."""
        request = self.request
        self.notebook = read_notebook(request["notebook"])
        spec = OneKernel(request["kernel"]).get_kernel_spec(self.kernel_name)
        if request["parameters"]:
            inject(self.notebook, spec.language, self.kernel_name, request["parameters"])
        self.count = sum(is_executed(cell) for cell in self.notebook.cells)
        try:
            write_notebook(self.notebook, request["output"])
        except OSError as error:
            raise Failure(f"{request['output']} cannot be written: {error.strerror}") from None

    def write(self):
        """After a cell: a disk that is full now may not be so later.  Returns what is wrong, or None."""
        try:
            write_notebook(self.notebook, self.request["output"])
        except OSError as error:
            wrong = f"{self.request['output']} cannot be written: {error.strerror}"
            if not self.complained:
                tell("say", text=wrong + "; it is tried again after each cell")
            self.complained = True
            return wrong
        self.complained = False
        return None

    async def start(self):
        """Starts the kernel and waits until it answers."""
        kernel = self.request["kernel"]
        self.manager = AsyncKernelManager(kernel_name=self.kernel_name, kernel_spec_manager=OneKernel(kernel))
        self.manager.transport = "tcp" if kernel["tcp"] else "ipc"
        self.client = nbclient.NotebookClient(
            self.notebook, km=self.manager, timeout=None, startup_timeout=STARTUP_TIMEOUT
        )
        self.client.reset_execution_trackers()
        try:
            await self.client.async_start_new_kernel(cwd=self.request["directory"])
            await self.client.async_start_new_kernel_client()
            reply = await self.client.async_wait_for_reply(self.client.kc.kernel_info())
        except Exception as error:
            if self.stopped:
                raise
            raise Failure(f"the kernel {self.kernel_name} of {self.name} did not start: {first_line(error)}") from None
        if reply and "language_info" in reply["content"]:
            self.notebook.metadata["language_info"] = reply["content"]["language_info"]

    async def allowed(self):
        """Waits for the head's word."""
        loop = asyncio.get_running_loop()
        word = loop.create_future()

        def on_readable():
            loop.remove_reader(GO_FD)
            if not word.done():
                word.set_result(os.read(GO_FD, 16))

        loop.add_reader(GO_FD, on_readable)
        if not await word:
            raise Failure("the session has ended before the first cell")

    async def execute(self):
        """All cells."""
        for index, cell in enumerate(self.notebook.cells):
            if not is_executed(cell):
                continue
            self.number += 1
            self.cell = cell
            tell("cell", cell=self.number, cells=self.count)
            await self.client.async_execute_cell(cell, index, execution_count=self.number)
            self.cell = None
            self.write()
        self.client.set_widgets_metadata()

    async def end_kernel(self, now):
        """Ends it if it lives, at once or in order: whatever happens, the notebook has its end already."""
        if self.manager is None or not self.manager.has_kernel:
            return
        try:
            if self.client.kc is not None:
                self.client.kc.stop_channels()
            await self.manager.shutdown_kernel(now=now)
        except Exception:
            traceback.print_exc()

    def mark(self, name, words):
        """The cell that runs gets an error as its last output."""
        if self.cell is not None:
            self.cell.outputs.append(
                nbformat.v4.new_output("error", ename=name, evalue=words, traceback=[f"{name}: {words}"])
            )

    async def died(self):
        """Tells of a kernel that has."""
        code = await self.manager.provisioner.poll() if self.manager.provisioner else None
        self.mark("DeadKernelError", "the kernel died while this cell ran")
        if self.cell is not None:
            tell("say", text=f"cell {self.number} of {self.name}, in which the kernel died:")
            failed_cell(self.cell.source, [])
        tell("dead", code=code)

    def failed(self, error):
        """Tells of a cell that has."""
        words = f"{error.ename}: {first_line(error.evalue)}".rstrip(": ")
        outputs = [output for output in self.cell.outputs if output.output_type == "error"]
        tell("say", text=f"cell {self.number} of {self.name} failed:")
        failed_cell(self.cell.source, outputs[-1].traceback if outputs else [words])
        tell("failed", text=f"cell {self.number} of {self.name} failed: {words}")

    async def run(self):
        """All of it.  Returns the exit status."""
        done = False
        try:
            self.prepare()
            await self.start()
            tell("ready")
            await self.allowed()
            await self.execute()
            done = True
        except Failure as error:
            tell("failed", text=str(error))
        except CellExecutionError as error:
            self.failed(error)
        except (DeadKernelError, asyncio.CancelledError):
            # nbclient takes being cancelled for the kernel's death.
            if self.stopped:
                self.mark("Interrupted", "the session ended while this cell ran")
            else:
                await self.died()
        except Exception as error:
            if not self.stopped:
                traceback.print_exc()
                tell("failed", text=f"executing {self.name}: {type(error).__name__}: {first_line(error)}")
        wrong = self.write() if self.notebook is not None else None
        if done and wrong:
            tell("failed", text=wrong)
        await self.end_kernel(now=not done)
        if done and not wrong:
            tell("done")
        return 0 if done and not wrong else 1

    async def main(self):
        """run(), which SIGTERM interrupts."""
        task = asyncio.ensure_future(self.run())

        def on_signal():
            if not self.stopped:
                self.stopped = True
                task.cancel()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, on_signal)
        return await task


def main():
    """Reads the request and executes the notebook.  Returns the exit status."""
    os.set_inheritable(EVENTS_FD, False)
    os.set_inheritable(GO_FD, False)
    with open(sys.argv[1], encoding="utf-8") as file:
        request = json.load(file)
    os.environ["JUPYTER_RUNTIME_DIR"] = request["runtime"]
    os.environ["JPY_SESSION_NAME"] = request["notebook"]
    return asyncio.run(Run(request).main())


if __name__ == "__main__":
    sys.exit(main())
