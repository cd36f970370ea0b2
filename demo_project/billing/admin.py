from django.contrib import admin

from demo_project.billing.models import Invoice


@admin.register(Invoice)
class InvoiceAdmin(admin.ModelAdmin):
    list_display = ("order_number", "total", "written_at")
