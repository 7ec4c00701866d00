# SPDX-License-Identifier: MIT
"""Packages whose parts are imported without the rest of them; for the kinds of preload.py.

Importing a part of a package runs the package's own __init__.py first, which for some imports many
times what the part needs.  A package of package_lazy() does that when it is first asked for what is
none of its parts: `import package; package.Name` works as ever, and costs then what it costs.
"""
import contextlib
import importlib
import importlib.machinery
import importlib.util
import sys
import threading
import types

full_lock = threading.RLock()


class Package(types.ModuleType):
    """A package that has not run its __init__.py yet."""

    def __getattr__(self, name):
        if name.startswith("__") and name not in ("__all__", "__version__"):
            raise AttributeError(name)
        part = self.__name__ + "." + name
        if not name.startswith("__") and importlib.machinery.PathFinder.find_spec(part, self.__path__):
            return importlib.import_module(part)
        with full_lock:
            if isinstance(self, Package):
                self.__class__ = types.ModuleType
                self.__spec__.loader.exec_module(self)
        return getattr(self, name)


def package_lazy(name):
    """Puts the package name (str), which has no parent, into sys.modules, if it is not there yet.

    Returns it; raises ModuleNotFoundError where there is none.
    """
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ModuleNotFoundError("No module named %r" % name, name=name)
    package = importlib.util.module_from_spec(spec)
    package.__class__ = Package
    sys.modules[name] = package
    return package


@contextlib.contextmanager
def packages_missing(*names):
    """Within it, what is imported finds packages of these names (str) missing, if not there yet.

    For those that should be imported in the forks or not at all: debuggers that are not used, and
    numpy, which decides on its threads by the CPUs that the process has at that time.
    """
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
