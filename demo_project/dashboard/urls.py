from django.urls import path

from demo_project.dashboard import views

app_name = "dashboard"
urlpatterns = [
    path("", views.page, name="page"),
    path("live/", views.live, name="live"),
]
