from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from demo_project.dashboard.board import shared_board
from demo_project.dashboard.live import messages

POLICY = "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"


@require_GET
@never_cache
@staff_member_required
def page(request: HttpRequest) -> HttpResponse:
    """The board as it is now; the page's script keeps it so."""
    response = render(request, "dashboard/page.html", {"board": shared_board().snapshot()})
    response["Content-Security-Policy"] = POLICY
    return response


@require_GET
@never_cache
@staff_member_required
def live(request: HttpRequest) -> StreamingHttpResponse:
    """What happens on the board, for as long as the browser stays. Wants a server with threads."""
    response = StreamingHttpResponse(messages(shared_board()), content_type="text/event-stream")
    response["X-Accel-Buffering"] = "no"  # nginx would keep it back
    return response
