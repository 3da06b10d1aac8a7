"""The mark that every decision to let a request on leaves in Envoy's dynamic metadata."""

NAMESPACE = "outrider"
"""Where ext_proc puts it; ext_authz has a namespace of its own, named after its filter."""
DECIDED = "decided"
REPLY = "reply"
"""Below which the headers stand that downstream gets whatever answers; Envoy's header_mutation filter sets them."""
