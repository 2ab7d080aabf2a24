"""The records, with the declarations of their tables; ids, times, errors, the clock and deferred work."""
