from django.contrib import admin

from demo_project.customer_care.models import Ticket


@admin.register(Ticket)
class TicketAdmin(admin.ModelAdmin):
    list_display = ("order_number", "reason", "opened_at")
    list_filter = ("reason",)
