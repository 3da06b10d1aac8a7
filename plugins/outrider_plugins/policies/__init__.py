"""Conditions in CEL, the Common Expression Language, for the plugin policy.

`language` is the library, `vocabulary` what expressions can speak of, `mentions` what one of them does speak of, and
`condition` one that is compiled.
"""
