"""What may become of an archive while a sweep writes it: other names, copies, another file under its name.

Each function does that to the archive at a path, and gives the path that a second sweep takes.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from attacking import scenes
from cocycle import Archive

SIDE, OTHER_SEED = 28, 99


def same_path(path: Path) -> Path:
    return path


def symlink(path: Path) -> Path:
    path.with_name("alias.h5").symlink_to(path)
    return path.with_name("alias.h5")


def symlinked_folder(path: Path) -> Path:
    folder = path.parent.with_name(f"{path.parent.name}-alias")
    folder.symlink_to(path.parent)
    return folder / path.name


def hard_link(path: Path) -> Path:
    os.link(path, path.with_name("alias.h5"))
    return path.with_name("alias.h5")


def renamed(path: Path) -> Path:
    return path.rename(path.with_name("renamed.h5"))


def removed_lock(path: Path) -> Path:
    path.with_name("run.h5.lock").unlink()
    return path


def hard_link_without_lock(path: Path) -> Path:
    removed_lock(path)
    return hard_link(path)


def copied(path: Path) -> Path:
    shutil.copy(path, path.with_name("copy.h5"))
    os.replace(path.with_name("copy.h5"), path)
    return path


def removed(path: Path) -> Path:
    """And another archive of the same sweep is made in its place."""
    path.unlink()
    scenes.new(path, scenes.grid(SIDE))
    return path


def another_sweep(path: Path) -> Path:
    """And an archive of another sweep is made in its place."""
    path.unlink()
    Archive.create(path, scenes.grid(SIDE), outputs=scenes.OUTPUTS, seed=OTHER_SEED, fixed={"radius": 1.3})
    return path


def older_copy(path: Path) -> Path:
    """Written into the file that the sweep has open, as `cp` does: nobody can keep what was there."""
    made = path.with_name("older")
    scenes.new(made, scenes.grid(SIDE))
    shutil.copyfile(made, path)
    made.unlink()
    return path


def another_copy(path: Path) -> Path:
    """Of another sweep, written into the file that the sweep has open: it must not get results of this one."""
    made = path.with_name("another")
    Archive.create(made, scenes.grid(SIDE), outputs=scenes.OUTPUTS, seed=OTHER_SEED, fixed={"radius": 1.3},
                   units={"height": "m"}, long_names={"x": "place"})  # fmt: skip
    shutil.copyfile(made, path)
    made.unlink()
    return path


ALIASES: dict[str, Callable[[Path], Path]] = {
    "same path": same_path,
    "symlink": symlink,
    "symlink of the folder": symlinked_folder,
    "hard link": hard_link,
    "renamed in mid-run": renamed,
    "lock file removed": removed_lock,
    "hard link, lock removed": hard_link_without_lock,
    "a copy put in its place": copied,
    "removed in mid-run": removed,
    "another sweep in its place": another_sweep,
    "an older copy written over it": older_copy,
    "another sweep written over it": another_copy,
}
