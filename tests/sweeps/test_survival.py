"""What a run committed is in the file and right, whatever happens to the writer, its workers, the disk, the bytes."""

import errno
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import measures
import numpy as np
import pytest

from cocycle import Archive, Grid, run
from cocycle.sweeps import Status, layout
from cocycle.sweeps import writer as writer_module
from cocycle.sweeps.records import Records
from here import Here

HERE = Path(__file__).parent
OUTPUTS = {"product": (), "noise": (2,)}
COMMIT_OFTEN = """
import sys
sys.path.insert(0, {here!r})
import measures
from cocycle import Archive, run
from cocycle.sweeps import run as _
sys.modules["cocycle.sweeps.run"].COMMIT_EVERY = 0.005
print("start", flush=True)
run(measures.quick, Archive.open({path!r}), workers=2, retry=True)
"""


def new(path, points=1500, **settings):
    return Archive.create(path, Grid({"a": np.arange(points // 3), "b": [10, 20, 30]}), outputs=OUTPUTS, seed=11,
                          fixed={"shift": 0.5}, **settings)  # fmt: skip


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    archive = run(measures.product, new(tmp_path_factory.mktemp("truth") / "run.h5"), Here(), progress=False)
    return {name: archive[name] for name in OUTPUTS}


def check(archive, truth):
    """Everything that is done is right, and nothing is damaged; which points those are."""
    assert archive.damage() == []
    done = archive.status == Status.DONE
    for name in OUTPUTS:
        np.testing.assert_array_equal(archive[name][done], truth[name][: len(done)][done])
    return done


def kill_parents(archive, truth, kills, rng):
    """Kill the sweeping process again and again, at random moments; nothing that was seen done is ever lost."""
    script = archive.path.with_name("script.py")
    script.write_text(COMMIT_OFTEN.format(here=str(HERE), path=str(archive.path)))
    before = np.zeros(archive.grid.shape, dtype=bool)
    for kill in range(kills):
        process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        process.stdout.readline()
        if kill % 2:  # while it computes, however long its workers take to start; else, as a rule, before they have
            new_ones(archive, before.sum())
        time.sleep(rng.uniform(0.0, 1.5))
        seen = archive.status == Status.DONE
        process.kill()
        process.communicate()
        done = check(Archive.open(archive.path), truth)
        assert (done | ~(before | seen)).all()
        before = done
    return before


def new_ones(archive, before):
    """Wait until more points are done than before, or all are."""
    until = time.monotonic() + 60
    while not before < (archive.status == Status.DONE).sum() and before < archive.status.size:
        assert time.monotonic() < until, "nothing was computed within a minute"
        time.sleep(0.05)


def kill_workers(archive, truth, kills, rng):
    """Kill workers of a run at random moments, also while they start; it goes on, points are computed again."""
    killed, over = [], threading.Event()

    def killer():
        while len(killed) < kills and not over.wait(rng.uniform(0.05, 0.7)):  # a run takes a second or two
            children = multiprocessing.active_children()
            if children:
                victim = rng.choice(children)
                with_status = victim.pid
                os.kill(with_status, signal.SIGKILL)
                killed.append(with_status)

    thread = threading.Thread(target=killer)
    thread.start()
    try:
        while len(killed) < kills:
            run(measures.quick, archive, workers=2, retry=True, progress=False)
            check(archive, truth)
            if (archive.status == Status.DONE).all():
                break
    finally:
        over.set()
        thread.join()
    return len(killed)


def finish(archive, truth):
    run(measures.product, archive, Here(), retry=True, progress=False)
    assert check(archive, truth).all()


def test_killed_parents(tmp_path, truth):
    archive = new(tmp_path / "run.h5")
    done = kill_parents(archive, truth, 4, random.Random(1))
    assert done.any()
    finish(archive, truth)


def test_killed_workers(tmp_path, truth):
    archive = new(tmp_path / "run.h5")
    assert kill_workers(archive, truth, 6, random.Random(2)) >= 3
    finish(archive, truth)


@pytest.mark.slow
def test_two_hundred_kills(tmp_path, truth):
    rng = random.Random(3)
    archive, round_ = new(tmp_path / "run.h5"), 0
    kill_parents(archive, truth, 120, rng)
    finish(archive, truth)
    killed = 0
    while killed < 80:
        round_ += 1
        archive = new(tmp_path / f"run{round_}.h5")
        killed += kill_workers(archive, truth, 80 - killed, rng)
        finish(archive, truth)


class Recorded:
    """The writes of a process, as they reach the disk: `events` holds (place, data), or None where it waited."""

    def __init__(self, monkeypatch):
        self.events = []
        pwrite, sync = os.pwrite, writer_module.sync

        def written(descriptor, data, place):
            self.events.append((place, data))
            return pwrite(descriptor, data, place)

        def synced(descriptor):
            self.events.append(None)
            sync(descriptor)

        monkeypatch.setattr(writer_module.os, "pwrite", written)
        monkeypatch.setattr(writer_module, "sync", synced)


def test_writes_cut_at_every_call(tmp_path, monkeypatch, truth):
    """Replayed up to any call, half of it, or, as after a loss of power, with any of those since the last sync."""
    archive = new(tmp_path / "run.h5", points=300)
    with archive.writer() as writer:  # failures, which the run below computes again
        writer.commit(Records.without_result(np.arange(40, 60), Status.FAILED, "no luck", archive.outputs))
    initial = archive.path.read_bytes()
    recorded = Recorded(monkeypatch)
    monkeypatch.setattr(sys.modules["cocycle.sweeps.run"], "COMMIT_EVERY", 0.0)
    run(measures.product, archive, Here(), workers=8, retry=True, progress=False)
    monkeypatch.undo()
    assert check(archive, truth).all()
    events, rng = recorded.events, np.random.default_rng(5)
    assert events.count(None) > 10
    path = tmp_path / "cut.h5"
    acknowledged = 0
    for cut in range(len(events)):
        last = max((i for i in range(cut) if events[i] is None), default=-1)
        for lost in (False, True):
            content = bytearray(initial)
            for i, event in enumerate(events[:cut]):
                if event and (i < last or not lost or rng.random() < 0.5):
                    content[event[0] : event[0] + len(event[1])] = event[1]
            if not lost and events[cut]:
                place, data = events[cut]
                content[place : place + len(data) // 2] = data[: len(data) // 2]
            path.write_bytes(content)
            cut_archive = Archive.open(path)
            assert check(cut_archive, truth).sum() >= acknowledged
            assert isinstance(cut_archive.history, list)  # which can be read
        if events[cut] is None:  # what had its status written before this sync stays
            acknowledged = done_when_cut_at(events[:cut], initial, path)
    assert acknowledged == archive.status.size


def done_when_cut_at(events, initial, path):
    content = bytearray(initial)
    for event in events:
        if event:
            content[event[0] : event[0] + len(event[1])] = event[1]
    path.write_bytes(content)
    return (Archive.open(path).status == Status.DONE).sum()


def limited(code, path, limit):
    """Run code in a process that may not make files longer than that."""
    setup = f"import sys; sys.path[:0] = [{str(HERE)!r}]; path = {str(path)!r}\n"
    return subprocess.run(
        [sys.executable, "-c", setup + code],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY)),
    )


CREATE = """
import numpy as np
from cocycle import Archive, Grid
try:
    Archive.create(path, Grid({"a": np.arange(5000)}), outputs={"y": (8,)}, seed=1)
except OSError as error:
    print(error)
"""


def test_no_room_for_an_archive(tmp_path):
    done = limited(CREATE, tmp_path / "run.h5", 100_000)
    assert f"no archive could be made at {tmp_path / 'run.h5'}" in done.stdout, done
    assert "File too large" in done.stdout
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("taken", [None, 0, 5], ids=["error", "nothing", "a part"])
@pytest.mark.parametrize("calls", [0, 2, 9])
def test_a_disk_that_takes_no_more(tmp_path, monkeypatch, truth, taken, calls):
    """All space was allocated; where the file system breaks that promise, what is there stays right."""
    archive, pwrite, left = new(tmp_path / "run.h5"), os.pwrite, [calls]

    def full(descriptor, data, place):
        left[0] -= 1
        if left[0] >= 0:
            return pwrite(descriptor, data, place)
        if taken is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return pwrite(descriptor, data[: taken if left[0] == -1 else 0], place)

    monkeypatch.setattr(writer_module.os, "pwrite", full)
    monkeypatch.setattr(sys.modules["cocycle.sweeps.run"], "COMMIT_EVERY", 0.0)
    with pytest.raises(OSError, match=r"run\.h5 (cannot take more, what it has is safe: No space|took . of)"):
        run(measures.product, archive, Here(), workers=20, progress=False)
    monkeypatch.undo()
    assert check(archive, truth).sum() >= (calls >= 9)
    finish(archive, truth)


def test_the_space_is_allocated_when_the_file_is_made(tmp_path):
    stat = new(tmp_path / "run.h5").path.stat()
    assert stat.st_blocks * 512 >= stat.st_size


@pytest.fixture
def nobody():
    """For a moment without the rights of root, who may write anything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


def test_a_file_that_may_not_be_written(tmp_path, request):
    archive = new(tmp_path / "run.h5")
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o007:  # pytest's own folders are private
            folder.chmod(0o755)
    archive.path.chmod(0o444)
    tmp_path.chmod(0o555)
    request.getfixturevalue("nobody")
    with pytest.raises(PermissionError, match=r"run\.h5 cannot be written: Permission denied"), archive.writer():
        pass
    assert (archive.status == Status.TO_DO).all()


def examined(path):
    """The archive and its damage, or None, and why it was refused."""
    try:
        archive = Archive.open(path)
        return archive, archive.damage()
    except ValueError as error:
        return None, str(error)


def test_flipped_bits_are_found(tmp_path, truth):
    """Wherever a bit flips: the file is refused, or its damage is shown, or nothing that it says has changed."""
    archive = new(tmp_path / "run.h5", points=60, units={"product": "1/step"})
    with archive.writer() as writer:
        writer.commit(Records.done(np.arange(30), {n: v.reshape(1500, -1)[:30].squeeze() for n, v in truth.items()}))
        writer.commit(Records.without_result(np.arange(30, 40), Status.FAILED, "no luck", archive.outputs))
        writer.note({"event": "end", "time": "now", "outcome": "complete"})
        journal = writer._start["provenance/journal"]
    whole, path = archive.path.read_bytes(), tmp_path / "flipped.h5"
    outside = [*range(journal + 200), *range(journal + 2**17, len(whole))]
    rng = np.random.default_rng(7)
    counts = {"refused": 0, "shown": 0, "harmless": 0}
    for place in rng.choice(outside, 300, replace=False):
        content = bytearray(whole)
        content[place] ^= 1 << rng.integers(8)
        path.write_bytes(content)
        flipped, damage = examined(path)
        if flipped is None:
            assert "damaged" in damage or "is not an archive" in damage, (place, damage)
        if flipped is None or damage:
            counts["refused" if flipped is None else "shown"] += 1
            continue
        counts["harmless"] += 1
        assert flipped.grid == archive.grid
        assert flipped.contents == archive.contents
        known = archive.status[flipped.status != Status.TO_DO]
        assert (known == flipped.status[flipped.status != Status.TO_DO]).all()
        for name in OUTPUTS:
            same = flipped.status == Status.DONE
            np.testing.assert_array_equal(flipped[name][same], archive[name][same])
    assert min(counts.values()) > 8, counts


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_truncated_files_are_refused(tmp_path, share):
    archive = new(tmp_path / "run.h5")
    whole = archive.path.read_bytes()
    archive.path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"is not an archive|its end is gone"):
        Archive.open(archive.path)


def test_a_structure_that_was_touched_is_never_given_to_hdf5(tmp_path, monkeypatch):
    """A flipped bit there can keep HDF5 busy for ever."""
    path = new(tmp_path / "run.h5").path
    content = bytearray(path.read_bytes())
    content[1000] ^= 4
    path.write_bytes(content)
    monkeypatch.setattr(layout, "open_to_read", None)
    with pytest.raises(ValueError, match="damaged: its structure is not as it was made"):
        Archive.open(path)
