"""The place of the Kong adapter: one process that Kong asks over its plugin-server socket."""
