"""What small Singer programs share: command line, settings, end on a signal, reading and writing of messages."""
