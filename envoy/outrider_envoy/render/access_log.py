"""Envoy's access log: a line of JSON for each request, without the query, in which secrets may stand."""

from outrider_envoy.render.plan import Plan, Section, typed

_LOGGERS = "envoy.extensions.access_loggers"
_FILTER = "envoy.extensions.filters.http.set_filter_state.v3.Config"
_HOST, _PATH = "outrider.host", "outrider.path"

_LONGEST = 1024
"""How much of what downstream sent is written, in bytes."""

FIELDS = {
    "time": "%START_TIME%",
    "method": f"%REQ(:METHOD):{_LONGEST}%",
    "host": f"%FILTER_STATE({_HOST}:PLAIN):{_LONGEST}%",
    "path": f"%FILTER_STATE({_PATH}:PLAIN):{_LONGEST}%",
    "protocol": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "duration_ms": "%DURATION%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "route": "%ROUTE_NAME%",
    "upstream": "%UPSTREAM_HOST%",
    "request_id": f"%REQ(X-REQUEST-ID):{_LONGEST}%",
    "flags": "%RESPONSE_FLAGS%",
}


def access_log(plan: Plan) -> Section:
    """The `access_log` of the connection manager; empty where the file names no place for it."""
    place = plan.configuration.gateway.log.access
    if place is None:
        return {}
    form = {"json_format": FIELDS, "omit_empty_values": True}
    if place == "stdout":
        logger = {"name": "stdout", "typed_config": typed(f"{_LOGGERS}.stream.v3.StdoutAccessLog", log_format=form)}
    else:
        config = typed(f"{_LOGGERS}.file.v3.FileAccessLog", path=place, log_format=form)
        logger = {"name": "file", "typed_config": config}
    return {"access_log": [logger]}


def path_filter(plan: Plan) -> list[Section]:
    """The first filter of all, where there is a log: it keeps what a route rewrites, host and path."""
    if plan.configuration.gateway.log.access is None:
        return []
    kept = [_kept(_HOST, "%REQ(:AUTHORITY)%"), _kept(_PATH, "%PATH(NQ)%")]
    return [{"name": "outrider.path", "typed_config": typed(_FILTER, on_request_headers=kept)}]


def _kept(name: str, form: str) -> Section:
    value = {"text_format_source": {"inline_string": form}}
    return {"object_key": name, "factory_key": "envoy.string", "format_string": value}
