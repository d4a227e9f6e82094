#!/bin/bash
#SBATCH --job-name=cocycle
#SBATCH --ntasks=65            # one coordinates, the others compute
#SBATCH --cpus-per-task=1
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@120      # two minutes before the end: write the results so far, end
#SBATCH --requeue
# sbatch mpi_slurm.sh; if the time was too short, sbatch it again: it computes the missing points.
set -eu
source .venv/bin/activate
srun python -m mpi4py.futures -m cocycle sweep study.toml --mpi
