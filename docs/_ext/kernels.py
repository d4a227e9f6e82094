"""Kernels that several processes start at once: each is reached through files of its own.

By default a kernel is given numbers of ports that were free a moment before; another process may have taken one since.
"""

import secrets
import shutil
import tempfile

import jupyter_client
from traitlets import default

FOLDER = tempfile.mkdtemp()


class FileKernelManager(jupyter_client.AsyncKernelManager):
    """Its sockets are files."""

    @default("transport")
    def _transport(self) -> str:
        return "ipc"

    @default("ip")
    def _path(self) -> str:
        return f"{FOLDER}/{secrets.token_hex(4)}"


def setup(app) -> dict[str, bool]:
    jupyter_client.AsyncKernelManager = FileKernelManager  # where nbclient looks for the class of kernels
    app.connect("build-finished", lambda app, error: shutil.rmtree(FOLDER, ignore_errors=True))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
