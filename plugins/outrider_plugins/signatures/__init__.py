"""HTTP Message Signatures (RFC 9421) for the plugin signature-auth.

`keys` are those that signatures are verified with, `message` is a request as its signer saw it, `verifier` finds the
one signature of a request and verifies it, and `replays` remembers which were used.
"""
