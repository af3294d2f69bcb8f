"""The target agent: writes the planned volumes and nothing else."""
