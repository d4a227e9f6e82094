#!/bin/bash
#SBATCH --job-name=cocycle
#SBATCH --ntasks=65            # one coordinates, the others compute
#SBATCH --cpus-per-task=1
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@120      # two minutes before the end: commit what is there, leave
#SBATCH --requeue
# sbatch mpi_slurm.sh; when the time was not enough, sbatch it again: it does what is missing.
set -eu
source .venv/bin/activate
srun python -m mpi4py.futures -m cocycle sweep study.toml --mpi
