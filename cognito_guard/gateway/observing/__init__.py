"""What operators see of the gateway: metrics, the access log, trace context, the admin listener's answers, its own log.

Everything here only tells. Nothing here changes what was decided about a request, and nothing here may fail it.
"""
