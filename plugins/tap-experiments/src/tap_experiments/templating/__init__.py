"""The templates generated from an experiment: how they are built, checked, proven and shown."""
