"""The server of the page: on the loopback address only, and only for those who know a random word in its address."""

import asyncio
import secrets
import sys
import threading
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final
from urllib.parse import quote

from bokeh.application import Application
from bokeh.application.handlers import FunctionHandler
from bokeh.server.server import Server
from bokeh.util.warnings import BokehUserWarning

from cocycle.explorer.page import Page
from cocycle.explorer.view import address, first_view, view_at
from cocycle.sweeps.table import Table

if TYPE_CHECKING:
    from cocycle.sweeps import Archive

LOOPBACK = "127.0.0.1"
TOKEN_BYTES = 18  # of randomness in an address
KNOWN = "reference already known"  # bokeh's browser side sends once more what came from the server: no harm
HEIGHT = 900  # pixels of the page in a notebook


@final
@dataclass(frozen=True, eq=False)
class Served:
    """A page that is served at `address` until it is closed; in a notebook it is shown there."""

    address: str
    server: Server

    def close(self) -> None:
        """Serve it no more."""
        self.server.io_loop.add_callback(self._end)

    def _end(self) -> None:
        self.server.stop()
        self.server.io_loop.stop()

    def _repr_html_(self) -> str:
        return (
            f'<iframe src="{self.address}" style="width: 100%; height: {HEIGHT}px; border: 0"></iframe>'
            f'<p><a href="{self.address}" target="_blank">in a page of its own</a></p>'
        )

    def __repr__(self):
        return f"page at {self.address}, served by this process until it ends or .close()"


def served(archive: "Archive", other: "Archive | None" = None, *, query: str = "", port: int = 0) -> Served:
    """Start to serve the page of an archive in the event loop of this thread; `query` is that of a view's address.

    Raises ValueError for an archive that has no planes, for a table beside another archive, or a query that is not of
    it, OSError for a port in use.
    """
    if other is not None and any(isinstance(one.contents.grid, Table) for one in (archive, other)):
        raise ValueError(f"two grids are compared, no tables; got {archive.name} and {other.name}: look at one of them")
    view = view_at(archive, query) if query else first_view(archive)
    warnings.filterwarnings("ignore", KNOWN, BokehUserWarning)
    token = secrets.token_urlsafe(TOKEN_BYTES)

    def opened(document: Any) -> None:
        request = document.session_context.request
        Page(document, archive, other, _query(request.arguments))

    application = Application(FunctionHandler(opened))
    server = Server({"/": application}, address=LOOPBACK, port=port, prefix=f"/{token}")
    server.start()
    return Served(f"http://localhost:{server.port}/{token}/?{address(archive, view)}", server)


def explore(archive: "Archive", other: "Archive | None" = None) -> Served:
    """The page of an archive, served on this machine until the process ends or `close` is called; a second archive is
    compared with it.  A notebook shows it; elsewhere its address is printed.

    Anyone who knows the address, on this machine, can look at it.  Raises ImportError without bokeh, and ValueError for
    an archive with one point on each axis, and for a table beside another archive.
    """
    page = in_background(archive, other)
    if "ipykernel" not in sys.modules:
        print(page)
    return page


def in_background(archive: "Archive", other: "Archive | None" = None) -> Served:
    """The same in a thread of its own, which ends with the process.  Raises as `served` does."""
    answer: list[Served | BaseException] = []
    ready = threading.Event()

    def serve() -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        try:
            answer.append(served(archive, other))
        except BaseException as error:
            answer.append(error)
            return
        finally:
            ready.set()
        answer[0].server.io_loop.start()  # type: ignore[union-attr]

    threading.Thread(target=serve, name="cocycle page", daemon=True).start()
    ready.wait()
    if isinstance(answer[0], BaseException):
        raise answer[0]
    return answer[0]


def _query(arguments: dict[str, list[bytes]]) -> str:
    pairs = [(name, value.decode(errors="replace")) for name, values in arguments.items() for value in values]
    return "&".join(f"{quote(name)}={quote(value)}" for name, value in pairs)
