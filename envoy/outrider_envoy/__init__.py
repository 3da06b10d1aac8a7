"""The Envoy adapter: ext_proc and ext_authz, read into requests and written back as mutations."""
