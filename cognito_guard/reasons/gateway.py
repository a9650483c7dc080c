"""The codes of the gateway: what is wrong with a request's form, with the upstream, or with how another proxy asks. Wording only."""

from __future__ import annotations

from cognito_guard.reasons.reason import Reason

GATEWAY_REASONS: dict[str, Reason] = {
    "connections_full": Reason(
        "The gateway holds as many connections as it may.",
        "More clients came at once than limits.connections allows, or clients open connections and send nothing.",
        "Try again. If it stays, raise limits.connections and the process's limit of open files, or start more workers.",
    ),
    "request_line_refused": Reason(
        "The request does not begin with a method, a target and a version of HTTP/1.",
        "Somebody speaks another protocol to the port: TLS, HTTP/2 or a health check that only connects.",
        "Speak HTTP/1.1 to the gateway; in front of it, let the load balancer do TLS and HTTP/2.",
    ),
    "request_malformed": Reason(
        "Method, target or host of the request that a proxy asked about are not what HTTP allows.",
        "Envoy passed on what it was sent; clients that do so are broken, or look for gaps.",
        "Set normalize_path and the rejections of examples/envoy-grpc.yaml in Envoy.",
    ),
    "target_refused": Reason(
        "The target is not a plain path: it is absolute ('GET http://...'), holds '#', a blank, or octets that are not visible ASCII.",
        "A client sends its requests as to a forward proxy, or does not encode its URLs.",
        "Send the path alone, percent-encoded.",
    ),
    "target_too_long": Reason(
        "The request line is longer than the gateway takes.",
        "A token or a form was put into the URL.",
        "Send tokens in the Authorization field, and forms in a body; or raise limits.head.",
    ),
    "head_too_large": Reason(
        "The header fields are larger than the gateway takes.",
        "Tokens with many groups reach 20 kB, and cookies add to that.",
        "Raise limits.head (and the limits of every proxy in front), or make cookies and tokens smaller.",
    ),
    "fields_too_many": Reason(
        "The request has more header fields than the gateway takes.",
        "Hardly any client sends more than 50; scanners do.",
        "Raise limits.fields if a client of yours really needs it.",
    ),
    "field_refused": Reason(
        "A header field is malformed: its name, its value, or a spelling that upstreams take for another field.",
        "Folded lines, blanks in names, control characters in values, 'Content_Length'.",
        "Send well-formed fields. What comes from a proxy in front is its setting to mend.",
    ),
    "line_end_refused": Reason(
        "A line of the head does not end in CR LF.",
        "The request was put together by hand, or is an attempt at smuggling a second one.",
        "End lines in CR LF.",
    ),
    "host_refused": Reason(
        "The request has no Host field, several, or one that is no host.",
        "A client of HTTP/1.0, or an attempt at choosing another site or route.",
        "Send exactly one Host field with a name or address, and a port where there is one.",
    ),
    "framing_refused": Reason(
        "The length of the body can be read in two ways, or in none.",
        "Content-Length beside Transfer-Encoding, several lengths, or an unknown encoding: what request smuggling is made of.",
        "Send either Content-Length or 'Transfer-Encoding: chunked', and once.",
    ),
    "chunk_refused": Reason(
        "A chunked body is malformed.",
        "The client or a proxy in front breaks the framing; trailers with a meaning for routing are refused too.",
        "Mend the sender; HTTP libraries do this right.",
    ),
    "expectation_refused": Reason(
        "The request expects something other than 100-continue.",
        "No common client does.",
        "Leave the Expect field out.",
    ),
    "method_refused": Reason(
        "This method is not served here.",
        "CONNECT and TRACE are never forwarded; the gateway's own documents are for GET and HEAD.",
        "Use another method.",
    ),
    "version_refused": Reason(
        "The request is of a version of HTTP that the gateway does not speak.",
        "HTTP/2 without TLS was tried, or an unknown protocol.",
        "Use HTTP/1.1 towards the gateway.",
    ),
    "websocket_refused": Reason(
        "The opening handshake of a websocket is malformed.",
        "A body came with it, the key is not 16 octets, or fields are missing.",
        "Use a websocket library; look for proxies in front that drop Upgrade, Connection or Sec-WebSocket-Key.",
    ),
    "websocket_version": Reason(
        "The handshake asks for a version of the websocket protocol other than 13.",
        "A client from before 2011.",
        "Use version 13 (RFC 6455).",
    ),
    "request_timeout": Reason(
        "The request did not arrive in time.",
        "The client is slow or has gone, or it is meant to keep connections busy.",
        "Send the request at once. timeouts.head and timeouts.body say how long the gateway waits.",
    ),
    "body_too_large": Reason(
        "The body is larger than the gateway takes.",
        "An upload is larger than limits.body.",
        "Raise limits.body if such uploads are wanted.",
    ),
    "gateway_failed": Reason(
        "The gateway met an error of its own.",
        "A bug: everything foreseen has a code of its own.",
        "Look into the gateway's log for the traceback, and report it.",
    ),
    "internal_error": Reason(
        "The question could not be judged because of an error of the gateway's own; the answer is a refusal.",
        "A bug: everything foreseen has a code of its own.",
        "Look into the gateway's log for the traceback, and report it.",
    ),
    "not_found": Reason(
        "The gateway has no such document of its own.",
        "Everything under /_cognito_guard/ is the gateway's, and is never forwarded.",
        "Leave that prefix to the gateway.",
    ),
    "unknown_path": Reason(
        "The gateway answers no questions of proxies at this path.",
        "The kind of proxy is not named in forward_auth.kinds, or the path is misspelt.",
        "Name the kind in the settings, and ask /_cognito_guard/verify/nginx, traefik, caddy or envoy.",
    ),
    "asker_refused": Reason(
        "Who asks for a decision is not trusted here.",
        "The proxy's address is not in forward_auth.trusted, or X-Cognito-Guard-Secret is missing or wrong.",
        "Name the proxy's network, and let the proxy set the secret. The gateway's log says which of the two it was.",
    ),
    "question_unclear": Reason(
        "The proxy's question does not say which request it is about.",
        "The fields that this kind of proxy must set (X-Original-URI, X-Forwarded-Uri ...) are missing or doubled.",
        "Compare the proxy's configuration with the one in examples/; the gateway's log names what lacks.",
    ),
    "metadata_elsewhere": Reason(
        "The document of RFC 9728 cannot be served through a question of a proxy.",
        "A proxy takes 200 for permission, and would send the request on to the application.",
        "Let the proxy send /.well-known/oauth-protected-resource to the gateway.",
    ),
    "identity_not_sendable": Reason(
        "A claim of the token cannot be written into a header field.",
        "An attribute of the user holds a line break or another control character.",
        "Configure the encoding 'json' or 'base64url' for that header; the log names header and claim.",
    ),
    "no_upstream": Reason(
        "No upstream serves this host and path.",
        "The Host field is another than the settings name, or no upstream has path = '/*'.",
        "Compare Host and path with the [[upstream]] tables; cognito-guard check prints them.",
    ),
    "upstream_unreachable": Reason(
        "The application behind the gateway cannot be reached.",
        "It is not running, listens elsewhere, or its certificate does not verify.",
        "Start it, and compare its address with the settings; the access log's 'failure' says what happened.",
    ),
    "upstream_closed": Reason(
        "The application behind the gateway closed the connection before its answer was complete.",
        "It crashed, was restarted, or closes idle connections sooner than the gateway expects.",
        "Look into its log; keep upstream.keep_alive below its own idle time.",
    ),
    "upstream_timeout": Reason(
        "The application behind the gateway did not answer in time.",
        "It is slow, stuck or overloaded.",
        "Look into its log; timeouts.answer, timeouts.idle and timeouts.total say how long the gateway waits.",
    ),
    "upstream_malformed": Reason(
        "What the application behind the gateway answered is not HTTP with one reading.",
        "It frames its answers wrongly, or something else listens at its address.",
        "Mend the application; the gateway's log says what is wrong.",
    ),
    "upstream_overloaded": Reason(
        "The application behind the gateway has as many requests at hand as it may get.",
        "All of upstream.connections were busy until the connect timeout.",
        "Try again. If it stays, give the application more capacity, or raise upstream.connections.",
    ),
    "admin_caller_refused": Reason(
        "The admin listener answers programs that ask by address, and no pages in a browser.",
        "The request carries Origin, Sec-Fetch-Site, or a Host that is a name.",
        "Ask with curl or a scraper, at http://127.0.0.1:9090 or the address that is bound.",
    ),
    "admin_path_unknown": Reason(
        "The admin listener has no such document.",
        "There are /livez, /readyz and /metrics.",
        "Use one of these.",
    ),
}
