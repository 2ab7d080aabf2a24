"""What speaks HTTP: the server, the checks before a handler runs, the control plane, faults, rate limits."""
