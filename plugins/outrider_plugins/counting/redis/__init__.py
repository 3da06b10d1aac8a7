"""The storage for several machines: a Redis or Valkey, which counts all limits of a request in one script."""
