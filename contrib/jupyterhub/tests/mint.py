# SPDX-License-Identifier: MIT
"""Makes or reads a credential as another uid: mint.py MUNGE.PY SOCKET UID encode TO-UID TTL | decode.

Reads stdin, writes stdout; what is wrong goes to stderr with exit status 1.  Started by the tests as root, or
by anybody for himself.
"""

import importlib.util
import os
import sys

module, socket, uid, action = sys.argv[1:5]
if int(uid) != os.geteuid():
    os.setgroups([])
    os.setgid(int(uid))
    os.setuid(int(uid))
spec = importlib.util.spec_from_file_location("munge", module)
munge = importlib.util.module_from_spec(spec)
spec.loader.exec_module(munge)
data = sys.stdin.read()
try:
    if action == "encode":
        print(munge.encode(data.encode(), int(sys.argv[5]), int(sys.argv[6]), socket))
    else:
        payload, made_by = munge.decode(data.strip(), socket)
        print(made_by, payload.decode())
except munge.MungeError as error:
    sys.exit("%s: %s" % (error.kind, error))
