"""What Klaviyo's API expects and promises, shared by the tap, the target and the sandbox.

Nothing here opens a socket, reads a clock or looks at the environment: those come in as arguments.
"""
