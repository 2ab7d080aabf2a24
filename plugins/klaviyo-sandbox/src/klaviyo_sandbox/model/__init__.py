"""What everything is made of: the records, and how ids, times, errors and time itself are written."""
