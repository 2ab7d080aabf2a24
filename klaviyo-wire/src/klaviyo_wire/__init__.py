"""What Klaviyo's API expects and promises, shared by the tap, the target and the sandbox.

Nothing here has a clock, a sleep or settings of its own: they come in as arguments, and so does the HTTP session
that requests leave by.
"""
