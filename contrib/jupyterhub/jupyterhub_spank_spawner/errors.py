# SPDX-License-Identifier: MIT
"""How a request or a spawn is refused: with an HTTP status and words that a person can act on."""

from tornado import web


class Refused(web.HTTPError):
    """JupyterHub shows `jupyterhub_message` to the user, handler.py puts `words` into its answer.

    Args: status (int, HTTP), words (str), retry_after (int, seconds, or None).
    """

    def __init__(self, status, words, retry_after=None):
        super().__init__(status, "%s", words)
        self.words = self.jupyterhub_message = words
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
