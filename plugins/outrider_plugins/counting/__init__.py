"""How much: what a limit is, the algorithms that judge it, and the storages that keep the counts.

A `Charge` says what to count: a `Rule` (a limit and its algorithm), a key, a cost. A `Storage` counts it, over all
who share it, and answers with a `Usage`. Algorithms know no storage, and storages no algorithm but by `Rule`.
"""
