"""The Lua of pre-function and post-function, run by LuaJIT in a sandbox with Kong's limits."""
