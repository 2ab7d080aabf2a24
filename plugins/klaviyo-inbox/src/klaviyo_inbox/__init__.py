"""The receiver of what is pushed, and the Singer tap that reads what it received."""
