"""What `zmig lint` found before, kept beside the manifest, for files that are as they were.

Nothing here is a source of truth: what cannot be read, or was not written by this user's own zmig, is not there.
"""
