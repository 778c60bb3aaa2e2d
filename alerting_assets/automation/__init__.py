"""What starts runs, and the one module that records the partitions of a batch run."""
