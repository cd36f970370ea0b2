"""URLs and middleware of the demo under a strict policy."""

from django.contrib import admin
from django.http import HttpResponse
from django.template import engines
from django.urls import path

from demo_project.urls import urlpatterns as demo
from stream_events.admin.charts import chart, sparkline

PAGE = """
{% extends "admin/base_site.html" %}
{% block content %}
  {% include "admin/stream_events/live.html" %}
  <p>{{ sparkline }}</p>
  {% include "admin/stream_events/chart.html" %}
{% endblock %}
"""


def policy(get_response):
    """Middleware that allows nothing but files of the site itself."""

    def respond(request):
        response = get_response(request)
        response["Content-Security-Policy"] = "default-src 'self'"
        return response

    return respond


def chart_page(request):
    context = {
        **admin.site.each_context(request),
        "title": "orders",
        "chart": chart(request, "orders", ["billing", "mailing"]),
        "sparkline": sparkline([1, 2, None, 4], "Lag"),
    }
    return HttpResponse(engines["django"].from_string(PAGE).render(context, request))


urlpatterns = [path("chart/", admin.site.admin_view(chart_page)), *demo]
