"""A picture of the page of an archive, as a headless Chromium draws it.

cocycle sweep && python tests/explorer/screenshot.py lorenz-small.h5 docs/explore.png
"""

import sys

from browser import Watched, launched

from cocycle.explorer.server import in_background
from cocycle.sweeps import Archive


def main(archive, picture):
    served = in_background(Archive.open(archive))
    with launched() as browser:
        shown = Watched.opened(browser, served.address, 1280)
        shown.page.wait_for_timeout(1000)
        shown.page.screenshot(path=picture, full_page=True)
    served.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
