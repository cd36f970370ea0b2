from django.contrib import admin
from django.urls import path

from stream_events.admin import register

ops = admin.AdminSite("ops")
register(ops)

urlpatterns = [path("admin/", admin.site.urls), path("ops/", ops.urls)]
