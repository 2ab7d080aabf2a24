"""What a run leaves for the next one in Singer's STATE."""
