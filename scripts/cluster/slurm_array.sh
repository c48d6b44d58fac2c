#!/bin/bash
# Strip a BIDS data set by an array of Slurm jobs, one for each participant; the last writes the table.
#
#   scripts/cluster/slurm_array.sh BIDS_DIR OUT_DIR [options of skullstrip-bids]
#
# Run it on a login node, where `skullstrip-bids` is on the PATH. sbatch takes account, partition and the
# like from its variables (SBATCH_ACCOUNT, SBATCH_PARTITION). AT_ONCE=200 lets 200 jobs run at a time.
set -euo pipefail

bids=$1 out=$2
shift 2
participants=("$bids"/sub-*/)
if [ -n "${SLURM_ARRAY_TASK_ID-}" ]; then
    name=$(basename "${participants[SLURM_ARRAY_TASK_ID]}")
    exec skullstrip-bids "$bids" "$out" participant --participant-label "$name" \
        --jobs 1 --threads "${SLURM_CPUS_PER_TASK:-2}" "$@"
fi
array=$(sbatch --parsable --job-name skullstrip --array "0-$((${#participants[@]} - 1))%${AT_ONCE:-50}" \
    --cpus-per-task 2 --mem 3G --time 1:00:00 "$0" "$bids" "$out" "$@")
sbatch --job-name skullstrip-group --mem 3G --time 1:00:00 --dependency "afterany:${array%%;*}" \
    --wrap "$(printf '%q ' skullstrip-bids "$bids" "$out" group)"
