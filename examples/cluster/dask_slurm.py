"""Run a study on workers of dask: on this machine, or as jobs of a SLURM queue.

python dask_slurm.py study.toml run.h5 --local    # two worker processes here
python dask_slurm.py study.toml run.h5            # on the login node, or in a small job of its own
"""

import argparse
from pathlib import Path

from distributed import Client, LocalCluster

from cocycle import Archive, run
from cocycle.sweeps import read_study


def on_slurm():
    from dask_jobqueue.slurm import SLURMCluster

    return SLURMCluster(
        queue="normal",  # set this and the next three lines for your site
        account="physics",
        walltime="04:00:00",
        memory="16GB",
        cores=8,
        processes=8,  # one process for each core: one thread each
        job_extra_directives=["--job-name=cocycle"],
        scheduler_options={"dashboard_address": ":0"},  # a free port: others may use the login node too
        worker_extra_args=["--lifetime", "230m", "--lifetime-stagger", "5m"],  # end before the queue kills them
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--local", action="store_true", help="two worker processes on this machine")
    options = parser.parse_args()
    study = read_study(options.study)
    archive = Archive.resumed(options.archive, study.contents)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
        if options.local
        else on_slurm() as cluster
    ):
        if not options.local:
            cluster.adapt(minimum_jobs=1, maximum_jobs=50)
        with Client(cluster) as client:
            run(study.measure, archive, client.get_executor())
    print(archive)


if __name__ == "__main__":
    main()
