"""Forward-auth: nginx, Traefik, Caddy and Envoy ask over HTTP about each request, and pass on only what is allowed (THREATS section 6).

`kinds` reads the original request out of the question, `answers` words the answer as this kind of proxy understands it, `endpoint`
puts them around a Front.
"""
