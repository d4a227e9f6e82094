#!/bin/bash
#SBATCH --job-name=cocycle
#SBATCH --array=1-10
#SBATCH --nodes=1
#SBATCH --cpus-per-task=16
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@120
# sbatch array_slurm.sh; then: cocycle merge study-*-of-10.h5 --output study.h5
set -eu
source .venv/bin/activate
srun cocycle sweep study.toml --part "$SLURM_ARRAY_TASK_ID/10"
