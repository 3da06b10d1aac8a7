"""How much: what a limit is, the algorithms that judge it, and the storages that keep the counts.

A `Charge` (rule.py) says what to count: a `Rule` (a limit and its algorithm: fixed_window, sliding_window, gcra), a
key, a cost. A `Storage` (storage.py; opening.py opens the one that a file names, watched.py watches it) counts it for
all who share it, in shared_memory.py or in redis/, and answers with a `Usage`. Algorithms know no storage, and
storages no algorithm but by `Rule`.
"""
