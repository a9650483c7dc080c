"""A Django site behind Cognito, in one file. `python examples/django_app.py` serves it and prints a command to try; no AWS account needed.

In production: `gunicorn examples.django_app:app`, and the settings in their own module.
"""

import os
from wsgiref.simple_server import make_server

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

from cognito_guard import HasScope, InGroup
from cognito_guard.adapters.django import requires
from cognito_guard.front import Front
from cognito_guard.testing import LocalUserPool
from cognito_guard.web import Public

pool = LocalUserPool()  # a user pool in this process. For your own, write in the place of these two lines:
guard = pool.guard()  # guard = Guard(UserPool("eu-west-1_AbC123xyz").access_tokens(client="3n4b5urk1ft4fl3mg5e62d9ado"))

settings.configure(
    SECRET_KEY="for this example only, which signs nothing",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["cognito_guard.adapters.django.CognitoMiddleware"],  # judges by routes; leave it out to use decorators alone
    COGNITO_GUARD=Front(guard, routes=[Public("/health")]),  # every other path needs a good token
)


def health(_request):
    return HttpResponse("hello stranger\n")


@requires(HasScope("orders/read"))
def orders(request):
    return HttpResponse(f"hello {request.cognito_principal.username}\n")


@requires(InGroup("staff"))
async def staff(request, rest):
    return HttpResponse(f"hello {request.cognito_principal.username}, here is {rest}\n")


urlpatterns = [path("health", health), path("orders", orders), path("staff/<path:rest>", staff)]
app = get_wsgi_application()


if __name__ == "__main__":
    with make_server("127.0.0.1", int(os.environ.get("PORT", "8000")), app) as server:
        token = pool.access(username="jane", scopes=["orders/read"])
        print(f"curl -i http://127.0.0.1:{server.server_port}/orders -H 'Authorization: Bearer {token}'", flush=True)
        server.serve_forever()
