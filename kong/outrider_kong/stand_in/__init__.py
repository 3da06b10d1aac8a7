"""A stand-in for Kong Gateway 3.9.1, for tests: no Kong, but it speaks to plugin servers and clients as one does."""
