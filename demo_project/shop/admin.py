from django.contrib import admin

from demo_project.shop.models import Order, OrderLine


class OrderLineInline(admin.TabularInline):
    model = OrderLine
    extra = 1


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    list_display = ("number", "customer", "status", "placed_at")
    list_filter = ("status",)
    inlines = (OrderLineInline,)
