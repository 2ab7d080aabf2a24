"""Definitions kept as files: YAML that is read strictly, and every fault told with file, line, key and remedy."""
