"""Singer target: writes to Klaviyo in bulk and tells the truth about each row."""
