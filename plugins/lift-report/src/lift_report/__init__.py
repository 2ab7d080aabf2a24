"""The results of experiments as one HTML page."""
