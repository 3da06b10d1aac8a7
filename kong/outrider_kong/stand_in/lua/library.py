"""The lupa package (LuaJIT 2.1) with types: strings are bytes, tables become dict and list and back."""

from importlib import import_module
from typing import Any

from outrider_kong.stand_in.values import Value, is_list, is_table

# Its stubs, where there are any, know neither LuaJIT nor these arguments.
lupa: Any = import_module("lupa.luajit21")


class Runtime:
    """One Lua state."""

    def __init__(self) -> None:
        self._lua: Any = lupa.LuaRuntime(encoding=None, unpack_returned_tuples=True, register_eval=False)

    def execute(self, code: bytes, *arguments: Any) -> Any:
        """Runs a chunk, whose arguments are `...`."""
        return self._lua.execute(code, *arguments)

    def to_lua(self, value: Value) -> Any:
        """Makes tables of dict and list; anything else passes as it is."""
        if is_table(value):
            return self._lua.table_from({key: self.to_lua(item) for key, item in value.items()})
        if is_list(value):
            return self._lua.table_from([self.to_lua(item) for item in value])
        return value


def to_python(value: Any) -> Value:
    """Makes dict and list of tables: a list where the keys are 1 to n."""
    if lupa.lua_type(value) != "table":
        return value
    table: dict[Any, Value] = {key: to_python(item) for key, item in value.items()}
    if table and all(isinstance(key, int) for key in table):
        return [table[key] for key in sorted(table)]
    return table
