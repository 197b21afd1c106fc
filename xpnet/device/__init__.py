"""Where numbers live and who computes: backends, memory, threads, and data on the host."""
